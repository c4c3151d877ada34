"""What weights are held to."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import constraints
from chainrule.engines.program import Precision
from chainrule.engines.reference import evaluate
from chainrule.errors import ShapeError, UsageError
from chainrule.graph import Input


def held(
    constraint: constraints.Constraint | None, weight: np.ndarray, precision: Precision = "float64"
) -> np.ndarray:
    assert constraint is not None
    w = Input(weight.shape, name="w")
    return evaluate({"new": constraint(w)}, {w: weight}, precision)["new"]


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_max_norm_scales_long_weights_down_and_leaves_others_alone(axis: int) -> None:
    weight = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    norms = np.linalg.norm(weight, axis=axis, keepdims=True)
    limit = float(np.median(norms))
    found = held(constraints.MaxNorm(limit, axis), weight, "float32")
    short = np.broadcast_to(norms <= limit, weight.shape)
    np.testing.assert_array_equal(found[short], weight[short])
    np.testing.assert_allclose(found[~short], (weight * limit / norms)[~short], rtol=1e-6)
    assert short.any()
    assert not short.all()


def test_zero_weights_stay_zero() -> None:
    weight = np.array([[0.0, 3.0], [0.0, 4.0]])
    assert held(constraints.MaxNorm(1.0), weight).tolist() == [
        [0.0, 0.6000000000000001],
        [0.0, 0.8],
    ]
    assert held(constraints.UnitNorm(), weight).tolist() == [[0.0, 0.6], [0.0, 0.8]]


def test_negative_weights_become_zero() -> None:
    assert held(constraints.NonNeg(), np.array([-1.0, 0.0, 2.0])).tolist() == [0.0, 0.0, 2.0]


def test_a_bias_has_one_norm() -> None:
    assert held(constraints.MaxNorm(1.0), np.array([0.0, 2.0])).tolist() == [0.0, 1.0]


def test_names_and_functions_are_constraints() -> None:
    assert constraints.get("max_norm") == constraints.MaxNorm(2.0, 0)
    assert constraints.get(None) is None
    assert held(constraints.get(lambda w: w * 0.5), np.array([2.0])).tolist() == [1.0]


def test_an_axis_that_does_not_exist_is_named_with_the_shape() -> None:
    with pytest.raises(ShapeError, match=r"MaxNorm: axis 1 .* weight of shape \(3,\)"):
        constraints.MaxNorm(1.0, axis=1)(Input((3,)))
    with pytest.raises(UsageError, match=r"max_value is 0, expected a number in \(0, inf\)"):
        constraints.MaxNorm(0)
