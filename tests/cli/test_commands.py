from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

Command = Callable[..., Any]
SMALL = ("--hidden", "8", "--epochs", "2")


@pytest.fixture
def trained(chainrule: Command, written: str) -> str:
    assert chainrule("train", written, *SMALL, "--quiet", "--out", "run").code == 0
    return "run"


def unwrapped(text: str) -> str:
    return " ".join(text.split())


def test_training_tells_what_it_does_and_what_came_of_it(chainrule: Command, written: str) -> None:
    said = chainrule("train", written, *SMALL)
    assert said.code == 0
    told = unwrapped(said.err)
    assert told.startswith("Learning label of table: 2 classes from 4 inputs training 65 rows")
    assert "validation 7 rows: 10 % of the remaining rows at random, stratified by class" in told
    assert "test 18 rows: 20 % of the rows at random, stratified by class (seed 0)" in told
    assert "left out row_id: named like an identifier" in told
    assert "network 4 → 8 → 2, 58 parameters" in told
    assert "epoch 2/2: loss" in told
    result = json.loads(Path("runs/table-1/result.json").read_text())
    accuracy, baseline = result["test"]["accuracy"], result["baseline"]["test"]["accuracy"]
    assert said.out.startswith(f"Test accuracy {accuracy:.4f} (baseline {baseline:.4f})\n")
    found = unwrapped(said.out)
    assert "The baseline is always '" in found
    assert "65 rows to train on, 7 for validation, 18 for the test: 20 % of the rows at" in found
    assert "because the epoch limit was reached; the model has the weights of epoch 2" in found
    assert said.out.endswith("Report: runs/table-1/report.html\n")


def test_everything_fits_eighty_columns(chainrule: Command, written: str) -> None:
    for arguments in (
        ("train", written, *SMALL),
        ("train", written, *SMALL, "--target", "price"),
        ("show", "runs/table-1"),
        ("evaluate", "runs/table-1", written),
        ("data", written),
        ("data", "digits"),
        ("data", "breast-cancer"),
    ):
        said = chainrule(*arguments)
        assert said.code == 0
        for line in (said.out + said.err).splitlines():
            assert len(line.rstrip()) <= 80, line


def test_text_of_the_data_is_shown_as_it_is(chainrule: Command, written: str) -> None:
    Path(written).rename("[red]t[i].csv")
    said = chainrule("train", "[red]t[i].csv", *SMALL)
    assert "Learning label of [red]t[i]: 2 classes" in said.err
    assert "always '[bold]yes[/bold]'" in said.out or "always '<b>:smile:</b>'" in said.out
    seen = chainrule("data", "[red]t[i].csv").out
    for text in ("[red]t[i].csv (90 rows", "size [mm]", "[bold]yes[/bold]", "<b>:smile:</b>"):
        assert text in seen
    shown = chainrule("show", "runs/red-t-i-1").out
    assert "[red]t[i].csv" in shown


def test_quiet_training_says_nothing_but_its_result(chainrule: Command, written: str) -> None:
    said = chainrule("train", written, *SMALL, "--quiet")
    assert said.err == ""
    assert said.out.startswith("Test accuracy ")


def test_json_is_all_there_is_on_stdout(chainrule: Command, written: str) -> None:
    said = chainrule("train", written, *SMALL, "--json")
    result = json.loads(said.out)
    assert result == json.loads(Path("runs/table-1/result.json").read_text())
    assert {"task", "test", "validation", "epochs", "stopped_because", "seconds", "run"} <= set(
        result
    )
    assert "epoch 1/2: " in said.err
    evaluated = chainrule("evaluate", "runs/table-1", written, "--json")
    assert (json.loads(evaluated.out)["metrics"], evaluated.err) == (result["test"], "")
    assert json.loads(chainrule("show", "runs/table-1", "--json").out) == result
    assert json.loads(chainrule("data", written, "--json").out)["rows"] == 90


@pytest.mark.parametrize(
    ("options", "first"),
    [
        (("--target", "price"), "Test root mean squared error "),
        (("--test", "0"), "Validation accuracy "),
        (("--test", "0", "--validation", "0"), "Training accuracy "),
    ],
)
def test_the_headline_is_the_metric_that_says_most(
    chainrule: Command, written: str, options: tuple[str, ...], first: str
) -> None:
    said = chainrule("train", written, *SMALL, *options)
    line = said.out.splitlines()[0]
    assert line.startswith(first)
    if "Test" not in first:
        assert line.endswith("(no rows were held out as a test)")
        assert "baseline" not in said.out.lower()


