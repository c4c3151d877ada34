"""What a comparison found: how each model did, as a table, as JSON data and as a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from chainrule.comparison.picture import drawn
from chainrule.comparison.testing import Estimate
from chainrule.errors import unknown_name

LOWER_IS_BETTER = ("rmse", "mae", "median_absolute_error", "log_loss")


@dataclass(frozen=True)
class Standing:
    """How one model did: a score for each split, their mean, and how it differs from the reference."""

    name: str
    scores: tuple[float, ...]
    estimate: Estimate
    fit_seconds: float  # the mean over the splits
    predict_seconds: float
    rows_a_second: float
    difference: Estimate | None  # score minus the reference's; None for the reference itself
    p: float | None  # of the difference, raised for several (Holm); None where it never varies
    sign: float  # 1 where larger scores are better, −1 where smaller ones are

    @property
    def verdict(self) -> str:
        """What the difference is."""
        if self.difference is None:
            return "reference"
        if self.p is None:
            return "untested"
        if not self.p < 0.05:
            return "noise"
        return "better" if self.difference.mean * self.sign > 0 else "worse"


@dataclass(frozen=True)
class Comparison:
    """Models on the same splits; `standings` has the best first."""

    source: str
    task: str
    metric: str
    reference: str
    splits: int
    train_rows: int
    test_rows: int
    seed: int
    standings: tuple[Standing, ...]
    notes: tuple[str, ...] = ()

    @property
    def larger_is_better(self) -> bool:
        """Which way is up."""
        return self.metric not in LOWER_IS_BETTER

    def __getitem__(self, name: str) -> Standing:
        found = {standing.name: standing for standing in self.standings}
        if name not in found:
            raise unknown_name("model", name, found)
        return found[name]

    def __str__(self) -> str:
        lines = [self.table_head, *self.table_rows()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        return "\n".join(
            "  ".join(
                word.ljust(width) if i in (0, len(line) - 1) else word.rjust(width)
                for i, (word, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    @property
    def table_head(self) -> list[str]:
        """The headings of the table; fit and predict are seconds."""
        return ["model", self.metric, "difference", "p", "fit", "predict", ""]

    def table_rows(self) -> list[list[str]]:
        """A line for each model: mean ± half its interval, difference from the reference, p, seconds, verdict."""
        rows = []
        for s in self.standings:
            change = "" if s.difference is None else f"{s.difference.mean:+.3g}"
            chance = "" if s.difference is None else "–"
            if s.p is not None:
                chance = "< 0.001" if s.p < 0.001 else f"{s.p:.3f}"
            half = s.estimate.high - s.estimate.mean
            digits = 1 - math.floor(math.log10(half)) if half > 0 else 4
            shown = f"{s.estimate.mean:.{max(digits, 0)}f} ± "
            shown += f"{half:.{max(digits, 0)}f}" if half > 0 else "–"
            seconds = [f"{x:.2g}" for x in (s.fit_seconds, s.predict_seconds)]
            verdict = "" if s.verdict == "reference" else s.verdict
            rows.append([s.name, shown, change.replace("-", "−"), chance, *seconds, verdict])
        return rows

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON data."""
        return {
            "source": self.source,
            "task": self.task,
            "metric": self.metric,
            "larger_is_better": self.larger_is_better,
            "reference": self.reference,
            "splits": self.splits,
            "train_rows": self.train_rows,
            "test_rows": self.test_rows,
            "seed": self.seed,
            "test": "paired corrected resampled t-test (Nadeau and Bengio, 2003), raised by Holm (1979)",
            "models": [
                {
                    "name": s.name,
                    "mean": s.estimate.mean,
                    "interval": _interval(s.estimate),
                    "scores": list(s.scores),
                    "fit_seconds": s.fit_seconds,
                    "predict_seconds": s.predict_seconds,
                    "rows_per_second": s.rows_a_second,
                    "verdict": s.verdict,
                    "difference": s.difference and s.difference.mean,
                    "difference_interval": s.difference and _interval(s.difference),
                    "p": s.p,
                }
                for s in self.standings
            ],
            "notes": list(self.notes),
        }

    def picture(self) -> Any:
        """A matplotlib figure: every split's score as a dot, means and intervals."""
        return drawn(
            [(s.name, s.scores, s.estimate) for s in self.standings], self.metric, self.splits
        )


def _interval(estimate: Estimate) -> list[float] | None:
    return None if math.isnan(estimate.low) else [estimate.low, estimate.high]
