"""From a source to rows that are split into training, validation and test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import data
from chainrule.data import Preprocessing, Source, Split, Target
from chainrule.errors import DataError, UsageError
from chainrule.experiment.settings import Settings

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Prepared:
    """Raw features (a polars frame or an array) and targets of all rows, and what was learnt from the training rows."""

    source: Source
    target_name: str | None
    features: Any
    values: Array
    rows: Array  # each row's number in the source
    split: Split
    preprocessing: Preprocessing
    target: Target
    notes: tuple[str, ...]

    def part(self, which: str) -> tuple[Any, Array]:
        """Features and target values of `train`, `validation` or `test`."""
        index = getattr(self.split, which)
        return self.features[index], self.values[index]


def prepare(settings: Settings) -> Prepared:
    """Read, split and prepare; everything is learnt from the training rows alone."""
    source = data.load_source(settings.source, data_dir=settings.data_dir)
    if source.is_table:
        return _prepare_table(settings, source)
    return _prepare_array(settings, source)


def _prepare_table(settings: Settings, source: Source) -> Prepared:
    frame: Any = source.features
    name = data.find_target(frame, settings.target or source.target_name)
    notes: list[str] = []
    official = None
    if settings.test_file:
        more = data.load_source(settings.test_file, data_dir=settings.data_dir)
        frame, official = _with_test_file(frame, more, settings.test_file)
    numbers = np.arange(len(frame))
    missing = frame[name].is_null().to_numpy()
    if frame[name].dtype.is_float():
        missing = missing | frame[name].is_nan().fill_null(False).to_numpy()
    if missing.any():
        notes.append(f"{int(missing.sum()):,} rows without a value of {name!r} were left out.")
        numbers = numbers[~missing]
        frame = frame[numbers]
        official = None if official is None else int(np.count_nonzero(~missing[:official]))
    aside = {
        option: column
        for option, column in (
            ("--split-column", settings.split_column),
            ("--group-column", settings.group_column),
            ("--time-column", settings.time_column),
        )
        if column is not None
    }
    for option, column in aside.items():
        if column not in frame.columns:
            raise DataError(
                f"{option} {column!r} is no column of {source.name}: the columns are {_listed(frame.columns)}."
            )
        if column == name:
            raise UsageError(f"{option} {column!r} is the target itself: name another column.")
        notes.append(f"Column {column!r} says how rows are split and is not learnt from.")
    for column in settings.drop:
        if column not in frame.columns:
            raise DataError(
                f"--drop {column!r} is no column of {source.name}: the columns are {_listed(frame.columns)}."
            )
    values = data.as_values(frame[name])
    task = data.infer_task(values) if settings.task == "auto" else settings.task
    labels = values if task == "classification" else None
    split = _split(
        settings,
        len(frame),
        labels,
        official=official,
        held_out=f"all rows of {settings.test_file}" if settings.test_file else "",
        split_column=_column(frame, settings.split_column),
        groups=_column(frame, settings.group_column),
        times=_column(frame, settings.time_column),
    )
    features = frame.drop([name, *dict.fromkeys([*aside.values(), *settings.drop])])
    if not features.columns:
        raise DataError(
            f"{source.name} has no column left to learn from besides the target {name!r}."
        )
    preprocessing = Preprocessing.fit(features[split.train])
    target = Target.fit(values[split.train], task=task, log=settings.log_target, name=name)  # type: ignore[arg-type]
    return Prepared(
        source, name, features, values, numbers, split, preprocessing, target, tuple(notes)
    )


def _prepare_array(settings: Settings, source: Source) -> Prepared:
    tabular = {
        "--target": settings.target,
        "--split-column": settings.split_column,
        "--group-column": settings.group_column,
        "--time-column": settings.time_column,
        "--drop": settings.drop or None,
    }
    for option, given in tabular.items():
        if given is not None:
            raise UsageError(
                f"{option} names a column, but {source.name} is an array without column names."
            )
    features, values = np.asarray(source.features), np.asarray(source.target)
    official, held_out, test = None, "", source.test
    if settings.test_file:
        more = data.load_source(settings.test_file, data_dir=settings.data_dir)
        if more.is_table or more.target is None:
            raise DataError(
                f"--test-file {settings.test_file} must be an array source like {source.name}."
            )
        test, held_out = (
            (np.asarray(more.features), more.target),
            f"all rows of {settings.test_file}",
        )
    if test is not None:
        official = len(features)
        held_out = held_out or f"the official test set, {len(test[0]):,} rows"
        if test[0].shape[1:] != features.shape[1:]:
            raise DataError(
                f"Training rows have shape {features.shape[1:]}, test rows {test[0].shape[1:]}."
            )
        features, values = np.concatenate([features, test[0]]), np.concatenate([values, test[1]])
    task = data.infer_task(values) if settings.task == "auto" else settings.task
    labels = values if task == "classification" and values.ndim == 1 else None
    split = _split(settings, len(features), labels, official=official, held_out=held_out)
    preprocessing = Preprocessing.fit(features[split.train], image=source.image_shape is not None)
    target = Target.fit(values[split.train], task=task, log=settings.log_target)  # type: ignore[arg-type]
    return Prepared(
        source, None, features, values, np.arange(len(features)), split, preprocessing, target, ()
    )


def _split(
    settings: Settings,
    rows: int,
    labels: Any,
    *,
    official: int | None,
    held_out: str,
    **columns: Any,
) -> Split:
    """The split; where `official` rows come before a test set of its own, only validation rows are drawn."""
    if settings.test_fold is not None and settings.split_column is None:
        raise UsageError(
            "--test-fold needs --split-column, the column that holds the fold numbers."
        )
    if official is None:
        return data.split_rows(
            rows,
            labels=labels,
            test=settings.test,
            validation=settings.validation,
            seed=settings.seed,
            fold=settings.test_fold,
            **columns,
        )
    head = {k: None if v is None else v[:official] for k, v in columns.items()}
    inner = data.split_rows(
        official,
        labels=None if labels is None else labels[:official],
        test=0.0,
        validation=settings.validation,
        seed=settings.seed,
        **head,
    )
    return Split(
        inner.train,
        inner.validation,
        np.arange(official, rows),
        held_out,
        inner.validation_held_out,
    )


def _with_test_file(frame: Any, more: Source, path: str) -> tuple[Any, int]:
    """The rows of both tables, and how many come from the first."""
    import polars as pl

    if not more.is_table:
        raise DataError(f"--test-file {path} must be a table like the training data.")
    table: Any = more.features
    missing = [c for c in frame.columns if c not in table.columns]
    if missing:
        raise DataError(f"--test-file {path} lacks the column(s) {_listed(missing)}.")
    try:
        both = pl.concat([frame, table.select(frame.columns)], how="vertical_relaxed")
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise DataError(
            f"The columns of {path} are of other kinds than the training table's: {error}."
        ) from error
    return both, len(frame)


def _column(frame: Any, name: str | None) -> Array | None:
    return None if name is None else data.as_values(frame[name])


def _listed(names: Any) -> str:
    return ", ".join(names)
