"""A finished run on other data: how good it is there, or what it predicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import data
from chainrule.errors import DataError, ModelFileError
from chainrule.experiment.judging import class_names, judge, task_of
from chainrule.experiment.running import prediction_frame
from chainrule.model import Model, load


def model_of(path: str) -> Model:
    """The model of a run folder, or of a model file; it must know its data's preparation."""
    place = Path(path)
    file = place / "model.chainrule" if place.is_dir() else place
    if not file.exists():
        what = "has no model.chainrule" if place.is_dir() else "does not exist"
        raise ModelFileError(f"{path} {what}: give the folder of a run, or a .chainrule file.")
    model = load(file)
    if model.preprocessing is None or model.target is None:
        raise ModelFileError(
            f"{file} was trained on plain arrays: load it with cr.load and predict arrays."
        )
    return model


def result_of(path: str) -> dict[str, Any]:
    """The result.json of a run folder."""
    file = Path(path) / "result.json"
    if not file.is_file():
        raise ModelFileError(f"{path} is not the folder of a run: it has no result.json.")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelFileError(f"{file} is damaged: {error}.") from error
    return dict(found)


def evaluate_run(path: str, source: str, data_dir: str | None = None) -> dict[str, Any]:
    """The metrics of a run's model on all rows of a source (its test rows where it has official ones)."""
    model = model_of(path)
    features, values, told = _rows(
        model, data.load_source(source, data_dir=data_dir), need_target=True
    )
    judged = judge(model, features, values)
    assert model.target is not None
    return {
        "model": path,
        "source": source,
        "task": task_of(model.target),
        "classes": class_names(model.target),
        "rows": len(judged.targets),
        "which_rows": told,
        "metrics": judged.scores,
    }


def predict_run(path: str, source: str, data_dir: str | None = None) -> Any:
    """A polars table of the predictions of a run's model for the rows of a source."""
    model = model_of(path)
    features, _, _ = _rows(model, data.load_source(source, data_dir=data_dir), need_target=False)
    outputs = np.asarray(model.predict(features))
    assert model.target is not None
    task = task_of(model.target)
    if task == "classification":
        return prediction_frame(model, outputs, np.argmax(outputs, axis=1), np.arange(len(outputs)))
    predicted = (outputs >= 0.5).astype(np.int64) if task == "multilabel" else outputs
    if predicted.ndim == 2 and predicted.shape[1] == 1:
        predicted = predicted[:, 0]
    return prediction_frame(model, None, predicted, np.arange(len(outputs)))


def _rows(model: Model, source: data.Source, *, need_target: bool) -> tuple[Any, Any, str]:
    if source.test is not None:
        features, values = source.test
        return features, values, f"the official test set, {len(features):,} rows"
    target = model.target
    assert target is not None
    told = f"all {len(source.features):,} rows"
    if not source.is_table:
        if need_target and source.target is None:
            raise DataError(f"{source.name} has no targets to compare with.")
        return source.features, source.target, told
    frame: Any = source.features
    if not need_target:
        return frame, None, told
    name = target.name or data.find_target(frame)
    if name not in frame.columns:
        raise DataError(
            f"{source.name} has no column {name!r}, which the model predicts: there is nothing to compare with."
        )
    return frame, data.as_values(frame[name]), told
