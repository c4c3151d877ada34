"""Descent on a user's own function: where it goes, when it stops and why."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from chainrule import optimizers, schedules
from chainrule.descent import minimize
from chainrule.errors import ShapeError, UnknownNameError, UsageError
from chainrule.graph import Value
from chainrule.ops.arithmetic import absolute, sign
from chainrule.ops.elementary import exp, log, sqrt, square
from chainrule.ops.linear import dot
from chainrule.ops.shapes import sum as sum_over


def bowl(x: Value) -> Value:
    return square(x[0] - 1.0) + 10.0 * square(x[1] + 2.0)


def rosenbrock(x: Value) -> Value:
    return square(1.0 - x[0]) + 100.0 * square(x[1] - square(x[0]))


# --- the path ---------------------------------------------------------------------------------------


def test_gradient_descent_takes_the_steps_one_takes_by_hand() -> None:
    found = minimize(bowl, [0.0, 0.0], optimizer=optimizers.SGD(0.01), max_steps=3)
    x = np.zeros(2)
    path, values, norms = [], [], []
    for _ in range(4):
        gradient = np.array([2 * (x[0] - 1), 20 * (x[1] + 2)])
        path.append(x)
        values.append((x[0] - 1) ** 2 + 10 * (x[1] + 2) ** 2)
        norms.append(np.linalg.norm(gradient))
        x = x - 0.01 * gradient
    assert found.steps == 3
    np.testing.assert_allclose(found.path, path)
    np.testing.assert_allclose(found.values, values)
    np.testing.assert_allclose(found.gradient_norms, norms)
    np.testing.assert_allclose(found.x, path[-1])
    np.testing.assert_allclose(found.gradient, [2 * (path[-1][0] - 1), 20 * (path[-1][1] + 2)])
    assert found.value == pytest.approx(values[-1])


@pytest.mark.parametrize(
    "optimizer",
    [
        optimizers.SGD(0.05),
        optimizers.SGD(0.01, momentum=0.9, nesterov=True),
        optimizers.Adagrad(1.0),
        optimizers.RMSprop(schedules.Cosine(0.1)),
        optimizers.Adam(schedules.Cosine(0.3)),
        optimizers.LBFGS(),
        "lbfgs",
    ],
    ids=lambda o: type(o).__name__,
)
def test_every_optimizer_finds_the_bottom_of_a_bowl(optimizer: Any) -> None:
    found = minimize(bowl, [0.0, 0.0], optimizer=optimizer, max_steps=500)
    np.testing.assert_allclose(found.x, [1.0, -2.0], atol=1e-3)
    assert found.path.shape == (found.steps + 1, 2)
    assert found.values.shape == found.gradient_norms.shape == (found.steps + 1,)
    assert found.path[0].tolist() == [0.0, 0.0]


def test_lbfgs_crosses_the_banana_valley_as_scipy_does() -> None:
    from scipy.optimize import minimize as scipy_minimize
    from scipy.optimize import rosen, rosen_der

    found = minimize(rosenbrock, [-1.2, 1.0], optimizer="lbfgs")
    theirs = scipy_minimize(rosen, [-1.2, 1.0], jac=rosen_der, method="L-BFGS-B")
    np.testing.assert_allclose(found.x, theirs.x, atol=1e-6)
    assert found.steps == theirs.nit
    assert found.converged
    assert found.stopped_because.startswith("L-BFGS ended: CONVERGENCE")
    np.testing.assert_allclose(found.values, [rosen(x) for x in found.path], atol=1e-12)


def test_a_start_may_be_a_number_a_list_of_integers_or_a_matrix() -> None:
    assert minimize(lambda x: square(x - 3.0), 0).x == pytest.approx(3.0)
    assert minimize(lambda x: dot(x, x), [1, 2]).x == pytest.approx(np.zeros(2))
    assert minimize(lambda x: dot(x, x), np.ones((2, 3))).path.shape == (1001, 2, 3)


def test_the_start_is_left_as_it_was() -> None:
    start = np.ones(2)
    found = minimize(bowl, start, max_steps=2)
    assert start.tolist() == [1.0, 1.0]
    assert found.path[0].tolist() == [1.0, 1.0]


def test_gradients_are_clipped_and_rates_follow_their_schedule() -> None:
    decay = schedules.StepDecay(1.0, factor=0.5, every_epochs=1)
    found = minimize(
        lambda x: 50.0 * x, 0.0, optimizer=optimizers.SGD(decay, clipvalue=1.0), max_steps=4
    )
    np.testing.assert_allclose(np.diff(found.path), [-1, -0.5, -0.25, -0.125])
    assert found.gradient == 50.0  # that of the function, not the clipped one


def test_a_plateau_reduces_the_rate_on_the_way() -> None:
    zigzag = schedules.ReduceOnPlateau(1.0, factor=0.5, patience=1)
    found = minimize(absolute, 0.25, optimizer=optimizers.SGD(zigzag), max_steps=3)
    # f(x₁) > f(x₀) is seen when the step from x₁ is taken: the one after it is shorter
    np.testing.assert_allclose(found.path, [0.25, -0.75, 0.25, -0.25])


def test_two_runs_give_the_same_bits() -> None:
    one, two = (minimize(rosenbrock, [-1.2, 1.0], optimizer="adam", max_steps=50) for _ in "ab")
    np.testing.assert_array_equal(one.path, two.path)


# --- why it stops -----------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [optimizers.SGD(0.1), optimizers.LBFGS()])
def test_it_stops_where_the_gradient_is_short(optimizer: Any) -> None:
    found = minimize(lambda x: square(x), 1.0, optimizer=optimizer, gradient_tolerance=1e-3)
    assert found.converged
    assert found.gradient_norms[-1] < 1e-3
    assert (found.gradient_norms[:-1] >= 1e-3).all()
    assert found.stopped_because.startswith("‖∇f‖ = ")
    assert "is below 0.001" in found.stopped_because


def test_it_stops_where_the_value_hardly_changes() -> None:
    found = minimize(lambda x: square(x), 1.0, tolerance=1e-4)
    changes = np.abs(np.diff(found.values))
    assert found.converged
    assert changes[-1] < 1e-4 <= changes[:-1].min()
    assert found.stopped_because.startswith("f changed by ")


@pytest.mark.parametrize("optimizer", [optimizers.SGD(1e-3), optimizers.LBFGS()])
@pytest.mark.parametrize("steps", [0, 5])
def test_it_stops_at_the_limit_and_says_that_it_has_not_converged(
    optimizer: Any, steps: int
) -> None:
    found = minimize(rosenbrock, [-1.2, 1.0], optimizer=optimizer, max_steps=steps)
    assert found.steps == steps
    assert not found.converged
    assert found.stopped_because == f"the limit of {steps} steps was reached"


def test_a_rate_that_is_too_high_is_told_and_the_best_point_is_kept() -> None:
    found = minimize(lambda x: square(square(x)) + x, 2.0, optimizer=optimizers.SGD(1.0))
    assert not found.converged
    assert found.stopped_because.endswith(f"in step {found.steps}: try a smaller learning rate")
    assert math.isfinite(found.value)
    assert found.value == np.nanmin(found.values)
    assert not np.isfinite(found.values[-1]) or not np.isfinite(found.gradient_norms[-1])
    assert found.path[np.nanargmin(found.values)] == found.x


def test_leaving_the_functions_domain_is_told() -> None:
    found = minimize(lambda x: x + 0.0 * log(x), 1.0, optimizer=optimizers.SGD(0.6), max_steps=9)
    assert found.stopped_because == "f became nan in step 2: try a smaller learning rate"
    assert found.x == pytest.approx(0.4)
    assert found.value == pytest.approx(0.4)


# --- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "x0", "sentence"),
    [
        (lambda x: x * 2.0, [1.0, 2.0], r"shape \(2,\): only a single number has a minimum"),
        (lambda x: np.sin(x), 1.0, "f cannot be computed .* Write it with operators"),
        (lambda x, y: x, 1.0, "f cannot be computed .* as a function of one value"),
        (lambda x: 3.0, 1.0, "f returned float: it must return a value made from x"),
        (lambda x: sum_over(sign(x)), [1.0], "f does not depend on x"),
        ("square", 1.0, "f is 'square', expected a function"),
        (square, "one", "x0 must be a number or an array"),
        (square, [[1.0], [1.0, 2.0]], "x0 must be a number or an array"),
        (square, math.nan, "x0 holds NaN or infinity"),
        (lambda x: log(x), -1.0, r"f\(x0\) is nan .* start where f and its gradient are finite"),
        (lambda x: sqrt(x), 0.0, r"f\(x0\) is 0 with gradient norm inf"),
        (lambda x: exp(x), 1e4, r"f\(x0\) is inf"),
    ],
)
@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs"])
def test_functions_and_starts_that_cannot_be_descended_are_refused(
    f: Any, x0: Any, sentence: str, optimizer: str
) -> None:
    with pytest.raises((UsageError, ShapeError), match=sentence):
        minimize(f, x0, optimizer=optimizer)


def test_settings_outside_their_range_are_refused() -> None:
    with pytest.raises(UsageError, match=r"minimize: tolerance is -1, expected .* in \[0, inf\)"):
        minimize(square, 1.0, tolerance=-1)
    with pytest.raises(UsageError, match=r"minimize: max_steps is 1.5, expected a whole number"):
        minimize(square, 1.0, max_steps=1.5)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="Unknown optimizer 'sdg'"):
        minimize(square, 1.0, optimizer="sdg")
