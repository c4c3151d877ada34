"""What is seen in a source before anything is learnt from it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np

from chainrule import data
from chainrule.data import Column, Source
from chainrule.errors import DataError

MOST_CLASSES = 50  # whose rows are counted


def describe_source(
    source: str, target: str | None = None, data_dir: str | None = None
) -> dict[str, Any]:
    """A source as JSON data: rows, columns, target, and what is held out officially."""
    read = data.load_source(source, data_dir=data_dir)
    found = {"source": read.name, "origin": read.origin, "rows": len(read.features)}
    return found | (_table(read, target) if read.is_table else _array(read, target))


def _array(source: Source, target: str | None) -> dict[str, Any]:
    if target is not None:
        raise DataError(
            f"--target names a column, but {source.name} is an array without column names."
        )
    features = np.asarray(source.features)
    return {
        "columns": None,
        "inputs": int(np.prod(features.shape[1:])),
        "image_shape": list(source.image_shape) if source.image_shape else None,
        "test_rows": len(source.test[0]) if source.test else None,
        "target": None if source.target is None else _target(None, np.asarray(source.target)),
    }


def _table(source: Source, target: str | None) -> dict[str, Any]:
    frame: Any = source.features
    name: str | None
    try:
        name = data.find_target(frame, target or source.target_name)
    except DataError:
        if target is not None:
            raise
        name = None
    columns = data.describe_columns(frame, name)
    values = None if name is None else frame[name].drop_nulls()
    return {
        "columns": [_column(column) for column in columns],
        "test_rows": None,
        "target": None if values is None else _target(name, data.as_values(values)),
    }


def _column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": column.kind,
        "missing": column.missing,
        "unique": column.unique,
        "minimum": column.minimum,
        "maximum": column.maximum,
        "mean": column.mean,
        "dates": [_day(column.minimum), _day(column.maximum)] if column.kind == "date" else None,
        "examples": list(column.examples),
        "note": column.note,
    }


def _day(days: float | None) -> str | None:
    """Days since 1970 as a date, where there is one so long ago or so far off."""
    try:
        return None if days is None else str(date(1970, 1, 1) + timedelta(days=days))
    except OverflowError:
        return None


def _target(name: str | None, values: np.ndarray[Any, Any]) -> dict[str, Any]:
    """The task that a target sets, and the rows of each class or the range of the quantities."""
    found: dict[str, Any] = {"name": name, "task": None, "counts": None, "range": None}
    if not values.size:
        return found
    task = data.infer_task(values)
    if values.ndim == 2 and values.shape[1] > 1:
        width = values.shape[1]
        return found | {"task": "multilabel" if task == "classification" else task, "width": width}
    if task == "regression":
        numbers = values[np.isfinite(values)] if values.dtype.kind in "iuf" else values[:0]
        limits = [float(numbers.min()), float(numbers.max())] if numbers.size else None
        return found | {"task": task, "range": limits}
    present = [value for value in values.ravel().tolist() if value is not None and value == value]
    labels, counts = np.unique(np.array(present), return_counts=True)
    counted = {str(label): int(n) for label, n in zip(labels.tolist(), counts, strict=True)}
    few = len(labels) <= MOST_CLASSES
    return found | {"task": task, "classes": len(labels), "counts": counted if few else None}
