"""Graphs, plans and state of one network while an estimator trains it or predicts with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule import engines
from chainrule.caching import cached_property
from chainrule.engines.program import Array, Program, Runner, State
from chainrule.estimators.networks import Blueprint
from chainrule.estimators.objective import Objective
from chainrule.graph import Input
from chainrule.layers.base import Weight
from chainrule.training.step import Recipe, prediction

DENSE_BYTES = 1 << 24  # sparse rows made dense at once, unless a single batch needs more
BLOCK = 1024  # rows at once where nothing is trained
Slots = list[dict[str, Array]]


@dataclass(frozen=True)
class Examples:
    """Rows to train on: features (dense, or sparse by rows), targets and perhaps weights."""

    x: Any
    y: Array
    weight: Array | None = None

    def weighted(self) -> Examples:
        """With a weight for each row: one where none is given."""
        return self if self.weight is not None else replace(self, weight=np.ones(len(self.y)))

    def rows(self, chosen: Any) -> Examples:
        """Some of them, dense."""
        x = self.x[chosen]
        weight = None if self.weight is None else self.weight[chosen]
        return Examples(x.toarray() if hasattr(x, "toarray") else x, self.y[chosen], weight)


class Predictor:
    """One network under a blueprint, to predict with; its weights come with `load`."""

    def __init__(self, blueprint: Blueprint, threads: int | None) -> None:
        self.blueprint, self.threads = blueprint, threads
        self.network = blueprint.network()
        self.state = State(blueprint.precision)

    @cached_property
    def dense(self) -> list[tuple[Weight, Weight]]:
        """Kernel and bias of each dense layer."""
        by_layer = [{w.role: w for w in layer.weights} for layer in self.network.layers]
        return [(found["kernel"], found["bias"]) for found in by_layer if "kernel" in found]

    @cached_property
    def others(self) -> list[Weight]:
        """Weights of other layers, in order."""
        known = [w for pair in self.dense for w in pair]
        return [w for w in self.network.weights if w not in known]

    def load(
        self, coefs: Sequence[Array], intercepts: Sequence[Array], others: Sequence[Array] = ()
    ) -> None:
        """Take these weights."""
        for (kernel, bias), coef, intercept in zip(self.dense, coefs, intercepts, strict=True):
            self.state[kernel.parameter] = coef
            self.state[bias.parameter] = intercept
        for weight, array in zip(self.others, others, strict=True):
            self.state[weight.parameter] = array

    @property
    def coefs(self) -> list[Array]:
        """The kernels now."""
        return [self.state[kernel.parameter] for kernel, _ in self.dense]

    @property
    def intercepts(self) -> list[Array]:
        """The biases now."""
        return [self.state[bias.parameter] for _, bias in self.dense]

    @property
    def other_weights(self) -> list[Array]:
        """The other layers' weights now."""
        return [self.state[w.parameter] for w in self.others]

    def predict(self, x: Any, block: int = BLOCK) -> Array:
        """The network's outputs for some rows."""
        leaf, runner = self._prediction
        if not hasattr(x, "toarray"):
            feed = {leaf: np.ascontiguousarray(x)}
            found = runner.once(feed) if len(x) <= block else runner.blocks(feed, block)
            return found["output_0"]
        parts = [
            runner.once({leaf: x[at : at + block].toarray()})["output_0"]
            for at in range(0, x.shape[0], block)
        ]
        return np.concatenate(parts)

    @cached_property
    def _prediction(self) -> tuple[Input, Runner]:
        program = prediction(self.network)
        return program.rows[0], self._ready(program)

    def _ready(self, program: Program) -> Runner:
        return engines.get("auto").prepare(program, self.state, self.threads)


