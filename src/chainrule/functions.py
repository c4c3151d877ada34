"""Derivatives of functions of arrays, written with operators or `chainrule.ops`.

Each of these calls the function once on symbolic values to get its graph, transforms the graph, and
runs the result on the reference engine: in float64, or in float32 where every array is float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.backprop import gradients
from chainrule.engines.program import Array, Precision, Program, Runner, State
from chainrule.engines.reference import Reference
from chainrule.errors import ChainruleError, ShapeError, UsageError
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

    def given(self) -> dict[Input, Any]:
        return dict(zip(self.inputs, self.arrays, strict=True))

    def runner(self, outputs: dict[str, Value], *extra: Input) -> Runner:
        program = Program((*self.inputs, *extra), outputs)
        return Reference().prepare(program, State(self.precision))


def _trace(function: Function, arguments: Sequence[Any]) -> _Traced:
    arrays = [_numbers(a, f"Argument {i}") for i, a in enumerate(arguments)]
    single = bool(arrays) and all(a.dtype == np.float32 for a in arrays)
    # Python numbers and integer arrays are points of real space here, as in calculus
    inputs = [Input(a.shape, "float", f"x{i}") for i, a in enumerate(arrays)]
    return _Traced(inputs, _call(function, inputs), arrays, "float32" if single else "float64")


def _numbers(given: Any, what: str) -> Array:
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise UsageError(f"{what} is not an array: {str(error).rstrip('.')}.") from error
    if array.dtype.kind not in "fiub":
        raise UsageError(f"{what} holds {array.dtype} entries: give numbers.")
    return array


def _call(function: Function, values: Sequence[Value]) -> Value:
    """The function's result as a value; what Python says about a misuse becomes a sentence."""
    try:
        output = function(*values)
    except ChainruleError:
        raise
    except (TypeError, ValueError) as error:
        shapes = ", ".join(shape_text(v.shape) for v in values)
        raise UsageError(
            f"The function cannot be computed with {len(values)} value(s) of shape {shapes}: "
            f"{str(error).rstrip('.')}. Write it with operators and chainrule.ops."
        ) from error
    plain = isinstance(output, (int, float, np.number, np.ndarray))
    if not isinstance(output, Value) and not (plain and np.asarray(output).dtype.kind in "fiub"):
        raise UsageError(
            f"The function returned {type(output).__name__}: "
            "it must return one value made with operators or chainrule.ops."
        )
    return as_value(output)


def _single(output: Value, what: str) -> Value:
    if output.shape != ():
        raise ShapeError(
            f"{what} needs a function whose result is a single number, not {shape_text(output.shape)}."
        )
    return output


def _chosen(values: Sequence[Value], argnums: Argnums) -> list[Value]:
    numbers = [argnums] if isinstance(argnums, int) else list(argnums)
    count = len(values)
    for n in numbers:
        if not -count <= n < count:
            raise UsageError(
                f"argnums={n}: the function was called with {count} argument(s), numbered from 0."
            )
    return [values[n] for n in numbers]


def _or_zeros(found: Sequence[Value | None], like: Sequence[Value]) -> list[Value]:
    return [
        broadcast_to(0.0, w.shape) if g is None else g for g, w in zip(found, like, strict=True)
    ]


def value_and_grad(function: Function, argnums: Argnums = 0) -> Callable[..., tuple[Any, Any]]:
    """A function that returns `function`'s value and its gradient for the chosen arguments.

    One number in `argnums` gives one array, several give a tuple. Raises `ShapeError` where the
    result is not a single number.

    >>> from chainrule import ops
    >>> value_and_grad(lambda x: ops.sum(x * x))([1.0, 2.0])
    (5.0, array([2., 4.]))
    """

    def run(*arguments: Any) -> tuple[Any, Any]:
        traced = _trace(function, arguments)
        output, wrt = _single(traced.output, "A gradient"), _chosen(traced.inputs, argnums)
        found = _or_zeros(gradients(output, wrt), wrt)
        named = {f"g{i}": g for i, g in enumerate(found)}
        arrays = traced.runner({"value": output, **named}).once(traced.given())
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


