"""Activations where a careless formula fails: at kinks and far out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import ops
from chainrule.backprop import gradients
from chainrule.engines.reference import evaluate
from chainrule.graph import Input, Value


def value_and_slope(
    function: Callable[[Value], Value], points: list[float], precision: Any = "float64"
) -> tuple[list[float], list[float]]:
    x = Input((len(points),))
    y = function(x)
    (slope,) = gradients(ops.sum(y), [x])
    assert slope is not None
    found = evaluate({"y": y, "slope": slope}, {x: points}, precision)
    return found["y"].tolist(), found["slope"].tolist()


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (ops.relu, 0.0),
        (ops.leaky_relu, 0.2),
        (ops.elu, 1.0),
        (lambda x: ops.elu(x, alpha=0.5), 0.5),
        (ops.selu, 1.0507009873554805 * 1.6732632423543772),
    ],
)
def test_the_subgradient_at_zero_is_the_stated_one(
    function: Callable[[Value], Value], slope: float
) -> None:
    assert value_and_slope(function, [0.0]) == ([0.0], [pytest.approx(slope, rel=1e-15)])


def test_the_sigmoid_keeps_its_relative_precision_in_the_lower_tail() -> None:
    values, slopes = value_and_slope(ops.sigmoid, [-40.0, -700.0])
    np.testing.assert_allclose(values, np.exp([-40.0, -700.0]), rtol=1e-15)
    np.testing.assert_allclose(slopes, np.exp([-40.0, -700.0]), rtol=1e-15)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_saturated_activations_are_finite_and_flat(precision: Any) -> None:
    assert value_and_slope(ops.sigmoid, [-1e4, 1e4], precision) == ([0, 1], [0, 0])
    assert value_and_slope(ops.tanh, [-1e4, 1e4], precision) == ([-1, 1], [0, 0])
    assert value_and_slope(ops.softplus, [-1e4, 1e4], precision) == ([0, 1e4], [0, 1])
    assert value_and_slope(ops.silu, [-1e4, 1e4], precision) == ([0, 1e4], [0, 1])
    assert value_and_slope(ops.mish, [-1e4, 1e4], precision) == ([0, 1e4], [0, 1])
    assert value_and_slope(ops.elu, [-1e4, 1e4], precision) == ([-1, 1e4], [0, 1])


def test_softmax_of_huge_differences_is_a_distribution() -> None:
    x = Input((2, 3))
    found = evaluate(
        {"p": ops.softmax(x), "log p": ops.log_softmax(x)},
        {x: np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, -1e4]])},
    )
    np.testing.assert_allclose(found["p"], [[1, 0, 0], [1 / 3] * 3])
    np.testing.assert_allclose(found["log p"], [[0, -1e4, -2e4], [-np.log(3)] * 3])


def test_the_worked_example_of_softmax_outputs() -> None:
    """Deck 004 ends in posteriors (0.48, 0.01, 0.51): logits that give them give them back."""
    p = np.array([[0.48, 0.01, 0.51]])
    x = Input((1, 3))
    found = evaluate({"p": ops.softmax(x)}, {x: np.log(p) + 3.0})["p"]
    np.testing.assert_allclose(found, p, rtol=1e-14)
