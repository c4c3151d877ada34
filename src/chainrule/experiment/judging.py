"""How good a model is on some rows: scikit-learn's metrics on its predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import metrics
from chainrule.data import Target
from chainrule.model import Model

Array = np.ndarray[Any, Any]
Scores = dict[str, float | None]


@dataclass(frozen=True)
class Predicted:
    """Class numbers, zeros and ones, or quantities in their own units; and probabilities of classes."""

    said: Array
    probabilities: Array | None = None

    def rows(self, index: Array) -> Predicted:
        """Those of some rows."""
        shares = None if self.probabilities is None else self.probabilities[index]
        return Predicted(self.said[index], shares)


@dataclass(frozen=True)
class Judged:
    """Targets and predictions of some rows (class numbers, or quantities in their own units), and metrics."""

    task: str  # classification, multilabel or regression
    targets: Array
    predicted: Array
    probabilities: Array | None
    scores: Scores


def task_of(target: Target) -> str:
    """classification, multilabel or regression."""
    return "multilabel" if target.multilabel else target.task


def class_names(target: Target) -> list[str] | None:
    """The classes as text, in the order of the outputs."""
    return None if target.classes is None else [str(c) for c in target.classes]


def predict(model: Model, features: Any) -> Predicted:
    """What a model says about rows."""
    assert model.target is not None
    outputs = np.asarray(model.predict(features))
    match task_of(model.target):
        case "classification":
            return Predicted(np.argmax(outputs, axis=1), outputs)
        case "multilabel":
            return Predicted((outputs >= 0.5).astype(np.int64), outputs)
        case _:
            single = outputs.ndim == 2 and outputs.shape[1] == 1
            return Predicted(outputs[:, 0] if single else outputs)


def judge(target: Target, predicted: Predicted, values: Array) -> Judged:
    """Measure predictions against the true values."""
    task, said = task_of(target), predicted.said
    truth = target.encode(values)
    if predicted.probabilities is None:
        truth = np.asarray(values, dtype=np.float64).reshape(said.shape)
        scores = metrics.regression_metrics(truth, said)
    elif task == "multilabel":
        scores = metrics.multilabel_metrics(truth, predicted.probabilities)
    else:
        names = class_names(target) or []
        scores = metrics.classification_metrics(truth, predicted.probabilities, classes=names)
    return Judged(task, truth, said, predicted.probabilities, scores)


def baseline(target: Target, train_values: Array, judged: Judged) -> dict[str, Any]:
    """What one scores on the same rows without looking at any feature."""
    train = (
        np.asarray(train_values, np.float64).reshape(-1, *judged.targets.shape[1:])
        if judged.task == "regression"
        else target.encode(train_values)
    )
    found = metrics.trivial_baseline(
        judged.task, train, judged.targets, classes=class_names(target)
    )
    return {"name": found["name"], "test": found["metrics"]}
