"""What the values of one column mean: missing, number, yes or no, date, text.

The same few functions decide on a column's kind and later read it, so that a file, a frame and
a loaded model agree on every value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.errors import DataError

if TYPE_CHECKING:
    import polars as pl

MISSING_WORDS = ("", "?", "na", "n/a", "<na>", "nan", "null")
"""Text that stands for a missing value, whatever its case and the blanks around it."""

MAX_CODES = 12
"""Whole numbers with 3 to so many different values may be codes (or months, or a rating)."""

ROWS_A_CODE = 25
"""Rows that each of them has on average, at least."""

_DAY = 86_400_000_000  # microseconds
_MOMENTS = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S%.f%:z",
    "%Y-%m-%d %H:%M%:z",
)


def text(series: pl.Series) -> pl.Series:
    """The column as text without blanks around it; null where a value is missing.

    Whole numbers stored as floats lose their ".0", so that 3 and 3.0 are one category.
    """
    import polars as pl

    if series.dtype.is_float():
        series = series.fill_nan(None).cast(pl.String).str.replace(r"\.0$", "")
    if series.dtype == pl.Object:
        values = [None if value is None else str(value) for value in series.to_list()]
        series = pl.Series(series.name, values, dtype=pl.String)
    if series.dtype != pl.String:
        series = series.cast(pl.String)
    # Most columns repeat a few values: clean those, and touch the column only if one changes.
    before = series.unique().drop_nulls()
    after = before.str.strip_chars()
    gone = after.str.to_lowercase().is_in(MISSING_WORDS)
    after = after.set(gone, None)
    changed = gone | (before != after).fill_null(True)
    if not changed.any():
        return series
    return series.replace(before.filter(changed), after.filter(changed))


def numbers(series: pl.Series) -> pl.Series:
    """The column as float64, null where a value is missing; times and durations in seconds.

    Raises DataError with the first value that is not a finite number.
    """
    import polars as pl

    if series.dtype == pl.String or isinstance(series.dtype, pl.Categorical | pl.Enum):
        words = text(series)
        values = words.cast(pl.Float64, strict=False)
        _check_read(words, values, "numbers", "a number")
    elif series.dtype == pl.Time:
        values = series.cast(pl.Int64).cast(pl.Float64) / 1e9
    elif series.dtype == pl.Duration:
        values = series.dt.total_microseconds().cast(pl.Float64) / 1e6
    elif series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null):
        values = series.cast(pl.Float64)
    else:
        raise _wrong_kind(series, "numbers")
    values = values.fill_nan(None)
    infinite = values.is_infinite().fill_null(False)
    if count := int(infinite.sum()):
        raise DataError(
            f"Column '{series.name}' is infinite in {count:,} row{'s' if count > 1 else ''} (first "
            f"in row {infinite.arg_max()}, counted from 0): give numbers or leave the cells empty."
        )
    return values


def booleans(series: pl.Series) -> pl.Series:
    """The column as float64 ones and zeros, null where a value is missing.

    Raises DataError with the first value that is neither true, false, 1 nor 0.
    """
    import polars as pl

    if series.dtype == pl.Boolean:
        return series.cast(pl.Float64)
    words = text(series).str.to_lowercase()
    values = words.replace_strict(
        ["true", "false", "1", "0"], [1.0, 0.0, 1.0, 0.0], default=None, return_dtype=pl.Float64
    )
    _check_read(words, values, "true and false", "true or false")
    return values


def days(series: pl.Series) -> pl.Series:
    """Dates and moments as float64 days since 1970-01-01 (UTC), null where a value is missing.

    Text is read as ISO 8601: 2024-05-31, 2024/05/31, 2024-05-31 12:30, 2024-05-31T12:30:00.5Z.
    Raises DataError with the first value that is no such date.
    """
    import polars as pl

    if series.dtype == pl.Date:
        return series.cast(pl.Int32).cast(pl.Float64)
    if isinstance(series.dtype, pl.Datetime):
        return series.dt.epoch("us").cast(pl.Float64) / _DAY
    if series.dtype == pl.Null:
        return series.cast(pl.Float64)
    if series.dtype != pl.String:
        raise _wrong_kind(series, "dates")
    words = text(series)
    values = _read_days(words)
    _check_read(words, values, "dates", "a date such as 2024-05-31")
    return values


def codes_of(values: np.ndarray) -> tuple[int, ...]:
    """The different numbers, in order, where they are whole and so few that they may be codes."""
    found = np.unique(values)
    few = 3 <= found.size <= min(MAX_CODES, values.size / ROWS_A_CODE)
    if not few or np.any(found != np.rint(found)):
        return ()
    return tuple(int(code) for code in found)


def holds_numbers(words: pl.Series) -> bool:
    """Whether every value that is there can be read as a number."""
    import polars as pl

    return words.cast(pl.Float64, strict=False).null_count() == words.null_count()


def strangers_to_numbers(words: pl.Series) -> pl.Series:
    """Which values are there but cannot be read as numbers."""
    import polars as pl

    return words.is_not_null() & words.cast(pl.Float64, strict=False).is_null()


def holds_booleans(words: pl.Series) -> bool:
    """Whether every value that is there is the word true or false."""
    return bool(words.str.to_lowercase().is_in(["true", "false"]).all())


def holds_dates(words: pl.Series) -> bool:
    """Whether every value that is there can be read as an ISO date or moment."""
    # A first look at a few values spares most columns of text the full reading.
    head = words.drop_nulls().head(20)
    if _read_days(head).null_count():
        return False
    return _read_days(words).null_count() == words.null_count()


def _read_days(words: pl.Series) -> pl.Series:
    """Days since 1970 for text, null where it is not an ISO date or moment."""
    import polars as pl

    dated = words.set(~words.str.contains(r"^\d{4}[-/]\d").fill_null(False), None)
    if dated.null_count() == dated.len():
        return dated.cast(pl.Float64)
    shaped = dated.str.replace_all("/", "-", literal=True).str.replace("T", " ", literal=True)
    shaped = shaped.str.replace("Z$", "+00:00")
    values = shaped.str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32).cast(pl.Float64)
    for form in _MOMENTS:
        if values.null_count() == words.null_count():
            break
        zone = "UTC" if form.endswith("z") else None
        moments = shaped.str.to_datetime(form, time_unit="us", time_zone=zone, strict=False)
        values = values.fill_null(moments.dt.epoch("us").cast(pl.Float64) / _DAY)
    return values


def _check_read(words: pl.Series, values: pl.Series, were: str, expected: str) -> None:
    """Raise for the first word that could not be read."""
    bad = values.is_null() & words.is_not_null()
    if bad.any():
        row = int(bad.arg_max() or 0)
        raise DataError(
            f"Column '{words.name}' should hold {were}, but row {row} (counted from 0) holds "
            f"{words[row]!r}: give {expected}, or leave it empty where it is unknown."
        )


def _wrong_kind(series: pl.Series, expected: str) -> DataError:
    present = series.drop_nulls()
    example = f" such as {present[0]!s}" if present.len() else ""
    return DataError(
        f"Column '{series.name}' should hold {expected}, but it holds values of type "
        f"{series.dtype}{example}: convert the column, or leave it empty where it is unknown."
    )
