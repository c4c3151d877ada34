"""What users hand in, as arrays a network can be trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.engines.program import Array
from chainrule.errors import DataError, ShapeError, UsageError
from chainrule.graph import Batch, Kind, Shape, shape_text
from chainrule.layers.network import Network
from chainrule.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Loss,
    SparseCategoricalCrossentropy,
)

CLASSIFYING = (BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy)


def per_place(given: Any, names: Sequence[str], what: str) -> list[Any]:
    """One item for each input or output, from a single one, a list in order, or a dict by name."""
    if isinstance(given, Mapping) and not hasattr(given, "columns"):
        missing = [n for n in names if n not in given]
        if missing or len(given) != len(names):
            raise UsageError(
                f"The model's {what}s are called {', '.join(names)}, but the dict has {', '.join(map(str, given))}."
            )
        return [given[n] for n in names]
    if len(names) == 1 and not (
        isinstance(given, (list, tuple)) and len(given) == 1 and np.ndim(given[0]) > 0
    ):
        return [given]
    if not isinstance(given, (list, tuple)) or len(given) != len(names):
        count = len(given) if isinstance(given, (list, tuple)) else 1
        raise UsageError(
            f"The model has {len(names)} {what}s ({', '.join(names)}), {count} given: give a list or a dict."
        )
    return list(given)


def numbers(given: Any, what: str, kind: Kind = "float") -> Array:
    """`given` as an array of finite numbers, or a sentence about what is wrong with it."""
    array = np.asarray(given)
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            pass
    if array.dtype.kind not in "fiub":
        bad = next((v for v in array.ravel() if not isinstance(v, (int, float))), array.ravel()[:1])
        raise DataError(
            f"{what} holds {bad!r} where numbers are expected: encode text as numbers, or give a data frame."
        )
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    if array.dtype.kind == "f":
        wrong = ~np.isfinite(array)
        if wrong.any():
            first = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise DataError(
                f"{what} holds {int(wrong.sum())} NaN or infinite value(s), the first at index {first}: fill or remove them, "
                "or give a data frame, whose missing values are filled in."
            )
    if kind == "int" and array.dtype.kind == "f":
        if np.any(array != np.floor(array)):
            raise DataError(
                f"{what} must hold whole numbers, but holds {array[array != np.floor(array)].flat[0]}."
            )
        array = array.astype(np.int64)
    return array


def input_arrays(given: Any, network: Network, precision: str) -> list[Array]:
    """One array for each input of the network, of its shape."""
    arrays = []
    for item, symbol, name in zip(
        per_place(given, network.input_names, "input"),
        network.inputs,
        network.input_names,
        strict=True,
    ):
        array = numbers(item, f"The input {name}" if len(network.inputs) > 1 else "x", symbol.kind)
        if array.ndim == 1 and len(symbol.shape) == 2 and symbol.shape[1] == 1:
            array = array[:, None]
        _fits(array, symbol.shape, f"The input {name}")
        arrays.append(array.astype(precision) if array.dtype.kind == "f" else array)
    rows = {len(a) for a in arrays}
    if len(rows) > 1:
        raise ShapeError(f"All inputs need the same number of rows, but they have {sorted(rows)}.")
    return arrays


def target_array(given: Any, loss: Loss, output: Shape, rows: int, what: str = "y") -> Array:
    """Targets of the shape and kind the loss expects for an output."""
    shape, kind = loss.target(output)
    array = numbers(given, what, kind)
    if array.ndim == 1 and len(shape) == 2 and shape[1] == 1:
        array = array[:, None]
    elif array.ndim == 2 and array.shape[1] == 1 and len(shape) == 1:
        array = array[:, 0]
    if array.ndim == 1 and isinstance(loss, CategoricalCrossentropy) and kind == "float":
        raise ShapeError(
            f"{what} has shape {shape_text(array.shape)}: categorical_crossentropy takes one-hot rows of shape "
            f"{shape_text(shape)}; for class numbers use sparse_categorical_crossentropy."
        )
    _fits(array, shape, f"{what} (for an output of shape {shape_text(output)})")
    if len(array) != rows:
        raise ShapeError(f"x has {rows} rows but {what} has {len(array)}.")
    classes = output[-1]
    if kind == "int" and isinstance(classes, int) and len(array):
        low, high = int(array.min()), int(array.max())
        if low < 0 or high >= classes:
            raise DataError(
                f"{what} holds class numbers from {low} to {high}, but the output has {classes} units, for classes "
                f"0 to {classes - 1}."
            )
    if isinstance(loss, BinaryCrossentropy) and len(array) and (array.min() < 0 or array.max() > 1):
        raise DataError(
            f"{what} runs from {array.min()} to {array.max()}, but binary_crossentropy takes targets from 0 to 1."
        )
    return array


def weight_array(
    sample_weight: Any, class_weight: Any, labels: Array | None, rows: int
) -> Array | None:
    """One weight for each row, from sample and class weights; None where all weigh the same."""
    weights = None
    if sample_weight is not None:
        weights = numbers(sample_weight, "sample_weight").astype(np.float64)
        if weights.shape != (rows,):
            raise ShapeError(
                f"sample_weight has shape {shape_text(weights.shape)}, expected ({rows},), one for each row."
            )
        if np.any(weights < 0):
            raise DataError("sample_weight holds negative weights.")
    if class_weight is None:
        return weights
    if labels is None:
        raise UsageError(
            "class_weight needs class targets: class numbers, one-hot rows or a single 0/1 output."
        )
    present, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise UsageError(
                f"class_weight is a dict from class to weight, or 'balanced', not {class_weight!r}."
            )
        each = len(labels) / (len(present) * counts)
    else:
        known = {int(k): float(v) for k, v in dict(class_weight).items()}
        each = np.array([known.get(int(c), 1.0) for c in present])
    by_class = each[place]
    return by_class if weights is None else weights * by_class


def class_numbers(target: Array, output: Shape, loss: Loss) -> Array | None:
    """The class of each row where the targets are classes, else None."""
    if target.dtype.kind in "iu" and target.ndim == 1 and loss.target(output)[1] == "int":
        return target
    if isinstance(loss, CategoricalCrossentropy) and target.ndim == 2:
        return np.argmax(target, axis=1)
    if isinstance(loss, BinaryCrossentropy) and target.ndim == 2 and target.shape[1] == 1:
        return (target[:, 0] > 0.5).astype(np.int64)
    return None


def _fits(array: Array, shape: Shape, what: str) -> None:
    fits = array.ndim == len(shape) and all(
        isinstance(d, Batch) or d == n for d, n in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise ShapeError(
            f"{what} should have shape {shape_text(shape)}, but has {shape_text(array.shape)}."
        )
