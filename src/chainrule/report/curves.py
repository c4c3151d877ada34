"""Learning curves: loss and main metric by epoch, on training and validation rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError, UsageError
from chainrule.report.figures import (
    FAINT,
    INK,
    TRAIN,
    VALIDATION,
    inline_svg,
    new_axes,
    plain_ticks,
    styled,
    whole_ticks,
)
from chainrule.report.markup import Html
from chainrule.report.wording import SHARES, lower_is_better, metric_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

History: TypeAlias = Mapping[str, Sequence[float | None]]
_NOT_METRICS = frozenset({"epoch", "loss", "learning_rate", "seconds"})
_SUFFIXES = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Curve:
    """One quantity by epoch; `validation` is empty where no rows were held out for it."""

    name: str
    epochs: NDArray[np.float64]
    training: NDArray[np.float64]
    validation: NDArray[np.float64]

    @property
    def title(self) -> str:
        title = metric_name(self.name)
        return title[0].upper() + title[1:]

    @property
    def log(self) -> bool:
        """Whether a logarithmic axis shows more: positive values over more than one decade."""
        values = np.concatenate([self.training, self.validation])
        values = values[np.isfinite(values)]
        if self.name in SHARES or values.size < 3:
            return False
        return bool(values.min() > 0 and values.max() > 12 * values.min())

    def drawable(self) -> bool:
        return bool(np.isfinite(self.training).any() or np.isfinite(self.validation).any())


def curve(history: History, name: str) -> Curve | None:
    """The curve of one name, None where the history has nothing of it."""
    training, validation = _column(history, name), _column(history, f"val_{name}")
    length = max(training.size, validation.size)
    if not length:
        return None
    epochs = _column(history, "epoch")
    if epochs.size != length:
        epochs = np.arange(1.0, length + 1)
    if training.size != length:
        training = np.full(length, np.nan)
    if validation.size not in (0, length):
        validation = np.empty(0)
    return Curve(name, epochs, training, validation)


def main_metric(history: History) -> str | None:
    """The name of the first metric that is not the loss."""
    for key in history:
        name = key.removeprefix("val_")
        if name not in _NOT_METRICS and _column(history, key).size:
            return name
    return None


def curves(history: History) -> list[Curve]:
    """The loss, the main metric, and the learning rate where it changed."""
    found = [curve(history, "loss")]
    metric = main_metric(history)
    if metric is not None:
        found.append(curve(history, metric))
    rate = curve(history, "learning_rate")
    if rate is not None and np.unique(rate.training[np.isfinite(rate.training)]).size > 1:
        found.append(rate)
    return [one for one in found if one is not None and one.drawable()]


def best_epoch_of(history: History) -> int | None:
    """The epoch of the lowest validation loss, None without validation."""
    losses = curve(history, "loss")
    if losses is None or not np.isfinite(losses.validation).any():
        return None
    return int(losses.epochs[int(np.nanargmin(losses.validation))])


def curve_svg(one: Curve, best_epoch: int | None) -> Html:
    """A curve for the page."""
    with styled():
        figure, axes = new_axes()
        _draw(axes, one, best_epoch)
        return inline_svg(figure, f"{one.title} by epoch", f"curve-{one.name}")


def save_curves(
    path: Path | str, history: Mapping[str, Any], *, best_epoch: int | None = None
) -> None:
    """Write the learning curves as a picture; the suffix (.png, .svg, .pdf) says which kind.

    `history` maps names to one value an epoch (`loss`, `val_loss`, `accuracy`, …). Without
    `best_epoch` the epoch of the lowest validation loss is marked.
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(
            f"Cannot draw into '{path.name}': expected a name that ends in .png, .svg or .pdf."
        )
    if not path.parent.is_dir():
        raise UsageError(f"Cannot draw into '{path}': the folder '{path.parent}' does not exist.")
    panels = curves(history)
    if not panels:
        raise DataError("The history holds no finite loss and no metric: nothing can be drawn.")
    best = best_epoch_of(history) if best_epoch is None else best_epoch

    from matplotlib.figure import Figure

    with styled():
        figure = Figure(figsize=(5.6 * len(panels), 4.0), layout="constrained", facecolor="white")
        for axes, one in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
        ):
            _draw(axes, one, best)
            axes.set_title(one.title, loc="left", fontsize=13)
            if one.validation.size:
                axes.legend()
        figure.savefig(path, dpi=160)


def _draw(axes: Axes, one: Curve, best_epoch: int | None) -> None:
    few = one.epochs.size <= 12
    marks: dict[str, Any] = {"marker": "o", "markersize": 5} if few else {}
    is_rate = one.name == "learning_rate"
    axes.plot(
        one.epochs, one.training, color=INK if is_rate else TRAIN, lw=1.8, label="training", **marks
    )
    if one.validation.size:
        axes.plot(one.epochs, one.validation, color=VALIDATION, lw=2.2, label="validation", **marks)
    if one.log:
        axes.set_yscale("log")
        _widen_log(axes)
    plain_ticks(axes.yaxis, log=one.log, share=one.name in SHARES)
    whole_ticks(axes.xaxis)
    first, last = one.epochs.min(), one.epochs.max()
    spare = 0.03 * (last - first) or 0.5
    axes.set_xlim(first - spare, last + spare)
    axes.set_xlabel("epoch")
    axes.grid(visible=False, axis="x")
    if best_epoch is not None and one.epochs.size > 1 and not is_rate:
        _mark_best(axes, one, best_epoch)


def _widen_log(axes: Axes) -> None:
    """Let a logarithmic axis cover at least a factor of ten, so that it has some ticks."""
    low, high = axes.get_ylim()
    spare = np.sqrt(max(1.0, 10 / (high / low)))
    axes.set_ylim(low / spare, high * spare)


def _mark_best(axes: Axes, one: Curve, best_epoch: int) -> None:
    axes.axvline(best_epoch, color=FAINT, lw=1, ls=(0, (4, 3)), zorder=1)
    shown = one.validation if one.validation.size else one.training
    at = np.flatnonzero(one.epochs == best_epoch)
    if at.size and np.isfinite(shown[at[0]]):
        colour = VALIDATION if one.validation.size else TRAIN
        axes.plot([best_epoch], [shown[at[0]]], "o", ms=8, mfc="none", mec=colour, mew=2)
    late = best_epoch > one.epochs.min() + 0.6 * np.ptp(one.epochs)
    falls = lower_is_better(one.name)  # such curves leave the top right corner free
    axes.annotate(
        f"best epoch, {best_epoch:,}",
        (best_epoch, 1 if falls else 0),
        xycoords=("data", "axes fraction"),
        xytext=(-6 if late else 6, -2 if falls else 6),
        textcoords="offset points",
        ha="right" if late else "left",
        va="top" if falls else "bottom",
    )


def _column(history: History, name: str) -> NDArray[np.float64]:
    values = history.get(name)
    if values is None:
        return np.empty(0)
    numbers = np.array([np.nan if value is None else float(value) for value in values])
    return np.where(np.isfinite(numbers), numbers, np.nan)
