"""How many threads an estimator uses."""

from __future__ import annotations

import multiprocessing
import os


def threads(wanted: int | None) -> int | None:
    """What was asked for; else one in a worker of a pool, and as many as help (None) elsewhere."""
    return 1 if wanted is None and _inside_a_pool() else wanted


def available() -> int:
    """The processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _inside_a_pool() -> bool:
    if multiprocessing.parent_process() is not None:
        return True
    from joblib.parallel import get_active_backend

    return bool(get_active_backend()[0].nesting_level)
