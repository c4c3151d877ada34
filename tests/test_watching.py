"""Gradient descent watched: critical points, what a step size was like, pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import surfaces
from chainrule.watching import Watched, picture, save, values_on


@pytest.mark.parametrize(
    ("function", "point", "kind", "eigenvalues"),
    [
        (lambda v: v[0] ** 2 + 3.0 * v[1] ** 2, [0.0, 0.0], "minimum", [2, 6]),
        (lambda v: -(v[0] ** 2) - v[1] ** 2, [0.0, 0.0], "maximum", [-2, -2]),
        (lambda v: v[0] * v[1], [0.0, 0.0], "saddle", [-1, 1]),
        (lambda v: v[0] ** 2 + v[1] ** 4, [0.0, 0.0], "degenerate", [0, 2]),
        (lambda v: v[0] ** 2 + v[1] ** 2, [1.0, 0.0], "none", [2, 2]),
        (lambda v: v[0] ** 3, [0.0], "degenerate", [0]),
    ],
)
def test_critical_points_are_named_from_the_hessian(
    function: Any, point: list[float], kind: str, eigenvalues: list[float]
) -> None:
    found = cr.critical_point(function, point)
    assert found.kind == kind
    np.testing.assert_allclose(found.eigenvalues, eigenvalues, atol=1e-12)
    assert kind in found.words or kind == "none"


def test_a_recorded_descent_has_the_gradient_at_every_point() -> None:
    found = cr.minimize(
        lambda v: v[0] ** 2 + 3.0 * v[1] ** 2, [1.0, 1.0], gradient_tolerance=1e-6, record=True
    )
    assert found.gradients is not None
    assert found.critical_point is not None
    np.testing.assert_allclose(found.gradients, found.path * [2.0, 6.0])
    assert found.critical_point.kind == "minimum"
    plain = cr.minimize(lambda v: v[0] ** 2, [1.0])
    assert plain.gradients is None
    assert plain.critical_point is None


def descents(surface: surfaces.Surface) -> list[Watched]:
    return [
        Watched(
            rate,
            cr.minimize(
                surface.function, list(surface.start), optimizer=cr.optimizers.SGD(rate),
                gradient_tolerance=surface.gradient_tolerance, max_steps=surface.steps, record=True,
            ),
        )
        for rate in surface.rates
    ]  # fmt: skip


@pytest.mark.parametrize("name", surfaces.SURFACES)
def test_of_a_surface_s_three_step_sizes_one_is_too_small_one_good_one_too_large(name: str) -> None:
    small, good, large = descents(surfaces.get(name))
    assert small.verdict.startswith("too small")
    assert good.verdict.startswith("good")
    assert large.verdict.startswith("too large")
    assert good.found.converged
    assert good.found.critical_point is not None
    assert good.found.critical_point.kind == ("saddle" if name == "saddle" else "minimum")


def test_the_wavy_curve_s_start_leads_to_a_local_optimum_and_another_to_the_global_one() -> None:
    surface = surfaces.get("wavy")
    local, world = (
        cr.minimize(
            surface.function, [start], optimizer=cr.optimizers.SGD(0.1), gradient_tolerance=1e-6
        )
        for start in (surface.start[0], 1.5)
    )
    x = np.linspace(*surface.frame[0], 2001)[:, None]
    assert world.value == pytest.approx(values_on(surface.function, x).min(), abs=1e-4)
    assert local.value > world.value + 1
    assert local.converged


def test_level_curves_are_the_function_s_own_values() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(7, 2))
    surface = surfaces.get("rosenbrock")
    x, y = points.T
    np.testing.assert_allclose(
        values_on(surface.function, points), (1 - x) ** 2 + 100 * (y - x**2) ** 2
    )


def test_arrows_stand_at_right_angles_to_the_level_curves() -> None:
    surface = surfaces.get("rosenbrock")
    found = descents(surface)[1].found
    assert found.gradients is not None
    for point, gradient in list(zip(found.path, found.gradients, strict=True))[::500]:
        along = np.array([-gradient[1], gradient[0]]) / np.linalg.norm(gradient) * 1e-6
        ahead, behind = values_on(surface.function, np.stack([point + along, point - along]))
        assert abs(ahead - behind) < 1e-9 * max(1.0, np.linalg.norm(gradient))


@pytest.mark.parametrize("name", ["bowl", "wavy"])
@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_a_picture_has_a_panel_for_each_step_size(name: str, suffix: str, tmp_path: Path) -> None:
    surface = surfaces.get(name)
    watched = descents(surface)
    figure = picture(surface.function, watched, surface.frame, surface.words)
    titles = [axes.get_title() for axes in figure.axes]
    assert [t.split("\n")[0] for t in titles] == [f"step size {w.rate:g}" for w in watched]
    file = tmp_path / f"descent{suffix}"
    save(figure, str(file))
    assert file.stat().st_size > 10_000


def test_functions_of_three_numbers_cannot_be_drawn() -> None:
    with pytest.raises(cr.UsageError, match="3 numbers"):
        picture(lambda v: v[0] ** 2, [], [(0, 1)] * 3)
    with pytest.raises(cr.UnknownNameError, match="did you mean 'valley'"):
        surfaces.get("valey")
