"""Looking at values between inputs and outputs: the bits of the run, and the state left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import ops
from chainrule.engines.native import Native
from chainrule.engines.program import Array, Program, State
from chainrule.engines.reference import Reference
from chainrule.graph import BATCH, Input, Parameter, Value, topological_order
from chainrule.training.loop import upcoming

Layers = Callable[[], list[Any]]


def dense() -> list[Any]:
    return [cr.layers.Dense(20, activation="relu"), cr.layers.Dense(5, activation="softmax")]


def mixed() -> list[Any]:
    return [
        cr.layers.Dense(33, activation="gelu", kernel_regularizer=cr.regularizers.L2(1e-3)),
        cr.layers.BatchNormalization(),
        cr.layers.Dropout(0.3),
        cr.layers.Dense(17, activation="tanh"),
        cr.layers.Dense(5, activation="softmax"),
    ]


@dataclass
class Case:
    """A training step, its rows and scalars, and the state before it."""

    program: Program
    state: State
    data: dict[Input, Array]
    scalars: dict[Input, Any]
    table: dict[Input, Array]

    def copied(self) -> State:
        return State(self.state.precision, dict(self.state.arrays))

    def values(self) -> list[Value]:
        roots = [*self.program.outputs.values(), *(v for _, v in self.program.assignments)]
        return [v for v in topological_order(roots) if v.kind == "float"]


def case(layers: Layers, rows: int, precision: Any, optimizer: Any = "adam") -> Case:
    rng = np.random.default_rng(rows)
    x, y = rng.normal(size=(rows, 9)), rng.integers(0, 5, rows)
    model = cr.Sequential(layers(), seed=3)
    model.compile(optimizer, "sparse_categorical_crossentropy", precision=precision)
    job = model.next_step(x, y)
    job.clock.schedule = job.schedule.initial()
    (order,), table, _ = upcoming(job, job.step.train, 1)
    data = {leaf: array[order] for leaf, array in job.training.arrays.items()}
    scalars = {leaf: column[0] for leaf, column in table.items()}
    return Case(job.step.train, job.state, data, scalars, table)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("rows", [3, 40, 1500])
@pytest.mark.parametrize("layers", [dense, mixed], ids=["dense", "mixed"])
def test_what_is_seen_has_the_bits_of_the_step(layers: Layers, rows: int, precision: Any) -> None:
    step = case(layers, rows, precision)
    before = dict(step.state.arrays)
    runner = Native().prepare(step.program, step.state)
    seen = runner.inspect(step.values(), step.data, step.scalars)  # type: ignore[attr-defined]
    assert all(step.state.arrays[p] is array for p, array in before.items())

    trained = step.copied()
    order = np.arange(rows)
    sums = Native().prepare(step.program, trained).steps(step.data, order, rows, step.table)
    for parameter, value in step.program.assignments:
        assert np.array_equal(seen[value], trained[parameter]), parameter.name
    for name, total in sums.items():
        assert float(seen[step.program.outputs[name]]) == total, name


@pytest.mark.parametrize("rows", [4, 1200])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", "adagrad"])
def test_what_is_seen_is_what_the_reference_computes(rows: int, optimizer: str) -> None:
    step = case(mixed, rows, "float64", optimizer)
    values = step.values()
    seen = (
        Native()
        .prepare(step.program, step.copied())
        .inspect(  # type: ignore[attr-defined]
            values, step.data, step.scalars
        )
    )
    expected = (
        Reference()
        .prepare(step.program, step.copied())
        .inspect(  # type: ignore[attr-defined]
            values, step.data, step.scalars
        )
    )
    for value in values:
        near = 1e-10 * max(1.0, float(np.max(np.abs(expected[value]), initial=0.0)))
        np.testing.assert_allclose(seen[value], expected[value], rtol=1e-9, atol=near)


def test_leaves_and_what_only_reshapes_them_are_seen_as_they_were() -> None:
    w, x = Parameter((6,), "w"), Input((BATCH, 6), "float", "x")
    turned = ops.reshape(w, (1, 6))
    loss = ops.sum(x * turned)
    program = Program((x,), {"loss": loss}, assignments=((w, w * 2.0),))
    state = State("float64")
    state[w] = np.arange(6.0)
    runner = Native().prepare(program, state)
    seen = runner.inspect([w, turned, x, loss], {x: np.ones((2, 6))})  # type: ignore[attr-defined]
    assert np.array_equal(seen[w], np.arange(6.0))
    assert np.array_equal(seen[turned], np.arange(6.0)[None])
    assert np.array_equal(seen[x], np.ones((2, 6)))
    assert float(seen[loss]) == 30.0
    assert np.array_equal(state[w], np.arange(6.0))


@pytest.mark.parametrize("classes", [2, 10, 16, 40])
def test_the_error_of_the_logits_is_the_softmax_less_one_at_the_label(classes: int) -> None:
    z, y = Input((BATCH, classes), "float", "z"), Input((BATCH,), "int", "y")
    softmax, truth = ops.softmax(z), ops.one_hot(y, classes)
    error = softmax - truth
    losses = ops.sparse_softmax_cross_entropy(z, y)
    program = Program((z, y), {"loss": ops.sum(losses), "error": ops.sum(error * error)})
    rng = np.random.default_rng(classes)
    data = {z: rng.normal(size=(21, classes)), y: rng.integers(0, classes, 21)}
    runner = Native().prepare(program, State("float32"))
    assert "softmax " not in str(runner.plan)  # type: ignore[attr-defined]
    seen = runner.inspect([softmax, truth, error, losses], data)  # type: ignore[attr-defined]
    assert np.array_equal(seen[error], seen[softmax] - seen[truth])
    labelled = seen[softmax][np.arange(21), data[y]]
    np.testing.assert_allclose(seen[losses], -np.log(labelled), rtol=1e-5, atol=1e-6)