def jacobian(function: Function, argnums: int = 0) -> Callable[..., Any]:
    """A function that returns ∂outputᵢ/∂inputⱼ, of the output's shape followed by the input's.

    One backward pass for each element of the output.

    >>> jacobian(lambda x: x * x)([1.0, 2.0])
    array([[2., 0.],
           [0., 4.]])
    """

    def run(*arguments: Any) -> Any:
        traced = _trace(function, arguments)
        (x,) = _chosen(traced.inputs, argnums)
        shape = _known(traced.output)
        direction = Input(shape, "float", "direction")
        (row,) = _or_zeros(gradients(traced.output, [x], direction), [x])
        size = math.prod(shape)
        units = np.eye(size).reshape(size, *shape)
        runner, given = traced.runner({"row": row}, direction), traced.given()
        rows = [runner.once({**given, direction: unit})["row"] for unit in units]
        found = np.array(rows, dtype=traced.precision)
        return _plain(found.reshape((*shape, *_known(x))))

    return run


def hessian(function: Function, argnums: int = 0) -> Callable[..., Any]:
    """A function that returns the matrix of second derivatives, ∂²f/∂xᵢ∂xⱼ, of x's shape twice.

    >>> hessian(lambda x: x[0] ** 2 * x[1])([1.0, 3.0])
    array([[6., 2.],
           [2., 0.]])
    """

    def slope(*values: Value) -> Value:
        wrt = _chosen(values, argnums)
        output = _single(_call(function, values), "A Hessian")
        return _or_zeros(gradients(output, wrt), wrt)[0]

    return jacobian(slope, argnums)


def hvp(function: Function) -> Callable[[Any, Any], Any]:
    """A function of (x, v) that returns the Hessian of `function` at x times v, without the Hessian.

    Source: Pearlmutter (1994), *Fast exact multiplication by the Hessian*; here as the gradient of ∇f·v.

    >>> hvp(lambda x: x[0] ** 2 * x[1])([1.0, 3.0], [1.0, 0.0])
    array([6., 2.])
    """

    def run(x: Any, v: Any) -> Any:
        at, direction = _numbers(x, "x"), _numbers(v, "The direction v")
        if at.shape != direction.shape:
            raise ShapeError(
                f"x has shape {at.shape} but the direction v has shape {direction.shape}: "
                "a direction has one number for each of x."
            )

        def slope(point: Value, along: Value) -> Value:
            output = _single(_call(function, [point]), "A Hessian-vector product")
            return dot(_or_zeros(gradients(output, [point]), [point])[0], along)

        return grad(slope)(at, direction)

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

    d = (f(x−2h) − 8 f(x−h) + 8 f(x+h) − f(x+2h)) / 12h, h being `step`; the error is
    |g − d| / max(1, |g|, |d|), and NaN counts as infinitely wrong. Runs in float64, one element at
    a time, so it is for small arrays. The result is true where all errors are within `tolerance`.

    >>> from chainrule import ops
    >>> bool(gradcheck(lambda x: ops.sum(x * x), [1.0, 2.0, 3.0]))
    True
    """
    points = [_numbers(a, f"Argument {i}").astype(np.float64) for i, a in enumerate(arrays)]
    everything = tuple(range(len(points)))
    found = value_and_grad(function, everything)(*points)[1]
    traced = _trace(function, points)
    runner = traced.runner({"value": traced.output})
    worst = GradientCheck(True, 0.0, 0, (), 0.0, 0.0)
    for n, (point, gradient) in enumerate(zip(points, found, strict=True)):
        for index in np.ndindex(point.shape):
            difference = 0.0
            for shift, factor in ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12)):
                moved = point.copy()
                moved[index] += shift * step
                value = runner.once({**traced.given(), traced.inputs[n]: moved})["value"]
                difference += factor / step * float(value)
            g = float(np.asarray(gradient)[index])
            error = abs(g - difference) / max(1.0, abs(g), abs(difference))
            if math.isnan(error):  # NaN is as wrong as can be, and must not be lost in comparisons
                error = math.inf
            if error > worst.largest_error:
                worst = GradientCheck(error <= tolerance, error, n, index, g, difference)
    return worst


def _known(value: Value) -> tuple[int, ...]:
    return tuple(d for d in value.shape if isinstance(d, int))


def _plain(array: Any) -> Any:
    """A number as a Python float; an array as one of the caller's own, to write into."""
    return float(array) if np.ndim(array) == 0 else np.array(array)
