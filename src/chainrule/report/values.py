"""Where a regression errs: predicted against true, residuals, its largest errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.report.figures import (
    FAINT,
    TEST,
    inline_svg,
    new_axes,
    plain_ticks,
    styled,
)
from chainrule.report.headline import target_name
from chainrule.report.markup import Html, scroller, section, table, tag
from chainrule.report.predictions import Predictions, worst_rows
from chainrule.report.wording import counted, number, percent

_MOST_POINTS_DRAWN = 1500
_MOST_OUTPUTS_DRAWN = 4


def value_sections(result: Mapping[str, Any], predictions: Predictions) -> list[Html | None]:
    """Everything about single values and single rows of a regression."""
    if not predictions.targets.size:
        return []
    targets = predictions.targets.astype(float).reshape(len(predictions.targets), -1)
    predicted = predictions.predicted.astype(float).reshape(targets.shape)
    names = _output_names(result, targets.shape[1])
    pictures: list[Html] = []
    words: list[str] = []
    for output in range(min(targets.shape[1], _MOST_OUTPUTS_DRAWN)):
        finite = np.isfinite(predicted[:, output]) & np.isfinite(targets[:, output])
        true, guess = targets[finite, output], predicted[finite, output]
        if not true.size:
            continue
        label = names[output] if len(names) > 1 else ""
        words.append(_residual_words(guess - true, label))
        if true.size > 1:
            pictures.append(_scatter(true, guess, label, output))
            pictures.append(_histogram(guess - true, label, output))
    if not words:
        return []
    return [
        section(
            "values",
            "Predicted against true",
            *(tag("p", line) for line in words),
            tag("div", *pictures, class_="plots") if pictures else None,
        ),
        _largest_errors(predictions, names),
    ]


def _output_names(result: Mapping[str, Any], outputs: int) -> list[str]:
    target = result.get("target")
    if isinstance(target, list | tuple) and len(target) == outputs:
        return [str(name) for name in target]
    name = target_name(result) or "target"
    return [name] if outputs == 1 else [f"{name} {i + 1}" for i in range(outputs)]


def _residual_words(residuals: NDArray[np.float64], label: str) -> str:
    sizes = np.abs(residuals)
    half, most = np.quantile(sizes, [0.5, 0.9])
    mean = float(residuals.mean())
    start = f"{label}: half" if label else "Half"
    words = (
        f"{start} of the {counted(sizes.size, 'prediction')} miss by less than "
        f"{number(float(half))}, nine in ten by less than {number(float(most))}."
    )
    if sizes.size == 1:
        words = f"{label + ': the' if label else 'The'} one prediction misses by {number(mean)}."
    # The mean error is called a tilt where it is beyond chance (two standard errors).
    elif abs(mean) > 2 * residuals.std() / np.sqrt(sizes.size) and mean != 0:
        words += f" On average they are too {'high' if mean > 0 else 'low'} by {number(abs(mean))}."
    else:
        words += " They lean neither up nor down."
    return words


def _scatter(
    true: NDArray[np.float64], guess: NDArray[np.float64], label: str, output: int
) -> Html:
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    low, high = _shown_range(np.concatenate([true, guess]))
    outside = int(np.sum((true < low) | (true > high) | (guess < low) | (guess > high)))
    spare = 0.04 * (high - low) or abs(high) * 0.1 or 1.0
    many = true.size > _MOST_POINTS_DRAWN
    with styled():
        drawing, axes = new_axes(6.2, 4.9)
        axes.plot(
            [low - spare, high + spare], [low - spare, high + spare],
            color=FAINT, lw=1, ls=(0, (4, 3)),
        )  # fmt: skip
        if many:
            rgb = to_rgb(TEST)
            ramp = LinearSegmentedColormap.from_list("density", [(*rgb, 0.13), (*rgb, 1.0)])
            extent = (low - spare, high + spare, low - spare, high + spare)
            axes.hexbin(
                true, guess, gridsize=(46, 21), extent=extent, bins="log", mincnt=1, cmap=ramp,
                linewidths=0, edgecolors="none",
            )  # fmt: skip
        else:
            axes.plot(true, guess, "o", ms=3.6 if true.size > 300 else 4.6, mfc=TEST, mec="none",
                      alpha=0.5 if true.size > 100 else 0.75)  # fmt: skip
        axes.set(xlim=(low - spare, high + spare), ylim=(low - spare, high + spare))
        axes.set(xlabel="true value", ylabel="predicted value")
        plain_ticks(axes.xaxis)
        plain_ticks(axes.yaxis)
        picture = inline_svg(drawing, "Predicted against true values", f"scatter-{output}")
    seen = (
        f"{counted(true.size, 'row')}, deeper in colour where they crowd"
        if many
        else "One point a row"
    )
    note = f"{seen}; on the dashed line nothing is missed."
    if outside:
        note += f" {counted(outside, 'row')} far out {'is' if outside == 1 else 'are'} not shown."
    return _plot("Predicted against true", label, picture, note)


def _shown_range(values: NDArray[np.float64]) -> tuple[float, float]:
    """All values, unless a few far out would squeeze the rest."""
    low, high = float(values.min()), float(values.max())
    inner_low, inner_high = (float(edge) for edge in np.quantile(values, [0.002, 0.998]))
    if values.size > 500 and high - low > 1.6 * (inner_high - inner_low) > 0:
        return inner_low, inner_high
    return low, high


def _histogram(residuals: NDArray[np.float64], label: str, output: int) -> Html:
    low, high = np.quantile(residuals, [0.005, 0.995]) if residuals.size > 200 else (
        residuals.min(), residuals.max(),
    )  # fmt: skip
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    if low == high:
        low, high = -1.0, 1.0
    outside = int(np.sum((residuals < low) | (residuals > high)))
    with styled():
        drawing, axes = new_axes(6.2, 4.9)
        bins = int(np.clip(3 * np.cbrt(residuals.size), 8, 60))
        axes.hist(residuals, bins=bins, range=(low, high), color=TEST, alpha=0.75, rwidth=0.92)
        axes.axvline(0, color=FAINT, lw=1, ls=(0, (4, 3)))
        axes.set(xlabel="predicted − true", ylabel="rows")
        axes.grid(visible=False, axis="x")
        plain_ticks(axes.xaxis)
        plain_ticks(axes.yaxis)
        picture = inline_svg(drawing, "Histogram of the residuals", f"residuals-{output}")
    note = "Left of zero: predicted too low; right: too high."
    if outside:
        note += (
            f" {counted(outside, 'row')} ({percent(outside / residuals.size, 1)}) lie further out."
        )
    return _plot("Residuals", label, picture, note)


def _plot(title: str, label: str, picture: Html, note: str) -> Html:
    return tag(
        "figure",
        tag("h3", f"{title}: {label}" if label else title),
        picture,
        tag("figcaption", note, class_="quiet"),
        class_="plot",
    )


def _largest_errors(predictions: Predictions, names: list[str]) -> Html | None:
    worst = worst_rows(predictions, 10)
    if not len(worst):
        return None
    targets = predictions.targets.astype(float).reshape(len(predictions.targets), -1)
    predicted = predictions.predicted.astype(float).reshape(targets.shape)
    rows = []
    for row in worst:
        output = int(np.nanargmax(np.abs(predicted[row] - targets[row])))
        true, guess = float(targets[row, output]), float(predicted[row, output])
        rows.append(
            [
                f"{predictions.row_number(int(row)):,}",
                *([names[output]] if len(names) > 1 else []),
                number(true),
                number(guess),
                f"{'+' if guess > true else ''}{number(guess - true)}",
            ]
        )
    head = ["row" if predictions.rows is not None else "test row"]
    head += [*(["output"] if len(names) > 1 else []), "true", "predicted", "error"]
    grid = table(head, rows, numeric=frozenset(range(len(head) - 3, len(head))), class_="sortable")
    return section(
        "mistakes",
        "The largest errors",
        tag("p", "Worth a look: rare cases, or wrong values in the data."),
        scroller("Largest errors", grid),
    )
