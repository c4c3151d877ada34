from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn import metrics

from chainrule.errors import DataError, UsageError
from chainrule.experiment.preparing import Prepared
from chainrule.experiment.running import Outcome, run
from chainrule.experiment.settings import Settings
from chainrule.model import Model, load
from chainrule.training import BestSoFar, EpochEnd, Event

Quick = Callable[..., Outcome]
FILES = ["history.csv", "model.chainrule", "predictions.parquet", "report.html", "result.json"]


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def weights(model: Model) -> list[bytes]:
    return [array.tobytes() for array in model.get_weights()]


def test_a_run_leaves_its_files_in_a_numbered_folder(written: str, quick: Quick) -> None:
    first, second = quick(written), quick(written)
    assert (first.folder, second.folder) == (Path("runs/table-1"), Path("runs/table-2"))
    assert files(first.folder) == files(second.folder) == FILES
    assert json.loads((first.folder / "result.json").read_text())["run"] == "runs/table-1"


def test_the_test_metrics_are_those_of_the_predictions(written: str, quick: Quick) -> None:
    outcome = quick(written, epochs=10)
    frame = pl.read_parquet(outcome.folder / "predictions.parquet")
    true, said = frame["label"].to_list(), frame["prediction"].to_list()
    shares = frame.select("probability no", "probability yes").to_numpy().astype(float)
    found = outcome.result["test"]
    assert found["accuracy"] == metrics.accuracy_score(true, said)
    assert found["f1_macro"] == pytest.approx(metrics.f1_score(true, said, average="macro"))
    shares /= shares.sum(axis=1, keepdims=True)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(true, shares), rel=1e-5)
    assert np.array(["no", "yes"])[shares.argmax(axis=1)].tolist() == said


def test_the_predictions_carry_the_true_values_of_their_rows(
    written: str, table: pl.DataFrame, quick: Quick
) -> None:
    outcome = quick(written, target="price")
    frame = pl.read_parquet(outcome.folder / "predictions.parquet")
    assert frame["price"].to_list() == table["price"].gather(frame["row"]).to_list()
    true, said = frame["price"].to_numpy(), frame["prediction"].to_numpy()
    rmse = outcome.result["test"]["rmse"]
    assert rmse == pytest.approx(float(np.sqrt(np.mean((true - said) ** 2))))
    train_mean = table["price"].to_numpy()[outcome.prepared.split.train].mean()
    baseline = outcome.result["baseline"]["test"]["rmse"]
    assert baseline == pytest.approx(float(np.sqrt(np.mean((true - train_mean) ** 2))))


def test_the_result_says_what_was_done(written: str, quick: Quick) -> None:
    result = quick(written, seed=3).result
    assert result["task"] == "classification"
    assert result["classes"] == ["no", "yes"]
    assert result["rows"] == {"train": 86, "validation": 10, "test": 24}
    assert result["held_out"] == "20 % of the rows at random, stratified by class (seed 3)"
    assert (result["epochs"], result["stopped_because"]) == (2, "the epoch limit was reached")
    assert result["seed"] == result["settings"]["seed"] == 3
    assert result["parameters"] == sum(layer["parameters"] for layer in result["network"])
    assert {column["name"] for column in result["columns"]} == {
        *("size", "weight", "colour", "day", "family", "fold", "part", "price")
    }
    assert len(result["per_class"]) == len(result["confusion"]) == 2
    assert set(result["train"]) == set(result["validation"]) == set(result["test"])
    assert result["command"] == "chainrule train table.csv --hidden 8 --epochs 2 --seed 3"
    assert result["seconds"] >= result["training_seconds"] > 0


def test_the_history_has_a_line_for_each_epoch(written: str, quick: Quick) -> None:
    frame = pl.read_csv(quick(written, epochs=3).folder / "history.csv")
    assert frame["epoch"].to_list() == [1, 2, 3]
    assert {"loss", "val_loss", "accuracy", "val_accuracy", "learning_rate"} <= set(frame.columns)
    assert frame["loss"][2] < frame["loss"][0]


def test_the_report_tells_the_result(written: str, quick: Quick) -> None:
    page = (quick(written).folder / "report.html").read_text()
    assert "chainrule train table.csv --hidden 8" in page
    assert "stratified by class" in page


