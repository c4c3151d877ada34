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


def judge(model: Model, features: Any, values: Array) -> Judged:
    """Predict the rows and measure the predictions against the true values."""
    target = model.target
    assert target is not None
    outputs = np.asarray(model.predict(features))
    task = task_of(target)
    if task == "regression":
        truth = np.asarray(values, dtype=np.float64)
        if outputs.ndim == 2 and outputs.shape[1] == 1 and truth.ndim == 1:
            outputs = outputs[:, 0]
        return Judged(task, truth, outputs, None, metrics.regression_metrics(truth, outputs))
    encoded = np.asarray(target.encode(values))
    if task == "multilabel":
        scores = metrics.multilabel_metrics(encoded, outputs)
        return Judged(task, encoded, (outputs >= 0.5).astype(np.int64), outputs, scores)
    scores = metrics.classification_metrics(encoded, outputs, classes=class_names(target) or [])
    return Judged(task, encoded, np.argmax(outputs, axis=1), outputs, scores)


def baseline(target: Target, train_values: Array, judged: Judged) -> dict[str, Any]:
    """What one scores on the same rows without looking at any feature."""
    train = (
        np.asarray(train_values, np.float64)
        if judged.task == "regression"
        else target.encode(train_values)
    )
    found = metrics.trivial_baseline(
        judged.task, train, judged.targets, classes=class_names(target)
    )
    return {"name": found["name"], "test": found["metrics"]}
