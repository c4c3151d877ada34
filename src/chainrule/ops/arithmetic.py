"""Elementwise arithmetic, comparisons and choices.

Comparisons give 1.0 and 0.0 and have no derivative. At a kink the subgradient is stated with the
operation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.graph import Example, Value
from chainrule.ops.elementwise import Binary, Elementwise, Unary
from chainrule.ops.shapes import Gradients, Operand


class Add(Binary):
    """a + b."""

    name = "add"
    written = "a + b"

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        return cotangent, cotangent


class Subtract(Binary):
    """a − b."""

    name = "subtract"
    written = "a - b"

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        return cotangent, -cotangent


class Multiply(Binary):
    """a · b."""

    name = "multiply"
    written = "a * b"

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        a, b = inputs
        return cotangent * b, cotangent * a


class Divide(Binary):
    """a / b."""

    name = "divide"
    domain = (0.5, 2.0)
    written = "a / b"

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        each = cotangent / inputs[1]
        return each, -(each * output)


class Maximum(Binary):
    """The larger of two; where they are equal each gets half of the gradient."""

    name = "maximum"
    smooth = False
    written = "max(a, b)"

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        a, b = inputs
        share = 0.5 * (greater(a, b) + greater_equal(a, b))
        return cotangent * share, cotangent * (1.0 - share)


class Minimum(Binary):
    """The smaller of two; where they are equal each gets half of the gradient."""

    name = "minimum"
    smooth = False
    written = "min(a, b)"

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        a, b = inputs
        share = 0.5 * (greater(b, a) + greater_equal(b, a))
        return cotangent * share, cotangent * (1.0 - share)


class Comparison(Binary):
    """1.0 where the comparison holds and 0.0 elsewhere; no gradient."""

    smooth = False
    differentiable = False

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        return xp.real(getattr(xp, self.name)(*arrays))  # integers are compared as integers

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        pairs = (((3, 5), (3, 5)), ((4, 1), (1, 7)), ((2, 3), (3,)), ((), (5,)))
        return [  # few different numbers, so that some are equal
            Example(cls(), tuple(rng.integers(-1, 2, s).astype(float) for s in pair))
            for pair in pairs
        ]


class Greater(Comparison):
    """1.0 where a > b."""

    name = "greater"
    written = "a > b"


class GreaterEqual(Comparison):
    """1.0 where a ≥ b."""

    name = "greater_equal"
    written = "a >= b"


class Equal(Comparison):
    """1.0 where a = b."""

    name = "equal"
    written = "a == b"


class Where(Elementwise):
    """The second input where the first is not zero, the third elsewhere."""

    name = "where"
    written = "b if a else c"

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        return None, where(inputs[0], cotangent, 0.0), where(inputs[0], 0.0, cotangent)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        condition, a, b = arrays
        return xp.where(condition != 0, xp.real(a), xp.real(b))

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        shapes = (((3, 5), (3, 5), (3, 5)), ((4, 1), (1, 7), ()), ((3,), (2, 3), (2, 1)))
        return [
            Example(cls(), (rng.integers(0, 2, size=c), rng.normal(size=a), rng.normal(size=b)))
            for c, a, b in shapes
        ]


class Negative(Unary):
    """−x."""

    name = "negative"
    written = "-a"

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        return (-cotangent,)


class Abs(Unary):
    """|x|; the subgradient at 0 is 0."""

    name = "abs"
    smooth = False
    written = "abs(a)"

    def slope(self, x: Value, y: Value) -> Value:
        return sign(x)


class Sign(Unary):
    """−1, 0 or 1; its derivative is taken as 0 everywhere, so it declares none."""

    name = "sign"
    smooth = False
    differentiable = False
    written = "sign(a)"
    edges = (-1.0, 0.0, 1.0)


class Real(Unary):
    """Integers as real numbers of the run's precision; no gradient."""

    name = "real"
    smooth = False
    differentiable = False
    written = "a"

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        return xp.real(*arrays)

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        return [Example(cls(), (rng.integers(-5, 5, size=s),)) for s in ((3,), (2, 5), ())]


class StopGradient(Unary):
    """The input itself, through which no gradient flows."""

    name = "stop_gradient"
    smooth = False
    differentiable = False
    written = "a"

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        return xp.real(*arrays)


def add(a: Operand, b: Operand) -> Value:
    """a + b, elementwise."""
    return Add()(a, b)


def subtract(a: Operand, b: Operand) -> Value:
    """a − b, elementwise."""
    return Subtract()(a, b)


def multiply(a: Operand, b: Operand) -> Value:
    """a · b, elementwise."""
    return Multiply()(a, b)


def divide(a: Operand, b: Operand) -> Value:
    """a / b, elementwise."""
    return Divide()(a, b)


def maximum(a: Operand, b: Operand) -> Value:
    """The larger of a and b, elementwise."""
    return Maximum()(a, b)


def minimum(a: Operand, b: Operand) -> Value:
    """The smaller of a and b, elementwise."""
    return Minimum()(a, b)


def clip(x: Operand, low: Operand, high: Operand) -> Value:
    """x held between low and high, elementwise."""
    return minimum(maximum(x, low), high)


def greater(a: Operand, b: Operand) -> Value:
    """1.0 where a > b, else 0.0."""
    return Greater()(a, b)


def greater_equal(a: Operand, b: Operand) -> Value:
    """1.0 where a ≥ b, else 0.0."""
    return GreaterEqual()(a, b)


def equal(a: Operand, b: Operand) -> Value:
    """1.0 where a = b, else 0.0."""
    return Equal()(a, b)


def where(condition: Operand, a: Operand, b: Operand) -> Value:
    """a where the condition is not zero, b elsewhere."""
    return Where()(condition, a, b)


def negative(x: Operand) -> Value:
    """−x."""
    return Negative()(x)


def absolute(x: Operand) -> Value:
    """|x|."""
    return Abs()(x)


def sign(x: Operand) -> Value:
    """−1, 0 or 1."""
    return Sign()(x)


def real(x: Operand) -> Value:
    """Integers as real numbers."""
    return Real()(x)


def stop_gradient(x: Operand) -> Value:
    """x, through which no gradient flows."""
    return StopGradient()(x)
