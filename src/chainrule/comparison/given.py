"""What a caller in Python gives to compare: settings, rows and models, checked and in one form."""

from __future__ import annotations

import inspect
import numbers
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import data
from chainrule.data.columns import no_such_column
from chainrule.errors import DataError, ShapeError, UsageError, unknown_name
from chainrule.experiment.reading import Rows
from chainrule.experiment.settings import Settings, option

Array = np.ndarray[Any, Any]
_SPLITTING = ("test_file", "split_column", "test_fold", "group_column", "time_column")
_BRICKS = ("activation", "loss", "optimizer")  # objects will do, too; their families check them
_FIELDS = {field.name: field for field in fields(Settings) if field.name not in ("source", "out")}
_OPTIONS = {option(name): name for name in _FIELDS}


def settings_of(name: str, given: Mapping[str, Any]) -> Settings:
    """Settings as arguments of a function: of the right types, lists as tuples."""
    read = {}
    for argument, value in given.items():
        if argument in _SPLITTING:
            raise UsageError(
                f"compare draws random splits of its own, so {argument} is of no use: leave it out."
            )
        if argument not in _FIELDS:
            raise unknown_name("argument of compare", argument, set(_FIELDS) - set(_SPLITTING))
        read[argument] = _typed(_FIELDS[argument], value)
    return Settings(name, **read)


def in_python(sentence: str) -> str:
    """A sentence that speaks of options, with the names of the arguments: `batch_size` for `--batch-size`."""
    return re.sub(r"--[a-z0-9-]+", lambda m: _OPTIONS.get(m.group(), m.group()), sentence)


def rows_given(source: Any, y: Any, settings: Settings) -> Rows:
    """Rows of arrays, or of a frame.

    Raises UsageError where features, targets and the settings about columns do not go together.
    """
    for called, given in (("The first argument", source), ("y", y)):
        _check_kind(called, given)
    framed = data.is_frame(source)
    if y is None and not framed:
        raise UsageError(
            f"An argument of type {type(source).__name__} has no target: give features with their targets y, "
            "or a table with the target as a column."
        )
    if y is not None and settings.target is not None:
        raise UsageError(
            f"target={settings.target!r} and y both say what to predict: leave one of them out."
        )
    if settings.drop and not framed:
        raise UsageError("drop names columns, but the features are an array without column names.")
    features: Any = data.as_frame(source) if framed else _array(source)
    dropped = list(dict.fromkeys(settings.drop))
    for name in dropped:
        if name not in features.columns:
            raise no_such_column(name, features.columns)
    if y is None:
        target = data.find_target(features, settings.target)
        if target in dropped:
            raise UsageError(f"drop names the target {target!r} itself: name another column.")
        values, dropped = data.as_values(features[target]), [target, *dropped]
    else:
        values = data.as_values(y)
    if framed:
        features = features.drop(dropped)
        if not features.columns:
            raise DataError("There is no column left to learn from.")
    if values.ndim == 0:
        raise ShapeError(f"y is {y!r}, expected a target for each row.")
    if len(features) != len(values):
        raise UsageError(f"There are {len(features)} rows of features, but {len(values)} targets.")
    origin = data.Source("data", features, values, None, None, None, "given by the caller")
    return Rows(origin, None, features, values, np.arange(len(values)))


def check_models(models: Any) -> None:
    """Raise a UsageError unless these are estimators by name, none called as the network is."""
    if not isinstance(models, Mapping):
        raise UsageError(
            f"models is of type {type(models).__name__}, expected estimators by name, such as "
            "models={'logistic regression': LogisticRegression()}."
        )
    for name, model in models.items():
        if not isinstance(name, str) or not name.strip():
            raise UsageError(
                f"A model cannot be called {name!r}: models needs names that are text."
            )
        if name == "network":
            raise UsageError(
                "models has one called 'network', which is the name of chainrule's own network: "
                "choose another name."
            )
        if inspect.isclass(model):
            raise UsageError(
                f"models[{name!r}] is the class {model.__name__}: give an object, {model.__name__}()."
            )
        if not all(hasattr(model, method) for method in ("fit", "predict", "get_params")):
            raise UsageError(
                f"models[{name!r}] is of type {type(model).__name__}, expected a scikit-learn estimator."
            )


def check_kinds(models: Mapping[str, Any], task: str) -> None:
    """Raise a UsageError for a regressor among models of classes, or a classifier among those of numbers."""
    from sklearn.base import is_classifier, is_regressor

    wrong, kind = (
        (is_regressor, "regressor") if task == "classification" else (is_classifier, "classifier")
    )
    for name, model in models.items():
        if hasattr(model, "__sklearn_tags__") and wrong(model):
            raise UsageError(
                f"models[{name!r}] is a {kind}, but this is a {task}: leave it out, or name another task."
            )


def _check_kind(called: str, given: Any) -> None:
    """Raise for what holds rows, but not as a table or an array."""
    if type(given).__name__ == "Bunch":
        raise UsageError(
            f"{called} is a Bunch, which holds more than rows: give its parts, bunch.data and bunch.target."
        )
    if hasattr(given, "toarray"):
        raise DataError(f"{called} is a sparse matrix: give an array, such as its toarray().")


def _array(given: Any) -> Array:
    """Features that are no table."""
    try:
        array = np.asarray(given)
    except ValueError:
        raise DataError("The rows of the features are not equally long: give an array.") from None
    if array.ndim < 2:
        what = repr(given) if array.ndim == 0 else f"an array of shape {array.shape}"
        raise ShapeError(f"Features with targets y must be (rows, columns), not {what}.")
    return array


def _typed(field: Field[Any], value: Any) -> Any:
    """The value of a setting, of its type."""
    kind, _, optional = str(field.type).partition(" | ")
    if (optional and value is None) or field.name in _BRICKS:
        return value
    if field.name == "data_dir" and isinstance(value, Path):
        return str(value)
    fits, read, expected = _TYPES[kind]
    if not fits(value):
        raise UsageError(f"compare: {field.name} is {value!r}, expected {expected}.")
    return read(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _all(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and all(map(fits, value))


_TYPES: dict[str, tuple[Callable[[Any], bool], Callable[[Any], Any], str]] = {
    "str": (lambda v: isinstance(v, str), str, "text"),
    "bool": (lambda v: isinstance(v, bool | np.bool_), bool, "True or False"),
    "int": (_is_whole, int, "a whole number"),
    "float": (
        lambda v: isinstance(v, numbers.Real) and not isinstance(v, bool),
        float,
        "a number",
    ),
    "tuple[int, ...]": (
        _all(_is_whole),
        lambda v: tuple(map(int, v)),
        "a list of whole numbers, such as [128, 64]",
    ),
    "tuple[str, ...]": (_all(lambda v: isinstance(v, str)), tuple, "a list of names"),
}
