"""Activations by name: functions from a value to a value of the same shape.

>>> get("tanh")(as_value([0.0, 1.0]))
<tanh (2,)>

Those with a setting are small objects: `LeakyReLU(0.1)`. A user's own is a function written with
`chainrule.ops`, registered with `@chainrule.register("activation", "its_name")` so that it can be
saved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import UsageError
from chainrule.families import Family, check
from chainrule.graph import Value, as_value
from chainrule.ops.activation import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    mish,
    relu,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from chainrule.ops.arithmetic import sign
from chainrule.ops.elementary import exp

Activation: TypeAlias = Callable[[Value], Value]

FAMILY: Family[Activation] = Family("activation")
register = FAMILY.register


def get(given: Any) -> Activation:
    """The activation for a name, an object or a function; None is the identity."""
    if isinstance(given, np.ufunc):
        raise UsageError(
            f"numpy.{given.__name__} computes arrays, but an activation is part of a graph: give a name, such as "
            "'tanh', or a function made from those of chainrule.ops."
        )
    return linear if given is None else FAMILY.get(given)


@register("linear", "identity")
def linear(x: Value) -> Value:
    """x itself."""
    return as_value(x)


@register("leaky_relu")
@dataclass(frozen=True)
class LeakyReLU:
    """x where x > 0, `negative_slope`·x elsewhere. Source: Maas, Hannun & Ng (2013)."""

    negative_slope: float = 0.2

    def __post_init__(self) -> None:
        check(self, negative_slope="[0, inf)")

    def __call__(self, x: Value) -> Value:
        return leaky_relu(x, self.negative_slope)


@register("elu")
@dataclass(frozen=True)
class ELU:
    """x where x > 0, α (eˣ − 1) elsewhere. Source: Clevert, Unterthiner & Hochreiter (2016)."""

    alpha: float = 1.0

    def __post_init__(self) -> None:
        check(self, alpha="[0, inf)")

    def __call__(self, x: Value) -> Value:
        return elu(x, self.alpha)


@register("gelu")
@dataclass(frozen=True)
class GELU:
    """x Φ(x), Φ the normal distribution function; `approximate` writes it with tanh.

    Source: Hendrycks & Gimpel (2016).
    """

    approximate: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.approximate, bool):
            raise UsageError(f"GELU: approximate is {self.approximate!r}, expected True or False.")

    def __call__(self, x: Value) -> Value:
        return gelu(x, self.approximate)


for _names, _function in {
    ("sigmoid", "logistic"): sigmoid,
    ("tanh",): tanh,
    ("relu",): relu,
    ("selu",): selu,
    ("silu", "swish"): silu,
    ("mish",): mish,
    ("softplus",): softplus,
    ("softmax",): softmax,
    ("log_softmax",): log_softmax,
    ("exponential",): exp,
    ("sign",): sign,
}.items():
    register(*_names)(_function)
