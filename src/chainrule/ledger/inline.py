"""A small network written down in a TOML file, with its weights and one batch.

```toml
input = [1.0, 0.0]          # or several rows
target = [1.0]
loss = "half_squared_error"
optimizer = "sgd"           # sgd if left out
learning_rate = 10.0
weights_of = "inputs"       # one row of weights for each input; or "units": one for each unit
names = ["A", "B"]          # of the inputs, if they have names

[[layer]]
weights = [[3.7, 2.9], [3.7, 2.9]]
bias = [-1.5, -4.5]         # zeros if left out
activation = "sigmoid"      # none if left out
names = ["D", "E"]
```
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import activations, layers, losses, optimizers
from chainrule.errors import ChainruleError, DataError, UsageError, unknown_name
from chainrule.ledger.core import Ledger, explain
from chainrule.model import Sequential

KEYS = (
    "input", "target", "loss", "optimizer", "learning_rate", "momentum", "weights_of", "names",
    "precision", "layer",
)  # fmt: skip
LAYER_KEYS = ("weights", "bias", "activation", "names", "name")


@dataclass(frozen=True)
class Inline:
    """A network, a batch, and how it is to be shown."""

    model: Sequential
    x: Any
    y: Any
    units: Mapping[str, Sequence[str]]

    def ledger(self, step: int | str = "next") -> Ledger:
        """The ledger of a step on the batch."""
        return explain(self.model, self.x, self.y, step=step, units=self.units)


def read(path: str) -> Inline:
    """The network in a file; what is wrong is said with its line."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise UsageError(f"{path} cannot be read ({reason}).") from error
    return parse(text, path)


