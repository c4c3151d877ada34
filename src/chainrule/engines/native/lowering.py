"""Lowering: a program's graph as a flat plan.

Values become buffers; elementwise operations become code that runs where its inputs are finished — at the
end of a matrix product's tile where possible, so that activations, their derivatives and the optimizer's
update never make a trip to memory. An assignment writes straight into its parameter where nobody still has
to read the old value, and is copied there at the end otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chainrule.engines.native.micro import MICRO
from chainrule.engines.native.plan import (
    BATCH_ROWS,
    SCRATCH_REGISTER,
    Instruction,
    Plan,
    Space,
    Spread,
)
from chainrule.engines.program import Program
from chainrule.errors import ChainruleError
from chainrule.graph import Batch, Constant, Input, Op, Parameter, Shape, Value, topological_order
from chainrule.ops.basic import Add, Multiply, Negative

SCALAR = Space("scalar")
WITH_CODE = ("nn", "tn", "column_sum")  # whose result has code run on it, and need not be stored
FUSABLE = ("elementwise", *WITH_CODE)
PASSING_ON = ("broadcast_to", "stop_gradient")
CHEAP = ("greater", "greater_equal", "equal", "negative", *PASSING_ON)
MOST_OPERANDS = (
    40  # of one piece of code, so that its operands and registers stay in the nearest cache
)


class NoKernel(ChainruleError, NotImplementedError):
    """An operation, or a use of one, that has no kernel."""

    def __init__(self, value: Value, why: str = "") -> None:
        self.name = value.op.name if value.op is not None else str(value.name)
        self.what = f"{self.name}{f' {why}' if why else ''}"
        super().__init__(
            f"The native engine has no kernel for {self.what}: use engine='auto' or engine='reference'."
        )


def space_of(value: Value) -> Space:
    """Where a value's elements live."""
    shape = value.shape
    if value.kind == "int":
        if value.shape == (4,) and isinstance(value, Input):
            return Space("key", 1, 4)
        rows, columns = _flat(value, shape)
        return Space("integers", rows, columns)
    rows, columns = _flat(value, shape)
    if (rows, columns) == (1, 1):
        return SCALAR
    return (
        Space("column", rows)
        if rows == BATCH_ROWS and columns == 1
        else Space("matrix", rows, columns)
    )


def _flat(value: Value, shape: Shape) -> tuple[int, int]:
    if any(isinstance(d, Batch) for d in shape[1:]):
        raise NoKernel(value, "with a batch that is not the first axis")
    sizes = [BATCH_ROWS if isinstance(d, Batch) else d for d in shape]
    if not sizes:
        return 1, 1
    if sizes[0] == BATCH_ROWS:
        return BATCH_ROWS, math.prod(sizes[1:])
    return (1, sizes[0]) if len(sizes) == 1 else (math.prod(sizes[:-1]), sizes[-1])


@dataclass(frozen=True)
class Rounding:
    """What stands between a value and a product that reads it in bfloat16."""

    name = "bfloat16"


@dataclass
class _Draft:
    """An instruction whose code still names values and temporaries, not places."""

    opcode: str
    space: Space
    out: int = -1
    also: int = -1
    a: int = -1
    b: int = -1
    code: list[tuple[str, int, tuple[int, ...]]] = field(
        default_factory=list
    )  # micro, slot, sources
    product: int = -1  # the slot of a product's own result
    integers: tuple[int, ...] = ()
    real: float = 0.0


