"""Models: a network with weights, a recipe for training it, and the data's preparation."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any, ClassVar, Self, cast

import numpy as np

from chainrule import data, engines, schedules, storage
from chainrule.engines.native import lowered
from chainrule.engines.program import PRECISIONS, Array, Engine, Precision, Program
from chainrule.errors import ChainruleError, DataError, UsageError, unknown_name
from chainrule.families import check, encode
from chainrule.graph import Input
from chainrule.layers.base import Symbol
from chainrule.layers.network import Network
from chainrule.losses import BinaryCrossentropy
from chainrule.model import given, recipe
from chainrule.model.history import History, printer
from chainrule.model.weights import WeightedNetwork
from chainrule.training.arrays import (
    input_arrays,
    row_after_row,
    row_count,
    sample_weights,
)
from chainrule.training.events import Event, Listener
from chainrule.training.loop import Clock, Job, Rows, judged, train
from chainrule.training.step import Recipe, SlotTable, Step, prediction
from chainrule.training.stopping import EarlyStopping, sorted_out


class Model(WeightedNetwork):
    """A network between inputs and outputs that were put together by calling layers (Keras' functional form).

    ```python
    a = cr.Input((64,))
    h = cr.layers.Dense(32, activation="relu")(a)
    model = cr.Model(a, cr.layers.Dense(10, activation="softmax")(cr.layers.Concatenate()([a, h])), seed=0)
    ```

    `inputs` and `outputs` are one of them, a list, or a dict, whose keys then name them. Layers of another
    model bring their weights along: both models train the same ones. `seed` names every random draw: initial
    weights, order of rows, dropout masks.

    A model can be pickled and deep-copied (a copy trains on its own), as far as its own activations, losses …
    can be.
    """

    kind: ClassVar[str] = "Model"  # what a file says it is

    def __init__(
        self, inputs: Any, outputs: Any, *, seed: int = 0, name: str | None = None
    ) -> None:
        self._prepare(seed, name)
        names = [str(n) for n in outputs] if isinstance(outputs, Mapping) else None
        self._set_network(Network(_symbols(inputs, "input"), _symbols(outputs, "output"), names))

    @classmethod
    def of_network(
        cls,
        network: Network,
        *,
        seed: int,
        name: str | None,
        precision: Precision,
        weights: Sequence[Any],
    ) -> Self:
        """A model of a network that is there already, with these weights."""
        model = cls.__new__(cls)
        model._prepare(seed, name)
        model.state.precision = precision
        model._set_network(network, weights)
        return model

    def __getstate__(self) -> dict[str, Any]:
        # graphs are made again when needed; some are too deep to be pickled
        return {**self.__dict__, "_steps": {}, "_prediction": None}

    def _prepare(self, seed: int, name: str | None) -> None:
        super()._prepare(seed, name)
        self.recipe: Recipe | None = None
        self.engine: Engine = engines.get("auto")
        self.engine_name = "auto"
        self.clock = Clock()
        self.history: History | None = None
        self.preprocessing: data.Preprocessing | None = None
        self.target: data.Target | None = None
        self._settings: dict[str, Any] = {}
        self._slots: SlotTable = {}
        self._steps: dict[Any, Step] = {}
        self._prediction: Program | None = None

    # --- how it is trained ---

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
        """Say how to train: optimizer, loss, metrics, engine ("auto", "native", "reference") and precision.

        Names (`"adam"`, `"mse"`, `"accuracy"`) or objects. With several outputs, `loss`, `metrics` and
        `loss_weights` are lists in the outputs' order or dicts by their names; a single loss is every output's.
        Metrics are means over examples, computed while training; for all others see `chainrule.metrics`.

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
        """float32 or float64 (which it is before `compile`)."""
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

    def plan(self) -> str:
        """How the native engine carries out a training step: its instructions in order, as text.

        Each line is an instruction with what it makes and reads; indented below is the code that runs on
        its result while that is in the nearest cache. Raises `ChainruleError` with the operation's name
        where one has no kernel.
        """
        return str(lowered(self._step().train, self.precision)[0])

    # --- training ---

    def training(
        self,
        x: Any,
        y: Any,
        *,
        batch_size: int = 32,
        epochs: int = 1,
        validation_split: float = 0.0,
        validation_data: tuple[Any, ...] | None = None,
        validation_rows: Any = None,
        early_stopping: EarlyStopping | None = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        tolerance: float | None = None,
        gradient_tolerance: float | None = None,
        threads: int | None = None,
        callbacks: Sequence[Listener | EarlyStopping] = (),
    ) -> Iterator[Event]:
        """Train, yielding events (`TrainingStarted`, `Progress`, `EpochEnd`, `BestSoFar`, `Stopped`).

        The arguments are those of `fit`. Whoever stops listening ends the training; the best weights so far
        are kept.
        """
        check(SimpleNamespace(threads=threads), "fit", threads="whole [1, inf) or None")
        stopping, listeners = sorted_out(early_stopping, callbacks)
        job = self._job(
            x,
            y,
            validation_split,
            validation_data,
            validation_rows,
            sample_weight,
            class_weight,
            gradient_tolerance is not None,
        )
        job = replace(
            job,
            epochs=epochs,
            batch_size=batch_size,
            threads=threads,
            stopping=stopping,
            tolerance=tolerance,
            gradient_tolerance=gradient_tolerance,
        )
        history = History(stopped_because="training was broken off")  # unless it comes to its end
        with closing(train(job)) as events:
            for event in events:
                self.history = history
                history.hear(event)
                for listener in listeners:
                    reason = listener(event)
                    if isinstance(reason, str) and reason:
                        job.requests.append(reason)
                yield event

    def fit(
        self, x: Any, y: Any, *, verbose: int = 1, callbacks: Sequence[Any] = (), **settings: Any
    ) -> History:
        """Train on `x` and `y`; returns the `History`, whose `history` holds the curves.

        Training goes on where it was: weights, optimizer, learning-rate schedule and random draws continue. A
        schedule over the whole training reckons with the steps taken before as well. Settings:

        - `batch_size` (32), `epochs` (1): rows a step, passes over all rows.
        - `validation_split`: the share of rows held out, shuffled and, for classes, stratified; or
          `validation_data=(x, y)`; or `validation_rows`, the row numbers of a fold: all others are trained on.
          With any of them, the best epoch's weights are what remains.
        - `early_stopping`: an `EarlyStopping`; also among `callbacks`, functions that hear every event and may
          return a sentence to stop.
        - `sample_weight` (rows,), `class_weight` (dict from class to weight, or "balanced"): the loss is
          Σ wᵢ lᵢ / rows of the batch, as in Keras. Class weights are for training rows only.
        - `tolerance`, `gradient_tolerance`: stop when the loss of an epoch changes by less, or the mean ‖∇L‖ of
          its steps is smaller.

        `x` may be a data frame: its columns are then prepared (encoded, filled, standardised) by what the
        training rows show, and `predict` takes frames too. Labels may be text.
        """
        known = set(inspect.signature(self.training).parameters)
        for setting in settings:
            if setting not in known:
                raise unknown_name("argument of fit", setting, {*known, "verbose"})
        listeners = [printer(), *callbacks] if verbose else list(callbacks)
        for _ in self.training(x, y, callbacks=listeners, **settings):
            pass
        assert self.history is not None
        return self.history

    def next_step(self, x: Any, y: Any, *, sample_weight: Any = None) -> Job:
        """All that `fit(x, y, batch_size=rows)` would need for its first step, which is not taken.

        What a first fit would learn of a table's columns or of labels is not kept.
        """
        learnt = self.preprocessing, self.target
        job = self._job(x, y, 0.0, None, None, sample_weight, None, False)
        self.preprocessing, self.target = learnt
        return replace(job, batch_size=len(job.training))

    def _job(
        self,
        x: Any,
        y: Any,
        validation_split: float,
        validation_data: Any,
        validation_rows: Any,
        sample_weight: Any,
        class_weight: Any,
        measured: bool,
    ) -> Job:
        learnt = self.preprocessing, self.target
        try:
            return self._prepared(
                x,
                y,
                validation_split,
                validation_data,
                validation_rows,
                sample_weight,
                class_weight,
                measured,
            )
        except ChainruleError:
            self.preprocessing, self.target = learnt  # nothing is learnt from refused data
            raise

    def _prepared(
        self,
        x: Any,
        y: Any,
        validation_split: float,
        validation_data: Any,
        validation_rows: Any,
        sample_weight: Any,
        class_weight: Any,
        measured: bool,
    ) -> Job:
        if (
            sum((bool(validation_split), validation_data is not None, validation_rows is not None))
            > 1
        ):
            raise UsageError(
                "Give validation_split, validation_data or validation_rows, only one of them."
            )
        places = given.places(x, self.network)
        rows = row_count(places[0])
        labels = None
        if self.network is None or len(self.network.outputs) == 1:
            labels, self.target = given.labels(y, rows, self._settings.get("loss"), self.target)
        train_rows, held_rows = np.arange(rows), np.arange(0)
        held_out = "no rows are held out"
        if validation_split:
            train_rows, held_rows = data.validation_split(
                rows, labels=labels, fraction=validation_split, seed=self.seed
            )
            # where every class has a single row, none can be spared, and chance decides
            stratified = labels is not None and len(np.unique(labels)) < rows
            held_out = data.random_sentence(validation_split, stratified=stratified, seed=self.seed)
        if validation_rows is not None:
            held_rows = given.row_numbers(validation_rows, rows)
            train_rows = np.setdiff1d(train_rows, held_rows)
            held_out = f"{len(held_rows)} rows chosen by the caller"
        if data.is_frame(places[0]) and self.preprocessing is None:
            self.preprocessing = data.Preprocessing.fit(places[0][train_rows])
        arrays = self._inputs(places, build=True)
        network, chosen = self._built(), self._recipe()
        targets = given.targets(y, network, chosen.losses, self.target, rows)
        weights = sample_weights(sample_weight, rows)
        if class_weight is not None:
            weights = np.ones(rows) if weights is None else weights
            weights[train_rows] *= given.weights_by_class(
                class_weight,
                [target[train_rows] for target in targets],
                network,
                chosen.losses[0],
                self.target,
            )
        step = self._step(weighted=weights is not None, measured=measured)
        gathered = self._rows(step, arrays, targets, weights)
        validation = Rows(gathered, held_rows) if len(held_rows) else None
        if validation_data is not None:
            if not isinstance(validation_data, (list, tuple)) or len(validation_data) not in (2, 3):
                raise UsageError("validation_data is (x, y) or (x, y, sample_weight).")
            vx, vy, *vw = validation_data
            validation = self._judging_rows(step, vx, vy, vw[0] if vw else None)
            held_out = "given by the caller"
        rate = chosen.optimizer.learning_rate
        return Job(
            step=step,
            engine=self.engine,
            state=self.state,
            schedule=schedules.get(rate),
            training=Rows(gathered, train_rows),
            validation=validation,
            epochs=1,
            batch_size=32,
            seed=self.seed,
            clock=self.clock,
            held_out=held_out,
        )

    # --- judging and predicting ---

    def evaluate(
        self, x: Any, y: Any, *, sample_weight: Any = None, batch_size: int = 1024
    ) -> dict[str, float]:
        """Loss and metrics over the rows, by name."""
        _check_batch("evaluate", batch_size)
        step = self._step(weighted=sample_weight is not None)
        rows = self._judging_rows(step, x, y, sample_weight)
        return judged(self.engine.prepare(step.evaluate, self.state), step, rows, batch_size)

    def predict(self, x: Any, *, batch_size: int = 4096) -> Any:
        """The outputs for the rows of `x`: an array (rows, units).

        Several outputs come as a list, or as a dict where the model was made with one. Classes come as
        probabilities (of a loss with `from_logits`, as logits). Where the model prepared its targets itself,
        numbers are in the targets' own units.
        """
        network, outputs = self._built(), self._outputs(x, batch_size)
        if network.named_outputs:
            return dict(zip(network.output_names, outputs, strict=True))
        if self.target is not None and self.target.task == "regression":
            return self.target.decode(outputs[0])
        return outputs if len(outputs) > 1 else outputs[0]

    def predict_classes(self, x: Any, *, batch_size: int = 4096) -> Any:
        """The most probable class of each row: the labels trained on, or class numbers.

        Of several labels at once, 0 or 1 for each.
        """
        outputs = self._outputs(x, batch_size)
        if len(outputs) > 1:
            raise UsageError("predict_classes is for models with one output: use predict.")
        (scores,) = outputs
        loss = self._recipe().losses[0] if self._settings else None
        separate = isinstance(loss, BinaryCrossentropy) or scores.shape[-1] == 1
        if separate:  # as certain probabilities, so that one half divides them
            scores = (scores > recipe.middle(loss)).astype(self.state.dtype)
        if self.target is not None and self.target.task == "classification":
            return self.target.decode(scores)
        if separate:
            return (scores[:, 0] if scores.shape[1:] == (1,) else scores).astype(np.int64)
        return np.argmax(scores, axis=-1)

    def _outputs(self, x: Any, batch_size: int) -> list[Array]:
        _check_batch("predict", batch_size)
        network = self._built()
        arrays = self._inputs(given.places(x, self.network))
        if len(arrays[0]) == 0:
            return [
                np.empty((0, *cast("tuple[int, ...]", s.shape[1:])), self.state.dtype)
                for s in network.outputs
            ]
        if self._prediction is None:
            self._prediction = prediction(network)
        runner = self.engine.prepare(self._prediction, self.state)
        found = runner.blocks(dict(zip(self._prediction.rows, arrays, strict=True)), batch_size)
        return [found[f"output_{i}"] for i in range(len(network.outputs))]

    # --- arrays ---

    def _inputs(self, places: Sequence[Any], *, build: bool = False) -> list[Array]:
        arrays = given.prepared(places, self.preprocessing, self.state.dtype.name)
        if self.network is None and build:
            self.build(given.example_shape(arrays[0]))
        return input_arrays(arrays, self._built(), self.state.dtype.name)

    def _judging_rows(self, step: Step, x: Any, y: Any, sample_weight: Any) -> Rows:
        arrays = self._inputs(given.places(x, self.network))
        rows = len(arrays[0])
        if rows == 0:
            raise DataError("There are no rows to judge the model by: give at least one.")
        targets = given.targets(y, self._built(), self._recipe().losses, self.target, rows)
        weights = sample_weights(sample_weight, rows)
        if step.weighted and weights is None:
            weights = np.ones(rows)
        return Rows(self._rows(step, arrays, targets, weights), np.arange(rows))

    def _rows(
        self, step: Step, arrays: Sequence[Array], targets: Sequence[Array], weights: Array | None
    ) -> Mapping[Input, Array]:
        found = dict(zip([*step.inputs, *step.targets], [*arrays, *targets], strict=True))
        if weights is not None and step.weighted:
            found[step.weight] = weights
        return {leaf: row_after_row(array) for leaf, array in found.items()}

    # --- files ---

    def save(self, path: str | os.PathLike[str], *, checkpoint: bool = False) -> None:
        """Write the model to one file: architecture, weights, preparation of the data, recipe.

        `checkpoint=True` adds the optimizer's state, so that training can go on as if it had not been
        interrupted. What is the user's own must be registered, so that it has a name.
        """
        network = self._built()
        arrays = {f"weight:{w.parameter.name}": self.state[w.parameter] for w in network.weights}
        if checkpoint:
            for slots in self._slots.values():
                arrays.update({f"slot:{p.name}": self.state[p] for p in slots.values()})
        history = asdict(self.history) if self.history else None
        document = {
            "kind": self.kind,
            "name": self.name,
            "seed": self.seed,
            "precision": self.precision,
            "engine": self.engine_name,
            "network": network.config(),
            "recipe": {key: encode(value) for key, value in self._settings.items()},
            "preprocessing": self.preprocessing.to_json() if self.preprocessing else None,
            "target": self.target.to_json() if self.target else None,
            "history": history,
            # without its state, the optimizer begins anew
            "clock": asdict(
                self.clock if checkpoint else Clock(self.clock.epochs, self.clock.steps)
            ),
        }
        storage.save(path, arrays, document)

    def set_slots(self, arrays: Mapping[str, Array]) -> None:
        """Put back the optimizer's state that a checkpoint holds, by name ("dense/kernel/velocity").

        A layer that was thawed after the last training has none there, and begins anew.
        """
        for slots in self._step().slots.values():
            for parameter in slots.values():
                if str(parameter.name) in arrays:
                    self.state[parameter] = arrays[str(parameter.name)]


def _symbols(given: Any, what: str) -> list[Symbol]:
    found = list(given.values()) if isinstance(given, Mapping) else given
    found = list(found) if isinstance(found, (list, tuple)) else [found]
    for symbol in found:
        if not isinstance(symbol, Symbol):
            raise UsageError(
                f"Model: every {what} is made by cr.Input(…) or by calling a layer, not {type(symbol).__name__}."
            )
    return found


def _check_batch(called: str, batch_size: int) -> None:
    check(SimpleNamespace(batch_size=batch_size), called, batch_size="whole [1, inf)")
