"""The classifier."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import validate_data

from chainrule.engines.program import Array
from chainrule.estimators.multilayer import MultilayerPerceptron
from chainrule.estimators.objective import ClassLogLoss, LabelLogLoss, ReportedLoss
from chainrule.estimators.scores import accuracy
from chainrule.estimators.trainer import Examples


class MLPClassifier(ClassifierMixin, MultilayerPerceptron):  # type: ignore[misc]
    """A multi-layer perceptron for classes, or for several labels at once, with scikit-learn's interface.

    Parameters, attributes, defaults and random draws are those of `sklearn.neural_network.MLPClassifier`.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = MultilayerPerceptron._parameter_constraints

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
        self.threads = threads

    # --- classes and targets ---

    def _validate_input(
        self, X: Any, y: Any, incremental: bool, reset: bool
    ) -> tuple[Any, Array, int]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=(np.float64, np.float32),
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(unique_labels(y))
        return X, *self._encoded(y)

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

    def _encoded(self, y: Any) -> tuple[Array, int]:
        """Targets and the number of outputs: class numbers for several classes, else 0 or 1 for each output."""
        if self._label_binarizer.y_type_.startswith("multilabel"):
            labels = self._label_binarizer.transform(y).astype(np.uint8)
            return labels, labels.shape[1]
        if self._softmax:
            return np.searchsorted(self.classes_, y).astype(np.int64), len(self.classes_)
        right = (y == self.classes_[-1]) & (len(self.classes_) > 1)
        return np.asarray(right, np.uint8)[:, None], 1

    @property
    def _softmax(self) -> bool:
        return bool(self._label_binarizer.y_type_ == "multiclass")

    def _output(self, precision: str) -> tuple[str, ReportedLoss]:
        epsilon = float(np.finfo(precision).eps)
        if self._softmax:
            return "softmax", ClassLogLoss(epsilon=epsilon)
        return "logistic", LabelLogLoss(epsilon=epsilon)

    def _stratify(self, targets: Array) -> Array | None:
        return targets.astype(bool) if self.n_outputs_ == 1 else None

    def _judge(self, held: Examples, outputs: Array) -> float:
        found = outputs.argmax(axis=1) if self._softmax else (outputs > 0.5).astype(np.uint8)
        return accuracy(held.y, found, held.weight)

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

    def _decoded(self, outputs: Array) -> Array:
        if self._softmax:
            return self.classes_[outputs.argmax(axis=1)]  # type: ignore[no-any-return]
        found = outputs.ravel() if self.n_outputs_ == 1 else outputs
        return self._label_binarizer.inverse_transform(found)  # type: ignore[no-any-return]

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class (rows, classes) in the order of `classes_`, or of each label."""
        found = self._outputs(X)
        if self.n_outputs_ == 1:
            return np.hstack([1.0 - found, found])
        return found

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of `predict_proba`."""
        found = self.predict_proba(X)
        with np.errstate(divide="ignore"):  # the logarithm of 0 is −∞
            return np.log(found, out=found)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
