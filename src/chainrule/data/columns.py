"""What the columns of a table are: numbers, categories, dates, identifiers, ..."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from chainrule.data.frames import as_frame, as_values
from chainrule.data.scaling import mean_and_sd
from chainrule.data.values import (
    booleans,
    codes_of,
    days,
    holds_booleans,
    holds_dates,
    holds_numbers,
    numbers,
    strangers_to_numbers,
    text,
)
from chainrule.errors import DataError, UsageError

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["number", "category", "boolean", "date", "text", "constant", "identifier", "empty"]
USED_KINDS = ("number", "category", "boolean", "date")
"""The kinds a network gets to see; columns of the other kinds are left out, and reported."""

TARGET_NAMES = ("target", "label", "class", "y")
MAX_CLASSES = 20
"""Whole numbers with at most so many distinct values are classes rather than quantities."""

SPLIT_NOTE = "named like a split column"
"""The note of a column that may hold which rows are the test, not something about them."""

_SPLIT_NAMES = ("split", "fold", "subset", "partition")
_MIN_CATEGORIES = 50
_CATEGORY_SHARE = 0.05
_MIN_ROWS_OF_A_COUNTER = 20
_NEARLY = 0.1
_ID_NAME = re.compile(
    r"^$|^unnamed: ?\d+$|^(row|index|idx|uuid|guid|row[ _.-]?(id|nr|no|num|number|names?))$"
    r"|^(.*[ _.-])?ids?$",
    re.IGNORECASE,
)
_CAMEL_ID_NAME = re.compile(r"[a-z](ID|Id)s?$")


@dataclass(frozen=True)
class Column:
    """One column as `describe_columns` sees it.

    `minimum`, `maximum` and `mean` are given for numbers, booleans (0 and 1) and dates (days
    since 1970-01-01), over the values that are there.
    """

    name: str
    kind: Kind
    missing: int
    unique: int
    note: str = ""
    examples: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None

    @property
    def used(self) -> bool:
        """Whether a network gets to see the column."""
        return self.kind in USED_KINDS


def describe_columns(
    frame: Any, target: str | None = None, *, kinds: Mapping[str, Kind] | None = None
) -> list[Column]:
    """What each column of a table holds, in the table's order.

    `target` is described like the others, but never as an identifier or text.
    `kinds` overrules what the values suggest, column by column.

    Raises DataError for a name that is no column, UsageError for a kind nobody knows.
    """
    frame = as_frame(frame)
    kinds = dict(kinds or {})
    for name, kind in kinds.items():
        _check_column(frame, name)
        if kind not in get_args(Kind):
            known = ", ".join(get_args(Kind))
            raise UsageError(f"Column '{name}' cannot be of kind '{kind}'. Known: {known}.")
    if target is not None:
        _check_column(frame, target)
    return [
        _describe(frame[name], is_target=name == target, kind=kinds.get(name))
        for name in frame.columns
    ]


def find_target(frame: Any, target: str | None = None) -> str:
    """The name of the target column: the given one, or the only one called like a target.

    Names that look like a target, whatever their case: target, label, class, y.
    Raises DataError that lists the columns where there is none, or more than one.
    """
    frame = as_frame(frame)
    if target is not None:
        _check_column(frame, target)
        return target
    found = [name for name in frame.columns if name.strip().lower() in TARGET_NAMES]
    if len(found) == 1:
        return str(found[0])
    trouble = (
        f"More than one column could be the target ({_listed(found)})"
        if found
        else f"No column is called {', '.join(TARGET_NAMES[:-1])} or {TARGET_NAMES[-1]}"
    )
    raise DataError(f"{trouble}: name the target column. Columns: {_listed(frame.columns)}.")


def infer_task(values: Any) -> Literal["classification", "regression"]:
    """Whether a target column (or array) holds classes or quantities.

    Text, booleans and categories are classes. Whole numbers are classes if there are at most
    20 different ones and each occurs twice on average; all other numbers are quantities, and so
    is text that holds nothing but numbers, more than 20 different ones. Several columns of
    zeros and ones are classes, one label each; other tables of numbers are quantities.
    """
    array = as_values(values)
    if array.dtype.kind in "bU" or array.dtype.kind == "O":
        words = {str(value) for value in array.ravel().tolist() if value is not None}
        many = len(words) > MAX_CLASSES
        return "regression" if many and all(map(_is_number, words)) else "classification"
    if array.dtype.kind not in "iuf":
        return "regression"
    present = array[~np.isnan(array)] if array.dtype.kind == "f" else array.ravel()
    distinct = np.unique(present)
    if array.ndim == 2 and array.shape[1] > 1:
        return "classification" if np.isin(distinct, [0, 1]).all() else "regression"
    if not np.isfinite(distinct).all() or np.any(distinct != np.rint(distinct)):
        return "regression"
    few = distinct.size <= 2 or distinct.size <= min(MAX_CLASSES, present.size / 2)
    return "classification" if few else "regression"


def _check_column(frame: pl.DataFrame, name: str) -> None:
    if name not in frame.columns:
        raise no_such_column(name, frame.columns)


def no_such_column(name: str, columns: list[str]) -> DataError:
    """The error for a column that a table does not have, with the nearest one it has."""
    lower = {column.lower(): column for column in columns}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    hint = f": did you mean '{lower[near[0]]}'?" if near else "."
    return DataError(f"There is no column '{name}'{hint} Columns: {_listed(columns)}.")


def _listed(names: list[str], most: int = 60) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _describe(series: pl.Series, *, is_target: bool, kind: Kind | None) -> Column:
    """One column; `kind` is the user's word where there is one."""
    words = _words(series)
    plain = series if words is None else words
    if words is None and series.dtype.is_float():
        plain = series.fill_nan(None)
    missing = plain.null_count()
    unique = _distinct(plain)
    if kind is None:
        kind, note = _kind(series, words, missing, unique)
    else:
        note = f"taken as {kind}, as asked for"
    if is_target:
        note = "target"
        if kind in ("identifier", "text"):
            kind = "number" if words is None else "category"
    elif series.name.strip().lower() in _SPLIT_NAMES:
        note = SPLIT_NOTE
    examples = tuple(_short(value) for value in _first_distinct(plain))
    column = Column(series.name, kind, missing, unique, note, examples)
    read = {"number": numbers, "boolean": booleans, "date": days}.get(kind)
    if kind == "constant" and series.dtype.is_numeric():
        read = numbers
    if read is None or missing == series.len():
        return column
    values = read(series).drop_nulls().to_numpy()
    mean, _ = mean_and_sd(values)
    low, high = float(values.min()), float(values.max())
    if kind == "number" and not note and codes_of(values):
        column = replace(column, note="whole numbers with few values, perhaps codes")
    return replace(column, minimum=low, maximum=high, mean=mean)


