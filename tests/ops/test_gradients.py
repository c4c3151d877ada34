"""Every operation's derivative against central differences — and the check itself, checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
import pytest

from chainrule import ops
from chainrule.backprop import gradients
from chainrule.engines.program import Program, State
from chainrule.engines.reference import ReferenceRunner
from chainrule.graph import Example, Input, Op, Value

Array = np.ndarray[Any, Any]
DIRECTIONS = 3
RELATIVE = 1e-6


def inputs_of(example: Example) -> list[Input]:
    return [Input(a.shape, "int" if a.dtype.kind in "iu" else "float") for a in example.arrays]


def functional(example: Example, inputs: Sequence[Input], *, curved: bool) -> Value:
    """Σ rᵢ yᵢ with random weights r; curved: Σ rᵢ (yᵢ + ½yᵢ²), so that ∂L/∂y depends on y."""
    y = example.op(*inputs)
    weights = np.random.default_rng(11).uniform(0.5, 1.5, y.shape)
    return ops.sum((y + 0.5 * y * y if curved else y) * weights)


def compiled(
    inputs: Sequence[Input], outputs: Sequence[Value]
) -> Callable[[Sequence[Array]], list[Array]]:
    program = Program(tuple(inputs), {str(i): value for i, value in enumerate(outputs)})
    runner = ReferenceRunner(program, State("float64"))

    def run(arrays: Sequence[Array]) -> list[Array]:
        found = runner.once(dict(zip(inputs, arrays, strict=True)))
        return [np.asarray(found[str(i)]) for i in range(len(outputs))]

    return run


def slope(f: Callable[[float], float], step: float = 1e-2) -> float:
    """f'(0) by central differences at three steps, extrapolated: the error falls with step⁶."""
    wide, middle, narrow = ((f(h) - f(-h)) / (2 * h) for h in (step, step / 2, step / 4))
    first, second = (4 * middle - wide) / 3, (4 * narrow - middle) / 3
    return (16 * second - first) / 15


def assert_is_gradient(
    f: Callable[[Sequence[Array]], Array], arrays: Sequence[Array], i: int, gradient: Array
) -> None:
    """`gradient` is ∂f/∂arrays[i], in several random directions."""
    rng = np.random.default_rng(13)
    floor = 1e-10 + 1e-11 * abs(float(f(arrays)))  # what rounding leaves of a difference
    for _ in range(DIRECTIONS):
        direction = rng.uniform(0.3, 1.0, arrays[i].shape) * rng.choice([-1, 1], arrays[i].shape)

        def along(t: float, direction: Array = direction) -> float:
            moved = [a + t * direction if k == i else a for k, a in enumerate(arrays)]
            return float(f(moved))

        want = slope(along)
        got = float(np.sum(gradient * direction))
        assert abs(got - want) <= RELATIVE * abs(want) + floor, (
            f"input {i}: gradient {got!r}, differences {want!r}"
        )


def float_positions(example: Example) -> list[int]:
    return [i for i, a in enumerate(example.arrays) if a.dtype.kind == "f"]


def check_first_order(example: Example, positions: Sequence[int]) -> None:
    inputs = inputs_of(example)
    output = functional(example, inputs, curved=False)
    found = gradients(output, [inputs[i] for i in positions])
    assert all(g is not None for g in found), "a differentiable input without a gradient"
    run = compiled(inputs, [output, *(g for g in found if g is not None)])
    _, *values = run(example.arrays)
    value_alone = compiled(inputs, [output])
    for i, gradient in zip(positions, values, strict=True):
        assert gradient.shape == example.arrays[i].shape
        assert np.any(gradient != 0), f"the gradient for input {i} is zero everywhere"
        assert_is_gradient(lambda arrays: value_alone(arrays)[0], example.arrays, i, gradient)


def check_second_order(example: Example, positions: Sequence[int]) -> None:
    """The gradient of a directional derivative is the directional derivative of the gradient."""
    inputs = inputs_of(example)
    rng = np.random.default_rng(17)
    wrt = [inputs[i] for i in positions]
    first = gradients(functional(example, inputs, curved=True), wrt)
    parts = [
        ops.sum(g * rng.normal(size=x.shape))
        for x, g in zip(wrt, first, strict=True)
        if g is not None
    ]
    along = reduce(ops.add, parts)
    second = gradients(along, wrt)
    kept = [(i, g) for i, g in zip(positions, second, strict=True) if g is not None]
    run = compiled(inputs, [along, *(g for _, g in kept)])
    _, *values = run(example.arrays)
    found = {i: v for (i, _), v in zip(kept, values, strict=True)}
    for i in positions:
        gradient = found.get(i, np.zeros(example.arrays[i].shape))
        assert_is_gradient(lambda arrays: run(arrays)[0], example.arrays, i, gradient)


def test_the_gradient_agrees_with_differences(differentiable_case: Example) -> None:
    check_first_order(differentiable_case, float_positions(differentiable_case))


def test_the_gradient_of_the_gradient_agrees_with_differences(
    differentiable_case: Example,
) -> None:
    # examples keep away from kinks, so this holds for operations that are not smooth as well
    check_second_order(differentiable_case, float_positions(differentiable_case))


def test_a_derivative_that_is_one_percent_wrong_is_found(
    differentiable_op: type[Op], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = differentiable_op.vjp
    for example in differentiable_op.example(np.random.default_rng(7)):
        for wrong in float_positions(example):

            def vjp(
                self: Op, cotangent: Value, output: Value, *inputs: Value, wrong: int = wrong
            ) -> list[Value | None]:
                parts = list(right(self, cotangent, output, *inputs))
                part = parts[wrong]
                parts[wrong] = None if part is None else 1.01 * part
                return parts

            check_first_order(example, [wrong])
            with monkeypatch.context() as patch:
                patch.setattr(differentiable_op, "vjp", vjp)
                with pytest.raises(AssertionError, match="differences"):
                    check_first_order(example, [wrong])


def test_every_operation_has_three_examples_or_no_inputs(op: type[Op]) -> None:
    found = op.example(np.random.default_rng(0))
    assert len(found) >= 3 or not any(example.arrays for example in found)


def test_operations_without_a_derivative_hand_nothing_down(op: type[Op]) -> None:
    if op.differentiable:
        return
    for example in op.example(np.random.default_rng(0)):
        inputs = inputs_of(example)
        assert gradients(ops.sum(example.op(*inputs)), inputs) == [None] * len(inputs)