class Lowering:
    """The lowering of one program. A *slot* is a number for a value, a temporary or a constant."""

    def __init__(
        self, program: Program, watched: Sequence[Value] = (), *, rounded: bool = False
    ) -> None:
        self.program = program
        self.rounded = rounded
        self.watched = [value for value in watched if value.op is not None]
        self.spaces: list[Space] = []  # of each slot
        self.made_by: list[int] = []  # the instruction that makes it, -1 for leaves
        self.stored: list[bool] = []  # whether it needs a buffer
        self.drafts: list[_Draft] = []
        self.constants: dict[int, Any] = {}
        self.slot_of: dict[Value, int] = {}
        self.batch_size = -1
        self.pending: dict[
            int, tuple[Op, Value, list[int]]
        ] = {}  # cheap code, written where it is used
        self._settled: dict[int, int] = {}  # pending slots that got a buffer after all
        self._numbers: dict[float, int] = {}
        self._same: dict[Any, int] = {}

    # --- slots ---

    def slot(self, space: Space, made_by: int = -1, *, stored: bool = False) -> int:
        """A new slot."""
        self.spaces.append(space)
        self.made_by.append(made_by)
        self.stored.append(stored)
        return len(self.spaces) - 1

    def number(self, x: float) -> int:
        """The slot of a constant number."""
        if x not in self._numbers:
            self._numbers[x] = self.slot(SCALAR, stored=True)
            self.constants[self._numbers[x]] = x
        return self._numbers[x]

    def instruction(
        self, opcode: str, space: Space, a: int = -1, b: int = -1, **settings: Any
    ) -> int:
        """A new instruction on stored slots; the slot of its result."""
        a, b = self.settled(a), self.settled(b)
        for source in (a, b):
            if source >= 0:
                self.stored[source] = True
        key = (opcode, space, a, b, tuple(sorted(settings.items())))
        if key in self._same:
            return self._same[key]
        out = self.slot(space, len(self.drafts), stored=opcode not in WITH_CODE)
        self.drafts.append(_Draft(opcode, space, out, a=a, b=b, **settings))
        if opcode in WITH_CODE:
            self.drafts[-1].product = out
        self._same[key] = out
        return out

    # --- elementwise code ---

    def spread(self, slot: int, space: Space) -> Spread | None:
        """How a slot's elements lie under a space, if they do."""
        own = self.spaces[slot]
        if own == space:
            return "full"
        if own == SCALAR:
            return "scalar"
        if space.layout == "matrix":
            if own == Space("matrix", 1, space.columns):
                return "row"
            if own == Space("column", space.rows):
                return "column"
        return None

    def elementwise(self, op: Op, value: Value, space: Space, sources: list[int]) -> int:
        """Code for an elementwise operation; what is cheap is written only where its result is used."""
        ready = [self._under(space, source, value) for source in sources]
        if op.name in PASSING_ON or (
            op.name in CHEAP and any(self.made_by[s] >= 0 for s in ready)
        ):
            slot = self.slot(space, max(self.made_by[s] for s in ready))
            self.pending[slot] = (op, value, ready)
            return slot
        return self._written(op, space, ready)

    def settled(self, slot: int) -> int:
        """The slot, with its code written if that was still pending."""
        if slot in self.pending and slot not in self._settled:
            op, _, sources = self.pending[slot]
            self._settled[slot] = self._written(op, self.spaces[slot], sources)
        return self._settled.get(slot, slot)

    def _under(self, space: Space, source: int, value: Value) -> int:
        """A slot with the source's elements that can be read under a space."""
        while self.spaces[source] != space and self._passes_on(source):
            source = self.pending[source][2][0]
        own = self.spaces[source]
        if own.layout == "integers":
            source = self._real(source, value)
        elif (
            own.layout == "matrix" and own.columns == 1 and own.rows == space.rows and own != space
        ):
            source = self.instruction("to_column", Space("column", own.rows), source)
        if self.spread(source, space) is None:
            raise NoKernel(value, "with this broadcasting")
        return source if self.spaces[source] == space else self.settled(source)

    def factor(self, slot: int) -> int:
        """What a product reads in place of a matrix: the same, rounded where the precision says so."""
        if not self.rounded:
            return slot
        key = ("bfloat16", slot)
        if key not in self._same:
            self._same[key] = self._written(Rounding(), self.spaces[slot], [slot])
        return self._same[key]

    def _passes_on(self, slot: int) -> bool:
        """Whether a slot is still to be written and only spreads out another."""
        return slot in self.pending and self.pending[slot][0].name in PASSING_ON

    def _real(self, slot: int, value: Value) -> int:
        """Integers, one for each row, as real numbers."""
        own = self.spaces[slot]
        if own.rows != BATCH_ROWS or own.columns != 1:
            raise NoKernel(value, "on integers that are not one for each row")
        return self.instruction("to_real", Space("column", own.rows), slot)

    def _written(self, op: Op | Rounding, space: Space, sources: list[int]) -> int:
        """The result of code put where its last input is made, or into later code over the same space."""
        earliest = max((self.made_by[s] for s in sources), default=-1)
        places = (
            at
            for at in range(max(earliest, 0), len(self.drafts))
            if self.drafts[at].opcode in FUSABLE
            and self.drafts[at].space == space
            and len(self._touched(at)) + len(sources) <= MOST_OPERANDS
        )
        at = next(places, -1)
        if at < 0 or earliest < 0:
            at = len(self.drafts)
            self.drafts.append(_Draft("elementwise", space))
        return self._write_at(at, op, sources)

    def _write_at(self, at: int, op: Op | Rounding, sources: list[int]) -> int:
        ready = []
        for source in sources:
            if source in self.pending and source not in self._settled:
                inner, _, inputs = self.pending[source]
                if inner.name in PASSING_ON:
                    source = inputs[0]
                else:
                    key = (source, at)
                    if key not in self._same:
                        self._same[key] = self._write_at(at, inner, inputs)
                    source = self._same[key]
            source = self._settled.get(source, source)
            if self.made_by[source] != at:
                self.stored[source] = True
            ready.append(source)
        emit = _Emit(self, at, self.drafts[at].space)
        return int(MICRO[op.name](emit, op, *ready))

    def _touched(self, at: int) -> set[int]:
        return {
            s for _, _, sources in self.drafts[at].code for s in sources if self.made_by[s] != at
        }

    # --- the walk ---

    def lower(self) -> Plan:
        """The plan of the program."""
        program = self.program
        targets = [value for _, value in program.assignments]
        for leaf in program.rows:
            if not leaf.shape or not isinstance(leaf.shape[0], Batch):
                raise NoKernel(leaf, "as an input without rows")
        for leaf in (*program.rows, *program.scalars):
            self.slot_of[leaf] = self.slot(space_of(leaf), stored=True)
        for value in topological_order([*program.outputs.values(), *targets]):
            if value not in self.slot_of:
                self.slot_of[value] = self._value(value)
        for value in (*program.outputs.values(), *targets, *self.watched):
            self.slot_of[value] = self.settled(self.slot_of[value])
        for value in (*program.outputs.values(), *self.watched):
            self.stored[self.slot_of[value]] = True
        copies = self._assign()
        for parameter, slot in copies:
            self.stored[slot] = True
            draft = _Draft("elementwise", self.spaces[parameter], out=parameter)
            draft.code.append(("copy", parameter, (slot,)))
            self.drafts.append(draft)
        return self._finished()

    def _value(self, value: Value) -> int:
        if isinstance(value, Parameter):
            return self.slot(space_of(value), stored=True)
        if isinstance(value, Constant):
            if value.shape == () and value.kind == "float":
                return self.number(float(value.array))
            slot = self.slot(space_of(value), stored=True)
            self.constants[slot] = value.array
            return slot
        if value.op is None:
            raise NoKernel(value, "as an undeclared input")
        sources = [self.slot_of[x] for x in value.inputs]
        key = (value.op, tuple(sources))
        if key not in self._same:
            self._same[key] = self._lowered(value, sources)
        return self._same[key]

    def _lowered(self, value: Value, sources: list[int]) -> int:
        assert value.op is not None
        name = value.op.name
        if name in RULES:
            return RULES[name](self, value, sources)
        if name not in MICRO:
            raise NoKernel(value)
        if name == "real" and self.spaces[sources[0]].layout == "integers":
            return self._real(sources[0], value)
        space = space_of(value)
        if value.rank > 2 and any(self.spaces[s] not in (SCALAR, space) for s in sources):
            raise NoKernel(value, "of more than two axes")
        if name == "multiply":  # back-propagation begins with ones
            for one, other in (sources, reversed(sources)):
                if self._is_one(one) and self.spaces[other] == space:
                    return other
        return self.elementwise(value.op, value, space, sources)

    def _is_one(self, slot: int) -> bool:
        """Whether all elements of a slot are the number 1."""
        while self._passes_on(slot):
            slot = self.pending[slot][2][0]
        return slot == self._numbers.get(1.0)

    # --- assignments ---

    def _assign(self) -> list[tuple[int, int]]:
        """Let values be made in their parameters' own buffers; what has to be copied at the end."""
        copies: list[tuple[int, int]] = []
        self.home: dict[int, int] = {}  # the slot whose buffer a slot shares
        outputs = {self.slot_of[v] for v in self.program.outputs.values()}
        # whose old value somebody wants at the very end
        kept = outputs | {self.slot_of[v] for _, v in self.program.assignments if not v.inputs}
        for target, value in self.program.assignments:
            if target not in self.slot_of:
                self.slot_of[target] = self.slot(space_of(target), stored=True)
            parameter, slot = self.slot_of[target], self.slot_of[value]
            if slot == parameter:
                continue
            if parameter not in kept and self._may_overwrite(parameter, slot):
                self.home[slot] = parameter
                self.stored[slot] = True
            else:
                copies.append((parameter, self._copied(slot) if slot in kept else slot))
        return copies

    def _copied(self, slot: int) -> int:
        """The slot's value in a buffer of its own, safe from assignments."""
        copy = self.slot(self.spaces[slot], len(self.drafts), stored=True)
        self.drafts.append(_Draft("elementwise", self.spaces[slot], code=[("copy", copy, (slot,))]))
        return copy

    def _may_overwrite(self, parameter: int, slot: int) -> bool:
        """Whether a value may be written over the parameter's old one as soon as it is made."""
        at = self.made_by[slot]
        if at < 0 or slot in self.home or self.drafts[at].opcode not in FUSABLE:
            return False
        if slot in self.constants or self.spaces[slot] != self.spaces[parameter]:
            return False
        draft = self.drafts[at]
        if any(parameter in (d.a, d.b) for d in self.drafts[at:]):
            return False
        if any(parameter in sources for d in self.drafts[at + 1 :] for _, _, sources in d.code):
            return False
        made = [i for i, (_, dst, _) in enumerate(draft.code) if dst == slot]
        read = [i for i, (_, _, sources) in enumerate(draft.code) if parameter in sources]
        return bool(made) and all(i <= made[-1] for i in read)

    # --- numbering ---

    def _finished(self) -> Plan:
        self._drop_unread()
        for at, draft in enumerate(self.drafts):
            for _, _, sources in draft.code:
                for source in sources:
                    if self.made_by[source] != at:
                        self.stored[source] = True
        buffers: dict[int, int] = {}
        spaces: list[Space] = []
        for slot, space in enumerate(self.spaces):
            if self.stored[slot] and slot not in self.home:
                buffers[slot] = len(spaces)
                spaces.append(space)
        buffers.update((slot, buffers[self.home[slot]]) for slot in self.home)
        self.buffers = buffers
        constants = {
            buffers[slot]: value for slot, value in self.constants.items() if slot in buffers
        }
        for draft in self.drafts:
            self._join_adam(draft)
        instructions = [self._placed(draft, buffers) for draft in self.drafts if draft.opcode]
        leaves = {v: buffers.get(s, -1) for v, s in self.slot_of.items() if v.op is None and v.name}
        names = {buffer: str(v.name) for v, buffer in leaves.items() if buffer >= 0}
        return Plan(spaces, instructions, constants, buffers.get(self.batch_size, -1), names)

    def _drop_unread(self) -> None:
        """Leave out what nobody reads: a draft without an opcode is not carried out."""
        shown = (*self.program.outputs.values(), *self.watched)
        wanted = {self.slot_of[v] for v in shown}
        wanted |= {*self.home, *(self.slot_of[p] for p, _ in self.program.assignments)}
        for draft in reversed(self.drafts):
            code = []
            for micro, dst, sources in reversed(draft.code):
                if dst in wanted:
                    wanted.update(sources)
                    code.append((micro, dst, sources))
            draft.code = code[::-1]
            if draft.also not in wanted:
                draft.also = -1
            if not code and draft.out not in wanted and draft.also < 0:
                draft.opcode = ""
            elif draft.opcode:
                wanted.update((draft.a, draft.b))

    def _join_adam(self, draft: _Draft) -> None:
        """Make one micro-operation of Adam's three, where its numbers are the same for all elements."""
        names = ("average", "average_of_squares", "adam_step")
        for i in range(len(draft.code) - 2):
            step = draft.code[i : i + 3]
            if tuple(micro for micro, _, _ in step) != names:
                continue
            (_, m_new, (m, g, *average)), (_, v_new, (v, g_too, *squares)), last = step
            _, w_new, (w, m_read, v_read, *settings) = last
            numbers = [*average, *squares, *settings]
            arrays = [w, m, v, g, w_new, m_new, v_new]
            if (m_read, v_read, g_too) != (m_new, v_new, g):
                continue
            if not (self.stored[m_new] and self.stored[v_new]):
                continue
            if all(self.spaces[s] == SCALAR for s in numbers) and all(
                self.spaces[s] == draft.space for s in arrays
            ):
                sources = (w, m, v, g, *numbers, m_new, v_new)
                draft.code[i : i + 3] = [("adam", w_new, sources)]
                return

    def _placed(self, draft: _Draft, buffers: dict[int, int]) -> Instruction:
        """The instruction with places: operands for what is in buffers, registers for the rest."""
        done = Instruction(
            draft.opcode,
            draft.space,
            buffers.get(draft.out, -1),
            buffers.get(draft.also, -1),
            buffers.get(draft.a, -1),
            buffers.get(draft.b, -1),
            integers=draft.integers,
            real=draft.real,
        )
        operands: dict[int, int] = {}
        last_use = {s: i for i, (_, _, sources) in enumerate(draft.code) for s in sources}
        free: list[int] = []
        registers: dict[int, int] = {}

        def operand(slot: int) -> int:
            if slot not in operands:
                own = slot == draft.product and slot not in buffers
                spread = self.spread(slot, draft.space)
                assert spread is not None
                operands[slot] = len(done.operands)
                done.operands.append((-1 if own else buffers[slot], spread))
            return operands[slot]

        def place(slot: int) -> int:
            return SCRATCH_REGISTER + registers[slot] if slot in registers else operand(slot)

        for i, (micro, dst, sources) in enumerate(draft.code):
            read = [place(s) for s in sources]
            free += [registers[s] for s in set(sources) if s in registers and last_use[s] == i]
            if dst in buffers:
                written = operand(dst)
            else:
                if not free:
                    free.append(done.registers)
                    done.registers += 1
                registers[dst] = free.pop()
                written = SCRATCH_REGISTER + registers[dst]
                if dst not in last_use:
                    free.append(registers[dst])
            done.code.append((micro, written, read))
        if draft.opcode == "elementwise":
            done.out = next(b for b, s in done.operands if s == "full" and b >= 0)
        return done


