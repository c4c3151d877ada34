"""Lowering: a program's graph as a flat plan.

Values become buffers. An assignment writes straight into its parameter where nobody still has to read the
old value, and is copied there at the end otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.engines.native.drafts import FUSABLE, Draft, Drafting, NoKernel, space_of
from chainrule.engines.native.micro import MICRO
from chainrule.engines.native.numbering import drop_unread, numbered
from chainrule.engines.native.plan import Plan
from chainrule.engines.native.rules import READING_INTEGERS, RULES, spread_out
from chainrule.engines.program import Program
from chainrule.graph import Batch, Constant, Parameter, Value, topological_order
from chainrule.ops.shapes import Rearrangement


class Lowering(Drafting):
    """The lowering of one program; `watched` values are stored too, whoever makes them."""

    def __init__(
        self,
        program: Program,
        watched: Sequence[Value] = (),
        *,
        rounded: bool = False,
        tiles: bool = False,
    ) -> None:
        super().__init__(rounded=rounded, tiles=tiles)
        self.program = program
        self.watched = [value for value in watched if value.op is not None]

    def lower(self) -> tuple[Plan, dict[int, int]]:
        """The plan of the program, and the buffer of each slot that has one."""
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
        parameters = {s: v for v, s in self.slot_of.items() if isinstance(v, Parameter)}
        self.views = {v: parameters[s] for v, s in self.slot_of.items() if v.op and s in parameters}
        assigned = {parameter for parameter, _ in program.assignments}
        for value in program.outputs.values():
            if self.views.get(value) in assigned:  # outputs are read when the step is over
                self.slot_of[value] = self._copied(self.slot_of[value])
                self.stored[self.slot_of[value]] = True
        copies = self._assign()
        for parameter, slot in copies:
            self.stored[slot] = True
            draft = Draft("elementwise", self.spaces[parameter], out=parameter)
            draft.code.append(("copy", parameter, (slot,)))
            self.drafts.append(draft)
        names = {slot: str(v.name) for v, slot in self.slot_of.items() if v.op is None and v.name}
        shown = {self.slot_of[v] for v in (*program.outputs.values(), *self.watched)}
        changed = {self.slot_of[p] for p, _ in program.assignments}
        drop_unread(self.drafts, shown | changed | set(self.home))
        return numbered(self, names)

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
        # one slot may stand for values of several shapes
        key = (value.op, tuple(sources), tuple(x.shape for x in value.inputs))
        if key not in self._same:
            self._same[key] = self._lowered(value, sources)
        return self._same[key]

    def _lowered(self, value: Value, sources: list[int]) -> int:
        assert value.op is not None
        name = value.op.name
        moves = isinstance(value.op, Rearrangement) and value.kind == "int"
        if not moves and name not in READING_INTEGERS:
            sources = [self.real(s) for s in sources]
        if name in RULES:
            return RULES[name](self, value, sources)
        if name not in MICRO:
            raise NoKernel(value)
        space = space_of(value)
        sources = spread_out(self, value, sources)
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
        outputs = {self.slot_of[v] for v in self.program.outputs.values()}
        # whose old value somebody wants at the very end
        kept = outputs | {
            self.slot_of[v] for _, v in self.program.assignments if not v.inputs or v in self.views
        }
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
        self.drafts.append(Draft("elementwise", self.spaces[slot], code=[("copy", copy, (slot,))]))
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


def lower(
    program: Program,
    watched: Sequence[Value] = (),
    *,
    rounded: bool = False,
    tiles: bool = False,
) -> tuple[Plan, dict[Value, int], dict[Value, Parameter]]:
    """The plan of a program and the buffer of each value that has one; `NoKernel` names what has none.

    And which values are a parameter's own elements, in another shape: they are in its buffer before the step.

    `watched` values have one for sure: the code that makes them writes it too, and rounds as it does
    when nobody looks. With `rounded`, products take factors rounded to bfloat16: with `tiles` the kernels
    round them on the way, otherwise there are rounded copies of them.
    """
    lowering = Lowering(program, watched, rounded=rounded, tiles=tiles)
    plan, buffers = lowering.lower()
    found = {v: buffers[s] for v, s in lowering.slot_of.items() if s in buffers}
    return plan, found, lowering.views
