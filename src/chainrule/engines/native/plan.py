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
    """One step of a plan; its code runs over `space`, on tiles of the product for nn and tn."""

    opcode: str
    space: Space
    out: int = -1
    a: int = -1
    b: int = -1
    code: list[tuple[str, int, int, int, int]] = field(default_factory=list)  # micro, dst, a, b, c
    operands: list[tuple[int, Spread]] = field(default_factory=list)
    registers: int = 0
    integers: tuple[int, int, int] = (0, 0, 0)
    real: float = 0.0


@dataclass
class Plan:
    """Buffers and what is done with them, in order."""

    spaces: list[Space]
    instructions: list[Instruction]
    constants: dict[int, object]  # buffer → number or array
    batch_size: int  # the buffer that holds the number of rows, or -1

    def __str__(self) -> str:
        lines = []
        for number, i in enumerate(self.instructions):
            sources = ", ".join(f"b{s}" for s in (i.a, i.b) if s >= 0)
            lines.append(f"{number:3} {f'b{i.out} ← ' if i.out >= 0 else ''}{i.opcode} {sources}")
            for micro, dst, *rest in i.code:
                lines.append(
                    f"        {_place(i, dst)} ← {micro} {', '.join(_place(i, s) for s in rest if s >= 0)}"
                )
        return "\n".join(lines)


def _place(instruction: Instruction, place: int) -> str:
    if place >= SCRATCH_REGISTER:
        return f"r{place - SCRATCH_REGISTER}"
    buffer, spread = instruction.operands[place]
    return "product" if buffer < 0 else f"b{buffer}" + ("" if spread == "full" else f":{spread}")


SCRATCH_REGISTER = 64  # operands are numbered below, registers from here
