"""The examples of one call of `fit`: what to learn from, and what is held out to judge by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from chainrule import data
from chainrule.engines.program import Array
from chainrule.errors import UsageError


@dataclass(frozen=True)
class Split:
    """The rows to train on, those held out of them, and a sentence on how those were chosen."""

    training: Array
    held_out: Array
    words: str


@dataclass(frozen=True)
class Examples:
    """Examples as the caller of `fit` gave them. Validation is asked for in one way, or not at all."""

    x: Any
    y: Any
    validation_split: float = 0.0
    validation_data: tuple[Any, ...] | None = None
    validation_rows: Any = None
    sample_weight: Any = None
    class_weight: Any = None

    def __post_init__(self) -> None:
        ways = (
            bool(self.validation_split),
            self.validation_data is not None,
            self.validation_rows is not None,
        )
        if sum(ways) > 1:
            raise UsageError(
                "Give validation_split, validation_data or validation_rows, only one of them."
            )

    def split(self, rows: int, labels: Array | None, seed: int) -> Split:
        """Of the `rows` rows of `x`; at random, each of the `labels` (rows,) in its proportion."""
        everything = np.arange(rows)
        if self.validation_split:
            training, held_out = data.validation_split(
                rows, labels=labels, fraction=self.validation_split, seed=seed
            )
            # where every class has a single row, none can be spared, and chance decides
            stratified = labels is not None and len(np.unique(labels)) < rows
            words = data.random_sentence(self.validation_split, stratified=stratified, seed=seed)
            return Split(training, held_out, words)
        if self.validation_rows is not None:
            held_out = _row_numbers(self.validation_rows, rows)
            words = f"{len(held_out)} rows chosen by the caller"
            return Split(np.setdiff1d(everything, held_out), held_out, words)
        of_their_own = self.validation_data is not None
        words = "given by the caller" if of_their_own else "no rows are held out"
        return Split(everything, np.arange(0), words)

    def judged_by(self) -> tuple[Any, Any, Any]:
        """`validation_data` as x, y and sample weights."""
        found = self.validation_data
        if not isinstance(found, (list, tuple)) or len(found) not in (2, 3):
            raise UsageError("validation_data is (x, y) or (x, y, sample_weight).")
        x, y, *weights = found
        return x, y, weights[0] if weights else None


def _row_numbers(chosen: Any, rows: int) -> Array:
    """The numbers of some of `rows` rows, from their numbers or from a mask, without repetition."""
    found = np.asarray(chosen)
    if found.dtype == bool and found.shape == (rows,):
        return cast(Array, np.flatnonzero(found))
    if found.ndim != 1 or found.dtype.kind not in "iu" or not len(found):
        raise UsageError(
            f"validation_rows are row numbers, or true/false for each of {rows} rows, not {chosen!r:.60}."
        )
    if found.min() < 0 or found.max() >= rows:
        wrong = found.min() if found.min() < 0 else found.max()
        raise UsageError(f"validation_rows names row {wrong}, but x has rows 0 to {rows - 1}.")
    return np.unique(found)
