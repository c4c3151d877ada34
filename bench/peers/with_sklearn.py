"""scikit-learn's multi-layer perceptron: `partial_fit` for each epoch, or `fit`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import sklearn
from configs import Config
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from peers.clock import now


def versions() -> dict[str, str]:
    """Versions of what is timed."""
    return {"scikit-learn": sklearn.__version__, "numpy": np.__version__}


class _Stamped:
    """Notes when each epoch of `fit` ends."""

    ends: ClassVar[list[Any]] = []

    def _update_no_improvement_count(self, *given: Any) -> None:
        self.ends.append(now())
        super()._update_no_improvement_count(*given)  # type: ignore[misc]


class StampedClassifier(_Stamped, MLPClassifier):
    """A classifier that notes when each epoch ends."""


class StampedRegressor(_Stamped, MLPRegressor):
    """A regressor that notes when each epoch ends."""


class Session:
    """Adam with its usual settings, no penalty, float32 data (which it keeps)."""

    def __init__(self, config: Config, x: Any, y: Any, options: Mapping[str, Any]) -> None:
        warnings.simplefilter("ignore", ConvergenceWarning)
        self.config, self.x, self.y, self.options = config, x, y, options

    def _model(self, epochs: int) -> Any:
        made = StampedClassifier if self.config.classes else StampedRegressor
        return made(
            hidden_layer_sizes=self.config.widths[1:-1],
            activation=self.config.activation,
            batch_size=self.config.batch,
            alpha=0.0,
            tol=0.0,
            n_iter_no_change=10**6,
            max_iter=epochs,
            random_state=0,
        )

    def epochs(self, n: int) -> Any:
        """The time of n epochs."""
        if not self.options["partial"]:
            _Stamped.ends.clear()
            self._model(n + 1).fit(self.x, self.y)
            return _Stamped.ends[-1] - _Stamped.ends[0]
        model = self._model(1)
        first = {"classes": range(self.config.widths[-1])} if self.config.classes else {}
        model.partial_fit(self.x, self.y, **first)
        begun = now()
        for _ in range(n):
            model.partial_fit(self.x, self.y)
        return now() - begun

    def whole(self, n: int) -> Any:
        """The time from nothing to a model fitted for n epochs."""
        begun = now()
        self.trained = self._model(n).fit(self.x, self.y)
        return now() - begun

    def classes(self, x: Any) -> Any:
        """The classes that the model of the last `whole` predicts."""
        return self.trained.predict(x)


session = Session
