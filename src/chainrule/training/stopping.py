"""Which epoch is the best one, and when to give up waiting for a better."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.errors import UsageError
from chainrule.families import check
from chainrule.measures import Measure
from chainrule.training.events import Listener


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when `monitor` has not improved for `patience` epochs; the best epoch's weights are restored.

    `monitor` is a name of the history (`val_loss`, `val_accuracy`, …), `mode` "min", "max" or "auto" (by the
    metric). Only an improvement of more than `min_delta` resets the patience; the weights kept are those of
    the best value all the same. The first `start_from_epoch` epochs do not use up the patience.

    Source: Prechelt (1998), *Early stopping — but when?*
    """

    monitor: str = "val_loss"
    patience: int = 10
    min_delta: float = 0.0
    mode: str = "auto"
    start_from_epoch: int = 0

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "min", "max"):
            raise UsageError(f"EarlyStopping: mode is 'auto', 'min' or 'max', not {self.mode!r}.")
        check(self, patience="whole [1, inf)", min_delta="[0, inf)")
        check(self, start_from_epoch="whole [0, inf)")

    def larger_is_better(self, metrics: Mapping[str, Measure]) -> bool:
        """Which way is up for the monitored number, among these metrics by name."""
        if self.mode != "auto":
            return self.mode == "max"
        metric = metrics.get(self.monitor.removeprefix("val_"))
        return metric is not None and metric.larger_is_better


class Watch:
    """Follows the monitored number through the epochs."""

    def __init__(
        self, stopping: EarlyStopping, metrics: Mapping[str, Measure], *, may_stop: bool
    ) -> None:
        self.stopping = stopping
        self.may_stop = may_stop
        self.sign = -1.0 if stopping.larger_is_better(metrics) else 1.0
        self.best = math.inf  # in units where smaller is better
        self.best_epoch = 0
        self._reference = math.inf  # what has to be undercut by min_delta
        self._waited = 0

    def improved(self, epoch: int, logs: Mapping[str, float]) -> bool:
        """Take in an epoch; whether it is the best so far."""
        value = self.sign * logs[self.stopping.monitor]
        if value < self._reference - self.stopping.min_delta:
            self._reference, self._waited = value, 0
        elif epoch > self.stopping.start_from_epoch:
            self._waited += 1
        if value < self.best:
            self.best, self.best_epoch = value, epoch
            return True
        return False

    def reason(self) -> str | None:
        """Why to stop now, if so."""
        if not self.may_stop or self._waited < self.stopping.patience:
            return None
        epochs = f"{self.stopping.patience} epoch{'s' if self.stopping.patience > 1 else ''}"
        return f"{self.stopping.monitor} has not improved for {epochs}"


def sorted_out(
    early_stopping: EarlyStopping | None, callbacks: Sequence[Any]
) -> tuple[EarlyStopping | None, list[Listener]]:
    """The one rule for stopping early, and those who want to hear the events."""
    stoppers = [c for c in (early_stopping, *callbacks) if isinstance(c, EarlyStopping)]
    if len(stoppers) > 1:
        raise UsageError("Give one EarlyStopping: as early_stopping or among the callbacks.")
    listeners = [c for c in callbacks if not isinstance(c, EarlyStopping)]
    wrong = [c for c in listeners if not callable(c)]
    if early_stopping is not None and not isinstance(early_stopping, EarlyStopping):
        wrong.append(early_stopping)
    if wrong:
        raise UsageError(
            f"{wrong[0]!r} cannot listen: give EarlyStopping(…), or a function that hears every event."
        )
    return next(iter(stoppers), None), listeners
