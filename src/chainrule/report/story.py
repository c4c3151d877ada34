"""What the learning curves say, in sentences with their evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.report.curves import Curve, History, best_epoch_of, curve, main_metric
from chainrule.report.wording import (
    SHARES,
    counted,
    lower_is_better,
    metric_name,
    metric_value,
    number,
    stopping,
)


def training_story(history: History, result: Mapping[str, Any]) -> list[str]:
    """How training went: best epoch, why it ended, and the gap between the two curves."""
    losses = curve(history, "loss")
    epochs = result.get("epochs") or (losses.epochs.size if losses else 0)
    reason = result.get("stopped_because")
    if losses is None:
        return _ending(epochs, reason)
    best = result.get("best_epoch") or best_epoch_of(history)
    story = _broken(losses)
    if not losses.validation.size:
        return [
            *story,
            *_without_validation(losses),
            *_ending(epochs, reason),
        ]
    at = np.flatnonzero(losses.epochs == best) if best is not None else np.empty(0, int)
    if not at.size or not np.isfinite(losses.validation[at[0]]):
        return [*story, *_ending(epochs, reason)]
    index = int(at[0])
    story.append(
        f"The best validation loss, {number(float(losses.validation[index]))}, "
        f"came at epoch {best:,}; "
        "the network keeps the weights it had then."
    )
    story += _ending(epochs, reason)
    story += _gap(history, losses, index)
    story += _afterwards(losses, index)
    return story


def _broken(losses: Curve) -> list[str]:
    """A loss that stopped being a number."""
    for values, rows in ((losses.training, "training"), (losses.validation, "validation")):
        lost = np.flatnonzero(~np.isfinite(values))
        if lost.size and np.isfinite(values).any():
            return [
                f"The {rows} loss was not a finite number at epoch "
                f"{losses.epochs[lost[0]]:,.0f}: training diverged. "
                "A lower learning rate or gradient clipping usually cures this."
            ]
        if lost.size and lost.size == values.size:
            return [
                f"The {rows} loss was never a finite number: training diverged at once. "
                "A lower learning rate, or a look at the data for huge values, usually helps."
            ]
    return []


def _without_validation(losses: Curve) -> list[str]:
    finite = losses.training[np.isfinite(losses.training)]
    if not finite.size:
        return []
    change = (
        f"fell from {number(float(finite[0]))} to {number(float(finite[-1]))}"
        if finite[-1] < finite[0]
        else f"was {number(float(finite[-1]))} at the end"
    )
    return [
        f"The training loss {change}. No validation rows were held out, so the curves cannot "
        "show whether the network overfits."
    ]


def _ending(epochs: int, reason: Any) -> list[str]:
    after = f" after {counted(epochs, 'epoch')}" if epochs else ""
    if reason:
        words = stopping(str(reason).strip())
        return [f"Training ended{after}: {words}{'' if words.endswith(('.', '!')) else '.'}"]
    return [f"Training ended{after}."] if epochs else []


def _gap(history: History, losses: Curve, index: int) -> list[str]:
    """Training against validation at the best epoch, on the metric where there is one."""
    name = main_metric(history)
    shown = curve(history, name) if name is not None else None
    if (
        shown is None
        or shown.validation.size <= index
        or not np.isfinite(_pair(shown, index)).all()
    ):
        shown = losses
    training, validation = _pair(shown, index)
    if not np.isfinite([training, validation]).all():
        return []
    what = metric_name(shown.name)
    values = [metric_value(shown.name, float(value)) for value in (training, validation)]
    facts = (
        f"At epoch {losses.epochs[index]:,.0f} the {what} was {values[0]} on training rows and "
        f"{values[1]} on validation"
    )
    if shown.name in SHARES:
        gap = 100 * (training - validation)
        steps, size = (1.5, 5.0), f"{abs(gap):.1f} points"
    elif training > 0 and validation > 0:
        ratio = validation / training if lower_is_better(shown.name) else training / validation
        gap, steps, size = 100 * (ratio - 1), (15.0, 60.0), f"{abs(100 * (ratio - 1)):.0f}%"
    else:
        return [f"{facts} rows."]
    if gap <= 0:
        words = f"{facts} rows: no sign of overfitting."
        if gap < -1:
            words += (
                " (Training figures are taken while the weights still move, and with dropout "
                "where there is some, so they may look worse than they are.)"
            )
        return [words]
    if gap <= steps[0]:
        return [f"{facts} rows, a gap of {size}: little sign of overfitting."]
    if gap <= steps[1]:
        return [f"{facts} rows, a gap of {size}: some overfitting."]
    return [
        f"{facts} rows, a gap of {size}: the network fits its training rows much better than "
        "new ones (overfitting). More data, dropout, or L2 regularisation may narrow it."
    ]


def _afterwards(losses: Curve, index: int) -> list[str]:
    """What came after the best epoch."""
    last = losses.epochs.size - 1
    if last == 0:
        return []
    if index == last:
        return [
            "The validation loss was lowest in the last epoch: training for longer may improve it."
        ]
    training, validation = _pair(losses, last)
    best = float(losses.validation[index])
    later = losses.validation[index + 1 :]
    if not np.isfinite(later).all():
        return []  # told already, as divergence
    jumps = np.abs(np.diff(losses.validation[np.isfinite(losses.validation)]))
    # A rise counts where it lasts and stands out from the jumps between single epochs.
    rose = np.median(later) > 1.03 * best and validation - best > 2 * np.median(jumps)
    fell = training < losses.training[index]
    if rose and fell:
        return [
            f"After that the validation loss rose to {number(float(validation))} while the "
            f"training loss went on falling to {number(float(training))}: from there on the "
            "network memorised rather than learnt."
        ]
    return []


def _pair(one: Curve, index: int) -> tuple[float, float]:
    validation = one.validation[index] if one.validation.size else np.nan
    return float(one.training[index]), float(validation)
