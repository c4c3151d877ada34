"""What the classifier and the regressor share: scikit-learn's multi-layer perceptron on our engines."""

from __future__ import annotations

import sys
import warnings
from abc import abstractmethod
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from chainrule import optimizers
from chainrule.engines.program import Array, Precision
from chainrule.estimators import lbfgs, pool, workers
from chainrule.estimators.descent import Descent
from chainrule.estimators.networks import Blueprint
from chainrule.estimators.objective import ReportedLoss
from chainrule.estimators.trainer import Examples, Predictor, Trainer

STOCHASTIC = ("sgd", "adam")


class MultilayerPerceptron(BaseEstimator):  # type: ignore[misc]
    """A multi-layer perceptron with scikit-learn's parameters, attributes and meanings."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"identity", "logistic", "tanh", "relu"})],
        "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "threads": [Interval(Integral, 1, None, closed="left"), None],
    }

    # --- what the classifier and the regressor say ---

    @abstractmethod
    def _validate_input(
        self, X: Any, y: Any, incremental: bool, reset: bool
    ) -> tuple[Any, Array, int]:
        """X, targets as the network takes them, and its number of outputs."""

    @abstractmethod
    def _output(self, precision: str) -> tuple[str, ReportedLoss]:
        """The activation of the outputs and the loss."""

    @abstractmethod
    def _decoded(self, outputs: Array) -> Array:
        """Predictions from the network's outputs."""

    @abstractmethod
    def _judge(self, held: Examples, outputs: Array) -> float:
        """The score of outputs for held-out rows."""

    def _stratify(self, targets: Array) -> Array | None:
        """What a held-out part keeps the proportions of."""
        return None

    # --- fit ---

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on features X (rows, features), dense or sparse, and targets y."""
        return self._fit(X, y, sample_weight, incremental=False)

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, incremental: bool) -> Self:
        hidden = self._hidden_sizes()
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        X, targets, outputs = self._validate_input(X, y, incremental, first)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        self.n_outputs_ = outputs
        units = (X.shape[1], *hidden, outputs)
        self._random_state = check_random_state(self.random_state)
        if first:
            self._initialize(units, X.dtype)
        self._check_units(units)
        examples = Examples(_by_rows(X), targets, weight)
        if self.solver == "lbfgs":
            self._fit_lbfgs(units, examples)
        else:
            self._fit_stochastic(units, examples, incremental)
        if not all(np.isfinite(w).all() for w in (*self.coefs_, *self.intercepts_)):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to "
                "be preprocessed."
            )
        return self

    def _hidden_sizes(self) -> tuple[int, ...]:
        given = self.hidden_layer_sizes
        sizes = list(given) if np.iterable(given) else [given]
        if np.any(np.array(sizes) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return tuple(int(size) for size in sizes)

    def _check_units(self, units: tuple[int, ...]) -> None:
        """Weights kept from before, or set by hand, have to fit."""
        for i, (coef, shape) in enumerate(zip(self.coefs_, pairwise(units), strict=False)):
            if np.shape(coef) != shape or len(self.coefs_) != len(units) - 1:
                raise ValueError(
                    f"coefs_[{i}] has shape {np.shape(coef)}, but layers of {units} units need {shape}: set "
                    "warm_start=False to begin anew."
                )

    def _initialize(self, units: tuple[int, ...], dtype: Any) -> None:
        """First weights, drawn for one layer after the other: kernel, then bias. Glorot & Bengio (2010)."""
        self.n_iter_ = 0
        self.t_ = 0
        self.n_layers_ = len(units)
        self.out_activation_ = self._output(str(dtype))[0]
        self.coefs_, self.intercepts_ = [], []
        for fan_in, fan_out in pairwise(units):
            bound = np.sqrt((2.0 if self.activation == "logistic" else 6.0) / (fan_in + fan_out))
            draw = self._random_state.uniform
            self.coefs_.append(draw(-bound, bound, (fan_in, fan_out)).astype(dtype, copy=False))
            self.intercepts_.append(draw(-bound, bound, fan_out).astype(dtype, copy=False))
        self._best_coefs, self._best_intercepts = list(self.coefs_), list(self.intercepts_)
        if self.solver in STOCHASTIC:
            self.loss_curve_: list[float] = []
            self._no_improvement_count = 0
            stopping = self.early_stopping
            self.best_loss_: Any = None if stopping else np.inf
            self.validation_scores_: list[float] | None = [] if stopping else None
            self.best_validation_score_: Any = -np.inf if stopping else None

    # --- solvers ---

    def _blueprint(self, units: tuple[int, ...], weighted: bool, precision: Precision) -> Blueprint:
        out_activation, loss = self._output(precision)
        return Blueprint(
            units=units,
            activations=(self.activation,) * (len(units) - 2),
            out_activation=out_activation,
            loss=loss,
            optimizer=self._rule(),
            alpha=float(self.alpha),
            weighted=weighted,
            precision=precision,
        )

    def _rule(self) -> optimizers.Optimizer:
        """The optimizer; learning rates come with each epoch."""
        if self.solver == "sgd":
            nesterov = bool(self.nesterovs_momentum and self.momentum)
            return optimizers.SGD(momentum=float(self.momentum), nesterov=nesterov)
        return optimizers.Adam(
            beta_1=float(self.beta_1), beta_2=float(self.beta_2), epsilon=float(self.epsilon)
        )

    def _take(self, trainer: Trainer) -> None:
        self.coefs_, self.intercepts_ = trainer.coefs, trainer.intercepts

    def _fit_lbfgs(self, units: tuple[int, ...], examples: Examples) -> None:
        """In float64, whatever the data are in, since its line search lives on small differences."""
        dtype = self.coefs_[0].dtype
        blueprint = self._blueprint(units, examples.weight is not None, "float64")
        with pool.borrowed(Trainer, blueprint, workers.threads(self.threads)) as trainer:
            trainer.load(self.coefs_, self.intercepts_)
            found = lbfgs.minimize(
                trainer,
                examples,
                alpha=float(self.alpha),
                max_iter=self.max_iter,
                max_fun=self.max_fun,
                tol=self.tol,
                told=self._tell_iteration if self.verbose else None,
            )
            self._take(trainer)
        self.coefs_ = [w.astype(dtype, copy=False) for w in self.coefs_]
        self.intercepts_ = [w.astype(dtype, copy=False) for w in self.intercepts_]
        self.n_iter_, self.loss_ = found.iterations, found.loss
        if found.trouble is not None:
            warnings.warn(
                f"lbfgs failed to converge after {found.iterations} iteration(s): {found.trouble}. Increase max_iter "
                "or scale the data.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _fit_stochastic(
        self, units: tuple[int, ...], examples: Examples, incremental: bool
    ) -> None:
        if not incremental or not hasattr(self, "_optimizer"):
            self._optimizer = Descent(
                self.learning_rate_init,
                self.learning_rate if self.solver == "sgd" else "constant",
                self.power_t,
            )
        order, held = self._held_out(examples)
        batch_size = self._batch_size(len(order))
        precision = _precision(self.coefs_)
        blueprint = self._blueprint(units, examples.weight is not None, precision)
        with pool.borrowed(Trainer, blueprint, workers.threads(self.threads)) as trainer:
            trainer.load(self.coefs_, self.intercepts_)
            trainer.load_slots(self._optimizer.slots)
            try:
                self._epochs(trainer, examples, order, held, batch_size, incremental)
            except KeyboardInterrupt:
                warnings.warn("Training interrupted by user.", stacklevel=4)
            self._take(trainer)
            self._optimizer.slots = trainer.slots
        if self.early_stopping:
            self.coefs_, self.intercepts_ = self._best_coefs, self._best_intercepts

    def _held_out(self, examples: Examples) -> tuple[Array, Examples | None]:
        """The numbers of the rows to train on, and the examples held out to score by."""
        rows = np.arange(len(examples.y))
        if not self.early_stopping:
            return rows, None
        kept, held = train_test_split(
            rows,
            random_state=self._random_state,
            test_size=self.validation_fraction,
            stratify=self._stratify(examples.y),
        )
        if len(held) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        return kept, examples.rows(held)

    def _batch_size(self, rows: int) -> int:
        if self.batch_size == "auto":
            return min(200, rows)
        if self.batch_size > rows:
            warnings.warn(
                f"Got `batch_size`={self.batch_size} larger than the {rows} rows to train on. It is going to be "
                "clipped.",
                stacklevel=5,
            )
        return int(min(self.batch_size, rows))

    def _epochs(
        self,
        trainer: Trainer,
        examples: Examples,
        order: Array,
        held: Examples | None,
        batch_size: int,
        incremental: bool,
    ) -> None:
        """Epoch after epoch, until there is no more improvement or the limit is reached."""
        self.n_iter_ = 0
        rows, descent = len(order), self._optimizer
        steps = -(-rows // batch_size)
        mixed = np.arange(rows)
        while self.n_iter_ < self.max_iter:
            if self.shuffle:
                mixed = mixed[self._random_state.permutation(rows)]
            rates = descent.rates(steps, self.max_iter)
            for _, loss in trainer.epoch(
                examples, order[mixed], batch_size, rates, updates=descent.updates
            ):
                self.loss_ = loss
            descent.updates += steps
            self.n_iter_ += 1
            self.t_ += rows
            self.loss_curve_.append(self.loss_)
            self._tell_iteration(self.n_iter_, self.loss_)
            self._count_improvements(trainer, held)
            descent.epoch_ends(self.t_, self.loss_)
            if self._no_improvement_count > self.n_iter_no_change:
                change = descent.stands_still()
                self._tell(
                    f"{'Training loss' if held is None else 'Validation score'} did not improve more than "
                    f"tol={self.tol:f} for {self.n_iter_no_change} consecutive epochs. {change or 'Stopping.'}"
                )
                if change is None:
                    break
                self._no_improvement_count = 0
            if incremental:
                break
            if self.n_iter_ == self.max_iter:
                warnings.warn(
                    f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization "
                    "hasn't converged yet.",
                    ConvergenceWarning,
                    stacklevel=5,
                )

    def _count_improvements(self, trainer: Trainer, held: Examples | None) -> None:
        """Count the epochs that did not better the best by `tol`; keep the weights of the best score."""
        if held is None:
            worse = self.loss_ > self.best_loss_ - self.tol
            self.best_loss_ = min(self.best_loss_, self.loss_)
        else:
            score = self._judge(held, trainer.predict(held.x))
            assert self.validation_scores_ is not None
            self.validation_scores_.append(score)
            self._tell(f"Validation score: {score:f}")
            worse = score < self.best_validation_score_ + self.tol
            if score > self.best_validation_score_:
                self.best_validation_score_ = score
                self._best_coefs, self._best_intercepts = trainer.coefs, trainer.intercepts
        self._no_improvement_count = self._no_improvement_count + 1 if worse else 0

    def _tell_iteration(self, number: int, loss: float) -> None:
        self._tell(f"Iteration {number}, loss = {loss:.8f}")

    def _tell(self, line: str) -> None:
        if self.verbose:
            sys.stdout.write(line + "\n")

    def _check_solver(self) -> bool:
        if self.solver not in STOCHASTIC:
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    # --- predict ---

    def predict(self, X: Any) -> Array:
        """Predictions for the rows of X: labels, or numbers."""
        return self._decoded(self._outputs(X))

    def _outputs(self, X: Any) -> Array:
        """The network's outputs, by the weights that `coefs_` and `intercepts_` hold now."""
        if "coefs_" not in self.__dict__:
            check_is_fitted(self)
        X = self._checked(X)
        kind = X.dtype if X.dtype.kind == "f" else np.float64
        precision = _precision([*self.coefs_, np.empty(0, kind)])
        units = (X.shape[1], *(np.shape(coef)[1] for coef in self.coefs_))
        blueprint = self._blueprint(units, False, precision)
        with pool.borrowed(Predictor, blueprint, workers.threads(self.threads)) as predictor:
            predictor.load(self.coefs_, self.intercepts_)
            return predictor.predict(X)

    def _checked(self, X: Any) -> Any:
        """X after scikit-learn's checks; arrays that need none are let through at once."""
        plain = (
            type(X) is np.ndarray
            and X.dtype in (np.float64, np.float32)
            and X.ndim == 2
            and len(X) > 0
            and X.shape[1] == self.n_features_in_
            and not hasattr(self, "feature_names_in_")
            and np.isfinite(X.sum())
        )
        if plain:
            return X
        return _by_rows(validate_data(self, X, accept_sparse=["csr", "csc"], reset=False))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _precision(arrays: list[Array]) -> Precision:
    found = np.result_type(*(np.asarray(a).dtype for a in arrays))
    return "float32" if found == np.float32 else "float64"


def _by_rows(X: Any) -> Any:
    """X as it is read row by row: C order, or compressed rows."""
    return X.tocsr() if hasattr(X, "toarray") else np.ascontiguousarray(X)
