"""Layers put together: any graph of layers without cycles, with any number of inputs and outputs."""

from __future__ import annotations

import itertools
import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.errors import ShapeError, UsageError
from chainrule.graph import BATCH, Kind, Value, shape_text
from chainrule.layers.base import LAYERS, Assignment, Layer, Mode, Symbol, Weight


def input_symbol(
    shape: int | Sequence[int], *, name: str | None = None, kind: Kind = "float"
) -> Symbol:
    """An input of a functional model; `shape` is one example's, without the batch axis.

    `kind="int"` takes whole numbers, for an Embedding.
    """
    try:
        sizes = tuple(operator.index(d) for d in (shape if np.iterable(shape) else (shape,)))
    except TypeError:
        sizes = (0,)
    if any(d < 1 for d in sizes):
        raise UsageError(
            f"cr.Input takes one example's shape, whole numbers of at least 1, not {shape!r}."
        )
    if kind not in ("float", "int"):
        raise UsageError(f"cr.Input: kind is 'float' or 'int', not {kind!r}.")
    return Symbol((BATCH, *sizes), None, (), name, kind)


class Network:
    """The layers between some inputs and some outputs, named and in order.

    Inputs are called by the names they were given, outputs by `output_names` or else their layers.
    """

    def __init__(
        self,
        inputs: Sequence[Symbol],
        outputs: Sequence[Symbol],
        output_names: Sequence[str] | None = None,
    ) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.named_outputs = output_names is not None
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
        self._check()
        self._name_layers()
        self.input_names = [s.name or f"input_{i}" for i, s in enumerate(self.inputs, 1)]
        if twice := _twice(self.input_names):
            raise UsageError(f"Two inputs are called {twice!r}: give each a name of its own.")
        by_layer = [s.layer.name or "" if s.layer is not None else "input" for s in self.outputs]
        self.output_names = _distinct(by_layer) if output_names is None else list(output_names)

    def _check(self) -> None:
        for symbol in self.symbols:
            if symbol.shape[:1] != (BATCH,):
                where = symbol.layer.described if symbol.layer is not None else "An input"
                raise ShapeError(
                    f"{where}: the output {shape_text(symbol.shape)} has lost the batch axis."
                )
        for layer in self.layers:
            for other in vars(layer).values():
                if isinstance(other, Layer) and other not in self.layers:
                    raise UsageError(
                        f"{layer.described} is tied to {other.described}, which is not part of the model."
                    )

    def _name_layers(self) -> None:
        named = [layer.name for layer in self.layers if layer.name]
        if twice := _twice(named):
            raise UsageError(
                f"Two layers are called {twice!r}: every layer needs a name of its own."
            )
        taken = set(named)
        numbers = {layer.number for layer in self.layers}
        free = (n for n in itertools.count(1) if n not in numbers)
        for layer in self.layers:
            layer.number = layer.number or next(free)  # no two layers share a random stream
            if not layer.name:
                stem = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(layer).__name__).lower()
                choices = (
                    stem if i == 0 else f"{stem}_{i}" for i in range(len(self.layers) + len(taken))
                )
                layer.name = next(c for c in choices if c not in taken)
                taken.add(layer.name)
            for weight in layer.weights:
                weight.parameter.name = f"{layer.name}/{weight.role}"

    def reader(self, place: int) -> Layer | None:
        """Of the layers that look up an input's whole numbers, the one that takes the fewest."""
        readers = [
            s.layer
            for s in self.symbols
            if s.layer is not None and s.layer.limit is not None and self.inputs[place] in s.inputs
        ]
        return min(readers, key=lambda layer: layer.limit or 0, default=None)

    @property
    def weights(self) -> list[Weight]:
        """Every weight, layer by layer, each once."""
        return [weight for layer in self.layers for weight in layer.weights]

    def apply(self, inputs: Sequence[Value], mode: Mode) -> tuple[list[Value], list[Assignment]]:
        """The outputs' values for these inputs, and the state a training step changes."""
        values, assignments = self.trace(inputs, mode)
        return [values[s] for s in self.outputs], assignments

    def trace(
        self, inputs: Sequence[Value], mode: Mode
    ) -> tuple[dict[Symbol, Value], list[Assignment]]:
        """The value of every symbol for these inputs, and the state a training step changes."""
        values: dict[Symbol, Value] = dict(zip(self.inputs, inputs, strict=True))
        assignments: list[Assignment] = []
        for symbol in self.symbols:
            if symbol.layer is not None:
                value, changed = symbol.layer.apply(*(values[s] for s in symbol.inputs), mode=mode)
                values[symbol] = value
                assignments += changed
        return values, assignments

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
            built = [list(shape[1:]) for shape in layer.built or ()]
            layers.append({**config, "number": layer.number, "built": built})
        return {
            "inputs": [
                {"shape": list(s.shape[1:]), "name": s.name, "kind": s.kind} for s in self.inputs
            ],
            "output_names": self.output_names if self.named_outputs else None,
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
    made: dict[int, Layer] = {}

    def layer_at(place: int) -> Layer:
        """Make a layer, after those it is tied to."""
        if place not in made:
            described = config["layers"][place]
            settings = {
                key: layer_at(value["layer"])
                if isinstance(value, Mapping) and set(value) == {"layer"}
                else value
                for key, value in described["settings"].items()
            }
            layer = made[place] = LAYERS.from_config({**described, "settings": settings})
            layer.number = described["number"]
            layer.ensure_built(*((BATCH, *sizes) for sizes in described["built"]))
        return made[place]

    layers = [layer_at(place) for place in range(len(config["layers"]))]
    symbols = list(inputs)
    for node in config["nodes"]:
        symbols.append(layers[node["layer"]]([symbols[i] for i in node["inputs"]]))
    return Network(inputs, [symbols[i] for i in config["outputs"]], config["output_names"])


def chain(layers: Sequence[Layer], first: Symbol) -> Network:
    """The layers one after another, from this input on."""
    symbol = first
    for layer in layers:
        symbol = layer([symbol])
        if symbol.shape[:1] != (BATCH,):
            break  # which the network reports
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


def _twice(names: Sequence[str]) -> str | None:
    return next((n for n in names if names.count(n) > 1), None)


def _distinct(names: Sequence[str]) -> list[str]:
    return [n if names.index(n) == i else f"{n}_{i}" for i, n in enumerate(names)]
