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

from chainrule import data, schedules, storage
from chainrule.engines.program import Array, Precision
from chainrule.errors import ChainruleError, DataError, UsageError, unknown_name
from chainrule.families import check, encode
from chainrule.graph import Input
from chainrule.layers.base import Symbol
from chainrule.layers.network import Network
from chainrule.losses import BinaryCrossentropy
from chainrule.model import given, recipe
from chainrule.model.compiled import CompiledNetwork
from chainrule.model.examples import Examples
from chainrule.model.history import History, printer
from chainrule.training.arrays import (
    input_arrays,
    row_after_row,
    row_count,
    sample_weights,
)
from chainrule.training.events import Event, Listener
from chainrule.training.loop import Clock, Job, Rows, judged, train
from chainrule.training.step import Step
from chainrule.training.stopping import EarlyStopping, sorted_out


class Model(CompiledNetwork):
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

    def _prepare(self, seed: int, name: str | None) -> None:
        super()._prepare(seed, name)
        self.history: History | None = None
        self.preprocessing: data.Preprocessing | None = None
        self.target: data.Target | None = None

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
        ahead: bool = False,
        callbacks: Sequence[Listener | EarlyStopping] = (),
    ) -> Iterator[Event]:
        """Train, yielding events (`TrainingStarted`, `Progress`, `EpochEnd`, `BestSoFar`, `Stopped`).

        The arguments are those of `fit`. Whoever stops listening ends the training; the best weights so far
        are kept.
        """
        check(SimpleNamespace(threads=threads), "fit", threads="whole [1, inf) or None")
        stopping, listeners = sorted_out(early_stopping, callbacks)
        examples = Examples(
            x,
            y,
            validation_split=validation_split,
            validation_data=validation_data,
            validation_rows=validation_rows,
            sample_weight=sample_weight,
            class_weight=class_weight,
        )
        job = self._job(examples, measured=gradient_tolerance is not None)
        job = replace(
            job,
            epochs=epochs,
            batch_size=batch_size,
            threads=threads,
            ahead=ahead,
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
        - `ahead`: let training run some short epochs ahead of what is told of them, which is faster where nobody
          looks at the weights in between (as without `callbacks`, where it is so unless you say no).

        `x` may be a data frame: its columns are then prepared (encoded, filled, standardised) by what the
        training rows show, and `predict` takes frames too. Labels may be text.
        """
        known = set(inspect.signature(self.training).parameters)
        for setting in settings:
            if setting not in known:
                raise unknown_name("argument of fit", setting, {*known, "verbose"})
        settings.setdefault("ahead", not callbacks)
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
        job = self._job(Examples(x, y, sample_weight=sample_weight))
        self.preprocessing, self.target = learnt
        return replace(job, batch_size=len(job.training))

    def _job(self, examples: Examples, *, measured: bool = False) -> Job:
        learnt = self.preprocessing, self.target
        try:
            return self._prepared(examples, measured)
        except ChainruleError:
            self.preprocessing, self.target = learnt  # nothing is learnt from refused data
            raise

    def _prepared(self, examples: Examples, measured: bool) -> Job:
        places = given.places(examples.x, self.network)
        rows = row_count(places[0])
        labels = None
        if self.network is None or len(self.network.outputs) == 1:
            labels, self.target = given.labels(
                examples.y, rows, self._settings.get("loss"), self.target
            )
        split = examples.split(rows, labels, self.seed)
        if data.is_frame(places[0]) and self.preprocessing is None:
            self.preprocessing = data.Preprocessing.fit(places[0][split.training])
        arrays = self._inputs(places, build=True)
        network, chosen = self._built(), self._recipe()
        targets = given.targets(examples.y, network, chosen.losses, self.target, rows)
        weights = sample_weights(examples.sample_weight, rows)
        if examples.class_weight is not None:
            weights = np.ones(rows) if weights is None else weights
            weights[split.training] *= given.weights_by_class(
                examples.class_weight,
                [target[split.training] for target in targets],
                network,
                chosen.losses[0],
                self.target,
            )
        judged_by = examples.judged_by() if examples.validation_data is not None else None
        if weights is None and judged_by is not None and judged_by[2] is not None:
            weights = np.ones(rows)
        step = self._step(weighted=weights is not None, measured=measured)
        gathered = self._rows(step, arrays, targets, weights)
        validation = Rows(gathered, split.held_out) if len(split.held_out) else None
        if judged_by is not None:
            validation = self._judging_rows(step, *judged_by)
        rate = chosen.optimizer.learning_rate
        return Job(
            step=step,
            engine=self.engine,
            state=self.state,
            schedule=schedules.get(rate),
            training=Rows(gathered, split.training),
            validation=validation,
            epochs=1,
            batch_size=32,
            seed=self.seed,
            clock=self.clock,
            held_out=split.words,
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
        with self._predicting() as (program, runner):
            at_once = min(batch_size, len(arrays[0]))
            found = runner.blocks(dict(zip(program.rows, arrays, strict=True)), at_once)
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
