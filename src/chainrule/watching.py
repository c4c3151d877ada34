"""Gradient descent watched: paths on level curves, step sizes side by side, and what became of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.descent import Minimum
from chainrule.engines.program import Array
from chainrule.engines.reference import evaluate
from chainrule.errors import UsageError
from chainrule.graph import BATCH, Input, Value
from chainrule.ops.shapes import Slice, reshape
from chainrule.report.figures import FAINT, INK, TEST, TRAIN, VALIDATION, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ARROWS = 6  # points of a path at which the gradient is drawn
GRID = 160
MANY = 120  # points of a path that are not marked one by one


@dataclass(frozen=True)
class Watched:
    """One descent, and the step size it was made with."""

    rate: float
    found: Minimum

    @property
    def verdict(self) -> str:
        """What the step size was like: too small, good, or too large."""
        found = self.found
        values = found.values[np.isfinite(found.values)]
        if len(values) < len(found.values) or values[-1] > values[0] + abs(values[0]):
            return "too large: it moves away"
        if not found.converged:
            steps = np.diff(found.path.reshape(len(found.path), -1), axis=0)
            if len(steps) > 2 and self._turns(steps) > 0.6:
                return "too large: it leaps to and fro"
            return f"too small: not there after {found.steps:,} steps"
        steps = np.diff(found.path.reshape(len(found.path), -1), axis=0)
        if len(steps) > 2 and self._turns(steps) > 0.6:
            return f"large: it overshoots, and is there after {found.steps:,} steps"
        return f"good: there after {found.steps:,} steps"

    @staticmethod
    def _turns(steps: Array) -> float:
        """The share of steps that go back on the one before."""
        back = np.sum(steps[1:] * steps[:-1], axis=1) < 0
        return float(back.mean())


def values_on(function: Callable[[Value], Value], points: Array) -> Array:
    """A function of one point at many: points (n, d) to (n,)."""
    x = Input((BATCH, points.shape[1]), name="points")

    class _Point:
        """One point, whose numbers are columns of all points."""

        def __getitem__(self, i: int) -> Value:
            return reshape(Slice(1, i, i + 1)(x), (BATCH,))

    value = function(_Point())  # type: ignore[arg-type]
    return np.broadcast_to(evaluate({"value": value}, {x: points})["value"], len(points))


def picture(
    function: Callable[[Value], Value],
    watched: Sequence[Watched],
    frame: Sequence[tuple[float, float]],
    title: str = "",
) -> Figure:
    """The paths side by side: on level curves for two numbers, on the curve for one.

    Orange arrows show −∇f, which stands at right angles to the level curve it begins on.

    Errors: `UsageError` for functions of more than two numbers.
    """
    from matplotlib.figure import Figure

    if len(frame) not in (1, 2):
        raise UsageError(
            f"A function of {len(frame)} numbers has no level curves to draw: one or two."
        )
    with styled():
        across = [high - low for low, high in frame]
        tall = 4.0 * across[1] / across[0] if len(frame) == 2 else 3.4
        figure = Figure(figsize=(4.6 * len(watched) + 0.4, tall + 1.5), layout="constrained")
        places = figure.subplots(1, len(watched), squeeze=False)[0]
        for axes, each in zip(places, watched, strict=True):
            if len(frame) == 2:
                _level_curves(axes, function, frame)
                _path(axes, each.found, frame)
            else:
                _curve(axes, function, each.found, frame[0])
            axes.set_title(f"step size {each.rate:g}\n{each.verdict}", fontsize=11, color=INK)
        if title:
            figure.suptitle(title, fontsize=12, color=INK)
    return figure


def _level_curves(
    axes: Axes, function: Callable[[Value], Value], frame: Sequence[tuple[float, float]]
) -> None:
    (left, right), (low, high) = frame
    x, y = np.linspace(left, right, GRID), np.linspace(low, high, GRID)
    points = np.column_stack([a.ravel() for a in np.meshgrid(x, y)])
    z = values_on(function, points).reshape(GRID, GRID)
    # levels that are even in the root, so that flat and steep places both have some
    lowest = float(z.min())
    levels = lowest + (float(z.max()) - lowest) * np.linspace(0.0, 1.0, 16)[1:] ** 3
    axes.contour(x, y, z, levels=levels, colors=FAINT, linewidths=0.7, alpha=0.75)
    axes.set(xlim=(left, right), ylim=(low, high), xlabel="x", ylabel="y")
    axes.set_aspect("equal")
    axes.grid(visible=False)


def _path(axes: Axes, found: Minimum, frame: Sequence[tuple[float, float]]) -> None:
    path = found.path.reshape(len(found.path), -1)
    path = path[np.isfinite(path).all(axis=1)]
    size = 3 if len(path) < MANY else 0
    axes.plot(path[:, 0], path[:, 1], "-o", color=TRAIN, lw=1.3, ms=size, alpha=0.9)
    axes.plot(*path[0], "o", color=INK, ms=6)
    axes.plot(*path[-1], "o", color=TEST, ms=7)
    if found.gradients is None:
        return
    gradients = found.gradients.reshape(len(found.gradients), -1)[: len(path)]
    span = min(b - a for a, b in frame)
    for i in _spread(path, span):
        norm = float(np.linalg.norm(gradients[i]))
        if norm > 0:
            arrow = -gradients[i] / norm * span * 0.16
            axes.annotate(
                "", xy=path[i] + arrow, xytext=path[i],
                arrowprops={"arrowstyle": "-|>", "color": VALIDATION, "lw": 1.6},
            )  # fmt: skip


def _spread(path: Array, span: float) -> list[int]:
    """A few points of a path that lie apart from each other."""
    chosen: list[int] = []
    for i in range(len(path)):
        if all(np.linalg.norm(path[i] - path[j]) > 0.14 * span for j in chosen):
            chosen.append(i)
        if len(chosen) == ARROWS:
            break
    return chosen


def _curve(
    axes: Axes, function: Callable[[Value], Value], found: Minimum, frame: tuple[float, float]
) -> None:
    x = np.linspace(*frame, 400)
    axes.plot(x, values_on(function, x[:, None]), color=FAINT, lw=1.5)
    path = found.path.reshape(len(found.path), -1)[:, 0]
    inside = np.isfinite(path) & np.isfinite(found.values)
    axes.plot(path[inside], found.values[inside], "-o", color=TRAIN, lw=1.1, ms=4, alpha=0.9)
    axes.plot(path[0], found.values[0], "o", color=INK, ms=6)
    axes.plot(path[inside][-1], found.values[inside][-1], "o", color=TEST, ms=7)
    axes.set(xlim=frame, xlabel="x", ylabel="f")


def save(figure: Any, path: str) -> None:
    """Write a picture to a .png, .svg or .pdf file."""
    try:
        with styled():
            figure.savefig(path, dpi=130)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}).") from error
