"""A line of the ledger: one number, and the formula it came from, down to other numbers of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from chainrule.engines.program import Array
from chainrule.graph import Constant, Value
from chainrule.ledger.recording import size_of
from chainrule.ledger.structure import Quantity, Structure
from chainrule.notation import (
    Expression,
    Name,
    Negative,
    Number,
    Rest,
    Sum,
    add,
    divide,
    evaluate,
    negative,
    size,
    subtract,
)
from chainrule.ops.elementwise import Unary
from chainrule.ops.linear import Affine, MatMul
from chainrule.ops.noise import Draw
from chainrule.ops.reductions import BatchSize

Place = tuple[Value, tuple[int, ...]]

LONG, KEPT = 64, 24  # products of a sum: where there are more, so many are written

MOST_WRITTEN_OUT = 16  # names and numbers of a gradient that is written out within another formula


@dataclass(frozen=True)
class Line:
    """One number: its name, its formula (None where it was given) and its value."""

    quantity: Quantity
    index: tuple[int, ...]
    name: Name
    formula: Expression | None
    value: float


@dataclass(frozen=True)
class Speech:
    """How the ledger speaks.

    `descent` writes δ for −∂L/∂z, so that Δw = +η δ a (deck 000); `by_unit` writes the weight from i to
    unit j as W[j←i], the order of lectures, whose matrices have a row for each unit.
    """

    descent: bool = False
    by_unit: bool = False


class Formulas:
    """Writes the elements of named values with the elements of other named values."""

    def __init__(
        self,
        structure: Structure,
        arrays: Mapping[Value, Array],
        speech: Speech | None = None,
        paper: bool = False,
    ) -> None:
        """`paper`: slopes are written with what enters the activation, which may be rounded."""
        self.structure, self.arrays, self.paper = structure, arrays, paper
        self.speech = speech or Speech()
        self.rows = len(structure.recording.rows)
        self.row_labels = structure.recording.labels
        self._known: dict[tuple[Value, tuple[int, ...]], Expression] = {}
        self._direct = False  # whether gradients are written out rather than named
        self._below = False  # whether activations are written with what enters them

    def forget(self) -> None:
        """Write everything anew: the arrays have changed."""
        self._known.clear()

    def line(self, quantity: Quantity, index: tuple[int, ...]) -> Line:
        """The line of one element of a named value."""
        number = float(self.arrays[quantity.value][index])
        formula = self._formula(quantity, index)
        if self.flipped(quantity):
            number = -number + 0.0
            self._direct = True
            formula = negative(self._opened(quantity.value, index))
            self._direct = False
        name = self._name(quantity, index, number)
        return Line(quantity, index, name, formula, number)

    def _name(self, quantity: Quantity, index: tuple[int, ...], number: float) -> Name:
        return quantity.name(index, self.row_labels, number, self.speech.by_unit)

    def _formula(self, quantity: Quantity, index: tuple[int, ...]) -> Expression | None:
        value = quantity.value
        primary = self.structure.primary[value]
        if primary is not quantity:  # the same number has a name already
            return self._named(primary, index)
        if value in self.structure.changes:
            return self._change(value, index)
        if value is self.structure.mean:
            total = self._element(self.structure.total, ())
            return divide(total, self._count()) if self.structure.summed else total
        if value.op is None or isinstance(value.op, Draw):
            return None
        if not self.paper or quantity.role != "slope":
            return self._opened(value, index)
        self._below = True
        written = self._opened(value, index)
        self._below = False
        self.forget()
        return written

    def _change(self, change: Value, index: tuple[int, ...]) -> Expression:
        """w′ − w, w itself cancelled where the rule adds to it."""
        new, parameter = self.structure.changes[change]
        self._direct = self.speech.descent  # Δw = η δ a, without ∂L/∂w between
        written = self._opened(new, index)
        self._direct = False
        old = self._element(parameter, index)
        if isinstance(written, Sum) and old in written.terms:
            rest = list(written.terms)
            rest.remove(old)
            return add(*rest)
        return subtract(self._element(new, index), old)

    def flipped(self, quantity: Quantity) -> bool:
        """Whether it is shown with the other sign."""
        return self.speech.descent and quantity.role == "delta"

    def _named(self, quantity: Quantity, index: tuple[int, ...]) -> Expression:
        number = float(self.arrays[quantity.value][index])
        if self.flipped(quantity):
            return Negative(self._name(quantity, index, -number + 0.0))
        return self._name(quantity, index, number)

    def _element(self, value: Value, index: tuple[int, ...]) -> Expression:
        """An element, by its name if its value is named, else written out."""
        quantity = self.structure.primary.get(value)
        if quantity is None and value.op is not None:
            own = self.structure.canon(value)
            quantity = self.structure.primary.get(own) if own is not None else None
        if quantity is not None:
            if self._below and isinstance(value.op, Unary):
                return self._opened(value, index)
            if self._direct and quantity.role == "gradient" and value.op is not None:
                written = self._opened(value, index)
                if size(written) <= MOST_WRITTEN_OUT:
                    return written
            return self._named(quantity, index)
        key = value, index
        if key not in self._known:
            self._known[key] = self._opened(value, index)
        return self._known[key]

    def sources(self, quantity: Quantity, index: tuple[int, ...]) -> set[Place]:
        """The elements of named values that an element's formula is written with."""
        value = quantity.value
        if value is self.structure.mean:
            return self._reached(self.structure.total, ())
        if value.op is None or isinstance(value.op, Draw):
            return set()
        return self._read(value, index)

    def _reached(self, value: Value, index: tuple[int, ...]) -> set[Place]:
        quantity = self.structure.primary.get(value)
        if quantity is not None:
            return {(value, index)}
        return set() if value.op is None else self._read(value, index)

    def _read(self, value: Value, index: tuple[int, ...]) -> set[Place]:
        assert value.op is not None
        shapes = [size_of(x, self.rows) for x in value.inputs]
        reads = value.op.reads(index, *shapes)
        return {
            place
            for x, read in zip(value.inputs, reads, strict=False)
            for i in read
            for place in self._reached(x, i)
        }

    def _count(self) -> Expression:
        return Number(1.0) if self.rows == 1 else Name("n", value=float(self.rows))

    def _opened(self, value: Value, index: tuple[int, ...]) -> Expression:
        """An element written with those it is made of."""
        if isinstance(value, Constant):
            return Number(float(value.array[index]))
        if value.op is None:
            return Name(str(value.name or "?"), lower=",".join(map(str, index)))
        if isinstance(value.op, BatchSize):
            return self._count()
        shapes = [size_of(x, self.rows) for x in value.inputs]
        reads = value.op.reads(index, *shapes)
        rest = self._shortened(value, reads) if isinstance(value.op, Affine | MatMul) else None
        terms = [
            [self._element(x, i) for i in read] for x, read in zip(value.inputs, reads, strict=True)
        ]
        written = value.op.element(index, *terms)
        return written if rest is None else add(written, rest)

    def _shortened(self, value: Value, reads: list[list[tuple[int, ...]]]) -> Rest | None:
        """Of a long sum of products only the largest are kept in `reads`; the others taken together."""
        left, right = value.inputs[:2]
        if len(reads[0]) <= LONG or left not in self.arrays or right not in self.arrays:
            return None
        factors = [
            self.arrays[x][tuple(np.array(read).T)].astype(np.float64)
            for x, read in ((left, reads[0]), (right, reads[1]))
        ]
        products = factors[0] * factors[1]
        kept = np.sort(np.argsort(-np.abs(products), kind="stable")[:KEPT])
        for i in (0, 1):
            reads[i] = [reads[i][k] for k in kept]
        others = np.delete(products, kept)
        return Rest(len(others), float(others.sum()))


def unlike(line: Line, tolerance: float = 1e-6) -> bool:
    """Whether the formula, worked out with the numbers put in, comes to something else."""
    if line.formula is None:
        return False
    found = evaluate(line.formula)
    if np.isnan(found):
        return False
    return abs(found - line.value) > tolerance * max(1.0, abs(found), abs(line.value))
