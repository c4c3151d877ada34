"""Layers that bring several inputs together; skip connections and multiplicative units are made with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

from chainrule.errors import ShapeError, UsageError
from chainrule.families import check
from chainrule.graph import Value, shape_text
from chainrule.layers.base import LAYERS, Layer, Mode
from chainrule.ops import arithmetic, shapes


@dataclass(eq=False)
class Merge(Layer):
    """Several inputs of one shape taken together, element by element. A subclass says how in `merge`."""

    arity: ClassVar[int | None] = None

    def merge(self, inputs: tuple[Value, ...]) -> Value:
        """The output for these inputs."""
        raise NotImplementedError

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        several(self, inputs)
        if len({x.shape for x in inputs}) > 1:
            found = " and ".join(shape_text(x.shape) for x in inputs)
            raise ShapeError(f"{self.described} takes inputs of one shape, not {found}.")
        return self.merge(inputs)


@LAYERS.register("add", "Add")
@dataclass(eq=False)
class Add(Merge):
    """The sum of the inputs: a skip connection."""

    def merge(self, inputs: tuple[Value, ...]) -> Value:
        return reduce(arithmetic.add, inputs)


@LAYERS.register("subtract", "Subtract")
@dataclass(eq=False)
class Subtract(Merge):
    """The first input minus the second."""

    arity: ClassVar[int | None] = 2

    def merge(self, inputs: tuple[Value, ...]) -> Value:
        return inputs[0] - inputs[1]


@LAYERS.register("multiply", "Multiply")
@dataclass(eq=False)
class Multiply(Merge):
    """The product of the inputs, element by element: multiplicative units (deck 002), gates."""

    def merge(self, inputs: tuple[Value, ...]) -> Value:
        return reduce(arithmetic.multiply, inputs)


@LAYERS.register("average", "Average")
@dataclass(eq=False)
class Average(Merge):
    """The mean of the inputs."""

    def merge(self, inputs: tuple[Value, ...]) -> Value:
        return reduce(arithmetic.add, inputs) * (1.0 / len(inputs))


@LAYERS.register("maximum", "Maximum")
@dataclass(eq=False)
class Maximum(Merge):
    """The largest of the inputs."""

    def merge(self, inputs: tuple[Value, ...]) -> Value:
        return reduce(arithmetic.maximum, inputs)


@LAYERS.register("minimum", "Minimum")
@dataclass(eq=False)
class Minimum(Merge):
    """The smallest of the inputs."""

    def merge(self, inputs: tuple[Value, ...]) -> Value:
        return reduce(arithmetic.minimum, inputs)


@LAYERS.register("concatenate", "Concatenate")
@dataclass(eq=False)
class Concatenate(Layer):
    """The inputs side by side: (batch, a) and (batch, b) → (batch, a + b)."""

    arity: ClassVar[int | None] = None

    axis: int = -1

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, axis="whole (-inf, inf)")

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        several(self, inputs)
        rank = inputs[0].rank
        if not -rank < self.axis < rank or self.axis == 0:
            raise ShapeError(
                f"{self.described}: axis {self.axis} of inputs of shape {shape_text(inputs[0].shape)} is not one "
                "along which examples can be joined."
            )
        return shapes.concatenate(inputs, self.axis)


def several(layer: Layer, inputs: tuple[Value, ...]) -> None:
    """A `UsageError` where there is nothing to bring together."""
    if len(inputs) < 2:
        raise UsageError(
            f"{layer.described} takes a list of at least two inputs, not {len(inputs)}."
        )
