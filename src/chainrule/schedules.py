"""Learning-rate schedules: the rate of every step of a training, as data.

A schedule turns an array of step numbers, counted from 0, into an array of learning rates, so that
a whole epoch's rates are known before it begins. What a schedule learns from the losses of past
epochs is state that the training keeps: `state["scale"]` multiplies its rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ShapeError, UsageError
from chainrule.families import Family, check

Steps: TypeAlias = NDArray[np.float64]
State: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Schedule:
    """A learning rate for each step. A subclass says in `__call__` which."""

    def __call__(self, step: Steps, *, steps_per_epoch: int, total_steps: int) -> Steps:
        """The rates of the steps with these numbers, in a training of `total_steps` steps."""
        raise NotImplementedError

    def initial(self) -> State:
        """The state before the first epoch: plain data, saved with a checkpoint."""
        return {"scale": 1.0}

    def after_epoch(self, state: State, loss: float) -> State:
        """The state after an epoch that ended with this loss (on validation data where there are
        any).
        """
        return state

    @property
    def foreseeable(self) -> bool:
        """Whether the rates of several epochs can be asked for at once, before the first is over."""
        return type(self).after_epoch is Schedule.after_epoch


@dataclass(frozen=True)
class FunctionSchedule(Schedule):
    """A user's function: an array of step numbers in, an array of learning rates out.

    It is asked for one epoch at a time.
    """

    function: Callable[[Steps], Any]
    foreseeable: ClassVar[bool] = False

    def __call__(self, step: Steps, *, steps_per_epoch: int, total_steps: int) -> Steps:
        rates = np.asarray(self.function(step), dtype=np.float64)
        if rates.shape not in ((), step.shape):
            raise ShapeError(
                f"The learning-rate function returned an array of shape {rates.shape} for "
                f"{step.size} step numbers: it must return one rate for each."
            )
        return np.broadcast_to(rates, step.shape)


FAMILY: Family[Schedule] = Family("schedule", Schedule, FunctionSchedule)
register = FAMILY.register


def get(given: Any) -> Schedule:
    """The schedule for a learning rate, an object, a configuration, or a function of the step
    number.
    """
    if isinstance(given, (int, float, np.number)):
        return Constant(float(given))
    return FAMILY.get(given)


def named(name: str, learning_rate: float) -> Schedule:
    """The schedule of this name with its usual settings, at or from this learning rate.

    >>> named("cosine", 0.1)
    Cosine(learning_rate=0.1, final=0.0, steps=None)
    """
    if FAMILY.find(name) is PiecewiseConstant:
        raise UsageError(f"The schedule {name!r} needs boundaries and values: give an object.")
    schedule: Schedule = FAMILY.find(name)(learning_rate)
    return schedule


@register("constant")
@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate at every step."""

    learning_rate: float

    def __post_init__(self) -> None:
        check(self, learning_rate="[0, inf)")

    def __call__(self, step: Steps, *, steps_per_epoch: int, total_steps: int) -> Steps:
        return np.full(np.shape(step), float(self.learning_rate))


