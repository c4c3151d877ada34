from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.report import Predictions, worst_rows, write_report

NAUGHTY = "<script>alert('1')</script> & \"x\" $a_1$"


def numbers(rows: int, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    targets = rng.normal(100, 20, rows)
    return Predictions("regression", targets, targets + rng.normal(0, 5, rows))


def test_the_page_tells_the_whole_run(write: Any, flowers: Any) -> None:
    page = write(*flowers)
    for words in (
        "Predicting species",
        "1,027 parameters that tells 3 classes apart, trained on 12,345 rows of flowers.csv",
        "in 12.3 s.",
        "91.67%",
        "33.33%",
        "The baseline is always 'setosa'. The network makes 87% fewer mistakes.",
        "20% of the rows were drawn at random.",
        "5% of the training rows, stratified by class.",
        "The best validation loss, 0.4000, came at epoch 3",
        "Training ended after 4 epochs: the validation loss no longer fell.",
        "5 of 60 test rows went wrong. Most often 'versicolor' was taken for 'virginica' 3 times",
        "0.2346",
        "(batch, 128)",
        "130 (1.0%)",
        "Column 'id' was dropped.",
        "128, 64",
        "chainrule train flowers.csv --target species",
        "Written by chainrule 0.1.0.",
    ):
        assert words in page.text
    anchors = [a["href"] for name, a in page.elements if name == "a"]
    assert anchors == [f"#{i}" for i in page.ids() if f"#{i}" in anchors]
    assert len(anchors) == 10


def test_the_page_needs_nothing_but_itself(write: Any, flowers: Any) -> None:
    page = write(*flowers)
    assert "//" not in page.source.replace("// Niceties", "")
    assert "@import" not in page.source
    for name, attributes in page.elements:
        assert name not in ("iframe", "object", "embed")
        for key in ("src", "href"):
            assert (attributes.get(key) or "#").startswith(("#", "data:"))


def test_every_id_on_the_page_occurs_once_and_every_reference_is_met(
    write: Any, flowers: Any
) -> None:
    page = write(*flowers)
    ids = page.ids()
    assert len(ids) == len(set(ids))
    uses = [a["href"] for name, a in page.elements if name == "use"]
    assert uses
    assert {use.removeprefix("#") for use in uses if use} <= set(ids)


def test_pictures_take_their_colours_from_the_page(write: Any, flowers: Any) -> None:
    page = write(*flowers)
    assert page.count("svg") == 3  # loss, accuracy, calibration
    drawings = page.source.split("<svg")[1:]
    for drawing in drawings:
        inside = drawing.split("</svg>")[0]
        assert "currentColor" in inside
        assert "font-family" not in inside
        assert "stroke: #" not in inside
        assert "fill: #" not in inside
    assert "var(--train)" in drawings[0]
    assert "var(--validation)" in drawings[0]


def test_names_of_users_stay_text(write: Any) -> None:
    result = {
        "task": "classification",
        "source": NAUGHTY,
        "target": NAUGHTY,
        "classes": [NAUGHTY, "日本", "</title>"],
        "test": {"accuracy": 0.5},
        "per_class": [{"class": NAUGHTY, "precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 3}],
        "baseline": {"name": NAUGHTY, "test": {"accuracy": 0.2}},
        "held_out": NAUGHTY,
        "stopped_because": NAUGHTY,
        "columns": [{"name": NAUGHTY, "kind": NAUGHTY, "note": NAUGHTY}],
        "notes": [NAUGHTY],
        "network": [{"layer": NAUGHTY, "output_shape": NAUGHTY, "parameters": 1}],
        "settings": {NAUGHTY: NAUGHTY},
        "versions": {NAUGHTY: NAUGHTY},
        "command": NAUGHTY,
        "run": NAUGHTY,
    }
    shares = np.full((60, 3), 0.2)
    shares[:, 1] = 0.6
    predictions = Predictions(
        "classification", np.zeros(60, int), np.ones(60, int), shares, tuple(result["classes"])
    )
    page = write(result, {"loss": [1.0, 0.5], NAUGHTY: [1.0, 2.0]}, predictions)
    assert page.count("script") == 1
    assert page.count("title") == 1
    assert page.text.count(NAUGHTY) >= 12


def test_only_the_task_is_needed(write: Any) -> None:
    predictions = Predictions("classification", np.array([0]), np.array([1]))
    page = write({"task": "classification"}, {}, predictions)
    assert "A training run" in page.text
    assert "no metric" in page.text
    empty = Predictions("regression", np.empty(0), np.empty(0))
    assert "Written by chainrule." in write({"task": "regression"}, {}, empty).text


def test_a_regression_shows_its_errors(write: Any) -> None:
    result = {
        "task": "regression",
        "source": "houses.parquet",
        "target": "price",
        "test": {"rmse": 4.98765, "mae": 3.9},
        "baseline": {"name": "always the mean of the training rows", "test": {"rmse": 20.0}},
    }
    page = write(result, {"loss": [3.0, 2.0], "val_loss": [3.0, 2.5]}, numbers(400))
    assert "4.988" in page.text
    assert "The network's RMSE is 75% lower." in page.text
    assert "Half of the 400 predictions miss by less than" in page.text
    assert page.count("svg") == 3
    worst = int(worst_rows(numbers(400), 1)[0])
    row = page.text[page.text.index("The largest errors") :].split("error")[2].split()
    assert row[0] == f"{worst:,}"


def test_many_rows_become_a_small_page(write: Any) -> None:
    page = write({"task": "regression"}, {"loss": [1.0]}, numbers(50_000))
    assert len(page.source) < 400_000
    assert "deeper in colour where they crowd" in page.text


def test_one_test_row_one_epoch_and_no_validation_are_enough(write: Any) -> None:
    page = write(
        {"task": "regression", "test": {"rmse": 1.0}, "epochs": 1},
        {"epoch": [1], "loss": [3.2]},
        Predictions("regression", np.array([1.0]), np.array([2.0])),
    )
    assert "The one prediction misses by 1.000." in page.text
    assert "No validation rows were held out" in page.text


def test_a_diverged_run_is_called_that(write: Any) -> None:
    nan = float("nan")
    page = write(
        {"task": "regression", "test": {"rmse": nan, "mae": None}},
        {"epoch": [1, 2, 3], "loss": [3.0, nan, nan], "val_loss": [3.0, None, float("inf")]},
        Predictions("regression", np.array([1.0, 2.0]), np.array([nan, nan])),
    )
    assert "This run has no metric" in page.text
    assert "not a finite number at epoch 2: training diverged" in page.text
    assert "nan%" not in page.source


def test_several_outputs_each_have_their_pictures(write: Any) -> None:
    targets = np.random.default_rng(0).normal(size=(50, 2))
    page = write(
        {"task": "regression", "target": ["warmth", "power"]},
        {},
        Predictions("regression", targets, targets + 0.1),
    )
    assert "Predicting warmth, power" in page.text
    assert "Residuals: power" in page.text
    assert page.count("svg") == 4


def test_two_hundred_columns_with_long_names_fit(write: Any, flowers: Any) -> None:
    result, history, predictions = flowers
    result["columns"] = [{"name": f"{i}" + "long" * 60, "kind": "number"} for i in range(200)]
    page = write(result, history, predictions)
    assert sum(a.get("class") == "scroll tall" for _, a in page.elements) == 1
    assert page.count("tr") > 200


@pytest.mark.parametrize(("classes", "heat"), [(40, True), (41, False)])
def test_beyond_forty_classes_the_matrix_becomes_a_list(
    write: Any, classes: int, heat: bool
) -> None:
    targets = np.arange(classes * 3) % classes
    predicted = targets.copy()
    predicted[[1, 1 + classes, 5]] = 7
    page = write({"task": "classification"}, {}, Predictions("classification", targets, predicted))
    assert "'1' was taken for '7' twice (66.7% of '1')" in page.text
    assert any(str(a.get("class")).startswith("heat") for _, a in page.elements) == heat
    assert ("The most frequent confusions" in page.text) != heat


def test_the_matrix_counts_true_classes_down(write: Any, flowers: Any) -> None:
    result, history, predictions = flowers
    del result["confusion"]  # the page counts for itself
    page = write(result, history, predictions)
    titles = [a["title"] for name, a in page.elements if name == "td" and "title" in a]
    assert "versicolor taken for virginica: 3 rows, 15.0% of versicolor" in titles
    assert "setosa taken for setosa: 19 rows, 95.0% of setosa" in titles


def test_wrong_pictures_are_shown_worst_first(write: Any, flowers: Any) -> None:
    result, history, predictions = flowers
    worst = worst_rows(predictions, 4)
    pictures = np.random.default_rng(0).integers(0, 255, (60, 8, 6))
    page = write(result, history, replace(predictions, images=pictures[worst]))
    tiles = [a["alt"] for name, a in page.elements if name == "img"]
    names = result["classes"]
    assert tiles == [f"Picture of a {names[predictions.targets[row]]}" for row in worst]


def test_confidence_is_compared_with_hits(write: Any) -> None:
    targets = np.zeros(100, int)
    predicted = (np.arange(100) >= 80).astype(int)  # 80 right
    shares = np.where(predicted[:, None] == [0, 1], 0.95, 0.05)
    page = write(
        {"task": "classification"}, {}, Predictions("classification", targets, predicted, shares)
    )
    assert "Of the 100 rows it is 90 to 100% sure of, it gets 80.0% right." in page.text
    assert "is 15.0 points (expected calibration error" in page.text
    assert "too sure, by 15.0 points" in page.text


def test_a_network_no_better_than_the_baseline_is_told_so(write: Any, flowers: Any) -> None:
    result, history, predictions = flowers
    result["baseline"]["test"]["accuracy"] = 0.95
    assert "The network does no better than that." in write(result, history, predictions).text


def test_a_failed_write_leaves_the_old_page(
    tmp_path: Path, flowers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, history, predictions = flowers
    path = tmp_path / "report.html"
    path.write_text("the old page")

    def refuse(self: Path, target: Path) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(OSError, match="no space left"):
            write_report(path, result, history, predictions)
    assert path.read_text() == "the old page"
    assert os.listdir(tmp_path) == ["report.html"]
    write_report(path, result, history, predictions)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_the_same_run_gives_the_same_page(write: Any, flowers: Any) -> None:
    assert write(*flowers).source == write(*flowers).source


def test_importing_the_report_loads_no_drawing_library() -> None:
    code = (
        "import sys, chainrule.report, chainrule.metrics; "
        "sys.exit(any(name in sys.modules for name in ('matplotlib', 'sklearn', 'scipy')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
