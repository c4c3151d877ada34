"""Matrix products, with inputs in rows: x is (batch, fan_in), a weight matrix (fan_in, fan_out)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import notation
from chainrule.errors import ShapeError
from chainrule.graph import Example, Op, Shape, Value, as_value, shape_text
from chainrule.notation import Expression
from chainrule.ops.shapes import Gradients, Index, Operand, reshape
from chainrule.ops.shapes import sum as sum_over


@dataclass(frozen=True)
class MatMul(Op):
    """A B for matrices, either of them transposed first where asked."""

    transpose_a: bool = False
    transpose_b: bool = False
    name = "matmul"

    def shape(self, *inputs: Shape) -> Shape:
        a, b = inputs
        if len(a) != 2 or len(b) != 2:
            raise ShapeError(
                f"A matrix product needs two matrices, not {shape_text(a)} and {shape_text(b)}."
            )
        rows, inner_a = reversed(a) if self.transpose_a else a
        inner_b, columns = reversed(b) if self.transpose_b else b
        if inner_a != inner_b:
            raise ShapeError(
                f"A matrix product of {shape_text(a)} and {shape_text(b)} does not exist: "
                f"the inner sizes {inner_a} and {inner_b} differ."
            )
        return rows, columns

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        a, b = inputs
        ta, tb = self.transpose_a, self.transpose_b
        # ∂L/∂A = δ Bᵀ and ∂L/∂B = Aᵀ δ, transposed back where A or B were
        grad_a = MatMul(tb, True)(b, cotangent) if ta else MatMul(False, not tb)(cotangent, b)
        grad_b = MatMul(True, ta)(cotangent, a) if tb else MatMul(not ta, False)(a, cotangent)
        return grad_a, grad_b

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        a, b = map(xp.real, arrays)
        return xp.matmul(a.T if self.transpose_a else a, b.T if self.transpose_b else b)

    def formula(self) -> str:
        left, right = ("transpose({})" if t else "{}" for t in (self.transpose_a, self.transpose_b))
        return f"{left.format('a')} @ {right.format('b')}"

    def element(self, index: Index, *terms: Sequence[Expression]) -> Expression:
        return notation.add(*map(notation.multiply, *terms))

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        (i, j), (a, _) = index, shapes
        inner = range(a[0] if self.transpose_a else a[1])
        return [
            [(k, i) if self.transpose_a else (i, k) for k in inner],
            [(j, k) if self.transpose_b else (k, j) for k in inner],
        ]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        return [
            Example(
                cls(ta, tb),
                (
                    rng.normal(size=(n, m) if ta else (m, n)),
                    rng.normal(size=(k, n) if tb else (n, k)),
                ),
            )
            for ta, tb, (m, n, k) in (
                (False, False, (3, 5, 2)),
                (True, False, (1, 7, 3)),
                (False, True, (4, 1, 3)),
                (True, True, (2, 3, 17)),
            )
        ]


class Affine(Op):
    """x W + b: (batch, fan_in) (fan_in, fan_out) + (fan_out,)."""

    name = "affine"

    def shape(self, *inputs: Shape) -> Shape:
        x, w, b = inputs
        if len(x) != 2 or len(w) != 2 or len(b) != 1:
            raise ShapeError(
                f"x W + b needs x (batch, fan_in), W (fan_in, fan_out) and b (fan_out,), not "
                f"{shape_text(x)}, {shape_text(w)} and {shape_text(b)}."
            )
        if x[1] != w[0] or w[1] != b[0]:
            raise ShapeError(
                f"x W + b: x {shape_text(x)}, W {shape_text(w)} and b {shape_text(b)} do not fit "
                "together."
            )
        return x[0], w[1]

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        x, w, _ = inputs
        return (
            MatMul(False, True)(cotangent, w),  # (batch, fan_out) (fan_out, fan_in)
            MatMul(True, False)(x, cotangent),  # (fan_in, batch) (batch, fan_out)
            sum_over(cotangent, 0),
        )

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        x, w, b = map(xp.real, arrays)
        return xp.matmul(x, w) + b

    def formula(self) -> str:
        return "a @ b + c"

    def element(self, index: Index, *terms: Sequence[Expression]) -> Expression:
        return notation.add(*map(notation.multiply, *terms[:2]), *terms[2])

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        (i, j), inner = index, range(shapes[1][0])
        return [[(i, k) for k in inner], [(k, j) for k in inner], [(j,)]]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        return [
            Example(cls(), (rng.normal(size=(m, n)), rng.normal(size=(n, k)), rng.normal(size=k)))
            for m, n, k in ((3, 5, 2), (1, 7, 3), (17, 1, 1))
        ]


def matmul(a: Operand, b: Operand) -> Value:
    """The product of two matrices, or of a matrix and a vector, or of two vectors."""
    left, right = as_value(a), as_value(b)
    if left.rank == 1:
        product = matmul(reshape(left, (1, *left.shape)), right)
        return reshape(product, product.shape[1:])
    if right.rank == 1:
        product = MatMul()(left, reshape(right, (*right.shape, 1)))
        return reshape(product, product.shape[:1])
    return MatMul()(left, right)


def affine(x: Operand, w: Operand, b: Operand) -> Value:
    """x W + b, a dense layer before its activation."""
    return Affine()(x, w, b)


def dot(a: Operand, b: Operand) -> Value:
    """Σᵢ aᵢ bᵢ over all elements of two values of one shape."""
    left, right = as_value(a), as_value(b)
    if left.shape != right.shape:
        raise ShapeError(
            f"dot needs two values of one shape, not {shape_text(left.shape)} and "
            f"{shape_text(right.shape)}."
        )
    return sum_over(left * right)


def _matmul_reflected(self: Value, other: Operand) -> Value:
    return matmul(other, self)


Value.__matmul__ = matmul
Value.__rmatmul__ = _matmul_reflected