@register("step", "step_decay")
@dataclass(frozen=True)
class StepDecay(Schedule):
    """μ · factor ^ ⌊epoch / every_epochs⌋, with epochs counted from 0."""

    learning_rate: float
    factor: float = 0.1
    every_epochs: int = 30

    def __post_init__(self) -> None:
        check(self, learning_rate="[0, inf)", factor="(0, inf)", every_epochs="whole [1, inf)")

    def __call__(self, step: Steps, *, steps_per_epoch: int, total_steps: int) -> Steps:
        return self.learning_rate * self.factor ** (step // steps_per_epoch // self.every_epochs)


@register("exponential", "exponential_decay")
@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """μ · decay_rate ^ (step / decay_steps); in whole powers only with `staircase`.

    `decay_steps` is one epoch where it is not given.
    """

    initial_learning_rate: float
    decay_steps: int | None = None
    decay_rate: float = 0.95
    staircase: bool = False

    def __post_init__(self) -> None:
        check(
            self,
            initial_learning_rate="[0, inf)",
            decay_steps="whole [1, inf) or None",
            decay_rate="(0, inf)",
        )

    def __call__(self, step: Steps, *, steps_per_epoch: int, total_steps: int) -> Steps:
        passed = step / (self.decay_steps or steps_per_epoch)
        return self.initial_learning_rate * self.decay_rate ** (
            np.floor(passed) if self.staircase else passed
        )


@register("inverse_time", "inverse_time_decay")
@dataclass(frozen=True)
class InverseTimeDecay(Schedule):
    """μ / (1 + decay_rate · step / decay_steps); in whole numbers of `decay_steps` with
    `staircase`.

    `decay_steps` is one epoch where it is not given.
    """

    initial_learning_rate: float
    decay_steps: int | None = None
    decay_rate: float = 0.1
    staircase: bool = False

    def __post_init__(self) -> None:
        check(
            self,
            initial_learning_rate="[0, inf)",
            decay_steps="whole [1, inf) or None",
            decay_rate="[0, inf)",
        )

    def __call__(self, step: Steps, *, steps_per_epoch: int, total_steps: int) -> Steps:
        passed = step / (self.decay_steps or steps_per_epoch)
        return self.initial_learning_rate / (
            1 + self.decay_rate * (np.floor(passed) if self.staircase else passed)
        )


@register("cosine", "cosine_decay")
@dataclass(frozen=True)
class Cosine(Schedule):
    """From μ to `final` along half a cosine, over `steps` (the whole training: None).

    final + (μ − final) · ½ (1 + cos(π · min(step / steps, 1))). Source: Loshchilov & Hutter (2017),
    SGDR.
    """

    learning_rate: float
    final: float = 0.0
    steps: int | None = None

    def __post_init__(self) -> None:
        check(self, learning_rate="[0, inf)", final="[0, inf)", steps="whole [1, inf) or None")

    def __call__(self, step: Steps, *, steps_per_epoch: int, total_steps: int) -> Steps:
        return _half_cosine(
            self.learning_rate, self.final, step / max(self.steps or total_steps, 1)
        )


@register("one_cycle")
@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up to μ during `warm_fraction` of the training, then down to nearly nothing, along half
    cosines.

    It begins at μ / start_divisor and would end, one step after the last, at that divided by
    end_divisor. Source: Smith & Topin (2018), *Super-convergence*.
    """

    learning_rate: float
    warm_fraction: float = 0.3
    start_divisor: float = 25.0
    end_divisor: float = 1e4

    def __post_init__(self) -> None:
        check(
            self,
            learning_rate="[0, inf)",
            warm_fraction="(0, 1)",
            start_divisor="[1, inf)",
            end_divisor="[1, inf)",
        )

    def __call__(self, step: Steps, *, steps_per_epoch: int, total_steps: int) -> Steps:
        passed, warm = step / max(total_steps, 1), self.warm_fraction
        start = self.learning_rate / self.start_divisor
        up = _half_cosine(start, self.learning_rate, passed / warm)
        down = _half_cosine(
            self.learning_rate, start / self.end_divisor, (passed - warm) / (1 - warm)
        )
        return np.where(passed < warm, up, down)


@register("warm_up")
@dataclass(frozen=True)
class WarmUp(Schedule):
    """A straight rise to another schedule's first rate, then that schedule over the remaining
    steps.

    Step k of the n warm-up steps has the rate (k + 1) / (n + 1) of that first rate. `schedule` may
    be a rate, which is then kept. n is `steps`, or else that of `epochs`.
    """

    schedule: float | Schedule
    steps: int | None = None
    epochs: float = 1.0

    def __post_init__(self) -> None:
        check(self, steps="whole [0, inf) or None", epochs="[0, inf)")
        object.__setattr__(self, "schedule", get(self.schedule))

    def __call__(self, step: Steps, *, steps_per_epoch: int, total_steps: int) -> Steps:
        n = round(self.epochs * steps_per_epoch) if self.steps is None else self.steps
        rates = self._after(
            np.maximum(step - n, 0.0),
            steps_per_epoch=steps_per_epoch,
            total_steps=max(total_steps - n, 1),
        )
        return rates * np.minimum((step + 1) / (n + 1), 1.0)

    def initial(self) -> State:
        return self._after.initial()

    def after_epoch(self, state: State, loss: float) -> State:
        return self._after.after_epoch(state, loss)

    @property
    def foreseeable(self) -> bool:
        return self._after.foreseeable

    @property
    def _after(self) -> Schedule:
        return get(self.schedule)


@register("piecewise_constant", "piecewise_constant_decay")
@dataclass(frozen=True)
class PiecewiseConstant(Schedule):
    """values[0] up to and including step boundaries[0], values[1] up to boundaries[1], …,
    values[-1] after all.
    """

    boundaries: Sequence[float]
    values: Sequence[float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "boundaries", tuple(self.boundaries))
        object.__setattr__(self, "values", tuple(self.values))
        if len(self.values) != len(self.boundaries) + 1:
            raise UsageError(
                f"PiecewiseConstant: {len(self.boundaries)} boundaries need "
                f"{len(self.boundaries) + 1} values, not {len(self.values)}."
            )
        if any(b <= a for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise UsageError(
                f"PiecewiseConstant: boundaries are {self.boundaries}, expected rising numbers."
            )

    def __call__(self, step: Steps, *, steps_per_epoch: int, total_steps: int) -> Steps:
        return np.array(self.values, dtype=np.float64)[
            np.searchsorted(self.boundaries, step, side="left")
        ]


@register("reduce_on_plateau", "reduce_lr_on_plateau")
@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """μ until the loss has not improved for `patience` epochs, then `factor` times as much, and so
    on.

    An improvement is more than `min_delta`. After a reduction, `cooldown` epochs are not counted.
    The rate never falls below `min_learning_rate`.
    """

    learning_rate: float
    factor: float = 0.1
    patience: int = 10
    min_delta: float = 1e-4
    cooldown: int = 0
    min_learning_rate: float = 0.0

    def __post_init__(self) -> None:
        check(
            self,
            learning_rate="(0, inf)",
            factor="(0, 1)",
            patience="whole [0, inf)",
            min_delta="[0, inf)",
            cooldown="whole [0, inf)",
            min_learning_rate="[0, inf)",
        )

    def __call__(self, step: Steps, *, steps_per_epoch: int, total_steps: int) -> Steps:
        return np.full(np.shape(step), float(self.learning_rate))

    def initial(self) -> State:
        return {"scale": 1.0, "best": None, "wait": 0, "cooldown": 0}

    def after_epoch(self, state: State, loss: float) -> State:
        scale, best = state["scale"], state["best"]
        wait = 0 if state["cooldown"] else state["wait"]
        cooldown = max(state["cooldown"] - 1, 0)
        if loss < (math.inf if best is None else best - self.min_delta):
            best, wait = float(loss), 0
        elif not cooldown:
            wait += 1
            lower = max(scale * self.factor, self.min_learning_rate / self.learning_rate)
            if wait >= self.patience and lower < scale:
                scale, wait, cooldown = lower, 0, self.cooldown
        return {"scale": scale, "best": best, "wait": wait, "cooldown": cooldown}


def _half_cosine(start: float, end: float, passed: Steps) -> Steps:
    """From start to end while `passed` goes from 0 to 1."""
    return end + (start - end) * 0.5 * (1 + np.cos(np.pi * np.clip(passed, 0.0, 1.0)))
