"""Trainers and predictors kept for the next estimator of the same blueprint.

Graphs are put together and lowered in a few milliseconds, which is as long as a small fit takes. One that is
borrowed belongs to its borrower alone, so that estimators may work in several threads at once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from chainrule.estimators.networks import Blueprint
from chainrule.estimators.trainer import Predictor

KEPT = 16
LARGEST = 1 << 20  # weights; what takes longer to run needs no keeping, and would hold memory
Kind = TypeVar("Kind", bound=Predictor)


class _Shelf:
    """What nobody uses at the moment, by what it is."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.items: dict[Any, list[Any]] = {}  # in order of first use
        self.count = 0

    def take(self, key: Any) -> Any:
        """One of these, if there is one; a TypeError where the key is none."""
        with self.lock:
            found = self.items.get(key)
            if not found:
                return None
            self.count -= 1
            return found.pop()

    def put(self, key: Any, item: Any) -> None:
        """Keep one for later; the oldest kind makes room."""
        with self.lock:
            self.items.setdefault(key, []).append(item)
            self.count += 1
            while self.count > KEPT:
                oldest = next(iter(self.items))
                self.count -= len(self.items.pop(oldest))


_shelf = _Shelf()


@contextmanager
def borrowed(kind: type[Kind], blueprint: Blueprint, threads: int | None) -> Iterator[Kind]:
    """A trainer or predictor for this blueprint, for the borrower alone."""
    key = (kind, blueprint, threads)
    try:
        found = _shelf.take(key)
    except TypeError:  # a setting of the user's own that cannot be a key
        yield kind(blueprint, threads)
        return
    item = found or kind(blueprint, threads)
    yield item  # one that met with an error is not kept
    item.state.arrays.clear()
    if blueprint.size <= LARGEST:
        _shelf.put(key, item)


def _begin_anew() -> None:
    global _shelf
    _shelf = _Shelf()  # another thread may have held the lock at the fork


os.register_at_fork(after_in_child=_begin_anew)
