"""Elementwise operations, means, and the operators of values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import ops
from chainrule.backprop import gradients
from chainrule.engines.reference import evaluate
from chainrule.errors import ShapeError
from chainrule.graph import BATCH, Input, Value

Array = np.ndarray[Any, Any]


def value_of(function: Callable[..., Value], *arrays: Any) -> Array:
    given = {Input(np.shape(a)): np.asarray(a, float) for a in arrays}
    return evaluate({"y": function(*given)}, given)["y"]


def gradients_of(function: Callable[..., Value], *arrays: Any) -> list[Any]:
    given = {Input(np.shape(a)): np.asarray(a, float) for a in arrays}
    found = gradients(ops.sum(function(*given)), list(given))
    outputs = {str(i): g for i, g in enumerate(found) if g is not None}
    arrays_of = evaluate(outputs, given)
    return [arrays_of.get(str(i)) for i in range(len(found))]


# --- subgradients, as the operations state them ---------------------------------------------------


def test_equal_numbers_share_the_gradient_of_their_maximum_and_minimum() -> None:
    for function in (ops.maximum, ops.minimum):
        for_a, for_b = gradients_of(function, [1.0, 2.0, 3.0], [1.0, 0.0, 9.0])
        np.testing.assert_array_equal(for_a + for_b, 1.0)
        assert for_a[0] == for_b[0] == 0.5


def test_elements_that_tie_for_the_maximum_share_its_gradient() -> None:
    (found,) = gradients_of(lambda x: ops.max(x, -1), [[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]])
    np.testing.assert_array_equal(found, [[0, 0.5, 0.5], [1, 0, 0]])


def test_the_subgradient_of_the_absolute_value_at_zero_is_zero() -> None:
    (found,) = gradients_of(abs, [-2.0, 0.0, 3.0])
    np.testing.assert_array_equal(found, [-1, 0, 1])


def test_a_power_at_zero_has_the_derivatives_of_a_polynomial() -> None:
    for exponent, slope in ((0, 0.0), (1, 1.0), (2, 0.0), (3, 0.0)):
        (found,) = gradients_of(lambda x, n=exponent: x**n, [0.0])
        np.testing.assert_array_equal(found, [slope])


def test_a_power_of_a_negative_number_has_no_gradient_for_its_exponent() -> None:
    for_base, for_exponent = gradients_of(ops.power, [-2.0, 2.0], [3.0, 3.0])
    np.testing.assert_allclose(for_base, [12, 12])
    np.testing.assert_allclose(for_exponent, [0, 8 * np.log(2)])


def test_values_held_between_two_bounds_pass_the_gradient_only_in_between() -> None:
    (found,) = gradients_of(lambda x: ops.clip(x, -1.0, 1.0), [-3.0, 0.5, 2.0])
    np.testing.assert_array_equal(found, [0, 1, 0])


def test_no_gradient_passes_where_it_is_stopped() -> None:
    (found,) = gradients_of(lambda x: x * ops.stop_gradient(x), [2.0, 5.0])
    np.testing.assert_array_equal(found, [2, 5])


# --- means ----------------------------------------------------------------------------------------


def test_the_mean_over_the_batch_counts_its_rows() -> None:
    x = Input((BATCH, 3))
    mean = ops.mean(x)
    (gradient,) = gradients(mean, [x])
    assert gradient is not None
    for rows in (1, 4):
        array = np.random.default_rng(rows).normal(size=(rows, 3))
        found = evaluate({"mean": mean, "by column": ops.mean(x, 0), "g": gradient}, {x: array})
        np.testing.assert_allclose(found["mean"], array.mean())
        np.testing.assert_allclose(found["by column"], array.mean(0))
        np.testing.assert_allclose(found["g"], np.full((rows, 3), 1 / (3 * rows)))


def test_the_mean_over_chosen_axes_is_numpys() -> None:
    array = np.random.default_rng(0).normal(size=(2, 3, 4))
    for axes in (None, 0, -1, (0, 2)):
        for keepdims in (False, True):
            found = value_of(lambda x, a=axes, k=keepdims: ops.mean(x, a, keepdims=k), array)
            np.testing.assert_allclose(found, array.mean(axes, keepdims=keepdims))


# --- operators ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a * b,
        lambda a, b: a / b,
        lambda a, b: a**b,
        lambda a, b: a @ b,
        lambda a, b: -a + abs(b),
        lambda a, b: 2 + a - 1,
        lambda a, b: (3 - a) * (2 / b) * 2**b,
        lambda a, b: a**2 - b,
        lambda a, b: a.T @ b,
        lambda a, b: a[0] + b[:, 1],
        lambda a, b: a[-1, 0:2] * b[1:, -1],
        lambda a, b: a[:, 1:2] + b[np.int64(2)],
    ],
)
def test_operators_mean_what_they_mean_for_arrays(function: Callable[..., Any]) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.uniform(0.5, 2, (3, 3)), rng.uniform(0.5, 2, (3, 3))
    np.testing.assert_allclose(value_of(function, a, b), function(a, b), rtol=1e-14)


def test_arrays_on_the_left_leave_the_arithmetic_to_the_value() -> None:
    a, b = np.arange(1.0, 4.0), np.array([2.0, 0.5, 1.0])
    matrix = np.arange(6.0).reshape(2, 3)
    for function in (
        lambda x: a + x,
        lambda x: a - x,
        lambda x: a * x,
        lambda x: a / x,
        lambda x: a**x,
        lambda x: matrix @ x,
        lambda x: np.float64(3.0) * x,
    ):
        found = function(Input((3,)))
        assert isinstance(found, Value)
        np.testing.assert_allclose(value_of(function, b), function(b))


def test_comparisons_give_ones_and_zeros() -> None:
    a, b = [1.0, 2.0, 3.0], [2.0, 2.0, 2.0]
    assert value_of(lambda x, y: x > y, a, b).tolist() == [0, 0, 1]
    assert value_of(lambda x, y: x >= y, a, b).tolist() == [0, 1, 1]
    assert value_of(lambda x, y: x < y, a, b).tolist() == [1, 0, 0]
    assert value_of(lambda x, y: x <= y, a, b).tolist() == [1, 1, 0]
    assert value_of(ops.equal, a, b).tolist() == [0, 1, 0]
    assert value_of(lambda x, y: ops.where(x > y, x, -y), a, b).tolist() == [-2, -2, 3]


def test_large_integers_are_compared_as_integers() -> None:
    a = Input((1,), "int")
    equal = ops.equal(a, np.array([2**24 + 1]))
    assert evaluate({"y": equal}, {a: np.array([2**24])}, "float32")["y"].tolist() == [0]


@pytest.mark.parametrize(
    ("key", "error", "told"),
    [
        ((0, 0, 0), ShapeError, "no more than it has axes"),
        ([0, 1], ShapeError, "use integers and slices"),
        ("first", ShapeError, "use integers and slices"),
        (slice(None, None, 2), ShapeError, "step 1, not 2"),
        (3, IndexError, r"Index 3 lies outside axis 0 of a value of shape \(3, 2\)"),
    ],
)
def test_a_wrong_index_is_told(key: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        Input((3, 2))[key]


def test_the_batch_axis_cannot_be_indexed_but_the_others_can() -> None:
    x = Input((BATCH, 3))
    assert x[:, 1].shape == (BATCH,)
    with pytest.raises(ShapeError, match="batch axis"):
        x[0]


def test_an_empty_slice_is_empty() -> None:
    assert Input((3, 2))[2:1].shape == (0, 2)
