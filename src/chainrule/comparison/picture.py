"""The picture of a comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from chainrule.comparison.testing import Estimate
from chainrule.report.figures import INK, TRAIN, new_axes, plain_ticks, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def drawn(
    models: Sequence[tuple[str, Sequence[float], Estimate]], metric: str, splits: int
) -> Figure:
    """A row of dots for each model, the best on top; means as marks with their 95 % intervals, if any."""
    with styled():
        figure, axes = new_axes(6.4, 1.3 + 0.5 * len(models))
        for place, (_, scores, estimate) in enumerate(models):
            height = len(models) - 1 - place
            offsets = height + np.linspace(-0.16, 0.16, len(scores))
            axes.scatter(scores, offsets, s=16, color=TRAIN, alpha=0.45, linewidths=0)
            bounds = [[estimate.mean - estimate.low], [estimate.high - estimate.mean]]
            axes.errorbar(
                [estimate.mean],
                [height],
                xerr=None if math.isnan(estimate.low) else bounds,
                fmt="|",
                markersize=16,
                color=INK,
                capsize=4,
            )
        axes.set_yticks(range(len(models)), [name for name, *_ in reversed(models)])
        equal = any(math.isnan(estimate.low) for *_, estimate in models)
        none = " (none where all are equal)" if equal else ""
        axes.set_xlabel(f"{metric} on {splits} splits,\nmean and 95 % interval{none}")
        axes.set_ylim(-0.6, len(models) - 0.4)
        axes.grid(visible=False, axis="y")
        plain_ticks(axes.xaxis)
    return figure