def parse(text: str, path: str = "network") -> Inline:
    """The network in a TOML text."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is not TOML: {_lower(str(error))}.") from error
    return _Reader(text, path).network(found)


class _Reader:
    """Turns what the file says into a model, and knows on which line it says it."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.lines: dict[tuple[int, str], int] = {}  # by the layer's number (0: none) and the key
        layer = 0
        for number, line in enumerate(text.splitlines(), 1):
            if re.match(r"\s*\[\[\s*layer\s*\]\]", line):
                layer += 1
                self.lines[layer, ""] = number
            elif key := re.match(r"\s*([\w-]+)\s*=", line):
                self.lines.setdefault((layer, key[1]), number)

    def wrong(self, layer: int, key: str, words: str) -> DataError:
        """The error for what stands at a key."""
        line = self.lines.get((layer, key)) or self.lines.get((layer, ""))
        where = f"{self.path}, line {line}" if line else self.path
        return DataError(f"{where}: {words}")

    def network(self, found: Mapping[str, Any]) -> Inline:
        """The model and its batch."""
        self._known(found, KEYS, 0)
        for needed in ("input", "target", "layer"):
            if needed not in found:
                what = "[[layer]]" if needed == "layer" else needed
                raise DataError(
                    f"{self.path} has no {what}: a network needs input, target and layers."
                )
        x, y = self._rows(found, "input"), self._rows(found, "target")
        if len(x) != len(y):
            raise self.wrong(0, "target", f"{len(y)} target rows for {len(x)} input rows.")
        given = found["layer"] if isinstance(found["layer"], list) else [found["layer"]]
        by_unit = self._choice(found, "weights_of", ("inputs", "units"), "inputs") == "units"
        arrays: list[Any] = []
        made: list[layers.Layer] = []
        width = x.shape[1]
        units: dict[str, Sequence[str]] = {}
        if names := self._names(found, 0, width):
            units["input_1"] = names
        for number, layer in enumerate(given, 1):
            self._known(layer, LAYER_KEYS, number)
            kernel = self._kernel(layer, number, width, by_unit)
            width = kernel.shape[1]
            bias = self._numbers(number, "bias", layer.get("bias", [0.0] * width))
            if bias.shape != (width,):
                raise self.wrong(
                    number, "bias", f"{bias.size} biases for {width} unit(s): give one for each."
                )
            activation = self._brick(number, "activation", activations.get, layer.get("activation"))
            name = str(layer.get("name", f"layer_{number}" if len(given) > 1 else "layer"))
            made.append(layers.Dense(width, activation=activation, name=name))
            if names := self._names(layer, number, width):
                units[name] = names
            arrays += [kernel, bias]
        model = Sequential(made)
        model.build((x.shape[1],))
        model.set_weights(arrays)
        loss = self._brick(0, "loss", losses.get, found.get("loss", "half_squared_error"))
        precision = self._choice(found, "precision", ("float64", "float32"), "float64")
        model.compile(self._optimizer(found), loss, precision=precision)
        targets: Any = y
        if loss.target(model.network.outputs[0].shape)[1] == "int":  # type: ignore[union-attr]
            targets = y[:, 0].astype(int)
        elif y.shape[1] != width:
            raise self.wrong(
                0,
                "target",
                f"{y.shape[1]} number(s) a row, but the last layer has {width} unit(s).",
            )
        return Inline(model, x, targets, units)

    def _known(self, found: Mapping[str, Any], keys: Sequence[str], layer: int) -> None:
        for key in found:
            if key not in keys:
                raise self.wrong(layer, key, str(unknown_name("key", key, keys)))

    def _choice(self, found: Mapping[str, Any], key: str, known: Sequence[str], usual: str) -> str:
        value = found.get(key, usual)
        if value not in known:
            raise self.wrong(0, key, f"{key} is {value!r}, expected {' or '.join(known)}.")
        return str(value)

    def _numbers(self, layer: int, key: str, given: Any) -> Any:
        try:
            array = np.array(given, dtype=np.float64)
        except (TypeError, ValueError):
            array = np.array(np.nan)
        if not np.isfinite(array).all():
            raise self.wrong(layer, key, f"{key} must be numbers, in rows of equal length.")
        return array

    def _rows(self, found: Mapping[str, Any], key: str) -> Any:
        array = np.atleast_1d(self._numbers(0, key, found[key]))
        if array.ndim == 1:
            array = array[None, :]
        if array.ndim != 2 or not array.size:
            raise self.wrong(0, key, f"{key} is one row of numbers, or a list of rows.")
        return array

    def _kernel(self, layer: Mapping[str, Any], number: int, fan_in: int, by_unit: bool) -> Any:
        if "weights" not in layer:
            raise self.wrong(number, "", f"layer {number} has no weights.")
        array = self._numbers(number, "weights", layer["weights"])
        if array.ndim != 2 or not array.size:
            raise self.wrong(number, "weights", "weights are rows of numbers: [[…], […]].")
        kernel = array.T if by_unit else array
        if kernel.shape[0] != fan_in:
            raise self.wrong(
                number,
                "weights",
                f"layer {number} takes {fan_in} number(s), but its weights are for {kernel.shape[0]}: "
                f"weights_of = {'units' if by_unit else 'inputs'!r} means one row for each "
                f"{'unit' if by_unit else 'input'}.",
            )
        return kernel

    def _names(self, found: Mapping[str, Any], layer: int, width: int) -> Sequence[str] | None:
        names = found.get("names")
        if names is None:
            return None
        if not isinstance(names, list) or len(names) != width or len(set(names)) != width:
            raise self.wrong(layer, "names", f"names must be {width} different ones.")
        return [str(name) for name in names]

    def _brick(self, layer: int, key: str, get: Any, given: Any) -> Any:
        try:
            return get(given)
        except ChainruleError as error:
            raise self.wrong(layer, key, str(error)) from error

    def _optimizer(self, found: Mapping[str, Any]) -> Any:
        name = found.get("optimizer", "sgd")
        optimizer = self._brick(0, "optimizer", optimizers.get, name)
        settings = {k: found[k] for k in ("learning_rate", "momentum") if k in found}
        try:
            return type(optimizer)(**settings) if settings else optimizer
        except (TypeError, ChainruleError) as error:
            key = next(iter(settings))
            raise self.wrong(0, key, str(error)) from error


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]
