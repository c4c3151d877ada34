"""An array of rows to the array a network sees: one scale for pixels, else standardised."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.data.columns import Column
from chainrule.data.frames import as_values
from chainrule.data.scaling import mean_and_sd, standardised
from chainrule.errors import DataError, ShapeError


@dataclass(frozen=True)
class ArrayEncoder:
    """What an array's training rows taught.

    With a `scale`, values are divided by it (pixels); otherwise column j becomes
    (x - mean_j) / sd_j, drawn in beyond ±3, and 0 where all training values were equal.
    NaN is filled with `fill`, and marked by a 0/1 column where training had NaN too.
    """

    shape: tuple[int, ...]
    scale: float | None
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    fill: tuple[float, ...]
    indicators: tuple[int, ...]

    @classmethod
    def fit(cls, features: Any, *, image: bool = False) -> ArrayEncoder:
        """Learn from training rows (rows, d) or images (rows, h, w[, c]).

        Bytes are pixels. Their scale is 255, or the largest training value if that is below
        128 (digits of 0..16, masks of 0 and 1); that of other images their largest magnitude.
        Missing numbers are filled with the training median, missing pixels with 0.
        """
        array = _numeric(features)
        if array.ndim < 2:
            raise ShapeError(
                f"Features must be an array (rows, columns), not of shape {array.shape}: "
                "one column of n values is (n, 1), one row of n values (1, n)."
            )
        shape = array.shape[1:]
        flat = array.reshape(len(array), math.prod(shape))
        if flat.size == 0:
            raise DataError(
                f"There is nothing to learn from in an array of shape {array.shape}: "
                "give at least one row and one column."
            )
        gaps = _missing(flat)
        indicators = () if gaps is None else tuple(np.flatnonzero(gaps.any(axis=0)).tolist())
        if image or array.dtype in (np.uint8, np.bool_):
            # fmin and fmax pass over NaN.
            largest = max(abs(float(f.reduce(flat, axis=None))) for f in (np.fmin, np.fmax))
            if array.dtype == np.uint8 and largest > 127:
                largest = 255.0
            scale = largest if largest > 0 else 1.0
            return cls(shape, scale, (), (), (), indicators)
        mean, sd, fill = np.zeros((3, flat.shape[1]))
        for j in range(flat.shape[1]):
            values = flat[:, j].astype(np.float64)
            if gaps is not None:
                values = values[~gaps[:, j]]
            if values.size:
                mean[j], sd[j] = mean_and_sd(values)
                fill[j] = np.median(values)
        return cls(
            shape,
            None,
            tuple(mean.tolist()),
            tuple(sd.tolist()),
            tuple(fill.tolist()),
            indicators,
        )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name for each column of the array."""
        width = math.prod(self.shape)
        names = tuple(f"x{j}" for j in range(width))
        return names + tuple(f"x{j} is missing" for j in self.indicators)

    def transform(self, features: Any, *, precision: str = "float32") -> np.ndarray:
        """The network's inputs, (rows, width) in this precision."""
        array = _numeric(features)
        width = math.prod(self.shape)
        if array.shape[1:] not in (self.shape, (width,)) or array.ndim < 2:
            given = f"(rows, {', '.join(map(str, array.shape[1:]))})" if array.ndim > 1 else ""
            raise ShapeError(
                f"The array has shape {given or array.shape}, but (rows, "
                f"{', '.join(map(str, self.shape))}) is expected: "
                "give the same columns in the same order as in training."
            )
        flat = array.reshape(len(array), width)
        gaps = _missing(flat)
        out = np.zeros((len(flat), len(self.feature_names)), dtype=precision)
        values = out[:, :width]
        if self.scale is not None:
            np.divide(flat, self.scale, out=values, dtype=precision, casting="unsafe")
            if gaps is not None:
                values[gaps] = 0.0
        else:
            mean, sd = np.array(self.mean), np.array(self.sd)
            varying = sd > 0
            wide = flat.astype(np.float64)
            if gaps is not None:
                wide = np.where(gaps, np.array(self.fill), wide)
            values[:, varying] = standardised(wide[:, varying], mean[varying], sd[varying])
        if gaps is not None and self.indicators:
            out[:, width:] = gaps[:, list(self.indicators)]
        return out

    def report(self) -> list[Column]:
        """One line for the whole array: its columns have no names."""
        width = math.prod(self.shape)
        constant = sum(sd == 0 for sd in self.sd)
        how = "each column standardised" if self.scale is None else f"divided by {self.scale:g}"
        how += f"; {constant} constant columns are 0" if constant else ""
        if self.indicators:
            how += f"; missing values filled and marked in {len(self.indicators)} columns"
        name = "x0" if width == 1 else f"x0 … x{width - 1}"
        return [Column(name, "number", 0, 0, how)]

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain values."""
        return {
            "shape": list(self.shape),
            "scale": self.scale,
            "mean": list(self.mean),
            "sd": list(self.sd),
            "fill": list(self.fill),
            "indicators": list(self.indicators),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> ArrayEncoder:
        """The encoder that `to_json` wrote down."""
        return cls(
            tuple(document["shape"]),
            document["scale"],
            tuple(document["mean"]),
            tuple(document["sd"]),
            tuple(document["fill"]),
            tuple(document["indicators"]),
        )


def _numeric(features: Any) -> np.ndarray:
    """An array of numbers, or a DataError that says what stands in the way."""
    array = as_values(features)
    if array.dtype.kind not in "buif":
        example = next((v for v in array.ravel().tolist() if v is not None), None)
        raise DataError(
            f"The array holds values of type {array.dtype} such as {example!r}, but numbers are "
            "expected, equally many in each row: encode them, or give a table with named columns."
        )
    return array


def _missing(flat: np.ndarray) -> np.ndarray | None:
    """Where values are NaN (rows, columns), None where nowhere; DataError for infinite ones."""
    # A sum is quick, and finite only if every value is; it may overflow, hence the second look.
    with np.errstate(over="ignore", invalid="ignore"):
        if flat.dtype.kind != "f" or np.isfinite(np.sum(flat, dtype=np.float64)):
            return None
    infinite = np.isinf(flat)
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        count = int(infinite[:, column].sum())
        raise DataError(
            f"Column {column} of the array is infinite in {count:,} row{'s' if count > 1 else ''} "
            f"(first in row {row}, counted from 0): give numbers, or NaN where unknown."
        )
    gaps: np.ndarray = np.isnan(flat)
    return gaps if gaps.any() else None
