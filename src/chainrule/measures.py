"""Metrics that are means over examples: part of the graph, summed by the engine while it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from chainrule.errors import ShapeError
from chainrule.families import Family
from chainrule.graph import Value, shape_text
from chainrule.ops.basic import absolute, argmax, equal, greater, mean, real, square


@dataclass(frozen=True)
class Measure:
    """A number for each example, averaged over all of them.

    A subclass says in `__call__` what one example scores, shape (batch,), and in `finish` what becomes of
    the mean. `larger_is_better` says which way is up.
    """

    larger_is_better = False

    def __call__(self, targets: Value, predictions: Value) -> Value:
        raise NotImplementedError

    def finish(self, average: float) -> float:
        """The metric, given the mean over the examples."""
        return average


def _per_example(x: Value) -> Value:
    return mean(x, tuple(range(1, x.rank))) if x.rank > 1 else x


def _same_shape(name: str, targets: Value, predictions: Value) -> None:
    if targets.shape != predictions.shape:
        raise ShapeError(
            f"{name}: targets of shape {shape_text(targets.shape)} against predictions of shape "
            f"{shape_text(predictions.shape)}: give targets of the predictions' shape."
        )


@dataclass(frozen=True)
class Custom(Measure):
    """A user's function of targets and predictions."""

    function: Any = None

    def __call__(self, targets: Value, predictions: Value) -> Value:
        value: Value = self.function(targets, predictions)
        return _per_example(value)


METRICS: Family[Measure] = Family("metric", Measure, Custom)
get = METRICS.get
register = METRICS.register


@METRICS.register("accuracy", "acc")
@dataclass(frozen=True)
class Accuracy(Measure):
    """The share of examples predicted right.

    Class numbers against one score a class: the largest score. One-hot rows: both argmaxes. A single
    output: above `threshold` means 1. The threshold is 0 where predictions are logits.
    """

    threshold: float = 0.5
    larger_is_better = True

    def __call__(self, targets: Value, predictions: Value) -> Value:
        if targets.kind == "int" and targets.rank == predictions.rank - 1:
            return equal(targets, argmax(predictions))
        _same_shape("accuracy", targets, predictions)
        if predictions.rank > 1 and predictions.shape[-1] != 1:
            return equal(argmax(targets), argmax(predictions))
        return _per_example(equal(greater(targets, 0.5), greater(predictions, self.threshold)))


@METRICS.register("binary_accuracy")
@dataclass(frozen=True)
class BinaryAccuracy(Measure):
    """The share of single yes/no outputs predicted right: above `threshold` means 1."""

    threshold: float = 0.5
    larger_is_better = True

    def __call__(self, targets: Value, predictions: Value) -> Value:
        _same_shape("binary_accuracy", targets, predictions)
        return _per_example(equal(greater(targets, 0.5), greater(predictions, self.threshold)))


@METRICS.register("mean_squared_error", "mse")
@dataclass(frozen=True)
class MeanSquaredError(Measure):
    """The mean of (t − p)²."""

    def __call__(self, targets: Value, predictions: Value) -> Value:
        _same_shape("mean_squared_error", targets, predictions)
        return _per_example(square(real(targets) - predictions))


@METRICS.register("root_mean_squared_error", "rmse")
@dataclass(frozen=True)
class RootMeanSquaredError(MeanSquaredError):
    """The square root of the mean of (t − p)²."""

    def finish(self, average: float) -> float:
        return math.sqrt(average) if average >= 0 else average


@METRICS.register("mean_absolute_error", "mae")
@dataclass(frozen=True)
class MeanAbsoluteError(Measure):
    """The mean of |t − p|."""

    def __call__(self, targets: Value, predictions: Value) -> Value:
        _same_shape("mean_absolute_error", targets, predictions)
        return _per_example(absolute(real(targets) - predictions))


def name_of(measure: Measure) -> str:
    """The name a metric has in histories and results."""
    item = measure.function if isinstance(measure, Custom) else measure
    if METRICS.knows(item):
        return str(METRICS.config(item)["name"])
    return str(getattr(item, "__name__", type(item).__name__)).lower()
