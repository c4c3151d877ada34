"""Losses: how wrong a prediction is, one number for each example.

Called with targets and predictions whose first axis counts the examples. The mean over examples,
with their weights, is taken by whoever trains. Targets never broadcast against predictions.

A cross-entropy of a softmax or sigmoid is computed on the logits below it, where it is exact; of
other predictions, on probabilities held between 1e-7 and 1 − 1e-7, as in Keras.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from chainrule.errors import ShapeError, UsageError
from chainrule.families import Family, check
from chainrule.graph import Kind, Op, Shape, Value, shape_text
from chainrule.ops.activation import Sigmoid, Softmax, relu, softplus
from chainrule.ops.arithmetic import clip, equal, greater, maximum, where
from chainrule.ops.elementary import Exp, exp, log, sqrt
from chainrule.ops.lookup import one_hot
from chainrule.ops.loss import (
    absolute_error,
    huber,
    mismatch,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    sparse_softmax_cross_entropy,
    squared_error,
)
from chainrule.ops.reductions import mean
from chainrule.ops.shapes import sum as sum_over

EPSILON = 1e-7


@dataclass(frozen=True)
class Loss:
    """The loss of each example: targets and predictions (batch, …) to (batch,).

    A subclass says in `on_predictions` what it is, for each example or for each element, of which
    the mean is taken. If it is better computed from the inputs of an activation, it names that as
    `link` and says how in `on_logits`. `target` tells the shape and kind of targets that go with an
    output.
    """

    link: ClassVar[type[Op] | None] = None
    advice: ClassVar[str] = ""  # what to do about targets of a wrong shape

    def target(self, predictions: Shape) -> tuple[Shape, Kind]:
        """The shape of the targets for predictions of this shape, and what they hold."""
        return predictions, "float"

    def on_predictions(self, targets: Value, predictions: Value) -> Value:
        """The loss of each example or element."""
        raise NotImplementedError

    def on_logits(self, targets: Value, logits: Value) -> Value:
        """The same, from the inputs of the activation `link`."""
        raise NotImplementedError

    def logits(self, predictions: Value) -> Value | None:
        """What `link` was applied to, if it was."""
        linked = self.link is not None and isinstance(predictions.op, self.link)
        return predictions.inputs[0] if linked else None

    def __call__(self, targets: Value, predictions: Value) -> Value:
        if not predictions.shape:
            raise ShapeError("A loss needs predictions of shape (batch, …), not a single number.")
        shape, kind = self.target(predictions.shape)
        if targets.shape != shape:
            raise mismatch(predictions.shape, targets.shape, self.advice)
        if kind == "int" and targets.kind != "int":
            raise UsageError(
                f"{type(self).__name__} takes class numbers as targets: whole numbers, not reals."
            )
        logits = self.logits(predictions)
        each = (
            self.on_predictions(targets, predictions)
            if logits is None
            else self.on_logits(targets, logits)
        )
        if not isinstance(each, Value) or each.shape[:1] != predictions.shape[:1]:
            found = shape_text(each.shape) if isinstance(each, Value) else type(each).__name__
            raise ShapeError(
                f"A loss gives one value for each example, {shape_text(predictions.shape[:1])}, or "
                f"for each element, {shape_text(predictions.shape)}; {self!r} gave {found}."
            )
        return mean(each, range(1, each.rank)) if each.rank > 1 else each


@dataclass(frozen=True)
class FunctionLoss(Loss):
    """A user's function of targets and predictions; it gives a value for each element or example."""

    function: Callable[[Value, Value], Value]

    def on_predictions(self, targets: Value, predictions: Value) -> Value:
        return self.function(targets, predictions)


FAMILY: Family[Loss] = Family("loss", Loss, FunctionLoss)
get = FAMILY.get
register = FAMILY.register


# --- real targets ---------------------------------------------------------------------------------


@register("mean_squared_error", "mse")
@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """The mean of (t − p)² over an example's outputs."""

    def on_predictions(self, targets: Value, predictions: Value) -> Value:
        return squared_error(predictions, targets)