class _Emit:
    """Writes the micro-operations of one value into a draft."""

    def __init__(self, lowering: Lowering, at: int, space: Space) -> None:
        self.lowering, self.at, self.space = lowering, at, space

    def __call__(self, micro: str, *sources: int) -> int:
        slot = self.lowering.slot(self.space, self.at)
        self.lowering.drafts[self.at].code.append((micro, slot, sources))
        return slot

    def constant(self, number: float) -> int:
        return self.lowering.number(float(number))


# --- operations that are not elementwise ------------------------------------------------------------

Rule = Callable[[Lowering, Value, "list[int]"], int]


def _matrix(lowering: Lowering, slot: int) -> int:
    """The slot as a matrix a product can read."""
    slot = lowering.settled(slot)
    space = lowering.spaces[slot]
    if space.layout == "column":
        return lowering.instruction("to_matrix", Space("matrix", space.rows, 1), slot)
    lowering.stored[slot] = True
    return slot


def _as(lowering: Lowering, made: int, wanted: Space) -> int:
    """A result of one column, as the column or number it is elsewhere."""
    if lowering.spaces[made] == wanted:
        return made
    if wanted.layout == "column":
        return lowering.instruction("to_column", wanted, made)
    return made


def _product(lowering: Lowering, value: Value, a: int, b: int, opcode: str) -> int:
    a, b = lowering.factor(_matrix(lowering, a)), lowering.factor(_matrix(lowering, b))
    left, right = lowering.spaces[a], lowering.spaces[b]
    if opcode == "tn" and left.columns == BATCH_ROWS:
        raise NoKernel(value)
    rows = left.rows if opcode == "nn" else left.columns
    return _as(
        lowering, lowering.instruction(opcode, _shaped(rows, right.columns), a, b), space_of(value)
    )


