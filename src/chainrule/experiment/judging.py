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


def predict(model: Model, features: Any) -> tuple[Array, Array | None]:
    """Class numbers, zeros and ones, or quantities in their own units; and probabilities of classes."""
    assert model.target is not None
    outputs = np.asarray(model.predict(features))
    match task_of(model.target):
        case "classification":
            return np.argmax(outputs, axis=1), outputs
        case "multilabel":
            return (outputs >= 0.5).astype(np.int64), outputs
        case _:
            single = outputs.ndim == 2 and outputs.shape[1] == 1
            return outputs[:, 0] if single else outputs, None


def judge(model: Model, features: Any, values: Array) -> Judged:
    """Predict the rows and measure the predictions against the true values."""
    target = model.target
    assert target is not None
    task = task_of(target)
    # Unknown classes and missing values are told before any work is done.
    truth = target.encode(values)
    predicted, probabilities = predict(model, features)
    if probabilities is None:
        truth = np.asarray(values, dtype=np.float64).reshape(predicted.shape)
        scores = metrics.regression_metrics(truth, predicted)
    elif task == "multilabel":
        scores = metrics.multilabel_metrics(truth, probabilities)
    else:
        names = class_names(target) or []
        scores = metrics.classification_metrics(truth, probabilities, classes=names)
    return Judged(task, truth, predicted, probabilities, scores)


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