@register("half_squared_error")
@dataclass(frozen=True)
class HalfSquaredError(Loss):
    """½ ‖t − p‖², summed over an example's outputs: its slope is p − t."""

    def on_predictions(self, targets: Value, predictions: Value) -> Value:
        return 0.5 * _over_outputs(squared_error(predictions, targets))


@register("euclidean")
@dataclass(frozen=True)
class Euclidean(Loss):
    """‖t − p‖, the distance; its subgradient where they are equal is 0."""

    def on_predictions(self, targets: Value, predictions: Value) -> Value:
        squared = _over_outputs(squared_error(predictions, targets))
        apart = greater(squared, 0.0)
        # √ has no slope at 0, so it is taken of 1 there
        return sqrt(where(apart, squared, 1.0)) * apart


@register("mean_absolute_error", "mae")
@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """The mean of |t − p| over an example's outputs; the subgradient at 0 is 0."""

    def on_predictions(self, targets: Value, predictions: Value) -> Value:
        return absolute_error(predictions, targets)


@register("huber")
@dataclass(frozen=True)
class Huber(Loss):
    """½e² where |e| ≤ δ, δ(|e| − ½δ) beyond, e = t − p. Source: Huber (1964)."""

    delta: float = 1.0

    def __post_init__(self) -> None:
        check(self, delta="(0, inf)")

    def on_predictions(self, targets: Value, predictions: Value) -> Value:
        return huber(predictions, targets, self.delta)


@register("log_cosh")
@dataclass(frozen=True)
class LogCosh(Loss):
    """ln cosh(p − t): nearly ½e² for small errors, |e| − ln 2 for large ones."""

    def on_predictions(self, targets: Value, predictions: Value) -> Value:
        error = predictions - targets
        return error + softplus(-2.0 * error) - math.log(2.0)


@register("poisson")
@dataclass(frozen=True)
class Poisson(Loss):
    """p − t ln p for counts t and expected counts p > 0; of an exponential, eᶻ − t z.

    The constant ln t! is left out.
    """

    link = Exp

    def on_predictions(self, targets: Value, predictions: Value) -> Value:
        return predictions - targets * log(maximum(predictions, EPSILON))

    def on_logits(self, targets: Value, logits: Value) -> Value:
        return exp(logits) - targets * logits


