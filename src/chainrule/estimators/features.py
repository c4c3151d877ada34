"""Columns a network cannot take as they are: categories of a frame, and missing numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils._missing import is_pandas_na, is_scalar_nan
from sklearn.utils.validation import _check_feature_names, _check_n_features, _num_features

from chainrule.engines.program import Array


class Preparation:
    """Categories one-hot (all zeros where unknown), NaN as the column's mean with a column that marks it."""

    def __init__(self, categories: Sequence[int]) -> None:
        self.categories = list(categories)  # numbers of columns
        self.encoder: Any = None
        self.imputer: Any = None

    def learn(self, X: Any, *, impute: bool, mark: bool) -> None:
        """Learn from the training rows what is not known yet."""
        if self.categories and self.encoder is None:
            words = self._categories(X)
            for name, column in zip(self._names(X), words.T, strict=True):
                if len({isinstance(value, str) for value in column if value is not None}) > 1:
                    raise TypeError(
                        f"The column {name!r} holds words and numbers: turn all of it into one or the other."
                    )
            encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
            self.encoder = encoder.set_output(transform="default").fit(words)
        if impute and self.imputer is None:
            imputer = SimpleImputer(add_indicator=mark, keep_empty_features=True)
            self.imputer = imputer.set_output(transform="default").fit(self.transform(X))

    def transform(self, X: Any) -> Any:
        """Numbers without gaps."""
        if self.encoder is not None:
            others = [i for i in range(_num_features(X)) if i not in self.categories]
            parts = [self.encoder.transform(self._categories(X))]
            if others:
                parts.append(np.asarray(_safe_indexing(X, others, axis=1), dtype=np.float64))
            X = np.hstack(parts)
        return X if self.imputer is None else self.imputer.transform(X)

    def _names(self, X: Any) -> list[Any]:
        """The names of the columns of categories, or their numbers."""
        return [list(X.columns)[i] if hasattr(X, "columns") else i for i in self.categories]

    def _categories(self, X: Any) -> Array:
        """As objects, so that numbers can be told to be none of the words learnt; what is missing is None."""
        found = np.array(_safe_indexing(X, self.categories, axis=1), dtype=object)
        found[np.vectorize(_missing, otypes=[bool])(found)] = None
        return found


def prepare(estimator: Any, X: Any, *, fitting: bool = False, reset: bool = False) -> Any:
    """X as numbers where that needs more than scikit-learn's checks; else X as it is.

    With `reset`, the columns are those of X. Without, a network goes on with the columns it has: where `impute`
    was switched on since, gaps are filled but not marked.
    """
    if hasattr(X, "collect_schema") and hasattr(X, "collect"):
        raise TypeError("X is a lazy frame, of which no row is there yet: give X.collect().")
    if type(X).__module__.startswith("pyarrow"):
        import polars

        X = polars.from_arrow(X)
    preparation = getattr(estimator, "_preparation", None)
    if reset:
        positions = _categories(X, estimator.categorical_features)
        preparation = Preparation(positions) if positions or estimator.impute else None
    elif fitting and estimator.impute and preparation is None:
        preparation = Preparation([])
    estimator._preparation = preparation
    if preparation is None:
        return X
    if not hasattr(X, "columns"):
        words = bool(preparation.categories)
        X = check_array(
            X,
            accept_sparse=False if words else ["csr", "csc"],
            dtype=None if words else "numeric",
            ensure_all_finite="allow-nan",
        )
    _check_feature_names(estimator, X, reset=reset)
    _check_n_features(estimator, X, reset=reset)
    if fitting:
        preparation.learn(X, impute=estimator.impute, mark=reset)
    return preparation.transform(X)


def _categories(X: Any, wanted: Any) -> list[int]:
    """The numbers of the columns that hold categories: those wanted, or a frame's columns of what is no number."""
    if wanted is None:
        return []
    if isinstance(wanted, str):
        return _wordy(X) if hasattr(X, "columns") and hasattr(X, "dtypes") else []
    chosen, columns = np.ravel(wanted), _num_features(X)
    if not chosen.size:
        return []
    if chosen.dtype == bool:
        if chosen.shape != (columns,):
            raise ValueError(
                f"categorical_features says yes or no of {chosen.size} columns, but X has {columns}."
            )
        return [int(i) for i in np.flatnonzero(chosen)]
    if chosen.dtype.kind in "iu":
        wrong = chosen[(chosen < -columns) | (chosen >= columns)]
        if len(wrong):
            raise ValueError(
                f"categorical_features names column {wrong[0]}, but X has columns 0 to {columns - 1}."
            )
        return sorted({int(i) % columns for i in chosen})
    if not hasattr(X, "columns"):
        raise ValueError(
            f"categorical_features gives names, but the columns of X have none: give X as a frame, or numbers of "
            f"columns in place of {list(wanted)}."
        )
    names = list(X.columns)
    for name in wanted:
        if name not in names:
            raise ValueError(f"categorical_features names {name!r}, but X has the columns {names}.")
    return [i for i, name in enumerate(names) if name in set(wanted)]


def _wordy(frame: Any) -> list[int]:
    """The columns of text and categories, but for those that all read as numbers, as for scikit-learn."""
    import narwhals as nw

    names = list(frame.columns)
    if hasattr(frame, "set_axis"):  # pandas: a name may be a number, or that of several columns
        frame = frame.set_axis([str(i) for i in range(len(names))], axis=1)
    found = []
    for i, column in enumerate(nw.from_native(frame, eager_only=True).iter_columns()):
        if isinstance(column.dtype, nw.Date | nw.Datetime | nw.Duration | nw.Time):
            raise TypeError(
                f"The column {names[i]!r} holds dates or times: turn it into numbers, such as days since the "
                "first, or leave it out."
            )
        wordy = isinstance(column.dtype, nw.String | nw.Categorical | nw.Enum | nw.Object)
        if wordy and not _all_numbers(column.to_list()):
            found.append(i)
    return found


def _missing(value: Any) -> bool:
    return value is None or is_scalar_nan(value) or is_pandas_na(value)


def _all_numbers(values: Sequence[Any]) -> bool:
    try:
        np.asarray(values, dtype=object).astype(np.float64)
    except (TypeError, ValueError):
        return False
    return True
