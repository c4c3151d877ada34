"""How weights follow their gradients: the update rules, written as part of the step's graph.

An optimizer says which state it keeps for each weight (`slots`), which numbers change from step to
step (`scalars`: columns of a table, in float64) and what weight and state become (`update`, with
graph values). Letters in formulas: w weight, g gradient, μ learning rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import UsageError
from chainrule.families import Family, check
from chainrule.graph import Value
from chainrule.ops.arithmetic import add, clip, maximum
from chainrule.ops.elementary import sqrt, square
from chainrule.ops.shapes import sum as sum_over
from chainrule.ops.update import (
    adam_step,
    descend,
    exponential_average,
    exponential_average_of_squares,
    momentum,
)
from chainrule.schedules import Schedule
from chainrule.schedules import get as get_schedule

Column: TypeAlias = NDArray[np.float64]
Slots: TypeAlias = dict[str, Value]


@dataclass(frozen=True)
class Optimizer:
    """A rule of descent: what becomes of a weight, given its gradient.

    `learning_rate` is a number or a schedule. At most one of Keras' three ways to clip: `clipnorm`
    bounds the norm of each weight's gradient, `clipvalue` each element, `global_clipnorm` the norm
    of all gradients together.

    A subclass is a frozen dataclass of its settings. A user's own, which follows
    the sign alone:

    >>> from chainrule.ops.arithmetic import sign
    >>> @dataclass(frozen=True)
    ... class SignDescent(Optimizer):
    ...     def update(self, weight, gradient, slots, scalars):
    ...         return weight - scalars["learning_rate"] * sign(gradient), {}
    """

    learning_rate: float | Schedule = 0.001
    clipnorm: float | None = field(default=None, kw_only=True)
    clipvalue: float | None = field(default=None, kw_only=True)
    global_clipnorm: float | None = field(default=None, kw_only=True)

    full_batch: ClassVar[bool] = False  # True: every step needs all rows of the training data

    def __post_init__(self) -> None:
        check(
            self,
            clipnorm="(0, inf) or None",
            clipvalue="(0, inf) or None",
            global_clipnorm="(0, inf) or None",
        )
        if isinstance(self.learning_rate, (int, float, np.number)):
            check(self, learning_rate="[0, inf)")
        else:
            object.__setattr__(self, "learning_rate", get_schedule(self.learning_rate))
        given = [c for c in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, c)]
        if len(given) > 1:
            raise UsageError(f"{type(self).__name__}: give only one of {' and '.join(given)}.")

    @property
    def schedule(self) -> Schedule:
        """The learning rate as a schedule."""
        return get_schedule(self.learning_rate)

    def slots(self) -> dict[str, float]:
        """The state kept for each weight, in arrays of its shape: names and first values."""
        return {}

    def scalars(self, rate: Column, step: Column) -> dict[str, Column]:
        """The numbers of each step, given learning rates and step numbers counted from 1."""
        return {"learning_rate": rate}

    def update(
        self, weight: Value, gradient: Value, slots: Slots, scalars: Slots
    ) -> tuple[Value, Slots]:
        """The new weight and the new state."""
        raise NotImplementedError

    def clip(self, gradients: Sequence[Value]) -> list[Value]:
        """All gradients of a step, held within the bounds set."""
        if self.clipvalue is not None:
            return [clip(g, -self.clipvalue, self.clipvalue) for g in gradients]
        if self.clipnorm is not None:
            return [g * _shrink(self.clipnorm, [g]) for g in gradients]
        if self.global_clipnorm is not None and gradients:
            factor = _shrink(self.global_clipnorm, gradients)
            return [g * factor for g in gradients]
        return list(gradients)


FAMILY: Family[Optimizer] = Family("optimizer", Optimizer)
get = FAMILY.get
register = FAMILY.register


@register("sgd")
@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent: Δw = −μ g + ρ Δw₋₁ with ρ = `momentum`, then w ← w + Δw.

    With `nesterov`, w ← w − μ g + ρ Δw: the gradient is taken as if after the next momentum step.
    ρ = 1 forgets no step, which Keras and scikit-learn allow, too.
    Source: Rumelhart, Hinton & Williams (1986); Sutskever et al. (2013) for Nesterov's form.
    """

    learning_rate: float | Schedule = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, momentum="[0, 1]")
        if self.nesterov and not self.momentum:
            raise UsageError("SGD: nesterov needs a momentum above 0, such as 0.9.")

    def slots(self) -> dict[str, float]:
        return {"velocity": 0.0} if self.momentum else {}

    def update(
        self, weight: Value, gradient: Value, slots: Slots, scalars: Slots
    ) -> tuple[Value, Slots]:
        rate = scalars["learning_rate"]
        if not self.momentum:
            return descend(weight, gradient, rate), {}
        velocity = momentum(slots["velocity"], gradient, rate, self.momentum)
        change = momentum(velocity, gradient, rate, self.momentum) if self.nesterov else velocity
        return weight + change, {"velocity": velocity}


@register("adagrad")
@dataclass(frozen=True)
class Adagrad(Optimizer):
    """w ← w − μ g / (√Σg² + ε), the sum over all steps so far.

    The sum begins at 0, not at Keras' 0.1, and ε stands outside the root: the first step is μ in
    every direction, however small the gradient. Source: Duchi, Hazan & Singer (2011).
    """

    initial_accumulator_value: float = 0.0
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, initial_accumulator_value="[0, inf)", epsilon="(0, inf)")

    def slots(self) -> dict[str, float]:
        return {"accumulator": self.initial_accumulator_value}

    def update(
        self, weight: Value, gradient: Value, slots: Slots, scalars: Slots
    ) -> tuple[Value, Slots]:
        total = slots["accumulator"] + square(gradient)
        new = adam_step(weight, gradient, total, scalars["learning_rate"], self.epsilon)
        return new, {"accumulator": total}


