"""Layers put together: any graph of layers without cycles, with any number of inputs and outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.errors import ShapeError, UsageError
from chainrule.graph import BATCH, Kind, Shape, Value, shape_text
from chainrule.layers.base import LAYERS, Assignment, Layer, Mode, Symbol, Weight


def input_symbol(shape: Sequence[int], *, name: str | None = None, kind: Kind = "float") -> Symbol:
    """An input of a functional model; `shape` is one example's, without the batch axis.

    `kind="int"` takes whole numbers, for an Embedding.
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(not isinstance(d, int) or d < 1 for d in sizes):
        raise UsageError(
            f"cr.Input takes one example's shape, whole numbers of at least 1, not {shape!r}."
        )
    return Symbol((BATCH, *sizes), None, (), name, kind)


class Network:
    """The layers between some inputs and some outputs, named and in order."""

    def __init__(self, inputs: Sequence[Symbol], outputs: Sequence[Symbol]) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.symbols = _in_order(self.outputs)
        for symbol in self.symbols:
            if symbol.layer is None and symbol not in self.inputs:
                raise UsageError(
                    f"An output needs the input {symbol.name or shape_text(symbol.shape)}, which is not among the "
                    "model's inputs."
                )
        self.layers: list[Layer] = list(
            dict.fromkeys(s.layer for s in self.symbols if s.layer is not None)
        )
        self._name_layers()
        self.input_names = [s.name or f"input_{i}" for i, s in enumerate(self.inputs, 1)]
        self.output_names = _distinct(
            [s.layer.name or "output" if s.layer is not None else "input" for s in self.outputs]
        )

    def _name_layers(self) -> None:
        taken: set[str] = {layer.name for layer in self.layers if layer.name}
        named = [layer.name for layer in self.layers if layer.name]
        if len(named) != len(taken):
            twice = next(n for n in named if named.count(n) > 1)
            raise UsageError(
                f"Two layers are called {twice!r}: every layer needs a name of its own."
            )
        for number, layer in enumerate(self.layers, 1):
            layer.number = layer.number or number
            if not layer.name:
                stem = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(layer).__name__).lower()
                choices = (
                    stem if i == 0 else f"{stem}_{i}" for i in range(len(self.layers) + len(taken))
                )
                layer.name = next(c for c in choices if c not in taken)
                taken.add(layer.name)
            for weight in layer.weights:
                weight.parameter.name = f"{layer.name}/{weight.role}"

    @property
    def weights(self) -> list[Weight]:
        """Every weight, layer by layer, each once."""
        return [weight for layer in self.layers for weight in layer.weights]

    def apply(self, inputs: Sequence[Value], mode: Mode) -> tuple[list[Value], list[Assignment]]:
        """The outputs' values for these inputs, and the state a training step changes."""
        values: dict[Symbol, Value] = dict(zip(self.inputs, inputs, strict=True))
        assignments: list[Assignment] = []
        for symbol in self.symbols:
            if symbol.layer is not None:
                value, changed = symbol.layer.apply(*(values[s] for s in symbol.inputs), mode=mode)
                values[symbol] = value
                assignments += changed
        return [values[s] for s in self.outputs], assignments

    def config(self) -> dict[str, Any]:
        """The network as JSON data."""
        place = {layer: i for i, layer in enumerate(self.layers)}
        number = {symbol: i for i, symbol in enumerate([*self.inputs, *self._inner()])}
        layers = []
        for layer in self.layers:
            config = layer.config()
            for key in config["settings"]:
                other = getattr(layer, key)
                if isinstance(other, Layer):  # weights tied to another layer's, not a copy of it
                    config["settings"][key] = {"layer": place[other]}
            layers.append({**config, "number": layer.number})
        return {
            "inputs": [
                {"shape": list(s.shape[1:]), "name": s.name, "kind": s.kind} for s in self.inputs
            ],
            "layers": layers,
            "nodes": [
                {"layer": place[s.layer], "inputs": [number[x] for x in s.inputs]}
                for s in self._inner()
                if s.layer is not None
            ],
            "outputs": [number[s] for s in self.outputs],
        }

    def _inner(self) -> list[Symbol]:
        return [s for s in self.symbols if s.layer is not None]


def network_from_config(config: Mapping[str, Any]) -> Network:
    """The network a configuration describes, its weights not yet given values."""
    inputs = [
        input_symbol(tuple(i["shape"]), name=i["name"], kind=i["kind"]) for i in config["inputs"]
    ]
    layers: list[Layer] = []
    for described in config["layers"]:
        settings = {
            key: layers[value["layer"]]
            if isinstance(value, Mapping) and set(value) == {"layer"}
            else value
            for key, value in described["settings"].items()
        }
        layer = LAYERS.from_config({**described, "settings": settings})
        layer.number = described["number"]
        layers.append(layer)
    symbols = list(inputs)
    for node in config["nodes"]:
        symbols.append(layers[node["layer"]]([symbols[i] for i in node["inputs"]]))
    return Network(inputs, [symbols[i] for i in config["outputs"]])


def chain(layers: Sequence[Layer], shape: Shape) -> Network:
    """The layers one after another, for inputs of this shape (batch axis included)."""
    first = symbol = Symbol(shape)
    for layer in layers:
        symbol = layer([symbol])
        if not symbol.shape or symbol.shape[0] is not BATCH:
            raise ShapeError(
                f"{layer.described}: the output {shape_text(symbol.shape)} has lost the batch axis."
            )
    return Network([first], [symbol])


def _in_order(outputs: Sequence[Symbol]) -> list[Symbol]:
    order: dict[Symbol, None] = {}
    stack = [(s, False) for s in reversed(outputs)]
    while stack:
        symbol, ready = stack.pop()
        if ready:
            order[symbol] = None
        elif symbol not in order:
            stack.append((symbol, True))
            stack.extend((s, False) for s in reversed(symbol.inputs))
    return list(order)


def _distinct(names: Sequence[str]) -> list[str]:
    return [n if names.index(n) == i else f"{n}_{i}" for i, n in enumerate(names)]
