"""From a source to rows that are split into training, validation and test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import data
from chainrule.data import Preprocessing, Source, Split, Target
from chainrule.data.columns import SPLIT_NOTE
from chainrule.errors import DataError
from chainrule.experiment.judging import Predicted, predict
from chainrule.experiment.reading import Rows, read
from chainrule.experiment.settings import Settings
from chainrule.model import Model

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Prepared:
    """Raw features (a polars frame or an array) and targets of all rows, and what was learnt from the training rows."""

    source: Source
    target_name: str | None
    features: Any
    values: Array
    rows: Array  # each row's number in its file
    files: tuple[tuple[str, Any], ...]  # features of the files as they were read
    first_file: int  # so many rows come from the first file
    split: Split
    preprocessing: Preprocessing
    target: Target
    notes: tuple[str, ...]

    def part(self, which: str) -> tuple[Any, Array]:
        """Features and target values of `train`, `validation` or `test`."""
        index = getattr(self.split, which)
        return self.features[index], self.values[index]

    def predicted(self, model: Model) -> Predicted:
        """What the model says about every row, to the bit what it says about the whole files.

        A row's last bits may depend on the rows that share its batch.
        """
        places = np.split(self.rows, [self.first_file])
        found = [
            predict(model, features).rows(place)
            for (_, features), place in zip(self.files, places, strict=False)
        ]
        said = np.concatenate([each.said for each in found])
        shares = [each.probabilities for each in found if each.probabilities is not None]
        return Predicted(said, np.concatenate(shares) if shares else None)


def prepare(settings: Settings) -> Prepared:
    """Read, split and prepare; everything is learnt from the training rows alone.

    All rows are looked at once before training, so that a value nobody can read, or a class that
    only the test rows have, is told now and not an hour later.
    """
    rows = read(settings)
    task = data.infer_task(rows.values) if settings.task == "auto" else settings.task
    split = _split(settings, rows, task)
    preprocessing = _fit(rows, split)
    rows.each_file(preprocessing.transform)
    target = Target.fit(
        rows.values[split.train],
        task=task,  # type: ignore[arg-type]
        log=settings.log_target,
        name=rows.target_name,
    )
    target.encode(rows.values)
    return Prepared(
        rows.source,
        rows.target_name,
        rows.features,
        rows.values,
        rows.numbers,
        rows.files,
        len(rows.values) if rows.official is None else rows.official,
        split,
        preprocessing,
        target,
        (*rows.notes, *_hints(settings, preprocessing)),
    )


def _fit(rows: Rows, split: Split) -> Preprocessing:
    def fit(features: Any) -> Preprocessing:
        return Preprocessing.fit(features, image=rows.source.image_shape is not None)

    try:
        return fit(rows.features[split.train])
    except DataError:
        rows.each_file(fit)  # the same trouble, told with the row's number in its file
        raise


def _split(settings: Settings, rows: Rows, task: str) -> Split:
    """The split; where the rows come with a test set of their own, only validation rows are drawn."""
    count = len(rows.values) if rows.official is None else rows.official
    labels = rows.values[:count] if task == "classification" and rows.values.ndim == 1 else None
    columns = {name: column[:count] for name, column in rows.splitting.items()}
    split = data.split_rows(
        count,
        labels=labels,
        test=settings.test if rows.official is None else 0.0,
        validation=settings.validation,
        seed=settings.seed,
        fold=settings.test_fold,
        split_column=columns.get("split_column"),
        groups=columns.get("group_column"),
        times=columns.get("time_column"),
    )
    if rows.official is None:
        return split
    test = np.arange(count, len(rows.values))
    return Split(split.train, split.validation, test, rows.held_out, split.validation_held_out)


def _hints(settings: Settings, preprocessing: Preprocessing) -> list[str]:
    if settings.split_column is not None:
        return []
    return [
        f"Column {column.name!r} is named like a split column but is learnt from: "
        "--split-column or --drop would set it apart."
        for column in preprocessing.report()
        if SPLIT_NOTE in column.note and column.used
    ]
