"""Run an experiment: prepare, train, judge, and write the run's folder."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import report, storage
from chainrule.errors import UsageError
from chainrule.experiment.building import build, check
from chainrule.experiment.folder import (
    MODEL,
    PREDICTIONS,
    REPORT,
    check_free,
    new_folder,
    write_history,
    write_result,
)
from chainrule.experiment.judging import Judged, Predicted, class_names, judge, task_of
from chainrule.experiment.predictions import prediction_frame
from chainrule.experiment.preparing import Prepared, prepare
from chainrule.experiment.results import PARTS, result_document
from chainrule.experiment.settings import Settings
from chainrule.model import Model
from chainrule.report import Predictions
from chainrule.training import EarlyStopping, Event, Listener
from chainrule.training.loop import smallest_batch

SHOWN_MISTAKES = 12  # pictures of the worst rows on the page


@dataclass(frozen=True)
class Outcome:
    """A finished experiment: its result (as in result.json), model, and judged test rows."""

    result: dict[str, Any]
    model: Model
    prepared: Prepared
    test: Judged | None
    folder: Path


def _unheard(event: Event) -> None: ...


def _untold(prepared: Prepared, model: Model) -> None: ...


def run(
    settings: Settings,
    listener: Listener = _unheard,
    started: Callable[[Prepared, Model], None] = _untold,
) -> Outcome:
    """Prepare, train, judge and write the run's folder.

    `started` is told what the data turned out to be; `listener` hears the events of training, and a
    sentence it returns stops training: the best model so far is judged and written all the same.
    """
    begun = time.perf_counter()
    check(settings)
    check_free(settings.out)
    prepared = prepare(settings)
    model = build(settings, prepared.preprocessing.width, prepared.target)
    model.preprocessing, model.target = prepared.preprocessing, prepared.target
    batch_size, notes = _batch_size(settings, model, len(prepared.split.train))
    with new_folder(settings.out, prepared.source.name) as folder:
        started(prepared, model)
        _train(settings, model, prepared, batch_size, listener)
        model.save(folder / MODEL)
        predicted = prepared.predicted(model)
        judged = {
            part: judge(prepared.target, predicted.rows(index), prepared.values[index])
            for part in PARTS
            if len(index := getattr(prepared.split, part))
        }
        result = result_document(
            settings,
            prepared,
            model,
            judged,
            notes=(*prepared.notes, *notes),
            folder=folder,
            seconds=time.perf_counter() - begun,
        )
        outcome = Outcome(result, model, prepared, judged.get("test"), folder)
        _write(outcome)
    return outcome


def _train(
    settings: Settings, model: Model, prepared: Prepared, batch_size: int, listener: Listener
) -> None:
    held = len(prepared.split.validation) > 0
    events = model.training(
        *prepared.part("train"),
        validation_data=prepared.part("validation") if held else None,
        early_stopping=EarlyStopping(patience=settings.patience) if held else None,
        epochs=settings.epochs,
        batch_size=batch_size,
        class_weight=settings.class_weight,
        threads=settings.threads,
        callbacks=[listener],
    )
    for _ in events:
        pass


def _batch_size(settings: Settings, model: Model, rows: int) -> tuple[int, tuple[str, ...]]:
    """The batch size; a larger one where batch normalisation would meet a last batch of one row."""
    needed = max((layer.minimum_rows for layer in model.layers), default=1)
    if rows < needed:
        raise UsageError(
            f"--batch-norm needs {needed} rows to train on, but there is only {rows}: leave it out."
        )
    size = settings.batch_size
    while smallest_batch(rows, size) < needed:
        size += 1
    if size == settings.batch_size:
        return size, ()
    return size, (
        f"Batches have {size} rows instead of {settings.batch_size}, so that batch normalisation "
        "never meets a batch of one row.",
    )


def _write(outcome: Outcome) -> None:
    """history.csv, result.json, predictions.parquet and report.html, beside the model."""
    folder, prepared, test = outcome.folder, outcome.prepared, outcome.test
    history = outcome.model.history
    assert history is not None
    columns: dict[str, Sequence[Any]] = {"epoch": history.epoch, **history.history}
    write_history(folder, columns)
    write_result(folder, outcome.result)
    if test is not None:
        frame = prediction_frame(
            prepared.target,
            prepared.rows[prepared.split.test],
            Predicted(test.predicted, test.probabilities),
            prepared.part("test")[1],
        )
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        storage.write_bytes(folder / PREDICTIONS, buffer.getvalue())
    report.write_report(folder / REPORT, outcome.result, columns, _shown(outcome))


def _shown(outcome: Outcome) -> Predictions:
    """The test rows for the page, with pictures of the worst where rows are images."""
    test, prepared = outcome.test, outcome.prepared
    if test is None:
        nothing = np.empty(0, dtype=np.int64)
        return Predictions(task_of(prepared.target), nothing, nothing)
    names = class_names(prepared.target)
    found = Predictions(
        test.task,
        test.targets,
        test.predicted,
        test.probabilities,
        None if names is None else tuple(names),
        rows=prepared.rows[prepared.split.test],
    )
    shape = prepared.source.image_shape
    if shape is None or len(shape) != 2 or test.task == "regression":
        return found
    worst = report.worst_rows(found, SHOWN_MISTAKES)
    pictures = np.asarray(prepared.part("test")[0])[worst].reshape(-1, *shape)
    return replace(found, images=pictures) if len(worst) else found
