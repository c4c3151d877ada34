"""How good predictions for the held-out rows are, after each epoch."""

from __future__ import annotations

import numpy as np

from chainrule.engines.program import Array


def accuracy(truth: Array, predicted: Array, weight: Array | None) -> float:
    """The share of rows that are right, in all labels where there are several."""
    right = truth == predicted
    right = right.all(axis=1) if right.ndim == 2 else right
    return float(np.average(right, weights=weight))


def r_squared(truth: Array, predicted: Array, weight: Array | None) -> float:
    """1 − Σ(y − p)² / Σ(y − ȳ)², the mean over the outputs; NaN where a prediction is not finite.

    Where all y are equal it is 1 for a perfect prediction and 0 for any other.
    """
    predicted = predicted.reshape(truth.shape)
    if not np.isfinite(predicted).all():
        return float("nan")
    weight = np.ones(len(truth)) if weight is None else weight
    left = weight @ (truth - predicted) ** 2
    spread = weight @ (truth - np.average(truth, axis=0, weights=weight)) ** 2
    share = np.divide(left, spread, out=(left > 0).astype(float), where=spread > 0)
    return float(np.mean(1.0 - share))
