"""Run an experiment: the events of training, then its outcome, written into a folder."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import metrics, report, storage
from chainrule.errors import UsageError
from chainrule.experiment.building import build
from chainrule.experiment.judging import Judged, baseline, class_names, judge
from chainrule.experiment.preparing import Prepared, prepare
from chainrule.experiment.settings import Settings
from chainrule.model import Model
from chainrule.report import Predictions
from chainrule.training import EarlyStopping, Event
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


def run(
    settings: Settings,
    listener: Callable[[Event], str | None],
    started: Callable[[Prepared, Model], None],
) -> Outcome:
    """Prepare, train, judge and write the run folder.

    `started` is told what the data turned out to be; `listener` hears the events of training, and a
    sentence it returns stops training: the best model so far is judged and written all the same.
    """
    begun = time.perf_counter()
    prepared = prepare(settings)
    width = prepared.preprocessing.width
    model = build(settings, width, prepared.target)
    model.preprocessing, model.target = prepared.preprocessing, prepared.target
    train = prepared.part("train")
    batch_size, notes = _batch_size(settings, model, len(train[1]))
    folder = _folder(settings, prepared.source.name)
    try:
        started(prepared, model)
        for _ in _events(settings, model, prepared, batch_size, listener):
            pass
        model.save(folder / "model.chainrule")
        result, test = _result(
            settings, prepared, model, notes, folder, time.perf_counter() - begun
        )
        outcome = Outcome(result, model, prepared, test, folder)
        _write(outcome)
    except BaseException:
        if not any(folder.iterdir()):
            folder.rmdir()
        raise
    return outcome


def _events(
    settings: Settings,
    model: Model,
    prepared: Prepared,
    batch_size: int,
    listener: Callable[[Event], str | None],
) -> Iterator[Event]:
    held = len(prepared.split.validation) > 0
    return model.training(
        *prepared.part("train"),
        validation_data=prepared.part("validation") if held else None,
        early_stopping=EarlyStopping(patience=settings.patience) if held else None,
        epochs=settings.epochs,
        batch_size=batch_size,
        class_weight=settings.class_weight,
        threads=settings.threads,
        callbacks=[listener],
    )


def _batch_size(settings: Settings, model: Model, rows: int) -> tuple[int, list[str]]:
    """The batch size, one larger where batch normalisation would meet a last batch of one row."""
    needed = max((layer.minimum_rows for layer in model.layers), default=1)
    if rows > 1 and smallest_batch(rows, settings.batch_size) < needed:
        size = max(settings.batch_size + 1, needed)
        while smallest_batch(rows, size) < needed:
            size += 1
        return size, [
            f"Batches have {size} rows instead of {settings.batch_size}, so that batch normalisation never meets a batch of one row."
        ]
    return settings.batch_size, []


def _folder(settings: Settings, source: str) -> Path:
    """A new, empty folder for the run."""
    if settings.out is not None:
        folder = settings.out
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(
                f"{folder} exists and is not empty: choose another --out, nothing is overwritten."
            )
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    stem = re.sub(r"[^\w.-]+", "-", Path(source).stem) or "run"
    base = Path("runs")
    base.mkdir(exist_ok=True)
    number = 1
    while True:
        folder = base / f"{stem}-{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def _result(
    settings: Settings,
    prepared: Prepared,
    model: Model,
    notes: list[str],
    folder: Path,
    seconds: float,
) -> tuple[dict[str, Any], Judged | None]:
    history, target, split = model.history, prepared.target, prepared.split
    assert history is not None
    judged = {
        part: judge(model, *prepared.part(part))
        for part in ("train", "validation", "test")
        if len(getattr(split, part))
    }
    test = judged.get("test")
    names = class_names(target)
    result: dict[str, Any] = {
        "source": settings.source,
        "origin": prepared.source.origin,
        "task": target.task,
        "target": prepared.target_name,
        "classes": names,
        "rows": {part: len(getattr(split, part)) for part in ("train", "validation", "test")},
        "held_out": split.held_out,
        "validation_held_out": split.validation_held_out,
        **{
            part: judged[part].scores if part in judged else None
            for part in ("train", "validation", "test")
        },
        "baseline": None if test is None else baseline(target, prepared.part("train")[1], test),
        "per_class": None,
        "confusion": None,
        "epochs": len(history.epoch),
        "best_epoch": history.best_epoch,
        "stopped_because": history.stopped_because,
        "seconds": seconds,
        "training_seconds": history.seconds,
        "run": str(folder),
        "seed": settings.seed,
        "settings": settings.as_dict(),
        "network": [
            {k: r[k] for k in ("layer", "output_shape", "parameters")} for r in model.describe()
        ],
        "parameters": model.count_params(),
        "columns": [
            {
                "name": c.name,
                "kind": c.kind,
                "missing": c.missing,
                "unique": c.unique,
                "note": c.note,
            }
            for c in prepared.preprocessing.report()
        ],
        "notes": [*prepared.notes, *notes],
        "versions": storage.versions(),
        "command": settings.command(),
    }
    if test is not None and test.task == "classification" and names is not None:
        result["per_class"] = metrics.per_class(test.targets, test.predicted, names)
        result["confusion"] = metrics.confusion(test.targets, test.predicted, len(names))
    return result, test


def _write(outcome: Outcome) -> None:
    """result.json, history.csv, predictions.parquet and report.html, beside the model."""
    history = outcome.model.history
    assert history is not None
    columns = {"epoch": history.epoch, **history.history}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    folder = outcome.folder
    storage.write_bytes(folder / "history.csv", text.getvalue().encode())
    storage.write_bytes(folder / "result.json", to_json(outcome.result).encode())
    if outcome.test is not None:
        prepared, test = outcome.prepared, outcome.test
        rows = prepared.rows[prepared.split.test]
        frame = prediction_frame(
            outcome.model, test.probabilities, test.predicted, rows, prepared.part("test")[1]
        )
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        storage.write_bytes(folder / "predictions.parquet", buffer.getvalue())
    shown = _shown(outcome)
    report.write_report(
        folder / "report.html", outcome.result, {k: list(v) for k, v in columns.items()}, shown
    )


def _shown(outcome: Outcome) -> Predictions | None:
    """The test rows for the page, with pictures of the worst where rows are images."""
    from dataclasses import replace

    test, prepared = outcome.test, outcome.prepared
    if test is None:
        return None
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


def prediction_frame(
    model: Model, probabilities: Any, predicted: Any, rows: Any, truth: Any = None
) -> Any:
    """A polars table: row number, true value where known, prediction, and the probability of each class."""
    import polars as pl

    target = model.target
    assert target is not None
    columns: dict[str, Any] = {"row": rows}
    name = target.name or "target"
    if truth is not None:
        columns |= _columns(name, np.asarray(truth))
    if target.classes is not None:
        labels = np.array(target.classes, dtype=object)
        columns["prediction"] = labels[predicted].tolist()
        for i, label in enumerate(target.classes):
            columns[f"probability {label}"] = probabilities[:, i]
    else:
        columns |= _columns("prediction", np.asarray(predicted))
    return pl.DataFrame(columns)


def _columns(name: str, values: Any) -> dict[str, Any]:
    if values.ndim == 1:
        return {name: values.tolist()}
    return {f"{name}_{i}": values[:, i] for i in range(values.shape[1])}


def to_json(result: Any) -> str:
    """JSON text in which what is not a finite number is null."""

    def clean(item: Any) -> Any:
        if isinstance(item, dict):
            return {k: clean(v) for k, v in item.items()}
        if isinstance(item, (list, tuple)):
            return [clean(v) for v in item]
        if isinstance(item, float) and not np.isfinite(item):
            return None
        return item

    return json.dumps(clean(result), indent=1, ensure_ascii=False)


__all__ = ["Outcome", "prediction_frame", "run", "to_json"]
