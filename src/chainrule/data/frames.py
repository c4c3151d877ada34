"""Whatever table or column a user has, as a polars frame or a NumPy array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.errors import DataError

if TYPE_CHECKING:
    import polars as pl


def is_frame(data: object) -> bool:
    """Whether `data` is a table with named columns rather than an array of numbers.

    A mapping from names to columns counts as a table.
    """
    if isinstance(data, np.ndarray | list | tuple):
        return False
    if isinstance(data, Mapping):
        return True
    import narwhals as nw

    return isinstance(_wrapped(data), nw.DataFrame | nw.LazyFrame)


def as_frame(data: Any) -> pl.DataFrame:
    """A polars frame of any frame that narwhals knows, or of a mapping from names to columns.

    An index (pandas) is left out, a lazy frame is collected, names become text.
    Raises DataError where two columns share a name or `data` is no table.
    """
    import narwhals as nw
    import polars as pl

    if isinstance(data, pl.DataFrame):
        return data
    if isinstance(data, Mapping):
        scalars = all(np.ndim(values) == 0 for values in data.values())
        columns = {name: [values] if scalars else _wrapped(values) for name, values in data.items()}
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"The columns must be equally long, but their lengths are {lengths}.")
        return pl.DataFrame([_as_series(str(name), data) for name, data in columns.items()])
    frame = _wrapped(data)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, nw.DataFrame):
        raise DataError(
            f"A table with named columns was expected, not {type(data).__name__}: give a frame "
            "(pandas, polars, pyarrow, ...) or a dictionary of columns."
        )
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        raise _same_names(names)
    if frame.implementation.is_polars():
        native: pl.DataFrame = frame.to_native()
        return native
    return pl.DataFrame([_as_series(str(name), frame.get_column(name)) for name in frame.columns])


def as_values(values: Any) -> np.ndarray:
    """One column of any library (or a list, or an array) as a NumPy array.

    Numbers, booleans and dates keep their kind; whole numbers with gaps become floats with NaN;
    text becomes an object array of `str`, with None where a value is missing. A table becomes a
    two-dimensional array of its columns.
    """
    if isinstance(values, np.ndarray):
        return _settled(values)
    if isinstance(values, list | tuple):
        # An object array first, because NumPy would turn [1, "a"] into text without a word.
        array = np.array(values, dtype=object)
        return _settled(array)
    import narwhals as nw

    if is_frame(values):
        frame = as_frame(values)
        columns = [_from_polars(frame[name]) for name in frame.columns]
        return _settled(np.column_stack(columns)) if columns else np.empty((frame.height, 0))
    wrapped = _wrapped(values)
    if isinstance(wrapped, nw.Series):
        return _settled(_from_polars(_as_series("values", wrapped)))
    return _settled(np.asarray(values))


def missing_values(values: Any) -> np.ndarray:
    """Which values of a column or array are missing (None, NaN, NaT): booleans of its shape."""
    array = as_values(values)
    if array.dtype.kind == "O":
        gone = [value is None for value in array.ravel().tolist()]
        return np.array(gone, dtype=bool).reshape(array.shape)
    if array.dtype.kind in "mM":
        return np.asarray(np.isnat(array))
    return np.asarray(np.isnan(array)) if array.dtype.kind == "f" else np.zeros(array.shape, bool)


def _wrapped(data: Any) -> Any:
    """What narwhals makes of a frame or a column; other things as they are."""
    import narwhals as nw

    try:
        return nw.from_native(data, allow_series=True, pass_through=True)
    except nw.exceptions.DuplicateError:
        raise _same_names([str(name) for name in data.columns]) from None


def _same_names(names: list[str]) -> DataError:
    twice = sorted({name for name in names if names.count(name) > 1})
    return DataError(
        f"The table has more than one column called {', '.join(map(repr, twice))}: "
        "rename them so that every name occurs once."
    )


def _as_series(name: str, values: Any) -> pl.Series:
    """A polars column; columns of mixed Python objects become text."""
    import narwhals as nw
    import polars as pl

    if isinstance(values, pl.Series):
        return values.rename(name)
    if isinstance(values, nw.Series):
        try:
            return values.to_polars().rename(name)
        # Without pyarrow, or for a column of mixed objects, only the way over Python values works.
        except Exception:
            values = values.to_list()
    if not isinstance(values, np.ndarray):
        values = [None if _is_absent(value) else value for value in values]
    try:
        return pl.Series(name, values, nan_to_null=True)
    except (TypeError, pl.exceptions.PolarsError):
        return pl.Series(name, [None if _is_absent(v) else str(v) for v in values])


def _is_absent(value: Any) -> bool:
    """Whether a Python value stands for none: None, NaN, pandas' NA and NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def _from_polars(series: pl.Series) -> np.ndarray:
    import polars as pl

    if isinstance(series.dtype, pl.Categorical | pl.Enum):
        series = series.cast(pl.String)
    if series.dtype in (pl.String, pl.Null, pl.Object) or (
        series.dtype == pl.Boolean and series.null_count()
    ):
        array = np.empty(series.len(), dtype=object)
        array[:] = series.to_list()
        return array
    if series.dtype.is_decimal():
        series = series.cast(pl.Float64)
    return np.array(series.to_numpy())


def _settled(array: np.ndarray) -> np.ndarray:
    """An object array as the plainest dtype that holds its values; bytes as text."""
    if array.dtype.kind == "S":
        return array.astype(str)
    if array.dtype.kind != "O" or array.size == 0:
        return array
    flat = array.ravel().tolist()
    gone = [_is_absent(value) for value in flat]
    present = [value for value, absent in zip(flat, gone, strict=True) if not absent]
    if not all(isinstance(value, bool | int | float | np.number) for value in present):
        text = np.empty(len(flat), dtype=object)
        text[:] = [None if absent else str(v) for v, absent in zip(flat, gone, strict=True)]
        return text.reshape(array.shape)
    whole = len(present) == len(flat)
    if whole and all(isinstance(value, bool | np.bool_) for value in present):
        return array.astype(bool)
    if whole and all(isinstance(value, int | np.integer) for value in present):
        return array.astype(np.int64)
    filled = [np.nan if absent else v for v, absent in zip(flat, gone, strict=True)]
    return np.array(filled, dtype=np.float64).reshape(array.shape)
