"""Raw rows to the network's inputs, as learnt from the training rows alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from chainrule.data.arrays import ArrayEncoder
from chainrule.data.columns import SPLIT_NOTE, Column, Kind, describe_columns, no_such_column
from chainrule.data.encoders import CategoryEncoder, NumberEncoder, encoder_from_json
from chainrule.data.frames import as_frame, is_frame
from chainrule.errors import DataError, ModelFileError


@dataclass(frozen=True)
class Preprocessing:
    """A table or an array to numbers (rows, width); part of the saved model.

    Tables: numbers and dates are standardised, categories one-hot (and whole numbers with few
    values both), booleans 0/1, missing values filled and marked; constant, identifier-like, empty
    and free-text columns are left out.
    Arrays: pixels are scaled to [0, 1], other columns standardised.
    """

    table: tuple[NumberEncoder | CategoryEncoder, ...] = ()
    array: ArrayEncoder | None = None
    described: tuple[Column, ...] = ()

    @classmethod
    def fit(
        cls,
        features: Any,
        *,
        drop: Sequence[str] = (),
        image: bool = False,
        kinds: Mapping[str, Kind] | None = None,
    ) -> Preprocessing:
        """Learn from the training rows, and from no others.

        `features` is any frame narwhals knows, a mapping from names to columns, or an array
        (rows, d) or (rows, h, w[, c]). `drop` names columns to leave out (the target, say);
        `image` declares the values of an array to be pixels; `kinds` overrules the inferred
        kinds of a table's columns.

        Raises DataError where no column is left to learn from or a value is infinite.
        """
        if not is_frame(features):
            return cls(array=ArrayEncoder.fit(features, image=image))
        frame = as_frame(features)
        for name in drop:
            if name not in frame.columns:
                raise no_such_column(name, frame.columns)
        if frame.height == 0:
            raise DataError("The table has no rows: there is nothing to learn from.")
        columns = describe_columns(frame.drop(drop), kinds=kinds)
        encoders: list[NumberEncoder | CategoryEncoder] = []
        described = []
        for column in columns:
            series = frame[column.name]
            if not column.used or column.missing == frame.height:
                described.append(column)
                continue
            encoder = (
                CategoryEncoder.fit(series)
                if column.kind == "category"
                else NumberEncoder.fit(series, column.kind, codes=column.note != SPLIT_NOTE)
            )
            encoders.append(encoder)
            note = "; ".join(filter(None, (column.note, encoder.note)))
            described.append(replace(column, note=note))
        if not any(encoder.feature_names for encoder in encoders):
            reasons = "; ".join(f"'{column.name}': {column.note}" for column in columns)
            raise DataError(
                f"No column is left to learn from ({reasons or 'the table has no other column'}): "
                "give a table with at least one column of numbers, categories or dates."
            )
        return cls(tuple(encoders), None, tuple(described))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns a table must have for `transform`; none for arrays."""
        return tuple(encoder.name for encoder in self.table)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name for each column of the result."""
        if self.array is not None:
            return self.array.feature_names
        return tuple(name for encoder in self.table for name in encoder.feature_names)

    @property
    def width(self) -> int:
        """The number of columns of the result."""
        return len(self.feature_names)

    def transform(self, features: Any, *, precision: str = "float32") -> np.ndarray:
        """The network's inputs, (rows, width) in C order, float32 or float64.

        A table may have more columns than needed, in any order. Raises DataError for missing
        columns and for values that are not of the kind they had in training, ShapeError for an
        array of another width.
        """
        if self.array is not None:
            return self.array.transform(features, precision=precision)
        if not is_frame(features):
            raise DataError(
                f"A table with the columns {', '.join(self.columns)} was expected, not an array "
                f"of shape {np.shape(features)}: give a frame, or a dictionary of columns."
            )
        frame = as_frame(features)
        absent = [name for name in self.columns if name not in frame.columns]
        if absent:
            raise DataError(
                f"The table lacks {len(absent)} of the {len(self.columns)} columns it was trained "
                f"on ({', '.join(absent)}): add them, empty where the values are unknown."
            )
        out = np.zeros((frame.height, self.width), dtype=precision)
        start = 0
        for encoder in self.table:
            stop = start + len(encoder.feature_names)
            encoder.encode(frame[encoder.name], out[:, start:stop])
            start = stop
        return out

    def report(self) -> list[Column]:
        """Every column it was given, with a note that says what is done with it."""
        return self.array.report() if self.array is not None else list(self.described)

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain values that `from_json` makes the same bits of."""
        if self.array is not None:
            return {"array": self.array.to_json()}
        return {
            "table": [encoder.to_json() for encoder in self.table],
            "described": [asdict(column) for column in self.described],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Preprocessing:
        """The preprocessing that `to_json` wrote down. Raises ModelFileError if it is damaged."""
        try:
            if "array" in document:
                return cls(array=ArrayEncoder.from_json(document["array"]))
            return cls(
                tuple(encoder_from_json(entry) for entry in document["table"]),
                None,
                tuple(
                    Column(**{**entry, "examples": tuple(entry["examples"])})
                    for entry in document["described"]
                ),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as trouble:
            raise ModelFileError(
                f"The preprocessing cannot be read ({type(trouble).__name__}: {trouble}): "
                "the model file is damaged or of another version of chainrule."
            ) from None
