"""The largest element and where it is, the mean, and the number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import notation
from chainrule.errors import ShapeError
from chainrule.graph import BATCH, Example, Op, Shape, Value, as_value
from chainrule.notation import Expression
from chainrule.ops.arithmetic import equal
from chainrule.ops.shapes import (
    Axes,
    Gradients,
    Index,
    Operand,
    Reduction,
    Sum,
    all_axes,
    known_size,
    sum,
)


class Max(Reduction):
    """The largest element; elements that tie share the gradient equally."""

    name = "max"
    smooth = False

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        (x,) = inputs
        winners = equal(x, self.spread(output, x))
        ties = sum(winners, self.axes, keepdims=self.keepdims)
        return (self.spread(cotangent / ties, x) * winners,)


class ArgMax(Op):
    """The position of the largest element along the last axis (the first of equals)."""

    name = "argmax"
    result = "int"
    smooth = False
    differentiable = False

    def shape(self, *inputs: Shape) -> Shape:
        if not inputs[0]:
            raise ShapeError("argmax needs a value with at least one axis, not a single number ().")
        return inputs[0][:-1]

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        return xp.argmax(arrays[0], axis=-1)

    def formula(self) -> str:
        return "argmax(a)"

    def element(self, index: Index, *terms: Sequence[Expression]) -> Expression:
        return notation.Call("argmax", tuple(terms[0]))

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        return [[(*index, i) for i in range(shapes[0][-1])]]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        return [Example(cls(), (rng.normal(size=s),)) for s in ((3, 5), (7,), (2, 3, 1))]


class BatchSize(Op):
    """The number of rows of the batch, as a real number."""

    name = "batch_size"
    differentiable = False

    def shape(self, *inputs: Shape) -> Shape:
        return ()

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        return xp.real(xp.rows)

    def formula(self) -> str:
        return "n"

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        return []

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        return [Example(cls(), ())]


def max(x: Operand, axes: Axes = None, *, keepdims: bool = False) -> Value:
    """The largest element over the given axes (all of them: None)."""
    return Max(all_axes(axes), keepdims)(x)


def mean(x: Operand, axes: Axes = None, *, keepdims: bool = False) -> Value:
    """The mean over the given axes (all of them: None); the batch axis counts its rows."""
    value = as_value(x)
    total = Sum(all_axes(axes), keepdims)
    dims = tuple(value.shape[a] for a in total.reduced(value.rank))
    known = float(known_size(dims))
    return total(value) / (batch_size() * known if BATCH in dims else known)


def argmax(x: Operand) -> Value:
    """The position of the largest element along the last axis."""
    return ArgMax()(x)


def batch_size() -> Value:
    """The number of rows of the batch."""
    return BatchSize()()
