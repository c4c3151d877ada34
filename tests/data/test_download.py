"""Where the image sets lie, and how they are fetched: from a real server on this machine."""

from __future__ import annotations

import gzip
import hashlib
import struct
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from chainrule.data import download, load_source
from chainrule.data.download import cache_folder, fetch, image_folder
from chainrule.data.idx import PARTS
from chainrule.errors import DataError


def idx(array: np.ndarray) -> bytes:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


CONTENTS = [
    idx(np.arange(24, dtype=np.uint8).reshape(4, 3, 2)),
    idx(np.arange(4, dtype=np.uint8)),
    idx(np.arange(12, dtype=np.uint8).reshape(2, 3, 2)),
    idx(np.arange(2, dtype=np.uint8)),
]
SUMS = [hashlib.sha256(content).hexdigest() for content in CONTENTS]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    for part, content in zip(PARTS, CONTENTS, strict=True):
        (folder / f"{part}-ubyte.gz").write_bytes(gzip.compress(content))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}", folder
        http.shutdown()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    monkeypatch.setattr(download, "_SYSTEM", {})
    return tmp_path / "cache" / "chainrule"


def write(folder):
    folder.mkdir(parents=True)
    for part, content in zip(PARTS, CONTENTS, strict=True):
        (folder / f"{part}-ubyte").write_bytes(content)
    return folder


def test_the_files_are_fetched_into_the_cache_once(server, cache, monkeypatch):
    address, folder = server
    monkeypatch.setitem(download.MIRRORS, "mnist", (f"{address}/nothing", address))
    monkeypatch.setitem(download.CHECKSUMS, "mnist", tuple(SUMS))
    source = load_source("mnist")
    np.testing.assert_array_equal(source.features, np.arange(24).reshape(4, 6))
    assert sorted(file.name for file in (cache / "mnist").iterdir()) == sorted(
        f"{part}-ubyte.gz" for part in PARTS
    )
    for file in folder.iterdir():
        file.unlink()
    np.testing.assert_array_equal(load_source("mnist").target, np.arange(4))


def test_wrong_content_is_refused_and_leaves_nothing(server, tmp_path):
    address, _ = server
    destination = tmp_path / "kept" / "file.gz"
    with pytest.raises(DataError, match="not the expected content"):
        fetch([f"{address}/{PARTS[0]}-ubyte.gz"], destination, SUMS[1])
    assert list(destination.parent.iterdir()) == []


def test_a_file_that_is_there_already_is_not_fetched_again(tmp_path):
    destination = tmp_path / "file.gz"
    destination.write_bytes(gzip.compress(CONTENTS[0]))
    fetch([], destination, SUMS[0])


def test_a_failed_fetch_says_where_to_put_the_files(cache, monkeypatch):
    monkeypatch.setitem(download.MIRRORS, "mnist", ("http://127.0.0.1:9",))
    with pytest.raises(DataError) as raised:
        load_source("mnist")
    sentence = str(raised.value)
    assert "could not be fetched" in sentence
    assert f"put {PARTS[0]}-ubyte.gz, " in sentence
    assert str(cache / "mnist") in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("place", ["given", "below the given", "environment", "cache", "system"])
def test_files_on_this_machine_are_found_wherever_they_may_lie(tmp_path, cache, monkeypatch, place):
    monkeypatch.setitem(download.MIRRORS, "fashion-mnist", ())
    given = None
    if place == "given":
        given = folder = write(tmp_path / "mine")
    elif place == "below the given":
        given = tmp_path / "mine"
        folder = write(given / "fashion-mnist")
    elif place == "environment":
        monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "env"))
        folder = write(tmp_path / "env" / "fashion-mnist")
    elif place == "cache":
        folder = write(cache / "fashion-mnist")
    else:
        folder = write(tmp_path / "usr")
        monkeypatch.setattr(download, "_SYSTEM", {"fashion-mnist": folder})
    assert image_folder("fashion-mnist", given) == folder


def test_without_a_setting_the_cache_is_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "chainrule"


def test_the_checksums_are_those_of_the_published_files(data_dir):
    for part, checksum in zip(PARTS, download.CHECKSUMS["mnist"], strict=True):
        content = (data_dir / "mnist" / f"{part}-ubyte.gz").read_bytes()
        assert hashlib.sha256(gzip.decompress(content)).hexdigest() == checksum