# --- classes --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """What the cross-entropies share.

    `from_logits`: the predictions are logits. `label_smoothing` s: targets become (1 − s) t + s /
    n, n being the number of classes. Source: Szegedy et al. (2016).
    """

    from_logits: bool = False
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        check(self, label_smoothing="[0, 1]")
        if not isinstance(self.from_logits, bool):
            raise UsageError(
                f"{type(self).__name__}: from_logits is {self.from_logits!r}, "
                "expected True or False."
            )

    def logits(self, predictions: Value) -> Value | None:
        found = super().logits(predictions)
        if found is not None and self.from_logits:
            raise UsageError(
                f"{type(self).__name__}(from_logits=True) was given the output of a "
                f"{predictions.op.name if predictions.op else ''}: leave out one of the two."
            )
        return predictions if self.from_logits else found

    def smoothed(self, targets: Value, classes: int) -> Value:
        """The targets with a share of them spread evenly over all classes."""
        s = self.label_smoothing
        return targets * (1.0 - s) + s / classes if s else targets


@register("binary_crossentropy", "bce")
@dataclass(frozen=True)
class BinaryCrossentropy(CrossEntropy):
    """−t ln p − (1 − t) ln(1 − p), the mean over an example's outputs; t is from 0 to 1.

    Each output is a question of its own, so this is the loss for several labels at once too.
    """

    link = Sigmoid

    def on_predictions(self, targets: Value, predictions: Value) -> Value:
        t, p = self.smoothed(targets, 2), clip(predictions, EPSILON, 1.0 - EPSILON)
        return -(t * log(p) + (1.0 - t) * log(1.0 - p))

    def on_logits(self, targets: Value, logits: Value) -> Value:
        return sigmoid_cross_entropy(logits, self.smoothed(targets, 2))


@register("categorical_crossentropy", "cce")
@dataclass(frozen=True)
class CategoricalCrossentropy(CrossEntropy):
    """−Σ t ln p over the classes, t being one-hot rows or distributions.

    Probabilities are taken as they are; Keras first divides them by their sum.
    """

    link = Softmax
    advice = "for class numbers use sparse_categorical_crossentropy, otherwise one-hot rows."

    def target(self, predictions: Shape) -> tuple[Shape, Kind]:
        _class_count(self, predictions)
        return predictions, "float"

    def on_predictions(self, targets: Value, predictions: Value) -> Value:
        t = self.smoothed(targets, _class_count(self, predictions.shape))
        return -sum_over(t * log(clip(predictions, EPSILON, 1.0 - EPSILON)), -1)

    def on_logits(self, targets: Value, logits: Value) -> Value:
        t = self.smoothed(targets, _class_count(self, logits.shape))
        return softmax_cross_entropy(logits, t)


@register("sparse_categorical_crossentropy", "scce")
@dataclass(frozen=True)
class SparseCategoricalCrossentropy(CategoricalCrossentropy):
    """−ln p of the right class; targets are its numbers, integers of shape (batch,)."""

    advice = "it takes one class number a row; for one-hot rows use categorical_crossentropy."

    def target(self, predictions: Shape) -> tuple[Shape, Kind]:
        _class_count(self, predictions)
        return predictions[:1], "int"

    def on_predictions(self, targets: Value, predictions: Value) -> Value:
        rows = one_hot(targets, _class_count(self, predictions.shape))
        return super().on_predictions(rows, predictions)

    def on_logits(self, targets: Value, logits: Value) -> Value:
        if self.label_smoothing:
            return super().on_logits(one_hot(targets, _class_count(self, logits.shape)), logits)
        return sparse_softmax_cross_entropy(logits, targets)


@register("kl_divergence", "kld", "kullback_leibler_divergence")
@dataclass(frozen=True)
class KLDivergence(Loss):
    """Σ t ln(t / p) for distributions t and p, 0 ln 0 = 0. Source: Kullback & Leibler (1951)."""

    link = Softmax

    def target(self, predictions: Shape) -> tuple[Shape, Kind]:
        _class_count(self, predictions)
        return predictions, "float"

    def on_predictions(self, targets: Value, predictions: Value) -> Value:
        cross = -sum_over(targets * log(clip(predictions, EPSILON, 1.0 - EPSILON)), -1)
        return cross - _entropy(targets)

    def on_logits(self, targets: Value, logits: Value) -> Value:
        return softmax_cross_entropy(logits, targets) - _entropy(targets)


@register("hinge")
@dataclass(frozen=True)
class Hinge(Loss):
    """max(1 − t p, 0) for targets −1 and +1; a target of 0 counts as −1.

    The subgradient at the kink is 0. Source: Cortes & Vapnik (1995).
    """

    def on_predictions(self, targets: Value, predictions: Value) -> Value:
        return relu(1.0 - where(equal(targets, 0.0), -1.0, targets) * predictions)


@register("squared_hinge")
@dataclass(frozen=True)
class SquaredHinge(Hinge):
    """max(1 − t p, 0)² for targets −1 and +1; a target of 0 counts as −1."""

    def on_predictions(self, targets: Value, predictions: Value) -> Value:
        return super().on_predictions(targets, predictions) ** 2


def _over_outputs(each: Value) -> Value:
    return sum_over(each, range(1, each.rank)) if each.rank > 1 else each


def _entropy(t: Value) -> Value:
    """−Σ t ln t; the logarithm is taken of 1 where t is 0."""
    return -sum_over(t * log(where(greater(t, 0.0), t, 1.0)), -1)


def _class_count(loss: Loss, predictions: Shape) -> int:
    classes = predictions[-1]
    if len(predictions) != 2 or not isinstance(classes, int) or classes < 2:
        raise ShapeError(
            f"{type(loss).__name__} needs predictions of shape (batch, classes) with two classes or "
            f"more, not {shape_text(predictions)}. For a single output use binary_crossentropy."
        )
    return classes
