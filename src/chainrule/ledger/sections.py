"""Which lines of a ledger are shown, and under which headings: all of a small network, of a large one some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chainrule.engines.program import Array
from chainrule.ledger.lines import Line
from chainrule.ledger.structure import PHASES, Phase, Quantity

if TYPE_CHECKING:
    from chainrule.ledger.core import Ledger

Index = tuple[int, ...]

HEADINGS: dict[Phase, str] = {
    "given": "Given",
    "forward": "Forward",
    "loss": "Loss",
    "backward": "Backward",
    "update": "Update",
    "after": "After the step",
}


@dataclass(frozen=True)
class Group:
    """The lines of one value that are shown, and how many are not."""

    quantity: Quantity
    lines: tuple[Line, ...]
    hidden: int


@dataclass(frozen=True)
class Section:
    """A phase of the step in one layer."""

    phase: Phase
    layer: str | None
    groups: tuple[Group, ...]

    @property
    def heading(self) -> str:
        """`Backward: dense_1`."""
        return HEADINGS[self.phase] + (f": {self.layer}" if self.layer else "")


def sections(ledger: Ledger, phases: Sequence[Phase] = PHASES) -> list[Section]:
    """The ledger in the order of the computation, at most `most` lines of each value."""
    view = View(ledger)
    found: list[Section] = []
    for quantity in ledger.quantities:
        if quantity.phase not in phases:
            continue
        shown, hidden = view.shown(quantity)
        lines = tuple(ledger.formulas.line(quantity, index) for index in shown)
        group = Group(quantity, lines, hidden)
        same = found and (found[-1].phase, found[-1].layer) == (quantity.phase, quantity.layer)
        if same:
            found[-1] = Section(quantity.phase, quantity.layer, (*found[-1].groups, group))
        else:
            found.append(Section(quantity.phase, quantity.layer, (group,)))
    return found


class View:
    """Which units of a wide layer are shown: those with the most to do with the loss."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.most = ledger.style.most
        self._units: dict[str | None, Array | None] = {}
        for name in ledger.structure.numbers:
            self._units[name] = self._important(name)

    def shown(self, quantity: Quantity) -> tuple[list[Index], int]:
        """At most `most` of the places of a value, in order, and how many there are besides."""
        mask = self.ledger.mask(quantity)
        count = int(mask.sum())
        if count <= self.most:
            return self.ledger.places(quantity), 0
        array = self.ledger.arrays[quantity.value]
        worth = np.minimum(np.nan_to_num(np.abs(array.astype(np.float64)), posinf=1e300), 1e300)
        preferred = self._units.get(quantity.layer)
        if preferred is not None and array.shape[-1] == len(preferred):
            worth = worth + 1e6 * preferred
        worth = np.where(mask, worth, -1.0).ravel()
        kept = np.argsort(-worth, kind="stable")[: self.most]
        chosen = np.column_stack(np.unravel_index(np.sort(kept), array.shape)).tolist()
        return self.ledger.in_order(quantity, chosen), count - len(chosen)

    def _important(self, layer: str) -> Array | None:
        """For each unit of a layer, 1 for the unit with the largest |δ|, falling to 0 for the least."""
        ledger = self.ledger
        found = [
            q
            for role in ("delta", "gradient", "sum", "activation")
            for q in ledger.structure.quantities
            if q.layer == layer and q.role == role and q.batched
        ]
        if not found or ledger.arrays[found[0].value].ndim != 2:
            return None
        size = np.abs(ledger.arrays[found[0].value].astype(np.float64)).sum(axis=0)
        rank = np.empty(len(size))
        rank[np.argsort(-np.nan_to_num(size), kind="stable")] = np.arange(len(size))
        chosen = rank < max(self.most // 3, 1)
        return np.where(chosen, 1.0, 0.0)
