"""A network and its weights: what a model is before anyone says how it is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from chainrule.engines.program import Array, State
from chainrule.errors import ShapeError, UsageError, unknown_name
from chainrule.families import check
from chainrule.graph import Shape, shape_text
from chainrule.layers.base import Layer, Weight
from chainrule.layers.network import Network, input_symbol
from chainrule.model.summary import describe, table


class WeightedNetwork:
    """A network whose weights lie in a `State`, once the shape of its inputs is known.

    Layers keep the state their weights were first given values in; networks that share layers share it.
    """

    seed: int
    name: str | None
    network: Network | None
    state: State

    def _prepare(self, seed: int, name: str | None) -> None:
        check(SimpleNamespace(seed=seed), type(self).__name__, seed="whole [0, inf)")
        self.seed, self.name = int(seed), name
        self.network = None
        # until compile says otherwise: no digit of the user's is lost
        self.state = State("float64")

    @property
    def layers(self) -> list[Layer]:
        """The layers in order."""
        return self._built().layers

    def get_layer(self, name: str) -> Layer:
        """The layer called `name`."""
        self._built()
        named = {str(layer.name): layer for layer in self.layers}
        if name not in named:
            raise unknown_name("layer", name, named)
        return named[name]

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of this shape (one example's; a leading None is the batch axis)."""
        expected = [s.shape for s in self._built().inputs]
        if expected != [with_batch(input_shape)]:
            raise ShapeError(
                f"The model takes inputs of shape {', '.join(map(shape_text, expected))}."
            )

    def _set_network(self, network: Network, weights: Sequence[Any] | None = None) -> None:
        """Take the network, and give the weights that have none yet their first values."""
        homes = {id(k.home): k.home for k in network.layers if k.weights and k.home is not None}
        if len(homes) > 1:
            raise UsageError(
                "The layers belong to two models already built: put them together before the first use."
            )
        self.state = next(iter(homes.values()), self.state)
        # what other models hold has been drawn with smaller numbers: no two weights share theirs
        taken = len(self.state.arrays)
        first = {}
        for index, weight in enumerate(network.weights):
            if weights is not None:
                first[weight.parameter] = weights[index]
            elif weight.parameter not in self.state.arrays:
                first[weight.parameter] = _first_values(weight, self.seed, taken + index)
        for parameter, array in first.items():
            self.state[parameter] = array
        for layer in network.layers:
            layer.home = self.state
        self.network = network

    def _built(self) -> Network:
        if self.network is None:
            raise UsageError(
                "The model has no weights yet: they are made at the first fit, or by model.build(shape of one example)."
            )
        return self.network

    def get_weights(self) -> list[Array]:
        """Copies of all weights, layer by layer: kernel (fan_in, fan_out), bias, … (Keras' order)."""
        return [self.state[w.parameter].copy() for w in self._built().weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all weights, in the order of `get_weights`."""
        slots = self._built().weights
        if len(weights) != len(slots):
            raise ShapeError(f"The model has {len(slots)} weight arrays, {len(weights)} given.")
        for slot, array in zip(slots, weights, strict=True):
            if np.shape(array) != slot.parameter.shape:
                raise ShapeError(
                    f"{slot.parameter.name} has shape {shape_text(slot.parameter.shape)}, the array given "
                    f"{shape_text(np.shape(array))}."
                )
        for slot, array in zip(slots, weights, strict=True):
            self.state[slot.parameter] = array

    def count_params(self) -> int:
        """The number of weights."""
        return sum(self.state[w.parameter].size for w in self._built().weights)

    def describe(self) -> list[dict[str, Any]]:
        """The layers as data: name and type, output shape, number of parameters."""
        return describe(self._built())

    def summary(self, print_fn: Callable[[str], object] = print) -> None:
        """Print a table of the layers."""
        print_fn(table(self._built(), self.name))


def with_batch(shape: Any) -> Shape:
    """One example's shape with the batch axis before it; a leading None is the batch axis already."""
    sizes = [shape] if isinstance(shape, int) else list(shape)
    if sizes and sizes[0] is None:
        sizes = sizes[1:]
    return input_symbol(sizes).shape


def _first_values(weight: Weight, seed: int, index: int) -> Any:
    shape = cast("tuple[int, ...]", weight.parameter.shape)
    try:
        return weight.initializer(shape, seed=seed, index=index)
    except ShapeError as error:
        raise ShapeError(f"{weight.parameter.name}: {error}") from error
