"""Where a command that takes time may draw its picture at the end."""

from __future__ import annotations

import os
from pathlib import Path

from chainrule.errors import UsageError

PICTURES = (".png", ".svg", ".pdf")


def check_place(plot: Path, option: str = "--plot") -> None:
    """Raise, before the work begins, where a picture cannot be written."""
    named = f"{option} {plot}"
    if plot.suffix.lower() not in PICTURES:
        raise UsageError(f"{named} must end in {', '.join(PICTURES[:-1])} or {PICTURES[-1]}.")
    if plot.is_dir():
        raise UsageError(f"{named} is a folder: give the name of a file in it.")
    if not plot.parent.is_dir():
        raise UsageError(f"{named} cannot be written: the folder {plot.parent} does not exist.")
    if not os.access(plot if plot.exists() else plot.parent, os.W_OK):
        raise UsageError(f"{named} cannot be written: choose a place that is yours to write to.")
