"""Ctrl-C as a polite request to stop training."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from chainrule.training import Event, TrainingStarted

REASON = "interrupted"


class Interrupt:
    """Remembers that Ctrl-C was pressed while training; a second one ends the program at once.

    Before training begins there is nothing to keep, and the first one does.
    """

    def __init__(self) -> None:
        self.asked = False
        self._training = False

    def hear(self, signal_number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if self.asked or not self._training:
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
        if isinstance(event, TrainingStarted):
            self._training = True
        return REASON if self.asked else None
