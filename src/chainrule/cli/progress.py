"""Training's events as a progress bar with time left, and Ctrl-C as a polite request to stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from chainrule.training import BestSoFar, EpochEnd, Event, TrainingStarted
from chainrule.training import Progress as StepsDone

INTERRUPTED = "interrupted: the best model so far is kept"


class Interrupt:
    """Remembers that Ctrl-C was pressed; a second one ends the program at once."""

    def __init__(self) -> None:
        self.asked = False

    def hear(self, signal_number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take Ctrl-C as a request while inside."""
        before = signal.signal(signal.SIGINT, self.hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def __call__(self, event: Event) -> str | None:
        return INTERRUPTED if self.asked else None


class Bar:
    """A line that fills with the epochs: where training is, how good, how long it may still take."""

    def __init__(self, console: Console, *, shown: bool) -> None:
        self.console = console
        self.shown = shown
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[told]}"),
            TextColumn("[dim]{task.fields[left]}"),
            console=console,
            transient=True,
            disable=not shown or not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._begun = time.perf_counter()
        self._epochs, self._best = 0, ""

    @contextmanager
    def drawn(self) -> Iterator[None]:
        """Draw while inside."""
        with self._bar:
            yield

    def __call__(self, event: Event) -> None:
        match event:
            case TrainingStarted():
                self._begun, self._epochs = time.perf_counter(), event.epochs
                self._task = self._bar.add_task(
                    "", total=event.epochs, epoch=1, epochs=event.epochs, told="", left=""
                )
            case StepsDone():
                done = event.epoch - 1 + event.step / event.steps
                self._update(done, epoch=event.epoch, left=self._left(done))
            case BestSoFar():
                self._best = f"best in epoch {event.epoch}"
            case EpochEnd():
                told = "  ".join(
                    f"{_words(name)} {event.logs[name]:.4f}"
                    for name in ("loss", "val_loss", "val_accuracy", "val_mean_absolute_error")
                    if name in event.logs
                )
                self._update(float(event.epoch), told=f"{told}  {self._best}")
                if self.shown and not self.console.is_terminal:
                    self.console.print(
                        f"epoch {event.epoch}/{self._epochs}  {told}", highlight=False
                    )

    def _update(self, done: float, **fields: object) -> None:
        if self._task is not None:
            self._bar.update(self._task, completed=done, **fields)

    def _left(self, done: float) -> str:
        seconds = (time.perf_counter() - self._begun) / max(done, 1e-9) * (self._epochs - done)
        if done < 0.02:
            return ""
        return (
            f"at most {seconds:.0f} s left"
            if seconds < 120
            else f"at most {seconds / 60:.0f} min left"
        )


def _words(name: str) -> str:
    return name.replace("val_", "validation ").replace("_", " ")
