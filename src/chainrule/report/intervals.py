"""How far chance alone may move a share."""

from __future__ import annotations

import math


def wilson_interval(share: float, rows: int) -> tuple[float, float]:
    """95% interval for a share of independent rows (Wilson, 1927)."""
    z = 1.959964
    centre = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * math.sqrt(share * (1 - share) / rows + (z / (2 * rows)) ** 2) / (1 + z * z / rows)
    return max(0.0, centre - half), min(1.0, centre + half)
