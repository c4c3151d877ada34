"""Whatever is wrong: exit code 2, one sentence, no traceback, nothing written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chainrule.cli.main import run_command

Command = Callable[..., Any]


def everything() -> dict[str, bytes]:
    """All files here, and what is in them."""
    return {
        str(path): path.read_bytes() if path.is_file() else b""
        for path in sorted(Path().rglob("*"))
    }


@pytest.fixture
def sentence(chainrule: Command) -> Callable[..., str]:
    """The one sentence that a wrong command says."""

    def said(*arguments: str) -> str:
        before = everything()
        found = chainrule(*arguments)
        assert (found.code, found.out) == (2, "")
        lines = found.err.splitlines()
        assert len(lines) == 1, found.err
        assert lines[0].startswith("chainrule: ")
        assert lines[0][-1] in ".?)"
        assert everything() == before
        return lines[0].removeprefix("chainrule: ")

    return said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["trai"], "No such command 'trai'"),
        (["train"], "Missing argument 'SOURCE'; chainrule train --help shows what there is."),
        (["train", "iris", "wine"], "unexpected extra argument"),
        (["train", "iris", "--bogus"], "No such option: --bogus"),
        (["train", "iris", "--epochs"], "Option '--epochs' requires an argument"),
        (["train", "iris", "--json=yes"], "Option '--json' does not take a value"),
        (["evaluate", "run"], "Missing argument 'SOURCE'; chainrule evaluate --help"),
        (["train", "iris", "--epochs", "x"], "--epochs must be a whole number, not 'x'."),
        (
            ["train", "iris", "--epochs", "0"],
            "--epochs must be a whole number of at least 1, not 0.",
        ),
        (
            ["train", "iris", "--dropout", "1.5"],
            "--dropout must be a number of at least 0 and below",
        ),
        (["train", "iris", "--activation", "reluu"], "did you mean 'relu'?"),
        (["train", "iris", "--out", "x", "--precision", "half"], "Unknown precision 'half'"),
        (["train", "iriss"], "did you mean 'iris'?"),
        (["data", "iriss"], "did you mean 'iris'?"),
        (["train", "nowhere.csv"], "'nowhere.csv' is neither a file or folder here nor"),
        (["train", "iris", "--test-file", "nowhere.csv"], "'nowhere.csv' is neither"),
        (["train", "digits", "--target", "y"], "--target names a column, but digits is an array"),
        (["data", "digits", "--target", "y"], "--target names a column, but digits is an array"),
        (["show", "nowhere"], "nowhere is not the folder of a run: it has no result.json."),
        (["predict", "nowhere", "iris"], "nowhere does not exist: give the folder of a run"),
        (["predict", "nowhere", "iris", "--out", "p.xlsx"], "--out p.xlsx must end in .csv or"),
    ],
)
def test_a_wrong_command_line_is_told(
    sentence: Callable[..., str], arguments: list[str], told: str
) -> None:
    assert told in sentence(*arguments)


def test_wrong_tables_are_told(sentence: Callable[..., str], table: pl.DataFrame) -> None:
    def written(**columns: Any) -> str:
        table.with_columns(**columns).write_csv("wrong.csv")
        return "wrong.csv"

    Path("empty.csv").touch()
    assert sentence("train", "empty.csv") == "empty.csv is empty: there is nothing to read."
    table.head(0).write_csv("header.csv")
    assert "table of 0 rows" in sentence("train", "header.csv")
    assert "did you mean 'label'" in sentence("train", written(), "--target", "lable")
    assert "has one class only ('same'" in sentence("train", written(label=pl.lit("same")))
    assert "has no value in any row" in sentence(
        "train", written(label=pl.lit(None)), "--target", "label"
    )
    assert "infinite" in sentence("train", written(price=pl.lit(float("inf"))))
    assert "should hold numbers" in sentence("train", written(), "--task", "regression")
    assert "a logarithm is for quantities" in sentence("train", written(), "--log-target")
    Path("twice.csv").write_text("a,a,label\n1,2,x\n3,4,y\n")
    assert "more than one column called 'a'" in sentence("train", "twice.csv")
    assert "more than one column called 'a'" in sentence("data", "twice.csv")


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "npz"])
def test_garbage_is_told(sentence: Callable[..., str], ending: str) -> None:
    garbage = np.random.default_rng(0).bytes(4000)
    Path(f"zeros.{ending}").write_bytes(garbage)
    Path(f"text.{ending}").write_bytes(garbage.replace(b"\0", b'"'))
    for name in (f"zeros.{ending}", f"text.{ending}"):
        assert name in sentence("train", name)
        assert name in sentence("data", name)


def test_a_folder_that_holds_no_images_is_told(sentence: Callable[..., str]) -> None:
    Path("folder.csv").mkdir()
    assert "The folder folder.csv lacks train-images" in sentence("train", "folder.csv")


@pytest.mark.skipif(os.geteuid() == 0, reason="everything is permitted to root")
def test_what_is_not_permitted_is_told(sentence: Callable[..., str], written: str) -> None:
    Path(written).chmod(0)
    assert "Permission denied" in sentence("train", written)
    Path(written).chmod(0o600)
    Path("locked").mkdir(mode=0o500)
    assert "--out locked/run cannot be made" in sentence("train", written, "--out", "locked/run")


def test_a_run_is_not_overwritten(
    chainrule: Command, sentence: Callable[..., str], written: str
) -> None:
    assert chainrule("train", written, "--epochs", "1", "--out", "run").code == 0
    assert "--out run is not empty" in sentence("train", written, "--out", "run")


def test_a_run_that_is_damaged_is_told(
    chainrule: Command, sentence: Callable[..., str], written: str
) -> None:
    chainrule("train", written, "--epochs", "1", "--out", "run")
    whole = Path("run/result.json").read_text()
    for text in (whole[:-20], "[]", '{"task": "classification"}', whole.replace('"epochs"', '"e"')):
        Path("run/result.json").write_text(text)
        assert "run/result.json is damaged" in sentence("show", "run")
    Path("run/result.json").write_text(whole.replace('"stopped_because"', '"s"'))
    assert "it lacks or misstates 'stopped_because'" in sentence("show", "run")
    Path("run/result.json").write_text(whole)
    Path("run/history.csv").write_text("epoch,loss\n1,low\n")
    assert "run/history.csv is damaged" in sentence("show", "run", "--plot", "curves.png")
    Path("run/model.chainrule").write_bytes(b"\0" * 100)
    assert "run/model.chainrule is damaged" in sentence("predict", "run", written)


def test_predictions_do_not_overwrite_their_own_data(
    chainrule: Command, sentence: Callable[..., str], written: str
) -> None:
    chainrule("train", written, "--epochs", "1", "--out", "run")
    words = sentence("predict", "run", written, "--out", f"./{written}")
    assert "is the data to predict itself" in words
    assert "The folder no does not exist" in sentence(
        "predict", "run", written, "--out", "no/p.csv"
    )
    assert "curves.bmp" in sentence("show", "run", "--plot", "curves.bmp")


def test_text_that_could_act_on_a_terminal_is_spelt_out(sentence: Callable[..., str]) -> None:
    assert "'\\x1b[31mred line.csv'" in sentence("train", "\x1b[31mred\nline.csv")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError("Unable to allocate 3 TiB"), "There is not enough memory (Unable to allocate"),
        (OSError(28, "No space left on device", "x.csv"), "Cannot read or write x.csv (No space"),
    ],
)
def test_what_the_machine_refuses_is_told(
    sentence: Callable[..., str], monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    def refuse(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr("chainrule.cli.commands.describe_source", refuse)
    assert sentence("data", "iris").startswith(told)


def test_a_mistake_of_our_own_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def mistake(*arguments: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("chainrule.cli.commands.describe_source", mistake)
    with pytest.raises(ZeroDivisionError):
        run_command(["data", "iris"])