def test_a_column_named_like_a_split_is_pointed_out(
    chainrule: Command, table: pl.DataFrame
) -> None:
    table.with_columns(split=pl.Series(["train", "test"] * 45)).write_csv("t.csv")
    words = "Column 'split' is named like a split column but is learnt from"
    said = chainrule("train", "t.csv", *SMALL)
    assert words in unwrapped(said.err)
    assert words in unwrapped(said.out)
    assert words not in unwrapped(chainrule("train", "t.csv", *SMALL, "--drop", "split").out)


def test_an_evaluation_tells_which_rows_it_is_of(
    chainrule: Command, trained: str, written: str, table: pl.DataFrame
) -> None:
    said = chainrule("evaluate", trained, written)
    assert said.out.startswith("run on table.csv: the 18 rows that the run held out as its test\n")
    result = json.loads(Path("run/result.json").read_text())
    accuracy = next(line for line in said.out.splitlines() if line.startswith("accuracy"))
    assert accuracy.split() == ["accuracy", f"{result['test']['accuracy']:.4f}"]
    table.head(10).write_csv("ten.csv")
    assert chainrule("evaluate", trained, "ten.csv").out.startswith("run on ten.csv: all 10 rows\n")


def test_predictions_go_to_stdout_or_to_a_file(
    chainrule: Command, trained: str, written: str
) -> None:
    said = chainrule("predict", trained, written)
    assert said.err == ""
    shown = pl.read_csv(io.StringIO(said.out))
    assert shown.columns[:2] == ["row", "prediction"]
    assert len(shown) == 90
    for name, reader in (("p.csv", pl.read_csv), ("p.parquet", pl.read_parquet)):
        said = chainrule("predict", trained, written, "--out", name)
        assert (said.out, said.err) == ("", f"90 predictions written to {name}: all 90 rows\n")
        assert reader(name)["prediction"].to_list() == shown["prediction"].to_list()


def test_a_finished_run_is_shown_again(chainrule: Command, trained: str) -> None:
    shown = chainrule("show", trained).out
    assert shown.startswith("Test accuracy ")
    assert "hidden_1 (Dense)" in shown
    assert "batch size        32" in shown
    assert shown.endswith("To repeat it:\nchainrule train table.csv --hidden 8 --epochs 2\n")


def test_the_plan_of_a_step_names_what_it_reads_and_changes(
    chainrule: Command, trained: str
) -> None:
    lines = chainrule("show", trained, "--plan").out.splitlines()
    assert lines[0].split()[:2] == ["1", "nn"]
    assert "hidden_1/kernel" in lines[0]
    assert any(line.lstrip().startswith("output/bias ← adam ") for line in lines)


def test_a_run_that_was_moved_is_shown_where_it_is(chainrule: Command, trained: str) -> None:
    Path(trained).rename("elsewhere")
    assert "Report: elsewhere/report.html" in chainrule("show", "elsewhere").out


@pytest.mark.parametrize(("name", "begins"), [("c.png", b"\x89PNG"), ("c.svg", b"<?xml")])
def test_learning_curves_are_drawn(
    chainrule: Command, trained: str, name: str, begins: bytes
) -> None:
    said = chainrule("show", trained, "--plot", name)
    assert (said.code, said.err) == (0, f"Learning curves written to {name}\n")
    assert Path(name).read_bytes().startswith(begins)


def test_data_shows_kinds_ranges_and_gaps(chainrule: Command, written: str) -> None:
    text = chainrule("data", written).out
    lines = [line.split() for line in text.splitlines()]
    assert text.startswith("table.csv (90 rows, 5 columns)\n")
    assert ["weight", "number", "10", "80"] in [line[:4] for line in lines]
    assert ["row_id", "identifier", "0", "90"] in [line[:4] for line in lines]
    assert "The target 'label' has 2 classes (and rows): <b>:smile:</b> (" in text


@pytest.mark.parametrize(
    ("y", "told"),
    [
        (np.arange(12) % 3, "The target has 3 classes (and rows): 0 (4), 1 (4), 2 (4)"),
        (np.arange(12) / 4, "The target is a number from 0 to 2.75"),
        (np.arange(24).reshape(12, 2) % 2, "The target has 2 labels, each yes or no"),
        (np.arange(24.0).reshape(12, 2), "The target holds 2 numbers"),
        (None, "There is no target: in an .npz file it is an array called y."),
    ],
)
def test_data_shows_what_an_array_holds(chainrule: Command, y: Any, told: str) -> None:
    np.savez("array.npz", **{"x": np.ones((12, 3, 4)), **({} if y is None else {"y": y})})
    text = unwrapped(chainrule("data", "array.npz").out)
    assert "12 rows of 3 × 4 pixels" in text
    assert text.endswith(told)


def test_data_without_a_target_says_how_to_name_one(
    chainrule: Command, table: pl.DataFrame
) -> None:
    table.drop("label").write_csv("t.csv")
    assert "train with --target COLUMN." in chainrule("data", "t.csv").out