def _shaped(rows: int, columns: int) -> Space:
    return SCALAR if (rows, columns) == (1, 1) else Space("matrix", rows, columns)


def _transposed(lowering: Lowering, value: Value, slot: int) -> int:
    space = lowering.spaces[_matrix(lowering, slot)]
    if space.rows == BATCH_ROWS:
        raise NoKernel(value, "of a transposed batch")
    if space == SCALAR:
        return slot
    return lowering.instruction("transpose", _shaped(space.columns, space.rows), slot)


def _matmul(lowering: Lowering, value: Value, sources: list[int]) -> int:
    a, b = sources
    op: Any = value.op
    if op.transpose_b:
        b = _transposed(lowering, value, b)
    if op.transpose_a and op.transpose_b:
        a = _transposed(lowering, value, a)
        return _product(lowering, value, a, b, "nn")
    return _product(lowering, value, a, b, "tn" if op.transpose_a else "nn")


def _affine(lowering: Lowering, value: Value, sources: list[int]) -> int:
    x, w, b = sources
    product = _product(lowering, value, x, w, "nn")
    return lowering.elementwise(Add(), value, space_of(value), [product, b])


def _reshape(lowering: Lowering, value: Value, sources: list[int]) -> int:
    if lowering.spaces[sources[0]] == space_of(value):
        return sources[0]
    raise NoKernel(value, f"from {value.inputs[0].shape} to {value.shape}")


