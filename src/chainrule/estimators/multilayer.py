"""What the classifier and the regressor share: scikit-learn's multi-layer perceptron on our engines."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_random_state, check_X_y
from sklearn.utils.validation import (
    _check_sample_weight,
    _check_y,
    check_is_fitted,
    validate_data,
)

from chainrule import losses
from chainrule.engines.program import Array, Precision
from chainrule.estimators import ensemble, lbfgs, parameters, pool, workers
from chainrule.estimators.features import prepare
from chainrule.estimators.networks import Blueprint
from chainrule.estimators.parameters import CONSTRAINTS
from chainrule.estimators.stochastic import Audience, Held, Run, Teller
from chainrule.estimators.trainer import BLOCK, Examples, Predictor, Trainer
from chainrule.losses import Loss
from chainrule.model import Sequential
from chainrule.optimizers import Optimizer
from chainrule.training.loop import smallest_batch

MANY_ROWS = 4 * BLOCK  # so many that several threads predict them sooner than one


class MultilayerPerceptron(BaseEstimator):  # type: ignore[misc]
    """A multi-layer perceptron with scikit-learn's parameters, attributes and meanings, and more."""

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS

    @classmethod
    def _get_param_names(cls) -> list[str]:
        """As scikit-learn's, which reads the signature anew at each of the many calls of a search."""
        return list(parameters.names(cls))  # type: ignore[arg-type]

    # --- what the classifier and the regressor say ---

    @abstractmethod
    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        """X and y after scikit-learn's checks; what is to be known of the targets is learnt."""

    @abstractmethod
    def _output(self, precision: str) -> tuple[str, Loss]:
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

    def _weights(self, y: Any, sample_weight: Array | None, incremental: bool) -> Array | None:
        """The weight of each row in training."""
        return sample_weight

    @abstractmethod
    def _encoded(self, y: Any) -> tuple[Array, int]:
        """Targets as the network takes them, and its number of outputs."""

    # --- fit ---

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None) -> Self:
        """Train on features X (rows, features), dense or sparse, and targets y.

        `validation_data` is (X, y) or (X, y, sample_weight): scored after each epoch, and what early stopping
        goes by in place of a part of the training rows.
        """
        return self._fit(X, y, sample_weight, validation_data=validation_data)

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        incremental: bool = False,
        validation_data: Any = None,
        audience: Audience | None = None,
    ) -> Self:
        """Train; the audience hears of it in place of the callbacks."""
        for callback in self.callbacks or ():
            if not callable(callback):
                raise ValueError(f"callbacks are functions that take an event, not {callback!r}.")
        if audience is None:  # not a member of an ensemble that has said so
            self._check_scoring(incremental, validation_data)
        if self.n_ensemble > 1 or (
            hasattr(self, "estimators_") and (self.warm_start or incremental)
        ):
            ensemble.fit(self, X, y, sample_weight, validation_data, incremental=incremental)
            return self
        self.__dict__.pop("estimators_", None)
        audience = audience or Audience(tuple(self.callbacks or ()))
        hidden = self._hidden_sizes()
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        X = prepare(self, X, fitting=True, reset=first)
        X, y = self._validate_input(X, y, incremental, first)
        targets, outputs = self._encoded(y)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        weight = self._weights(y, weight, incremental)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        self.n_outputs_ = outputs
        units = (X.shape[1], *hidden, outputs)
        self._random_state = check_random_state(self.random_state)
        if first:
            self._initialize(units, X.dtype)
        self._check_units(units)
        examples = Examples(_by_rows(X), targets, weight)
        if self._stochastic:
            order, held = self._held_out(examples, y, validation_data)
            if held is not None and (examples.weight is None) != (held.examples.weight is None):
                examples, held = (
                    examples.weighted(),
                    replace(held, examples=held.examples.weighted()),
                )
            self._fit_stochastic(units, examples, order, held, incremental, audience)
        elif validation_data is not None:
            raise ValueError(
                "validation_data is scored after each epoch, of which solver='lbfgs' has none: use solver='adam' or "
                "'sgd', or leave it out."
            )
        else:
            self._fit_lbfgs(units, examples, audience)
        if not all(np.isfinite(w).all() for w in (*self.coefs_, *self.intercepts_)):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to "
                "be preprocessed."
                + ("" if weight is None else " Or the weights of a batch of rows sum to zero.")
            )
        return self

    def _check_scoring(self, incremental: bool, validation_data: Any) -> None:
        """A warning where no row is held out to be scored; not an error, so that grids may hold such settings."""
        scored = self._stochastic and not incremental and self.early_stopping
        if self.scoring is not None and not scored and validation_data is None:
            warnings.warn(
                f"scoring={self.scoring!r} has no rows to score: set early_stopping=True with solver='adam' or 'sgd', "
                "or give fit validation_data.",
                stacklevel=5,
            )

    def _validated(self, X: Any, y: Any, *, reset: bool, y_numeric: bool = False) -> Any:
        """X and y after scikit-learn's checks; what has been prepared has other columns than it was given."""
        settings: dict[str, Any] = {
            "accept_sparse": ["csr", "csc"],
            "multi_output": True,
            "y_numeric": y_numeric,
            "dtype": (np.float64, np.float32),
            "ensure_all_finite": not workers.known_finite(X, self.threads),
        }
        if self.__dict__.get("_preparation") is not None:
            return check_X_y(X, y, estimator=self, **settings)
        return validate_data(self, X, y, reset=reset, **settings)

    def _hidden_sizes(self) -> tuple[int, ...]:
        given = self.hidden_layer_sizes
        sizes = list(given) if np.iterable(given) else [given]
        if not all(isinstance(size, Integral) for size in sizes):
            raise TypeError(f"hidden_layer_sizes must be whole numbers, got {sizes}.")
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
        if bool(getattr(self, "normalization_", ())) != (bool(self.batch_norm) and len(units) > 2):
            raise ValueError(
                f"batch_norm={self.batch_norm} does not go with the weights there are: set warm_start=False to begin "
                "anew."
            )

    def _initialize(self, units: tuple[int, ...], dtype: Any) -> None:
        """First weights, drawn for one layer after the other: kernel, then bias. Glorot & Bengio (2010)."""
        self.n_iter_ = 0
        self.loss_: Any = np.nan  # until an epoch has been
        self.t_ = 0
        self.n_layers_ = len(units)
        self.out_activation_ = self._output(str(dtype))[0]
        self.coefs_, self.intercepts_ = [], []
        draw = self._random_state.uniform
        bends = (
            *parameters.hidden_activations(self, len(units) - 2),
            self.activation,
        )  # scikit-learn's last one, too
        for (fan_in, fan_out), bend in zip(pairwise(units), bends, strict=True):
            factor = 2.0 if isinstance(bend, str) and bend in ("logistic", "sigmoid") else 6.0
            bound = np.sqrt(factor / (fan_in + fan_out))
            self.coefs_.append(draw(-bound, bound, (fan_in, fan_out)).astype(dtype, copy=False))
            self.intercepts_.append(draw(-bound, bound, fan_out).astype(dtype, copy=False))
        self.normalization_ = [
            [np.full(n, first, dtype) for first in (1.0, 0.0, 0.0, 1.0)]
            for n in units[1:-1]
            if self.batch_norm
        ]
        self._seed = int(self._random_state.randint(2**31)) if np.any(self.dropout) else 0
        self._best = self.coefs_, self.intercepts_, self.normalization_
        self.__dict__.pop("_optimizer", None)
        if self._stochastic:
            self._begin_curves()

    def _begin_curves(self) -> None:
        """What a stochastic solver keeps of its epochs."""
        self.loss_curve_: list[float] = []
        self.validation_loss_curve_: list[float] | None = None
        self.validation_scores_: list[float] | None = None
        self._no_improvement_count = 0
        self.best_loss_: Any = None if self.early_stopping else np.inf
        self.best_validation_score_: Any = -np.inf if self.early_stopping else None

    # --- solvers ---

    @property
    def _stochastic(self) -> bool:
        return bool(self.solver != "lbfgs")

    def _blueprint(
        self, units: tuple[int, ...], optimizer: Optimizer, weighted: bool, precision: Precision
    ) -> Blueprint:
        out_activation, loss = self._output(precision)
        hidden = len(units) - 2
        return Blueprint(
            units=units,
            activations=parameters.hidden_activations(self, hidden),
            out_activation=out_activation,
            loss=loss,
            optimizer=optimizer,
            alpha=float(self.alpha),
            weighted=weighted,
            dropout=parameters.dropout_rates(self, hidden),
            batch_norm=bool(self.batch_norm),
            precision=precision,
        )

    def _load(self, trainer: Predictor) -> None:
        others = [array for layer in getattr(self, "normalization_", ()) for array in layer]
        trainer.load(self.coefs_, self.intercepts_, others)

    def _take(self, trainer: Predictor) -> None:
        self.coefs_, self.intercepts_ = trainer.coefs, trainer.intercepts
        others = trainer.other_weights
        self.normalization_ = [others[i : i + 4] for i in range(0, len(others), 4)]

    def _keep_best(self, trainer: Trainer) -> None:
        others = trainer.other_weights
        normalization = [others[i : i + 4] for i in range(0, len(others), 4)]
        self._best = trainer.coefs, trainer.intercepts, normalization

    def _fit_lbfgs(self, units: tuple[int, ...], examples: Examples, audience: Audience) -> None:
        """In float64, whatever the data are in, since its line search lives on small differences."""
        if np.any(self.dropout) or self.batch_norm:
            raise ValueError(
                "solver='lbfgs' looks at one fixed function of the weights: use solver='adam' or 'sgd' with dropout "
                "or batch_norm."
            )
        dtype = self.coefs_[0].dtype
        blueprint = self._blueprint(
            units, parameters.optimizer(self), examples.weight is not None, "float64"
        )
        tell = Teller(self)
        with pool.borrowed(Trainer, blueprint, workers.threads(self.threads)) as trainer:
            self._load(trainer)
            found = lbfgs.minimize(
                trainer,
                examples,
                alpha=float(self.alpha),
                max_iter=self.max_iter,
                max_fun=self.max_fun,
                tol=self.tol,
                told=(lambda n, loss: tell.epoch(n, {"loss": loss})) if self.verbose else None,
                audience=audience,
            )
            self._take(trainer)
        tell.end()
        self.coefs_ = [w.astype(dtype, copy=False) for w in self.coefs_]
        self.intercepts_ = [w.astype(dtype, copy=False) for w in self.intercepts_]
        self.n_iter_, self.loss_ = found.iterations, found.loss
        if found.trouble is not None:
            warnings.warn(
                f"lbfgs failed to converge after {found.iterations} iteration(s): {found.trouble}. Increase max_iter "
                "or scale the data.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _fit_stochastic(
        self,
        units: tuple[int, ...],
        examples: Examples,
        order: Array,
        held: Held | None,
        incremental: bool,
        audience: Audience,
    ) -> None:
        if not incremental or not hasattr(self, "_optimizer"):
            self._optimizer = parameters.descent(self)
        if not hasattr(self, "loss_curve_"):  # the weights are those of lbfgs
            self._begin_curves()
        if held is not None:
            self.validation_scores_ = self.validation_scores_ or []
            self.validation_loss_curve_ = self.validation_loss_curve_ or []
        if self.early_stopping and self.best_validation_score_ is None:  # it was switched on or off
            self.best_validation_score_ = -np.inf
        elif not self.early_stopping and self.best_loss_ is None:
            self.best_loss_ = np.inf
        best = getattr(self, "_best", None)
        goes_on = self.t_ > 0 and best is not None and self.coefs_ is best[0]
        batch_size = self._batch_size(len(order))
        if self.batch_norm and smallest_batch(len(order), batch_size) < 2:
            raise ValueError(
                f"batch_norm cannot train on a batch of one row, which {len(order)} row(s) in batches of {batch_size} "
                "leave: choose another batch_size, or give more rows."
            )
        blueprint = self._blueprint(
            *(units, self._optimizer.optimizer),
            examples.weight is not None,
            _precision(self.coefs_),
        )
        with pool.borrowed(Trainer, blueprint, workers.threads(self.threads)) as trainer:
            self._load(trainer)
            trainer.load_slots(self._optimizer.slots)
            try:
                Run(
                    *(self, trainer, examples, order, held, batch_size, incremental),
                    audience=audience,
                ).train()
            except KeyboardInterrupt:
                if not audience.broken_off():  # else the ensemble says so
                    warnings.warn("Training interrupted by user.", stacklevel=5)
            self._take(trainer)
            self._optimizer.slots = trainer.slots
        if self.early_stopping:
            if self.best_validation_score_ == -np.inf and self.n_iter_:
                warnings.warn(
                    "No validation score was a number above -inf, so that the weights are those before the training: "
                    "look at validation_scores_, and choose another scoring or a smaller learning_rate_init.",
                    stacklevel=5,
                )
            if goes_on and self._best is best:  # as scikit-learn, which trains its best weights on
                self._best = self.coefs_, self.intercepts_, self.normalization_
            self.coefs_, self.intercepts_, self.normalization_ = self._best

    def _held_out(
        self, examples: Examples, y: Any, validation_data: Any
    ) -> tuple[Array, Held | None]:
        """The numbers of the rows to train on, and the examples to score by."""
        rows = np.arange(len(examples.y))
        if validation_data is not None:
            return rows, self._given(validation_data)
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
        return kept, Held(examples.rows(held), y[held])

    def _given(self, validation_data: Any) -> Held:
        """What the caller holds out."""
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
            raise ValueError("validation_data is (X, y) or (X, y, sample_weight).")
        X, y, *weight = validation_data
        X, y = self._checked(X), _check_y(y, multi_output=True, estimator=self)
        if y.shape[0] != X.shape[0]:
            raise ValueError(f"validation_data has {X.shape[0]} rows of X but {y.shape[0]} of y.")
        y = y.ravel() if y.ndim == 2 and y.shape[1] == 1 else y
        self._check_held(y)
        targets, outputs = self._encoded(y)
        if outputs != self.n_outputs_:
            raise ValueError(
                f"The y of validation_data has {outputs} output(s), but that of the training rows {self.n_outputs_}."
            )
        checked = _check_sample_weight(weight[0], X) if weight else None
        return Held(Examples(_by_rows(X), targets, checked), y)

    def _check_held(self, y: Any) -> None:
        """Say what is wrong with targets that the caller holds out."""

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

    def _check_solver(self) -> bool:
        if not self._stochastic:
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    @property
    def model_(self) -> Sequential:
        """The network as a `chainrule.Sequential` with these weights: to be saved, looked into, trained on."""
        self._check_fitted()
        precision = _precision(self.coefs_)
        units = (np.shape(self.coefs_[0])[0], *(np.shape(coef)[1] for coef in self.coefs_))
        optimizer = parameters.descent(self).with_rate
        model = Sequential(self._blueprint(units, optimizer, False, precision).layers())
        loss = self._output(precision)[1]
        model.compile(optimizer, _PLAIN.get(type(loss).__name__, loss), precision=precision)
        model.build((units[0],))
        arrays: list[Array] = []
        for i, (coef, intercept) in enumerate(zip(self.coefs_, self.intercepts_, strict=True)):
            arrays += [coef, intercept]
            arrays += self.normalization_[i] if i < len(self.normalization_) else []
        model.set_weights(arrays)
        return model

    def __getattr__(self, name: str) -> Any:
        ensemble.check_single(self, name)
        return super().__getattribute__(name)  # the error of a property or method, once more

    # --- predict ---

    def predict(self, X: Any) -> Array:
        """Predictions for the rows of X: labels, or numbers."""
        return self._decoded(self._outputs(X))

    def _check_fitted(self) -> None:
        if "coefs_" not in self.__dict__:
            check_is_fitted(self)

    def _outputs(self, X: Any) -> Array:
        """The network's outputs, by the weights that `coefs_` and `intercepts_` hold now."""
        if "estimators_" in self.__dict__:
            return ensemble.outputs(self.estimators_, X)
        self._check_fitted()
        X = self._checked(X)
        kind = X.dtype if X.dtype.kind == "f" else np.float64
        blueprint = Blueprint(
            units=(X.shape[1], *(np.shape(coef)[1] for coef in self.coefs_)),
            activations=parameters.hidden_activations(self, len(self.coefs_) - 1),
            out_activation=self.out_activation_,
            batch_norm=bool(getattr(self, "normalization_", ())),
            precision=_precision([*self.coefs_, np.empty(0, kind)]),
        )
        rows = X.shape[0]
        team = 1 if rows < MANY_ROWS else workers.threads(self.threads) or workers.available()

        def predicted(part: slice) -> Array:
            with pool.borrowed(Predictor, blueprint, 1) as predictor:
                self._load(predictor)
                return predictor.predict(X[part])

        if team == 1:
            return predicted(slice(None))
        # each thread takes whole blocks, so that the bits are those of one thread
        share = -(-rows // (team * BLOCK)) * BLOCK
        with ThreadPoolExecutor(team) as at_work:
            parts = [slice(at, at + share) for at in range(0, rows, share)]
            return np.concatenate(list(at_work.map(predicted, parts)))

    def _checked(self, X: Any) -> Any:
        """X after scikit-learn's checks, by rows; arrays that need none are let through at once."""
        plain = (
            type(X) is np.ndarray
            and X.dtype in (np.float64, np.float32)
            and X.ndim == 2
            and len(X) > 0
            and X.shape[1] == self.n_features_in_
            and self.__dict__.get("_preparation") is None
            and "feature_names_in_" not in self.__dict__
            and np.isfinite(X.sum())
        )
        if plain:
            return X
        if self.__dict__.get("_preparation") is not None:
            X = prepare(self, X)
            settings: dict[str, Any] = {"accept_sparse": ["csr", "csc"], "estimator": self}
            return _by_rows(
                check_array(X, dtype=(np.float64, np.float32), input_name="X", **settings)
            )
        return _by_rows(validate_data(self, X, accept_sparse=["csr", "csc"], reset=False))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = bool(self.impute)
        return tags


def _precision(arrays: Sequence[Array]) -> Precision:
    found = np.result_type(*(np.asarray(a).dtype for a in arrays))
    return "float32" if found == np.float32 else "float64"


def _by_rows(X: Any) -> Any:
    """X as it is read row by row: C order, or compressed rows."""
    return X.tocsr() if hasattr(X, "toarray") else np.ascontiguousarray(X)


# what models that are saved call the losses that estimators descend
_PLAIN = {
    "ClassLogLoss": losses.SparseCategoricalCrossentropy(),
    "LabelLogLoss": losses.BinaryCrossentropy(),
    "HalfSquaredLoss": losses.HalfSquaredError(),
    "HalfPoissonDeviance": losses.Poisson(),
}