def test_one_seed_gives_one_model_and_another_seed_another(written: str, quick: Quick) -> None:
    first, again, other = quick(written), quick(written), quick(written, seed=1)
    assert weights(first.model) == weights(again.model)
    parts = ("test", "validation", "train", "baseline", "confusion", "best_epoch")
    assert {k: first.result[k] for k in parts} == {k: again.result[k] for k in parts}
    assert weights(first.model) != weights(other.model)
    assert first.prepared.split.test.tolist() != other.prepared.split.test.tolist()


def test_the_saved_model_is_the_one_that_was_judged(written: str, quick: Quick) -> None:
    outcome = quick(written)
    assert weights(load(outcome.folder / "model.chainrule")) == weights(outcome.model)


def test_the_weights_are_those_of_the_best_epoch(written: str) -> None:
    best: list[list[bytes]] = []
    models: list[Model] = []

    def started(prepared: Prepared, model: Model) -> None:
        models.append(model)

    def listen(event: Event) -> None:
        if isinstance(event, BestSoFar):
            best.append(weights(models[0]))

    settings = Settings(written, hidden=(8,), epochs=200, patience=3, learning_rate=0.05)
    outcome = run(settings, listen, started)
    assert outcome.result["stopped_because"] == "val_loss has not improved for 3 epochs"
    assert outcome.result["best_epoch"] == outcome.result["epochs"] - 3
    assert weights(outcome.model) == best[-1]


def test_a_listener_stops_training_and_all_is_written(written: str) -> None:
    def listen(event: Event) -> str | None:
        return "enough" if isinstance(event, EpochEnd) and event.epoch == 4 else None

    outcome = run(Settings(written, hidden=(8,)), listen)
    assert (outcome.result["epochs"], outcome.result["stopped_because"]) == (4, "enough")
    assert files(outcome.folder) == FILES


def test_a_listener_may_stop_before_the_first_epoch_ends(written: str) -> None:
    outcome = run(Settings(written, hidden=(8,), batch_size=1), lambda event: "at once")
    assert (outcome.result["epochs"], outcome.result["best_epoch"]) == (0, 0)
    assert (outcome.folder / "history.csv").read_text() == "epoch\n"
    assert files(outcome.folder) == FILES


@pytest.mark.parametrize("target", ["label", "price"])
@pytest.mark.parametrize(
    ("held", "parts"),
    [
        ({"test": 0.0}, {"train", "validation"}),
        ({"validation": 0.0}, {"train", "test"}),
        ({"test": 0.0, "validation": 0.0}, {"train"}),
    ],
)
def test_nothing_needs_to_be_held_out(
    written: str, quick: Quick, target: str, held: dict[str, float], parts: set[str]
) -> None:
    outcome = quick(written, target=target, **held)
    judged = {part for part in ("train", "validation", "test") if outcome.result[part]}
    assert judged == parts
    expected = FILES if "test" in parts else [f for f in FILES if f != "predictions.parquet"]
    assert files(outcome.folder) == expected


@pytest.mark.parametrize(
    ("x", "y", "task"),
    [
        (np.arange(10.0)[:, None], np.arange(10) % 2, "classification"),
        (np.arange(10.0)[:, None], np.arange(10) * 1.5, "regression"),
        (np.eye(20), (np.arange(60).reshape(20, 3) % 4 < 2).astype(int), "multilabel"),
        (np.eye(20), np.arange(40.0).reshape(20, 2), "regression"),
        (np.eye(12), np.array(["a", "b", "c"] * 4), "classification"),
    ],
    ids=["ten rows, one feature", "ten rows, a number", "labels", "numbers", "text"],
)
def test_arrays_of_every_kind_are_learnt(quick: Quick, x: Any, y: Any, task: str) -> None:
    np.savez("small.npz", x=x, y=y)
    outcome = quick("small.npz")
    assert outcome.result["task"] == task
    assert files(outcome.folder) == FILES


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_precision_is_that_of_the_weights(written: str, quick: Quick, precision: str) -> None:
    assert quick(written, precision=precision).model.get_weights()[0].dtype == precision


def test_pictures_of_mistakes_are_shown(quick: Quick) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 6, 6)).astype(np.uint8)
    np.savez("images.npz", x=pixels, y=np.arange(60) % 3)
    page = (quick("images.npz").folder / "report.html").read_text()
    assert page.count("data:image/png;base64,") > 3


