"""Whether a classifier's confidence can be believed."""

from __future__ import annotations

import numpy as np

from chainrule.report.figures import FAINT, TEST, inline_svg, new_axes, plain_ticks, styled
from chainrule.report.intervals import wilson_interval
from chainrule.report.markup import Html, section, tag
from chainrule.report.predictions import Predictions
from chainrule.report.wording import counted, percent

_FEWEST_ROWS_CALIBRATED = 50
_FEWEST_ROWS_IN_A_BIN = 5


def calibration_section(predictions: Predictions) -> Html | None:
    """How often the network is right when it says it is 90% sure."""
    shares = predictions.probabilities
    rows = len(predictions.targets)
    if shares is None or rows < _FEWEST_ROWS_CALIBRATED or not np.isfinite(shares).all():
        return None
    sure = shares.max(axis=1)
    right = (predictions.targets == shares.argmax(axis=1)).astype(float)
    bins = np.minimum((sure * 10).astype(int), 9)
    filled = np.unique(bins)
    counts = np.array([np.sum(bins == b) for b in filled])
    said = np.array([sure[bins == b].mean() for b in filled])
    was = np.array([right[bins == b].mean() for b in filled])
    solid = counts >= _FEWEST_ROWS_IN_A_BIN
    spread = np.array(
        [wilson_interval(float(w), int(n)) for w, n in zip(was, counts, strict=True)]
    ).T
    error = float(np.sum(counts * np.abs(said - was)) / rows)
    tilt = float(sure.mean() - right.mean())
    leaning = (
        "overall it is as sure as it should be"
        if abs(tilt) < 0.01
        else f"overall it is {'too sure' if tilt > 0 else 'not sure enough'}, by "
        f"{100 * abs(tilt):.1f} points"
    )
    top = int(np.argmax(counts))
    words = (
        f"Of the {counted(int(counts[top]), 'row')} it is {10 * filled[top]:.0f} to "
        f"{10 * filled[top] + 10:.0f}% sure of, it gets {percent(float(was[top]), 1)} right. "
        f"The mean distance between confidence and hits is {100 * error:.1f} points "
        f"(expected calibration error, 10 bins); {leaning}."
    )

    with styled():
        drawing, axes = new_axes(6.2, 4.2)
        axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=(0, (4, 3)))
        axes.bar(
            filled / 10 + 0.05, 0.22 * counts / counts.max(), 0.092, color=FAINT, alpha=0.35, lw=0
        )
        axes.vlines(said[solid], *spread[:, solid], color=TEST, lw=5, alpha=0.25)
        axes.plot(said[solid], was[solid], "o-", color=TEST, lw=1.8, ms=6)
        low = float(np.floor(10 * sure.min()) / 10)
        axes.set(xlim=(min(low, 0.9), 1.02), ylim=(0, 1.05), xlabel="confidence of the prediction")
        axes.set_ylabel("share that is right")
        plain_ticks(axes.xaxis, share=True)
        plain_ticks(axes.yaxis, share=True)
        picture = inline_svg(drawing, "Confidence against the share that is right", "calibration")
    return section(
        "calibration",
        "Can its confidence be believed?",
        tag("p", words),
        tag(
            "figure",
            picture,
            tag(
                "figcaption",
                "On the dashed line confidence and hits agree; below it the network is too sure. "
                "Shaded: the 95% interval of each point; grey bars: how many rows.",
                class_="quiet",
            ),
            class_="plot narrow",
        ),
    )
