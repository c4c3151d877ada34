"""Single rows of the data a run was trained on, or of another source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import data
from chainrule.errors import DataError, UsageError
from chainrule.experiment.evaluating import model_of
from chainrule.experiment.folder import RESULT, read_result
from chainrule.model import Model

Array = np.ndarray[Any, Any]


def chosen_rows(
    run: str, rows: Sequence[int], source: str | None = None, data_dir: str | None = None
) -> tuple[Model, Any, Array, str]:
    """A run's model, some rows as it takes them, their true values, and the source's name.

    `source` is that of the run if it is not given; rows are counted from 0, of an official training set
    where there is one.
    """
    model = model_of(run)
    name = _source_of(run) if source is None else source
    found = data.load_source(name, data_dir=data_dir)
    count = len(found.features)
    for row in rows:
        if not 0 <= row < count:
            raise UsageError(
                f"Row {row} does not exist: {name} has {count:,} rows, counted from 0 to {count - 1}."
            )
    index = np.array(rows)
    if not found.is_table:
        if found.target is None:
            raise DataError(f"{name} has no targets: a training step needs them.")
        return model, found.features[index], found.target[index], name
    frame: Any = found.features
    assert model.target is not None
    target = model.target.name or data.find_target(frame)
    if target not in frame.columns:
        raise DataError(
            f"{name} has no column {target!r}, which the model predicts: a training step needs it."
        )
    chosen = frame[index]
    values = data.as_values(chosen[target])
    if chosen[target].null_count():
        raise DataError(f"Column {target!r} has no value in the rows chosen: choose others.")
    return model, chosen.drop(target), values, name


def _source_of(run: str) -> str:
    place = Path(run)
    folder = place if place.is_dir() else place.parent
    if not (folder / RESULT).is_file():
        raise UsageError(f"{run} does not say what it was trained on: give --source.")
    return str(read_result(str(folder))["settings"]["source"])
