"""Kinds of columns, the target column and the task."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest

from chainrule.data import describe_columns, find_target, infer_task
from chainrule.errors import DataError, UsageError

N = 100
RNG = np.random.default_rng(0)
WORDS = [f"word{i}" for i in range(N)]


def kind_of(values, name="c"):
    return describe_columns(pl.DataFrame({name: values}))[0].kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (RNG.normal(size=N), "number"),
        (RNG.integers(0, 3, N), "number"),
        ([str(v) for v in RNG.integers(0, 9, N)], "number"),
        ([" 1.5", "?"] * 50, "number"),
        ([5.0, None] * 50, "number"),
        (["a", "b"] * 50, "category"),
        (["a", None] * 50, "category"),
        (pl.Series(WORDS, dtype=pl.Categorical), "category"),
        (pl.Series(["x", "y"] * 50, dtype=pl.Enum(["x", "y", "z"])), "category"),
        ([True, False] * 50, "boolean"),
        (["True", "FALSE"] * 50, "boolean"),
        (["yes", "no"] * 50, "category"),
        ([dt.date(2024, 1, 1) + dt.timedelta(i) for i in range(N)], "date"),
        (["2024-01-01", "2024-05-01 10:00"] * 50, "date"),
        ([f"{i} words nobody repeats" for i in range(N - 1)] + ["0 words nobody repeats"], "text"),
        ([[1, 2]] * N, "text"),
        (WORDS, "identifier"),
        (list(range(N)), "identifier"),
        (list(range(1, N + 1)), "identifier"),
        (RNG.permutation(N), "identifier"),
        ([7] * N, "constant"),
        (["same"] * N, "constant"),
        ([None] * N, "empty"),
        ([float("nan")] * N, "empty"),
        (["?", ""] * 50, "empty"),
    ],
)
def test_the_values_tell_the_kind(values, kind):
    assert kind_of(values) == kind


@pytest.mark.parametrize(
    "name", ["id", "ID", "user_id", "CustomerID", "row", "Index", "Unnamed: 0"]
)
def test_whole_numbers_named_like_identifiers_are_left_out(name):
    values = RNG.permutation(10 * N)[:N] * 37 + 5
    assert kind_of(values) == "number"
    assert kind_of(values, name) == "identifier"


@pytest.mark.parametrize("name", ["humid", "paid", "width", "android", "heat_index"])
def test_names_that_merely_end_alike_are_no_identifiers(name):
    assert kind_of(RNG.permutation(10 * N)[:N] * 37 + 5, name) == "number"


def test_an_identifier_with_few_values_is_a_category():
    assert kind_of([3, 17, 4, 99] * 25, "store_id") == "category"


def test_most_rows_of_a_row_counter_are_still_known_as_one():
    drawn = RNG.permutation(1000)[:700]
    assert kind_of(drawn) == "identifier"


def test_years_and_short_ranges_are_no_row_counters():
    assert kind_of(list(range(1950, 2020))) == "number"
    assert kind_of(list(range(10))) == "number"


def test_many_categories_are_fine_in_many_rows_and_text_in_few():
    levels = [f"town{i}" for i in range(80)]
    assert kind_of(levels * 25) == "category"
    assert kind_of(levels * 2) == "text"


def test_a_description_counts_what_is_there():
    frame = pd.DataFrame({"x": [1.0, 2.0, None, 2.0], "c": ["a", "?", "b", "a"]})
    x, c = describe_columns(frame)
    assert (x.name, x.kind, x.missing, x.unique) == ("x", "number", 1, 2)
    assert (x.minimum, x.maximum, x.mean) == (1.0, 2.0, pytest.approx(5 / 3))
    assert x.examples == ("1", "2")
    assert (c.kind, c.missing, c.unique, c.examples) == ("category", 1, 2, ("a", "b"))
    assert c.minimum is None
    assert x.used
    assert not describe_columns({"k": [1, 1]})[0].used


def test_a_left_out_column_says_why():
    columns = describe_columns({"k": [1] * 5, "name": list("abcde"), "e": [None] * 5})
    assert [column.note for column in columns] == [
        "the same value in every row: left out",
        "a different value in every row: left out",
        "no values: left out",
    ]


def test_a_few_words_among_numbers_are_named():
    values = [str(0.5 + i) for i in range(60)]
    column = describe_columns(pl.DataFrame({"a": [*values, "oops"]}))[0]
    assert column.kind == "text"
    assert column.note == "numbers but for 1 value, 'oops': left out"
    words = pl.DataFrame({"a": [*"1234567" * 10, "none", "low"]})
    kind_of = describe_columns(words)[0]
    assert (kind_of.kind, kind_of.note) == ("category", "numbers but for 2 values such as 'none'")


def test_a_target_is_no_identifier_and_no_text_to_leave_out():
    frame = {"id": [40, 17, 99], "name": ["a", "b", "c"], "x": [1, 2, 4]}
    assert [column.kind for column in describe_columns(frame)][:2] == ["identifier"] * 2
    assert describe_columns(frame, "id")[0].kind == "number"
    name = describe_columns(frame, "name")[1]
    assert (name.kind, name.note) == ("category", "target")


def test_the_user_overrules_the_kind():
    frame = {"code": [1, 2, 3, 1] * 5}
    assert describe_columns(frame)[0].kind == "number"
    assert describe_columns(frame, kinds={"code": "category"})[0].kind == "category"
    with pytest.raises(UsageError, match="'code' cannot be of kind 'colour'"):
        describe_columns(frame, kinds={"code": "colour"})
    with pytest.raises(DataError, match="no column 'cod': did you mean 'code'"):
        describe_columns(frame, kinds={"cod": "category"})


@pytest.mark.parametrize("name", ["target", "Label", "CLASS", "y"])
def test_a_column_called_like_a_target_is_found(name):
    assert find_target(pl.DataFrame({"a": [1], name: [2]})) == name


def test_a_target_that_cannot_be_guessed_is_an_error_that_lists_the_columns():
    with pytest.raises(DataError, match=r"No column is called .* Columns: age, pay\."):
        find_target({"age": [1], "pay": [2]})
    with pytest.raises(DataError, match=r"More than one column could be the target \(y, label\)"):
        find_target({"y": [1], "label": [2]})


def test_a_wrong_target_name_is_answered_with_the_nearest_one():
    with pytest.raises(DataError, match="no column 'Salery': did you mean 'salary'"):
        find_target({"age": [1], "salary": [2]}, "Salery")


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"], "classification"),
        ([True, False], "classification"),
        (pl.Series(["a", "b"], dtype=pl.Categorical), "classification"),
        (["0", "9", "3"] * 5, "classification"),
        ([0, 1, 1], "classification"),
        ([0.0, 1.0], "classification"),
        ([-1, 1] * 3, "classification"),
        ([3, 4, 5, 6, 7, 8] * 10, "classification"),
        ([5.5, 6.0] * 10, "regression"),
        (list(range(10)), "regression"),
        (list(range(21)) * 10, "regression"),
        ([str(v / 4) for v in range(100)], "regression"),
        (np.array([[0, 1, 1], [1, 0, 1]]), "classification"),
        (np.array([[0.5, 1.0], [1.0, 0.0]]), "regression"),
        (np.array([[1], [2], [1], [2]]), "classification"),
    ],
)
def test_the_target_tells_the_task(values, task):
    assert infer_task(values) == task
