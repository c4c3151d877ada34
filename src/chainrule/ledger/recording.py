"""One training step, run by the engine the model trains with, and the values met on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.engines.program import Array, Inspector, Program, State
from chainrule.engines.reference import Reference
from chainrule.errors import DataError
from chainrule.graph import Constant, Input, Op, Value, topological_order
from chainrule.model import Model
from chainrule.training.loop import Job, upcoming
from chainrule.training.step import Step


@dataclass(frozen=True, eq=False)
class Recording:
    """A training step that a model would make next, and what is needed to run it.

    `state` holds what was there before the step, as copies: the model is left alone. `rows` says which
    row of the caller's arrays each row of the batch is.
    """

    job: Job
    program: Program
    state: State
    data: Mapping[Input, Array]
    scalars: Mapping[Input, Any]
    rows: Array
    names: Array | None = None  # what the caller calls the rows

    @property
    def labels(self) -> list[int]:
        """The number by which each row of the batch is known."""
        found = self.rows if self.names is None else self.names[self.rows]
        return [int(row) for row in found]

    @property
    def step(self) -> Step:
        """The graphs of the step."""
        return self.job.step

    def inspected(
        self, values: Sequence[Value], state: State | None = None
    ) -> tuple[dict[Value, Array], str]:
        """The arrays of some values of the program in this step, and the engine that computed them."""
        state = self.state if state is None else state
        runner = self.job.engine.prepare(self.program, state, self.job.threads)
        name = self.job.engine.name
        if name == "auto":
            name = type(runner).__name__.removesuffix("Runner").lower()
        if not isinstance(runner, Inspector):
            runner, name = Reference().prepare(self.program, state), Reference.name
        assert isinstance(runner, Inspector)
        return runner.inspect(values, self.data, self.scalars), name

    def next(self, assigned: Mapping[Value, Array]) -> Recording:
        """The step after this one, on the same rows; `assigned` has the arrays this one computed."""
        clock = self.job.clock
        later = replace(
            clock, epochs=clock.epochs + 1, steps=clock.steps + 1, updates=clock.updates + 1
        )
        found = recorded(replace(self.job, clock=later), self.after(assigned))
        return replace(found, names=self.names)

    def after(self, assigned: Mapping[Value, Array]) -> State:
        """The state when the step is done."""
        state = State(self.state.precision, dict(self.state.arrays))
        for parameter, value in self.program.assignments:
            state[parameter] = assigned[value]
        return state


def record(model: Model, x: Any, y: Any, sample_weight: Any = None) -> Recording:
    """The step that `fit(x, y, batch_size=rows)` would make next, its rows in the order of that fit."""
    job = model.next_step(x, y, sample_weight=sample_weight)
    if not len(job.training):
        raise DataError("There is no row to explain a step on: give at least one.")
    job.check()
    job = replace(job, clock=deepcopy(job.clock))  # the model's own goes on when it is trained
    return recorded(job, State(job.state.precision, dict(job.state.arrays)))


def recorded(job: Job, state: State) -> Recording:
    """The next step of a job, on all its rows, from this state."""
    own_steps = not job.step.recipe.optimizer.full_batch
    program = job.step.train if own_steps else job.step.gradient
    clock = replace(job.clock, schedule=job.clock.schedule or job.schedule.initial())
    (order,), table, _ = upcoming(replace(job, clock=clock), program, clock.updates + 1)
    if not own_steps:  # L-BFGS takes the rows as they come
        order = job.training.index
    data = {leaf: array[order] for leaf, array in job.training.arrays.items()}
    scalars = {leaf: column[0] for leaf, column in table.items()}
    return Recording(job, program, state, data, scalars, order)


class Canon:
    """Which value of a program another value is: one made by the same operations from the same leaves."""

    def __init__(self, program: Program) -> None:
        self._number: dict[Any, int] = {}
        self._found: dict[Value, int] = {}
        self._values: dict[int, Value] = {}
        targets = [value for _, value in program.assignments]
        for value in topological_order(
            [*program.rows, *program.scalars, *program.outputs.values(), *targets]
        ):
            self._values.setdefault(self._numbered(value), value)

    def __call__(self, value: Value) -> Value | None:
        """The program's own value that is the same as this one, if it has it."""
        if value not in self._found:
            for each in topological_order([value]):
                self._numbered(each)
        return self._values.get(self._found[value])

    def _numbered(self, value: Value) -> int:
        if value not in self._found:
            key: tuple[Op | str | int, ...]
            if isinstance(value, Constant):
                array = value.array
                key = ("constant", array.dtype.str, str(array.shape), array.tobytes().hex())
            elif value.op is None:
                key = ("leaf", id(value))
            else:
                key = (value.op, *(self._found[x] for x in value.inputs))
            self._found[value] = self._number.setdefault(key, len(self._number))
        return self._found[value]


def size_of(value: Value, rows: int) -> tuple[int, ...]:
    """The shape of a value's array where the batch has so many rows."""
    return tuple(d if isinstance(d, int) else rows for d in value.shape)


def shaped(array: Array, value: Value, rows: int) -> Array:
    """An array in the value's full shape (engines may keep broadcast ones small)."""
    return np.broadcast_to(array, size_of(value, rows))
