"""What a model is given, as the arrays it works on: features of each input, targets, weights of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from chainrule import data
from chainrule.engines.program import Array
from chainrule.errors import DataError, ShapeError, UsageError
from chainrule.graph import Shape, shape_text
from chainrule.layers.network import Network
from chainrule.losses import BinaryCrossentropy, Loss
from chainrule.training.arrays import (
    CLASSIFYING,
    arrays_per_place,
    class_numbers,
    class_weights,
    target_array,
)


def places(x: Any, network: Network | None) -> list[Any]:
    """What was given for each input: arrays, or one table. A dict by inputs' names holds arrays."""
    names = ["x"] if network is None else network.input_names
    several = len(names) > 1
    by_name = isinstance(x, Mapping) and network is not None and (several or list(x) == names)
    if data.is_frame(x) and not by_name:
        if several:
            raise DataError(
                "A model with several inputs takes arrays, in a list or a dict, not a data frame."
            )
        return [data.as_frame(x)]
    return arrays_per_place(x, names, "input")


def prepared(
    found: Sequence[Any], preprocessing: data.Preprocessing | None, precision: str
) -> list[Any]:
    """The arrays a network sees: tables as they were prepared in training, arrays as they are."""
    if preprocessing is not None:
        return [preprocessing.transform(found[0], precision=precision)]
    if data.is_frame(found[0]):
        raise DataError("The model was trained on arrays: give arrays, not a data frame.")
    return list(found)


def example_shape(x: Any) -> tuple[int, ...]:
    """The shape of one example of an array of them."""
    try:
        shape = np.shape(x)
    except ValueError as error:
        raise ShapeError("x is not an array: its rows are not equally long.") from error
    if len(shape) < 1 or 0 in shape[1:]:
        raise ShapeError(
            f"x has shape {shape_text(shape)}: give an array (rows, features), with at least one feature."
        )
    return shape[1:] or (1,)


def labels(
    y: Any, rows: int, loss: Any, target: data.Target | None
) -> tuple[Array | None, data.Target | None]:
    """The class of each row where a single output has classes, else None; and what was learnt of labels.

    Text and true/false are labels, which a new `Target` numbers; whole numbers are class numbers already.
    """
    if isinstance(loss, (list, Mapping)) and len(loss) == 1:
        (loss,) = loss.values() if isinstance(loss, Mapping) else loss
    if not isinstance(loss, CLASSIFYING) or isinstance(y, Mapping):
        return None, target
    values = data.as_values(arrays_per_place(y, ["y"], "output")[0])
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim and len(values) != rows:
        raise ShapeError(f"x has {rows} rows but y has {len(values)}.")
    if target is None and values.dtype.kind in "OUb" and values.ndim == 1:
        target = data.Target.fit(values, task="classification")
    if target is not None:
        encoded = target.encode(values)
        one_each = target.task == "classification" and encoded.ndim == 1
        return (encoded if one_each else None), target
    if values.dtype.kind not in "fiub" or not np.all(np.isfinite(values)):
        return None, None  # which is reported where targets are made
    if values.ndim == 2 and not isinstance(loss, BinaryCrossentropy):
        return cast(Array, np.argmax(values, axis=1)), None
    return (values if values.ndim == 1 else None), None


def targets(
    y: Any, network: Network, losses: Sequence[Loss], target: data.Target | None, rows: int
) -> list[Array]:
    """One array of targets for each output, in the form its loss takes."""
    names = network.output_names
    found = []
    for given, loss, symbol, name in zip(
        arrays_per_place(y, names, "output"), losses, network.outputs, names, strict=True
    ):
        if target is not None:
            given = _encoded(given, target, loss, symbol.shape)
        what = f"The target of {name}" if len(names) > 1 else "y"
        found.append(target_array(given, loss, symbol.shape, rows, what))
    return found


def weights_by_class(
    given: Any, found: Sequence[Array], network: Network, loss: Loss, target: data.Target | None
) -> Array:
    """The weight of each row by its class; classes are called by their labels."""
    if len(network.outputs) > 1:
        raise UsageError("class_weight is for models with one output: give sample_weight.")
    if isinstance(given, Mapping):
        known = target is not None and target.classes is not None
        numbers = target.encode(list(given)) if target is not None and known else given
        given = dict(zip(map(_class_number, numbers), given.values(), strict=True))
    elif not isinstance(given, str):
        raise UsageError(
            f"class_weight is a dict from class to weight, or 'balanced', not {given!r}."
        )
    return class_weights(given, class_numbers(found[0], loss))


def _encoded(y: Any, target: data.Target, loss: Loss, output: Shape) -> Array:
    """Targets as the model's own `target` encodes them, one-hot where the loss takes that."""
    encoded = target.encode(y)
    shape, kind = loss.target(output)
    numbers = target.task == "classification" and encoded.ndim == 1
    if numbers and kind == "float" and shape[-1] != 1:
        return cast(Array, np.eye(target.width)[encoded])
    return encoded


def _class_number(label: Any) -> int:
    if isinstance(label, (int, np.integer)) or (isinstance(label, float) and label.is_integer()):
        return int(label)
    raise UsageError(
        f"class_weight names the class {label!r}, but the targets are class numbers 0, 1, …: use those."
    )
