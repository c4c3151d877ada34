"""Normalisation to mean 0 and variance 1, for batch and layer normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.graph import Example, Shape, Value, broadcast_shapes, shape_text
from chainrule.ops.elementary import sqrt
from chainrule.ops.elementwise import Elementwise
from chainrule.ops.shapes import Gradients, Operand


@dataclass(frozen=True)
class Normalize(Elementwise):
    """(x − mean) / √(variance + ε); mean and variance broadcast to x.

    Mean and variance are inputs: where they were computed from x, their gradients lead back to it.
    Source: Ioffe & Szegedy (2015), Algorithm 1.
    """

    epsilon: float = 1e-3
    name = "normalize"

    def shape(self, *inputs: Shape) -> Shape:
        whole = broadcast_shapes(*inputs, what="x, mean and variance")
        if whole != inputs[0]:
            raise ShapeError(
                "normalize needs a mean and a variance that broadcast to x, but x, mean and "
                f"variance have shapes {' and '.join(map(shape_text, inputs))}."
            )
        return whole

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        spread = inputs[2] + self.epsilon
        for_x = cotangent / sqrt(spread)
        return for_x, -for_x, -0.5 * cotangent * output / spread

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        x, mean, variance = map(xp.real, arrays)
        return (x - mean) / xp.sqrt(variance + self.epsilon)

    def formula(self) -> str:
        return f"(a - b) / sqrt(c + {self.epsilon!r})"

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        shapes = (
            ((3, 5), (5,), (5,)),  # batch normalisation
            ((3, 5), (3, 1), (3, 1)),  # layer normalisation
            ((2, 3, 4), (4,), ()),
            ((7,), (7,), (1,)),
        )
        return [
            Example(
                cls(epsilon),
                (rng.normal(size=x), rng.normal(size=mean), rng.uniform(0.2, 2.0, size=variance)),
            )
            for epsilon, (x, mean, variance) in zip((1e-3, 1e-3, 0.1, 0.0), shapes, strict=True)
        ]


def normalize(x: Operand, mean: Operand, variance: Operand, epsilon: float = 1e-3) -> Value:
    """(x − mean) / √(variance + ε)."""
    return Normalize(epsilon)(x, mean, variance)
