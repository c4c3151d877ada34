from __future__ import annotations

import numpy as np
import pytest

from chainrule.report.intervals import wilson_interval
from chainrule.report.wording import (
    duration,
    lower_is_better,
    metric_name,
    metric_value,
    number,
    percent,
    sentence,
    setting,
    stopping,
)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.123456, "0.1235"),
        (12.3, "12.30"),
        (999.96, "1000"),
        (1234.5678, "1,235"),
        (1234567, "1,234,567"),
        (np.int64(36), "36"),
        (np.float32(0.5), "0.5000"),
        (0.0, "0"),
        (-2.5, "−2.500"),
        (0.00001234, "1.234 × 10⁻⁵"),
        (3.2e20, "3.200 × 10²⁰"),
        (float("nan"), "not a number"),
        (float("inf"), "infinite"),
        (None, "–"),
        (True, "yes"),
        ("text", "text"),
    ],
)
def test_numbers_have_four_digits_that_count(value: object, words: str) -> None:
    assert number(value) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.97777, "97.78%"), (1.0, "100%"), (0.0, "0%"), (0.999999, "> 99.99%"), (1e-7, "< 0.01%")],
)
def test_only_what_is_whole_is_called_100_percent(share: float, words: str) -> None:
    assert percent(share) == words


def test_shares_of_rows_are_percentages_and_other_metrics_are_not() -> None:
    assert metric_value("accuracy", 0.5) == "50.00%"
    assert metric_value("val_accuracy", 0.5) == "50.00%"
    assert metric_value("roc_auc", 0.5) == "0.5000"
    assert metric_value("accuracy", None) == "–"
    assert metric_name("f1_macro") == "F1 (macro)"
    assert metric_name("balanced_accuracy") == "balanced accuracy"


def test_errors_are_better_low_and_scores_high() -> None:
    lower = ["loss", "log_loss", "rmse", "mae", "median_absolute_error", "mean_squared_error"]
    assert all(lower_is_better(name) for name in lower)
    assert not any(lower_is_better(name) for name in ["accuracy", "r2", "roc_auc", "f1_macro"])


def test_times_are_written_as_people_say_them() -> None:
    assert duration(0.25) == "0.25 s"
    assert duration(12.34) == "12.3 s"
    assert duration(245) == "4 min 5 s"
    assert duration(7380) == "2 h 3 min"


def test_settings_are_written_as_typed() -> None:
    assert setting(0.001) == "0.001"
    assert setting([128, 64]) == "128, 64"
    assert setting({"delta": 1.0}) == "delta 1"
    assert setting(None) == "none"
    assert setting(False) == "no"
    assert setting(123456) == "123456"


def test_sentences_begin_and_end_as_such() -> None:
    assert sentence("it stopped") == "It stopped."
    assert sentence("Why?") == "Why?"
    assert sentence("  ") == ""


def test_the_interval_of_a_share_is_wilsons() -> None:
    from scipy.stats import binomtest

    for hits, rows in [(55, 60), (0, 10), (10, 10), (16000, 16281), (1, 1)]:
        expected = binomtest(hits, rows).proportion_ci(method="wilson")
        low, high = wilson_interval(hits / rows, rows)
        assert low == pytest.approx(expected.low, abs=1e-6)
        assert high == pytest.approx(expected.high, abs=1e-6)


def test_the_reason_for_stopping_is_told_in_words() -> None:
    told = stopping("val_loss has not improved for 10 epochs")
    assert told == "the validation loss has not improved for 10 epochs"
