"""When to give up waiting, and which epoch is the best."""

from __future__ import annotations

from typing import Any

import pytest

from chainrule import measures
from chainrule.errors import UsageError
from chainrule.training.stopping import EarlyStopping, Watch


def follow(
    values: list[float], stopping: EarlyStopping, metrics: Any = None
) -> tuple[int, int, str]:
    """The best epoch, the last one, and why it was."""
    watch = Watch(stopping, metrics or {}, may_stop=True)
    for epoch, value in enumerate(values, 1):
        watch.improved(epoch, {stopping.monitor: value})
        if reason := watch.reason():
            return watch.best_epoch, epoch, reason
    return watch.best_epoch, len(values), ""


def test_patience_counts_epochs_without_improvement_in_a_row() -> None:
    values = [5, 4, 4.5, 3, 3, 3.5, 3.2, 1]
    assert follow(values, EarlyStopping(patience=3)) == (
        *(4, 7),
        "val_loss has not improved for 3 epochs",
    )
    assert follow(values, EarlyStopping(patience=1))[:2] == (2, 3)
    assert follow(values, EarlyStopping(patience=4)) == (8, 8, "")


def test_small_improvements_do_not_reset_the_patience_but_their_weights_are_kept() -> None:
    values = [5, 4.9, 4.8, 4.7, 4.6]
    assert follow(values, EarlyStopping(patience=2, min_delta=0.5))[:2] == (3, 3)
    # the sum of small improvements does
    assert follow(values, EarlyStopping(patience=3, min_delta=0.25))[:2] == (5, 5)


def test_epochs_before_the_start_do_not_use_up_the_patience() -> None:
    values = [1, 2, 3, 4, 5, 6]
    assert follow(values, EarlyStopping(patience=2, start_from_epoch=3))[:2] == (1, 5)


def test_which_way_is_up_is_the_metric_s_or_the_user_s() -> None:
    up = [0.1, 0.5, 0.7, 0.6, 0.6]
    accuracy: dict[str, Any] = {
        "accuracy": measures.Accuracy(),
        "out_accuracy": measures.Accuracy(),
    }
    for monitor in ("val_accuracy", "accuracy", "val_out_accuracy"):
        assert follow(up, EarlyStopping(monitor), accuracy)[0] == 3
    assert follow(up, EarlyStopping("val_accuracy", mode="min"), accuracy)[0] == 1
    assert follow(up, EarlyStopping("val_loss"), accuracy)[0] == 1
    assert follow(up, EarlyStopping("val_mine", mode="max"))[0] == 3


def test_a_user_s_own_metric_may_say_which_way_is_up() -> None:
    class Score(measures.Measure):
        larger_is_better = True

    assert follow([1, 3, 2], EarlyStopping("val_score"), {"score": Score()})[0] == 2


def test_nan_is_never_an_improvement() -> None:
    nan = float("nan")
    assert follow([nan, 2, nan, nan], EarlyStopping(patience=2))[:2] == (2, 4)


def test_without_leave_to_stop_it_only_follows() -> None:
    watch = Watch(EarlyStopping(patience=1), {}, may_stop=False)
    for epoch, value in enumerate([1.0, 2.0, 3.0], 1):
        watch.improved(epoch, {"val_loss": value})
    assert watch.reason() is None
    assert watch.best_epoch == 1


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"patience": 0}, r"EarlyStopping: patience is 0, expected a whole number in \[1, inf\)"),
        ({"min_delta": -0.1}, "min_delta is -0.1"),
        ({"start_from_epoch": -1}, "start_from_epoch is -1"),
        ({"mode": "up"}, "mode is 'auto', 'min' or 'max', not 'up'"),
    ],
)
def test_settings_out_of_range_are_refused(settings: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        EarlyStopping(**settings)
