"""The sentences that end a run."""

from __future__ import annotations

from typing import Any

import pytest

from chainrule.cli.printing import number, visible
from chainrule.cli.results import ending, headline


def result(**changes: Any) -> dict[str, Any]:
    return {
        "task": "classification",
        "rows": {"train": 80, "validation": 10, "test": 20},
        "test": {"accuracy": 0.9},
        "baseline": {"name": "always 'a'", "test": {"accuracy": 0.5}},
        "epochs": 7,
        "best_epoch": 4,
        "stopped_because": "the epoch limit was reached",
        "seconds": 3.0,
        "training_seconds": 2.0,
        **changes,
    }


BEST = "; the model has the weights of epoch 4, the best on the validation rows"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, f"Stopped after 7 epochs (2.0 s) because the epoch limit was reached{BEST}"),
        (
            {"stopped_because": "val_loss has not improved for 1 epoch"},
            "Stopped after 7 epochs (2.0 s) because the validation loss has not improved for 1 epoch"
            + BEST,
        ),
        (
            {"epochs": 1, "best_epoch": 1, "rows": {"train": 80}},
            "Stopped after 1 epoch (2.0 s) because the epoch limit was reached",
        ),
        ({"stopped_because": "interrupted"}, f"Interrupted after 7 epochs (2.0 s){BEST}"),
        (
            {"stopped_because": "interrupted", "epochs": 0, "best_epoch": 0},
            "Interrupted after 2.0 s, before the first epoch ended",
        ),
        (
            {"stopped_because": "the loss became nan in epoch 1", "epochs": 1, "best_epoch": 0},
            "Stopped after 1 epoch (2.0 s) because the loss became nan in epoch 1; "
            "no epoch gave finite numbers, so the model has its first weights",
        ),
    ],
)
def test_the_end_of_training_is_told(changes: dict[str, Any], told: str) -> None:
    assert ending(result(**changes)) == told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "Test accuracy 0.9000 (baseline 0.5000)"),
        ({"baseline": None}, "Test accuracy 0.9000"),
        (
            {"test": None, "validation": {"accuracy": 0.8}},
            "Validation accuracy 0.8000 (no rows were held out as a test)",
        ),
        (
            {"task": "regression", "test": {"rmse": 12345.678}, "baseline": None},
            "Test root mean squared error 12,345.7",
        ),
        (
            {"test": {"accuracy": None}},
            "The model's outputs are not finite numbers: there is nothing to measure",
        ),
    ],
)
def test_the_headline_is_told(changes: dict[str, Any], told: str) -> None:
    assert headline(result(**changes)) == told


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.0, "0.0000"),
        (1.0, "1.0000"),
        (-0.00041, "-0.0004"),
        (0.00000123, "1.23e-06"),
        (999.99994, "999.9999"),
        (12345.678, "12,345.7"),
        (1.5e9, "1.5e+09"),
        (1234, "1,234"),
    ],
)
def test_numbers_are_shown_as_people_read_them(value: Any, shown: str) -> None:
    assert number(value) == shown


def test_control_characters_are_spelt_out() -> None:
    assert visible("tab\tred\x1b[31m café →") == "tab\\tred\\x1b[31m café →"
