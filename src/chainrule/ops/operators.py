"""The operators of `Value`: `a + b`, `x[0]`, `a > b`, `W.T` …"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.graph import Batch, Dimension, Value, shape_text
from chainrule.ops.arithmetic import (
    absolute,
    add,
    divide,
    greater,
    greater_equal,
    multiply,
    negative,
    subtract,
)
from chainrule.ops.elementary import power
from chainrule.ops.shapes import Operand, Slice, reshape, transpose


def _item(x: Value, key: Any) -> Value:
    keys = key if isinstance(key, tuple) else (key,)
    if len(keys) > x.rank or any(not isinstance(k, int | np.integer | slice) for k in keys):
        raise ShapeError(
            f"{key!r} does not index a value of shape {shape_text(x.shape)}: use integers and "
            "slices, no more than it has axes."
        )
    kept: list[Dimension] = []
    for axis, k in enumerate(keys):
        size = x.shape[axis]
        if isinstance(k, slice) and k == slice(None):
            kept.append(size)
            continue
        if isinstance(size, Batch):
            raise ShapeError("The batch axis cannot be indexed: its size is known only in a run.")
        if isinstance(k, slice):
            start, stop, step = k.indices(size)
            if step != 1:
                raise ShapeError(f"Slices of a value must have step 1, not {step}.")
            stop = stop if stop > start else start
            kept.append(stop - start)
        else:
            start = operator.index(k)
            if not -size <= start < size:
                raise IndexError(
                    f"Index {k} lies outside axis {axis} of a value of shape {shape_text(x.shape)}."
                )
            start %= size
            stop = start + 1
        x = Slice(axis, start, stop)(x)
    return reshape(x, (*kept, *x.shape[len(keys) :]))


def _reflected(function: Callable[[Operand, Operand], Value]) -> Callable[[Value, Operand], Value]:
    return lambda self, other: function(other, self)


_OPERATORS: dict[str, Any] = {
    "__add__": add,
    "__radd__": _reflected(add),
    "__sub__": subtract,
    "__rsub__": _reflected(subtract),
    "__mul__": multiply,
    "__rmul__": _reflected(multiply),
    "__truediv__": divide,
    "__rtruediv__": _reflected(divide),
    "__pow__": power,
    "__rpow__": _reflected(power),
    "__neg__": negative,
    "__abs__": absolute,
    "__getitem__": _item,
    "__gt__": greater,
    "__ge__": greater_equal,
    "__lt__": _reflected(greater),
    "__le__": _reflected(greater_equal),
    "T": property(transpose),
}
for _name, _function in _OPERATORS.items():
    setattr(Value, _name, _function)
