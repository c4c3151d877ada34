"""The rows of an experiment: a source, perhaps with a test set of its own, its target set apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule import data
from chainrule.data import Source
from chainrule.data.columns import TARGET_NAMES, no_such_column
from chainrule.errors import DataError, UsageError
from chainrule.experiment.settings import Settings, option

Array = np.ndarray[Any, Any]

_SPLITTING = ("split_column", "group_column", "time_column")


@dataclass(frozen=True)
class Rows:
    """All rows: raw features (a polars frame or an array) and target values.

    The first `official` rows are for training and validation and the others are the test, as
    `held_out` says; None where the test rows are still to be drawn.
    """

    source: Source
    target_name: str | None
    features: Any
    values: Array
    numbers: Array  # each row's number in its file
    official: int | None = None
    held_out: str = ""
    splitting: dict[str, Any] = field(default_factory=dict)  # by the setting that names the column
    files: tuple[tuple[str, Any], ...] = ()  # the features of each file as they were read
    notes: tuple[str, ...] = ()

    def each_file(self, work: Callable[[Any], object]) -> None:
        """Do some work on the features of each file; a DataError says in which file it was."""
        for name, features in self.files:
            try:
                work(features)
            except DataError as error:
                where = f"In {name}: " if len(self.files) > 1 else ""
                raise DataError(f"{where}{error}") from error


def read(settings: Settings) -> Rows:
    """Read the source, and the test file where one is named."""
    source = data.load_source(settings.source, data_dir=settings.data_dir)
    test = None
    if settings.test_file is not None:
        test = data.load_source(settings.test_file, data_dir=settings.data_dir)
        if test.is_table != source.is_table:
            kinds = ("an array", "a table")
            raise DataError(
                f"--test-file {settings.test_file} holds {kinds[test.is_table]}, but "
                f"{settings.source} {kinds[source.is_table]}: both must be of one kind."
            )
    return (
        _of_table(settings, source, test) if source.is_table else _of_array(settings, source, test)
    )


def _of_table(settings: Settings, source: Source, test: Source | None) -> Rows:
    frame: Any = source.features
    name = _target_name(settings, source)
    aside = {k: column for k in _SPLITTING if (column := getattr(settings, k)) is not None}
    for setting, column in [*aside.items(), *(("drop", column) for column in settings.drop)]:
        if column not in frame.columns:
            raise no_such_column(column, frame.columns)
        if column == name:
            raise UsageError(
                f"{option(setting)} names the target {name!r} itself: name another column."
            )
    notes = [
        f"Column {c!r} says how rows are split and is not learnt from." for c in aside.values()
    ]
    unused = [name, *dict.fromkeys([*aside.values(), *settings.drop])]
    if set(frame.columns) == set(unused):
        raise DataError(
            f"{source.name} has no column left to learn from besides the target {name!r}."
        )
    files = [(settings.source, frame.drop(unused))]
    numbers, official = np.arange(len(frame)), None
    if test is not None:
        more = _like(frame, test, str(settings.test_file))
        files.append((str(settings.test_file), more.drop(unused)))
        numbers = np.concatenate([numbers, np.arange(len(more))])
        official, frame = len(frame), _joined(frame, more, str(settings.test_file))
    present = has_value(frame[name])
    if not present.any():
        raise DataError(
            f"Column {name!r} of {source.name} has no value in any row: choose another target."
        )
    if not present.all():
        gone = int(np.count_nonzero(~present))
        notes.append(
            f"{gone:,} row{'s' if gone > 1 else ''} without a value of {name!r} "
            f"{'were' if gone > 1 else 'was'} left out."
        )
        official = None if official is None else int(np.count_nonzero(present[:official]))
        numbers, frame = numbers[present], frame.filter(present)
    return Rows(
        source,
        name,
        frame.drop(unused),
        data.as_values(frame[name]),
        numbers,
        official,
        f"all rows of {settings.test_file}",
        {setting: frame[column] for setting, column in aside.items()},
        tuple(files),
        tuple(notes),
    )


def _of_array(settings: Settings, source: Source, test: Source | None) -> Rows:
    for setting in ("target", *_SPLITTING, "drop"):
        if getattr(settings, setting):
            raise UsageError(
                f"{option(setting)} names a column, but {source.name} is an array without column names."
            )
    features, values = _array(source)
    held, held_out, notes = source.test, "", []
    if held is not None:
        held_out = "the official test set"
        if settings.test != Settings.test:
            notes.append(f"{source.name} has an official test set, so --test is of no use.")
    if test is not None:
        held, held_out = _array(test), f"all rows of {settings.test_file}"
    files = [(settings.source, features)]
    numbers, official = np.arange(len(features)), None
    if held is not None:
        if held[0].shape[1:] != features.shape[1:]:
            raise DataError(
                f"The rows of {settings.test_file} have {held[0].shape[1]} columns, those of "
                f"{settings.source} {features.shape[1]}: they must be equal."
            )
        files.append((settings.test_file or f"{source.name}'s test set", held[0]))
        official = len(features)
        numbers = np.concatenate([numbers, np.arange(len(held[0]))])
        features = np.concatenate([features, held[0]])
        values = _both(values, held[1], held_out)
    return Rows(
        source,
        None,
        features,
        values,
        numbers,
        official,
        held_out,
        files=tuple(files),
        notes=tuple(notes),
    )


def _target_name(settings: Settings, source: Source) -> str:
    frame: Any = source.features
    given = settings.target or source.target_name
    if given is not None:
        return data.find_target(frame, given)
    found = [name for name in frame.columns if name.strip().lower() in TARGET_NAMES]
    if len(found) == 1:
        return str(found[0])
    trouble = (
        f"More than one column of {source.name} could be the target"
        if found
        else f"No column of {source.name} is called {', '.join(TARGET_NAMES[:-1])} or {TARGET_NAMES[-1]}"
    )
    raise UsageError(f"{trouble}: give --target with one of {', '.join(frame.columns)}.")


def has_value(column: Any) -> Array:
    """Where a column has a value."""
    missing = column.is_null()
    if column.dtype.is_float():
        missing = missing | column.is_nan().fill_null(False)
    found: Array = ~missing.to_numpy()
    return found


def _like(frame: Any, test: Source, path: str) -> Any:
    """The table of a test file, with the columns of the training table."""
    table: Any = test.features
    missing = [column for column in frame.columns if column not in table.columns]
    if missing:
        raise DataError(
            f"--test-file {path} lacks the column{'s' if len(missing) > 1 else ''} "
            f"{', '.join(missing)}: it needs those of the training data."
        )
    return table.select(frame.columns)


def _joined(frame: Any, more: Any, path: str) -> Any:
    import polars as pl

    for name in frame.columns:
        try:
            pl.concat([frame[name].to_frame(), more[name].to_frame()], how="vertical_relaxed")
        except (pl.exceptions.PolarsError, TypeError):
            raise DataError(
                f"Column {name!r} holds {more[name].dtype} values in {path}, but "
                f"{frame[name].dtype} values in the training data: make them alike."
            ) from None
    return pl.concat([frame, more], how="vertical_relaxed")


def _array(source: Source) -> tuple[Array, Array]:
    if source.target is None:
        raise DataError(
            f"{source.name} holds no target to learn: in an .npz file it is an array called y."
        )
    return np.asarray(source.features), np.asarray(source.target)


def _both(values: Array, more: Array, which: str) -> Array:
    if values.ndim != more.ndim or values.shape[1:] != more.shape[1:]:
        raise DataError(
            f"The training targets have shape {values.shape}, those of {which} {more.shape}: "
            "all but the number of rows must be equal."
        )
    return np.concatenate([values, more])
