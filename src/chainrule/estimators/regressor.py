"""The regressor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from chainrule import losses
from chainrule.engines.program import Array
from chainrule.estimators import parameters
from chainrule.estimators.multilayer import MultilayerPerceptron
from chainrule.estimators.objective import HalfPoissonDeviance, HalfSquaredLoss
from chainrule.estimators.scores import r_squared
from chainrule.estimators.trainer import Examples
from chainrule.graph import BATCH
from chainrule.losses import Loss
from chainrule.ops.activation import Sigmoid, Softmax
from chainrule.ops.elementary import Exp
from chainrule.training.arrays import target_array

_ACTIVATIONS: dict[Any, str] = {Exp: "exp", Sigmoid: "logistic", Softmax: "softmax"}  # by link


class MLPRegressor(RegressorMixin, MultilayerPerceptron):  # type: ignore[misc]
    """A multi-layer perceptron for one or several real targets, with scikit-learn's interface.

    Parameters, attributes, defaults and random draws are those of `sklearn.neural_network.MLPRegressor`.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **MultilayerPerceptron._parameter_constraints,
        "loss": [StrOptions({"squared_error", *losses.FAMILY.names()}), Loss, callable],
    }

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float | Sequence[float] = 0.0,
        batch_norm: bool = False,
        scoring: Any = None,
        callbacks: Sequence[Any] | None = None,
        n_ensemble: int = 1,
        impute: bool = False,
        categorical_features: Any = "from_dtype",
        threads: int | None = None,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.scoring = scoring
        self.callbacks = callbacks
        self.n_ensemble = n_ensemble
        self.impute = impute
        self.categorical_features = categorical_features
        self.threads = threads

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        X, y = self._validated(X, y, y_numeric=True, reset=reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _encoded(self, y: Any) -> tuple[Array, int]:
        targets = np.ascontiguousarray(np.reshape(y, (len(y), -1)), dtype=np.float64)
        if not self._plain:
            target_array(targets, parameters.loss(self), (BATCH, targets.shape[1]), len(targets))
        return targets, targets.shape[1]

    @property
    def _plain(self) -> bool:
        """Whether the loss is one of scikit-learn's."""
        return isinstance(self.loss, str) and self.loss in ("squared_error", "poisson")

    def _output(self, precision: str) -> tuple[str, Loss]:
        if self._plain:
            squared = self.loss == "squared_error"
            return ("identity", HalfSquaredLoss()) if squared else ("exp", HalfPoissonDeviance())
        loss = parameters.loss(self)
        return _ACTIVATIONS.get(loss.link, "identity"), loss

    def _judge(self, held: Examples, outputs: Array) -> float:
        return r_squared(held.y, outputs, held.weight)

    @available_if(lambda estimator: estimator._check_solver())  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch over these rows."""
        return self._fit(X, y, sample_weight, incremental=True)

    def _decoded(self, outputs: Array) -> Array:
        return outputs.ravel() if outputs.shape[1] == 1 else outputs
