"""What happened during a `fit`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from chainrule.training.events import BestSoFar, EpochEnd, Event, Stopped, TrainingStarted


@dataclass
class History:
    """The curves of a training: `history["loss"]`, `history["val_loss"]` … have one entry an epoch.

    `best_epoch` (from 1) is the epoch whose weights the model has; `held_out` says how validation rows were
    chosen.
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    epoch: list[int] = field(default_factory=list)
    stopped_because: str = ""
    best_epoch: int = 0
    seconds: float = 0.0
    held_out: str = ""
    rows: int = 0
    validation_rows: int = 0

    def hear(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case TrainingStarted():
                self.held_out = event.held_out
                self.rows, self.validation_rows = event.rows, event.validation_rows
            case EpochEnd():
                self.epoch.append(event.epoch)
                for name, value in {**event.logs, "seconds": event.seconds}.items():
                    self.history.setdefault(name, []).append(value)
            case BestSoFar():
                self.best_epoch = event.epoch
            case Stopped():
                self.stopped_because = event.reason
                self.best_epoch, self.seconds = event.best_epoch, event.seconds


def printer(write: Callable[[str], object] | None = None) -> Callable[[Event], None]:
    """A listener that prints a line for each epoch: what `fit(verbose=1)` shows."""
    epochs = 0
    write = sys.stdout.write if write is None else write  # which may be another one by now

    def hear(event: Event) -> None:
        nonlocal epochs
        match event:
            case TrainingStarted():
                epochs = event.epochs
                held = (
                    f", {event.validation_rows} for validation: {event.held_out}"
                    if event.validation_rows
                    else ""
                )
                write(f"Training on {event.rows} rows{held}\n")
            case EpochEnd():
                numbers = "  ".join(
                    f"{name} {value:.4g}"
                    for name, value in event.logs.items()
                    if name != "learning_rate"
                )
                write(
                    f"Epoch {event.epoch:>{len(str(epochs))}}/{epochs}  {event.seconds:.2f} s  {numbers}\n"
                )
            case Stopped():
                whose = f" The weights are those of epoch {event.best_epoch}."
                write(f"Stopped: {event.reason}.{whose if event.best_epoch else ''}\n")

    return hear
