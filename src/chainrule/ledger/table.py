"""Every number of a ledger as a table, for CSV and Parquet."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl

    from chainrule.ledger.core import Ledger

FORMULAS = 5_000  # so many lines at most get their formulas and differences written


def table(ledger: Ledger) -> pl.DataFrame:
    """One row a number: phase, layer, value, row of the batch, place, and the number itself.

    Ledgers of at most 5,000 numbers also have the formula, with the numbers put in, and the finite
    difference of gradients.
    """
    import polars as pl

    from_rows = np.asarray(ledger.recording.labels)
    frames = []
    places = {q: ledger.places(q) for q in ledger.quantities}
    written = sum(map(len, places.values())) <= FORMULAS
    face = ledger.face()
    for quantity, chosen in places.items():
        array = ledger.arrays[quantity.value]
        sign = -1.0 if ledger.formulas.flipped(quantity) else 1.0
        index = np.array(chosen, dtype=np.int64).reshape(len(chosen), array.ndim)
        batched = quantity.batched and array.ndim > 0
        axes = index[:, 1:] if batched else index
        column = {
            "phase": [quantity.phase] * len(chosen),
            "layer": [quantity.layer] * len(chosen),
            "value": [quantity.title] * len(chosen),
            "row": from_rows[index[:, 0]] if batched else [None] * len(chosen),
            "i": axes[:, 0] if axes.shape[1] > 1 else [None] * len(chosen),
            "j": axes[:, -1] if axes.shape[1] else [None] * len(chosen),
            "number": sign * array[tuple(index.T)].astype(np.float64) + 0.0
            if array.ndim
            else [sign * float(array) + 0.0] * len(chosen),
        }
        if written:
            lines = [ledger.formulas.line(quantity, place) for place in chosen]
            column["name"] = [face.name(line.name) for line in lines]
            column["formula"] = [line.formula and face.symbols(line.formula) for line in lines]
            column["numbers"] = [line.formula and face.numbers(line.formula) for line in lines]
            found = [ledger.difference(line) for line in lines]
            column["difference"] = [None if d is None else d.value for d in found]
            column["kink"] = [None if d is None else d.kink or None for d in found]
        schema = {**_TYPES, **(_WRITTEN if written else {})}
        frames.append(pl.DataFrame(column, schema={k: getattr(pl, t) for k, t in schema.items()}))
    return pl.concat(frames)


_TYPES = {
    "phase": "String", "layer": "String", "value": "String", "row": "Int64", "i": "Int64",
    "j": "Int64", "number": "Float64",
}  # fmt: skip
_WRITTEN = {
    "name": "String", "formula": "String", "numbers": "String", "difference": "Float64",
    "kink": "String",
}  # fmt: skip


def csv(ledger: Ledger) -> bytes:
    """The table as CSV."""
    return table(ledger).write_csv().encode()


def parquet(ledger: Ledger) -> bytes:
    """The table as Parquet."""
    buffer = io.BytesIO()
    table(ledger).write_parquet(buffer)
    return buffer.getvalue()
