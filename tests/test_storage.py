"""One file for arrays and a document: whole or not at all, and refused in words where it is not ours."""

from __future__ import annotations

import json
import math
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from chainrule import storage
from chainrule.errors import ModelFileError

ARRAYS = {
    "kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "transposed": np.arange(6, dtype=np.float64).reshape(2, 3).T,
    "single number": np.array(0.1),
    "nothing": np.zeros((0, 3)),
    "counts": np.array([1, 2, 3], dtype=np.int64),
}
DOCUMENT = {"name": "Größe", "loss": math.inf, "nested": {"list": [1, None, True]}}


def test_arrays_and_document_come_back_as_they_were(tmp_path: Path) -> None:
    storage.save(tmp_path / "m.chainrule", ARRAYS, DOCUMENT)
    arrays, document = storage.load(tmp_path / "m.chainrule")
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape, name
        np.testing.assert_array_equal(arrays[name], array)
    assert {key: document[key] for key in DOCUMENT} == DOCUMENT
    assert document["versions"]["numpy"] == np.__version__


def test_another_program_that_knows_safetensors_can_read_the_file(tmp_path: Path) -> None:
    storage.save(tmp_path / "m.chainrule", ARRAYS, DOCUMENT)
    content = (tmp_path / "m.chainrule").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    assert header["kernel"]["shape"] == [2, 3]
    start, end = header["kernel"]["data_offsets"]
    read = np.frombuffer(content[8 + size :][start:end], "<f4")
    assert read.tolist() == ARRAYS["kernel"].ravel().tolist()


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    for n in (1, 2):
        storage.save(tmp_path / "m.chainrule", {"n": np.array([n])}, {})
    assert storage.load(tmp_path / "m.chainrule")[0]["n"].tolist() == [2]
    assert [p.name for p in tmp_path.iterdir()] == ["m.chainrule"]


def test_a_document_that_is_not_json_leaves_the_old_file_alone(tmp_path: Path) -> None:
    storage.save(tmp_path / "m.chainrule", ARRAYS, {"n": 1})
    with pytest.raises(TypeError):
        storage.save(tmp_path / "m.chainrule", ARRAYS, {"n": object()})
    assert storage.load(tmp_path / "m.chainrule")[1]["n"] == 1
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX'")
def test_the_file_may_be_read_by_whom_the_user_s_mask_allows(tmp_path: Path) -> None:
    script = (
        "import os, sys, numpy as np; os.umask(0o027); from chainrule import storage; "
        "storage.save(sys.argv[1], {'a': np.ones(1)}, {}); print(oct(os.umask(0)))"
    )
    path = tmp_path / "m.chainrule"
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "0o27"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


# --- what is refused --------------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"gone\.chainrule cannot be read: it does not exist"):
        storage.load(tmp_path / "gone.chainrule")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="it is a folder"):
        storage.load(tmp_path)
    with pytest.raises(ModelFileError, match="is a folder: give the name of a file"):
        storage.save(tmp_path, {}, {})


def test_a_missing_folder_is_named_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"The folder .*nowhere does not exist"):
        storage.save(tmp_path / "nowhere" / "m.chainrule", ARRAYS, {})


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"could not be written \(File name too long\)"):
        storage.save(tmp_path / ("x" * 300), ARRAYS, {})


@pytest.mark.parametrize("kept", [0, 4, 8, 100, -1])
def test_a_truncated_file_is_damaged(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "m.chainrule"
    storage.save(path, ARRAYS, DOCUMENT)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelFileError, match=r"m\.chainrule is damaged or not a chainrule model"):
        storage.load(path)


@pytest.mark.parametrize("content", [b"not a model at all", bytes(1000), b"\xff" * 64])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.chainrule"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged or not a chainrule model"):
        storage.load(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_somebody_else_s_safetensors_file_is_refused(tmp_path: Path, metadata: Any) -> None:
    path = tmp_path / "m.safetensors"
    save_file({"a": np.ones(2)}, path, metadata)
    with pytest.raises(ModelFileError, match="safetensors file, but not one that chainrule wrote"):
        storage.load(path)


@pytest.mark.parametrize("document", ["[1, 2]", '"text"', "{}", '{"format": 99}'])
def test_another_format_is_named_with_ours(tmp_path: Path, document: str) -> None:
    path = tmp_path / "m.chainrule"
    save_file({"a": np.ones(2)}, path, {"chainrule": document})
    found = 99 if "99" in document else None
    with pytest.raises(ModelFileError, match=f"has format {found}, .* reads format 1: use the"):
        storage.load(path)


def test_a_document_that_is_cut_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "m.chainrule"
    save_file({"a": np.ones(2)}, path, {"chainrule": '{"format": 1, '})
    with pytest.raises(ModelFileError, match="is damaged"):
        storage.load(path)