def _sum(lowering: Lowering, value: Value, sources: list[int]) -> int:
    (x,) = sources
    own, wanted = lowering.spaces[x], space_of(value)
    op: Any = value.op
    rank = value.inputs[0].rank
    axes = op.reduced(rank)
    if own == wanted:
        return x
    if wanted == SCALAR:
        if own.layout == "matrix":
            if own.rows == 1:
                own = Space("matrix", own.rows, own.columns)
            x = lowering.instruction("row_sum", Space("column", own.rows), x)
        return lowering.instruction("total", SCALAR, x)
    if rank == 2 and axes == (0,):
        if own.layout == "matrix" and wanted == Space("matrix", 1, own.columns):
            return lowering.instruction("column_sum", wanted, x)
    elif axes == tuple(range(1, rank)) and wanted.layout == "column" and own.layout == "matrix":
        return lowering.instruction("row_sum", wanted, x)
    raise NoKernel(value, f"over axes {axes} of {value.inputs[0].shape}")


def _max(lowering: Lowering, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    wanted = space_of(value)
    last = value.inputs[0].rank - 1
    by_row = wanted.layout == "column" and op.reduced(last + 1) == (last,)
    if by_row and lowering.spaces[sources[0]].layout == "matrix":
        return lowering.instruction("row_max", wanted, sources[0])
    raise NoKernel(value, f"over axes {op.axes} of {value.inputs[0].shape}")


def _rowwise(opcode: str) -> Rule:
    def rule(lowering: Lowering, value: Value, sources: list[int]) -> int:
        own = lowering.spaces[sources[0]]
        if own.layout != "matrix" or value.inputs[0].rank != 2:
            raise NoKernel(value, f"on shape {value.inputs[0].shape}")
        return lowering.instruction(opcode, space_of(value), *sources)

    return rule


def _subtract(lowering: Lowering, value: Value, sources: list[int]) -> int:
    """softmax(z) − one_hot(y), the gradient of the cross-entropy, is made beside the loss."""
    left, right = value.inputs
    names = [x.op.name if x.op is not None else "" for x in value.inputs]
    if names == ["softmax", "one_hot"] and left.shape == right.shape:
        logits = lowering.settled(lowering.slot_of[left.inputs[0]])
        labels = lowering.slot_of[right.inputs[0]]
        for at, draft in enumerate(lowering.drafts):
            if (draft.opcode, draft.a, draft.b) == ("sparse_cross_entropy", logits, labels):
                if draft.also < 0:
                    draft.also = lowering.slot(space_of(value), at, stored=True)
                return draft.also
    assert value.op is not None
    return lowering.elementwise(value.op, value, space_of(value), sources)


def _softmax_cross_entropy(lowering: Lowering, value: Value, sources: list[int]) -> int:
    logits, targets = sources
    space = lowering.spaces[logits]
    if space.layout != "matrix":
        raise NoKernel(value, "with one class")
    logs = lowering.instruction("log_softmax", space, logits)
    weighed = lowering.elementwise(Multiply(), value, space, [targets, logs])
    total = lowering.instruction("row_sum", space_of(value), weighed)
    return lowering.elementwise(Negative(), value, space_of(value), [total])


def _one_hot(lowering: Lowering, value: Value, sources: list[int]) -> int:
    own, wanted = lowering.spaces[sources[0]], space_of(value)
    if own.columns != 1 or own.rows != BATCH_ROWS or wanted.layout != "matrix":
        raise NoKernel(value, f"of shape {value.shape}")
    return lowering.instruction("one_hot", wanted, sources[0])


def _gather(lowering: Lowering, value: Value, sources: list[int]) -> int:
    if lowering.spaces[sources[1]].columns != 1 or space_of(value).layout != "matrix":
        raise NoKernel(value, f"of shape {value.shape}")
    return lowering.instruction("gather", space_of(value), *sources)


def _scatter_add(lowering: Lowering, value: Value, sources: list[int]) -> int:
    if lowering.spaces[sources[1]].columns != 1 or lowering.spaces[sources[0]].layout != "matrix":
        raise NoKernel(value, f"of shape {value.inputs[0].shape}")
    return lowering.instruction("scatter_add", space_of(value), *sources)


def _transpose(lowering: Lowering, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    if value.rank != 2 or op.order(2) != (1, 0):
        raise NoKernel(value, f"of shape {value.inputs[0].shape}")
    return _transposed(lowering, value, sources[0])


def _dropout_mask(lowering: Lowering, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    return _drawn(lowering, value, sources, (op.stream, op.cycle or 0), real=op.rate)


def _normal_noise(lowering: Lowering, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    return _drawn(lowering, value, sources, (op.stream,))


def _random_flip(lowering: Lowering, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    return _changed_images(lowering, value, sources, op.axis)


def _random_shift(lowering: Lowering, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    return _changed_images(lowering, value, sources, op.rows, op.columns, int(op.reverse))


def _changed_images(lowering: Lowering, value: Value, sources: list[int], *settings: int) -> int:
    op: Any = value.op
    images, key = sources
    if not isinstance(value.shape[0], Batch) or lowering.spaces[images].layout == "integers":
        raise NoKernel(value, "on images that are not rows of real numbers")
    _, height, width, *channels = value.shape
    integers = (op.stream, height, width, *(channels or [1]), *settings)
    return _drawn(lowering, value, [_matrix(lowering, images), key], integers)


def _drawn(
    lowering: Lowering, value: Value, sources: list[int], integers: tuple[int, ...], **settings: Any
) -> int:
    """What a key decides, stream first among the integers."""
    assert value.op is not None
    if lowering.spaces[sources[-1]].layout != "key":
        raise NoKernel(value, "with a key that is not an input")
    wanted = space_of(value)
    made = lowering.instruction(
        value.op.name,
        _shaped(wanted.rows, wanted.columns),
        *sources,
        integers=integers,
        **settings,
    )
    return _as(lowering, made, wanted)


def _batch_size(lowering: Lowering, value: Value, sources: list[int]) -> int:
    if lowering.batch_size < 0:
        lowering.batch_size = lowering.slot(SCALAR, stored=True)
    return lowering.batch_size


def _pieces(
    lowering: Lowering, value: Value, axis: int, parts: Sequence[tuple[int, int, int, int]]
) -> int:
    """A matrix put together of columns, (slot, from, to, count) for each part; the rest is zero."""
    wanted = space_of(value)
    if value.rank != 2 or axis % 2 != 1:
        raise NoKernel(value, f"along axis {axis} of shape {value.shape}")
    out = lowering.slot(Space("matrix", wanted.rows, wanted.columns), stored=True)
    if sum(count for *_, count in parts) < wanted.columns:
        zero = _Draft("elementwise", lowering.spaces[out])
        zero.code.append(("copy", out, (lowering.number(0.0),)))
        lowering.drafts.append(zero)
    for slot, start, to, count in parts:
        source = _matrix(lowering, slot)
        lowering.drafts.append(
            _Draft("copy_columns", lowering.spaces[out], out, a=source, integers=(start, to, count))
        )
    lowering.made_by[out] = len(lowering.drafts) - 1
    return _as(lowering, out, wanted)


def _concatenate(lowering: Lowering, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    widths = [lowering.spaces[s].columns for s in sources]
    starts = [sum(widths[:i]) for i in range(len(widths))]
    parts = [(s, 0, to, n) for s, to, n in zip(sources, starts, widths, strict=True)]
    return _pieces(lowering, value, op.axis, parts)


def _slice(lowering: Lowering, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    return _pieces(lowering, value, op.axis, [(sources[0], op.start, 0, op.stop - op.start)])


def _pad(lowering: Lowering, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    width = lowering.spaces[sources[0]].columns
    return _pieces(lowering, value, op.axis, [(sources[0], 0, op.before, width)])


RULES: dict[str, Rule] = {
    "matmul": _matmul,
    "affine": _affine,
    "reshape": _reshape,
    "sum": _sum,
    "max": _max,
    "subtract": _subtract,
    "argmax": _rowwise("row_argmax"),
    "softmax": _rowwise("softmax"),
    "log_softmax": _rowwise("log_softmax"),
    "sparse_softmax_cross_entropy": _rowwise("sparse_cross_entropy"),
    "softmax_cross_entropy": _softmax_cross_entropy,
    "one_hot": _one_hot,
    "gather": _gather,
    "scatter_add": _scatter_add,
    "transpose": _transpose,
    "dropout_mask": _dropout_mask,
    "normal_noise": _normal_noise,
    "random_flip": _random_flip,
    "random_shift": _random_shift,
    "batch_size": _batch_size,
    "concatenate": _concatenate,
    "slice": _slice,
    "pad": _pad,
}


def lower(
    program: Program, watched: Sequence[Value] = (), *, rounded: bool = False
) -> tuple[Plan, dict[Value, int]]:
    """The plan of a program and the buffer of each value that has one; `NoKernel` names what has none.

    `watched` values have one for sure: the code that makes them writes it too, and rounds as it does
    when nobody looks. With `rounded`, products take factors rounded to bfloat16.
    """
    lowering = Lowering(program, watched, rounded=rounded)
    plan = lowering.lower()
    return plan, {
        v: lowering.buffers[s] for v, s in lowering.slot_of.items() if s in lowering.buffers
    }
