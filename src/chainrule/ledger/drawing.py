"""The network of a ledger as a drawing: columns of nodes, edges between them, and which lines belong to which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chainrule.graph import Value
from chainrule.ledger.structure import Quantity

if TYPE_CHECKING:
    from chainrule.ledger.core import Ledger

COLUMN, ROW, CLOSE_ROW = 128, 92, 84  # distances between nodes, in the drawing's units
MOST_NODES = 6  # of a layer wider than WIDE
WIDE = 10


@dataclass(frozen=True)
class Node:
    """A unit: its place in a column, where it is drawn, and what it is called."""

    id: str
    column: int
    unit: int
    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Edge:
    """A use of one unit's number by another; `weight` is its place in the later layer's matrix."""

    id: str
    start: Node
    end: Node
    weight: tuple[int, int] | None


@dataclass(frozen=True)
class Column:
    """A layer, or an input, in the drawing; `hidden` of its units are not drawn."""

    name: str
    title: str
    x: float
    quantity: Quantity | None
    hidden: int


@dataclass(frozen=True)
class Drawing:
    """What is drawn; `size` is its width and height."""

    columns: tuple[Column, ...]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    size: tuple[float, float]

    def owned(self, quantity: Quantity, shape: tuple[int, ...]) -> dict[tuple[int, ...], str]:
        """The nodes and edges that have a line of a value, by the line's place (in the first row)."""
        if quantity.layer is None and quantity.phase == "given":
            return {}
        columns = [c.name for c in self.columns]
        name = quantity.layer or "loss"
        if name not in columns:
            return {}
        number = columns.index(name)
        if len(shape) == 2 and not quantity.batched:
            edges = [e for e in self.edges if e.end.column == number and e.weight is not None]
            return {e.weight: e.id for e in edges if e.weight is not None}
        axes = len(shape) - quantity.batched
        first = (0,) * quantity.batched
        nodes = [n for n in self.nodes if n.column == number]
        if axes == 1 and all(n.unit < shape[-1] for n in nodes):
            return {(*first, n.unit): n.id for n in nodes}
        return {first: nodes[0].id} if axes == 0 and name == "loss" else {}


def draw(ledger: Ledger) -> Drawing:
    """The drawing of a ledger's network: every unit of a small one, of a wide layer the most important."""
    structure = ledger.structure
    network = structure.recording.step.network
    names = [*network.input_names, *structure.numbers, "loss"]
    outputs = {name: _output(structure.quantities, name) for name in names}
    drawn = [name for name in names if name == "loss" or outputs[name] is not None]
    inputs = [name for name in drawn if name in network.input_names]
    rest = [name for name in drawn if name not in inputs]
    place = dict.fromkeys(inputs, 0) | {name: i + 1 for i, name in enumerate(rest)}
    units = {name: _units(ledger, outputs[name]) for name in drawn}
    tall = max(sum(len(units[name][0]) for name in inputs), *(len(units[n][0]) for n in rest))
    row = ROW if tall <= 6 else CLOSE_ROW
    height = max(tall, 2) * row + 92
    columns: list[Column] = []
    nodes: list[Node] = []
    used = 0
    for number, name in enumerate(drawn):
        quantity = outputs[name]
        shown, hidden = units[name]
        x = 70.0 + COLUMN * place[name]
        columns.append(Column(name, _words(name, structure.numbers), x, quantity, hidden))
        stacked = sum(len(units[n][0]) for n in inputs) if name in inputs else len(shown)
        top = (height + 30 - row * (stacked - 1)) / 2
        for i, unit in enumerate(shown):
            slot = i + (used if name in inputs else 0)
            nodes.append(
                Node(f"n{number}-{unit}", number, unit, x, top + row * slot, _label(quantity, unit))
            )
        if name in inputs:
            used += len(shown)
    edges = tuple(_edges(ledger, columns, nodes))
    width = 70.0 * 2 + COLUMN * max(place.values())
    return Drawing(tuple(columns), tuple(nodes), edges, (width, height))


def _output(quantities: Sequence[Quantity], name: str) -> Quantity | None:
    """What a layer hands on, if that is one number for each unit."""
    found = [
        q
        for q in quantities
        if q.layer == name and q.phase in ("given", "forward") and q.batched and q.value.rank == 2
        and q.base != "mask"
    ]  # fmt: skip
    return found[-1] if found else None


def _words(name: str, numbers: dict[str, int]) -> str:
    return f"{numbers[name]} {name}" if name in numbers else name


def _label(quantity: Quantity | None, unit: int) -> str:
    if quantity is None:
        return "L"
    names = quantity.labels[-1] if quantity.labels else None
    return str(unit) if names is None else names[unit]


def _units(ledger: Ledger, quantity: Quantity | None) -> tuple[list[int], int]:
    """The units of a layer that are drawn, and how many are not."""
    if quantity is None:
        return [0], 0
    array = ledger.arrays[quantity.value]
    width = array.shape[-1]
    if width <= WIDE:
        return list(range(width)), 0
    size = np.abs(array.astype(np.float64)).sum(axis=0)
    back = [
        q for q in ledger.structure.quantities if q.role == "delta" and q.layer == quantity.layer
    ]
    if back and ledger.arrays[back[0].value].shape == array.shape:
        size = size * np.abs(ledger.arrays[back[0].value].astype(np.float64)).sum(axis=0)
    chosen = np.argsort(-np.nan_to_num(size), kind="stable")[:MOST_NODES]
    return sorted(int(i) for i in chosen), width - len(chosen)


def _edges(ledger: Ledger, columns: Sequence[Column], nodes: Sequence[Node]) -> Iterator[Edge]:
    """Which unit's number each unit is made of."""
    at: dict[tuple[Value, int], Node] = {}
    for node in nodes:
        quantity = columns[node.column].quantity
        if quantity is not None:
            at[quantity.value, node.unit] = node
    kernels = {
        q.layer: q for q in ledger.structure.quantities if q.role == "weight" and q.value.rank == 2
    }
    outputs = {c.name: c.quantity for c in columns if c.quantity is not None}
    for node in nodes:
        column = columns[node.column]
        own = column.quantity
        if own is not None and own.phase == "given":
            continue
        for name, unit in sorted(_made_of(ledger, own, node.unit, outputs)):
            start = at.get((outputs[name].value, unit))
            if start is None:
                continue
            dense = column.name in kernels and kernels[column.name].base == "W"
            weight = (unit, node.unit) if dense else None
            middle = unit if dense else f"{start.column}.{unit}"
            yield Edge(f"e{node.column}-{middle}-{node.unit}", start, node, weight)


def _made_of(
    ledger: Ledger, quantity: Quantity | None, unit: int, outputs: dict[str, Quantity]
) -> set[tuple[str, int]]:
    """The units of other columns that a unit's number of the first row is made of, in that row."""
    structure = ledger.structure
    primary = structure.primary
    first = primary[structure.mean] if quantity is None else quantity
    index: tuple[int, ...] = () if quantity is None else (0, unit)
    stack = [(first.value, index)]
    seen = set(stack)
    found: set[tuple[str, int]] = set()
    while stack:
        value, place = stack.pop()
        for source in ledger.formulas.sources(primary[value], place):
            if source in seen:
                continue
            seen.add(source)
            from_ = primary[source[0]]
            layer = from_.layer or ""
            if layer in outputs and layer != first.layer and from_.role != "weight":
                like = outputs[layer].value.shape
                if from_.value.shape == like:  # z as well as a: both are the unit's
                    found.add((layer, source[1][-1]))
            elif from_.phase in ("forward", "loss"):
                stack.append(source)
    return found
