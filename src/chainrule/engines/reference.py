"""The reference engine: runs any graph with NumPy, one operation after another.

It is the oracle the other engines are held against, so it is plain: values are computed in topological
order, assignments are carried out at the end, nothing is fused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule import random
from chainrule.engines.program import Array, Precision, Program, Runner, State, row_count
from chainrule.graph import Constant, Input, Op, Parameter, Value, topological_order


class Namespace:
    """NumPy in one precision, with the few functions operations need beyond it."""

    def __init__(self, precision: Precision) -> None:
        self.dtype = State(precision).dtype
        self.rounds = precision == "bfloat16"
        self.rows = 1

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        setattr(self, name, function)  # the next look-up finds it at once
        return function

    def real(self, x: Any) -> Any:
        """`x` as real numbers of this precision."""
        return np.asarray(x, dtype=self.dtype)

    def matmul(self, a: Any, b: Any) -> Any:
        """The product of two matrices, their numbers rounded first where the precision says so."""
        return np.matmul(bfloat16(a), bfloat16(b)) if self.rounds else np.matmul(a, b)

    def erf(self, x: Any) -> Any:
        """The error function."""
        from scipy.special import erf

        return erf(x)

    def scatter_add(self, rows: int, index: Any, x: Any) -> Any:
        """An array of `rows` rows, row r the sum of those rows of `x` whose index is r."""
        total = np.zeros((rows, *x.shape[np.ndim(index) :]), dtype=x.dtype)
        np.add.at(total, index, x)
        return total

    def words(self, key: Any, stream: int, n: int) -> Any:
        """`n` random 32-bit words for a key (seed low, seed high, counter low, counter high)."""
        seed_low, seed_high, low, high = (int(k) for k in key)
        return random.words(seed_low | seed_high << 32, low | high << 32, stream, n)


def bfloat16(x: Array) -> Array:
    """float32 numbers rounded to the nearest bfloat16, to the even one of two as near."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    kept = (rounded & np.uint32(0xFFFF0000)).view(np.float32)
    return np.where(np.isnan(x), x, kept)


class ReferenceRunner:
    """A program as a list of operations over numbered slots."""

    def __init__(self, program: Program, state: State) -> None:
        self.program = program
        self.state = state
        self.xp = Namespace(state.precision)
        self._slots: list[Any] = []
        self._operations: list[tuple[Op, tuple[int, ...], int]] = []
        self._parameters: list[tuple[Parameter, int]] = []
        self._inputs: list[tuple[Input, int]] = []
        slot_of = self._slot_of = dict[Value, int]()
        same: dict[
            tuple[Op, tuple[int, ...]], int
        ] = {}  # an operation on the same inputs runs once
        targets = [value for _, value in program.assignments]
        for value in topological_order(
            [*program.rows, *program.scalars, *program.outputs.values(), *targets]
        ):
            sources = tuple(slot_of[x] for x in value.inputs)
            if value.op is not None and (value.op, sources) in same:
                slot_of[value] = same[value.op, sources]
                continue
            slot = slot_of[value] = len(self._slots)
            self._slots.append(None)
            if value.op is not None:
                same[value.op, sources] = slot
                self._operations.append((value.op, sources, slot))
            elif isinstance(value, Constant):
                self._slots[slot] = (
                    self.xp.real(value.array) if value.kind == "float" else value.array
                )
            elif isinstance(value, Parameter):
                self._parameters.append((value, slot))
            elif isinstance(value, Input):
                self._inputs.append((value, slot))
        self._outputs = {name: slot_of[value] for name, value in program.outputs.items()}
        self._assignments = [
            (parameter, slot_of[value]) for parameter, value in program.assignments
        ]

    def once(
        self, data: Mapping[Input, Any], scalars: Mapping[Input, Any] | None = None
    ) -> dict[str, Array]:
        rows = row_count(data, self.program)
        return self._run(rows, {**data, **(scalars or {})})

    def steps(
        self,
        data: Mapping[Input, Array],
        order: Array,
        batch_size: int,
        table: Mapping[Input, Array],
        first: int = 0,
        last: int | None = None,
        sums: Mapping[str, float] | None = None,
    ) -> dict[str, float]:
        total = -(-len(order) // batch_size)
        found = dict.fromkeys(self._outputs, 0.0) | dict(sums or {})
        for i in range(first, total if last is None else min(last, total)):
            chosen = order[i * batch_size : (i + 1) * batch_size]
            feed: dict[Input, Any] = {leaf: array[chosen] for leaf, array in data.items()}
            feed.update((leaf, column[i]) for leaf, column in table.items())
            for name, array in self._run(len(chosen), feed).items():
                found[name] += float(array)
        return found

    def epochs(
        self,
        data: Mapping[Input, Array],
        orders: Array,
        batch_size: int,
        table: Mapping[Input, Array],
    ) -> list[dict[str, float]]:
        found = []
        for i, order in enumerate(orders):
            own = {leaf: np.split(column, len(orders))[i] for leaf, column in table.items()}
            found.append(self.steps(data, order, batch_size, own))
        return found

    def blocks(self, data: Mapping[Input, Array], block: int = 4096) -> dict[str, Array]:
        rows = row_count(data, self.program)
        parts = [
            self._run(
                min(block, rows - at),
                {leaf: array[at : at + block] for leaf, array in data.items()},
            )
            for at in range(0, max(rows, 1), block)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in self._outputs}

    def inspect(
        self,
        values: Sequence[Value],
        data: Mapping[Input, Any],
        scalars: Mapping[Input, Any] | None = None,
    ) -> dict[Value, Array]:
        slots = self._computed(row_count(data, self.program), {**data, **(scalars or {})})
        return {value: np.asarray(slots[self._slot_of[value]]) for value in values}

    def _run(self, rows: int, feed: Mapping[Input, Any]) -> dict[str, Array]:
        slots = self._computed(rows, feed)
        for parameter, slot in self._assignments:
            self.state.arrays[parameter] = np.asarray(slots[slot])
        return {name: slots[slot] for name, slot in self._outputs.items()}

    def _computed(self, rows: int, feed: Mapping[Input, Any]) -> list[Any]:
        """Every slot's array, the state left as it is."""
        slots, xp = self._slots.copy(), self.xp
        xp.rows = rows
        for leaf, slot in self._inputs:
            slots[slot] = xp.real(feed[leaf]) if leaf.kind == "float" else np.asarray(feed[leaf])
        for parameter, slot in self._parameters:
            slots[slot] = self.state.arrays[parameter]
        with np.errstate(all="ignore"):  # a loss that overflows is judged by who trains
            for op, sources, slot in self._operations:
                slots[slot] = op.evaluate(xp, *[slots[s] for s in sources])
        return slots


class Reference:
    """The engine `reference`: NumPy, in float32 or float64."""

    name = "reference"

    def prepare(self, program: Program, state: State, threads: int | None = None) -> Runner:
        return ReferenceRunner(program, state)  # NumPy decides for itself how many threads it uses


def evaluate(
    outputs: Mapping[str, Value], given: Mapping[Input, Any], precision: Precision = "float64"
) -> dict[str, Array]:
    """The arrays of the outputs for the given inputs, without state: one run of the reference engine."""
    runner = ReferenceRunner(Program(tuple(given), outputs), State(precision))
    return {name: np.asarray(array) for name, array in runner.once(given).items()}
