"""Penalties on weights: their values and slopes."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import regularizers
from chainrule.backprop import gradients
from chainrule.engines.reference import evaluate
from chainrule.errors import UnknownNameError, UsageError
from chainrule.graph import Input, Value
from chainrule.ops.arithmetic import absolute
from chainrule.ops.shapes import sum as sum_over

WEIGHT = np.array([[1.0, -2.0, 0.0], [0.5, 3.0, -0.25]])


def penalty(regularizer: regularizers.Regularizer | None) -> tuple[float, np.ndarray]:
    assert regularizer is not None
    w = Input(WEIGHT.shape, name="w")
    value = regularizer(w)
    assert value.shape == ()
    (slope,) = gradients(value, [w])
    assert slope is not None
    found = evaluate({"value": value, "slope": slope}, {w: WEIGHT})
    return float(found["value"]), found["slope"]


def test_l2_is_the_sum_of_squares() -> None:
    value, slope = penalty(regularizers.L2(0.1))
    assert value == pytest.approx(0.1 * 14.3125)
    np.testing.assert_allclose(slope, 0.2 * WEIGHT)


def test_l1_is_the_sum_of_sizes_with_slope_zero_at_zero() -> None:
    value, slope = penalty(regularizers.L1(0.1))
    assert value == pytest.approx(0.1 * 6.75)
    np.testing.assert_allclose(slope, 0.1 * np.sign(WEIGHT))


def test_l1_l2_is_both() -> None:
    value, slope = penalty(regularizers.L1L2(l1=0.1, l2=0.2))
    assert value == pytest.approx(0.675 + 2.8625)
    np.testing.assert_allclose(slope, 0.1 * np.sign(WEIGHT) + 0.4 * WEIGHT)


def test_a_number_is_l2_and_none_is_none() -> None:
    assert regularizers.get(0.5) == regularizers.L2(0.5)
    assert regularizers.get(None) is None
    assert regularizers.get("l1") == regularizers.L1(0.01)
    assert regularizers.get("L1L2") == regularizers.L1L2()


def test_a_users_function_is_a_regularizer() -> None:
    def cubes(weight: Value) -> Value:
        return sum_over(absolute(weight) ** 3)

    assert penalty(regularizers.get(cubes))[0] == pytest.approx(36.140625)


def test_unknown_names_and_negative_strengths_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="regularizer 'l3'"):
        regularizers.get("l3")
    with pytest.raises(UsageError, match=r"L2: l2 is -1.0, expected a number in \[0, inf\)"):
        regularizers.get(-1.0)
