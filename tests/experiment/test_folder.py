from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from chainrule.errors import ModelFileError
from chainrule.experiment.folder import (
    new_folder,
    read_history,
    read_result,
    to_json,
    write_history,
    write_result,
)

RESULT = {"task": "regression", "rows": {}, "epochs": 1, "settings": {}, "network": []}


def test_folders_are_numbered_from_one_and_gaps_are_filled() -> None:
    Path("runs/data-2").mkdir(parents=True)
    names = []
    for _ in range(3):
        with new_folder(None, "data") as folder:
            names.append(str(folder))
    assert names == ["runs/data-1", "runs/data-3", "runs/data-4"]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("my [bold]data[i]: (new)", "my-bold-data-i-new-1"),
        ("Übung 3", "Übung-3-1"),
        ("..", "run-1"),
        ("x" * 300, "x" * 80 + "-1"),
    ],
)
def test_a_folders_name_is_one_that_a_shell_can_take(source: str, name: str) -> None:
    with new_folder(None, source) as folder:
        assert folder == Path("runs") / name


def test_history_is_read_as_it_was_written() -> None:
    columns = {"epoch": [1, 2], "loss": [0.1 + 0.2, math.nan]}
    write_history(Path(), columns)
    found = read_history(".")
    assert found["epoch"] == [1.0, 2.0]
    assert found["loss"][0] == 0.1 + 0.2
    assert math.isnan(found["loss"][1])


@pytest.mark.parametrize("text", ["epoch,loss\n1,low\n", "epoch,loss\n1\n"])
def test_a_damaged_history_is_told(text: str) -> None:
    Path("history.csv").write_text(text)
    with pytest.raises(ModelFileError, match=r"history\.csv is damaged"):
        read_history(".")


def test_a_run_without_history_is_told() -> None:
    with pytest.raises(ModelFileError, match=r"history\.csv cannot be read \(No such file"):
        read_history(".")


def test_a_result_is_read_as_it_was_written() -> None:
    write_result(Path(), {**RESULT, "note": "λ → ∞", "loss": math.inf})
    assert read_result(".") == {**RESULT, "note": "λ → ∞", "loss": None}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"task":', r"result\.json is damaged \(Expecting"),
        ("[1]", "it lacks task, rows, epochs, settings, network"),
        ("{}", "it lacks task, rows"),
        (json.dumps({**RESULT, "rows": 3}), "it lacks rows"),
        ("\x00\x01", "is damaged"),
    ],
)
def test_a_damaged_result_is_told(text: str, told: str) -> None:
    Path("result.json").write_text(text)
    with pytest.raises(ModelFileError, match=told):
        read_result(".")


def test_a_result_that_is_no_text_is_told() -> None:
    Path("result.json").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(ModelFileError, match="is damaged"):
        read_result(".")


def test_a_folder_that_is_no_run_is_told() -> None:
    with pytest.raises(ModelFileError, match=r"nowhere is not the folder of a run"):
        read_result("nowhere")


def test_json_holds_plain_numbers_only() -> None:
    document = {"a": np.float32(0.5), "b": (np.int64(3), np.nan), "c": {1: [np.inf, True, None]}}
    assert json.loads(to_json(document)) == {
        "a": 0.5,
        "b": [3, None],
        "c": {"1": [None, True, None]},
    }
