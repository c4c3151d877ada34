"""Numbering: drafts as a plan, with a buffer or a register for everything they name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from chainrule.engines.native.drafts import SCALAR, Draft, Drafting
from chainrule.engines.native.plan import (
    MOST_REGISTERS,
    SCRATCH_REGISTER,
    Instruction,
    Plan,
    Space,
)

# Both at once, as a micro-operation that reads what the first one reads, then the second's other source.
PAIRS = {
    ("add", "relu"): "add_relu",
    ("greater", "multiply"): "greater_multiply",
    ("descend", "multiply"): "descend_multiply",
}


def drop_unread(drafts: Iterable[Draft], wanted: set[int]) -> None:
    """Leave out what nobody reads but who wants these slots: a draft without an opcode is not carried out."""
    wanted = set(wanted)
    for draft in reversed(list(drafts)):
        code = []
        for micro, dst, sources in reversed(draft.code):
            if dst in wanted:
                wanted.update(sources)
                code.append((micro, dst, sources))
        draft.code = code[::-1]
        if draft.also not in wanted:
            draft.also = -1
        read = draft.out >= 0 and draft.out in wanted
        if not (code or read or draft.also >= 0):
            draft.opcode = ""
        elif draft.opcode:
            wanted.update((draft.a, draft.b))


def numbered(drafting: Drafting, names: Mapping[int, str]) -> tuple[Plan, dict[int, int]]:
    """The plan, and the buffer of each slot that has one; `names` are those of some slots."""
    drafting.drafts = [part for draft in drafting.drafts for part in _cut(drafting, draft)]
    for at, draft in enumerate(drafting.drafts):
        for slot in (draft.product, *(dst for _, dst, _ in draft.code)):
            if slot >= 0:
                drafting.made_by[slot] = at
    for at, draft in enumerate(drafting.drafts):
        for _, _, sources in draft.code:
            for source in sources:
                if drafting.made_by[source] != at:
                    drafting.stored[source] = True
    buffers: dict[int, int] = {}
    spaces: list[Space] = []
    for slot, space in enumerate(drafting.spaces):
        if drafting.stored[slot] and slot not in drafting.home:
            buffers[slot] = len(spaces)
            spaces.append(space)
    buffers.update((slot, buffers[drafting.home[slot]]) for slot in drafting.home)
    constants = {buffers[s]: x for s, x in drafting.constants.items() if s in buffers}
    for draft in drafting.drafts:
        _join_adam(drafting, draft)
        _join_pairs(drafting, draft)
    plan = Plan(
        spaces,
        [_placed(drafting, draft, buffers) for draft in drafting.drafts if draft.opcode],
        constants,
        buffers.get(drafting.batch_size, -1),
        {buffers[slot]: name for slot, name in names.items() if slot in buffers},
    )
    return plan, buffers


def _cut(drafting: Drafting, draft: Draft) -> Iterator[Draft]:
    """The draft, in as many parts as keep to the places that an instruction has."""
    rest = draft
    while not _fits(drafting, rest, len(rest.code)):
        at = next(k for k in range(len(rest.code) - 1, 0, -1) if _fits(drafting, rest, k))
        later = Draft("elementwise", rest.space, code=rest.code[at:])
        rest.code = rest.code[:at]
        read = {s for _, _, sources in later.code for s in sources}
        for slot in (rest.product, *(dst for _, dst, _ in rest.code)):
            if slot in read:
                drafting.stored[slot] = True
        yield rest
        rest = later
    yield rest


def _fits(drafting: Drafting, draft: Draft, length: int) -> bool:
    """Whether so much of a draft's code, and the rest after it, need no more places than there are."""
    code, rest = draft.code[:length], draft.code[length:]
    later = {s for _, _, sources in rest for s in sources}
    own = {dst for _, dst, _ in code}
    kept = {s for s in own if drafting.stored[s] or s in drafting.home or s in later}
    operands = kept | {s for _, _, sources in code for s in sources if s not in own}
    return len(operands) <= SCRATCH_REGISTER and len(own - kept) <= MOST_REGISTERS


def _join_adam(drafting: Drafting, draft: Draft) -> None:
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
        if not (drafting.stored[m_new] and drafting.stored[v_new]):
            continue
        if all(drafting.spaces[s] == SCALAR for s in numbers) and all(
            drafting.spaces[s] == draft.space for s in arrays
        ):
            sources = (w, m, v, g, *numbers, m_new, v_new)
            draft.code[i : i + 3] = [("adam", w_new, sources)]
            return


def _join_pairs(drafting: Drafting, draft: Draft) -> None:
    """Make one micro-operation of two where the second alone reads what the first made."""
    read = Counter(s for _, _, sources in draft.code for s in sources)
    code: list[tuple[str, int, tuple[int, ...]]] = []
    for micro, dst, sources in draft.code:
        if code:
            first, made, given = code[-1]
            joined = PAIRS.get((first, micro))
            alone = read[made] == 1 and made in sources and not drafting.stored[made]
            if joined and alone and made not in drafting.home:
                code[-1] = (joined, dst, (*given, *(s for s in sources if s != made)))
                continue
        code.append((micro, dst, sources))
    draft.code = code


def _placed(drafting: Drafting, draft: Draft, buffers: Mapping[int, int]) -> Instruction:
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
            spread = drafting.spread(slot, draft.space)
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
        done.out = next(buffers[dst] for _, dst, _ in draft.code if dst in buffers)
    return done
