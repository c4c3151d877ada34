"""The native engine: a program lowered to a plan, carried out by the compiled runner."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from chainrule import _native
from chainrule.engines.native.lowering import lower
from chainrule.engines.native.plan import Instruction, Plan
from chainrule.engines.program import Array, Precision, Program, Runner, State, row_count
from chainrule.errors import DataError, ShapeError, UsageError
from chainrule.graph import BATCH, Constant, Input, Parameter, Shape, Value
from chainrule.ops.shapes import Reshape

P = ParamSpec("P")
R = TypeVar("R")

MOST_THREADS = 256  # which a system lets a process start; no bit depends on the number
ELEMENTS = frozenset(map(np.dtype, ("float32", "float64", "uint8", "int64")))


def lowered(
    program: Program, precision: Precision, watched: Sequence[Value] = ()
) -> tuple[Plan, dict[Value, int], dict[Value, Parameter]]:
    """What `lower` makes of a program in a precision, on this machine."""
    try:
        _native.chosen_isa()
    except ValueError as error:  # CHAINRULE_ISA names none of this machine's
        raise UsageError(str(error)) from None
    rounded = precision == "bfloat16"
    tiles = rounded and _native.bfloat16_tiles()
    return lower(program, watched, rounded=rounded, tiles=tiles)


def _in_turn(
    method: Callable[Concatenate[NativeRunner, P], R],
) -> Callable[Concatenate[NativeRunner, P], R]:
    """The method with the state's parameters in the runner's buffers and nobody else at them.

    A signal's handler that comes in the middle works with a runner of its own.
    """

    @wraps(method)
    def turn(self: NativeRunner, /, *args: P.args, **kwargs: P.kwargs) -> R:
        current = self._current()
        with self.turn:
            if self._busy:
                another = NativeRunner(self.program, self.state, self.threads)
                return turn(another, *args, **kwargs)
            self._busy = True
            try:
                self._take(current)
                return method(self, *args, **kwargs)
            finally:
                self._busy = False

    return turn


class NativeRunner:
    """A plan bound to a state; parameters are taken in before a run, and out when someone looks at them."""

    def __init__(
        self,
        program: Program,
        state: State,
        threads: int | None = None,
        watched: Sequence[Value] = (),
    ) -> None:
        self.program, self.state = _old_values_kept(program), state
        self.threads = min(_native.default_threads() if threads is None else threads, MOST_THREADS)
        self.plan, self.buffers, self._views = lowered(self.program, state.precision, watched)
        changed = [self.buffers[parameter] for parameter, _ in program.assignments]
        self._runner = _make(self.plan, state.dtype, changed)
        for buffer, value in self.plan.constants.items():
            self._runner.write(buffer, _elements(value, state.dtype).reshape(-1))
        self._parameters = [(p, b) for p, b in self.buffers.items() if isinstance(p, Parameter)]
        self._changed = [
            (p, self.buffers[p], _rows_of(p.shape), _sizes(p.shape)) for p, _ in program.assignments
        ]
        self._by_row = any(_batched(value) for value in program.outputs.values())
        self._there: dict[Parameter, Array] = {}  # what the parameters' buffers hold
        # One thread at a time has the buffers; a signal's handler may come in the middle and look at
        # the parameters, for which a step that has begun to write them is finished first.
        self.turn = threading.RLock()
        self._busy = False

    @_in_turn
    def once(
        self, data: Mapping[Input, Any], scalars: Mapping[Input, Any] | None = None
    ) -> dict[str, Array]:
        rows = self._whole(data, scalars, kept=self._by_row)
        return {name: self._read(value, rows) for name, value in self.program.outputs.items()}

    @_in_turn
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
        end = total if last is None else min(last, total)
        before = [(sums or {}).get(name, 0.0) for name in self.program.outputs]
        return self._summed(data, order[None], batch_size, table, first, end, before)[0]

    @_in_turn
    def epochs(
        self,
        data: Mapping[Input, Array],
        orders: Array,
        batch_size: int,
        table: Mapping[Input, Array],
    ) -> list[dict[str, float]]:
        steps = -(-orders.shape[1] // batch_size)
        before = [0.0] * len(self.program.outputs)
        return self._summed(data, orders, batch_size, table, 0, steps, before)

    @_in_turn
    def blocks(self, data: Mapping[Input, Array], block: int = 4096) -> dict[str, Array]:
        rows = row_count(data, self.program)
        for name, value in self.program.outputs.items():
            if not _batched(value):
                raise ShapeError(f"{name} has no entry for each row: run it on all rows at once.")
        found = {n: self._empty(v, rows) for n, v in self.program.outputs.items()}
        collected = [(self.buffers[v], found[n]) for n, v in self.program.outputs.items()]
        steps = -(-rows // block)
        self._run(data, np.arange(rows)[None], block, {}, 0, steps, collected=collected)
        return found

    def inspect(
        self,
        values: Sequence[Value],
        data: Mapping[Input, Any],
        scalars: Mapping[Input, Any] | None = None,
    ) -> dict[Value, Array]:
        before = self.state.arrays
        given = (before, data, scalars or {})
        found: dict[Value, Any] = {leaf: array for each in given for leaf, array in each.items()}
        found.update((value, value.array) for value in values if isinstance(value, Constant))
        watching = NativeRunner(self.program, self.state, self.threads, values)
        # Sums over rows as a step makes them, perhaps slice by slice; rows from a run that keeps them.
        for kept in (False, True):
            watching.state = State(self.state.precision, dict(before))
            watching._take(watching.state.arrays)
            rows = watching._whole(data, scalars, kept=kept)
            for value in values:
                if value.op is None or _batched(value) != kept:
                    continue
                parameter = watching._views.get(value)
                if parameter is not None:
                    found[value] = before[parameter].reshape(value.shape)
                else:
                    found[value] = watching._read(value, rows)
        return {value: np.asarray(found[value]) for value in values}

    def _summed(
        self,
        data: Mapping[Input, Array],
        orders: Array,
        batch_size: int,
        table: Mapping[Input, Array],
        first: int,
        last: int,
        before: Sequence[float],
    ) -> list[dict[str, float]]:
        """Run these steps of each epoch; the sums of each, the first's added to those `before`."""
        names = list(self.program.outputs)
        found = iter(self._run(data, orders, batch_size, table, first, last, names, before))
        return [{name: next(found) for name in names} for _ in orders]

    def _whole(
        self, data: Mapping[Input, Any], scalars: Mapping[Input, Any] | None, *, kept: bool
    ) -> int:
        """Run once on all rows given, and say how many; what has a value for each can be read if `kept`."""
        rows = row_count(data, self.program)
        table = {leaf: np.asarray(value)[None] for leaf, value in (scalars or {}).items()}
        self._run(data, np.arange(rows)[None], max(rows, 1), table, 0, 1, kept=kept)
        return rows

    def _run(
        self,
        data: Mapping[Input, Any],
        orders: Array,
        batch_size: int,
        table: Mapping[Input, Array],
        first: int,
        last: int,
        summed: Sequence[str] = (),
        before: Sequence[float] = (),
        *,
        collected: Sequence[tuple[int, Array]] = (),
        kept: bool = False,
    ) -> list[float]:
        sources = [
            (self.buffers[leaf], _rows(array, self.state.dtype))
            for leaf, array in data.items()
            if leaf in self.program.rows
        ]
        columns = []
        for leaf in self.program.scalars:
            column = table[leaf]
            wanted = np.uint32 if leaf.kind == "int" else np.float64
            columns.append((self.buffers[leaf], np.ascontiguousarray(column, wanted)))
        outputs = [self.buffers[self.program.outputs[name]] for name in summed]
        try:
            sums = self._runner.run(
                sources,
                columns,
                np.ascontiguousarray(orders, np.int64),
                batch_size,
                first,
                last,
                outputs,
                list(before),
                list(collected),
                kept,
                self.threads,
                threading.current_thread() is threading.main_thread(),  # which hears signals
            )
        except BaseException as error:
            if self.state.newer is not self:
                self._there.clear()  # some steps may be done
            if isinstance(error, IndexError):
                raise DataError(f"The data do not fit the model: {error}.") from error
            raise
        if self._changed:
            self.state.newer = self
            for parameter, *_ in self._changed:
                self._there.pop(parameter, None)
        return list(sums)

    def _current(self) -> Mapping[Parameter, Array]:
        """The state's arrays, where others may have changed them.

        Whoever looks at them waits for this runner's turn to end, so they are asked for before it begins.
        """
        return {} if self.state.newer is self else self.state.arrays

    def _take(self, arrays: Mapping[Parameter, Array]) -> None:
        for parameter, buffer in self._parameters if arrays else ():
            array = arrays[parameter]
            if self._there.get(parameter) is not array:  # arrays are replaced, never written into
                self._runner.write(buffer, np.ascontiguousarray(array).reshape(-1))
                self._there[parameter] = array

    def bring(self, arrays: dict[Parameter, Array]) -> None:
        with self.turn:
            dtype = self.state.dtype
            wanted = [(b, rows, np.empty(shape, dtype)) for _, b, rows, shape in self._changed]
            self._runner.read(wanted)
            for (parameter, *_), (_, _, array) in zip(self._changed, wanted, strict=True):
                arrays[parameter] = self._there[parameter] = array

    def _read(self, value: Value, rows: int) -> Array:
        found = self._empty(value, rows)
        height = rows if _batched(value) else _rows_of(value.shape)
        height = found.size if value.kind == "int" else height
        self._runner.read([(self.buffers[value], height, found)])
        return found

    def _empty(self, value: Value, rows: int) -> Array:
        """An array for a value of so many rows."""
        shape = tuple(d if isinstance(d, int) else rows for d in value.shape)
        return np.empty(shape, np.int64 if value.kind == "int" else self.state.dtype)


