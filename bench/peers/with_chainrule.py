"""chainrule, through what a user calls: `model.fit`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from configs import Config

import chainrule as cr
from chainrule import training
from peers.clock import now


def versions() -> dict[str, str]:
    """Versions of what is timed, and the instruction set chosen."""
    from chainrule import _native

    return {"chainrule": cr.__version__, "instruction set": _native.chosen_isa()}


class Session:
    """Epochs are timed between their ends, so that what comes before the first one's end is not counted."""

    def __init__(self, config: Config, x: Any, y: Any, options: Mapping[str, Any]) -> None:
        self.config, self.x, self.y, self.options = config, x, y, options

    def model(self, seed: int = 0) -> cr.Sequential:
        """A new model."""
        *hidden, last = self.config.widths[1:]
        layers = [cr.layers.Dense(n, activation=self.config.activation) for n in hidden]
        classes = self.config.classes
        layers.append(cr.layers.Dense(last, activation="softmax" if classes else None))
        model = cr.Sequential(layers, seed=seed)
        model.compile(
            optimizer=cr.optimizers.Adam(1e-3),
            loss="sparse_categorical_crossentropy" if classes else "mse",
            precision=self.options.get("precision", "float32"),
        )
        return model

    def epochs(self, n: int) -> Any:
        """The time of n epochs."""
        ends: list[Any] = []

        def note(event: training.Event) -> None:
            if isinstance(event, training.EpochEnd):
                ends.append(now())

        self._fit(self.model(), n + 1, [note])
        return ends[-1] - ends[0]

    def whole(self, n: int) -> Any:
        """The time from nothing to a model trained for n epochs."""
        begun = now()
        self.trained = self.model()
        self._fit(self.trained, n, [])
        return now() - begun

    def classes(self, x: Any) -> Any:
        """The classes that the network of the last `whole` predicts."""
        return self.trained.predict_classes(x)

    def many(self, networks: int, epochs: int, threads: int) -> Any:
        """The time of so many networks trained at once, each for so many epochs."""
        models = [self.model(seed) for seed in range(networks)]
        begun = now()
        cr.train_many(
            models,
            self.x,
            self.y,
            batch_size=self.config.batch,
            epochs=epochs,
            threads=threads,
            verbose=0,
        )
        return now() - begun

    def _fit(self, model: cr.Sequential, epochs: int, callbacks: list[Any]) -> None:
        threads = self.options.get("threads")
        model.fit(
            self.x,
            self.y,
            batch_size=self.config.batch,
            epochs=epochs,
            threads=threads,
            callbacks=callbacks,
            ahead=True,  # as where there are no callbacks; ours looks at the clock only
            verbose=0,
        )


session = Session
