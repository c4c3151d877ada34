"""A plan: buffers and instructions, as plain data that the compiled runner takes over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

BATCH_ROWS = -1

Layout = Literal["scalar", "column", "matrix", "integers", "key"]
Spread = Literal["full", "row", "column", "scalar"]


@dataclass(frozen=True)
class Space:
    """Where elements live: one number, a column of rows, or a matrix of rows and columns."""

    layout: Layout
    rows: int = 1  # or BATCH_ROWS
    columns: int = 1


@dataclass
class Instruction:
    """One step of a plan; its code runs over `space`, of nn, tn and column_sum on what they have made."""

    opcode: str
    space: Space
    out: int = -1
    also: int = -1  # a second result
    a: int = -1
    b: int = -1
    code: list[tuple[str, int, list[int]]] = field(default_factory=list)  # micro, dst, sources
    operands: list[tuple[int, Spread]] = field(default_factory=list)
    registers: int = 0
    integers: tuple[int, ...] = ()
    real: float = 0.0


@dataclass
class Plan:
    """Buffers and what is done with them, in order."""

    spaces: list[Space]
    instructions: list[Instruction]
    constants: dict[int, object]  # buffer → number or array
    batch_size: int  # the buffer that holds the number of rows, or -1
    names: dict[int, str] = field(default_factory=dict)  # of inputs and parameters

    def __str__(self) -> str:
        lines = []
        for number, i in enumerate(self.instructions, 1):
            sources = ", ".join(self._buffer(s) for s in (i.a, i.b) if s >= 0)
            made = ", ".join(self._buffer(out) for out in (i.out, i.also) if out >= 0)
            if i.opcode == "elementwise":  # what it makes stands in its code
                made = ""
            shape = self._shape(i.space)
            lines.append(f"{number:3}  {f'{made} ← ' if made else ''}{i.opcode} {sources}  {shape}")
            for micro, dst, read in i.code:
                places = ", ".join(self._place(i, place) for place in read)
                lines.append(f"        {self._place(i, dst)} ← {micro} {places}")
        return "\n".join(lines)

    def _buffer(self, buffer: int) -> str:
        if buffer == self.batch_size:
            return "rows"
        constant = self.constants.get(buffer)
        if isinstance(constant, float):
            return f"{constant:.6g}"
        return self.names.get(buffer, f"b{buffer}")

    def _shape(self, space: Space) -> str:
        rows = "rows" if space.rows == BATCH_ROWS else str(space.rows)
        if space.layout == "scalar":
            return ""
        return f"[{rows}]" if space.layout == "column" else f"[{rows} × {space.columns}]"

    def _place(self, instruction: Instruction, place: int) -> str:
        if place >= SCRATCH_REGISTER:
            return f"r{place - SCRATCH_REGISTER}"
        buffer, _ = instruction.operands[place]
        return "it" if buffer < 0 else self._buffer(buffer)


SCRATCH_REGISTER = 64  # operands are numbered below, registers from here
MOST_REGISTERS = 192  # a place is a byte
MOST_AXES = 8  # of a copy along strides
