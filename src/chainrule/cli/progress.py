"""Training's events as a progress bar with time left, or as a few lines where there is no terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from chainrule.cli.printing import say
from chainrule.report.wording import duration
from chainrule.training import BestSoFar, EpochEnd, Event, Stopped, TrainingStarted
from chainrule.training import Progress as StepsDone

if TYPE_CHECKING:
    from rich.console import Console

MOST_LINES = 20


class Bar:
    """A line that fills with the epochs: where training is, how good, how long it may still take."""

    def __init__(
        self, console: Console, *, shown: bool, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self.console = console
        animated = console.is_terminal and not console.is_dumb_terminal
        self._lines = shown and not animated
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[told]}", markup=False),
            console=console,
            transient=True,
            expand=True,
            disable=not shown or not animated,
        )
        self._task: Any = None
        self._clock, self._begun = clock, clock()
        self._epochs, self._told, self._best = 0, "", ""
        self._line = ""  # of the last epoch, where it is still to be printed

    @contextmanager
    def drawn(self) -> Iterator[None]:
        """Draw while inside."""
        with self._bar:
            yield

    def __call__(self, event: Event) -> None:
        match event:
            case TrainingStarted():
                self._begun, self._epochs = self._clock(), event.epochs
                self._task = self._bar.add_task(self._where(1), total=event.epochs, told="")
            case StepsDone():
                done = event.epoch - 1 + event.step / event.steps
                self._update(done, description=self._where(event.epoch), told=self._now(done))
            case BestSoFar():
                self._best = f", best {_plain(event.value)}"
            case EpochEnd():
                self._told = summary(event.logs)
                self._update(float(event.epoch), told=self._now(event.epoch))
                self._line = f"{self._where(event.epoch)}: {_line(event.logs)}"
                every = math.ceil(self._epochs / MOST_LINES)
                if event.epoch == 1 or event.epoch % every == 0:
                    self._flush()
            case Stopped():
                self._flush()
                self._update(
                    float(self._epochs), description="judging, writing the report", told=""
                )

    def _flush(self) -> None:
        if self._lines and self._line:
            say(self.console, self._line, indent=4)
        self._line = ""

    def _where(self, epoch: int) -> str:
        return f"epoch {epoch:>{len(str(self._epochs))}}/{self._epochs}"

    def _update(self, done: float, **fields: Any) -> None:
        if self._task is not None:
            self._bar.update(self._task, completed=done, **fields)

    def _now(self, done: float) -> str:
        """The last epoch's numbers and the time left, at most: training may stop early."""
        told = self._told if "accuracy" in self._told else self._told + self._best
        seconds = self._clock() - self._begun
        if seconds < 0.5 or done <= 0:
            return told
        left = duration(math.ceil(seconds / done * (self._epochs - done))).replace(".0 s", " s")
        return f"{told}, up to {left} left" if told else f"up to {left} left"


def summary(logs: Mapping[str, float]) -> str:
    """The one or two numbers that say most, on validation rows where there are any."""
    prefix, where = ("val_", "validation ") if "val_loss" in logs else ("", "")
    loss = f"loss {_plain(logs[prefix + 'loss'])}"
    if f"{prefix}accuracy" not in logs:
        return f"{where}{loss}"
    return f"{where}accuracy {logs[prefix + 'accuracy']:.4f}, {loss}"


def _line(logs: Mapping[str, float]) -> str:
    return f"loss {_plain(logs['loss'])}; {summary(logs)}" if "val_loss" in logs else summary(logs)


def _plain(value: float) -> str:
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 else f"{value:.3g}"
