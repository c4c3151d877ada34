"""The graphs of training: one step, one evaluation, one prediction.

A training step is forward pass, loss, back-propagation and the optimizer's update as one graph, with the
new weights assigned at its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from chainrule.backprop import gradients
from chainrule.caching import cached_property
from chainrule.engines.program import Array, Program
from chainrule.errors import UsageError
from chainrule.graph import BATCH, Input, Parameter, Value, leaves
from chainrule.layers.base import PREDICTION, Assignment, Mode, Weight
from chainrule.layers.network import Network
from chainrule.losses import Loss
from chainrule.measures import Measure
from chainrule.ops.arithmetic import add
from chainrule.ops.elementary import sqrt, square
from chainrule.ops.reductions import batch_size
from chainrule.ops.shapes import sum as sum_over
from chainrule.optimizers import Optimizer

SlotTable = dict[Weight, dict[str, Parameter]]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: what `compile` was told, one loss and list of metrics for each output."""

    optimizer: Optimizer
    losses: tuple[Loss, ...]
    metrics: tuple[tuple[tuple[str, Measure], ...], ...]
    loss_weights: tuple[float, ...]


class Step:
    """Training and evaluation of one network under one recipe, on shared inputs and parameters."""

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        slots: SlotTable | None = None,
        *,
        weighted: bool = False,
        measured: bool = False,
    ) -> None:
        """`slots`: the optimizer's state so far. `weighted`: rows carry sample weights. `measured`: steps give ‖∇L‖."""
        self.network, self.recipe = network, recipe
        self.weighted, self.measured = weighted, measured
        names = network.input_names
        self.inputs = [
            Input(s.shape, s.kind, n) for s, n in zip(network.inputs, names, strict=True)
        ]
        targets = [
            loss.target(s.shape) for loss, s in zip(recipe.losses, network.outputs, strict=True)
        ]
        self.targets = [
            Input(shape, kind, f"target of {name}" if len(targets) > 1 else "target")
            for (shape, kind), name in zip(targets, network.output_names, strict=True)
        ]
        self.weight = Input((BATCH,), name="sample_weight")
        self.key = Input((4,), "int", "key")
        self.scalars = {
            name: Input((), name=name) for name in recipe.optimizer.scalars(np.ones(1), np.ones(1))
        }
        self.slots: SlotTable = {} if slots is None else slots
        for weight in self.trained:
            self.slots.setdefault(
                weight,
                {
                    slot: Parameter(weight.parameter.shape, f"{weight.parameter.name}/{slot}")
                    for slot in recipe.optimizer.slots()
                },
            )

    @cached_property
    def trained(self) -> list[Weight]:
        """The weights that training changes."""
        return [
            w
            for layer in self.network.layers
            if layer.trainable
            for w in layer.weights
            if w.trainable
        ]

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The network's weights and the optimizer's state."""
        slots = (p for kept in self.slots.values() for p in kept.values())
        return (*(w.parameter for w in self.network.weights), *slots)

    @cached_property
    def metrics(self) -> dict[str, Measure]:
        """The metrics by their names in the logs; with several outputs, the output's name stands before."""
        return {
            self._prefix(i) + name: measure
            for i, metrics in enumerate(self.recipe.metrics)
            for name, measure in metrics
        }

    def _prefix(self, output: int) -> str:
        names = self.network.output_names
        return f"{names[output]}_" if len(names) > 1 else ""

    @property
    def rows(self) -> tuple[Input, ...]:
        """The inputs that take rows of the data."""
        return (*self.inputs, *self.targets, *([self.weight] if self.weighted else []))

    @cached_property
    def _objective(self) -> tuple[Value, dict[str, Value], list[Assignment]]:
        outputs, assignments = self.network.apply(self.inputs, Mode(training=True, key=self.key))
        loss, sums = self._judged(outputs)
        return loss, sums, assignments

    @property
    def objective(self) -> Value:
        """What a step descends: the mean loss over the batch's rows, plus penalties."""
        return self._objective[0]

    @cached_property
    def gradient(self) -> Program:
        """Loss and gradients of all rows, for optimizers that are carried out elsewhere (L-BFGS)."""
        loss, _, assignments = self._objective
        self._check_trainable()
        name = type(self.recipe.optimizer).__name__
        if assignments:
            state = ", ".join(str(parameter.name) for parameter, _ in assignments)
            raise UsageError(
                f"{name} has no steps at which running statistics ({state}) could be taken: use another optimizer, "
                "or LayerNormalization."
            )
        if held := [w for w in self.trained if w.constraint is not None]:
            raise UsageError(
                f"{name} cannot hold {held[0].parameter.name} to its constraint: use another optimizer."
            )
        found = dict(
            zip(self.trained, gradients(loss, [w.parameter for w in self.trained]), strict=True)
        )
        outputs = {"loss": loss, **{_name(w): g for w, g in found.items() if g is not None}}
        return self._program(outputs, [])

    @cached_property
    def train(self) -> Program:
        """One step: sums over the batch's rows of loss and metrics, and the assignments of new state."""
        loss, sums, assignments = self._objective
        self._check_trainable()
        found = self._slopes(loss)
        pairs = [(w, g) for w, g in zip(self.trained, found, strict=True) if g is not None]
        if not pairs:
            raise UsageError("There is nothing to train: the loss depends on no trainable weight.")
        optimizer = self.recipe.optimizer
        clipped = optimizer.clip([g for _, g in pairs])
        for (weight, _), gradient in zip(pairs, clipped, strict=True):
            slots = self.slots[weight]
            new, state = optimizer.update(
                weight.parameter, gradient, dict(slots), dict(self.scalars)
            )
            if weight.constraint is not None:
                new = weight.constraint(new)
            assignments = [
                *assignments,
                (weight.parameter, new),
                *((slots[s], v) for s, v in state.items()),
            ]
        if self.measured:
            squares = [sum_over(square(g)) for _, g in pairs]
            sums = {**sums, "gradient_norm": sqrt(reduce(add, squares)) * batch_size()}
        return self._program(sums, assignments)

    @cached_property
    def evaluate(self) -> Program:
        """Sums over the rows of loss and metrics."""
        outputs, _ = self.network.apply(self.inputs, PREDICTION)
        return self._program(self._judged(outputs)[1], [])

    def _judged(self, outputs: Sequence[Value]) -> tuple[Value, dict[str, Value]]:
        """The loss to descend (mean over rows, plus penalties), and sums over rows of loss and metrics."""
        recipe = self.recipe
        parts: list[Value] = []
        sums: dict[str, Value] = {}
        for i, (target, output) in enumerate(zip(self.targets, outputs, strict=True)):
            each = recipe.losses[i](target, output)
            total = sum_over(each * self.weight if self.weighted else each)
            prefix = self._prefix(i)
            if prefix:
                sums[f"{prefix}loss"] = total
            parts.append(total if recipe.loss_weights[i] == 1 else total * recipe.loss_weights[i])
            for name, measure in recipe.metrics[i]:
                sums[prefix + name] = sum_over(measure(target, output))
        total = reduce(add, parts)
        penalties = [
            w.regularizer(w.parameter) for w in self.network.weights if w.regularizer is not None
        ]
        loss = total / batch_size()
        if penalties:
            penalty = reduce(add, penalties)
            loss, total = loss + penalty, total + penalty * batch_size()
        return loss, {"loss": total, **sums}

    def _slopes(self, objective: Value) -> Sequence[Value | None]:
        """What each trained weight is to descend: ∂objective/∂w, None where it does not depend on it."""
        return gradients(objective, [w.parameter for w in self.trained])

    def _check_trainable(self) -> None:
        if not self.trained:
            raise UsageError("There is nothing to train: no layer has trainable weights.")

    def _program(self, outputs: Mapping[str, Value], assignments: Sequence[Assignment]) -> Program:
        needed = set(leaves([*outputs.values(), *(v for _, v in assignments)], Input))
        scalars = [s for s in (*self.scalars.values(), self.key) if s in needed]
        return Program(self.rows, outputs, tuple(scalars), tuple(assignments))

    def table(
        self, program: Program, rates: Array, *, updates: int, seed: int, counter: int
    ) -> dict[Input, Array]:
        """The scalars a program needs for some steps, one entry a step: `rates` are their learning rates.

        `updates` is how many steps the optimizer has taken before; `counter` names the first step's draws.
        """
        taken = np.arange(updates + 1, updates + 1 + len(rates), dtype=np.float64)
        columns = self.recipe.optimizer.scalars(rates, taken)
        table: dict[Input, Array] = {self.scalars[name]: column for name, column in columns.items()}
        if self.key in program.scalars:
            number = np.arange(counter, counter + len(rates), dtype=np.uint64)
            key = np.empty((len(rates), 4), np.uint32)
            key[:, 0], key[:, 1] = seed & 0xFFFFFFFF, seed >> 32
            key[:, 2], key[:, 3] = number & 0xFFFFFFFF, number >> 32
            table[self.key] = key
        return {leaf: table[leaf] for leaf in program.scalars}


def prediction(network: Network) -> Program:
    """The network's outputs, called output_0, output_1 …, for rows of its inputs."""
    inputs = [
        Input(s.shape, s.kind, n) for s, n in zip(network.inputs, network.input_names, strict=True)
    ]
    outputs, _ = network.apply(inputs, PREDICTION)
    return Program(tuple(inputs), {f"output_{i}": value for i, value in enumerate(outputs)})


def _name(weight: Weight) -> str:
    return str(weight.parameter.name)
