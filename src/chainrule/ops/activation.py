"""Activations: the functions between the layers, and the probabilities at the end.

All keep the input's shape. Exponentials are only taken of numbers ≤ 0, so none overflows. At a kink
the subgradient is stated with the operation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from chainrule import notation
from chainrule.errors import ShapeError
from chainrule.graph import Example, Op, Shape, Value, shape_text
from chainrule.notation import Expression
from chainrule.ops.arithmetic import greater, where
from chainrule.ops.elementary import erf, exp, square
from chainrule.ops.elementwise import Unary
from chainrule.ops.shapes import Gradients, Index, Operand
from chainrule.ops.shapes import sum as sum_over

# Klambauer et al. (2017): mean 0 and variance 1 are a fixed point of the layer map.
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805

_FAR = (-800.0, -30.0, -1.0, 0.0, 1.0, 30.0, 800.0)
_FAR_FROM_KINK = (-800.0, -30.0, -1.0, 1.0, 30.0, 800.0)


class Sigmoid(Unary):
    """σ(x) = 1 / (1 + e⁻ˣ), with σ' = σ (1 − σ)."""

    name = "sigmoid"
    edges = _FAR
    written = "sigmoid(a)"

    def slope(self, x: Value, y: Value) -> Value:
        return y * (1.0 - y)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        x = xp.real(*arrays)
        small = xp.exp(-xp.abs(x))
        return xp.where(x >= 0, 1.0, small) / (1.0 + small)


class Tanh(Unary):
    """tanh x, with tanh' = 1 − tanh²."""

    name = "tanh"
    edges = _FAR
    written = "tanh(a)"

    def slope(self, x: Value, y: Value) -> Value:
        return 1.0 - square(y)


class ReLU(Unary):
    """max(x, 0); the subgradient at 0 is 0. Source: Nair & Hinton (2010)."""

    name = "relu"
    smooth = False
    edges = _FAR_FROM_KINK
    written = "max(a, 0)"

    def slope(self, x: Value, y: Value) -> Value:
        return greater(y, 0.0)  # y > 0 where x > 0, and y is at hand

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        return xp.maximum(xp.real(*arrays), 0.0)


@dataclass(frozen=True)
class LeakyReLU(Unary):
    """x where x > 0, `negative_slope`·x elsewhere; the subgradient at 0 is `negative_slope`.

    The slope is 0.2 as in Keras' function of this name (its layer has 0.3, the paper 0.01).
    Source: Maas, Hannun & Ng (2013).
    """

    negative_slope: float = 0.2
    name = "leaky_relu"
    smooth = False
    edges = _FAR_FROM_KINK

    def slope(self, x: Value, y: Value) -> Value:
        return where(greater(x, 0.0), 1.0, self.negative_slope)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        x = xp.real(*arrays)
        return xp.where(x > 0, x, self.negative_slope * x)

    def formula(self) -> str:
        return f"a if a > 0 else {self.negative_slope!r} * a"

    @classmethod
    def settings(cls) -> Sequence[Op]:
        return [cls(), cls(0.01)]


@dataclass(frozen=True)
class ELU(Unary):
    """x where x > 0, α (eˣ − 1) elsewhere; the subgradient at 0 is α.

    Source: Clevert, Unterthiner & Hochreiter (2016).
    """

    alpha: float = 1.0
    name = "elu"
    smooth = False
    edges = _FAR_FROM_KINK

    def slope(self, x: Value, y: Value) -> Value:
        return where(greater(x, 0.0), 1.0, y + self.alpha)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        x = xp.real(*arrays)
        return xp.where(x > 0, x, self.alpha * xp.expm1(xp.minimum(x, 0.0)))

    def formula(self) -> str:
        return f"a if a > 0 else {self.alpha!r} * (exp(a) - 1)"

    @classmethod
    def settings(cls) -> Sequence[Op]:
        return [cls(), cls(0.5)]


