"""Penalties on weights, added to the loss of every training step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.families import Family, check
from chainrule.graph import Value
from chainrule.ops.arithmetic import absolute
from chainrule.ops.elementary import square
from chainrule.ops.shapes import sum as sum_over


@dataclass(frozen=True)
class Regularizer:
    """A penalty for a weight. A subclass says in `__call__` what it is: a single number."""

    def __call__(self, weight: Value) -> Value:
        raise NotImplementedError


FAMILY: Family[Regularizer] = Family("regularizer")
register = FAMILY.register


def get(given: Any) -> Regularizer | None:
    """The regularizer for a name, an object, a function of the weight, a number (L2's) or None
    (none).
    """
    if given is None:
        return None
    return L2(float(given)) if isinstance(given, (int, float, np.number)) else FAMILY.get(given)


@register("l1")
@dataclass(frozen=True)
class L1(Regularizer):
    """λ Σ|w|; the subgradient at 0 is 0."""

    l1: float = 0.01

    def __post_init__(self) -> None:
        check(self, l1="[0, inf)")

    def __call__(self, weight: Value) -> Value:
        return self.l1 * sum_over(absolute(weight))


@register("l2")
@dataclass(frozen=True)
class L2(Regularizer):
    """λ Σw², as in Keras; scikit-learn's alpha is 2 λ times the batch's sum of weights."""

    l2: float = 0.01

    def __post_init__(self) -> None:
        check(self, l2="[0, inf)")

    def __call__(self, weight: Value) -> Value:
        return self.l2 * sum_over(square(weight))


@register("l1_l2")
@dataclass(frozen=True)
class L1L2(Regularizer):
    """λ₁ Σ|w| + λ₂ Σw². Source: Zou & Hastie (2005), the elastic net."""

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        check(self, l1="[0, inf)", l2="[0, inf)")

    def __call__(self, weight: Value) -> Value:
        return self.l1 * sum_over(absolute(weight)) + self.l2 * sum_over(square(weight))
