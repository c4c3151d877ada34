"""Who trains, who stops, who judges."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chainrule.data import split_rows, validation_split
from chainrule.errors import DataError, ShapeError, UsageError


def parts(split):
    return split.train, split.validation, split.test


def assert_partition(split, rows):
    for part in parts(split):
        assert part.dtype == np.int64
        assert np.all(np.diff(part) > 0)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts(split))), np.arange(rows))


def test_random_parts_have_the_asked_for_sizes_and_share_no_row():
    split = split_rows(1000, seed=3)
    assert_partition(split, 1000)
    assert [len(part) for part in parts(split)] == [720, 80, 200]
    assert split.held_out == "20 % of the rows at random (seed 3)"
    assert split.validation_held_out == "10 % of the remaining rows at random (seed 3)"


def test_one_seed_gives_one_split_and_another_seed_another():
    first, again, other = (split_rows(100, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.test, again.test)
    np.testing.assert_array_equal(first.validation, again.validation)
    assert not np.array_equal(first.test, other.test)


def test_a_split_stays_the_same_in_later_versions():
    assert split_rows(12, seed=0, validation=0.25).test.tolist() == KNOWN_TEST
    assert split_rows(12, seed=0, validation=0.25).validation.tolist() == KNOWN_VALIDATION


def test_every_row_is_equally_likely_to_be_held_out():
    counts = np.zeros(50)
    for seed in range(400):
        counts[split_rows(50, seed=seed).test] += 1
    # 400 draws with probability .2: mean 80, sd 8.
    assert counts.sum() == 400 * 10
    assert np.abs(counts - 80).max() < 4 * 8


def test_classes_are_held_out_in_proportion():
    labels = np.repeat([0, 1, 2], [700, 250, 50])
    split = split_rows(1000, labels=labels)
    assert_partition(split, 1000)
    assert np.bincount(labels[split.test]).tolist() == [140, 50, 10]
    assert np.bincount(labels[split.validation]).tolist() == [56, 20, 4]
    assert split.held_out == "20 % of the rows at random, stratified by class (seed 0)"


def test_a_class_with_one_row_stays_in_training():
    labels = np.array(["common"] * 30 + ["rare"])
    for seed in range(20):
        assert 30 in split_rows(31, labels=labels, seed=seed).train


@given(
    st.lists(st.integers(0, 6), min_size=4, max_size=60),
    st.sampled_from([0.05, 0.2, 0.5, 0.9]),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.integers(0, 5),
)
def test_stratification_works_for_any_counts(labels, test, validation, seed):
    labels = np.array(labels)
    rows = len(labels)
    rest = rows - min(max(1, round(test * rows)), rows - 1)
    if rest < 2 and validation and np.unique(labels).size == 1:
        with pytest.raises(DataError, match="cannot be divided"):
            split_rows(rows, labels=labels, test=test, validation=validation, seed=seed)
        return
    assume(rest >= 2 or not validation)
    split = split_rows(rows, labels=labels, test=test, validation=validation, seed=seed)
    assert_partition(split, rows)
    assert len(split.train) > 0
    assert len(split.test) > 0
    assert (len(split.validation) > 0) == (validation > 0)
    classes, counts = np.unique(labels, return_counts=True)
    if counts.max() > 1:
        wanted = min(max(1, round(test * rows)), rows - 1)
        assert len(split.test) == min(wanted, (counts - 1).sum())
        for label, count in zip(classes, counts, strict=True):
            share = np.sum(labels[split.test] == label)
            assert share <= count - 1
            if wanted <= 0.5 * (counts - 1).sum() and count > 2:
                assert abs(share - count * len(split.test) / rows) < 2


def test_a_column_of_words_decides():
    words = ["train"] * 6 + [" Test"] * 3 + ["VALID"] * 2
    split = split_rows(11, split_column=words)
    assert [part.tolist() for part in parts(split)] == [[0, 1, 2, 3, 4, 5], [9, 10], [6, 7, 8]]
    assert split.held_out == "the rows that the split column marks for testing"
    assert split.validation_held_out == "the rows that the split column marks for validation"


def test_without_words_for_validation_it_is_drawn_from_the_training_rows():
    column = pl.Series(["train", "test"] * 50)
    labels = np.repeat([0, 1], 50)
    split = split_rows(100, split_column=column, labels=labels, validation=0.2)
    assert_partition(split, 100)
    assert split.test.tolist() == list(range(1, 100, 2))
    assert np.bincount(labels[split.validation]).tolist() == [5, 5]
    assert "20 % of the remaining rows" in split.validation_held_out


@pytest.mark.parametrize("column", [[0, 1, 2] * 4, [0.0, 1.0, 2.0] * 4, ["0", "1", "2"] * 4])
def test_a_fold_is_held_out(column):
    split = split_rows(12, split_column=column, fold=2, validation=0)
    assert split.test.tolist() == [2, 5, 8, 11]
    assert split.held_out == "fold 2"
    assert split.validation.size == 0


def test_no_group_is_on_two_sides():
    groups = np.random.default_rng(0).choice([f"p{i}" for i in range(40)], 500)
    split = split_rows(500, groups=groups, validation=0.2)
    assert_partition(split, 500)
    sides = [set(groups[part]) for part in parts(split)]
    assert len(set.union(*sides)) == sum(map(len, sides))
    assert 80 <= len(split.test) <= 120
    assert "whole groups at random" in split.held_out


def test_two_groups_of_any_sizes_can_be_divided():
    for sizes in ((1, 99), (99, 1), (50, 50)):
        groups = np.repeat(["a", "b"], sizes)
        split = split_rows(100, groups=groups, validation=0)
        assert len(set(groups[split.test])) == len(set(groups[split.train])) == 1


def test_a_group_too_large_to_hold_out_stays_in_training():
    groups = np.repeat(["big", *"abcdefghij"], [900] + [10] * 10)
    for seed in range(5):
        split = split_rows(1000, groups=groups, test=0.05, validation=0, seed=seed)
        assert "big" in groups[split.train]
        assert len(split.test) == 50


@pytest.mark.parametrize("form", ["number", "text", "date", "pandas", "digits"])
def test_the_latest_rows_are_held_out(form):
    order = np.random.default_rng(0).permutation(100)
    days = [dt.date(2020, 1, 1) + dt.timedelta(int(day)) for day in order]
    times = {
        "number": order,
        "text": [str(day) for day in days],
        "date": pl.Series(days),
        "pandas": pd.to_datetime(pd.Series(days)),
        "digits": [str(day) for day in order],
    }[form]
    split = split_rows(100, times=times, validation=0.25)
    assert_partition(split, 100)
    assert sorted(order[split.test]) == list(range(80, 100))
    assert sorted(order[split.validation]) == list(range(60, 80))
    assert split.held_out.startswith("the latest rows, from ")
    assert split.held_out.endswith("on, 20 of 100 rows (20 %)")
    first = "80" if form in ("number", "digits") else "2020-03-21"
    assert f"from {first}" in split.held_out


def test_rows_of_one_moment_stay_together():
    times = np.repeat([94, 95], [60, 40])
    split = split_rows(100, times=times, validation=0)
    assert set(times[split.test]) == {95}
    assert set(times[split.train]) == {94}


@pytest.mark.parametrize("rows", [2, 3, 10])
def test_a_few_rows_leave_at_least_one_for_validation(rows):
    train, validation = validation_split(rows, fraction=0.1)
    assert len(validation) == 1
    assert len(train) == rows - 1
    assert not set(train) & set(validation)


def test_a_validation_split_is_stratified_where_there_are_labels():
    labels = np.repeat([0, 1], [90, 10])
    train, validation = validation_split(100, labels=labels, fraction=0.2, seed=1)
    assert np.bincount(labels[validation]).tolist() == [18, 2]
    np.testing.assert_array_equal(np.sort(np.concatenate([train, validation])), np.arange(100))


def test_all_single_classes_are_divided_by_plain_chance():
    train, validation = validation_split(5, labels=np.arange(5), fraction=0.4)
    assert (len(train), len(validation)) == (3, 2)
    assert "stratified" not in split_rows(5, labels=np.arange(5), validation=0).held_out


def test_a_fraction_of_zero_holds_out_nothing():
    train, validation = validation_split(5, fraction=0)
    assert (len(train), len(validation)) == (5, 0)
    split = split_rows(5, test=0, validation=0)
    assert len(split.train) == 5
    assert split.held_out == "no rows were held out for testing"


@pytest.mark.parametrize(
    ("settings", "trouble"),
    [
        ({"rows": 1}, "1 row cannot be divided"),
        ({"rows": 0}, "0 rows cannot be divided"),
        ({"rows": 2}, "1 row cannot be divided: at least one row for validation"),
        ({"rows": 3, "split_column": ["train"] * 3}, "must name rows for train and rows for test"),
        (
            {"rows": 3, "split_column": ["train", "test", "Tset"]},
            "holds test, train, tset: it must",
        ),
        ({"rows": 3, "split_column": [0, 1, 2]}, "say which is the test fold"),
        (
            {"rows": 3, "split_column": [0, 1, 2], "fold": 3},
            "no row belongs to fold 3. Folds: 0, 1",
        ),
        ({"rows": 2, "split_column": [1, 1], "fold": 1}, "every row belongs to fold 1"),
        (
            {"rows": 3, "split_column": ["train", None, "test"]},
            "1 of 3 values is missing from the split column: remove",
        ),
        ({"rows": 3, "groups": ["a"] * 3}, r"belong to one group \(a\)"),
        ({"rows": 3, "times": [5, 5, 5]}, "same time"),
        ({"rows": 3, "times": ["2020-01-01", "soon", "2020"]}, "row 1 .* holds 'soon'"),
        (
            {"rows": 4, "times": pl.Series("sold", [None, None, 1, 2])},
            "2 of 4 values are missing from the times 'sold'",
        ),
        ({"rows": 2, "times": pl.Series("sold", ["a", "b"])}, "Column 'sold' should hold dates"),
        (
            {"rows": 3, "times": [1.0, np.nan, 2.0]},
            "1 of 3 values is missing from the times: remove",
        ),
    ],
)
def test_what_cannot_be_divided_is_one_clear_sentence(settings, trouble):
    with pytest.raises(DataError, match=trouble):
        split_rows(**settings)


@pytest.mark.parametrize(
    ("settings", "trouble"),
    [
        ({"test": 1.0}, "test fraction 1 is out of range"),
        ({"test": -0.1}, "test fraction -0.1"),
        ({"validation": 20}, "validation fraction 20"),
        ({"validation": float("nan")}, "validation fraction nan"),
        ({"groups": [1] * 9, "times": [1] * 9}, "by group and by time at once"),
        ({"fold": 1}, "needs a column of fold numbers"),
        ({"seed": -1}, "Seed -1"),
    ],
)
def test_settings_that_make_no_sense_are_usage_errors(settings, trouble):
    with pytest.raises(UsageError, match=trouble):
        split_rows(9, **settings)


def test_a_column_of_another_length_is_an_error_with_both_shapes():
    with pytest.raises(ShapeError, match=r"labels should have the shape \(9,\), not \(3,\)"):
        split_rows(9, labels=[0, 1, 2])


KNOWN_TEST = [10, 11]
KNOWN_VALIDATION = [0, 4]