@register("rmsprop")
@dataclass(frozen=True)
class RMSprop(Optimizer):
    """w ← w − μ g / √(v + ε) with v the decaying average of g²; Keras' form.

    `centered` puts v minus the squared average of g (kept from falling below 0) in v's place;
    `momentum` adds that share of the last change. Source: Tieleman & Hinton (2012), lecture 6.5.
    """

    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, rho="[0, 1)", momentum="[0, 1)", epsilon="(0, inf)")

    def slots(self) -> dict[str, float]:
        kept = {"square": 0.0}
        if self.centered:
            kept["average"] = 0.0
        if self.momentum:
            kept["velocity"] = 0.0
        return kept

    def update(
        self, weight: Value, gradient: Value, slots: Slots, scalars: Slots
    ) -> tuple[Value, Slots]:
        spread = exponential_average_of_squares(slots["square"], gradient, self.rho)
        new = {"square": spread}
        if self.centered:
            new["average"] = exponential_average(slots["average"], gradient, self.rho)
            spread = maximum(spread - square(new["average"]), 0.0)
        scaled = gradient / sqrt(spread + self.epsilon)
        if not self.momentum:
            return descend(weight, scaled, scalars["learning_rate"]), new
        new["velocity"] = momentum(
            slots["velocity"], scaled, scalars["learning_rate"], self.momentum
        )
        return weight + new["velocity"], new


@register("adam")
@dataclass(frozen=True)
class Adam(Optimizer):
    """w ← w − μₜ m / (√v + ε), m and v the decaying averages of g and g²; μₜ = μ √(1−β₂ᵗ) /
    (1−β₁ᵗ).

    This is the efficient form of the paper's section 2, as in Keras and scikit-learn: its ε is that
    of the first algorithm divided by √(1−β₂ᵗ). Source: Kingma & Ba (2015).
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, beta_1="[0, 1)", beta_2="[0, 1)", epsilon="(0, inf)")

    def slots(self) -> dict[str, float]:
        return {"m": 0.0, "v": 0.0}

    def scalars(self, rate: Column, step: Column) -> dict[str, Column]:
        correction = np.sqrt(1.0 - self.beta_2**step) / (1.0 - self.beta_1**step)
        return {"step_size": rate * correction}

    def update(
        self, weight: Value, gradient: Value, slots: Slots, scalars: Slots
    ) -> tuple[Value, Slots]:
        m = exponential_average(slots["m"], gradient, self.beta_1)
        v = exponential_average_of_squares(slots["v"], gradient, self.beta_2)
        return adam_step(weight, m, v, scalars["step_size"], self.epsilon), {"m": m, "v": v}


@register("adamw")
@dataclass(frozen=True)
class AdamW(Adam):
    """Adam, with every weight shrunk by μ · `weight_decay` of itself beside each step.

    Biases and the scales of normalisations too, as in Keras and PyTorch where one does not
    exclude them.
    Source: Loshchilov & Hutter (2019), *Decoupled weight decay regularization*.
    """

    weight_decay: float = 0.004

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, weight_decay="[0, inf)")

    def scalars(self, rate: Column, step: Column) -> dict[str, Column]:
        return {**super().scalars(rate, step), "decay": rate * self.weight_decay}

    def update(
        self, weight: Value, gradient: Value, slots: Slots, scalars: Slots
    ) -> tuple[Value, Slots]:
        return super().update(descend(weight, weight, scalars["decay"]), gradient, slots, scalars)


@register("lbfgs", "l_bfgs")
@dataclass(frozen=True)
class LBFGS(Optimizer):
    """Limited-memory BFGS, SciPy's: it finds its own step lengths and needs all rows at every step.

    `memory` is the number of past steps it looks at. It stops where the loss falls by less than
    `tolerance` · max(|loss|, 1) or no element of the gradient exceeds `gradient_tolerance`.
    Source: Liu & Nocedal (1989); Zhu, Byrd, Lu & Nocedal (1997), L-BFGS-B.
    """

    memory: int = 10
    tolerance: float = 2.220446049250313e-09
    gradient_tolerance: float = 1e-5
    max_function_evaluations: int | None = None
    learning_rate: float | Schedule = field(default=1.0, init=False)
    clipnorm: float | None = field(default=None, init=False)
    clipvalue: float | None = field(default=None, init=False)
    global_clipnorm: float | None = field(default=None, init=False)

    full_batch: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check(
            self,
            memory="whole [1, inf)",
            tolerance="[0, inf)",
            gradient_tolerance="[0, inf)",
            max_function_evaluations="whole [1, inf) or None",
        )

    def update(
        self, weight: Value, gradient: Value, slots: Slots, scalars: Slots
    ) -> tuple[Value, Slots]:
        raise UsageError("L-BFGS is no rule for single steps: SciPy carries it out.")


def _shrink(bound: float, gradients: Sequence[Value]) -> Value:
    """What gradients are multiplied with so that their common norm is at most `bound`."""
    norm = sqrt(reduce(add, [sum_over(square(g)) for g in gradients]))
    return bound / maximum(norm, bound)
