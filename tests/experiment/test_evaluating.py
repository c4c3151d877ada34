from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from chainrule.errors import ChainruleError, DataError, ModelFileError
from chainrule.experiment.evaluating import evaluate_run, predict_run
from chainrule.experiment.running import Outcome
from chainrule.layers import Dense
from chainrule.model import Sequential

Quick = Callable[..., Outcome]
RUN = "runs/table-1"


@pytest.mark.parametrize("target", ["label", "price", "fold"])
def test_of_its_own_source_a_run_is_judged_on_its_test_rows(
    written: str, quick: Quick, target: str
) -> None:
    outcome = quick(written, target=target)
    for path in (RUN, f"{RUN}/model.chainrule"):
        for source in (written, f"./{written}", str(Path(written).resolve())):
            found = evaluate_run(path, source)
            assert found["metrics"] == outcome.result["test"]
            assert found["which_rows"] == "the 24 rows that the run held out as its test"
            assert found["rows"] == 24


def test_of_a_built_in_source_the_test_rows_are_known_too(quick: Quick) -> None:
    outcome = quick("digits", epochs=1)
    assert evaluate_run("runs/digits-1", "digits")["metrics"] == outcome.result["test"]


def test_on_another_source_all_rows_count(written: str, table: pl.DataFrame, quick: Quick) -> None:
    quick(written)
    table[:50].write_csv("other.csv")
    found = evaluate_run(RUN, "other.csv")
    assert (found["rows"], found["which_rows"]) == (50, "all 50 rows")
    frame, told = predict_run(RUN, "other.csv")
    hits = (frame["prediction"] == table["label"][:50]).mean()
    assert (found["metrics"]["accuracy"], told) == (hits, "all 50 rows")


def test_a_source_that_has_changed_since_is_judged_on_all_rows(
    written: str, table: pl.DataFrame, quick: Quick
) -> None:
    quick(written)
    table.reverse().write_csv(written)
    found = evaluate_run(RUN, written)
    assert found["which_rows"] == "all 120 rows, those it was trained on among them"
    table[:30].write_csv(written)
    assert evaluate_run(RUN, written)["rows"] == 30


def test_rows_without_a_target_are_not_judged(
    written: str, table: pl.DataFrame, quick: Quick
) -> None:
    quick(written)
    labels = [None if i < 5 else v for i, v in enumerate(table["label"])]
    table.with_columns(label=pl.Series(labels)).write_csv("gaps.csv")
    found = evaluate_run(RUN, "gaps.csv")
    assert (found["rows"], found["which_rows"]) == (
        115,
        "the 115 of 120 rows that have a value of 'label'",
    )
    table.with_columns(label=pl.lit(None)).write_csv("nothing.csv")
    with pytest.raises(DataError, match="Column 'label' of nothing has no value"):
        evaluate_run(RUN, "nothing.csv")


def test_a_run_on_gaps_is_judged_on_its_own_test_rows(table: pl.DataFrame, quick: Quick) -> None:
    labels = [None if i % 10 == 3 else v for i, v in enumerate(table["label"])]
    table.with_columns(label=pl.Series(labels)).write_csv("table.csv")
    outcome = quick("table.csv")
    assert evaluate_run(RUN, "table.csv")["metrics"] == outcome.result["test"]


def test_a_test_file_gives_the_runs_test_metrics_again(table: pl.DataFrame, quick: Quick) -> None:
    table[:80].write_csv("train.csv")
    table[80:].write_csv("test.csv")
    outcome = quick("train.csv", test_file="test.csv")
    assert evaluate_run("runs/train-1", "test.csv")["metrics"] == outcome.result["test"]
    trained_on = evaluate_run("runs/train-1", "train.csv")
    assert trained_on["which_rows"] == "all 80 rows, those it was trained on among them"


