"""The clock of all measurements."""

from __future__ import annotations

import time
from typing import Any

import numpy as np


def now() -> Any:
    """Seconds on the wall, and of processor time that this process has used; differences are durations."""
    return np.array([time.perf_counter(), time.process_time()])
