"""Which epoch is the best one, and when to give up waiting for a better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from chainrule import measures
from chainrule.errors import UsageError


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when `monitor` has not improved for `patience` epochs; the best epoch's weights are restored.

    `monitor` is a name of the history (`val_loss`, `val_accuracy`, …), `mode` "min", "max" or "auto" (by the
    metric). An improvement of less than `min_delta` does not reset the patience; the weights kept are those of
    the best value all the same.

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
        if self.patience < 1:
            raise UsageError(
                f"EarlyStopping: patience is a number of epochs, at least 1, not {self.patience!r}."
            )

    @property
    def larger_is_better(self) -> bool:
        """Which way is up for the monitored number."""
        name = self.monitor.removeprefix("val_")
        known = name in measures.METRICS.names()
        return self.mode == "max" or (
            self.mode == "auto" and known and measures.get(name).larger_is_better
        )


class Watch:
    """Follows the monitored number through the epochs."""

    def __init__(self, stopping: EarlyStopping, *, may_stop: bool) -> None:
        self.stopping = stopping
        self.may_stop = may_stop
        self.best = math.inf  # in units where smaller is better
        self.best_epoch = 0
        self._reference = math.inf  # what has to be undercut by min_delta
        self._waited = 0

    def improved(self, epoch: int, logs: Mapping[str, float]) -> bool:
        """Take in an epoch; whether it is the best so far."""
        name = self.stopping.monitor
        if name not in logs:
            raise UsageError(
                f"EarlyStopping monitors {name!r}, but the epochs only have {', '.join(logs)}."
            )
        value = -logs[name] if self.stopping.larger_is_better else logs[name]
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
