"""A layer on its own: built for some arrays and run on the reference engine, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from chainrule.engines.program import Program, State
from chainrule.engines.reference import Reference
from chainrule.graph import BATCH, Input
from chainrule.layers import Layer
from chainrule.layers.base import PREDICTION, Mode

Array = np.ndarray[Any, Any]


@dataclass
class Bench:
    """Runs one layer; its weights live in `state` from one run to the next."""

    layer: Layer
    state: State = field(default_factory=lambda: State("float64"))

    def __call__(self, *arrays: Any, training: bool = False, seed: int = 0, step: int = 0) -> Array:
        """The output for these arrays; a training run draws its noise for `seed` and `step`."""
        given = [np.asarray(a) for a in arrays]
        inputs = [
            Input((BATCH, *a.shape[1:]), "int" if a.dtype.kind == "i" else "float", f"x{i}")
            for i, a in enumerate(given)
        ]
        self.layer.ensure_built(*(x.shape for x in inputs))
        self.layer.number = self.layer.number or 1
        for index, weight in enumerate(self.layer.weights):
            if weight.parameter not in self.state.arrays:
                shape = tuple(int(d) for d in weight.parameter.shape)  # type: ignore[arg-type]
                self.state[weight.parameter] = weight.initializer(shape, seed=0, index=index)
        key = Input((4,), "int", "key")
        mode = Mode(training=True, key=key) if training else PREDICTION
        output, assignments = self.layer.apply(*inputs, mode=mode)
        program = Program(tuple(inputs), {"output": output}, (key,), tuple(assignments))
        words = np.array([seed, 0, step, 0], np.uint32)
        runner = Reference().prepare(program, self.state)
        return np.array(runner.once(dict(zip(inputs, given, strict=True)), {key: words})["output"])

    def weights(self) -> dict[str, Array]:
        """The weights by their roles."""
        return {w.role: self.state[w.parameter] for w in self.layer.weights}

    def set(self, arrays: Sequence[Any]) -> None:
        """Set the weights, in order."""
        for weight, array in zip(self.layer.weights, arrays, strict=True):
            self.state[weight.parameter] = array


@pytest.fixture
def bench() -> Callable[[Layer], Bench]:
    """Put a layer on the bench: `bench(layer)(x, training=True)`."""
    return Bench
