"""Classic surfaces to descend: each with a start, a frame, and three step sizes that behave differently."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chainrule.errors import unknown_name
from chainrule.graph import Value
from chainrule.ops.elementary import sin


@dataclass(frozen=True)
class Surface:
    """A function of one or two numbers, in a frame: (low, high) for each of them.

    `rates` are a step size that is too small, a good one, and one too large.
    """

    name: str
    words: str
    function: Callable[[Value], Value]
    start: tuple[float, ...]
    frame: tuple[tuple[float, float], ...]
    rates: tuple[float, ...]
    steps: int = 200
    gradient_tolerance: float = 1e-4


def _bowl(x: Value) -> Value:
    return x[0] ** 2 + x[1] ** 2


def _valley(x: Value) -> Value:
    return 0.5 * (x[0] ** 2 + 20.0 * x[1] ** 2)


def _rosenbrock(x: Value) -> Value:
    return (1.0 - x[0]) ** 2 + 100.0 * (x[1] - x[0] ** 2) ** 2


def _saddle(x: Value) -> Value:
    return x[0] ** 2 - x[1] ** 2 + 0.25 * x[1] ** 4


def _wavy(x: Value) -> Value:
    return sin(2.5 * x[0]) + 0.15 * (x[0] - 1.0) ** 2


SURFACES: dict[str, Surface] = {
    s.name: s
    for s in (
        Surface("bowl", "x² + y²: the same in every direction", _bowl, (-1.6, 1.1),
                ((-2, 2), (-1.6, 1.6)), (0.01, 0.3, 1.02)),
        Surface("valley", "½ (x² + 20 y²): steep across, flat along", _valley, (-1.8, 0.7),
                ((-2.2, 2.2), (-1.2, 1.2)), (0.003, 0.07, 0.101)),
        Surface("rosenbrock", "(1 − x)² + 100 (y − x²)²: a bent valley (Rosenbrock, 1960)", _rosenbrock,
                (-1.2, 1.0), ((-1.8, 1.8), (-0.8, 2.2)), (1e-4, 2e-3, 6e-3), 8000, 1e-2),
        Surface("saddle", "x² − y² + ¼ y⁴: a saddle between two minima, met from the ridge", _saddle, (-1.6, 0.0),
                ((-2, 2), (-2.1, 2.1)), (0.01, 0.2, 1.02)),
        Surface("wavy", "sin(2.5 x) + 0.15 (x − 1)²: a local optimum beside the global one", _wavy, (-2.2,),
                ((-4.2, 4.2),), (0.002, 0.1, 0.4)),
    )
}  # fmt: skip


def get(name: str) -> Surface:
    """The surface called `name`."""
    if name not in SURFACES:
        raise unknown_name("surface", name, SURFACES)
    return SURFACES[name]