class SELU(Unary):
    """λ·x where x > 0, λ α (eˣ − 1) elsewhere, λ ≈ 1.0507, α ≈ 1.6733; subgradient at 0: λ α.

    Source: Klambauer, Unterthiner, Mayr & Hochreiter (2017).
    """

    name = "selu"
    smooth = False
    edges = _FAR_FROM_KINK
    written = f"{SELU_SCALE} * a if a > 0 else {SELU_SCALE * SELU_ALPHA} * (exp(a) - 1)"

    def slope(self, x: Value, y: Value) -> Value:
        return where(greater(x, 0.0), SELU_SCALE, y + SELU_SCALE * SELU_ALPHA)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        x = xp.real(*arrays)
        return SELU_SCALE * xp.where(x > 0, x, SELU_ALPHA * xp.expm1(xp.minimum(x, 0.0)))


@dataclass(frozen=True)
class GELU(Unary):
    """x Φ(x), Φ the normal distribution function; `approximate` writes Φ with tanh.

    Exact: x·½(1 + erf(x/√2)). Approximate: x·½(1 + tanh(√(2/π)(x + 0.044715 x³))).
    Source: Hendrycks & Gimpel (2016).
    """

    approximate: bool = False
    name = "gelu"
    edges = (-30.0, -1.0, 0.0, 1.0, 30.0)
    root: ClassVar[float] = math.sqrt(2.0 / math.pi)

    def slope(self, x: Value, y: Value) -> Value:
        if self.approximate:
            t = Tanh()(self.root * (x + 0.044715 * x * square(x)))
            inner = self.root * (1.0 + 0.134145 * square(x))
            return 0.5 * (1.0 + t + x * (1.0 - square(t)) * inner)
        density = math.sqrt(0.5 / math.pi) * exp(-0.5 * square(x))
        return 0.5 * (1.0 + erf(math.sqrt(0.5) * x)) + x * density

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        x = xp.real(*arrays)
        if self.approximate:
            return 0.5 * x * (1.0 + xp.tanh(self.root * (x + 0.044715 * x * x * x)))
        return 0.5 * x * (1.0 + xp.erf(math.sqrt(0.5) * x))

    def formula(self) -> str:
        if self.approximate:
            return f"0.5 * a * (1 + tanh({self.root!r} * (a + 0.044715 * a ** 3)))"
        return "0.5 * a * (1 + erf(a / sqrt(2)))"

    @classmethod
    def settings(cls) -> Sequence[Op]:
        return [cls(), cls(True)]


class SiLU(Unary):
    """x σ(x), also called swish. Source: Elfwing, Uchibe & Doya (2018)."""

    name = "silu"
    edges = _FAR
    written = "a * sigmoid(a)"

    def slope(self, x: Value, y: Value) -> Value:
        s = Sigmoid()(x)
        return s + y * (1.0 - s)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        x = xp.real(*arrays)
        return x * Sigmoid().evaluate(xp, x)


class Softplus(Unary):
    """ln(1 + eˣ), a smooth max(x, 0); its slope is σ(x)."""

    name = "softplus"
    edges = _FAR
    written = "log(1 + exp(a))"

    def slope(self, x: Value, y: Value) -> Value:
        return Sigmoid()(x)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        x = xp.real(*arrays)
        return xp.maximum(x, 0.0) + xp.log1p(xp.exp(-xp.abs(x)))


class Mish(Unary):
    """x tanh(softplus(x)). Source: Misra (2019)."""

    name = "mish"
    edges = _FAR
    written = "a * tanh(log(1 + exp(a)))"

    def slope(self, x: Value, y: Value) -> Value:
        t = Tanh()(Softplus()(x))
        return t + x * (1.0 - square(t)) * Sigmoid()(x)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        x = xp.real(*arrays)
        return x * xp.tanh(Softplus().evaluate(xp, x))


