"""Derivatives of functions of arrays, written with operators or `chainrule.ops`.

Each of these calls the function once on symbolic values to get its graph, transforms the graph, and
runs the result on the reference engine: in float64, or in float32 where every array is float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.backprop import gradients
from chainrule.engines.program import Array, Precision
from chainrule.engines.reference import evaluate
from chainrule.errors import ShapeError, UsageError
from chainrule.graph import Input, Value, as_value, shape_text
from chainrule.ops.linear import dot
from chainrule.ops.shapes import broadcast_to

Function = Callable[..., Any]
Argnums = int | Sequence[int]


@dataclass(frozen=True)
class _Traced:
    """A function's graph: its inputs, its output, and the arrays it was called with."""

    inputs: list[Input]
    output: Value
    arrays: list[Array]
    precision: Precision

    def compute(
        self, outputs: dict[str, Value], extra: dict[Input, Any] | None = None
    ) -> dict[str, Array]:
        given: dict[Input, Any] = dict(zip(self.inputs, self.arrays, strict=True))
        return evaluate(outputs, {**given, **(extra or {})}, self.precision)

    def scalar(self, what: str) -> Value:
        if self.output.shape != ():
            raise ShapeError(
                f"{what} needs a function whose result is a single number, not {shape_text(self.output.shape)}."
            )
        return self.output


def _trace(function: Function, arguments: Sequence[Any]) -> _Traced:
    arrays = [np.asarray(a) for a in arguments]
    for i, a in enumerate(arrays):
        if a.dtype.kind not in "fiub":
            raise UsageError(f"Argument {i} holds {a.dtype} entries: give numbers.")
    single = bool(arrays) and all(a.dtype == np.float32 for a in arrays)
    # Python numbers and integer arrays are points of real space here, as in calculus
    inputs = [Input(a.shape, "float", f"x{i}") for i, a in enumerate(arrays)]
    output = function(*inputs)
    if not isinstance(output, Value) and not isinstance(output, (int, float, np.ndarray)):
        raise UsageError(
            f"The function returned {type(output).__name__}: it must return one value made with operators or chainrule.ops."
        )
    return _Traced(inputs, as_value(output), arrays, "float32" if single else "float64")


def _chosen(traced: _Traced, argnums: Argnums) -> list[Input]:
    numbers = [argnums] if isinstance(argnums, int) else list(argnums)
    count = len(traced.inputs)
    for n in numbers:
        if not -count <= n < count:
            raise UsageError(
                f"argnums={n}: the function was called with {count} argument(s), numbered from 0."
            )
    return [traced.inputs[n] for n in numbers]


def _or_zeros(found: Sequence[Value | None], like: Sequence[Value]) -> list[Value]:
    return [
        broadcast_to(0.0, w.shape) if g is None else g for g, w in zip(found, like, strict=True)
    ]


def value_and_grad(function: Function, argnums: Argnums = 0) -> Callable[..., tuple[Any, Any]]:
    """A function that returns `function`'s value and its gradient for the chosen arguments.

    Example: `cr.value_and_grad(lambda x: cr.ops.sum(x * x))([1.0, 2.0])` is `(5.0, [2.0, 4.0])`.
    Raises `ShapeError` where the result is not a single number.
    """

    def run(*arguments: Any) -> tuple[Any, Any]:
        traced = _trace(function, arguments)
        output, wrt = traced.scalar("A gradient"), _chosen(traced, argnums)
        found = _or_zeros(gradients(output, wrt), wrt)
        named = {f"g{i}": g for i, g in enumerate(found)}
        arrays = traced.compute({"value": output, **named})
        grads = [_plain(arrays[name]) for name in named]
        return _plain(arrays["value"]), grads[0] if isinstance(argnums, int) else tuple(grads)

    return run


