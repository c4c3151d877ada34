"""Rows chosen by number: one-hot vectors, looking up rows of a table, adding into them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import notation
from chainrule.errors import DataError, ShapeError
from chainrule.graph import Example, Op, Shape, Value, shape_text
from chainrule.notation import Call, Comparison, Expression, Number, evaluate
from chainrule.ops.shapes import Gradients, Index, Operand


def check_numbers(xp: Any, numbers: Any, count: int, what: str) -> None:
    """A `DataError` where the numbers are not integers from 0 to count − 1."""
    if numbers.dtype.kind not in "iu":
        raise DataError(
            f"{what} must be integers, not {numbers.dtype}: declare their input with kind='int'."
        )
    outside = (numbers < 0) | (numbers >= count)
    if xp.any(outside):
        raise DataError(
            f"{what} must lie from 0 to {count - 1}, but {int(numbers[outside][0])} was given."
        )


@dataclass(frozen=True)
class OneHot(Op):
    """1.0 at each number's place among `depth`, 0.0 elsewhere: int (…) to (…, depth)."""

    depth: int
    name = "one_hot"
    smooth = False
    differentiable = False

    def shape(self, *inputs: Shape) -> Shape:
        return (*inputs[0], self.depth)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        (numbers,) = arrays
        check_numbers(xp, numbers, self.depth, "Numbers of one-hot vectors")
        return xp.real(numbers[..., None] == xp.arange(self.depth))

    def formula(self) -> str:
        return "onehot(a)"

    def element(self, index: Index, *terms: Sequence[Expression]) -> Expression:
        return Comparison("=", terms[0][0], Number(float(index[-1])))

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        return [[index[:-1]]]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        cases = ((3, (5,)), (7, (2, 4)), (1, (3,)), (4, ()))
        return [Example(cls(depth), (rng.integers(0, depth, size=s),)) for depth, s in cases]


class Gather(Op):
    """Rows of a table by their numbers: table (n, d), int (…) to (…, d)."""

    name = "gather"

    def shape(self, *inputs: Shape) -> Shape:
        table, numbers = inputs
        if len(table) != 2 or not isinstance(table[0], int):
            raise ShapeError(
                f"gather takes rows out of a table (rows, width), not {shape_text(table)}, by "
                f"numbers of shape {shape_text(numbers)}."
            )
        return (*numbers, table[1])

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        table, numbers = inputs
        assert isinstance(table.shape[0], int)
        return ScatterAdd(table.shape[0])(cotangent, numbers), None

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        table, numbers = xp.real(arrays[0]), arrays[1]
        check_numbers(xp, numbers, table.shape[0], "Numbers of rows in a table")
        return table[numbers]

    def formula(self) -> str:
        return "row(a, b)"

    def element(self, index: Index, *terms: Sequence[Expression]) -> Expression:
        chosen = evaluate(terms[1][0])  # which row is read depends on the number itself
        if math.isnan(chosen):
            return Call("row", (terms[0][0], terms[1][0]))
        return terms[0][int(chosen)]

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        return [[(row, index[-1]) for row in range(shapes[0][0])], [index[:-1]]]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        cases = (((4, 3), (5,)), ((3, 1), (2, 6)), ((1, 7), (3,)), ((5, 2), ()))
        return [
            Example(cls(), (rng.normal(size=table), rng.integers(0, table[0], size=numbers)))
            for table, numbers in cases
        ]


@dataclass(frozen=True)
class ScatterAdd(Op):
    """Row r is the sum of those rows of x whose number is r: x (…, d), int (…) to (rows, d)."""

    rows: int
    name = "scatter_add"

    def shape(self, *inputs: Shape) -> Shape:
        x, numbers = inputs
        if not x or x[:-1] != numbers:
            raise ShapeError(
                f"scatter_add needs one number for each row of x, but x is {shape_text(x)} and the "
                f"numbers are {shape_text(numbers)}."
            )
        return self.rows, x[-1]

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        return Gather()(cotangent, inputs[1]), None

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        x, numbers = xp.real(arrays[0]), arrays[1]
        check_numbers(xp, numbers, self.rows, "Numbers of rows to add to")
        return xp.scatter_add(self.rows, numbers, x)

    def formula(self) -> str:
        return "sum(a)"

    def element(self, index: Index, *terms: Sequence[Expression]) -> Expression:
        here = Number(float(index[0]))
        chosen = [Comparison("=", row, here) for row in terms[1]]
        return notation.add(*map(notation.multiply, terms[0], chosen))

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        numbers = list(np.ndindex(*shapes[1]))
        return [[(*i, index[-1]) for i in numbers], numbers]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        cases = ((4, (5,), 3), (3, (2, 6), 1), (1, (3,), 7), (5, (), 2))
        return [
            Example(
                cls(rows), (rng.normal(size=(*numbers, d)), rng.integers(0, rows, size=numbers))
            )
            for rows, numbers, d in cases
        ]


def one_hot(numbers: Operand, depth: int) -> Value:
    """Class numbers as vectors of `depth` elements with a single 1.0."""
    return OneHot(depth)(numbers)


def gather(table: Operand, numbers: Operand) -> Value:
    """The rows of `table` that have these numbers."""
    return Gather()(table, numbers)


def scatter_add(x: Operand, numbers: Operand, rows: int) -> Value:
    """A table of `rows` rows, to which each row of x was added at its number."""
    return ScatterAdd(rows)(x, numbers)