class Native:
    """The engine `native`: compiled kernels."""

    name = "native"

    def prepare(self, program: Program, state: State, threads: int | None = None) -> Runner:
        return NativeRunner(program, state, threads)


def _old_values_kept(program: Program) -> Program:
    """With outputs that are parameters as copies, which a step does not change."""
    changed = {parameter for parameter, _ in program.assignments}
    outputs = {
        name: Reshape(value.shape)(value) if value in changed else value
        for name, value in program.outputs.items()
    }
    return replace(program, outputs=outputs)


def _batched(value: Value) -> bool:
    """Whether it has an entry for each row of the data."""
    return any(d is BATCH for d in value.shape)


def _sizes(shape: Shape) -> tuple[int, ...]:
    """A parameter's shape, which has no batch dimension."""
    return tuple(d for d in shape if isinstance(d, int))


def _rows_of(shape: Shape) -> int:
    """Rows of the matrix a parameter is kept as: its last dimension is the columns."""
    return math.prod(_sizes(shape[:-1]))


def _rows(array: Any, dtype: np.dtype[Any]) -> Array:
    """Rows of data as the runner reads them: row after row, in one of its element types."""
    found = np.asarray(array)
    if found.dtype not in ELEMENTS:
        if found.dtype.kind not in "fiub":
            raise DataError(f"The data holds {found.dtype} entries: give numbers.")
        found = found.astype(dtype if found.dtype.kind == "f" else np.int64)
    found = np.ascontiguousarray(found)
    return found if found.flags.aligned else found.copy()  # a file's bytes may lie anywhere


def _elements(constant: Any, dtype: np.dtype[Any]) -> Array:
    """A constant as the runner takes it: in the run's own type, or 64-bit integers."""
    integer = np.asarray(constant).dtype.kind in "iu"
    return np.ascontiguousarray(constant, np.int64 if integer else dtype)


def _numbered(instruction: Instruction) -> list[list[int]]:
    """The code in numbers."""
    numbers = _native.opcodes()
    return [[numbers[micro], dst, *sources] for micro, dst, sources in instruction.code]


def _make(plan: Plan, dtype: np.dtype[Any], assigned: list[int]) -> Any:
    made = _native.Plan32 if dtype == np.float32 else _native.Plan64
    return made(
        [(s.layout, s.rows, s.columns) for s in plan.spaces],
        [
            (
                *(i.opcode, i.out, i.also, i.a, i.b),
                *(_numbered(i), i.operands, i.registers, i.integers, i.real),
            )
            for i in plan.instructions
        ],
        plan.batch_size,
        assigned,
    )
