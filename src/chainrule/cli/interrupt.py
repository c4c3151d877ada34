"""Ctrl-C as a polite request to stop training."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from chainrule.training import Event

REASON = "interrupted"


class Interrupt:
    """A listener that stops training once Ctrl-C was pressed; a second one ends the program at once.

    Before `begin` there is nothing to keep, and the first one ends it.
    """

    def __init__(self) -> None:
        self.asked = False
        self._begun = False

    def begin(self) -> None:
        """From now on there is something to keep."""
        self._begun = True

    def hear(self, signal_number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if self.asked or not self._begun:
            raise KeyboardInterrupt
        self.asked = True

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear Ctrl-C while inside."""
        before = signal.signal(signal.SIGINT, self.hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def __call__(self, event: Event) -> str | None:
        return REASON if self.asked else None
