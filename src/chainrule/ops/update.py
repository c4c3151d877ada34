"""What optimizers assign: new moments and new weights. None of them declares a derivative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from chainrule.errors import ShapeError
from chainrule.graph import Example, Op, Shape, Value, shape_text
from chainrule.ops.elementwise import Elementwise
from chainrule.ops.shapes import Operand


class Update(Elementwise):
    """A rule on arrays of one shape and, where `rated`, a learning rate of shape ()."""

    differentiable = False
    arrays: ClassVar[int] = 2
    rated: ClassVar[bool] = False

    def shape(self, *inputs: Shape) -> Shape:
        arrays, rest = inputs[: self.arrays], inputs[self.arrays :]
        if len(set(arrays)) != 1 or rest != ((),) * self.rated:
            rate = " and a learning rate of shape ()" if self.rated else ""
            raise ShapeError(
                f"{self.name} needs {self.arrays} values of one shape{rate}, not "
                f"{' and '.join(map(shape_text, inputs))}."
            )
        return arrays[0]

    @classmethod
    def settings(cls) -> Sequence[Op]:
        """The operations `example` shows."""
        return [cls()]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        rate = (np.array(0.01),) * cls.rated
        return [  # squares are averaged, so all are positive
            Example(op, (*rng.uniform(0.1, 2.0, (cls.arrays, *shape)), *rate))
            for op in cls.settings()
            for shape in ((3, 5), (17,), (1, 2, 3))
        ]


@dataclass(frozen=True)
class ExponentialAverage(Update):
    """β m + (1 − β) g: the average of past gradients, older ones counting less."""

    decay: float
    name = "exponential_average"

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        m, g = map(xp.real, arrays)
        return self.decay * m + (1.0 - self.decay) * g

    def formula(self) -> str:
        return f"{self.decay!r} * a + (1 - {self.decay!r}) * b"

    @classmethod
    def settings(cls) -> Sequence[Op]:
        return [cls(0.9)]


@dataclass(frozen=True)
class ExponentialAverageOfSquares(Update):
    """β v + (1 − β) g²: the average of past squared gradients."""

    decay: float
    name = "exponential_average_of_squares"

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        v, g = map(xp.real, arrays)
        return self.decay * v + (1.0 - self.decay) * (g * g)

    def formula(self) -> str:
        return f"{self.decay!r} * a + (1 - {self.decay!r}) * b ** 2"

    @classmethod
    def settings(cls) -> Sequence[Op]:
        return [cls(0.999)]


@dataclass(frozen=True)
class AdamStep(Update):
    """w − α m / (√v + ε); the bias corrections of m and v are in α.

    Source: Kingma & Ba (2015), section 2, the more efficient order of computation.
    """

    epsilon: float = 1e-7
    name = "adam_step"
    arrays, rated = 3, True

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        w, m, v, rate = map(xp.real, arrays)
        return w - rate * m / (xp.sqrt(v) + self.epsilon)

    def formula(self) -> str:
        return f"a - d * b / (sqrt(c) + {self.epsilon!r})"

    @classmethod
    def settings(cls) -> Sequence[Op]:
        return [cls(), cls(0.1)]


class Descend(Update):
    """w − α d: a step against the direction d."""

    name = "descend"
    rated = True
    written = "a - c * b"

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        w, d, rate = map(xp.real, arrays)
        return w - rate * d


@dataclass(frozen=True)
class Momentum(Update):
    """ρ velocity − α g: the next step, which remembers the last one. Source: Polyak (1964)."""

    decay: float
    name = "momentum"
    rated = True

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        velocity, g, rate = map(xp.real, arrays)
        return self.decay * velocity - rate * g

    def formula(self) -> str:
        return f"{self.decay!r} * a - c * b"

    @classmethod
    def settings(cls) -> Sequence[Op]:
        return [cls(0.9)]


def exponential_average(m: Operand, g: Operand, decay: float) -> Value:
    """β m + (1 − β) g, β being `decay`."""
    return ExponentialAverage(decay)(m, g)


def exponential_average_of_squares(v: Operand, g: Operand, decay: float) -> Value:
    """β v + (1 − β) g², β being `decay`."""
    return ExponentialAverageOfSquares(decay)(v, g)


def adam_step(w: Operand, m: Operand, v: Operand, rate: Operand, epsilon: float = 1e-7) -> Value:
    """w − α m / (√v + ε), α being `rate`."""
    return AdamStep(epsilon)(w, m, v, rate)


def descend(w: Operand, direction: Operand, rate: Operand) -> Value:
    """w − α d, α being `rate`."""
    return Descend()(w, direction, rate)


def momentum(velocity: Operand, g: Operand, rate: Operand, decay: float) -> Value:
    """ρ velocity − α g, α being `rate` and ρ `decay`."""
    return Momentum(decay)(velocity, g, rate)
