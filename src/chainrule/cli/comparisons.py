"""What `compare` does: run a comparison, and print or draw it."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli.exits import DONE
from chainrule.cli.pictures import check_place
from chainrule.cli.printing import console, say, visible
from chainrule.comparison.comparing import Step, compared
from chainrule.comparison.standings import Comparison
from chainrule.errors import UsageError
from chainrule.experiment.folder import to_json
from chainrule.experiment.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console


def carry_out(
    given: Mapping[str, Any],
    *,
    splits: str,
    metric: str,
    plot: Path | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Compare as asked."""
    if plot is not None:
        check_place(plot)
    if not splits.strip().isdecimal() or int(splits) < 2:
        raise UsageError(f"--splits must be a whole number of at least 2, not {splits}.")
    settings = Settings.from_words(given)
    progress = _Progress(console(stderr=True)) if not quiet else None
    try:
        found = compared(settings, splits=int(splits), metric=metric, listener=progress)
    finally:
        if progress is not None:
            progress.end()
    if as_json:
        sys.stdout.write(to_json(found.to_json()) + "\n")
    else:
        _print(console(), found)
    if plot is not None:
        sys.stdout.flush()  # the result is there, whatever becomes of the picture
        try:
            found.picture().savefig(plot)
        except OSError as error:
            raise UsageError(f"--plot {plot} cannot be written ({error.strerror}).") from error
        say(console(stderr=True), f"Picture written to {plot}")
    return DONE


def _print(to: Console, found: Comparison) -> None:
    say(
        to,
        f"{found.source}: {found.metric} on {found.splits} random splits, {found.train_rows:,} rows to learn from "
        f"and {found.test_rows:,} to judge by",
        style="bold",
    )
    to.print()
    to.print("\n".join(map(visible, str(found).splitlines())), soft_wrap=True)
    to.print()
    better = "higher" if found.larger_is_better else "lower"
    gaps = any(math.isnan(s.estimate.low) for s in found.standings)
    none = " (– where all scores are equal)" if gaps else ""
    say(
        to,
        f"{better.capitalize()} is better; ± is half of the 95 % interval{none}; fit and predict are seconds. "
        f"A difference from the {found.reference} is called noise where p ≥ 0.05 in the corrected resampled t-test "
        "(Nadeau and Bengio, 2003; raised for several tests by Holm, 1979).",
    )
    for note in found.notes:
        say(to, note)


class _Progress:
    """One line on stderr: what is being done, and the time left."""

    def __init__(self, to: Console) -> None:
        self.to, self.begun = to, time.perf_counter()

    def __call__(self, step: Step) -> None:
        if not self.to.is_terminal:
            return
        passed = time.perf_counter() - self.begun
        left = f", {passed / step.done * (step.total - step.done):.0f} s left" if step.done else ""
        sys.stderr.write(f"\r\x1b[KSplit {step.split}: {step.model}{left}")
        sys.stderr.flush()

    def end(self) -> None:
        """Leave an empty line."""
        if self.to.is_terminal:
            sys.stderr.write("\r\x1b[K")
