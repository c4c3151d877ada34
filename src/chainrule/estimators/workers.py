"""How many threads an estimator uses, and what is done in them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import numpy as np
import sklearn

LOOK_SECONDS = 0.1  # between two looks whether the user has pressed Ctrl-C
LARGE = 1 << 25  # bytes of an array that several threads look through sooner than one

Item = TypeVar("Item")
Found = TypeVar("Found")


def each(
    task: Callable[[Item], Found],
    items: Iterable[Item],
    wanted: int | None,
    broken_off: Callable[[], None] = lambda: None,
) -> Generator[Found, None, None]:
    """The task's answer for each item, in order; the items are worked on side by side.

    Where one fails or the user interrupts, those not begun never are, and `broken_off` may end the others.
    scikit-learn keeps its configuration for each thread: the workers get the caller's.
    """
    configuration = sklearn.get_config()

    def carry_out(item: Item) -> Found:
        try:
            with sklearn.config_context(**configuration):
                return task(item)
        except BaseException:
            broken_off()
            raise

    with ThreadPoolExecutor(threads(wanted) or available()) as team:
        done: SimpleQueue[Any] = SimpleQueue()
        try:
            futures = [team.submit(carry_out, item) for item in items]
            for future in futures:
                future.add_done_callback(done.put)
            for future in futures:
                while not future.done():  # Ctrl-C may get lost in a wait without end
                    with suppress(Empty):
                        done.get(timeout=LOOK_SECONDS)
                yield future.result()
        except BaseException:
            broken_off()
            team.shutdown(wait=False, cancel_futures=True)
            raise


def known_finite(array: Any, wanted: int | None) -> bool:
    """Whether several threads have found a large array to hold finite numbers; False where they did not look."""
    kept = type(array) is np.ndarray and array.dtype in (np.float32, np.float64)  # as it is
    large = kept and array.nbytes >= LARGE
    count = (threads(wanted) or available()) if large else 1
    return count > 1 and all(each(_sums_up, np.array_split(array, count), count))


def _sums_up(array: Any) -> bool:
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.sum(array)))


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
