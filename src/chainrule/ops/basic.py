"""Elementwise arithmetic, the largest element, the mean, and the operators of `Value`.

Comparisons give 1.0 and 0.0 and have no derivative. At a kink the subgradient is stated with the
operation.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from chainrule import notation
from chainrule.errors import ShapeError
from chainrule.graph import (
    BATCH,
    Batch,
    Dimension,
    Example,
    Op,
    Shape,
    Value,
    as_value,
    broadcast_shapes,
    shape_text,
)
from chainrule.notation import Expression
from chainrule.ops.shapes import (
    Axes,
    Gradients,
    Index,
    Operand,
    Reduction,
    Slice,
    Sum,
    all_axes,
    broadcast_index,
    distinct,
    known_size,
    reshape,
    sum,
    sum_to,
    transpose,
)

# --- elementwise ----------------------------------------------------------------------------------


class Elementwise(Op):
    """An operation on single elements; inputs broadcast, and their gradients are summed back.

    A subclass gives `pullback`, the gradients as if nothing had been broadcast. It needs no
    `evaluate` where the namespace has a function of the op's name.
    """

    written: ClassVar[str]  # one element, as a Python expression of a, b … (see `Op.formula`)

    def shape(self, *inputs: Shape) -> Shape:
        return broadcast_shapes(*inputs, what=f"inputs of {self.name}")

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        """∂L/∂input for each input, in the output's shape."""
        raise NotImplementedError

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        if not self.differentiable:
            return (None,) * len(inputs)
        wide = self.pullback(cotangent, output, *inputs)
        return [
            None if g is None else sum_to(g, x.shape) for g, x in zip(wide, inputs, strict=True)
        ]

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        # integers join in as real numbers of the run's precision
        return getattr(xp, self.name)(*map(xp.real, arrays))

    def formula(self) -> str:
        return self.written

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        return [[broadcast_index(index, shape)] for shape in shapes]


class Unary(Elementwise):
    """An elementwise operation on one input, whose `slope` is dy/dx."""

    domain: ClassVar[tuple[float, float]] = (-2.0, 2.0)  # where `example` draws from
    edges: ClassVar[tuple[float, ...]] = ()  # further values to test with

    def slope(self, x: Value, y: Value) -> Value:
        """dy/dx, from the input or the output, whichever is cheaper."""
        raise NotImplementedError

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        return (cotangent * self.slope(inputs[0], output),)

    @classmethod
    def settings(cls) -> Sequence[Op]:
        """The operations `example` shows; more than one where there are settings."""
        return [cls()]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        def draw(*shape: int) -> np.ndarray[Any, Any]:
            return rng.uniform(*cls.domain, shape) if cls.smooth else distinct(rng, shape)[0]

        inputs = [
            draw(3, 5),
            draw(17),
            draw(1, 2, 3),
            *([np.array(cls.edges)] if cls.edges else []),
        ]
        return [Example(op, (x,)) for op in cls.settings() for x in inputs]


class Binary(Elementwise):
    """An elementwise operation on two inputs."""

    domain: ClassVar[tuple[float, float]] = (-2.0, 2.0)  # where `example` draws from

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        pairs = (((3, 5), (3, 5)), ((4, 1), (1, 7)), ((2, 3), (3,)), ((), (5,)))
        if not cls.smooth:
            return [Example(cls(), distinct(rng, *pair)) for pair in pairs]
        return [Example(cls(), tuple(rng.uniform(*cls.domain, s) for s in pair)) for pair in pairs]


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


# --- reductions -----------------------------------------------------------------------------------


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


# --- functions ------------------------------------------------------------------------------------


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


def power(a: Operand, b: Operand) -> Value:
    """aᵇ, elementwise."""
    return square(a) if isinstance(b, int | float) and b == 2 else Power()(a, b)


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


def absolute(x: Operand) -> Value:
    """|x|."""
    return Abs()(x)


def sign(x: Operand) -> Value:
    """−1, 0 or 1."""
    return Sign()(x)


def sin(x: Operand) -> Value:
    """The sine of x in radians."""
    return Sin()(x)


def cos(x: Operand) -> Value:
    """The cosine of x in radians."""
    return Cos()(x)


def erf(x: Operand) -> Value:
    """The error function."""
    return Erf()(x)


def real(x: Operand) -> Value:
    """Integers as real numbers."""
    return Real()(x)


def stop_gradient(x: Operand) -> Value:
    """x, through which no gradient flows."""
    return StopGradient()(x)


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


# --- the operators of Value -----------------------------------------------------------------------


def _item(x: Value, key: Any) -> Value:
    keys = key if isinstance(key, tuple) else (key,)
    if len(keys) > x.rank or any(not isinstance(k, int | np.integer | slice) for k in keys):
        raise ShapeError(
            f"{key!r} does not index a value of shape {shape_text(x.shape)}: use integers and "
            "slices, no more than it has axes."
        )
    kept: list[Dimension] = []
    for axis, k in enumerate(keys):
        size = x.shape[axis]
        if isinstance(k, slice) and k == slice(None):
            kept.append(size)
            continue
        if isinstance(size, Batch):
            raise ShapeError("The batch axis cannot be indexed: its size is known only in a run.")
        if isinstance(k, slice):
            start, stop, step = k.indices(size)
            if step != 1:
                raise ShapeError(f"Slices of a value must have step 1, not {step}.")
            stop = stop if stop > start else start
            kept.append(stop - start)
        else:
            start = operator.index(k)
            if not -size <= start < size:
                raise IndexError(
                    f"Index {k} lies outside axis {axis} of a value of shape {shape_text(x.shape)}."
                )
            start %= size
            stop = start + 1
        x = Slice(axis, start, stop)(x)
    return reshape(x, (*kept, *x.shape[len(keys) :]))


def _reflected(function: Callable[[Operand, Operand], Value]) -> Callable[[Value, Operand], Value]:
    return lambda self, other: function(other, self)


_OPERATORS: dict[str, Any] = {
    "__add__": add,
    "__radd__": _reflected(add),
    "__sub__": subtract,
    "__rsub__": _reflected(subtract),
    "__mul__": multiply,
    "__rmul__": _reflected(multiply),
    "__truediv__": divide,
    "__rtruediv__": _reflected(divide),
    "__pow__": power,
    "__rpow__": _reflected(power),
    "__neg__": negative,
    "__abs__": absolute,
    "__getitem__": _item,
    "__gt__": greater,
    "__ge__": greater_equal,
    "__lt__": _reflected(greater),
    "__le__": _reflected(greater_equal),
    "T": property(transpose),
}
for _name, _function in _OPERATORS.items():
    setattr(Value, _name, _function)
