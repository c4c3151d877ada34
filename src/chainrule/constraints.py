"""What weights are held to after every step of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chainrule.errors import ShapeError
from chainrule.families import Family, check
from chainrule.graph import Value, shape_text
from chainrule.ops.arithmetic import greater, maximum, where
from chainrule.ops.elementary import sqrt, square
from chainrule.ops.shapes import sum as sum_over


@dataclass(frozen=True)
class Constraint:
    """A rule for a weight. A subclass says in `__call__` what a weight becomes that breaks it."""

    def __call__(self, weight: Value) -> Value:
        raise NotImplementedError


FAMILY: Family[Constraint] = Family("constraint")
register = FAMILY.register


def get(given: Any) -> Constraint | None:
    """The constraint for a name, an object, a function of the weight or None (none)."""
    return None if given is None else FAMILY.get(given)


@register("max_norm")
@dataclass(frozen=True)
class MaxNorm(Constraint):
    """Weights along `axis` with a norm above `max_value` are scaled down to it; others keep their
    bits.

    Axis 0 of a (fan_in, fan_out) kernel holds the weights that enter one unit.
    Source: Srebro & Shraibman (2005); Hinton et al. (2012), *Improving neural networks*.
    """

    max_value: float = 2.0
    axis: int = 0

    def __post_init__(self) -> None:
        check(self, max_value="(0, inf)", axis="whole (-inf, inf)")

    def __call__(self, weight: Value) -> Value:
        norms = _norms(self, weight, self.axis)
        return weight * (self.max_value / maximum(norms, self.max_value))


@register("non_neg")
@dataclass(frozen=True)
class NonNeg(Constraint):
    """Negative weights become 0."""

    def __call__(self, weight: Value) -> Value:
        return maximum(weight, 0.0)


@register("unit_norm")
@dataclass(frozen=True)
class UnitNorm(Constraint):
    """Weights along `axis` are scaled to norm 1; all-zero ones stay zero."""

    axis: int = 0

    def __post_init__(self) -> None:
        check(self, axis="whole (-inf, inf)")

    def __call__(self, weight: Value) -> Value:
        norms = _norms(self, weight, self.axis)
        return weight / where(greater(norms, 0.0), norms, 1.0)


def _norms(constraint: Constraint, weight: Value, axis: int) -> Value:
    if not -weight.rank <= axis < weight.rank:
        raise ShapeError(
            f"{type(constraint).__name__}: axis {axis} does not exist in a weight of shape "
            f"{shape_text(weight.shape)}."
        )
    return sqrt(sum_over(square(weight), axis, keepdims=True))
