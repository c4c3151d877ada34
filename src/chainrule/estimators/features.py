"""Columns a network cannot take as they are: categories of a frame, and missing numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.utils import check_array
from sklearn.utils.validation import _check_feature_names, _check_n_features

from chainrule.engines.program import Array


class Preparation:
    """Categories one-hot (all zeros where unknown), NaN as the column's mean with a column that marks it."""

    def __init__(self, categories: Sequence[Any], *, impute: bool) -> None:
        self.categories = list(categories)
        self.impute = impute

    def fit(self, X: Any) -> Self:
        """Learn from the training rows."""
        steps: list[Any] = []
        if self.categories:
            encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
            others = FunctionTransformer(_as_numbers)
            steps.append(
                ColumnTransformer(
                    [("categories", encoder, self.categories)],
                    remainder=others,
                    sparse_threshold=0.0,
                )
            )
        if self.impute:
            steps.append(SimpleImputer(add_indicator=True, keep_empty_features=True))
        self.steps = make_pipeline(*steps).set_output(transform="default").fit(X)
        return self

    def transform(self, X: Any) -> Any:
        """Numbers without gaps."""
        return self.steps.transform(X)


def prepare(estimator: Any, X: Any, *, reset: bool) -> Any:
    """X as numbers where that needs more than scikit-learn's checks; else X as it is."""
    if reset:
        names = _categories(X, estimator.categorical_features)
        estimator._preparation = None
        if names or estimator.impute:
            estimator._preparation = Preparation(names, impute=estimator.impute)
    preparation = getattr(estimator, "_preparation", None)
    if preparation is None:
        return X
    if not hasattr(X, "columns"):
        kind = None if preparation.categories else "numeric"
        X = check_array(X, accept_sparse=["csr", "csc"], dtype=kind, ensure_all_finite="allow-nan")
    _check_feature_names(estimator, X, reset=reset)
    _check_n_features(estimator, X, reset=reset)
    if reset:
        preparation.fit(X)
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
