"""What a run found out: the document that becomes result.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule import metrics, storage
from chainrule.experiment.judging import Judged, baseline, class_names, task_of
from chainrule.experiment.preparing import Prepared
from chainrule.experiment.settings import Settings
from chainrule.model import Model

PARTS = ("train", "validation", "test")


def result_document(
    settings: Settings,
    prepared: Prepared,
    model: Model,
    judged: Mapping[str, Judged],
    *,
    notes: tuple[str, ...],
    folder: Path,
    seconds: float,
) -> dict[str, Any]:
    """Everything about a run as JSON data; `judged` holds the parts that have rows."""
    history, target, split = model.history, prepared.target, prepared.split
    assert history is not None
    test, names = judged.get("test"), class_names(target)
    by_class: dict[str, Any] = {"per_class": None, "confusion": None}
    if test is not None and names is not None:
        by_class = {
            "per_class": metrics.per_class(test.targets, test.predicted, names),
            "confusion": metrics.confusion(test.targets, test.predicted, len(names)),
        }
    return {
        "source": settings.source,
        "name": prepared.source.name,
        "origin": prepared.source.origin,
        "task": task_of(target),
        "target": prepared.target_name,
        "classes": names,
        "rows": {part: len(getattr(split, part)) for part in PARTS},
        "held_out": split.held_out,
        "validation_held_out": split.validation_held_out,
        **{part: judged[part].scores if part in judged else None for part in PARTS},
        "baseline": None if test is None else baseline(target, prepared.part("train")[1], test),
        **by_class,
        "epochs": len(history.epoch),
        "best_epoch": history.best_epoch,
        "stopped_because": history.stopped_because,
        "seconds": seconds,
        "training_seconds": history.seconds,
        "run": str(folder),
        "seed": settings.seed,
        "settings": settings.as_dict(),
        "inputs": prepared.preprocessing.width,
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
        "notes": list(notes),
        "versions": storage.versions(),
        "command": settings.command(),
    }