class Trainer(Predictor):
    """One network under one blueprint, to be trained; its arrays come and go."""

    def __init__(self, blueprint: Blueprint, threads: int | None) -> None:
        super().__init__(blueprint, threads)
        assert blueprint.loss is not None
        assert blueprint.optimizer is not None
        self.optimizer = blueprint.optimizer
        recipe = Recipe(self.optimizer, (blueprint.loss,), ((),), (1.0,))
        self.step = Objective(self.network, recipe, blueprint.alpha, weighted=blueprint.weighted)

    # --- arrays in and out ---

    def load_slots(self, slots: Slots | None) -> None:
        """Take the optimizer's state; None: begin anew."""
        first = self.optimizer.slots()
        for i, weight in enumerate(self.step.trained):
            for name, parameter in self.step.slots[weight].items():
                if slots is None:
                    self.state[parameter] = np.full(parameter.shape, first[name])
                else:
                    self.state[parameter] = slots[i][name]

    @property
    def slots(self) -> Slots:
        """The optimizer's state now."""
        return [
            {name: self.state[p] for name, p in self.step.slots[w].items()}
            for w in self.step.trained
        ]

    # --- programs ---

    @cached_property
    def _train(self) -> Runner:
        return self._ready(self.step.train)

    @cached_property
    def _sums(self) -> Runner:
        return self._ready(self.step.sums)

    @cached_property
    def _evaluate(self) -> Runner:
        return self._ready(self.step.evaluate)

    def _feed(self, examples: Examples) -> dict[Input, Array]:
        found = {self.step.inputs[0]: examples.x, self.step.targets[0]: examples.y}
        if examples.weight is not None:
            found[self.step.weight] = examples.weight
        return found

    def epochs(
        self,
        examples: Examples,
        orders: Array,
        batch_size: int,
        rates: Array,
        *,
        updates: int,
        seed: int = 0,
    ) -> list[float]:
        """Passes over the rows in these orders (epochs, rows): of each the mean of the curve's loss over its rows.

        Sparse rows are made dense a few batches at a time, and are passed once only.
        """
        table = self.step.table(self.step.train, rates, updates=updates, seed=seed, counter=updates)
        if not hasattr(examples.x, "toarray"):
            found = self._train.epochs(self._feed(examples), orders, batch_size, table)
            return [sums["loss"] / orders.shape[1] for sums in found]
        (order,), sums = orders, dict[str, float]()
        at_once = max(1, DENSE_BYTES // (8 * examples.x.shape[1] * batch_size))
        for step in range(0, len(rates), at_once):
            chosen = order[step * batch_size : (step + at_once) * batch_size]
            part = {leaf: column[step : step + at_once] for leaf, column in table.items()}
            feed, rows = self._feed(examples.rows(chosen)), np.arange(len(chosen))
            sums = self._train.steps(feed, rows, batch_size, part, sums=sums)
        return [sums["loss"] / len(order)]

    def loss(self, examples: Examples, block: int = BLOCK) -> float:
        """The mean of the curve's loss over some rows, without penalty, as the network predicts."""
        sparse = hasattr(examples.x, "toarray")
        at_once = block if sparse else max(len(examples.y), 1)
        parts = (
            examples.rows(slice(at, at + at_once)) for at in range(0, len(examples.y), at_once)
        )
        total = 0.0
        for part in parts:
            order = np.arange(len(part.y))
            total += self._evaluate.steps(self._feed(part), order, block, {})["loss"]
        weight = len(examples.y) if examples.weight is None else float(examples.weight.sum())
        return total / weight

    def slopes(
        self, examples: Examples, block: int = BLOCK
    ) -> tuple[float, list[Array], list[Array]]:
        """Sums over all rows of the loss and of its slopes along the kernels and along the biases."""
        total = 0.0
        found: dict[str, Array] = {}
        for at in range(0, len(examples.y), block):
            part = self._sums.once(self._feed(examples.rows(slice(at, at + block))), {})
            total += float(part.pop("loss"))
            for name, slope in part.items():
                found[name] = found[name] + slope if name in found else slope
        pairs = [(str(k.parameter.name), str(b.parameter.name)) for k, b in self.dense]
        return total, [found[k] for k, _ in pairs], [found[b] for _, b in pairs]
