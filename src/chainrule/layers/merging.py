"""Layers that bring several inputs together; skip connections and multiplicative units are made with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from chainrule.errors import ShapeError, UsageError
from chainrule.graph import Shape, Value, shape_text
from chainrule.layers.base import LAYERS, Layer, Mode
from chainrule.ops import basic, shapes


@dataclass(eq=False)
class Merge(Layer):
    """Several inputs of one shape taken together, element by element."""

    arity = None

    def build(self, *shapes: Shape) -> None:
        if len(shapes) < 2:
            raise UsageError(
                f"{self.described} takes a list of at least two inputs, not {len(shapes)}."
            )
        if len(set(shapes)) > 1:
            raise ShapeError(
                f"{self.described} takes inputs of one shape, not {' and '.join(map(shape_text, shapes))}."
            )


@LAYERS.register("add", "Add")
@dataclass(eq=False)
class Add(Merge):
    """The sum of the inputs: a skip connection."""

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        return reduce(basic.add, inputs)


@LAYERS.register("subtract", "Subtract")
@dataclass(eq=False)
class Subtract(Merge):
    """The first input minus the second."""

    arity = 2

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        return inputs[0] - inputs[1]


@LAYERS.register("multiply", "Multiply")
@dataclass(eq=False)
class Multiply(Merge):
    """The product of the inputs, element by element: multiplicative units (deck 002), gates."""

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        return reduce(basic.multiply, inputs)


@LAYERS.register("average", "Average")
@dataclass(eq=False)
class Average(Merge):
    """The mean of the inputs."""

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        return reduce(basic.add, inputs) * (1.0 / len(inputs))


@LAYERS.register("maximum", "Maximum")
@dataclass(eq=False)
class Maximum(Merge):
    """The largest of the inputs."""

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        return reduce(basic.maximum, inputs)


@LAYERS.register("minimum", "Minimum")
@dataclass(eq=False)
class Minimum(Merge):
    """The smallest of the inputs."""

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        return reduce(basic.minimum, inputs)


@LAYERS.register("concatenate", "Concatenate")
@dataclass(eq=False)
class Concatenate(Layer):
    """The inputs side by side: (batch, a) and (batch, b) → (batch, a + b)."""

    axis: int = -1
    arity = None

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        return shapes.concatenate(inputs, self.axis)
