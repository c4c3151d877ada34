"""What users hand in, as arrays a network can be trained on."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from chainrule.engines.program import Array
from chainrule.errors import DataError, ShapeError, UsageError
from chainrule.graph import Batch, Kind, Shape, shape_text
from chainrule.layers.network import Network
from chainrule.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    KLDivergence,
    Loss,
    SparseCategoricalCrossentropy,
)

CLASSIFYING = (BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy)
_ADVICE = {
    "int": "number the classes 0, 1, … (a model with several outputs takes no text labels)",
    "float": "give numbers, one row for each row of x",
}
BLOCK_ELEMENTS = 1 << 18  # looked at together: they stay in the cache
SHARES = (BinaryCrossentropy, CategoricalCrossentropy, KLDivergence)  # targets are from 0 to 1


def per_place(given: Any, names: Sequence[str], what: str) -> list[Any]:
    """One item for each input or output, from a single one, a list in order, or a dict by name."""
    if isinstance(given, Mapping):
        missing = [n for n in names if n not in given]
        if missing or len(given) != len(names):
            raise UsageError(
                f"The model's {what}s are called {', '.join(names)}, but the dict has {', '.join(map(str, given))}."
            )
        return [given[n] for n in names]
    if len(names) == 1 and not (isinstance(given, (list, tuple)) and len(given) == 1):
        return [given]
    if not isinstance(given, (list, tuple)) or len(given) != len(names):
        count = len(given) if isinstance(given, (list, tuple)) else 1
        raise UsageError(
            f"The model has {len(names)} {what}s ({', '.join(names)}), {count} given: give a list or a dict."
        )
    return list(given)


def arrays_per_place(given: Any, names: Sequence[str], what: str) -> list[Any]:
    """One array for each input or output.

    Lists of numbers are arrays; for a single place, a list of one array is that array.
    """
    if len(names) > 1 or isinstance(given, Mapping):
        return per_place(given, names, what)
    least = 2 if what == "input" else 1  # [x] with x of one axis is one row rather than one input
    wrapped = isinstance(given, (list, tuple)) and len(given) == 1 and hasattr(given[0], "shape")
    return [given[0] if wrapped and len(given[0].shape) >= least else given]


def numbers(
    given: Any,
    what: str,
    kind: Kind = "float",
    advice: str = "encode text as numbers, or give a data frame",
) -> Array:
    """`given` as an array of finite numbers, or a sentence about what is wrong with it."""
    if given is None:
        raise DataError(f"{what} is None: give an array of numbers.")
    if hasattr(given, "toarray"):
        raise DataError(f"{what} is a sparse matrix: give an array, such as its toarray().")
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise ShapeError(f"{what} is not an array: its rows are not equally long.") from error
    if array.dtype.kind == "O":
        with contextlib.suppress(TypeError, ValueError):
            array = array.astype(np.float64)
    if array.dtype.kind not in "fiub":
        raise DataError(f"{what} holds {_no_number(array)} where numbers are expected: {advice}.")
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        array = array.astype(np.float64)
    if array.dtype.kind == "f":
        _check_finite(array, what)
    if kind == "int" and array.dtype.kind == "f":
        if np.any(array != np.floor(array)):
            raise DataError(
                f"{what} must hold whole numbers, but holds {array[array != np.floor(array)].flat[0]}."
            )
        array = array.astype(np.int64)
    return array


def _no_number(array: Array) -> str:
    for value in array.ravel().tolist():
        if not isinstance(value, (int, float)):
            return repr(value)
    return f"values of type {array.dtype}"


def _check_finite(array: Array, what: str) -> None:
    """A block at a time, so that a large or memory-mapped array needs no mask of its size."""
    rows = np.atleast_1d(array)
    block = max(1, BLOCK_ELEMENTS // max(1, rows[:1].size))
    if all(np.isfinite(rows[at : at + block]).all() for at in range(0, len(rows), block)):
        return
    wrong = ~np.isfinite(array)
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    where = first[0] if len(first) == 1 else first
    raise DataError(
        f"{what} holds {int(wrong.sum())} NaN or infinite value(s), the first at index {where}: fill or remove "
        "them, or give a data frame, whose missing values are filled in."
    )


def row_after_row(array: Array) -> Array:
    """The array as the engines read it, so that none of them has to convert it at every run."""
    if array.dtype.kind in "iu" and array.dtype.name not in ("uint8", "int64"):
        array = array.astype(np.int64)
    return np.ascontiguousarray(array)


def row_count(given: Any, what: str = "x") -> int:
    """The number of rows of a table or array."""
    if hasattr(given, "toarray"):  # its len is an error, and this sentence is better
        raise DataError(f"{what} is a sparse matrix: give an array, such as its toarray().")
    try:
        return len(given)
    except TypeError as error:
        raise ShapeError(f"{what} needs rows: give an array of shape (rows, features).") from error


def input_arrays(given: Sequence[Any], network: Network, precision: str) -> list[Array]:
    """One array for each input of the network, of its shape."""
    arrays = []
    for place, (item, symbol, name) in enumerate(
        zip(given, network.inputs, network.input_names, strict=True)
    ):
        what = f"The input {name}" if len(network.inputs) > 1 else "x"
        array = numbers(item, what, symbol.kind)
        if array.ndim == 1 and len(symbol.shape) == 2 and symbol.shape[1] == 1:
            array = array[:, None]
        if not _fits(array, symbol.shape):
            raise ShapeError(
                f"{what} has shape {shape_text(array.shape)}, but the model takes {shape_text(symbol.shape)}. "
                "Did the data's columns change?"
            )
        if array.dtype.kind == "f":
            wider = array.dtype.itemsize > np.dtype(precision).itemsize
            with np.errstate(over="ignore"):
                array = array.astype(precision, copy=False)
            if wider:  # a number may be too large for float32
                _check_finite(array, f"In {precision}, {what[0].lower()}{what[1:]}")
        if symbol.kind == "int" and array.size and (reader := network.reader(place)):
            low, high, limit = int(array.min()), int(array.max()), reader.limit or 0
            if low < 0 or high >= limit:
                raise DataError(
                    f"{what} holds whole numbers from {low} to {high}, but {reader.described} takes those "
                    f"from 0 to {limit - 1}."
                )
        arrays.append(array)
    rows = dict(zip(network.input_names, map(len, arrays), strict=True))
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{name} has {n}" for name, n in rows.items())
        raise ShapeError(f"All inputs need the same number of rows, but {told}.")
    return arrays


def target_array(given: Any, loss: Loss, output: Shape, rows: int, what: str = "y") -> Array:
    """Targets of the shape and kind the loss expects for an output."""
    shape, kind = loss.target(output)
    array = numbers(given, what, kind, _ADVICE[kind])
    if array.ndim == 1 and len(shape) == 2 and shape[1] == 1:
        array = array[:, None]
    elif array.ndim == 2 and array.shape[1] == 1 and len(shape) == 1:
        array = array[:, 0]
    if not _fits(array, shape):
        advice = f" {loss.advice[0].upper()}{loss.advice[1:]}" if loss.advice else ""
        raise ShapeError(
            f"{what} has shape {shape_text(array.shape)}, but for an output of shape {shape_text(output)} it should "
            f"have {shape_text(shape)}.{advice}"
        )
    if len(array) != rows:
        raise ShapeError(f"x has {rows} rows but {what} has {len(array)}.")
    if array.size:
        _check_range(array, loss, output, kind, what)
    return array


def _check_range(array: Array, loss: Loss, output: Shape, kind: Kind, what: str) -> None:
    low, high = array.min(), array.max()
    classes = output[-1]
    if kind == "int" and isinstance(classes, int) and (low < 0 or high >= classes):
        raise DataError(
            f"{what} holds class numbers from {low} to {high}, but the output has {classes} units, for classes "
            f"0 to {classes - 1}."
        )
    if kind == "float" and isinstance(loss, SHARES) and (low < 0 or high > 1):
        raise DataError(
            f"{what} runs from {low} to {high}, but {type(loss).__name__} takes targets from 0 to 1."
        )


def sample_weights(given: Any, rows: int) -> Array | None:
    """One weight for each row, or None where all weigh the same."""
    if given is None:
        return None
    weights = numbers(given, "sample_weight").astype(np.float64)
    if weights.shape == (rows, 1):
        weights = weights[:, 0]
    if weights.shape != (rows,):
        raise ShapeError(
            f"sample_weight has shape {shape_text(weights.shape)}, expected ({rows},), one for each row."
        )
    if np.any(weights < 0):
        raise DataError("sample_weight holds negative weights.")
    return weights


def class_weights(given: Mapping[int, Any] | str, labels: Array | None) -> Array:
    """The weight of each row by its class: from class numbers to weights, 1 where none is given.

    "balanced" gives every class the same weight in all: rows / (classes · rows of the class).
    """
    if labels is None:
        raise UsageError(
            "class_weight needs class targets: class numbers, one-hot rows or a single 0/1 output."
        )
    present, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if isinstance(given, str):
        if given != "balanced":
            raise UsageError(
                f"class_weight is a dict from class to weight, or 'balanced', not {given!r}."
            )
        each = len(labels) / (len(present) * counts)
    else:
        each = np.array([float(given.get(int(c), 1.0)) for c in present])
        if not np.all(each >= 0):
            raise UsageError("class_weight holds a negative weight.")
    return cast(Array, each[place])


def class_numbers(target: Array, loss: Loss) -> Array | None:
    """The class of each row where the targets are classes, else None."""
    if isinstance(loss, SparseCategoricalCrossentropy):
        return target
    if isinstance(loss, CategoricalCrossentropy) and target.ndim == 2:
        return cast(Array, np.argmax(target, axis=1))
    if isinstance(loss, BinaryCrossentropy) and target.ndim == 2 and target.shape[1] == 1:
        return cast(Array, (target[:, 0] > 0.5).astype(np.int64))
    return None


def _fits(array: Array, shape: Shape) -> bool:
    return array.ndim == len(shape) and all(
        isinstance(d, Batch) or d == n for d, n in zip(shape, array.shape, strict=True)
    )
