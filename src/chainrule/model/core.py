"""Models: a network with weights, a recipe for training it, and the data's preparation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, cast

import numpy as np

from chainrule import data, engines, losses, measures, optimizers, schedules, storage
from chainrule.engines.program import Array, Engine, Precision, State
from chainrule.errors import DataError, ShapeError, UsageError
from chainrule.families import encode
from chainrule.graph import Input, Shape, shape_text
from chainrule.layers.base import Layer, Symbol
from chainrule.layers.network import Network, input_symbol
from chainrule.losses import Loss
from chainrule.measures import Measure
from chainrule.model.history import History, printer
from chainrule.model.summary import describe, table
from chainrule.training.arrays import (
    CLASSIFYING,
    class_numbers,
    input_arrays,
    per_place,
    target_array,
    weight_array,
)
from chainrule.training.events import Event, Listener
from chainrule.training.loop import Clock, Job, Rows, judged, train
from chainrule.training.step import Recipe, SlotTable, Step, prediction
from chainrule.training.stopping import EarlyStopping

PRECISIONS = ("float32", "float64")


class Model:
    """A network between inputs and outputs that were put together by calling layers (Keras' functional form).

    ```python
    a = cr.Input((64,))
    h = cr.layers.Dense(32, activation="relu")(a)
    model = cr.Model(a, cr.layers.Dense(10, activation="softmax")(cr.layers.Concatenate()([a, h])), seed=0)
    ```

    `inputs` and `outputs` are one of them, a list, or a dict. `seed` names every random draw: initial
    weights, order of rows, dropout masks.
    """

    def __init__(
        self, inputs: Any, outputs: Any, *, seed: int = 0, name: str | None = None
    ) -> None:
        self._prepare(seed, name)
        self._set_network(Network(_symbols(inputs, "input"), _symbols(outputs, "output")))

    def _prepare(self, seed: int, name: str | None) -> None:
        self.seed, self.name = seed, name
        self.network: Network | None = None
        self.state = State()
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

    # --- the network ---

    @property
    def layers(self) -> list[Layer]:
        """The layers in order."""
        return self._built().layers

    def get_layer(self, name: str) -> Layer:
        """The layer called `name`."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise UsageError(
            f"No layer is called {name!r}: the layers are {', '.join(str(k.name) for k in self.layers)}."
        )

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of this shape (one example's; a leading None is the batch axis)."""
        expected = [s.shape for s in self._built().inputs]
        if expected != [with_batch(input_shape)]:
            raise ShapeError(
                f"The model takes inputs of shape {', '.join(map(shape_text, expected))}."
            )

    def _set_network(self, network: Network) -> None:
        self.network = network
        homes = {id(k.home): k.home for k in network.layers if k.weights and k.home is not None}
        if len(homes) > 1:
            raise UsageError(
                "The layers belong to two models already built: put them together before the first use."
            )
        self.state = next(iter(homes.values()), self.state)
        for index, weight in enumerate(network.weights):
            if weight.parameter not in self.state.arrays:
                shape = cast("tuple[int, ...]", weight.parameter.shape)
                self.state[weight.parameter] = weight.initializer(
                    shape, seed=self.seed, index=index
                )
        for layer in network.layers:
            layer.home = self.state

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

    # --- the recipe ---

    def compile(
        self,
        optimizer: Any = "adam",
        loss: Any = None,
        metrics: Any = (),
        *,
        loss_weights: Sequence[float] | None = None,
        engine: str = "auto",
        precision: str = "float32",
    ) -> None:
        """Say how to train: optimizer, loss (one for each output), metrics, engine and precision.

        Names (`"adam"`, `"mse"`, `"accuracy"`) or objects. Metrics are means over examples, computed while
        training; for all others see `chainrule.metrics`.
        """
        if loss is None:
            raise UsageError(
                "compile needs a loss, e.g. loss='sparse_categorical_crossentropy' or loss='mse'."
            )
        if precision not in PRECISIONS:
            raise UsageError(f"precision is one of {', '.join(PRECISIONS)}, not {precision!r}.")
        self.engine, self.engine_name = engines.get(engine), engine
        self._settings = {
            "optimizer": optimizers.get(optimizer),
            "loss": _each(loss, losses.get),
            "metrics": _each(metrics, lambda m: _each(m, measures.get)),
            "loss_weights": loss_weights,
        }
        self.state.precision = cast(Precision, precision)
        for parameter, array in self.state.arrays.items():
            self.state[parameter] = array
        self.recipe, self._slots, self._steps, self.clock = None, {}, {}, Clock(*_spent(self.clock))

    @property
    def precision(self) -> Precision:
        """float32 or float64."""
        return self.state.precision

    def _recipe(self) -> Recipe:
        if not self._settings:
            raise UsageError("Call model.compile(optimizer, loss) before training or evaluating.")
        if self.recipe is None:
            names = self._built().output_names
            found: tuple[Loss, ...] = tuple(per_place(self._settings["loss"], names, "output"))
            weights = self._settings["loss_weights"]
            self.recipe = Recipe(
                self._settings["optimizer"],
                found,
                tuple(
                    _named(m, k)
                    for m, k in zip(_metrics(self._settings["metrics"], names), found, strict=True)
                ),
                tuple(map(float, weights)) if weights is not None else (1.0,) * len(names),
            )
            if len(self.recipe.loss_weights) != len(names):
                raise UsageError(
                    f"The model has {len(names)} outputs, {len(weights)} loss_weights given."
                )
        return self.recipe

    def _step(self, *, weighted: bool = False, measured: bool = False) -> Step:
        network, recipe = self._built(), self._recipe()
        frozen = tuple(layer.trainable for layer in network.layers)
        key = (weighted, measured, frozen)
        if key not in self._steps:
            step = Step(network, recipe, self._slots, weighted=weighted, measured=measured)
            for slots in step.slots.values():
                for name, parameter in slots.items():
                    if parameter not in self.state.arrays:
                        fill = recipe.optimizer.slots()[name]
                        self.state[parameter] = np.full(
                            cast("tuple[int, ...]", parameter.shape), fill
                        )
            self._steps[key] = step
        return self._steps[key]

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
        if threads is not None and threads < 1:
            raise UsageError(f"threads must be at least 1, not {threads}.")
        stoppers = [c for c in callbacks if isinstance(c, EarlyStopping)]
        listeners = [c for c in callbacks if not isinstance(c, EarlyStopping)]
        job = self._job(
            x,
            y,
            validation_split,
            validation_data,
            sample_weight,
            class_weight,
            gradient_tolerance is not None,
        )
        job = replace(
            job,
            epochs=epochs,
            batch_size=batch_size,
            stopping=early_stopping or next(iter(stoppers), None),
            tolerance=tolerance,
            gradient_tolerance=gradient_tolerance,
        )
        self.history = history = History()
        for event in train(job):
            history.hear(event)
            for listener in listeners:
                if reason := listener(event):
                    job.requests.append(reason)
            yield event

    def fit(
        self, x: Any, y: Any, *, verbose: int = 1, callbacks: Sequence[Any] = (), **settings: Any
    ) -> History:
        """Train on `x` and `y`; returns the `History`, whose `history` holds the curves.

        - `batch_size` (32), `epochs` (1): rows a step, passes over all rows.
        - `validation_split`: the share of rows held out, shuffled and, for classes, stratified; or
          `validation_data=(x, y)`. With either, the best epoch's weights are what remains.
        - `early_stopping`: an `EarlyStopping`; also among `callbacks`, functions that hear every event and may
          return a sentence to stop.
        - `sample_weight` (rows,), `class_weight` (dict or "balanced"): the loss is Σ wᵢ lᵢ / rows of the batch,
          as in Keras.
        - `tolerance`, `gradient_tolerance`: stop when the loss of an epoch changes by less, or the mean ‖∇L‖ of
          its steps is smaller.

        `x` may be a data frame: its columns are then prepared (encoded, filled, standardised) by what the
        training rows show, and `predict` takes frames too. Labels may be text.
        """
        listeners = [printer(), *callbacks] if verbose else list(callbacks)
        for _ in self.training(x, y, callbacks=listeners, **settings):
            pass
        assert self.history is not None
        return self.history

    def _job(
        self,
        x: Any,
        y: Any,
        validation_split: float,
        validation_data: tuple[Any, ...] | None,
        sample_weight: Any,
        class_weight: Any,
        measured: bool,
    ) -> Job:
        if validation_data is not None and validation_split:
            raise UsageError("Give validation_split or validation_data, not both.")
        rows = _row_count(x)
        labels = self._learn_labels(y)
        train_rows, held_rows = np.arange(rows), np.arange(0)
        held_out = "no rows are held out"
        if validation_split:
            train_rows, held_rows = data.validation_split(
                rows, labels=labels, fraction=validation_split, seed=self.seed
            )
            how = "stratified by class" if labels is not None else "at random"
            held_out = f"{validation_split:.0%} of the rows, shuffled, {how} (seed {self.seed})"
        if data.is_frame(x) and self.preprocessing is None:
            self.preprocessing = data.Preprocessing.fit(data.as_frame(x)[train_rows])
        arrays = self._inputs(x, build=True)
        targets = self._targets(y, len(arrays[0]))
        classes = class_numbers(
            targets[0], self._built().outputs[0].shape, self._recipe().losses[0]
        )
        weights = weight_array(sample_weight, class_weight, classes, len(arrays[0]))
        step = self._step(weighted=weights is not None, measured=measured)
        gathered = self._rows(step, arrays, targets, weights)
        validation = Rows(gathered, held_rows) if len(held_rows) else None
        if validation_data is not None:
            if len(validation_data) not in (2, 3):
                raise UsageError("validation_data is (x, y) or (x, y, sample_weight).")
            vx, vy, *vw = validation_data
            validation = self._judging_rows(step, vx, vy, vw[0] if vw else None)
            held_out = "given by the caller"
        rate = self._recipe().optimizer.learning_rate
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
        step = self._step(weighted=sample_weight is not None)
        rows = self._judging_rows(step, x, y, sample_weight)
        return judged(self.engine.prepare(step.evaluate, self.state), step, rows, batch_size)

    def predict(self, x: Any, *, batch_size: int = 4096) -> Any:
        """The outputs for the rows of `x`: an array (rows, units), or a list of them for several outputs.

        Classes come as probabilities. Where the model prepared its targets itself, numbers are in the
        targets' own units.
        """
        outputs = self._outputs(x, batch_size)
        if self.target is not None and self.target.task == "regression":
            return self.target.decode(outputs[0])
        return outputs if len(outputs) > 1 else outputs[0]

    def predict_classes(self, x: Any, *, batch_size: int = 4096) -> Any:
        """The most probable class of each row: the labels trained on, or class numbers."""
        (scores,) = self._outputs(x, batch_size)
        if self.target is not None and self.target.task == "classification":
            return self.target.decode(scores)
        return (
            (scores[:, 0] > 0.5).astype(np.int64)
            if scores.shape[1] == 1
            else np.argmax(scores, axis=1)
        )

    def _outputs(self, x: Any, batch_size: int) -> list[Array]:
        network = self._built()
        arrays = self._inputs(x)
        if len(arrays[0]) == 0:
            return [
                np.empty((0, *cast("tuple[int, ...]", s.shape[1:])), self.precision)
                for s in network.outputs
            ]
        program = prediction(network)
        runner = self.engine.prepare(program, self.state)
        found = runner.blocks(dict(zip(program.rows, arrays, strict=True)), batch_size)
        return [found[f"output_{i}"] for i in range(len(network.outputs))]

    # --- arrays ---

    def _inputs(self, x: Any, *, build: bool = False) -> list[Array]:
        if self.preprocessing is not None:
            x = self.preprocessing.transform(x)
        elif data.is_frame(x) and not (self.network is not None and len(self.network.inputs) > 1):
            raise DataError("The model was trained on arrays: give arrays, not a data frame.")
        if self.network is None and build:
            shape = np.shape(x)
            if len(shape) < 1:
                raise ShapeError("x needs rows: an array of shape (rows, features).")
            self.build(shape[1:] or (1,))
        return input_arrays(x, self._built(), self.precision)

    def _targets(self, y: Any, rows: int) -> list[Array]:
        network, recipe = self._built(), self._recipe()
        found = []
        for given, loss, symbol, name in zip(
            per_place(y, network.output_names, "output"),
            recipe.losses,
            network.outputs,
            network.output_names,
            strict=True,
        ):
            what = f"The target of {name}" if len(network.outputs) > 1 else "y"
            if self.target is not None:
                given = self._encoded(given, loss, symbol.shape)
            found.append(target_array(given, loss, symbol.shape, rows, what))
        return found

    def _encoded(self, y: Any, loss: Loss, output: Shape) -> Array:
        """Targets as the model's own `target` encodes them, in the form the loss takes."""
        assert self.target is not None
        encoded = self.target.encode(y)
        shape, kind = loss.target(output)
        if (
            self.target.task == "classification"
            and kind == "float"
            and encoded.ndim == 1
            and shape[-1] != 1
        ):
            return cast(Array, np.eye(self.target.width)[encoded])
        return cast(Array, encoded)

    def _learn_labels(self, y: Any) -> Array | None:
        """The class of each row where targets are classes (for stratifying); text labels are learnt here."""
        settings = self._settings.get("loss")
        if not isinstance(settings, Loss):
            return None
        classifies = isinstance(settings, CLASSIFYING)
        if self.target is None:
            values = data.as_values(y)
            if values.dtype.kind in "OUb" and classifies:
                self.target = data.Target.fit(values, task="classification")
            elif classifies and values.ndim == 1 and np.all(np.isfinite(values)):
                return cast(Array, np.unique(values, return_inverse=True)[1])
            elif classifies and values.ndim == 2 and values.shape[1] > 1:
                return cast(Array, np.argmax(values, axis=1))
        if self.target is not None and self.target.task == "classification":
            encoded = self.target.encode(y)
            return cast(Array, encoded) if encoded.ndim == 1 else None
        return None

    def _judging_rows(self, step: Step, x: Any, y: Any, sample_weight: Any) -> Rows:
        arrays = self._inputs(x)
        targets = self._targets(y, len(arrays[0]))
        weights = weight_array(sample_weight, None, None, len(arrays[0]))
        if step.weighted and weights is None:
            weights = np.ones(len(arrays[0]))
        return Rows(self._rows(step, arrays, targets, weights), np.arange(len(arrays[0])))

    def _rows(
        self, step: Step, arrays: Sequence[Array], targets: Sequence[Array], weights: Array | None
    ) -> Mapping[Input, Array]:
        found = dict(zip([*step.inputs, *step.targets], [*arrays, *targets], strict=True))
        if weights is not None and step.weighted:
            found[step.weight] = weights
        return found

    # --- files ---

    def save(self, path: str | os.PathLike[str], *, checkpoint: bool = False) -> None:
        """Write the model to one file: architecture, weights, preparation of the data, recipe.

        `checkpoint=True` adds the optimizer's state and the counters, so that training can go on as if it
        had not been interrupted.
        """
        network = self._built()
        arrays = {f"weight:{w.parameter.name}": self.state[w.parameter] for w in network.weights}
        if checkpoint:
            for slots in self._slots.values():
                arrays.update(
                    {
                        f"slot:{p.name}": self.state[p]
                        for p in slots.values()
                        if p in self.state.arrays
                    }
                )
        history = asdict(self.history) if self.history else None
        document = {
            "kind": type(self).__name__,
            "name": self.name,
            "seed": self.seed,
            "precision": self.precision,
            "engine": self.engine_name,
            "network": network.config(),
            "recipe": {key: encode(value) for key, value in self._settings.items()},
            "preprocessing": self.preprocessing.to_json() if self.preprocessing else None,
            "target": self.target.to_json() if self.target else None,
            "history": history,
            "clock": asdict(self.clock),
        }
        storage.save(path, arrays, document)


def with_batch(shape: Any) -> Shape:
    """One example's shape with the batch axis before it; a leading None is the batch axis already."""
    sizes = [shape] if isinstance(shape, int) else list(shape)
    if sizes and sizes[0] is None:
        sizes = sizes[1:]
    return input_symbol(sizes).shape


def _symbols(given: Any, what: str) -> list[Symbol]:
    found = list(given.values()) if isinstance(given, Mapping) else given
    found = list(found) if isinstance(found, (list, tuple)) else [found]
    for symbol in found:
        if not isinstance(symbol, Symbol):
            raise UsageError(
                f"Model: every {what} is made by cr.Input(…) or by calling a layer, not {type(symbol).__name__}."
            )
    return found


def _row_count(x: Any) -> int:
    if data.is_frame(x):
        return len(data.as_frame(x)) if not _of_arrays(x) else _row_count(list(x.values()))
    if isinstance(x, (list, tuple)) and x and np.ndim(x[0]) > 1:
        return len(x[0])
    if np.ndim(x) == 0:
        raise ShapeError("x needs rows: an array of shape (rows, features).")
    return len(x)


def _of_arrays(x: Any) -> bool:
    return isinstance(x, Mapping) and any(np.ndim(v) > 1 for v in x.values())


def _each(given: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(given, Mapping) and "family" not in given:
        return {k: function(v) for k, v in given.items()}
    if isinstance(given, (list, tuple)):
        return [function(v) for v in given]
    return function(given)


def _metrics(given: Any, names: Sequence[str]) -> list[list[Measure]]:
    """The metrics of each output: a flat list goes to every output."""
    if isinstance(given, Mapping):
        return [_flat(given.get(n, [])) for n in names]
    listed = given if isinstance(given, list) else [given]
    if listed and all(isinstance(m, (list, Mapping)) for m in listed):
        return [_flat(m) for m in per_place(listed, names, "output")]
    return [_flat(listed) for _ in names]


def _flat(given: Any) -> list[Measure]:
    return list(given) if isinstance(given, list) else [given]


def _named(metrics: Sequence[Measure], loss: Loss) -> tuple[tuple[str, Measure], ...]:
    # on logits, "more than one half" is "more than nothing"
    on_logits = getattr(loss, "from_logits", False)
    return tuple(
        (
            measures.name_of(m),
            replace(m, threshold=0.0) if on_logits and hasattr(m, "threshold") else m,
        )
        for m in metrics
    )


def _spent(clock: Clock) -> tuple[int, int]:
    return clock.epochs, clock.steps
