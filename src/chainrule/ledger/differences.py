"""Gradients held against finite differences of the loss, in float64, with the step's masks held fixed."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from chainrule.engines.program import Array
from chainrule.engines.reference import Namespace
from chainrule.graph import Constant, Parameter, Value, topological_order
from chainrule.ledger.recording import size_of
from chainrule.ledger.structure import Quantity, Structure

Index = tuple[int, ...]

TOLERANCE = 1e-5
_STEPS = (1e-4, 1e-6, 1e-7)  # of the difference; smaller ones where a kink is near
_FIVE_POINTS = ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))


@dataclass(frozen=True)
class Difference:
    """∂L by a finite difference; at a kink, the slopes to its left and right, and what has the kink."""

    value: float
    left: float = 0.0
    right: float = 0.0
    kink: str = ""
    kinks: int = 0

    def agrees(self, gradient: float, tolerance: float = TOLERANCE) -> bool:
        """Whether |g − d| ≤ tolerance · max(1, |g|, |d|); at a kink, whether g lies between the slopes.

        Where several kinks meet, each with its own subgradient, nothing can be said against g.
        """
        if self.kinks > 1:
            return True
        if self.kink:
            low, high = sorted((self.left, self.right))
            spare = tolerance * max(1.0, abs(low), abs(high))
            return low - spare <= gradient <= high + spare
        scale = max(1.0, abs(gradient), abs(self.value))
        return bool(abs(gradient - self.value) <= tolerance * scale)


class Differences:
    """Computes the loss of a recorded step again and again, with one number changed a little."""

    def __init__(self, structure: Structure, given: Mapping[Value, Array]) -> None:
        """`given` has the arrays of weights and rows before the step."""
        self.structure = structure
        recording = structure.recording
        self.xp = Namespace("float64")
        self.xp.rows = len(recording.rows)
        self.objective = recording.step.objective
        self._order = topological_order([self.objective])
        self._downstream: dict[Value, list[Value]] = {}
        self.arrays: dict[Value, Array] = {}
        for value in self._order:
            if isinstance(value, Parameter):
                self.arrays[value] = np.asarray(recording.state[value], dtype=np.float64)
            elif isinstance(value, Constant):
                self.arrays[value] = value.array
            elif value.op is None:
                array = given[value] if value in given else recording.scalars[value]  # type: ignore[index]
                real = value.kind == "float"
                self.arrays[value] = np.asarray(array, dtype=np.float64 if real else None)
            else:
                self.arrays[value] = self._computed(value, self.arrays)

    def _computed(self, value: Value, arrays: Mapping[Value, Array]) -> Array:
        assert value.op is not None
        with np.errstate(all="ignore"):
            inputs = [arrays[x] for x in value.inputs]
            return np.asarray(value.op.evaluate(self.xp, *inputs))

    def of(self, quantity: Quantity, index: Index) -> Difference | None:
        """For an element of a gradient or δ; None where there is none, as for a part of a gradient."""
        value = quantity.node
        if quantity.role not in ("gradient", "delta") or value not in self.arrays:
            return None
        assert value is not None
        shape = size_of(value, self.xp.rows)
        if self.arrays[value].shape != shape:
            return None
        scale = max(1.0, abs(float(self.arrays[value][index])))
        kink, kinks = "", 0
        for step in _STEPS:
            h = step * scale
            kink, kinks = self._kink(value, index, h)
            if not kink:
                found = sum(f * self._loss(value, index, k * h) for k, f in _FIVE_POINTS) / h
                return Difference(found)
        h = _STEPS[1] * scale
        here = self._loss(value, index, 0.0)
        left = (here - self._loss(value, index, -h)) / h
        right = (self._loss(value, index, h) - here) / h
        return Difference((left + right) / 2, left, right, kink, kinks)

    def _moved(self, value: Value, index: Index, by: float) -> ChainMap[Value, Array]:
        """The arrays of all that depends on a value, one element of which is changed."""
        if value not in self._downstream:
            found = {value}
            for each in self._order:
                if each.op is not None and any(x in found for x in each.inputs):
                    found.add(each)
            self._downstream[value] = [v for v in self._order if v in found and v is not value]
        changed = self.arrays[value].copy()
        changed[index] += by
        arrays = ChainMap({value: changed}, self.arrays)
        for each in self._downstream[value]:
            arrays[each] = self._computed(each, arrays)
        return arrays

    def _loss(self, value: Value, index: Index, by: float) -> float:
        return float(self._moved(value, index, by)[self.objective])

    def _kink(self, value: Value, index: Index, h: float) -> tuple[str, int]:
        """What bends first between x − 2h and x + 2h, in words, and how many numbers do."""
        told, count = "", 0
        below, above = self._moved(value, index, -2 * h), self._moved(value, index, 2 * h)
        for each in self._downstream[value]:
            if each.op is None or each.op.smooth or not each.op.differentiable:
                continue
            here = self.arrays[each]
            up, down = above[each] - here, here - below[each]
            bent = np.abs(up - down) > 1e-2 * np.maximum(np.abs(up), np.abs(down)) + 1e-15
            if bent.any():
                told = told or self._told(each, tuple(int(i) for i in np.argwhere(bent)[0]))
                count += int(bent.sum())
        return told, count

    def _told(self, value: Value, index: Index) -> str:
        assert value.op is not None
        source = value.inputs[0]
        own = self.structure.canon(source)
        quantity = None if own is None else self.structure.primary.get(own)
        if quantity is None or source.shape != value.shape:
            return value.op.name
        rows = self.structure.recording.labels
        name = quantity.name(index, rows, None)
        return f"{value.op.name} at {quantity.base}{quantity.upper}[{name.lower}]"
