"""What the network said about the test rows, and which of it was most wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ShapeError


@dataclass(frozen=True, eq=False)
class Predictions:
    """Targets and predictions of the rows that were judged.

    Classification: `targets` and `predicted` are (rows,) class indices, `probabilities` is
    (rows, classes), or (rows,) for the second of two classes, and `classes` holds the names.
    Regression: `targets` and `predicted` are (rows,) or (rows, outputs) numbers.

    `images` (k, height, width) are the pictures of the first k rows that `worst_rows` names, in
    its order; `rows` are the rows' numbers in the source, shown instead of 0, 1, 2, …
    """

    task: str
    targets: NDArray[Any]
    predicted: NDArray[Any]
    probabilities: NDArray[Any] | None = None
    classes: tuple[str, ...] | None = None
    images: NDArray[Any] | None = None
    rows: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        settle = object.__setattr__
        targets, predicted = np.asarray(self.targets), np.asarray(self.predicted)
        if predicted.shape == (*targets.shape, 1):
            predicted = predicted[..., 0]
        if targets.shape != predicted.shape or targets.ndim not in (1, 2):
            raise ShapeError(
                f"Targets have shape {targets.shape}, predictions {predicted.shape}; expected "
                "twice (rows,) or (rows, outputs)."
            )
        settle(self, "targets", targets)
        settle(self, "predicted", predicted)
        if self.task == "classification" and targets.ndim != 1:
            raise ShapeError(
                f"Targets of a classification have shape {targets.shape}, expected (rows,) of "
                "class indices."
            )
        if self.classes is not None:
            settle(self, "classes", tuple(str(name) for name in self.classes))
        if self.probabilities is not None:
            shares = np.asarray(self.probabilities, dtype=float)
            if shares.shape[1:] == (1,):
                shares = shares[:, 0]
            if shares.ndim == 1:
                shares = np.stack([1 - shares, shares], axis=1)
            if shares.ndim != 2 or len(shares) != len(targets):
                raise ShapeError(
                    f"Probabilities have shape {shares.shape}, expected one row for each of "
                    f"the {len(targets)} targets and one column for each class."
                )
            settle(self, "probabilities", shares)
        if self.images is not None:
            images = np.asarray(self.images)
            if images.ndim != 3:
                raise ShapeError(
                    f"Images have shape {images.shape}, expected (number, height, width)."
                )
            settle(self, "images", images)
        if self.rows is not None:
            rows = np.asarray(self.rows)
            if rows.shape != targets.shape[:1]:
                raise ShapeError(
                    f"Row numbers have shape {rows.shape}, expected ({len(targets)},)."
                )
            settle(self, "rows", rows)

    def row_number(self, index: int) -> int:
        """The number of a judged row in its source, as far as it is known."""
        return int(index if self.rows is None else self.rows[index])


def worst_rows(predictions: Predictions, limit: int = 12) -> NDArray[np.int64]:
    """Indices of the worst predictions, the worst first; at most `limit`.

    Classification: wrong rows by the probability of the predicted class (in the rows' order
    where probabilities are missing). Regression: rows by absolute error, the largest output's.
    """
    targets, predicted = predictions.targets, predictions.predicted
    if not targets.size:
        return np.empty(0, dtype=np.int64)
    if predictions.task == "regression":
        errors = np.abs(predicted.astype(float) - targets.astype(float))
        badness = errors.reshape(len(errors), -1).max(axis=1)
        candidates = np.flatnonzero(np.isfinite(badness) & (badness > 0))
    else:
        differs = (targets != predicted).reshape(len(targets), -1)
        candidates = np.flatnonzero(differs.any(axis=1))
        badness = np.zeros(len(targets))
        shares = predictions.probabilities
        if shares is not None and predictions.task == "classification":
            badness = np.nan_to_num(shares[np.arange(len(targets)), predicted.astype(int)])
    order = np.argsort(-badness[candidates], kind="stable")
    return candidates[order][:limit].astype(np.int64)
