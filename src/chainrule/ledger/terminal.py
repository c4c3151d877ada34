"""The ledger as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chainrule.ledger.differences import Difference
from chainrule.ledger.lines import Line
from chainrule.ledger.sections import Group, sections
from chainrule.ledger.structure import shown_title
from chainrule.ledger.writing import Text
from chainrule.notation import abridged

if TYPE_CHECKING:
    from chainrule.ledger.core import Ledger

Piece = tuple[str, str]  # some text, and what it is: heading, name, symbols, numbers, value, note


def text(ledger: Ledger, width: int = 100) -> str:
    """The ledger as plain text."""
    return "\n".join("".join(words for words, _ in line) for line in pieces(ledger, width))


def pieces(ledger: Ledger, width: int = 100) -> Iterator[list[Piece]]:
    """Line after line, in pieces that a terminal may colour."""
    face = Text(ledger.style.digits)
    yield from ([(line, "note")] for line in preamble(ledger))
    for section in sections(ledger):
        yield []
        yield [(section.heading, "heading")]
        for group in section.groups:
            if all(line.formula is None for line in group.lines) and len(group.lines) > 1:
                yield from _given(group, face, width)
            else:
                for line in group.lines:
                    yield from _formula(ledger, line, face, width)
            if group.hidden:
                yield [(f"  … {group.hidden:,} more of {shown_title(group.quantity)}", "note")]


def preamble(ledger: Ledger) -> list[str]:
    """What step this is, in a sentence or two."""
    recording = ledger.recording
    rows = len(recording.rows)
    of = f"of {ledger.told} " if ledger.told else ""
    count = f"{rows} row" + ("s" if rows > 1 else "")
    recipe = recording.step.recipe
    clock = recording.job.clock
    names = ", ".join(type(loss).__name__ for loss in recipe.losses)
    found = [
        f"Training step {clock.updates + 1} {of}on {count}: {names}, "
        f"{type(recipe.optimizer).__name__}, {recording.state.precision}, "
        f"computed by the {ledger.engine} engine."
    ]
    if len(ledger.structure.numbers) > 1:
        layers = ", ".join(f"{number} {name}" for name, number in ledger.structure.numbers.items())
        found.append(f"Layers: {layers}. Units and rows are counted from 0.")
    if ledger.exact is not None:
        found.append("Worked out as on paper: each number is rounded before it is used.")
    else:
        found.append(
            "✓ beside a gradient: the finite difference of the loss, which agrees with it."
        )
    if not recording.program.assignments:
        found.append("The optimizer has no single steps: its update is not part of the ledger.")
    return found


def _given(group: Group, face: Text, width: int) -> Iterator[list[Piece]]:
    """Numbers that come from nowhere, several on a line."""
    row: list[Piece] = [("  ", "note")]
    used = 2
    for line in group.lines:
        name, value = face.name(line.name), face.value(line.value)
        needed = len(name) + len(value) + 6
        if used + needed > width and used > 2:
            yield row
            row, used = [("  ", "note")], 2
        row += [(name, "name"), (" = ", "note"), (value, "value"), ("   ", "note")]
        used += needed
    yield row


def _formula(ledger: Ledger, line: Line, face: Text, width: int) -> Iterator[list[Piece]]:
    name, value = face.name(line.name), face.value(line.value)
    if line.formula is None:
        yield [("  ", "note"), (name, "name"), (" = ", "note"), (value, "value")]
        return
    written = abridged(line.formula, ledger.style.terms)
    steps = [(face.symbols(written), "symbols"), (face.numbers(written), "numbers")]
    steps = [s for i, s in enumerate(steps) if s[0] != value or not i]
    steps.append((value, "value"))
    if (difference := ledger.difference(line)) is not None:
        steps.append(_checked(ledger, difference, line, face))
    whole: list[Piece] = [("  ", "note"), (name, "name")]
    if sum(len(s) + 3 for s, _ in steps) + len(name) + 2 <= width:
        for step in steps:
            whole += [("   " if step[1] == "check" else " = ", "note"), step]
        yield whole
        return
    rows = [[*whole, (" = ", "note"), steps[0]]]
    for step in steps[1:]:
        if step[1] == "check":
            rows[-1] += [("   ", "note"), step]
        else:
            rows.append([(" " * (len(name) + 2) + " = ", "note"), step])
    yield from rows


def _checked(ledger: Ledger, difference: Difference, line: Line, face: Text) -> Piece:
    """The finite difference beside a gradient."""
    if difference.kink:
        sides = f"{face.value(difference.left)} left, {face.value(difference.right)} right"
        return f"kink of {difference.kink}: {sides}", "check"
    sign = "✓" if ledger.agrees(difference, line) else "✗"
    # what a difference has below the tenth place is rounding
    return f"{sign} {face.value(round(difference.value, 10))}", "check"
