"""A training step worked out as a student would: dense layers, ½‖t − y‖², gradient descent.

Every number can be replaced by a student's own before the next is computed from it, and every rule by
a mistaken one. The right numbers are the ledger's; this is how the checker goes on from wrong ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Key = tuple[str, int]  # what is computed, and in which layer (from 1; 0: the loss)
Numbers = dict[Key, Array]
Rule = Callable[["Sheet", Numbers, int], Array]

FUNCTIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]] = {
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z, a: a * (1 - a)),
    "tanh": (np.tanh, lambda z, a: 1 - a**2),
    "relu": (lambda z: np.maximum(z, 0.0), lambda z, a: (z > 0).astype(float)),
    "linear": (lambda z: z, lambda z, a: np.ones_like(z)),
}


@dataclass(frozen=True)
class Sheet:
    """What is given: weights (fan_in, units) and biases of each layer, rows, targets, learning rate."""

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    activations: tuple[str, ...]
    x: Array
    target: Array
    rate: float

    @property
    def depth(self) -> int:
        """The number of layers."""
        return len(self.weights)

    @property
    def rows(self) -> int:
        """The number of rows of the batch."""
        return len(self.x)

    def kernel(self, layer: int) -> Array:
        """W of a layer, counted from 1."""
        return self.weights[layer - 1]

    def bias(self, layer: int) -> Array:
        """b of a layer."""
        return self.biases[layer - 1]

    def activation(self, layer: int) -> str:
        """The name of a layer's activation."""
        return self.activations[layer - 1]

    def before(self, numbers: Numbers, layer: int) -> Array:
        """What enters a layer: the rows, or the activations before it."""
        return self.x if layer == 1 else numbers["a", layer - 1]

    def slope(self, numbers: Numbers, layer: int) -> Array:
        """g'(z) of a layer."""
        return FUNCTIONS[self.activation(layer)][1](numbers["z", layer], numbers["a", layer])


def keys(sheet: Sheet) -> Iterator[Key]:
    """What there is to work out, in order."""
    layers = range(1, sheet.depth + 1)
    for layer in layers:
        yield "z", layer
        yield "a", layer
    yield "L", 0
    for layer in reversed(layers):
        yield "delta", layer
        yield "dL/dW", layer
        yield "dL/db", layer
    for layer in layers:
        yield "W'", layer
        yield "b'", layer


def _delta(sheet: Sheet, numbers: Numbers, layer: int) -> Array:
    if layer == sheet.depth:
        error = (numbers["a", layer] - sheet.target) / sheet.rows
    else:
        error = numbers["delta", layer + 1] @ sheet.kernel(layer + 1).T
    return error * sheet.slope(numbers, layer)


RIGHT: dict[str, Rule] = {
    "z": lambda s, n, k: s.before(n, k) @ s.kernel(k) + s.bias(k),
    "a": lambda s, n, k: FUNCTIONS[s.activation(k)][0](n["z", k]),
    "L": lambda s, n, k: np.asarray(0.5 * np.sum((s.target - n["a", s.depth]) ** 2) / s.rows),
    "delta": _delta,
    "dL/dW": lambda s, n, k: s.before(n, k).T @ n["delta", k],
    "dL/db": lambda s, n, k: n["delta", k].sum(axis=0),
    "W'": lambda s, n, k: s.kernel(k) - s.rate * n["dL/dW", k],
    "b'": lambda s, n, k: s.bias(k) - s.rate * n["dL/db", k],
}


def worked(
    sheet: Sheet,
    given: Mapping[Key, Array] | None = None,
    mistake: Callable[[Key], Rule | None] | None = None,
) -> tuple[Numbers, Numbers]:
    """All numbers, each computed from those before it: as they should be, and as one goes on with.

    One goes on with the numbers `given` (NaN: none), and computes by the rule of `mistake` where it has one.
    """
    expected: Numbers = {}
    used: Numbers = {}
    with np.errstate(all="ignore"):
        for key in keys(sheet):
            rule = (mistake(key) if mistake else None) or RIGHT[key[0]]
            found = np.asarray(rule(sheet, used, key[1]), dtype=float)
            if np.isnan(found).all() and rule is not RIGHT[key[0]]:  # it cannot be made here
                found = np.asarray(RIGHT[key[0]](sheet, used, key[1]), dtype=float)
            expected[key] = np.broadcast_to(found, shape(sheet, key))
            own = None if given is None else given.get(key)
            used[key] = (
                expected[key] if own is None else np.where(np.isnan(own), expected[key], own)
            )
    return expected, used


def shape(sheet: Sheet, key: Key) -> tuple[int, ...]:
    """The shape of what is worked out."""
    what, layer = key
    if what == "L":
        return ()
    if what in ("z", "a", "delta"):
        return sheet.rows, sheet.kernel(layer).shape[1]
    array = sheet.kernel(layer) if "W" in what else sheet.bias(layer)
    return tuple(array.shape)


def name(key: Key, index: tuple[int, ...], sheet: Sheet) -> str:
    """How an answer is called: `z1[0]`, `dL/dW2[0>1]`, with `r1,` before the unit for several rows."""
    what, layer = key
    if what == "L":
        return "L"
    where = str(layer)
    if what in ("z", "a", "delta"):
        row, unit = index
        inner = f"r{row},{unit}" if sheet.rows > 1 else str(unit)
    else:
        inner = ">".join(map(str, index))
    return f"{what}{where}[{inner}]"
