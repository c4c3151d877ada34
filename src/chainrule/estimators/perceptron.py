"""Rosenblatt's perceptron as an estimator."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from chainrule import perceptron
from chainrule.engines.program import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Perceptron(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Rosenblatt's perceptron: on a mistake w ← w + μ y x and b ← b + μ y, until an epoch is without any.

    Of several classes, each is told from all others by a perceptron of its own, and the largest net input wins.

    Parameters: `max_iter` epochs at most; `eta0` the rate μ; `fit_intercept` whether there is a b; `shuffle`
    the rows before each epoch; `random_state`; `warm_start` from the last weights,
    where the classes are the same.

    Learnt: `coef_` (1 or classes, features), `intercept_`, `classes_`, `n_iter_`, `mistakes_` (one list of
    numbers for each perceptron, one number an epoch), `separable_` (True, False, or None where not decided),
    `statements_` (the same in words).
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "eta0": [Interval(Real, 0, None, closed="neither")],
        "fit_intercept": ["boolean"],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
    }

    def __init__(
        self,
        max_iter: int = 1000,
        *,
        eta0: float = 1.0,
        fit_intercept: bool = True,
        shuffle: bool = True,
        random_state: Any = None,
        warm_start: bool = False,
    ) -> None:
        self.max_iter = max_iter
        self.eta0 = eta0
        self.fit_intercept = fit_intercept
        self.shuffle = shuffle
        self.random_state = random_state
        self.warm_start = warm_start

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any) -> Self:
        """Learn from rows X (rows, features) and classes y."""
        going_on = self.warm_start and hasattr(self, "coef_")
        X, y = validate_data(self, X, y, dtype=np.float64, reset=not going_on)
        check_classification_targets(y)
        classes = np.unique(y)
        if len(classes) < 2:
            raise ValueError(
                f"Perceptron needs two classes or more, but the data hold one class: {classes.tolist()[0]!r}."
            )
        again = going_on and np.array_equal(self.classes_, classes)
        self.classes_: Array = classes
        positive = classes[1:] if len(classes) == 2 else classes
        first: tuple[Array, Array] = (
            np.zeros((len(positive), X.shape[1])),
            np.zeros(len(positive)),
        )
        if again:
            first = self.coef_, self.intercept_ if self.fit_intercept else first[1]
        draws = check_random_state(self.random_state)
        found = [
            perceptron.learn(
                *(X, np.where(y == c, 1.0, -1.0), w, float(b), self._orders(len(X), draws)),
                rate=self.eta0,
                bias_learns=self.fit_intercept,
            )
            for c, w, b in zip(positive, *first, strict=True)
        ]
        self.coef_: Array = np.array([f.weights for f in found])
        self.intercept_: Array = np.array([f.bias for f in found])
        self.mistakes_ = [list(f.mistakes) for f in found]
        self.separable_ = [f.separable for f in found]
        self.statements_ = [f.statement for f in found]
        self.n_iter_ = max(len(f.mistakes) for f in found)
        if any(f.separable and not f.converged for f in found):
            warnings.warn(
                f"Perceptron: {self.max_iter} epochs were not enough, though the classes are separable. Increase "
                "max_iter.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _orders(self, rows: int, draws: Any) -> Iterator[Array]:
        for _ in range(self.max_iter):
            yield draws.permutation(rows) if self.shuffle else np.arange(rows)

    def decision_function(self, X: Any) -> Array:
        """n(x) = w·x + b: (rows,) for two classes, (rows, classes) for more."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        found = X @ self.coef_.T + self.intercept_
        return np.asarray(found[:, 0] if found.shape[1] == 1 else found)

    def predict(self, X: Any) -> Array:
        """The class of each row."""
        found = self.decision_function(X)
        chosen = (found > 0).astype(int) if found.ndim == 1 else found.argmax(axis=1)
        return np.asarray(self.classes_[chosen])

    def picture(self, X: Any, y: Any) -> Figure:
        """A matplotlib figure of the rows and the decision line, for two features and two classes."""
        check_is_fitted(self)
        if len(self.classes_) != 2:
            raise ValueError(
                f"A decision line is drawn for two classes, not for {len(self.classes_)}."
            )
        names = tuple(getattr(self, "feature_names_in_", ("f1", "f2")))
        X = validate_data(self, X, dtype=np.float64, reset=False)
        y = column_or_1d(y)
        known = self.classes_.tolist()
        unknown = sorted(set(y.tolist()) - set(known), key=repr)
        if unknown:
            raise ValueError(
                f"The picture shows the classes {known[0]!r} and {known[1]!r}, but y holds {unknown[0]!r}, too."
            )
        signs = np.where(y == self.classes_[1], 1.0, -1.0)
        return perceptron.picture(
            X,
            signs,
            self.coef_[0],
            float(self.intercept_[0]),
            names=names,
            classes=(known[0], known[1]),
        )