def test_batches_grow_where_batch_normalisation_would_meet_a_single_row(
    written: str, quick: Quick
) -> None:
    # 86 rows in batches of 17 leave one
    outcome = quick(written, batch_norm=True, batch_size=17)
    (note,) = [n for n in outcome.result["notes"] if "Batches" in n]
    assert note.startswith("Batches have 18 rows instead of 17")
    single = quick(written, batch_norm=True, batch_size=1)
    assert any("Batches have 2 rows instead of 1," in n for n in single.result["notes"])


def test_batch_normalisation_of_a_single_row_is_refused(quick: Quick) -> None:
    np.savez("one.npz", x=np.eye(2), y=[[0, 1], [1, 0]])
    quick("one.npz", test=0.5, validation=0.0)
    with pytest.raises(UsageError, match="--batch-norm needs 2 rows to train on"):
        quick("one.npz", test=0.5, validation=0.0, batch_norm=True)


def test_balanced_classes_weigh_alike(table: pl.DataFrame, quick: Quick) -> None:
    rare = table.with_columns(
        label=pl.when(pl.int_range(pl.len()) % 12 == 0)
        .then(pl.lit("rare"))
        .otherwise(pl.lit("usual"))
    ).select("size", "label")
    rare.write_csv("rare.csv")
    found = {}
    for weighing in (None, "balanced"):
        outcome = quick("rare.csv", class_weight=weighing, learning_rate=0.02, epochs=5)
        frame = pl.read_parquet(outcome.folder / "predictions.parquet")
        found[weighing] = float(frame["probability rare"].to_numpy().mean())
    assert found[None] < 0.25
    assert found["balanced"] > 0.35


def test_a_rate_that_is_far_too_high_still_ends_in_a_run(quick: Quick) -> None:
    outcome = quick("diabetes", optimizer="sgd", learning_rate=1e6, epochs=5)
    assert "try a smaller learning rate" in outcome.result["stopped_because"]
    assert (outcome.result["epochs"], outcome.result["best_epoch"]) == (1, 0)
    history = json.loads((outcome.folder / "result.json").read_text())
    assert history["test"]["rmse"] > 0


def test_lbfgs_trains(written: str, quick: Quick) -> None:
    outcome = quick(written, optimizer="lbfgs", epochs=10)
    assert outcome.result["train"]["accuracy"] > outcome.result["baseline"]["test"]["accuracy"]


def test_the_folder_may_be_named(written: str, quick: Quick) -> None:
    Path("empty").mkdir()
    assert files(quick(written, out=Path("empty")).folder) == FILES
    assert files(quick(written, out=Path("deep/down")).folder) == FILES
    assert not Path("runs").exists()


def test_nothing_is_overwritten(written: str) -> None:
    Path("full").mkdir()
    Path("full/precious.txt").write_text("mine")
    for out, what in (("full", "is not empty"), (written, "is a file")):
        with pytest.raises(UsageError, match=f"--out {out} {what}: .* nothing is overwritten"):
            run(Settings("no-such-file.csv", out=Path(out)))
    assert files(Path("full")) == ["precious.txt"]


def test_a_folder_that_cannot_be_made_is_told(written: str) -> None:
    with pytest.raises(UsageError, match=r"--out table\.csv/run cannot be made or written"):
        run(Settings(written, out=Path("table.csv/run")))


@pytest.mark.parametrize("out", [None, Path("deep/down")])
def test_a_failure_leaves_no_folder_behind(written: str, out: Path | None) -> None:
    def fail(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Settings(written, hidden=(8,), out=out), fail)
    assert sorted(path.name for path in Path().iterdir()) == [written]


def test_a_failure_leaves_folders_that_were_there_before(written: str) -> None:
    Path("runs").mkdir()
    Path("mine").mkdir()

    def fail(event: Event) -> None:
        raise KeyboardInterrupt

    for out in (None, Path("mine")):
        with pytest.raises(KeyboardInterrupt):
            run(Settings(written, hidden=(8,), out=out), fail)
    assert list(Path("runs").iterdir()) == list(Path("mine").iterdir()) == []


def test_bad_data_leave_no_folder_behind(table: pl.DataFrame) -> None:
    table.with_columns(label=pl.lit("same")).write_csv("one-class.csv")
    with pytest.raises(DataError, match="one class only"):
        run(Settings("one-class.csv"))
    assert not Path("runs").exists()
