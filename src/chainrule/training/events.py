"""What happens during training, told as events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Event:
    """Something that happened; `epoch` counts from 1, `network` counts an ensemble's networks from 0."""

    epoch: int
    network: int = field(default=0, kw_only=True, repr=False)


@dataclass(frozen=True)
class TrainingStarted(Event):
    """Training begins with this many rows; `held_out` says in words how validation rows were chosen."""

    epochs: int
    rows: int
    validation_rows: int
    steps_per_epoch: int
    held_out: str


@dataclass(frozen=True)
class Progress(Event):
    """Some steps of an epoch are done; `loss` is the mean over the epoch's rows so far."""

    step: int
    steps: int
    loss: float


@dataclass(frozen=True)
class EpochEnd(Event):
    """An epoch is done: losses and metrics by name, validation's with `val_` before them."""

    logs: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class BestSoFar(Event):
    """The monitored number is the best yet; these weights are kept."""

    monitor: str
    value: float


@dataclass(frozen=True)
class Stopped(Event):
    """Training is over: why, and which epoch's weights the model has now."""

    reason: str
    best_epoch: int
    seconds: float


# A listener hears every event; a sentence it returns stops training and is the reason given.
Listener = Callable[[Event], "str | None"]
