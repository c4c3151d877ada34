"""The state of a stochastic descent between epochs, and between calls of partial_fit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chainrule.engines.program import Array
from chainrule.optimizers import Optimizer
from chainrule.schedules import Schedule

SMALLEST_RATE = 1e-6  # below which "adaptive" gives up
ADAPTIVE_FACTOR = 5.0


@dataclass
class Descent:
    """The optimizer with its learning rate, number of updates and arrays, made once for all calls of partial_fit.

    `rule` is scikit-learn's "constant", "invscaling" (μ₀ / (t + 1)^p after each epoch, t counting examples) or
    "adaptive" (a fifth where training stands still), or a schedule of ours.
    """

    optimizer: Optimizer
    learning_rate_init: float
    rule: str | Schedule = "constant"
    power_t: float = 0.5
    learning_rate: float = field(init=False)
    updates: int = 0
    slots: list[dict[str, Array]] | None = None
    memory: dict[str, Any] = field(
        default_factory=dict
    )  # what our schedule remembers of past epochs

    def __post_init__(self) -> None:
        self.learning_rate = float(self.learning_rate_init)
        if isinstance(self.rule, Schedule):
            self.memory = self.rule.initial()

    @property
    def with_rate(self) -> Optimizer:
        """The optimizer as it would go on by itself."""
        rate = self.rule if isinstance(self.rule, Schedule) else self.learning_rate_init
        return replace(self.optimizer, learning_rate=rate)

    @property
    def foreseeable(self) -> bool:
        """Whether the rates of several epochs can be asked for at once."""
        if isinstance(self.rule, Schedule):
            return self.rule.foreseeable
        return self.rule != "invscaling"  # "adaptive" is changed from outside

    def rates(self, steps: int, epochs: int, count: int = 1) -> Array:
        """The learning rates of the steps of the next epoch, or the next few, of so many in all."""
        if isinstance(self.rule, Schedule):
            numbers = np.arange(self.updates, self.updates + count * steps, dtype=np.float64)
            rates = self.rule(numbers, steps_per_epoch=steps, total_steps=steps * epochs)
            rates = np.asarray(rates * self.memory.get("scale", 1.0))
            self.learning_rate = float(rates[-1])
            return rates
        return np.full(count * steps, self.learning_rate)

    def epoch_ends(self, examples_seen: int, monitored: float) -> None:
        """Take in that an epoch is over, with this loss."""
        if isinstance(self.rule, Schedule):
            self.memory = self.rule.after_epoch(self.memory, monitored)
        elif self.rule == "invscaling":
            self.learning_rate = self.learning_rate_init / (examples_seen + 1) ** self.power_t

    def stands_still(self) -> tuple[bool, str]:
        """Whether to stop when there was no improvement for long, or a smaller rate is taken; and this in words."""
        if self.rule != "adaptive":
            return True, "Stopping."
        if self.learning_rate <= SMALLEST_RATE:
            return True, "Learning rate too small. Stopping."
        self.learning_rate /= ADAPTIVE_FACTOR
        return False, f"Setting learning rate to {self.learning_rate:f}"
