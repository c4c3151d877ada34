"""Which rows a network learns from, which decide when to stop, and which judge it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.data.frames import as_values, missing_values
from chainrule.data.values import days
from chainrule.errors import DataError, ShapeError, UsageError
from chainrule.random import Stream, permutation

_TEST, _VALIDATION = Stream.SPLIT.at(0), Stream.SPLIT.at(1)

_TRAIN_WORDS = ("train", "training")
_VALIDATION_WORDS = ("validation", "val", "valid", "dev")
_TEST_WORDS = ("test", "testing", "holdout")


@dataclass(frozen=True)
class Split:
    """Row numbers (int64, ascending) of the three parts, and how they came about in words."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    held_out: str
    validation_held_out: str


def split_rows(
    rows: int,
    *,
    labels: Any = None,
    test: float = 0.2,
    validation: float = 0.1,
    seed: int = 0,
    split_column: Any = None,
    fold: int | str | None = None,
    groups: Any = None,
    times: Any = None,
) -> Split:
    """Divide `rows` rows in training, validation and test rows.

    The test rows are those a `split_column` names (train/test, perhaps validation; or the fold
    number `fold`), else the fraction `test`: whole `groups`, or the latest by `times`, or at
    random, each class in proportion where `labels` are given. The validation rows are the
    fraction `validation` of what is left, by the same rule. A fraction of 0 holds out nothing.

    Raises UsageError for settings that contradict each other, DataError where a part would be
    empty or a column does not fit.
    """
    for fraction, called in ((test, "test"), (validation, "validation")):
        _check_fraction(fraction, called)
    if groups is not None and times is not None:
        raise UsageError("Rows cannot be split by group and by time at once: choose one.")
    if fold is not None and split_column is None:
        raise UsageError(f"The test fold {fold} needs a column of fold numbers: name the column.")
    columns = {
        "labels": labels,
        "split column": split_column,
        "groups": groups,
        "times": times,
    }
    arrays = {name: _column(name, values, rows) for name, values in columns.items()}
    shown = None if times is None else as_values(times)
    rule = _Rule(arrays["labels"], arrays["groups"], arrays["times"], shown, seed)
    everything = np.arange(rows)
    marked = None
    if arrays["split column"] is not None:
        rest, marked, held, held_out = _by_column(arrays["split column"], fold)
    else:
        held, held_out = rule.hold_out(everything, test, _TEST, "testing")
        rest = np.setdiff1d(everything, held)
    if marked is not None and marked.size:
        validation_held_out = "the rows that the split column marks for validation"
    else:
        marked, validation_held_out = rule.hold_out(rest, validation, _VALIDATION, "validation")
        rest = np.setdiff1d(rest, marked)
    return Split(rest, marked, held, held_out, validation_held_out)


