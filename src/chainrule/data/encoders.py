"""One column of a table to the columns of an array, as its training rows taught it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.data.scaling import mean_and_sd, standardised
from chainrule.data.values import booleans, codes_of, days, numbers, text

if TYPE_CHECKING:
    import polars as pl

MAX_LEVELS = 256
"""A category's commonest values that get a column of their own; rarer ones share all zeros."""

_READERS = {"number": numbers, "boolean": booleans, "date": days}


@dataclass(frozen=True)
class NumberEncoder:
    """A number, date or boolean, standardised as in `standardised`; missing values filled.

    Whole numbers with few different values, `codes`, have a 0/1 column for each beside that: the
    step from one to the next need not mean the same everywhere. A column whose training values
    are all equal (but some are missing) yields its indicator alone. Booleans have mean 0 and sd 1,
    that is, they stay zeros and ones.
    """

    name: str
    kind: str
    mean: float
    sd: float
    fill: float
    indicator: bool
    codes: tuple[int, ...] = ()

    @classmethod
    def fit(cls, series: pl.Series, kind: str, *, codes: bool = True) -> NumberEncoder:
        """Mean, standard deviation (divisor n) and median of the training rows, in float64.

        `codes=False`: few different values are no sign of codes.
        """
        column = _READERS[kind](series)
        values = column.drop_nulls().to_numpy()
        indicator = column.null_count() > 0
        mean, sd = mean_and_sd(values)
        fill = float(np.median(values))
        if kind == "boolean":
            mean, sd, fill = 0.0, 1.0, float(fill > 0.5)
        found = codes_of(values) if codes and kind == "number" else ()
        return cls(series.name, kind, mean, sd, fill, indicator, found)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name for each column of the array."""
        value = (self.name,) if self.sd > 0 else ()
        codes = tuple(f"{self.name}={code}" for code in self.codes)
        return value + codes + ((f"{self.name} is missing",) if self.indicator else ())

    @property
    def note(self) -> str:
        """What happens to the column, in words."""
        if self.sd == 0:
            return "one value or missing: used as a 0/1 indicator of what is missing"
        done = "used as 0 and 1"
        if self.kind != "boolean":
            done = f"standardised (mean {self.mean:.6g}, sd {self.sd:.6g})"
        if self.codes:
            done += f", and one 0/1 column for each of {len(self.codes)} values"
        if self.indicator:
            done += f"; missing values filled with {self.fill:.6g} and marked by a 0/1 indicator"
        return done

    def encode(self, series: pl.Series, out: np.ndarray) -> None:
        """Write the column's features into `out` (rows, number of feature names)."""
        column = _READERS[self.kind](series)
        if self.sd > 0:
            values = column.fill_null(self.fill).to_numpy()
            out[:, 0] = standardised(values, self.mean, self.sd)
        if self.codes:
            known = column.fill_null(np.nan).to_numpy()  # NaN equals no code
            out[:, 1 : 1 + len(self.codes)] = known[:, None] == np.array(self.codes)
        if self.indicator:
            out[:, -1] = column.is_null().to_numpy()

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain values."""
        return {
            "kind": self.kind,
            "name": self.name,
            "mean": self.mean,
            "sd": self.sd,
            "fill": self.fill,
            "indicator": self.indicator,
            "codes": list(self.codes),
        }


@dataclass(frozen=True)
class CategoryEncoder:
    """A category: one 0/1 column for each of its training values, in sorted order.

    A value unseen in training is all zeros. Missing values have a column of their own if there
    were any in training.
    """

    name: str
    levels: tuple[str, ...]
    indicator: bool
    rare: int = 0

    @classmethod
    def fit(cls, series: pl.Series) -> CategoryEncoder:
        """The training values, at most the MAX_LEVELS commonest of them."""
        words = text(series)
        counts = words.drop_nulls().value_counts()
        levels = sorted(counts.to_series(0).to_list())
        if len(levels) > MAX_LEVELS:
            ranked = sorted(counts.iter_rows(), key=lambda row: (-row[1], row[0]))
            levels = sorted(level for level, _ in ranked[:MAX_LEVELS])
        rare = counts.height - len(levels)
        return cls(series.name, tuple(levels), words.null_count() > 0, rare)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name for each column of the array."""
        names = tuple(f"{self.name}={level}" for level in self.levels)
        return names + ((f"{self.name} is missing",) if self.indicator else ())

    @property
    def note(self) -> str:
        """What happens to the column, in words."""
        done = f"one 0/1 column for each of {len(self.levels)} values"
        if self.rare:
            done += f" ({self.rare} rarer ones are all zeros)"
        return done + (" and one for missing" if self.indicator else "")

    def encode(self, series: pl.Series, out: np.ndarray) -> None:
        """Write the column's features into `out` (rows, number of feature names), which is 0."""
        import polars as pl

        words = text(series)
        codes = words.cast(pl.Enum(self.levels), strict=False).to_physical()
        rows = np.flatnonzero(codes.is_not_null().to_numpy())
        out[rows, codes.drop_nulls().to_numpy()] = 1.0
        if self.indicator:
            out[:, -1] = words.is_null().to_numpy()

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain values."""
        return {
            "kind": "category",
            "name": self.name,
            "levels": list(self.levels),
            "indicator": self.indicator,
            "rare": self.rare,
        }


def encoder_from_json(document: dict[str, Any]) -> NumberEncoder | CategoryEncoder:
    """The encoder that `to_json` wrote down."""
    fields = dict(document)
    if fields["kind"] == "category":
        del fields["kind"]
        return CategoryEncoder(**{**fields, "levels": tuple(fields["levels"])})
    return NumberEncoder(**{**fields, "codes": tuple(fields["codes"])})
