"""Trainers and predictors kept for the next estimator of the same blueprint.

Graphs are put together and lowered in a few milliseconds, which is as long as a small fit takes. One that is
borrowed belongs to its borrower alone, so that estimators may work in several threads at once.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from chainrule.estimators.networks import Blueprint
from chainrule.estimators.trainer import Predictor

KEPT = 16
LARGEST = 1 << 20  # weights; what takes longer to run needs no keeping, and would hold memory
Kind = TypeVar("Kind", bound=Predictor)

_kept: OrderedDict[Any, list[Any]] = OrderedDict()
_lock = threading.Lock()


@contextmanager
def borrowed(kind: type[Kind], blueprint: Blueprint, threads: int | None) -> Iterator[Kind]:
    """A trainer or predictor for this blueprint, for the borrower alone."""
    key = (kind, blueprint, threads)
    try:
        found = _taken(key)
    except TypeError:  # a setting of the user's own that cannot be a key
        yield kind(blueprint, threads)
        return
    item = found or kind(blueprint, threads)
    yield item  # one that met with an error is not kept
    item.state.arrays.clear()
    if sum(a * b for a, b in zip(blueprint.units, blueprint.units[1:], strict=False)) <= LARGEST:
        with _lock:
            _kept.setdefault(key, []).append(item)
            _kept.move_to_end(key)
            while sum(map(len, _kept.values())) > KEPT:
                oldest = next(iter(_kept))
                _kept[oldest].pop()
                if not _kept[oldest]:
                    del _kept[oldest]


def _taken(key: Any) -> Any:
    with _lock:
        items = _kept.get(key)
        if not items:
            return None
        item = items.pop()
        if not items:
            del _kept[key]
        return item


def _begin_anew() -> None:
    global _lock
    _lock = threading.Lock()
    _kept.clear()


os.register_at_fork(after_in_child=_begin_anew)
