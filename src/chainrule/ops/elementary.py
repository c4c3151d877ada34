"""Powers, exponentials, logarithms and other elementary functions, element by element."""

from __future__ import annotations

import math

import numpy as np

from chainrule.graph import Example, Value
from chainrule.ops.arithmetic import equal, greater, where
from chainrule.ops.elementwise import Binary, Unary
from chainrule.ops.shapes import Gradients, Operand


class Power(Binary):
    """aᵇ; the gradient for b is defined for a > 0 and taken as 0 at a ≤ 0."""

    name = "power"
    domain = (0.3, 2.0)
    written = "a ** b"

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        a, b = inputs
        below = b - 1.0 + equal(b, 0.0)  # b a^(b−1) is 0 at b = 0, also where a is 0
        positive = greater(a, 0.0)
        log_a = log(where(positive, a, 1.0))
        return cotangent * b * power(a, below), cotangent * output * log_a * positive

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        negative_too = rng.uniform(-2.0, 2.0, (2, 4)), np.array([0, 1, 2, 5])
        return [*super().example(rng), Example(cls(), negative_too)]


class Exp(Unary):
    """eˣ."""

    name = "exp"
    written = "exp(a)"

    def slope(self, x: Value, y: Value) -> Value:
        return y


class Expm1(Unary):
    """eˣ − 1."""

    name = "expm1"
    written = "exp(a) - 1"

    def slope(self, x: Value, y: Value) -> Value:
        return y + 1.0


class Log(Unary):
    """ln x, for x > 0."""

    name = "log"
    domain = (0.3, 3.0)
    written = "log(a)"

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        return (cotangent / inputs[0],)


class Log1p(Unary):
    """ln(1 + x), for x > −1."""

    name = "log1p"
    domain = (-0.6, 3.0)
    written = "log(1 + a)"

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        return (cotangent / (1.0 + inputs[0]),)


class Sqrt(Unary):
    """√x, for x ≥ 0; its slope is infinite at 0."""

    name = "sqrt"
    domain = (0.3, 3.0)
    written = "sqrt(a)"

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        return (0.5 * cotangent / output,)


class Square(Unary):
    """x²."""

    name = "square"
    written = "a ** 2"

    def slope(self, x: Value, y: Value) -> Value:
        return 2.0 * x


class Sin(Unary):
    """The sine of x in radians."""

    name = "sin"
    written = "sin(a)"

    def slope(self, x: Value, y: Value) -> Value:
        return cos(x)


class Cos(Unary):
    """The cosine of x in radians."""

    name = "cos"
    written = "cos(a)"

    def slope(self, x: Value, y: Value) -> Value:
        return -sin(x)


class Erf(Unary):
    """The error function, 2/√π ∫₀ˣ exp(−t²) dt."""

    name = "erf"
    written = "erf(a)"

    def slope(self, x: Value, y: Value) -> Value:
        return 2.0 / math.sqrt(math.pi) * exp(-square(x))


def power(a: Operand, b: Operand) -> Value:
    """aᵇ, elementwise."""
    return square(a) if isinstance(b, int | float) and b == 2 else Power()(a, b)


def exp(x: Operand) -> Value:
    """eˣ."""
    return Exp()(x)


def expm1(x: Operand) -> Value:
    """eˣ − 1, exact near 0."""
    return Expm1()(x)


def log(x: Operand) -> Value:
    """The natural logarithm."""
    return Log()(x)


def log1p(x: Operand) -> Value:
    """ln(1 + x), exact near 0."""
    return Log1p()(x)


def sqrt(x: Operand) -> Value:
    """The square root."""
    return Sqrt()(x)


def square(x: Operand) -> Value:
    """x²."""
    return Square()(x)


def sin(x: Operand) -> Value:
    """The sine of x in radians."""
    return Sin()(x)


def cos(x: Operand) -> Value:
    """The cosine of x in radians."""
    return Cos()(x)


def erf(x: Operand) -> Value:
    """The error function."""
    return Erf()(x)
