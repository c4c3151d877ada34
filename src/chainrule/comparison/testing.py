"""Whether a difference over repeated splits is more than noise.

The splits share most of their training rows, so their scores are not independent, and the usual t-test calls far
too many differences real. Nadeau and Bengio (2003, *Inference for the generalization error*) put
s² (1/J + test rows / training rows) in the place of the variance s²/J of a mean over J splits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A mean over splits, its 95 % interval, and the chance p of one as far from 0 by noise alone."""

    mean: float
    low: float
    high: float
    p: float


def corrected(values: Sequence[float], train_rows: float, test_rows: float) -> Estimate:
    """The corrected resampled t-test of values, one for each split, against a mean of 0."""
    from scipy.stats import t

    sample = np.asarray(values, float)
    count, mean = len(sample), float(np.mean(sample))
    if count < 2:
        return Estimate(mean, math.nan, math.nan, math.nan)
    spread = math.sqrt(float(np.var(sample, ddof=1)) * (1.0 / count + test_rows / train_rows))
    half = float(t.ppf(0.975, count - 1)) * spread
    if spread == 0.0:
        return Estimate(mean, mean, mean, 1.0 if mean == 0.0 else 0.0)
    p = 2.0 * float(t.sf(abs(mean) / spread, count - 1))
    return Estimate(mean, mean - half, mean + half, p)


def holm(chances: Sequence[float]) -> list[float]:
    """The chances p of several tests, raised so that all may be looked at together. Source: Holm (1979)."""
    order = np.argsort(chances)
    raised, highest = [0.0] * len(chances), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[place]))
        raised[place] = highest
    return raised