def validation_split(
    rows: int, *, labels: Any = None, fraction: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation rows (int64, ascending), drawn at random.

    At least one validation row where `fraction` is above 0, each class in proportion where
    `labels` are given. Raises DataError where no row would be left for training.
    """
    _check_fraction(fraction, "validation")
    rule = _Rule(_column("labels", labels, rows), None, None, None, seed)
    held, _ = rule.hold_out(np.arange(rows), fraction, _VALIDATION, "validation")
    return np.setdiff1d(np.arange(rows), held), held


def random_sentence(fraction: float, *, stratified: bool, seed: int, rows: str = "rows") -> str:
    """How a random part was drawn: "20 % of the rows at random, stratified by class (seed 0)"."""
    how = ", stratified by class" if stratified else ""
    return f"{100 * fraction:g} % of the {rows} at random{how} (seed {seed})"


@dataclass(frozen=True)
class _Rule:
    """What decides which rows are held out."""

    labels: np.ndarray | None
    groups: np.ndarray | None
    times: np.ndarray | None
    shown_times: np.ndarray | None
    seed: int

    def hold_out(
        self, rows: np.ndarray, fraction: float, stream: int, purpose: str
    ) -> tuple[np.ndarray, str]:
        """About `fraction` of the given rows, ascending, and a sentence."""
        if fraction == 0:
            return np.empty(0, dtype=np.int64), f"no rows were held out for {purpose}"
        if len(rows) < 2:
            raise DataError(
                f"{len(rows)} row{'s' if len(rows) != 1 else ''} cannot be divided: at least one "
                f"row for {purpose} and one for training are needed; give more rows, or hold out "
                f"none for {purpose}."
            )
        count = min(max(1, round(fraction * len(rows))), len(rows) - 1)
        if self.groups is not None:
            held, number = _whole_groups(self.groups[rows], count, self.seed, stream, purpose)
            sentence = (
                f"{number} whole groups at random, {_share(len(held), len(rows))} "
                f"(seed {self.seed})"
            )
        elif self.times is not None and self.shown_times is not None:
            held = _latest(self.times[rows], count, purpose)
            first = self.shown_times[rows[held][np.argmin(self.times[rows[held]])]]
            sentence = f"the latest rows, from {first} on, {_share(len(held), len(rows))}"
        else:
            order = permutation(self.seed, 0, stream, len(rows))
            held, stratified = order[:count], False
            if self.labels is not None:
                drawn = _stratified(self.labels[rows], count, order)
                # Where every class has a single row, none can be spared: plain chance it is.
                held, stratified = (drawn, True) if drawn.size else (held, False)
            of = "remaining rows" if purpose == "validation" else "rows"
            sentence = random_sentence(fraction, stratified=stratified, seed=self.seed, rows=of)
        return np.sort(rows[held]), sentence


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} rows ({100 * part / whole:.0f} %)"


def _stratified(labels: np.ndarray, count: int, order: np.ndarray) -> np.ndarray:
    """Positions of `count` rows, each class in proportion, none losing its last row.

    Quotas are rounded by largest remainder (Hamilton); empty where no class has a row to spare.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    sizes = np.bincount(codes)
    spare = sizes - 1
    count = min(count, int(spare.sum()))
    quotas = sizes * (count / len(labels))
    taken = np.minimum(np.floor(quotas).astype(np.int64), spare)
    # Largest remainder first; ties go to the larger class, then to the first in order.
    ranked = np.lexsort((np.arange(len(classes)), -sizes, -(quotas - taken)))
    while (lacking := count - int(taken.sum())) > 0:
        able = [c for c in ranked.tolist() if taken[c] < spare[c]]
        taken[able[:lacking]] += 1
    by_class = order[np.argsort(codes[order], kind="stable")]
    starts = np.cumsum(sizes) - sizes
    rank = np.arange(len(labels)) - np.repeat(starts, sizes)
    return by_class[rank < np.repeat(taken, sizes)]


def _whole_groups(
    groups: np.ndarray, count: int, seed: int, stream: int, purpose: str
) -> tuple[np.ndarray, int]:
    """Positions of whole groups in random order until `count` rows are nearly met; how many."""
    names, codes = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise DataError(
            f"All rows belong to one group ({names[0]}): no group can be held out for {purpose}; "
            "choose another column."
        )
    sizes = np.bincount(codes)
    order = permutation(seed, 0, stream, len(names))
    # A group is taken while that brings the number of rows nearer to what was asked for.
    taken: list[int] = []
    total = 0
    for group in order.tolist():
        nearer = abs(total + int(sizes[group]) - count) < abs(total - count)
        if nearer and len(taken) < len(names) - 1:
            taken.append(group)
            total += int(sizes[group])
    if not taken:
        taken = [int(order[np.argmin(sizes[order])])]
    return np.flatnonzero(np.isin(codes, taken)), len(taken)


def _latest(times: np.ndarray, count: int, purpose: str) -> np.ndarray:
    """Positions of about the `count` latest rows; rows of one moment stay together."""
    moments, sizes = np.unique(times, return_counts=True)
    if len(moments) < 2:
        raise DataError(
            f"All rows have the same time: no later ones can be held out for {purpose}; "
            "choose another column."
        )
    later = len(times) - np.cumsum(sizes)[:-1]  # rows after each moment but the last
    cut = int(np.argmin(np.abs(later - count)))
    return np.flatnonzero(times > moments[cut])


def _by_column(
    values: np.ndarray, fold: int | str | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """Training, validation and test rows as a column has them, and a sentence."""
    words = np.array([_plain(value) for value in values.tolist()])
    present = sorted(set(words.tolist()))
    shown = ", ".join(present[:20]) + (", …" if len(present) > 20 else "")
    if fold is not None:
        held = np.flatnonzero(words == _plain(fold))
        if held.size in (0, len(words)):
            what = "no row" if held.size == 0 else "every row"
            raise DataError(f"In the split column, {what} belongs to fold {fold}. Folds: {shown}.")
        return np.flatnonzero(words != _plain(fold)), held[:0], held, f"fold {fold}"
    known = (*_TRAIN_WORDS, *_VALIDATION_WORDS, *_TEST_WORDS)
    strange = [word for word in present if word not in known]
    if strange:
        raise DataError(
            f"The split column holds {shown}: it must hold train and test (and perhaps "
            "validation), or fold numbers; then say which is the test fold (--test-fold)."
        )
    train, validation, test = (
        np.flatnonzero(np.isin(words, names))
        for names in (_TRAIN_WORDS, _VALIDATION_WORDS, _TEST_WORDS)
    )
    if train.size == 0 or test.size == 0:
        raise DataError(
            f"The split column holds {shown}: it must name rows for train and rows for test."
        )
    return train, validation, test, "the rows that the split column marks for testing"


def _plain(value: Any) -> str:
    """A word of a split column: lower case, whole numbers without .0."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value).strip().lower()


def _check_fraction(fraction: float, called: str) -> None:
    if not 0 <= fraction < 1:
        raise UsageError(
            f"The {called} fraction {fraction:g} is out of range: give a number from 0 up to, "
            "but not including, 1."
        )


def _column(name: str, values: Any, rows: int) -> np.ndarray | None:
    """A column as an array that can be sorted and has no gaps."""
    if values is None:
        return None
    array, column = as_values(values), getattr(values, "name", None)
    if array.shape != (rows,):
        raise ShapeError(f"The {name} should have the shape ({rows},), not {array.shape}.")
    if missing := int(missing_values(array).sum()):
        which = name if column is None else f"{name} {column!r}"
        raise DataError(
            f"{missing:,} of {rows:,} values {'is' if missing == 1 else 'are'} missing from the "
            f"{which}: remove these rows or fill in the values."
        )
    if array.dtype.kind not in "OU":
        return array
    words = array.astype(str)
    return _moments(words, column or "time") if name == "times" else words


def _moments(words: np.ndarray, column: str) -> np.ndarray:
    """Times written as text to days; numbers written as text to numbers."""
    import polars as pl

    series = pl.Series(column, words.tolist())
    numbers = series.cast(pl.Float64, strict=False)
    if numbers.null_count() == 0:
        return numbers.to_numpy()
    return days(series).to_numpy()
