"""Layers without weights on one input: activations, shapes, functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from chainrule import activations
from chainrule.errors import ShapeError, UsageError
from chainrule.families import Family, check
from chainrule.graph import Shape, Value, shape_text
from chainrule.layers.base import LAYERS, Layer, Mode
from chainrule.ops.shapes import reshape

FUNCTIONS: Family[Any] = Family("function")


@LAYERS.register("activation", "Activation")
@dataclass(eq=False)
class Activation(Layer):
    """An activation as a layer of its own."""

    activation: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.activation = activations.get(self.activation)

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        return cast(Value, self.activation(inputs[0]))


@LAYERS.register("rescaling", "Rescaling")
@dataclass(eq=False)
class Rescaling(Layer):
    """x · scale + offset: Rescaling(1 / 255) puts the bytes of images between 0 and 1."""

    scale: float
    offset: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, scale="(-inf, inf)", offset="(-inf, inf)")

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        return inputs[0] * self.scale + self.offset


@LAYERS.register("flatten", "Flatten")
@dataclass(eq=False)
class Flatten(Layer):
    """Each example as one row: (batch, a, b, …) → (batch, a·b·…)."""

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        (x,) = inputs
        return reshape(x, (x.shape[0], _size(x.shape)))


@LAYERS.register("reshape", "Reshape")
@dataclass(eq=False)
class Reshape(Layer):
    """Each example in another shape: (batch, …) → (batch, *target_shape); one size may be −1, for the rest."""

    target_shape: Sequence[int]

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = self.target_shape if isinstance(self.target_shape, (list, tuple)) else None
        if sizes is None or any(not isinstance(d, int) or (d < 1 and d != -1) for d in sizes):
            raise UsageError(
                f"Reshape: target_shape is {self.target_shape!r}, expected whole numbers of at least 1, such as "
                "(28, 28)."
            )
        if list(sizes).count(-1) > 1:
            raise UsageError(f"Reshape: only one size of {self.target_shape!r} can be −1.")

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        (x,) = inputs
        rest = max(_size(x.shape) // abs(math.prod(self.target_shape)), 1)
        target = tuple(rest if d == -1 else d for d in self.target_shape)
        if _size(x.shape) != math.prod(target):
            raise ShapeError(
                f"{self.described}: an example of shape {shape_text(x.shape[1:])} cannot become {shape_text(target)}."
            )
        return reshape(x, (x.shape[0], *target))


@LAYERS.register("lambda", "Lambda")
@dataclass(eq=False)
class Lambda(Layer):
    """Any function written with `chainrule.ops`, of one value or several, as a layer.

    To save a model that has one, register the function: `@cr.register("function", "its_name")`.
    """

    arity: ClassVar[int | None] = None

    function: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        self.function = FUNCTIONS.get(self.function)

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        value = self.function(*inputs)
        if not isinstance(value, Value):
            raise UsageError(
                f"{self.described}: the function returned {type(value).__name__}, but must return a value made with "
                "chainrule.ops."
            )
        return value


def _size(shape: Shape) -> int:
    return math.prod(d for d in shape[1:] if isinstance(d, int))
