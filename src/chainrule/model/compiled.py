"""A network and how it is trained: what a model is before it is shown any data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from chainrule import engines
from chainrule.engines.native import lowered
from chainrule.engines.program import PRECISIONS, Array, Engine, Precision, Program, Runner
from chainrule.errors import UsageError
from chainrule.model import recipe
from chainrule.model.weights import WeightedNetwork
from chainrule.training.loop import Clock
from chainrule.training.step import Recipe, SlotTable, Step, prediction


@dataclass
class Predictors:
    """Runners that predict and are idle, for the next caller or thread: making one takes milliseconds."""

    made_for: tuple[Any, ...] = ()
    idle: list[Runner] = field(default_factory=list)


class CompiledNetwork(WeightedNetwork):
    """A network with a recipe, an engine and the optimizer's state, once `compile` has said so.

    Its graphs (a step for each way of training, prediction) are made when they are first needed.
    """

    def _prepare(self, seed: int, name: str | None) -> None:
        super()._prepare(seed, name)
        self.recipe: Recipe | None = None
        self.engine: Engine = engines.get("auto")
        self.engine_name = "auto"
        self.clock = Clock()
        self._settings: dict[str, Any] = {}
        self._slots: SlotTable = {}
        self._steps: dict[Any, Step] = {}
        self._prediction: Program | None = None
        self._predictors = Predictors()

    def __getstate__(self) -> dict[str, Any]:
        # graphs are made again when needed; some are too deep to be pickled
        fresh: dict[str, Any] = {"_steps": {}, "_prediction": None, "_predictors": Predictors()}
        return {**self.__dict__, **fresh}

    def compile(
        self,
        optimizer: Any = "adam",
        loss: Any = None,
        metrics: Any = (),
        *,
        loss_weights: Any = None,
        engine: str = "auto",
        precision: str = "float32",
    ) -> None:
        """Say how to train: optimizer, loss, metrics, engine and precision.

        Names (`"adam"`, `"mse"`, `"accuracy"`) or objects. With several outputs, `loss`, `metrics` and
        `loss_weights` are lists in the outputs' order or dicts by their names; a single loss is every output's.
        Metrics are means over examples, computed while training; for all others see `chainrule.metrics`.

        - `engine`: "native", compiled; "reference", NumPy; or "auto": native wherever it has all operations.
        - `precision`: "float32"; "float64"; or "bfloat16": matrix products of factors rounded to 8 significant
          bits, everything else, weights included, in float32.

        The optimizer begins anew, the weights stay; so do the counters that name random draws.
        """
        if precision not in PRECISIONS:
            raise UsageError(f"precision is one of {', '.join(PRECISIONS)}, not {precision!r}.")
        settings = recipe.settings(optimizer, loss, metrics, loss_weights)
        self.engine, self.engine_name = engines.get(engine), engine
        self._settings = settings
        for slots in self._slots.values():
            for parameter in slots.values():
                self.state.arrays.pop(parameter, None)
        self.state.precision = precision
        for parameter, array in self.state.arrays.items():
            self.state[parameter] = array
        self.recipe, self._slots, self._steps = None, {}, {}
        self.clock = Clock(self.clock.epochs, self.clock.steps)

    @property
    def precision(self) -> Precision:
        """float32, float64 (which it is before `compile`) or bfloat16."""
        return self.state.precision

    def _recipe(self) -> Recipe:
        if not self._settings:
            raise UsageError("Call model.compile(optimizer, loss) before training or evaluating.")
        if self.recipe is None:
            self.recipe = recipe.recipe(self._settings, self._built().output_names)
        return self.recipe

    def _step(self, *, weighted: bool = False, measured: bool = False) -> Step:
        network, chosen = self._built(), self._recipe()
        frozen = tuple(layer.trainable for layer in network.layers)
        key = (weighted, measured, frozen)
        if key not in self._steps:
            step = Step(network, chosen, self._slots, weighted=weighted, measured=measured)
            for slots in step.slots.values():
                for name, parameter in slots.items():
                    if parameter not in self.state.arrays:
                        fill = chosen.optimizer.slots()[name]
                        self.state[parameter] = np.full(
                            cast("tuple[int, ...]", parameter.shape), fill
                        )
            self._steps[key] = step
        return self._steps[key]

    @contextmanager
    def _predicting(self) -> Iterator[tuple[Program, Runner]]:
        """The program that predicts, and a runner of it that nobody else uses meanwhile."""
        if self._prediction is None:
            self._prediction = prediction(self._built())
        made_for = (self.engine, self.state, self.state.precision)
        if self._predictors.made_for != made_for:
            self._predictors = Predictors(made_for)
        idle = self._predictors.idle
        try:
            runner = idle.pop()
        except IndexError:
            runner = self.engine.prepare(self._prediction, self.state)
        yield self._prediction, runner
        idle.append(runner)

    def plan(self) -> str:
        """How the native engine carries out a training step: its instructions in order, as text.

        Each line is an instruction with what it makes and reads; indented below is the code that runs on
        its result while that is in the nearest cache. Raises `ChainruleError` with the operation's name
        where one has no kernel.
        """
        return str(lowered(self._step().train, self.precision)[0])

    def set_slots(self, arrays: Mapping[str, Array]) -> None:
        """Put back the optimizer's state that a checkpoint holds, by name ("dense/kernel/velocity").

        A layer that was thawed after the last training has none there, and begins anew.
        """
        for slots in self._step().slots.values():
            for parameter in slots.values():
                if str(parameter.name) in arrays:
                    self.state[parameter] = arrays[str(parameter.name)]
