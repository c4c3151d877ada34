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
    """A mean over splits, its 95 % interval, and the chance p of one as far from 0 by noise alone.

    Interval and p are NaN where values without any spread leave nothing to tell them by.
    """

    mean: float
    low: float
    high: float
    p: float


def corrected(
    values: Sequence[float], train_rows: float, test_rows: float, *, scale: float = 0.0
) -> Estimate:
    """The corrected resampled t-test of values, one for each split, against a mean of 0.

    What is less than 1e-12 of the largest value, or of the `scale` of what was subtracted to get the values,
    is rounding. Values that are all 0 have p = 1; others that are all equal have none, for t = mean / 0.
    """
    from scipy.stats import t

    sample = np.asarray(values, float)
    count, mean = len(sample), float(np.mean(sample))
    largest = float(np.max(np.abs(sample)))
    rounding = 1e-12 * max(scale, largest)
    if largest <= rounding:
        return Estimate(mean, math.nan, math.nan, 1.0 if count > 1 else math.nan)
    if count < 2 or float(np.ptp(sample)) <= rounding:
        return Estimate(mean, math.nan, math.nan, math.nan)
    spread = math.sqrt(float(np.var(sample, ddof=1)) * (1.0 / count + test_rows / train_rows))
    half = float(t.ppf(0.975, count - 1)) * spread
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