class Vector(Op):
    """An operation on vectors that lie along the last axis."""

    def shape(self, *inputs: Shape) -> Shape:
        if not inputs[0]:
            raise ShapeError(
                f"{self.name} works along the last axis: it needs a value of shape (…, classes), "
                f"not {shape_text(inputs[0])}."
            )
        return inputs[0]

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        return [[(*index[:-1], i) for i in range(shapes[0][-1])]]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        inputs = [2.0 * rng.normal(size=shape) for shape in ((3, 5), (7,), (2, 3, 4))]
        far_apart = np.array([[900.0, 899.0, -900.0], [0.3, 0.1, 0.2], [-999.0, -998.0, -998.5]])
        return [Example(cls(), (x,)) for x in (*inputs, far_apart)]


class Softmax(Vector):
    """pᵢ = exp(xᵢ) / Σⱼ exp(xⱼ) along the last axis: a distribution over classes."""

    name = "softmax"

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        # ∂pᵢ/∂xⱼ = pᵢ (δᵢⱼ − pⱼ)
        return (output * (cotangent - sum_over(cotangent * output, -1, keepdims=True)),)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        x = xp.real(*arrays)
        e = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
        return e / xp.sum(e, axis=-1, keepdims=True)

    def formula(self) -> str:
        return "exp(a) / sum(exp(a))"

    def element(self, index: Index, *terms: Sequence[Expression]) -> Expression:
        parts = [notation.Call("exp", (x,)) for x in terms[0]]
        return notation.divide(parts[index[-1]], notation.add(*parts))


class LogSoftmax(Vector):
    """ln pᵢ = xᵢ − ln Σⱼ exp(xⱼ) along the last axis."""

    name = "log_softmax"

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        return (cotangent - Softmax()(inputs[0]) * sum_over(cotangent, -1, keepdims=True),)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        x = xp.real(*arrays)
        below = x - xp.max(x, axis=-1, keepdims=True)
        return below - xp.log(xp.sum(xp.exp(below), axis=-1, keepdims=True))

    def formula(self) -> str:
        return "a - log(sum(exp(a)))"

    def element(self, index: Index, *terms: Sequence[Expression]) -> Expression:
        return notation.subtract(terms[0][index[-1]], log_sum_exp(terms[0]))


def log_sum_exp(terms: Sequence[Expression]) -> Expression:
    """ln Σ exp(x), written out."""
    return notation.Call("log", (notation.add(*(notation.Call("exp", (x,)) for x in terms)),))


def sigmoid(x: Operand) -> Value:
    """1 / (1 + e⁻ˣ)."""
    return Sigmoid()(x)


def tanh(x: Operand) -> Value:
    """The hyperbolic tangent."""
    return Tanh()(x)


def relu(x: Operand) -> Value:
    """max(x, 0)."""
    return ReLU()(x)


def leaky_relu(x: Operand, negative_slope: float = 0.2) -> Value:
    """x where x > 0, `negative_slope`·x elsewhere."""
    return LeakyReLU(negative_slope)(x)


def elu(x: Operand, alpha: float = 1.0) -> Value:
    """x where x > 0, α (eˣ − 1) elsewhere."""
    return ELU(alpha)(x)


def selu(x: Operand) -> Value:
    """The self-normalising ELU."""
    return SELU()(x)


def gelu(x: Operand, approximate: bool = False) -> Value:
    """x Φ(x), Φ the normal distribution function; `approximate` writes Φ with tanh."""
    return GELU(approximate)(x)


def silu(x: Operand) -> Value:
    """x σ(x)."""
    return SiLU()(x)


def mish(x: Operand) -> Value:
    """x tanh(softplus(x))."""
    return Mish()(x)


def softplus(x: Operand) -> Value:
    """ln(1 + eˣ)."""
    return Softplus()(x)


def softmax(x: Operand) -> Value:
    """exp(xᵢ) / Σⱼ exp(xⱼ) along the last axis."""
    return Softmax()(x)


def log_softmax(x: Operand) -> Value:
    """The logarithm of softmax along the last axis."""
    return LogSoftmax()(x)
