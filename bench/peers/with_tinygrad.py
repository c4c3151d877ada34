"""tinygrad: a step recorded once and replayed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import numpy as np
from configs import Config
from tinygrad import Tensor, TinyJit, nn
from tinygrad.helpers import Context

from peers.clock import now


def versions() -> dict[str, str]:
    """Versions of what is timed."""
    return {"tinygrad": version("tinygrad")}


class Session:
    """The recorded step takes its batch as two arrays."""

    def __init__(self, config: Config, x: Any, y: Any, options: Mapping[str, Any]) -> None:
        self.config, self.x = config, x
        self.y = np.asarray(y, np.int32 if config.classes else np.float32)
        self.draw = np.random.default_rng(1)
        self.step, self.net = self._recorded()

    def _recorded(self) -> tuple[Any, Any]:
        widths = self.config.widths
        layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
        optimizer = nn.optim.Adam([p for k in layers for p in (k.weight, k.bias)], lr=1e-3)

        def net(x: Any) -> Any:
            for layer in layers[:-1]:
                x = layer(x)
                x = x.relu() if self.config.activation == "relu" else x.tanh()
            return layers[-1](x)

        @TinyJit
        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            out = net(x)
            classes = self.config.classes
            loss = out.sparse_categorical_crossentropy(y) if classes else (out - y).square().mean()
            loss.backward()
            return loss.realize(*optimizer.schedule_step())

        return step, net

    def _train(self, step: Any, epochs: int) -> None:
        for _ in range(epochs):
            for chosen in self.draw.permutation(self.config.rows).reshape(self.config.steps, -1):
                loss = self._step(step, chosen)
            loss.item()

    def _step(self, step: Any, chosen: Any) -> Any:
        with Context(TRAINING=1):
            return step(Tensor(self.x[chosen]).realize(), Tensor(self.y[chosen]).realize())

    def epochs(self, n: int) -> Any:
        """The time of n epochs; the first steps, which record, are not counted."""
        for _ in range(3):
            self._step(self.step, np.arange(self.config.batch))
        begun = now()
        self._train(self.step, n)
        return now() - begun

    def whole(self, n: int) -> Any:
        """The time from nothing to a network trained for n epochs."""
        begun = now()
        step, self.net = self._recorded()
        self._train(step, n)
        return now() - begun

    def classes(self, x: Any) -> Any:
        """The classes that the network of the last `whole` predicts."""
        return self.net(Tensor(x)).argmax(1).numpy()


session = Session
