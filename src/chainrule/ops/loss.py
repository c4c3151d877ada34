"""Losses of single examples: predictions or logits first, targets second, never broadcast.

Cross-entropies work on logits z, where they are stable and their gradient is simple.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import notation
from chainrule.errors import ShapeError
from chainrule.graph import Example, Op, Shape, Value, shape_text
from chainrule.notation import Expression
from chainrule.ops.activation import log_softmax, log_sum_exp, sigmoid, softmax
from chainrule.ops.arithmetic import clip, sign
from chainrule.ops.elementwise import Elementwise
from chainrule.ops.lookup import check_numbers, one_hot
from chainrule.ops.shapes import Gradients, Index, Operand, distinct, reshape
from chainrule.ops.shapes import sum as sum_over


def mismatch(predictions: Shape, targets: Shape, advice: str = "") -> ShapeError:
    """The error for targets that do not fit the predictions, with the likely cause."""
    if not advice:
        if (*targets, 1) == predictions or targets == (*predictions, 1):
            advice = f"reshape the targets to {shape_text(predictions)}."
        elif len(targets) == len(predictions) > 1 and targets[:-1] == predictions[:-1]:
            advice = f"does the last layer need {targets[-1]} units?"
        else:
            advice = "they must have the same shape."
    return ShapeError(
        f"Targets of shape {shape_text(targets)} against predictions of shape "
        f"{shape_text(predictions)}: {advice}"
    )


class Pairwise(Elementwise):
    """A loss of each prediction and its own target."""

    def shape(self, *inputs: Shape) -> Shape:
        predictions, targets = inputs
        if predictions != targets:
            raise mismatch(predictions, targets)
        return predictions

    @classmethod
    def settings(cls) -> Sequence[Op]:
        """The operations `example` shows."""
        return [cls()]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        shapes: tuple[Index, ...] = ((3, 5), (7, 1), (17,), ())
        return [Example(op, distinct(rng, s, s)) for op in cls.settings() for s in shapes]


class SquaredError(Pairwise):
    """(t − p)²."""

    name = "squared_error"
    written = "(b - a) ** 2"

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        predictions, targets = inputs
        for_predictions = 2.0 * cotangent * (predictions - targets)
        return for_predictions, -for_predictions

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        predictions, targets = map(xp.real, arrays)
        return xp.square(predictions - targets)


class AbsoluteError(Pairwise):
    """|t − p|; the subgradient where they are equal is 0."""

    name = "absolute_error"
    smooth = False
    written = "abs(b - a)"

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        predictions, targets = inputs
        for_predictions = cotangent * sign(predictions - targets)
        return for_predictions, -for_predictions

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        predictions, targets = map(xp.real, arrays)
        return xp.abs(predictions - targets)


@dataclass(frozen=True)
class Huber(Pairwise):
    """½e² where |e| ≤ δ, δ(|e| − ½δ) elsewhere, e = t − p. Source: Huber (1964)."""

    delta: float = 1.0
    name = "huber"
    smooth = False

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        predictions, targets = inputs
        for_predictions = cotangent * clip(predictions - targets, -self.delta, self.delta)
        return for_predictions, -for_predictions

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        predictions, targets = map(xp.real, arrays)
        e = xp.abs(predictions - targets)
        near = xp.minimum(e, self.delta)
        return near * (e - 0.5 * near)

    def formula(self) -> str:
        d = repr(self.delta)
        far = f"{d} * (abs(b - a) - 0.5 * {d})"
        return f"{far} if abs(b - a) > {d} else 0.5 * (b - a) ** 2"

    @classmethod
    def settings(cls) -> Sequence[Op]:
        return [cls(), cls(0.6)]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        # errors are odd multiples of 0.1, so they keep away from 0, ±1 and ±0.6
        shapes: tuple[Index, ...] = ((3, 5), (4, 1), (17,))
        return [
            Example(op, (targets + 0.1 + 0.2 * rng.integers(-8, 8, s), targets))
            for op in cls.settings()
            for s in shapes
            for targets in [rng.normal(size=s)]
        ]


class SigmoidCrossEntropy(Pairwise):
    """−t ln σ(z) − (1 − t) ln(1 − σ(z)), with δ = σ(z) − t; t is a probability."""

    name = "sigmoid_cross_entropy"
    written = "log(1 + exp(a)) - b * a"

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        logits, targets = inputs
        return cotangent * (sigmoid(logits) - targets), -(cotangent * logits)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        logits, targets = map(xp.real, arrays)
        smooth_part = xp.log1p(xp.exp(-xp.abs(logits)))
        return xp.maximum(logits, 0.0) - logits * targets + smooth_part

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        shapes: tuple[Index, ...] = ((3, 5), (7, 1), (17,))
        cases = [Example(cls(), (2.0 * rng.normal(size=s), rng.uniform(size=s))) for s in shapes]
        far = np.array([-800.0, -30.0, 0.5, 30.0, 800.0]), np.array([0.0, 1.0, 0.3, 0.0, 1.0])
        return [*cases, Example(cls(), far)]


class SoftmaxCrossEntropy(Op):
    """−Σⱼ tⱼ ln softmax(z)ⱼ: logits and targets (batch, classes) to (batch,).

    δ = softmax(z) Σⱼ tⱼ − t, which is softmax(z) − t for targets that add up to 1.
    """

    name = "softmax_cross_entropy"

    def shape(self, *inputs: Shape) -> Shape:
        logits, targets = inputs
        if len(logits) == 2 and targets in (logits[:1], (logits[0], 1)):
            raise mismatch(
                logits, targets, "for class numbers use the sparse form, otherwise one-hot rows."
            )
        if logits != targets:
            raise mismatch(logits, targets)
        if len(logits) != 2:
            raise mismatch(logits, targets, "both must have shape (batch, classes).")
        return logits[:1]

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        logits, targets = inputs
        column = _column(cotangent)
        delta = softmax(logits) * sum_over(targets, -1, keepdims=True) - targets
        return column * delta, -(column * log_softmax(logits))

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        logits, targets = map(xp.real, arrays)
        below = logits - xp.max(logits, axis=-1, keepdims=True)
        log_total = xp.log(xp.sum(xp.exp(below), axis=-1, keepdims=True))
        return xp.sum(targets * (log_total - below), axis=-1)

    def formula(self) -> str:
        return "-sum(b * log(softmax(a)))"

    def element(self, index: Index, *terms: Sequence[Expression]) -> Expression:
        logits, targets = terms
        total = notation.multiply(notation.add(*targets), log_sum_exp(logits))
        return notation.subtract(total, notation.add(*map(notation.multiply, targets, logits)))

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        row = [(*index, j) for j in range(shapes[0][1])]
        return [row, row]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        far_apart = np.array([[900.0, 899.0, -900.0], [-999.0, -998.0, -998.5]])
        targets = np.array([[0.9, 0.1, 0.0], [0.2, 0.2, 0.6]])
        return [
            Example(cls(), (2.0 * rng.normal(size=(3, 5)), rng.dirichlet(np.ones(5), size=3))),
            Example(cls(), (rng.normal(size=(1, 2)), np.array([[0.0, 1.0]]))),
            Example(cls(), (rng.normal(size=(4, 7)), rng.uniform(size=(4, 7)))),
            Example(cls(), (far_apart, targets)),
        ]


class SparseSoftmaxCrossEntropy(Op):
    """−ln softmax(z) at the class numbers t: logits (batch, classes), int (batch,) to (batch,)."""

    name = "sparse_softmax_cross_entropy"

    def shape(self, *inputs: Shape) -> Shape:
        logits, targets = inputs
        if len(logits) != 2:
            raise mismatch(logits, targets, "logits must have shape (batch, classes).")
        if targets == logits:
            raise mismatch(logits, targets, "one-hot rows need the form that is not sparse.")
        if targets != logits[:1]:
            raise mismatch(
                logits, targets, f"class numbers must have shape {shape_text(logits[:1])}."
            )
        return targets

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        logits, targets = inputs
        classes = logits.shape[1]
        assert isinstance(classes, int)
        delta = softmax(logits) - one_hot(targets, classes)
        return _column(cotangent) * delta, None

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        logits, targets = xp.real(arrays[0]), arrays[1]
        check_numbers(xp, targets, logits.shape[1], "Class numbers")
        below = logits - xp.max(logits, axis=-1, keepdims=True)
        log_total = xp.log(xp.sum(xp.exp(below), axis=-1))
        return log_total - xp.take_along_axis(below, targets[:, None], axis=-1)[:, 0]

    def formula(self) -> str:
        return "-log(softmax(a, b))"

    def element(self, index: Index, *terms: Sequence[Expression]) -> Expression:
        logits, (target,) = terms
        chosen = notation.evaluate(target)  # which logit is read depends on the number itself
        right = logits[0] if math.isnan(chosen) else logits[int(chosen)]
        return notation.subtract(log_sum_exp(logits), right)

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        return [[(*index, j) for j in range(shapes[0][1])], [index]]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        far_apart = np.array([[900.0, 899.0, -900.0], [-999.0, -998.0, -998.5]])
        return [
            Example(cls(), (2.0 * rng.normal(size=(3, 5)), np.array([0, 4, 2]))),
            Example(cls(), (rng.normal(size=(1, 2)), np.array([1]))),
            Example(cls(), (rng.normal(size=(7, 3)), rng.integers(0, 3, size=7))),
            Example(cls(), (far_apart, np.array([2, 0]))),
        ]


def _column(x: Value) -> Value:
    return reshape(x, (*x.shape, 1))  # (batch,) to (batch, 1), beside (batch, classes)


def squared_error(predictions: Operand, targets: Operand) -> Value:
    """(t − p)² for each element."""
    return SquaredError()(predictions, targets)


def absolute_error(predictions: Operand, targets: Operand) -> Value:
    """|t − p| for each element."""
    return AbsoluteError()(predictions, targets)


def huber(predictions: Operand, targets: Operand, delta: float = 1.0) -> Value:
    """½(t − p)² near the target, straight lines beyond `delta`, for each element."""
    return Huber(delta)(predictions, targets)


def sigmoid_cross_entropy(logits: Operand, targets: Operand) -> Value:
    """The cross-entropy of a probability and σ(logit), for each element."""
    return SigmoidCrossEntropy()(logits, targets)


def softmax_cross_entropy(logits: Operand, targets: Operand) -> Value:
    """The cross-entropy of rows of probabilities and softmax(logits), for each row."""
    return SoftmaxCrossEntropy()(logits, targets)


def sparse_softmax_cross_entropy(logits: Operand, targets: Operand) -> Value:
    """The cross-entropy of class numbers and softmax(logits), for each row."""
    return SparseSoftmaxCrossEntropy()(logits, targets)
