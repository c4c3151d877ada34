"""Columns a network cannot take as they are: categories of a frame, and missing numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.utils import check_array
from sklearn.utils.validation import _check_feature_names, _check_n_features

from chainrule.engines.program import Array


class Preparation:
    """Categories one-hot (all zeros where unknown), NaN as the column's mean with a column that marks it."""

    def __init__(self, categories: Sequence[Any]) -> None:
        self.categories = list(categories)
        self.imputes = False
        self.steps: list[Any] = []

    def learn(self, X: Any, *, impute: bool, mark: bool) -> None:
        """Learn from the training rows what is not known yet."""
        if self.categories and not self.steps:
            encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
            self._add(
                ColumnTransformer(
                    [("categories", encoder, self.categories)],
                    remainder=FunctionTransformer(_as_numbers),
                    sparse_threshold=0.0,
                ),
                X,
            )
        if impute and not self.imputes:
            self._add(SimpleImputer(add_indicator=mark, keep_empty_features=True), X)
            self.imputes = True

    def _add(self, step: Any, X: Any) -> None:
        self.steps.append(step.set_output(transform="default").fit(self.transform(X)))

    def transform(self, X: Any) -> Any:
        """Numbers without gaps."""
        for step in self.steps:
            X = step.transform(X)
        return X


def prepare(estimator: Any, X: Any, *, fitting: bool = False, reset: bool = False) -> Any:
    """X as numbers where that needs more than scikit-learn's checks; else X as it is.

    With `reset`, the columns are those of X. Without, a network goes on with the columns it has: where `impute`
    was switched on since, gaps are filled but not marked.
    """
    preparation = getattr(estimator, "_preparation", None)
    if reset:
        names = _categories(X, estimator.categorical_features)
        preparation = Preparation(names) if names or estimator.impute else None
    elif fitting and estimator.impute and preparation is None:
        preparation = Preparation([])
    estimator._preparation = preparation
    if preparation is None:
        return X
    if not hasattr(X, "columns"):
        kind = None if preparation.categories else "numeric"
        X = check_array(X, accept_sparse=["csr", "csc"], dtype=kind, ensure_all_finite="allow-nan")
    _check_feature_names(estimator, X, reset=reset)
    _check_n_features(estimator, X, reset=reset)
    if fitting:
        preparation.learn(X, impute=estimator.impute, mark=reset)
    return preparation.transform(X)


def _categories(X: Any, wanted: Any) -> list[Any]:
    """The columns that hold categories: those named, or a frame's columns of what is no number.

    Text and categories that all read as numbers are numbers, as for scikit-learn.
    """
    if wanted is None or (isinstance(wanted, str) and wanted != "from_dtype"):
        return []
    if not isinstance(wanted, str):
        chosen = np.asarray(wanted)
        return list(np.flatnonzero(chosen)) if chosen.dtype == bool else chosen.tolist()
    if not hasattr(X, "columns") or not hasattr(X, "dtypes"):
        return []
    import narwhals as nw

    kinds = (nw.String, nw.Categorical, nw.Enum, nw.Object)
    frame = nw.from_native(X, eager_only=True)
    doubtful = [name for name, kind in frame.schema.items() if isinstance(kind, kinds)]
    return [name for name in doubtful if not _all_numbers(frame[name].to_list())]


def _all_numbers(values: Sequence[Any]) -> bool:
    try:
        np.asarray(values, dtype=object).astype(np.float64)
    except (TypeError, ValueError):
        return False
    return True


def _as_numbers(X: Any) -> Array:
    """The columns beside categories."""
    return np.asarray(X, dtype=np.float64)