def grad(function: Function, argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that returns the gradient of `function` for the chosen arguments.

    >>> grad(lambda r, s: r * (r * s) * s, argnums=1)(2.0, 3.0)  # 2 r² s
    24.0
    """
    both = value_and_grad(function, argnums)
    return lambda *arguments: both(*arguments)[1]


def jacobian(function: Function, argnums: int = 0) -> Callable[..., Array]:
    """A function that returns ∂outputᵢ/∂inputⱼ, of the output's shape followed by the input's.

    One backward pass for each element of the output.
    """

    def run(*arguments: Any) -> Array:
        traced = _trace(function, arguments)
        (x,) = _chosen(traced, argnums)
        shape = _known(traced.output)
        direction = Input(shape, "float", "direction")
        (row,) = _or_zeros(gradients(traced.output, [x], direction), [x])
        units = np.eye(int(np.prod(shape))).reshape(-1, *shape)
        rows = [traced.compute({"row": row}, {direction: unit})["row"] for unit in units]
        return np.array(rows, dtype=traced.precision).reshape(*shape, *_known(x))

    return run


def hessian(function: Function, argnums: int = 0) -> Callable[..., Array]:
    """A function that returns the matrix of second derivatives, ∂²f/∂xᵢ∂xⱼ, of x's shape twice."""

    def slope(*values: Value) -> Value:
        output = as_value(function(*values))
        if output.shape != ():
            raise ShapeError(
                f"A Hessian needs a function whose result is a single number, not {shape_text(output.shape)}."
            )
        return _or_zeros(gradients(output, [values[argnums]]), [values[argnums]])[0]

    return jacobian(slope, argnums)


def hvp(function: Function) -> Callable[[Any, Any], Any]:
    """A function of (x, v) that returns the Hessian of `function` at x times v, without the Hessian.

    Source: Pearlmutter (1994), *Fast exact multiplication by the Hessian*; here as the gradient of ∇f·v.
    """

    def run(x: Any, v: Any) -> Any:
        if np.shape(x) != np.shape(v):
            raise ShapeError(
                f"x has shape {np.shape(x)} but the direction v has shape {np.shape(v)}."
            )

        def slope(point: Value, along: Value) -> Value:
            output = as_value(function(point))
            if output.shape != ():
                raise ShapeError(
                    "A Hessian-vector product needs a function whose result is a single number, not "
                    f"{shape_text(output.shape)}."
                )
            return dot(_or_zeros(gradients(output, [point]), [point])[0], along)

        return grad(slope)(x, v)

    return run


@dataclass(frozen=True)
class GradientCheck:
    """Back-propagation held against finite differences; true where they agree."""

    passed: bool
    largest_error: float
    argument: int
    index: tuple[int, ...]
    gradient: float
    difference: float

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        return (
            f"{'passed' if self.passed else 'FAILED'}: largest relative error {self.largest_error:.2g}, in argument "
            f"{self.argument} at {self.index}: back-propagation {self.gradient:.10g}, finite difference "
            f"{self.difference:.10g}"
        )


def gradcheck(
    function: Function, *arrays: Any, tolerance: float = 1e-6, step: float = 1e-3
) -> GradientCheck:
    """Compare every element of the gradient of `function` with a five-point finite difference.

    The error is |g − d| / max(1, |g|, |d|). Runs in float64; one element at a time, so for small arrays.
    """
    points = [np.asarray(a, dtype=np.float64) for a in arrays]
    everything = tuple(range(len(points)))
    found = value_and_grad(function, everything)(*points)[1]
    traced = _trace(function, points)
    worst = GradientCheck(True, 0.0, 0, (), 0.0, 0.0)
    for n, (point, gradient) in enumerate(zip(points, found, strict=True)):
        for index in np.ndindex(point.shape):
            difference = 0.0
            for shift, factor in ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12)):
                moved = point.copy()
                moved[index] += shift * step
                given = dict(
                    zip(traced.inputs, [*points[:n], moved, *points[n + 1 :]], strict=True)
                )
                difference += factor / step * float(evaluate({"y": traced.output}, given)["y"])
            g = float(np.asarray(gradient)[index])
            error = abs(g - difference) / max(1.0, abs(g), abs(difference))
            if not error <= worst.largest_error:
                worst = GradientCheck(error <= tolerance, error, n, index, g, difference)
    return worst


def _known(value: Value) -> tuple[int, ...]:
    return tuple(d for d in value.shape if isinstance(d, int))


def _plain(array: Array) -> Any:
    """A number as a Python float, an array as it is."""
    return float(array) if array.shape == () else array
