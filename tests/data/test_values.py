"""What single values mean."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from chainrule.data.values import booleans, days, holds_dates, numbers, text
from chainrule.errors import DataError


def test_words_for_missing_values_are_missing_whatever_their_case_and_blanks():
    words = ["?", " NA ", "n/a", "NaN", "null", "NULL", "", "  ", None, "<NA>"]
    assert text(pl.Series(words)).null_count() == len(words)


def test_blanks_around_text_are_cut_off_and_nothing_else_changes():
    assert text(pl.Series([" a", "a ", "b c", "None"])).to_list() == ["a", "a", "b c", "None"]


def test_whole_numbers_read_the_same_whether_stored_as_whole_numbers_or_floats():
    assert text(pl.Series([1.0, 2.5, None])).to_list() == ["1", "2.5", None]
    assert text(pl.Series([1, 2, None])).to_list() == ["1", "2", None]


def test_text_that_holds_numbers_is_read():
    series = pl.Series("v", [" 1", "2e3", "-.5", "?"])
    assert numbers(series).to_list() == [1.0, 2000.0, -0.5, None]


def test_nan_is_a_missing_number():
    assert numbers(pl.Series([1.0, float("nan")])).to_list() == [1.0, None]


def test_times_and_durations_are_seconds():
    assert numbers(pl.Series([dt.timedelta(minutes=1)])).to_list() == [60.0]
    assert numbers(pl.Series([dt.time(1, 0, 1)])).to_list() == [3601.0]


def test_an_infinite_number_is_an_error_that_names_column_and_row():
    series = pl.Series("debt", [1.0, float("inf"), float("-inf")])
    with pytest.raises(DataError, match=r"'debt' is infinite in 2 rows \(first in row 1"):
        numbers(series)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2024-02-29", dt.datetime(2024, 2, 29)),
        ("2024/2/9", dt.datetime(2024, 2, 9)),
        ("2024-02-29 13:45", dt.datetime(2024, 2, 29, 13, 45)),
        ("2024-02-29T13:45:10.5", dt.datetime(2024, 2, 29, 13, 45, 10, 500_000)),
        ("2024-02-29T13:45:10Z", dt.datetime(2024, 2, 29, 13, 45, 10)),
        ("2024-02-29T13:45:10+02:00", dt.datetime(2024, 2, 29, 11, 45, 10)),
        ("2024-02-29 13:45-0130", dt.datetime(2024, 2, 29, 15, 15)),
        ("1969-12-31", dt.datetime(1969, 12, 31)),
    ],
)
def test_iso_moments_are_days_since_1970(moment, expected):
    since = (expected - dt.datetime(1970, 1, 1)) / dt.timedelta(days=1)
    assert days(pl.Series([moment])).to_list() == [pytest.approx(since, abs=1e-9)]
    assert holds_dates(pl.Series([moment]))


def test_different_forms_of_dates_may_stand_in_one_column():
    assert days(pl.Series(["1970-01-02", "1970-01-02 12:00", "NA"])).to_list() == [1.0, 1.5, None]


@pytest.mark.parametrize("word", ["2024-13-01", "12-1-1", "20240229", "soon", "1.5"])
def test_what_only_looks_like_a_date_is_none(word):
    assert not holds_dates(pl.Series([word]))


def test_typed_dates_and_moments_agree_with_text():
    words = pl.Series(["2024-02-29", "1950-01-01"])
    expected = days(words).to_list()
    assert days(words.str.to_date()).to_list() == expected
    assert days(words.str.to_datetime()).to_list() == expected


def test_moments_with_a_time_zone_are_counted_in_utc():
    here = pl.Series([dt.datetime(2024, 1, 1)]).dt.replace_time_zone("Europe/Paris")
    there = pl.Series([dt.datetime(2023, 12, 31, 23)])
    assert days(here).to_list() == days(there).to_list()


def test_booleans_come_as_words_or_digits():
    assert booleans(pl.Series(["True", "false", "1", "0", "?"])).to_list() == [1, 0, 1, 0, None]
    assert booleans(pl.Series([True, None])).to_list() == [1, None]
    assert booleans(pl.Series([1.0, 0.0])).to_list() == [1, 0]


@pytest.mark.parametrize(
    ("read", "values", "shown"),
    [
        (numbers, ["1", "two"], "'c' should hold numbers, but row 1 .* holds 'two'"),
        (days, ["1970-01-01", "soon"], "'c' should hold dates, but row 1 .* holds 'soon'"),
        (booleans, ["true", "maybe"], "'c' should hold true and false, but row 1 .* 'maybe'"),
        (days, [3, 4], "'c' should hold dates, but it holds values of type Int64 such as 3"),
        (numbers, [dt.date(2024, 1, 1)], "'c' should hold numbers, .* Date such as 2024-01-01"),
    ],
)
def test_the_first_value_that_cannot_be_read_is_named(read, values, shown):
    with pytest.raises(DataError, match=shown):
        read(pl.Series("c", values))
