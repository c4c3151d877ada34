"""What operations on single elements have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from chainrule.graph import Example, Op, Shape, Value, broadcast_shapes
from chainrule.ops.shapes import Gradients, Index, broadcast_index, distinct, sum_to


class Elementwise(Op):
    """An operation on single elements; inputs broadcast, and their gradients are summed back.

    A subclass gives `pullback`, the gradients as if nothing had been broadcast. It needs no
    `evaluate` where the namespace has a function of the op's name.
    """

    written: ClassVar[str]  # one element, as a Python expression of a, b … (see `Op.formula`)

    def shape(self, *inputs: Shape) -> Shape:
        return broadcast_shapes(*inputs, what=f"inputs of {self.name}")

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        """∂L/∂input for each input, in the output's shape."""
        raise NotImplementedError

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        if not self.differentiable:
            return (None,) * len(inputs)
        wide = self.pullback(cotangent, output, *inputs)
        return [
            None if g is None else sum_to(g, x.shape) for g, x in zip(wide, inputs, strict=True)
        ]

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        # integers join in as real numbers of the run's precision
        return getattr(xp, self.name)(*map(xp.real, arrays))

    def formula(self) -> str:
        return self.written

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        return [[broadcast_index(index, shape)] for shape in shapes]


class Unary(Elementwise):
    """An elementwise operation on one input, whose `slope` is dy/dx."""

    domain: ClassVar[tuple[float, float]] = (-2.0, 2.0)  # where `example` draws from
    edges: ClassVar[tuple[float, ...]] = ()  # further values to test with

    def slope(self, x: Value, y: Value) -> Value:
        """dy/dx, from the input or the output, whichever is cheaper."""
        raise NotImplementedError

    def pullback(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        return (cotangent * self.slope(inputs[0], output),)

    @classmethod
    def settings(cls) -> Sequence[Op]:
        """The operations `example` shows; more than one where there are settings."""
        return [cls()]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        def draw(*shape: int) -> np.ndarray[Any, Any]:
            return rng.uniform(*cls.domain, shape) if cls.smooth else distinct(rng, shape)[0]

        inputs = [
            draw(3, 5),
            draw(17),
            draw(1, 2, 3),
            *([np.array(cls.edges)] if cls.edges else []),
        ]
        return [Example(op, (x,)) for op in cls.settings() for x in inputs]


class Binary(Elementwise):
    """An elementwise operation on two inputs."""

    domain: ClassVar[tuple[float, float]] = (-2.0, 2.0)  # where `example` draws from

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        pairs = (((3, 5), (3, 5)), ((4, 1), (1, 7)), ((2, 3), (3,)), ((), (5,)))
        if not cls.smooth:
            return [Example(cls(), distinct(rng, *pair)) for pair in pairs]
        return [Example(cls(), tuple(rng.uniform(*cls.domain, s) for s in pair)) for pair in pairs]
