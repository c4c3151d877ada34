"""Predictions as a table: the row, what is true, what was said, and how surely."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.data import Target
from chainrule.experiment.judging import Predicted

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray[Any, Any]


def prediction_frame(
    target: Target, rows: Array, predicted: Predicted, truth: Any = None
) -> pl.DataFrame:
    """Row number, true value where it is known, prediction, and the probability of each class."""
    import polars as pl

    said, probabilities = predicted.said, predicted.probabilities

    columns: dict[str, Any] = {"row": rows}
    if truth is not None:
        columns |= true_columns(target, truth)
    if target.classes is not None and probabilities is not None:
        columns["prediction"] = [target.classes[index] for index in said]
        for index, label in enumerate(target.classes):
            columns[f"probability {label}"] = probabilities[:, index]
    else:
        columns |= _columns("prediction", said)
        if probabilities is not None:
            columns |= _columns("probability", probabilities)
    return pl.DataFrame(columns)


def true_columns(target: Target, truth: Any) -> dict[str, Any]:
    """The true values under the target's name."""
    name = target.name or "target"
    taken = name == "row" or name.split("_")[0].split(" ")[0] in ("prediction", "probability")
    return _columns(f"true {name}" if taken else name, np.asarray(truth))


def _columns(name: str, values: Any) -> dict[str, Any]:
    if values.ndim == 1:
        return {name: values.tolist() if values.dtype.kind == "O" else values}
    return {f"{name}_{index}": values[:, index] for index in range(values.shape[1])}
