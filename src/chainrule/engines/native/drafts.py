"""Drafts: the instructions of a plan while their code still names values and temporaries.

Elementwise operations become code that is written where its inputs are finished — at the end of a matrix
product's tile where possible, so that activations, their derivatives and the optimizer's update never make a
trip to memory. What is cheap is written anew wherever its result is read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from chainrule.engines.native.micro import MICRO
from chainrule.engines.native.plan import BATCH_ROWS, Space, Spread
from chainrule.errors import ChainruleError
from chainrule.graph import Batch, Input, Op, Shape, Value

SCALAR = Space("scalar")
PRODUCTS = ("nn", "tn", "nn_bfloat16", "nt_bfloat16", "tn_bfloat16")
WITH_CODE = (*PRODUCTS, "column_sum")  # whose result has code run on it, and need not be stored
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
    return _real_space(*_flat(value, shape))


def _real_space(rows: int, columns: int) -> Space:
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
class Draft:
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


class Drafting:
    """Drafts in their order. A *slot* is a number for a value, a temporary or a constant."""

    def __init__(self, *, rounded: bool = False, tiles: bool = False) -> None:
        self.rounded = rounded  # whether products take factors rounded to bfloat16
        self.tiles = rounded and tiles  # and round them on the way to the processor's tiles
        self.spaces: list[Space] = []  # of each slot
        self.made_by: list[int] = []  # the draft that makes it, -1 for leaves
        self.stored: list[bool] = []  # whether it needs a buffer
        self.drafts: list[Draft] = []
        self.constants: dict[int, Any] = {}
        self.slot_of: dict[Value, int] = {}
        self.home: dict[int, int] = {}  # the slot whose buffer a slot shares
        self.batch_size = -1
        # cheap code, written where it is used
        self.pending: dict[int, tuple[Op, Value, list[int]]] = {}
        self._settled: dict[int, int] = {}  # pending slots that got a buffer after all
        self._numbers: dict[float, int] = {}
        self._same: dict[Any, int] = {}

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
        self.drafts.append(Draft(opcode, space, out, a=a, b=b, **settings))
        if opcode in WITH_CODE:
            self.drafts[-1].product = out
        self._same[key] = out
        return out

    def strided(
        self,
        slot: int,
        wanted: Space,
        axes: Sequence[tuple[int, int]] | None = None,
        start: int = 0,
    ) -> int:
        """A slot's elements, of a batch in each row, along axes of some sizes and strides (None: all in order).

        They are numbered row after row, and so put into the wanted space.
        """
        own = self.spaces[slot]
        inner = own.columns if own.rows == BATCH_ROWS else own.rows * own.columns
        axes = merged([(inner, 1)] if axes is None else axes)
        if own == wanted and axes in ([], [(inner, 1)]):
            return slot
        return self.instruction("strided", wanted, slot, integers=(start, *chain(*axes)))

    def real(self, slot: int) -> int:
        """Integers as real numbers; what is real as it is."""
        own = self.spaces[slot]
        if own.layout != "integers":
            return slot
        return self.instruction("to_real", _real_space(own.rows, own.columns), slot)

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
        if op.name in PASSING_ON or (op.name in CHEAP and any(self.made_by[s] >= 0 for s in ready)):
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
        if own != space and own == Space("matrix", space.rows, 1):
            source = self.strided(source, Space("column", own.rows))
        if self.spread(source, space) is None:
            raise NoKernel(value, "with this broadcasting")
        return source if self.spaces[source] == space else self.settled(source)

    def factor(self, slot: int) -> int:
        """What a product reads in place of a matrix: the same, rounded where the precision says so."""
        if not self.rounded or self.tiles:
            return slot
        key = ("bfloat16", slot)
        if key not in self._same:
            self._same[key] = self._written(Rounding(), self.spaces[slot], [slot])
        return self._same[key]

    def _passes_on(self, slot: int) -> bool:
        """Whether a slot is still to be written and only spreads out another."""
        return slot in self.pending and self.pending[slot][0].name in PASSING_ON

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
            self.drafts.append(Draft("elementwise", space))
        return self._write_at(at, op, sources)

    def _write_at(self, at: int, op: Op | Rounding, sources: list[int]) -> int:
        ready = []
        for source in sources:
            while self._passes_on(source) and source not in self._settled:
                source = self.pending[source][2][0]
            if source in self.pending and source not in self._settled:
                inner, _, inputs = self.pending[source]
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


def merged(axes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same axes (size, stride) in as few as say it."""
    found: list[tuple[int, int]] = []
    for size, stride in axes:
        if found and found[-1][1] == size * stride:
            found[-1] = (found[-1][0] * size, stride)
        elif size != 1:
            found.append((size, stride))
    return found


class _Emit:
    """Writes the micro-operations of one value into a draft."""

    def __init__(self, drafting: Drafting, at: int, space: Space) -> None:
        self.drafting, self.at, self.space = drafting, at, space

    def __call__(self, micro: str, *sources: int) -> int:
        slot = self.drafting.slot(self.space, self.at)
        self.drafting.drafts[self.at].code.append((micro, slot, sources))
        return slot

    def constant(self, number: float) -> int:
        return self.drafting.number(float(number))
