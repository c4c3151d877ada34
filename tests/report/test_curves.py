from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chainrule.errors import DataError, UsageError
from chainrule.report import save_curves
from chainrule.report.curves import best_epoch_of, curve, curves, main_metric

HISTORY = {
    "epoch": [1, 2, 3],
    "loss": [3.0, 1.0, 0.1],
    "val_loss": [3.0, 1.5, 2.0],
    "learning_rate": [0.1, 0.1, 0.1],
    "accuracy": [0.01, 0.5, 0.9],
}


def test_the_metric_is_what_is_neither_loss_nor_bookkeeping() -> None:
    assert main_metric(HISTORY) == "accuracy"
    assert main_metric({"loss": [1.0], "val_loss": [1.0], "seconds": [1.0]}) is None
    assert main_metric({"loss": [1.0], "val_mae": [1.0]}) == "mae"


def test_the_learning_rate_is_drawn_only_where_it_changed() -> None:
    assert [one.name for one in curves(HISTORY)] == ["loss", "accuracy"]
    changed = {**HISTORY, "learning_rate": [0.1, 0.1, 0.01]}
    assert [one.name for one in curves(changed)] == ["loss", "accuracy", "learning_rate"]


def test_the_axis_is_logarithmic_where_positive_values_span_more_than_a_decade() -> None:
    loss, accuracy = curves(HISTORY)
    assert loss.log
    assert not accuracy.log  # shares of rows are not
    negative = curve({"loss": [3.0, 0.1, -0.1]}, "loss")
    narrow = curve({"loss": [3.0, 2.0, 1.0]}, "loss")
    assert negative is not None
    assert narrow is not None
    assert not negative.log
    assert not narrow.log


def test_the_best_epoch_is_that_of_the_lowest_validation_loss() -> None:
    assert best_epoch_of(HISTORY) == 2
    assert best_epoch_of({"loss": [1.0, 0.5]}) is None
    assert best_epoch_of({"loss": [1.0, 0.5], "val_loss": [float("nan"), None]}) is None
    assert best_epoch_of({"epoch": [5, 6], "loss": [1, 1], "val_loss": [None, 1.0]}) == 6


def test_a_history_without_epochs_counts_from_one() -> None:
    one = curve({"loss": [1.0, 2.0]}, "loss")
    assert one is not None
    assert one.epochs.tolist() == [1.0, 2.0]


def test_what_is_not_finite_becomes_a_gap() -> None:
    one = curve({"loss": [1.0, None, float("inf"), 2.0]}, "loss")
    assert one is not None
    assert np.isnan(one.training).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_the_suffix_says_which_kind_of_picture(tmp_path: Path, suffix: str, start: bytes) -> None:
    path = tmp_path / f"curves{suffix}"
    save_curves(path, HISTORY)
    assert path.read_bytes().startswith(start)


def test_the_picture_marks_the_best_epoch(tmp_path: Path) -> None:
    save_curves(tmp_path / "curves.svg", HISTORY)
    drawing = (tmp_path / "curves.svg").read_text(encoding="utf-8")
    assert "best epoch, 2" in drawing
    assert "validation" in drawing
    save_curves(str(tmp_path / "other.svg"), HISTORY, best_epoch=3)
    assert "best epoch, 3" in (tmp_path / "other.svg").read_text(encoding="utf-8")


def test_one_epoch_and_gaps_can_be_drawn(tmp_path: Path) -> None:
    nan = float("nan")
    save_curves(tmp_path / "one.png", {"loss": [3.0]})
    save_curves(tmp_path / "gaps.png", {"loss": [3.0, nan, 1e-9], "val_loss": [nan, nan, nan]})
    save_curves(tmp_path / "flat.png", {"loss": [0.0, 0.0], "accuracy": [1.0, 1.0]})


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ends in \.png, \.svg or \.pdf"):
        save_curves(tmp_path / "curves.doc", HISTORY)
    with pytest.raises(UsageError, match="does not exist"):
        save_curves(tmp_path / "nowhere" / "curves.png", HISTORY)
    with pytest.raises(DataError, match="nothing can be drawn"):
        save_curves(tmp_path / "curves.png", {"epoch": [1], "loss": [float("nan")]})
    assert not list(tmp_path.iterdir())