def _kind(
    series: pl.Series, words: pl.Series | None, missing: int, unique: int
) -> tuple[Kind, str]:
    """The kind that the values suggest, and a note where it needs one."""
    import polars as pl

    rows = series.len()
    present = rows - missing
    if present == 0:
        return "empty", "no values: left out"
    if series.dtype.is_nested() or series.dtype == pl.Binary:
        return "text", f"values of type {series.dtype}: left out"
    if unique == 1 and missing == 0:
        return "constant", "the same value in every row: left out"
    if words is None:
        return _kind_of_typed(series, present, unique)
    if isinstance(series.dtype, pl.Categorical | pl.Enum):
        return "category", ""
    if holds_numbers(words):
        return "number", "numbers stored as text"
    if holds_booleans(words):
        return "boolean", ""
    if holds_dates(words):
        return "date", "used as days since 1970-01-01"
    nearly = _nearly_numbers(words, present)
    if _is_repeated(present, unique):
        return "category", nearly
    if nearly:
        return "text", f"{nearly}: left out"
    if unique == present and present > 2:
        return "identifier", "a different value in every row: left out"
    return "text", f"{unique:,} different texts: left out"


def _nearly_numbers(words: pl.Series, present: int) -> str:
    """What keeps a column from being one of numbers, where that is a tenth of it at most."""
    strange = strangers_to_numbers(words)
    count = int(strange.sum())
    if count > _NEARLY * present:
        return ""
    values = "1 value," if count == 1 else f"{count:,} values such as"
    return f"numbers but for {values} {words[int(strange.arg_max() or 0)]!r}"


def _kind_of_typed(series: pl.Series, present: int, unique: int) -> tuple[Kind, str]:
    """The kind of a column that is not text."""
    import polars as pl

    if series.dtype == pl.Boolean:
        return "boolean", ""
    if series.dtype == pl.Date or isinstance(series.dtype, pl.Datetime):
        return "date", "used as days since 1970-01-01"
    if series.dtype.is_integer():
        named = _ID_NAME.match(series.name.strip()) or _CAMEL_ID_NAME.search(series.name.strip())
        if named and unique < 0.9 * present and _is_repeated(present, unique):
            return "category", "an identifier with few values"
        if named:
            return "identifier", "named like an identifier: left out"
        if _counts_rows(series, present, unique):
            return "identifier", "counts the rows: left out"
    return "number", ""


def _is_repeated(present: int, unique: int) -> bool:
    """Whether there are few enough different texts for each to be a category of its own."""
    few = unique <= max(_MIN_CATEGORIES, _CATEGORY_SHARE * present)
    return few and (unique <= present / 2 or unique <= min(10, present - 1))


def _counts_rows(series: pl.Series, present: int, unique: int) -> bool:
    """Whether whole numbers are 0..n-1 or 1..n, or what a drawn subset of the rows leaves of it."""
    if present < _MIN_ROWS_OF_A_COUNTER or unique != present:
        return False
    low, high = int(series.min()), int(series.max())  # type: ignore[arg-type]
    return 0 <= low <= 0.05 * high + 1 and high <= 2 * present


def _words(series: pl.Series) -> pl.Series | None:
    """The cleaned text of a column of text, None for a column of another type."""
    import polars as pl

    textual = series.dtype in (pl.String, pl.Object)
    if textual or isinstance(series.dtype, pl.Categorical | pl.Enum):
        return text(series)
    return None


def _distinct(series: pl.Series) -> int:
    """The number of different values, missing ones not counted."""
    try:
        return series.n_unique() - (1 if series.null_count() else 0)
    # A few nested types cannot be compared; nobody needs their count.
    except Exception:
        return series.len() - series.null_count()


def _first_distinct(series: pl.Series, most: int = 4) -> list[Any]:
    values = series.drop_nulls().head(1000)
    if series.dtype.is_nested():
        return values.head(1).to_list()
    return values.unique(maintain_order=True).head(most).to_list()


def _short(value: Any, most: int = 40) -> str:
    shown = f"{value:.6g}" if isinstance(value, float) else str(value)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
