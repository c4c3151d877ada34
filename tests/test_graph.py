"""Values, shapes and the order in which a graph is computed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from chainrule import ops
from chainrule.backprop import gradients
from chainrule.engines.reference import evaluate
from chainrule.errors import ShapeError
from chainrule.graph import (
    BATCH,
    Batch,
    Constant,
    Input,
    Op,
    Parameter,
    Shape,
    Value,
    as_value,
    broadcast_shapes,
    leaves,
    shape_text,
    topological_order,
)


def places(order: Iterable[Value]) -> dict[Value, int]:
    return {value: i for i, value in enumerate(order)}


def test_every_value_comes_once_and_after_those_it_is_made_from() -> None:
    rng = np.random.default_rng(0)
    values: list[Value] = [Input(()) for _ in range(5)]
    for _ in range(300):  # a random graph, many values used more than once
        a, b = (values[i] for i in rng.integers(0, len(values), 2))
        values.append(a * b)
    order = topological_order([values[-1], values[-7], values[-1]])
    place = places(order)
    assert len(place) == len(order)
    assert values[-1] in place
    assert values[-7] in place
    assert all(place[x] < place[value] for value in order for x in value.inputs)


def test_only_what_the_outputs_need_is_in_the_order() -> None:
    x, y = Input(()), Input(())
    used, unused = x + 1.0, y * x
    order = topological_order([used])
    assert x in order
    assert y not in order
    assert unused not in order


def test_a_graph_may_be_a_hundred_thousand_operations_deep() -> None:
    x = Input(())
    depth = 100_000
    half = Constant(0.5)
    value: Value = x
    for _ in range(depth):
        value = value + half
    order = topological_order([value])
    assert len(order) == depth + 2
    assert places(order)[x] == 0
    (gradient,) = gradients(value, [x])
    assert gradient is not None
    found = evaluate({"y": value, "g": gradient}, {x: 1.0})
    assert found["y"] == 1 + depth / 2
    assert found["g"] == 1


def test_leaves_are_found_by_kind() -> None:
    x, w, c = Input((BATCH, 2)), Parameter((2,), "w"), Constant([1.0, 2.0])
    value = x * w + c
    assert leaves([value], Input) == [x]
    assert leaves([value], Parameter) == [w]
    assert leaves([value], Constant) == [c]


# --- shapes ---------------------------------------------------------------------------------------


def test_there_is_one_batch_and_it_is_written_so() -> None:
    assert Batch() is BATCH
    assert shape_text((BATCH, 64)) == "(batch, 64)"
    assert shape_text((3,)) == "(3,)"
    assert shape_text(()) == "()"


@pytest.mark.parametrize(
    ("shapes", "result"),
    [
        (((3, 5), (5,)), (3, 5)),
        (((4, 1), (1, 7)), (4, 7)),
        (((), (2, 3)), (2, 3)),
        (((BATCH, 3), (3,)), (BATCH, 3)),
        (((BATCH, 1), (BATCH, 4)), (BATCH, 4)),
        (((1, 3), (BATCH, 3)), (BATCH, 3)),
        (((0,), (1,)), (0,)),
        (((2, 1, 4), (3, 1), (4,)), (2, 3, 4)),
    ],
)
def test_shapes_broadcast_as_numpys_do(shapes: tuple[Shape, ...], result: Shape) -> None:
    assert broadcast_shapes(*shapes) == result
    if BATCH not in result:
        assert np.broadcast_shapes(*shapes) == result  # type: ignore[arg-type]


@pytest.mark.parametrize("pair", [((3,), (4,)), ((BATCH, 3), (5, 3)), ((BATCH,), (3, BATCH, 2))])
def test_shapes_that_do_not_fit_are_both_named(pair: tuple[Shape, Shape]) -> None:
    with pytest.raises(ShapeError) as told:
        broadcast_shapes(*pair)
    assert all(shape_text(shape) in str(told.value) for shape in pair)


# --- values ---------------------------------------------------------------------------------------


def test_a_value_has_no_truth_value() -> None:
    x = Input(())
    with pytest.raises(TypeError, match=r"ops\.where\(condition, a, b\)"):
        assert x > 0
    with pytest.raises(TypeError, match="computed later"):
        _ = 1 if x else 2


def test_a_value_of_known_length_can_be_taken_apart() -> None:
    x, y = Input((2,))
    assert x.shape == y.shape == ()
    rows = list(Input((3, 4)))
    assert [row.shape for row in rows] == [(4,)] * 3
    for shape in ((), (BATCH, 2)):
        with pytest.raises(ShapeError, match="cannot be taken apart"):
            iter(Input(shape))


def test_constants_are_real_unless_they_are_integer_arrays() -> None:
    for number in (3, 3.5, True, np.float32(2), [1.0, 2.0], np.ones(3, np.float32)):
        assert Constant(number).kind == "float"
        assert Constant(number).array.dtype == np.float64
    assert Constant(np.array([1, 2])).kind == "int"


def test_a_constant_does_not_change_with_the_array_it_was_made_from() -> None:
    array = np.array([1.0, 2.0])
    constant = Constant(array)
    array[0] = 9.0
    assert constant.array.tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        constant.array[0] = 9.0


def test_arrays_join_values_as_constants_from_either_side() -> None:
    x = Input((2,))
    array = np.array([1.0, 2.0])
    for value in (array + x, x + array, array - x, array * x, array / x, array**x):
        assert isinstance(value, Value)
        assert value.shape == (2,)
    assert isinstance(array @ x, Value)
    assert as_value(x) is x


def test_a_value_shows_its_operation_name_and_shape() -> None:
    assert repr(Input((BATCH, 3), name="pixels")) == "<input pixels(batch, 3)>"
    assert repr(ops.relu(Input((2,)))) == "<relu (2,)>"


def test_an_operation_registers_under_its_name_and_its_parents_do_not() -> None:
    assert all(op.name == name for name, op in Op.registry.items())
    assert not any(abstract in Op.registry.values() for abstract in (ops.Elementwise, ops.Unary))


def test_an_operation_of_ones_own_needs_no_more_than_a_few_lines() -> None:
    class Cube(ops.Unary):
        name = "cube_of_this_test"
        text, latex = "{0}³", "{0}^3"

        def slope(self, x: Value, y: Value) -> Value:
            return 3.0 * ops.square(x)

        def evaluate(self, xp: Any, *arrays: Any) -> Any:
            return arrays[0] ** 3

    try:
        x = Input((2,))
        y = Cube()(x)
        (gradient,) = gradients(ops.sum(y), [x])
        assert gradient is not None
        found = evaluate({"y": y, "g": gradient}, {x: [1.0, 2.0]})
        assert found["y"].tolist() == [1, 8]
        assert found["g"].tolist() == [3, 12]
    finally:
        del Op.registry["cube_of_this_test"]


@pytest.mark.parametrize(
    ("compute", "made"),
    [
        (lambda x: np.ones(3) * x, "multiply"),
        (lambda x: np.ones(3) - x, "subtract"),
        (lambda x: np.float64(2) / x, "divide"),
        (lambda x: np.ones((3, 3)) > x, "greater"),
        (lambda x: np.int64(3) ** x, "power"),
        (lambda x: np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]) + x, "add"),
    ],
)
def test_arrays_of_numpy_meet_values(compute, made):
    value = compute(Input((3, 3), name="x"))
    assert isinstance(value, Value)
    assert value.op.name == made


@pytest.mark.parametrize(
    "compute",
    [np.sum, lambda x: np.where(x > 0, x, 0.0), np.concatenate, np.size],
)
def test_functions_of_numpy_say_what_to_use_instead(compute):
    with pytest.raises(
        TypeError,
        match=r"computes arrays, but a Value is computed later: use the functions of chain",
    ):
        compute(Input((3,), name="x"))


def test_values_are_equal_to_themselves_alone():
    value = Input((3,), name="x")
    assert value in [np.ones(3), value]
    assert (np.ones(3) == value) is False
    assert np.shape(value) == (3,)
    with pytest.raises(TypeError, match="does not support ufuncs"):
        np.tanh(value + 1)
