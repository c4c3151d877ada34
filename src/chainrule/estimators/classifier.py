"""The classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self, cast

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
    unique_labels,
)

from chainrule import losses
from chainrule.engines.program import Array
from chainrule.estimators import parameters
from chainrule.estimators.multilayer import MultilayerPerceptron
from chainrule.estimators.objective import ClassLogLoss, LabelLogLoss
from chainrule.estimators.scores import accuracy
from chainrule.estimators.trainer import Examples
from chainrule.graph import BATCH
from chainrule.losses import Hinge, Loss

PLAIN = "iubU"  # the kinds of arrays that hold labels as they are: whole numbers, yes or no, words


def _binarizer(y: Array) -> LabelBinarizer:
    """A LabelBinarizer that knows these targets; of plain labels it learns in a tenth of the time."""
    made = LabelBinarizer()
    if y.ndim != 1 or y.dtype.kind not in PLAIN:
        return made.fit(y)
    made.classes_ = np.array(list(np.unique(y)))  # as narrow as the longest word
    made.y_type_ = "multiclass" if len(made.classes_) > 2 else "binary"
    made.sparse_input_ = False
    return made


class MLPClassifier(ClassifierMixin, MultilayerPerceptron):  # type: ignore[misc]
    """A multi-layer perceptron for classes, or for several labels at once, with scikit-learn's interface.

    Parameters, attributes, defaults and random draws are those of `sklearn.neural_network.MLPClassifier`.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **MultilayerPerceptron._parameter_constraints,
        "loss": [StrOptions({"log_loss", *losses.FAMILY.names()}), Loss, callable],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }

    def __init__(
        self,
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
        loss: Any = "log_loss",
        class_weight: Any = None,
        dropout: float | Sequence[float] = 0.0,
        batch_norm: bool = False,
        scoring: Any = None,
        callbacks: Sequence[Any] | None = None,
        n_ensemble: int = 1,
        impute: bool = False,
        categorical_features: Any = "from_dtype",
        threads: int | None = None,
    ) -> None:
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
        self.loss = loss
        self.class_weight = class_weight
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.scoring = scoring
        self.callbacks = callbacks
        self.n_ensemble = n_ensemble
        self.impute = impute
        self.categorical_features = categorical_features
        self.threads = threads

    # --- classes and targets ---

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        X, y = self._validated(X, y, reset=reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = _binarizer(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(unique_labels(y))
        return X, y

    def _check_classes(self, found: Array) -> None:
        if self.warm_start and set(found) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {found}"
            )
        if len(np.setdiff1d(found, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {found}."
            )

    def _check_held(self, y: Any) -> None:
        check_classification_targets(y)
        multilabel = self._label_binarizer.y_type_.startswith("multilabel")
        if (y.ndim == 2) != multilabel:
            raise ValueError(
                f"The y of validation_data has shape {y.shape}, but the training rows have "
                f"{'several labels each' if multilabel else 'one label each'}."
            )
        if multilabel:
            return
        unseen = np.setdiff1d(unique_labels(y), self.classes_)
        if len(unseen):
            raise ValueError(
                f"The y of validation_data has labels that no training row has: {unseen[:5]}; those have "
                f"{self.classes_}."
            )

    def _encoded(self, y: Any) -> tuple[Array, int]:
        """Class numbers or one-hot rows for several classes, whichever the loss takes, else 0 or 1 for each output."""
        if self._label_binarizer.y_type_.startswith("multilabel"):
            labels = self._label_binarizer.transform(y).astype(np.uint8)
            return labels, labels.shape[1]
        if not self._several:
            right = (y == self.classes_[-1]) & (len(self.classes_) > 1)
            return np.asarray(right, np.uint8)[:, None], 1
        count = len(self.classes_)
        numbers = np.searchsorted(self.classes_, y).astype(np.int64)
        if self._loss("float64").target((BATCH, count))[1] == "int":
            return numbers, count
        return np.eye(count, dtype=np.uint8)[numbers], count

    def _weights(self, y: Any, sample_weight: Array | None, incremental: bool) -> Array | None:
        if self.class_weight is None:
            return sample_weight
        if incremental and isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight='balanced' needs all rows at once: give partial_fit a dict of weights."
            )
        by_class = compute_sample_weight(self.class_weight, y)
        return cast(Array, by_class if sample_weight is None else by_class * sample_weight)

    @property
    def _several(self) -> bool:
        """Whether there are more than two classes, of which one is right."""
        return bool(self._label_binarizer.y_type_ == "multiclass")

    def _loss(self, precision: str) -> Loss:
        if self.loss == "log_loss":
            epsilon = float(np.finfo(precision).eps)
            return (ClassLogLoss if self._several else LabelLogLoss)(epsilon=epsilon)
        return parameters.loss(self)

    def _output(self, precision: str) -> tuple[str, Loss]:
        loss = self._loss(precision)
        if isinstance(loss, Hinge):
            return "identity", loss
        return ("softmax" if self._several else "logistic"), loss

    @property
    def _middle(self) -> float:
        """The output above which a yes begins."""
        return 0.0 if self.out_activation_ == "identity" else 0.5

    def _stratify(self, targets: Array) -> Array | None:
        return targets.astype(bool) if self.n_outputs_ == 1 else None

    def _judge(self, held: Examples, outputs: Array) -> float:
        if not self._several:
            yes = (outputs > self._middle) & (
                len(self.classes_) > 1
            )  # a single class is never missed
            return accuracy(held.y, yes.astype(np.uint8), held.weight)
        right = held.y if held.y.ndim == 1 else held.y.argmax(axis=1)
        return accuracy(right, outputs.argmax(axis=1), held.weight)

    # --- partial_fit ---

    @available_if(lambda estimator: estimator._check_solver())  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """One epoch over these rows. The first call needs `classes`, all that will ever occur."""
        if _check_partial_fit_first_call(self, classes):
            several = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if several else classes)
        return self._fit(X, y, sample_weight, incremental=True)

    # --- predict ---

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """scikit-learn's `accuracy_score` of the predictions for X: the share of rows that are right in all labels."""
        found = self.predict(X)
        plain = type(y) is np.ndarray and y.dtype == found.dtype and y.dtype.kind in PLAIN
        if plain and sample_weight is None and y.ndim == 1 and y.shape == found.shape:
            return accuracy(y, found, None)  # there is nothing to check
        return float(accuracy_score(y, found, sample_weight=sample_weight))

    def _decoded(self, outputs: Array) -> Array:
        if self._several:
            return np.asarray(self.classes_[outputs.argmax(axis=1)])
        yes = outputs > self._middle
        if self.n_outputs_ > 1:
            return cast(Array, self._label_binarizer.inverse_transform(yes.astype(outputs.dtype)))
        return np.asarray(self.classes_[yes[:, 0] * (len(self.classes_) - 1)])

    def _has_probabilities(self) -> bool:
        known = callable(self.loss) or self.loss in ("hinge", "squared_hinge")
        if known and isinstance(losses.get(self.loss), Hinge):
            raise AttributeError(
                f"loss={self.loss!r} trains scores, not probabilities: use predict."
            )
        return True

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        """The probability of each class (rows, classes) in the order of `classes_`, or of each label."""
        found = self._outputs(X)
        return np.hstack([1.0 - found, found]) if self.n_outputs_ == 1 else found

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of `predict_proba`."""
        found = self.predict_proba(X)
        with np.errstate(divide="ignore"):  # the logarithm of 0 is −∞
            return np.asarray(np.log(found, out=found))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
