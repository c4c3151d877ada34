"""Panels: how a matrix lies in memory, gathering rows into it, and dropout masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from chainrule import _native

testing = _native.testing

lengths = st.sampled_from((0, 1, 3, 4, 7, 8, 15, 16, 17, 32, 33, 70))
widths = st.sampled_from((4, 8, 16, 32))
real_types = st.sampled_from([np.float32, np.float64])
data_types = st.sampled_from([np.float32, np.float64, np.uint8, np.int64])
seeds = st.integers(0, 2**32 - 1)
words64 = st.integers(0, 2**64 - 1)


def numbers(seed: int, shape: tuple[int, int], dtype: Any) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.integer):
        return rng.integers(0, 256, shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


def in_panels(x: NDArray[Any], panel: int) -> NDArray[Any]:
    """The layout as the contract states it, NaN where it says nothing."""
    rows, columns = x.shape
    out = np.full((-(-columns // panel), rows, panel), np.nan, x.dtype)
    for column in range(columns):
        out[column // panel, :, column % panel] = x[:, column]
    return out


def bits(name: str, dtype: Any) -> Any:
    return getattr(testing, f"{name}{8 * np.dtype(dtype).itemsize}")


@given(seeds, real_types, lengths, lengths, widths)
def test_a_matrix_goes_to_panels_and_comes_back(
    seed: int, dtype: Any, rows: int, columns: int, panel: int
) -> None:
    x = numbers(seed, (rows, columns), dtype)
    laid_out = testing.to_panels(x, panel)
    assert np.array_equal(laid_out, in_panels(x, panel), equal_nan=True)
    assert np.array_equal(testing.from_panels(laid_out, columns), x)


@given(seeds, real_types, data_types, st.integers(1, 20), lengths, widths, st.data())
def test_gathered_rows_are_those_chosen(
    seed: int,
    dtype: Any,
    data_type: Any,
    rows: int,
    columns: int,
    panel: int,
    data: st.DataObject,
) -> None:
    x = numbers(seed, (rows, columns), data_type)
    chosen = np.array(data.draw(st.lists(st.integers(0, rows - 1), max_size=40)), np.int64)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(chosen)), max_size=3)))
    ours = bits("gather_panels", dtype)(x, chosen, panel, cuts)
    assert np.array_equal(ours, in_panels(x[chosen].astype(dtype), panel), equal_nan=True)


@given(seeds, data_types, st.integers(1, 20), st.data())
def test_columns_and_integers_are_gathered_too(
    seed: int, data_type: Any, rows: int, data: st.DataObject
) -> None:
    x = numbers(seed, (rows, 1), data_type)
    wide = (numbers(seed, (rows, 3), np.float64) * 100).astype(data_type)
    chosen = np.array(data.draw(st.lists(st.integers(0, rows - 1), max_size=40)), np.int64)
    for dtype in (np.float32, np.float64):
        ours = bits("gather_column", dtype)(x, chosen)
        assert np.array_equal(ours, x[chosen, 0].astype(dtype))
    assert np.array_equal(testing.gather_integers(wide, chosen), wide[chosen].astype(np.int64))


def test_a_panel_of_no_known_width_is_refused() -> None:
    with pytest.raises(ValueError, match="panel"):
        testing.to_panels(np.ones((2, 2), np.float32), 5)
