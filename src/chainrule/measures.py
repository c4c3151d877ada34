"""Metrics that are means over examples: part of the graph, summed by the engine while it runs.

All other metrics need every prediction at once: `chainrule.metrics` has those. Targets never
broadcast against predictions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from chainrule.errors import ShapeError
from chainrule.families import Family, check
from chainrule.graph import Value, shape_text
from chainrule.ops.arithmetic import absolute, equal, greater, real
from chainrule.ops.elementary import square
from chainrule.ops.reductions import argmax, mean


@dataclass(frozen=True)
class Measure:
    """A number for each example, averaged over all of them.

    A subclass says in `__call__` what one example scores, shape (batch,), and in `finish` what becomes of
    the mean. `larger_is_better` says which way is up.
    """

    larger_is_better: ClassVar[bool] = False

    def __call__(self, targets: Value, predictions: Value) -> Value:
        raise NotImplementedError

    def finish(self, average: float) -> float:
        """The metric, given the mean over the examples."""
        return average

    def suited(self, *, middle: float, separate: bool) -> Measure:
        """The same metric for outputs whose yes begins above `middle` (0 for logits, else ½).

        `separate`: each output is a question of its own (several labels at once), not one class of
        several.
        """
        return self


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
    """A user's function of targets and predictions: a number for each example, or for each element."""

    function: Any

    def __call__(self, targets: Value, predictions: Value) -> Value:
        each = self.function(targets, predictions)
        if not isinstance(each, Value) or each.shape[:1] != predictions.shape[:1]:
            found = shape_text(each.shape) if isinstance(each, Value) else type(each).__name__
            raise ShapeError(
                f"A metric gives one value for each example, {shape_text(predictions.shape[:1])}, or for each "
                f"element, {shape_text(predictions.shape)}; {name_of(self)} gave {found}."
            )
        return _per_example(each)


METRICS: Family[Measure] = Family("metric", Measure, Custom)
get = METRICS.get
register = METRICS.register


@METRICS.register("binary_accuracy")
@dataclass(frozen=True)
class BinaryAccuracy(Measure):
    """The share of single yes/no outputs predicted right: above `threshold` means yes.

    The threshold is ½ unless given, 0 where predictions are logits.
    """

    threshold: float | None = None
    larger_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check(self, threshold="(-inf, inf) or None")

    def __call__(self, targets: Value, predictions: Value) -> Value:
        _same_shape("binary_accuracy", targets, predictions)
        threshold = 0.5 if self.threshold is None else self.threshold
        # targets are 0 and 1, or −1 and 1, whatever the predictions are
        return _per_example(equal(greater(targets, 0.5), greater(predictions, threshold)))

    def suited(self, *, middle: float, separate: bool) -> Measure:
        return type(self)(middle) if self.threshold is None else self


@METRICS.register("accuracy", "acc")
@dataclass(frozen=True)
class Accuracy(BinaryAccuracy):
    """The share of examples predicted right.

    Class numbers against one score a class: the largest score. One-hot rows: both argmaxes. A single
    output, or several labels at once: yes and no, as in `BinaryAccuracy`.
    """

    def __call__(self, targets: Value, predictions: Value) -> Value:
        if targets.kind == "int" and targets.shape == predictions.shape[:-1]:
            return _per_example(equal(targets, argmax(predictions)))
        _same_shape("accuracy", targets, predictions)
        if predictions.rank > 1 and predictions.shape[-1] != 1:
            return _per_example(equal(argmax(targets), argmax(predictions)))
        return super().__call__(targets, predictions)

    def suited(self, *, middle: float, separate: bool) -> Measure:
        kind = BinaryAccuracy if separate else Accuracy
        return kind(middle if self.threshold is None else self.threshold)


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
