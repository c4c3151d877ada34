"""A finished run on data: how good it is there, or what it predicts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule import data
from chainrule.data import Source, Target
from chainrule.errors import DataError, ModelFileError
from chainrule.experiment.folder import MODEL, PREDICTIONS, RESULT, read_result
from chainrule.experiment.judging import class_names, judge, predict, task_of
from chainrule.experiment.predictions import prediction_frame, true_columns
from chainrule.experiment.reading import has_value
from chainrule.model import Model, load

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class _Chosen:
    """Features of all rows of a source; which of the rows are meant, their true values, and in words."""

    features: Any
    rows: Array
    values: Array | None
    told: str
    official: bool = False

    def only(self, index: Array, told: str) -> _Chosen:
        """Some of these rows."""
        values = None if self.values is None else self.values[index]
        return replace(self, rows=self.rows[index], values=values, told=told)


def model_of(path: str) -> Model:
    """The model of a run folder, or of a model file; it must know its data's preparation."""
    place = Path(path)
    file = place / MODEL if place.is_dir() else place
    if not file.exists():
        what = f"has no {MODEL}" if place.is_dir() else "does not exist"
        raise ModelFileError(f"{path} {what}: give the folder of a run, or a .chainrule file.")
    model = load(file)
    if model.preprocessing is None or model.target is None:
        raise ModelFileError(
            f"{file} was trained on plain arrays: load it with cr.load and predict arrays."
        )
    return model


def evaluate_run(path: str, source: str, data_dir: str | None = None) -> dict[str, Any]:
    """The metrics of a run's model on the rows of a source.

    These are its test rows where it has official ones; of the source that the run was trained on,
    the rows that the run held out as its test; else all rows that have a target.
    """
    model = model_of(path)
    target = _target(model)
    chosen = _own_test_rows(path, source, target, _rows(model, source, data_dir, true=True))
    assert chosen.values is not None
    judged = judge(target, predict(model, chosen.features).rows(chosen.rows), chosen.values)
    return {
        "model": path,
        "source": source,
        "task": task_of(target),
        "target": target.name,
        "classes": class_names(target),
        "rows": len(judged.targets),
        "which_rows": chosen.told,
        "metrics": judged.scores,
    }


def predict_run(path: str, source: str, data_dir: str | None = None) -> tuple[pl.DataFrame, str]:
    """The predictions of a run's model for the rows of a source, and which rows these are."""
    model = model_of(path)
    chosen = _rows(model, source, data_dir, true=False)
    predicted = predict(model, chosen.features)
    return prediction_frame(_target(model), chosen.rows, predicted), chosen.told


def _target(model: Model) -> Target:
    assert model.target is not None
    return model.target


def _rows(model: Model, name: str, data_dir: str | None, *, true: bool) -> _Chosen:
    """The rows of a source, with their true values if these are asked for."""
    source = data.load_source(name, data_dir=data_dir)
    _check_kind(model, source)
    if source.test is not None:
        count = len(source.test[0])
        features, values = source.test
        told = f"the official test set, {count:,} rows"
        return _Chosen(features, np.arange(count), values, told, official=True)
    count = len(source.features)
    everything = _Chosen(source.features, np.arange(count), source.target, f"all {count:,} rows")
    if not true:
        return everything
    if not source.is_table:
        if source.target is None:
            raise DataError(f"{source.name} has no targets to compare with.")
        return everything
    frame: Any = source.features
    target = _target(model).name or data.find_target(frame)
    if target not in frame.columns:
        raise DataError(
            f"{source.name} has no column {target!r}, which the model predicts: "
            "there is nothing to compare with."
        )
    column = frame[target]
    known = replace(everything, values=data.as_values(column))
    present = np.flatnonzero(has_value(column))
    if present.size == count:
        return known
    if not present.size:
        raise DataError(
            f"Column {target!r} of {source.name} has no value: nothing can be compared."
        )
    told = f"the {present.size:,} of {count:,} rows that have a value of {target!r}"
    return known.only(present, told)


def _check_kind(model: Model, source: Source) -> None:
    """Raise where the model needs a table and the source is none, or the other way round."""
    assert model.preprocessing is not None
    columns = model.preprocessing.columns
    if source.is_table and model.preprocessing.array is not None:
        raise DataError(
            f"{source.name} is a table with named columns, but the model was trained on an array of "
            f"{math.prod(model.preprocessing.array.shape)} numbers a row: give such a source."
        )
    if not source.is_table and model.preprocessing.array is None:
        raise DataError(
            f"{source.name} is an array without column names, but the model was trained on a table "
            f"with the columns {', '.join(columns)}: give such a table."
        )


def _own_test_rows(path: str, source: str, target: Target, chosen: _Chosen) -> _Chosen:
    """Of the source that the run was trained on, the rows it was not: anything else would flatter."""
    place = Path(path)
    folder = place.parent if place.name == MODEL else place
    if chosen.official or not (folder / RESULT).is_file():
        return chosen
    result = read_result(str(folder))
    if not _same_source(str(result["settings"].get("source")), source):
        return chosen
    held_out = _recorded_test_rows(folder, result, target, chosen)
    if held_out is None:
        return replace(chosen, told=f"{chosen.told}, those it was trained on among them")
    return chosen.only(held_out, f"the {len(held_out):,} rows that the run held out as its test")


def _same_source(trained_on: str, given: str) -> bool:
    if trained_on == given:
        return True
    first, second = Path(trained_on), Path(given)
    return first.exists() and second.exists() and first.samefile(second)


def _recorded_test_rows(
    folder: Path, result: dict[str, Any], target: Target, chosen: _Chosen
) -> Array | None:
    """Where the test rows of predictions.parquet are among these rows, if their targets agree."""
    import polars as pl

    file = folder / PREDICTIONS
    if not file.is_file() or result["settings"].get("test_file"):
        return None
    try:
        recorded = pl.read_parquet(file)
        numbers = recorded["row"].to_numpy()
    except (OSError, pl.exceptions.PolarsError):
        return None
    places = np.searchsorted(chosen.rows, numbers)
    if places.max(initial=0) >= len(chosen.rows) or np.any(chosen.rows[places] != numbers):
        return None
    assert chosen.values is not None
    for name, values in true_columns(target, chosen.values[places]).items():
        if name not in recorded.columns or recorded[name].to_list() != list(values):
            return None
    return places
