"""Metrics of finished predictions, by scikit-learn; a metric the data cannot define is None.

Metrics that are means over examples also exist as graph outputs; here is the final judgement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import DataError, ShapeError, UsageError

Scores: TypeAlias = dict[str, float | None]
_Integers: TypeAlias = NDArray[np.int64]
_Reals: TypeAlias = NDArray[np.float64]


def classification_metrics(
    targets: ArrayLike, probabilities: ArrayLike, *, classes: Sequence[object]
) -> Scores:
    """Accuracy and its relatives for one class out of several.

    targets: (rows,) class indices. probabilities: (rows, classes), or (rows,) or (rows, 1) with
    the probability of the second of two classes. The predicted class is the most probable one.
    Macro averages weigh every class that occurs among targets or predictions alike, balanced
    accuracy every class among the targets. `roc_auc` is that of the second class, or for more
    than two classes the mean of one-against-the-rest; None where a class is missing.
    All metrics are None where a probability is not finite.
    """
    shares = _two_columns(probabilities)
    truth = _indices("targets", targets, len(classes))
    if shares.shape != (truth.size, len(classes)):
        raise ShapeError(
            f"Probabilities have shape {shares.shape}, expected {(truth.size, len(classes))}: "
            f"one row for each of the {truth.size} targets, one column for each class."
        )
    names = [
        *("accuracy", "balanced_accuracy", "log_loss", "f1_macro"),
        *("precision_macro", "recall_macro", "roc_auc"),
    ]
    if not np.isfinite(shares).all():
        return dict.fromkeys(names)

    from sklearn import metrics

    predicted = shares.argmax(axis=1)
    present = np.unique(truth)
    scores: Scores = dict.fromkeys(names)
    scores["accuracy"] = float(metrics.accuracy_score(truth, predicted))
    # The mean recall of the classes among the targets: no warning about predicted others.
    scores["balanced_accuracy"] = float(
        metrics.recall_score(truth, predicted, labels=present, average="macro", zero_division=0.0)
    )
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, predicted, average="macro", zero_division=0.0
    )
    scores["precision_macro"], scores["recall_macro"] = float(precision), float(recall)
    scores["f1_macro"] = float(f1)
    sums = shares.sum(axis=1, keepdims=True)
    if len(classes) < 2 or (shares < 0).any() or np.abs(sums - 1).max() > 1e-2:
        return scores
    shares = shares / sums  # float32 rows sum to 1 only nearly
    scores["log_loss"] = float(metrics.log_loss(truth, shares, labels=range(len(classes))))
    if present.size == len(classes):
        scores["roc_auc"] = float(
            metrics.roc_auc_score(truth, shares[:, 1])
            if len(classes) == 2
            else metrics.roc_auc_score(truth, shares, multi_class="ovr", average="macro")
        )
    return scores


def per_class(
    targets: ArrayLike, predicted: ArrayLike, classes: Sequence[object]
) -> list[dict[str, Any]]:
    """Precision, recall, F1 and number of rows (support) of each class, in the classes' order.

    A share of nothing (a class never predicted, or absent from the targets) is None.
    """
    truth, guess = _pair(targets, predicted, len(classes))

    from sklearn.metrics import precision_recall_fscore_support

    table = precision_recall_fscore_support(
        truth, guess, labels=range(len(classes)), zero_division=np.nan
    )
    return [
        {
            "class": name,
            "precision": _plain(precision),
            "recall": _plain(recall),
            "f1": _plain(f1),
            "support": int(support),
        }
        for name, precision, recall, f1, support in zip(classes, *table, strict=True)
    ]


def confusion(targets: ArrayLike, predicted: ArrayLike, n: int) -> list[list[int]]:
    """Counts of rows, `counts[true class][predicted class]`, for class indices below n."""
    truth, guess = _pair(targets, predicted, n)

    from sklearn.metrics import confusion_matrix

    counts: list[list[int]] = confusion_matrix(truth, guess, labels=range(n)).tolist()
    return counts


def regression_metrics(targets: ArrayLike, predictions: ArrayLike) -> Scores:
    """Root mean squared, mean absolute and median absolute error, and R².

    Both (rows,) or (rows, outputs); with several outputs each metric is its mean over the outputs.
    R² is None for fewer than two rows and where an output's targets are all equal. All metrics
    are None where a prediction is not finite.
    """
    truth, guess = np.asarray(targets, float), np.asarray(predictions, float)
    if truth.ndim == 1 and guess.shape == (truth.size, 1):
        guess = guess[:, 0]
    if truth.shape != guess.shape or truth.ndim not in (1, 2):
        raise ShapeError(
            f"Targets have shape {truth.shape}, predictions {guess.shape}; expected twice "
            "(rows,) or (rows, outputs)."
        )
    _not_empty(truth)
    names = ["rmse", "mae", "r2", "median_absolute_error"]
    if not np.isfinite(guess).all():
        return dict.fromkeys(names)

    from sklearn import metrics

    varied = len(truth) > 1 and bool(np.all(truth.max(axis=0) > truth.min(axis=0)))
    return {
        "rmse": float(metrics.root_mean_squared_error(truth, guess)),
        "mae": float(metrics.mean_absolute_error(truth, guess)),
        "r2": float(metrics.r2_score(truth, guess)) if varied else None,
        "median_absolute_error": float(metrics.median_absolute_error(truth, guess)),
    }


def multilabel_metrics(
    targets: ArrayLike, probabilities: ArrayLike, *, threshold: float = 0.5
) -> Scores:
    """Metrics for several yes-or-no labels a row.

    targets: (rows, labels) of 0 and 1; probabilities: (rows, labels), a label is predicted where
    its probability reaches the threshold. `accuracy` counts rows with every label right,
    `hamming_loss` is the share of wrong labels, `log_loss` the mean binary cross-entropy of a
    label. `roc_auc` (mean over labels) is None where a label is always, or never, there.
    """
    truth, shares = np.asarray(targets), np.asarray(probabilities, float)
    if truth.ndim != 2 or truth.shape != shares.shape:
        raise ShapeError(
            f"Targets have shape {truth.shape}, probabilities {shares.shape}; expected twice "
            "(rows, labels)."
        )
    _not_empty(truth)
    if not np.isin(truth, (0, 1)).all():
        raise DataError("Multi-label targets must be 0 or 1 in every place.")
    names = ["accuracy", "hamming_loss", "f1_macro", "f1_micro", "log_loss", "roc_auc"]
    if not np.isfinite(shares).all():
        return dict.fromkeys(names)

    from sklearn import metrics

    truth = truth.astype(np.int64)
    guess = (shares >= threshold).astype(np.int64)
    varied = bool(np.all(truth.max(axis=0) > truth.min(axis=0)))
    pairs = np.stack([1 - shares, shares], axis=-1).reshape(-1, 2)
    return {
        "accuracy": float(np.mean((truth == guess).all(axis=1))),
        "hamming_loss": float(np.mean(truth != guess)),
        "f1_macro": float(_label_f1(truth, guess).mean()),
        "f1_micro": float(metrics.f1_score(truth.ravel(), guess.ravel(), zero_division=0.0)),
        "log_loss": float(metrics.log_loss(truth.ravel(), pairs, labels=[0, 1])),
        "roc_auc": float(
            np.mean([metrics.roc_auc_score(t, s) for t, s in zip(truth.T, shares.T, strict=True)])
        )
        if varied
        else None,
    }


def trivial_baseline(
    task: str,
    train_targets: ArrayLike,
    test_targets: ArrayLike,
    *,
    classes: Sequence[object] | None = None,
) -> dict[str, Any]:
    """What one would score without looking at any feature: `{"name": sentence, "metrics": {…}}`.

    classification: the most frequent class of the training rows, its shares as probabilities
    (`classes` names them); regression: the mean of the training rows; multilabel: each label as
    often as in the training rows. The metrics have the same keys as the network's.
    """
    if task == "classification":
        if classes is None:
            raise UsageError("The baseline of a classification needs the names of the classes.")
        counts = np.bincount(_indices("train_targets", train_targets, len(classes)))
        shares = np.zeros(len(classes))
        shares[: counts.size] = counts / counts.sum()
        rows = np.asarray(test_targets).shape[0]
        return {
            "name": f"always '{classes[int(shares.argmax())]}', "
            "the most frequent class of the training rows",
            "metrics": classification_metrics(
                test_targets, np.tile(shares, (rows, 1)), classes=classes
            ),
        }
    if task not in ("regression", "multilabel"):
        raise UsageError(
            f"Unknown task '{task}': expected 'classification', 'regression' or 'multilabel'."
        )
    train, test = np.asarray(train_targets, float), np.asarray(test_targets, float)
    _not_empty(train)
    mean = np.broadcast_to(train.mean(axis=0), test.shape)
    if task == "regression":
        return {
            "name": "always the mean of the training rows",
            "metrics": regression_metrics(test, mean),
        }
    return {
        "name": "each label as often as among the training rows",
        "metrics": multilabel_metrics(test, mean),
    }


def _label_f1(truth: _Integers, guess: _Integers) -> _Reals:
    from sklearn.metrics import f1_score

    columns = zip(truth.T, guess.T, strict=True)
    return np.array([f1_score(t, g, zero_division=0.0) for t, g in columns])


def _two_columns(probabilities: ArrayLike) -> _Reals:
    """Probabilities as (rows, classes): a single column p of the second class becomes [1−p, p]."""
    shares = np.asarray(probabilities, float)
    if shares.ndim == 2 and shares.shape[1] == 1:
        shares = shares[:, 0]
    return np.stack([1 - shares, shares], axis=1) if shares.ndim == 1 else shares


def _pair(targets: ArrayLike, predicted: ArrayLike, n: int) -> tuple[_Integers, _Integers]:
    truth, guess = _indices("targets", targets, n), _indices("predicted", predicted, n)
    if truth.size != guess.size:
        raise ShapeError(
            f"There are {truth.size} targets but {guess.size} predictions; expected one each row."
        )
    return truth, guess


def _indices(what: str, values: ArrayLike, n: int) -> _Integers:
    """Values as class indices, or an error that says what is wrong with them."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ShapeError(f"'{what}' has shape {array.shape}, expected (rows,) of class indices.")
    _not_empty(array)
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise DataError(
            f"'{what}' must hold class indices from 0 to {n - 1}, one whole number a row; "
            f"it holds {array.dtype} values."
        )
    whole = array.astype(np.int64)
    if not np.array_equal(whole, array) or whole.min() < 0 or whole.max() >= n:
        raise DataError(
            f"'{what}' must hold class indices from 0 to {n - 1}; it holds values from "
            f"{array.min()} to {array.max()}."
        )
    return whole


def _not_empty(array: NDArray[Any]) -> None:
    if array.size == 0:
        raise DataError("There is no row to judge: metrics need at least one.")


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