def test_an_official_test_set_gives_the_runs_test_metrics_again(quick: Quick) -> None:
    x = np.random.default_rng(0).normal(size=(80, 3))
    y = (x[:, 0] > 0).astype(int)
    np.savez("split.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    outcome = quick("split.npz")
    found = evaluate_run("runs/split-1", "split.npz")
    assert found["metrics"] == outcome.result["test"]
    assert found["which_rows"] == "the official test set, 20 rows"
    assert len(predict_run("runs/split-1", "split.npz")[0]) == 20


@pytest.mark.parametrize("target", ["label", "price"])
def test_predictions_are_those_of_the_run_to_the_bit(
    written: str, quick: Quick, target: str
) -> None:
    quick(written, target=target, hidden=(16, 8))
    recorded = pl.read_parquet(f"{RUN}/predictions.parquet").drop(target)
    frame, _ = predict_run(RUN, written)
    assert frame["row"].to_list() == list(range(120))
    assert frame[recorded["row"].to_list()].equals(recorded)


def test_predicting_needs_no_target_and_any_order_of_columns(
    written: str, table: pl.DataFrame, quick: Quick
) -> None:
    quick(written)
    expected, _ = predict_run(RUN, written)
    table.drop("label").select(reversed(table.drop("label").columns)).write_parquet("new.parquet")
    assert predict_run(RUN, "new.parquet")[0].equals(expected)


def test_missing_and_unseen_values_are_predicted_too(
    written: str, table: pl.DataFrame, quick: Quick
) -> None:
    quick(written)
    table.with_columns(
        size=pl.lit(None), colour=pl.lit("violet"), day=pl.lit("2031-01-01")
    ).write_csv("strange.csv")
    assert predict_run(RUN, "strange.csv")[0]["prediction"].is_in(["no", "yes"]).all()


def told(source: str, path: str = RUN) -> str:
    with pytest.raises(ChainruleError) as predicting:
        predict_run(path, source)
    with pytest.raises(ChainruleError):
        evaluate_run(path, source)
    return str(predicting.value)


def test_a_source_that_does_not_fit_is_told(
    written: str, table: pl.DataFrame, quick: Quick
) -> None:
    quick(written)
    table.drop("size", "colour").write_csv("lacks.csv")
    assert "lacks 2 of the 8 columns it was trained on (size, colour)" in told("lacks.csv")
    table.with_columns(size=pl.lit("large")).write_csv("text.csv")
    assert "Column 'size' should hold numbers" in told("text.csv")
    assert "digits is an array without column names" in told("digits")
    assert "is neither a file or folder here" in told("nowhere.csv")
    table.drop("label").write_csv("no-label.csv")
    with pytest.raises(DataError, match=r"has no column 'label', which the model predicts"):
        evaluate_run(RUN, "no-label.csv")


def test_an_array_that_does_not_fit_is_told(written: str, quick: Quick) -> None:
    np.savez("images.npz", x=np.ones((9, 4, 4)) * np.arange(9)[:, None, None], y=np.arange(9) % 3)
    quick("images.npz")
    np.savez("larger.npz", x=np.ones((5, 5, 5)), y=np.arange(5) % 3)
    np.savez("no-target.npz", x=np.ones((5, 4, 4)))
    assert "(rows, 25)" in told("larger.npz", "runs/images-1")
    words = told(written, "runs/images-1")
    assert (
        "table is a table with named columns, but the model was trained on an array of 16" in words
    )
    assert len(predict_run("runs/images-1", "no-target.npz")[0]) == 5
    with pytest.raises(DataError, match="no-target has no targets to compare with"):
        evaluate_run("runs/images-1", "no-target.npz")


def test_what_is_no_model_is_told(written: str, quick: Quick) -> None:
    quick(written)
    Path("empty").mkdir()
    assert told(written, "nowhere") == (
        "nowhere does not exist: give the folder of a run, or a .chainrule file."
    )
    assert "empty has no model.chainrule" in told(written, "empty")
    assert "table.csv is damaged or not a chainrule model" in told(written, written)
    whole = Path(RUN, "model.chainrule").read_bytes()
    for size in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        Path("cut.chainrule").write_bytes(whole[:size])
        assert "cut.chainrule" in told(written, "cut.chainrule")


def test_a_model_of_plain_arrays_is_told(written: str) -> None:
    model = Sequential([Dense(1)])
    model.compile("adam", "mse")
    model.fit(np.eye(4), np.arange(4.0), verbose=0)
    model.save("plain.chainrule")
    assert "plain.chainrule was trained on plain arrays" in told(written, "plain.chainrule")


def test_a_model_alone_judges_all_rows(written: str, quick: Quick) -> None:
    quick(written)
    shutil.copy(f"{RUN}/model.chainrule", "alone.chainrule")
    assert evaluate_run("alone.chainrule", written)["which_rows"] == "all 120 rows"


def test_a_damaged_result_is_told_rather_than_judging_training_rows(
    written: str, quick: Quick
) -> None:
    quick(written)
    Path(RUN, "result.json").write_text("{")
    with pytest.raises(ModelFileError, match=r"result\.json is damaged"):
        evaluate_run(RUN, written)
