"""Gradients over depth: each layer's Jacobian, and how their product makes gradients vanish or explode.

∂L/∂x⁽ⁱ⁾ = ∂L/∂x⁽ᴷ⁾ Jᴷ … Jⁱ⁺¹, J being ∂x⁽ⁱ⁺¹⁾/∂x⁽ⁱ⁾ (deck 003, page 29).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chainrule.backprop import gradients
from chainrule.engines.program import Array, Program, State
from chainrule.engines.reference import Reference
from chainrule.errors import UsageError
from chainrule.graph import BATCH, Input, Value
from chainrule.layers.base import Mode
from chainrule.ledger.recording import Recording
from chainrule.ledger.structure import Structure
from chainrule.report.figures import FAINT, INK, TEST, TRAIN, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_UNITS = 1024
VANISHING, EXPLODING = 1e-3, 1e3  # of the gradient's norm, from the last layer to the first


@dataclass(frozen=True)
class Layer:
    """One layer: the norm of ∂L/∂(what it hands on), and the largest singular value of its Jacobian.

    `product` is that of the Jacobians from here to the last layer. All are means over the rows.
    """

    name: str
    gradient_norm: float | None
    jacobian_norm: float | None
    product: float | None


@dataclass(frozen=True)
class Depth:
    """The layers of a network in order, and what becomes of the gradient on its way back."""

    layers: tuple[Layer, ...]

    @property
    def verdict(self) -> str:
        """Whether gradients vanish or explode, with the numbers."""
        norms = [(k.name, k.gradient_norm) for k in self.layers if k.gradient_norm is not None]
        if len(norms) < 2 or not norms[-1][1]:
            return "There are too few layers with gradients to compare."
        (first, at_first), (last, at_last) = norms[0], norms[-1]
        assert at_first is not None
        assert at_last is not None
        ratio = at_first / at_last
        told = f"‖∂L/∂x‖ is {at_last:.3g} at {last} and {at_first:.3g} at {first}"
        if ratio < VANISHING:
            return f"The gradient vanishes: {told}."
        if ratio > EXPLODING:
            return f"The gradient explodes: {told}."
        return f"The gradient keeps its size: {told}."

    def text(self) -> str:
        """A table and the verdict."""
        rows = [f"{'layer':<24}{'‖∂L/∂x‖':>12}{'‖J‖':>12}{'product':>12}"]
        for k in self.layers:
            numbers = (k.gradient_norm, k.jacobian_norm, k.product)
            rows.append(f"{k.name:<24}" + "".join(f"{_shown(n):>12}" for n in numbers))
        return "\n".join([*rows, "", self.verdict])

    def __str__(self) -> str:
        return self.text()

    def picture(self) -> Figure:
        """The norms over depth, on a logarithmic scale."""
        from matplotlib.figure import Figure

        with styled():
            figure = Figure(
                figsize=(max(5.0, 0.5 * len(self.layers) + 3.5), 4.0), layout="constrained"
            )
            axes = figure.subplots()
            places = np.arange(len(self.layers))
            for words, colour, values in (
                ("‖∂L/∂x‖", TRAIN, [k.gradient_norm for k in self.layers]),
                ("‖J‖", FAINT, [k.jacobian_norm for k in self.layers]),
                ("product of the Jacobians to the end", TEST, [k.product for k in self.layers]),
            ):
                shown = [np.nan if v is None or v <= 0 else v for v in values]
                if np.isfinite(shown).any():
                    axes.plot(places, shown, "-o", color=colour, label=words, lw=1.5, ms=4)
            axes.set_yscale("log")
            axes.set_xticks(places, [k.name for k in self.layers], rotation=45, ha="right")
            axes.legend(fontsize=10)
            axes.set_title(self.verdict, fontsize=10, color=INK, wrap=True)
        return figure


def depth(structure: Structure, arrays: Mapping[Value, Array]) -> Depth:
    """The norms of a step's gradients and Jacobians, layer by layer."""
    found: list[Layer] = []
    norms: dict[str | None, float] = {}
    # a layer's last value in the forward pass is its first in the backward pass
    for q in reversed(structure.quantities):
        if q.role in ("gradient", "delta") and q.of is not None and q.of.shape[:1] == (BATCH,):
            norms[q.layer] = float(np.linalg.norm(arrays[q.value].astype(np.float64)))
    product: float | None = 1.0
    running: Array | None = None
    for name in reversed(list(structure.numbers)):
        try:
            each = jacobian(structure.recording, name)
        except UsageError:
            each = None
        if each is None:
            norm, product, running = None, None, None
        else:
            norm = float(np.linalg.norm(each, ord=2, axis=(1, 2)).mean())
            fits = running is not None and running.shape[2] == each.shape[1]
            running = running @ each if fits and running is not None else each
            if product is not None:
                product = float(np.linalg.norm(running, ord=2, axis=(1, 2)).mean())
        found.append(Layer(name, norms.get(name), norm, product))
    return Depth(tuple(reversed(found)))


def jacobian(recording: Recording, name: str) -> Array:
    """∂(what a layer hands on)/∂(what enters it) for each row: (rows, units out, units in), in float64.

    For layers that look at several rows at once (batch normalisation), only the row's own part.
    """
    step = recording.step
    network = step.network
    trace, _ = network.trace(step.inputs, Mode(training=True, key=step.key))
    symbol = next(s for s in network.symbols if s.layer is not None and s.layer.name == name)
    source, output = trace[symbol.inputs[0]], trace[symbol]
    sizes = source.shape[1:], output.shape[1:]
    if any(len(size) != 1 for size in sizes) or source.kind != "float":
        raise UsageError(f"Layer {name} has no Jacobian matrix: it is not from units to units.")
    units, fan_in = int(str(output.shape[1])), int(str(source.shape[1]))
    if units > MOST_UNITS:
        raise UsageError(f"Layer {name} has {units:,} units: too many for its Jacobian.")
    rows = len(recording.rows)
    if source is output:
        return np.broadcast_to(np.eye(units), (rows, units, units))
    direction = Input(output.shape, "float", "direction")
    (row,) = gradients(output, [source], direction)
    if row is None:
        return np.zeros((rows, units, fan_in))
    program = Program(
        (*step.inputs, direction),
        {"row": row},
        tuple(s for s in (step.key,) if s in recording.scalars),
    )
    state = State("float64", {p: a.astype(np.float64) for p, a in recording.state.arrays.items()})
    runner = Reference().prepare(program, state)
    given = {leaf: recording.data[leaf] for leaf in step.inputs}
    scalars = {leaf: recording.scalars[leaf] for leaf in program.scalars}
    found = np.empty((rows, units, fan_in))
    for unit in range(units):
        along = np.zeros((rows, units))
        along[:, unit] = 1.0
        found[:, unit] = runner.once({**given, direction: along}, scalars)["row"]
    return found


def _shown(number: float | None) -> str:
    return "–" if number is None else f"{number:.4g}"
