"""Choosing from a ledger: a value or line by its name, a layer, a unit, the way from one number to another."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from chainrule.engines.program import Array
from chainrule.errors import UsageError, unknown_name
from chainrule.graph import Value
from chainrule.ledger.lines import Formulas, Place
from chainrule.ledger.structure import Quantity, Structure, shown_title

Arrays = Mapping[Value, Array]
Choice = Callable[[Quantity], Array]  # which elements of a value are meant, as a mask
Index = tuple[int, ...]

MOST_ON_A_WAY = 5_000


# --- by name --------------------------------------------------------------------------------------


def titles(structure: Structure) -> list[str]:
    """The names of the values: `x`, `W¹`, `z¹`, … `δ¹`, `∂L/∂W¹`, …"""
    return list(dict.fromkeys(shown_title(q) for q in structure.quantities))


def called(structure: Structure, title: str) -> list[Quantity]:
    """The values that go by a name; several where units have names of their own."""
    wanted = _plainly(title)
    every = structure.quantities
    found = [q for q in every if wanted in (_plainly(shown_title(q)), _plainly(q.title))]
    if not found:
        raise unknown_name("value of the ledger", title, titles(structure))
    return found


def find(formulas: Formulas, arrays: Arrays, name: str) -> tuple[Quantity, Index]:
    """The place of one number by its name, such as `δ¹[0]` or `W1[2→0]`."""
    title, _, place = name.partition("[")
    wanted = _plainly(place.rstrip("]"))
    numbers = tuple(map(int, re.findall(r"\d+", wanted)))
    rows = formulas.row_labels
    for quantity in called(formulas.structure, title):
        shape = arrays[quantity.value].shape
        likely = numbers if quantity.batched is False or len(rows) > 1 else (0, *numbers)
        if len(rows) > 1 and quantity.batched and numbers and numbers[0] in rows:
            likely = (rows.index(numbers[0]), *numbers[1:])
        fits = len(likely) == len(shape) and all(i < n for i, n in zip(likely, shape, strict=True))
        for index in [*([likely] if fits else []), *np.ndindex(*shape)]:
            lowers = [quantity.name(index, rows, None, by).lower for by in (False, True)]
            if wanted in (*map(_plainly, lowers), ",".join(map(str, index))):
                return quantity, index
    last = quantity.name(tuple(n - 1 for n in shape), rows, None)
    raise UsageError(
        f"{name} does not exist: {title} has shape {shape}, its last element is "
        f"{title}[{last.lower}]."
    )


def _plainly(title: str) -> str:
    """A name as it can be typed: `dL/dW1[0>1]`."""
    digits = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "01234567890123456789")
    spelt = {
        "∂": "d",
        "δ": "delta",
        "η": "eta",
        "σ": "sigma",
        "→": ">",
        "←": "<",
        "′": "'",
        "Δ": "Delta",
        " ": "",
    }
    for letter, plain in spelt.items():
        title = title.replace(letter, plain)
    return title.translate(digits)


# --- parts ----------------------------------------------------------------------------------------


def layer(structure: Structure, arrays: Arrays, name: str) -> Choice:
    """All of one layer."""
    if name not in structure.numbers:
        raise unknown_name("layer", str(name), structure.numbers)
    return lambda quantity: np.full(arrays[quantity.value].shape, quantity.layer == name)


def unit(
    structure: Structure, arrays: Arrays, quantities: Sequence[Quantity], number: int | str
) -> Choice:
    """One unit (its number, or its name) of the only layer among some values."""
    layers = {q.layer for q in quantities if q.layer in structure.numbers}
    if len(layers) != 1:
        raise UsageError(
            'Choose a layer before a unit: ledger["dense"].unit(3). The layers are '
            f"{', '.join(structure.numbers)}."
        )
    (name,) = layers
    widths = [
        arrays[q.value].shape[-1]
        for q in quantities
        if q.phase == "forward" and arrays[q.value].ndim > 1
    ]
    names = structure.units.get(str(name))
    width = widths[-1] if widths else 0
    place = number
    if isinstance(number, str) and names is not None and number in names:
        place = list(names).index(number)
    if not isinstance(place, int) or not 0 <= place < width:
        known = ", ".join(names) if names else f"0 to {width - 1}"
        raise UsageError(f"Unit {number} does not exist: the units of layer {name} are {known}.")

    def chosen(quantity: Quantity) -> Array:
        mask = np.zeros(arrays[quantity.value].shape, bool)
        if mask.ndim and mask.shape[-1] == width:
            mask[..., place] = True
        return mask

    return chosen


def way(formulas: Formulas, arrays: Arrays, begin: Place, goal: Place) -> Choice | None:
    """All numbers on the ways from one to another, and their gradients; None where there is no way."""
    structure = formulas.structure
    order = [
        (q, index)
        for q in structure.quantities
        if q.phase in ("forward", "loss") and structure.primary[q.value] is q
        for index in np.ndindex(*arrays[q.value].shape)
    ]
    if len(order) > MOST_ON_A_WAY:
        raise UsageError(
            f"The ways through {len(order):,} numbers are too many to follow: choose a layer and a unit instead."
        )
    sources = {(q.value, i): formulas.sources(q, i) for q, i in order}
    reached = {begin}
    for place, read in sources.items():
        if read & reached:
            reached.add(place)
    if goal not in reached:
        return None
    wanted = {goal}
    for place, read in reversed(sources.items()):
        if place in wanted:
            wanted |= read & reached

    def chosen(quantity: Quantity) -> Array:
        back = quantity.of if quantity.phase == "backward" else None
        mask = np.zeros(arrays[quantity.value].shape, bool)
        for value, index in wanted:
            if value is (quantity.value if back is None else back):
                mask[index] = True
        return mask

    return chosen
