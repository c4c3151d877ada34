"""Softmax, reductions of rows and sums of columns, on every instruction set of this machine.

What the panels hold beyond the last column is NaN in these tests, so it would show in a result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from chainrule import _native

testing = _native.testing

rows_of = st.sampled_from((0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 33))
columns_of = st.sampled_from((1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 31, 32, 33, 48, 65, 100))
real_types = st.sampled_from([np.float32, np.float64])
seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from((0.0, 1.0, 30.0, 1000.0))

TO_MATRIX = ("softmax", "log_softmax")
TO_NUMBERS = ("row_sum", "row_sum_of_squares", "row_max", "row_argmax")


@pytest.fixture(params=["avx512", "avx2", "portable"], scope="module")
def isa(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name not in _native.instruction_sets():
        pytest.skip(f"this machine does not have {name}")
    return name


def logits(seed: int, rows: int, columns: int, dtype: Any, scale: float = 1.0) -> NDArray[Any]:
    drawn = np.random.default_rng(seed).normal(size=(rows, columns)) * scale
    return drawn.astype(dtype)


def tolerance(dtype: Any, columns: int) -> float:
    return float((columns + 8) * np.finfo(dtype).eps)


def assert_near(ours: NDArray[Any], exact: NDArray[Any], relative: float, absolute: float) -> None:
    assert ours.shape == exact.shape
    assert np.all(np.abs(ours - exact) <= relative * np.abs(exact) + absolute)


@given(seeds, real_types, rows_of, columns_of, scales)
def test_softmax_is_scipys(
    isa: str, seed: int, dtype: Any, rows: int, columns: int, scale: float
) -> None:
    x = logits(seed, rows, columns, dtype, scale)
    ours = testing.softmax(isa, x, [])
    exact = scipy.special.softmax(x.astype(np.float64), axis=1)
    assert ours.dtype == dtype
    # Far below the largest logit x − max is rounded, and the smallest numbers count as zero.
    relative = tolerance(dtype, columns) * (1 + scale * 8)
    assert_near(ours, exact, relative, float(np.finfo(dtype).tiny) * 2)
    assert np.allclose(ours.sum(axis=1, dtype=np.float64), 1, atol=tolerance(dtype, columns))


@given(seeds, real_types, rows_of, columns_of, scales)
def test_log_softmax_is_scipys(
    isa: str, seed: int, dtype: Any, rows: int, columns: int, scale: float
) -> None:
    x = logits(seed, rows, columns, dtype, scale)
    exact = scipy.special.log_softmax(x.astype(np.float64), axis=1)
    absolute = tolerance(dtype, columns) * (1 + scale * 8)
    assert_near(testing.log_softmax(isa, x, []), exact, 0.0, absolute)


@given(seeds, real_types, rows_of, columns_of, scales)
def test_sparse_cross_entropy_is_minus_the_log_of_the_labels_probability(
    isa: str, seed: int, dtype: Any, rows: int, columns: int, scale: float
) -> None:
    x = logits(seed, rows, columns, dtype, scale)
    labels = np.random.default_rng(seed).integers(0, columns, rows)
    all_of_them = scipy.special.log_softmax(x.astype(np.float64), axis=1)
    exact = -all_of_them[np.arange(rows), labels]
    absolute = tolerance(dtype, columns) * (1 + scale * 8)
    assert_near(testing.sparse_cross_entropy(isa, x, labels, []), exact, 0.0, absolute)


@pytest.mark.parametrize("label", [-1, 10, 2**40, -(2**63)])
def test_a_label_that_is_no_column_gives_nan(isa: str, label: int) -> None:
    x = logits(0, 5, 10, np.float32)
    labels = np.array([1, 2, label, 3, 4])
    losses = testing.sparse_cross_entropy(isa, x, labels, [])
    assert np.isnan(losses).tolist() == [False, False, True, False, False]


@given(seeds, real_types, rows_of, columns_of)
def test_reductions_of_rows_are_numpys(
    isa: str, seed: int, dtype: Any, rows: int, columns: int
) -> None:
    x = logits(seed, rows, columns, dtype)
    bound = columns * np.finfo(dtype).eps * np.abs(x).sum(axis=1, dtype=np.float64)
    exact = x.sum(axis=1, dtype=np.float64)
    assert np.all(np.abs(testing.row_sum(isa, x, []) - exact) <= bound)
    squares = np.square(x, dtype=np.float64)
    bound = columns * np.finfo(dtype).eps * squares.sum(axis=1)
    found = testing.row_sum_of_squares(isa, x, [])
    assert np.all(np.abs(found - squares.sum(axis=1)) <= bound)
    assert np.array_equal(testing.row_max(isa, x, []), x.max(axis=1))
    places = testing.row_argmax(isa, x, [])
    assert places.dtype == np.int64
    assert np.array_equal(places, x.argmax(axis=1))


@given(seeds, real_types, st.integers(1, 20), columns_of)
def test_argmax_names_the_first_of_equals(
    isa: str, seed: int, dtype: Any, rows: int, columns: int
) -> None:
    x = np.random.default_rng(seed).integers(0, 3, (rows, columns)).astype(dtype)
    assert np.array_equal(testing.row_argmax(isa, x, []), x.argmax(axis=1))


@given(seeds, columns_of, st.data())
def test_nan_and_infinities_do_what_numpy_does(
    isa: str, seed: int, columns: int, data: st.DataObject
) -> None:
    x = logits(seed, 6, columns, np.float32)
    special = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    places = data.draw(st.lists(st.integers(0, columns - 1), min_size=1, max_size=3))
    x[2, places] = special
    assert np.array_equal(testing.row_max(isa, x, []), x.max(axis=1), equal_nan=True)
    assert np.array_equal(testing.row_argmax(isa, x, []), x.argmax(axis=1))
    with np.errstate(invalid="ignore"):
        below = x - x.max(axis=1, keepdims=True)
        e = np.exp(below)
        exact = e / e.sum(axis=1, keepdims=True)
        assert np.allclose(testing.softmax(isa, x, []), exact, rtol=1e-5, equal_nan=True)
        assert np.allclose(testing.row_sum(isa, x, []), x.sum(axis=1), 1e-5, 1e-5, equal_nan=True)


@given(seeds, real_types, rows_of, columns_of, st.data())
def test_rows_do_not_depend_on_how_they_are_shared_out(
    isa: str, seed: int, dtype: Any, rows: int, columns: int, data: st.DataObject
) -> None:
    x = logits(seed, rows, columns, dtype)
    cuts = sorted(data.draw(st.lists(st.integers(0, rows), max_size=4)))
    for name in (*TO_MATRIX, *TO_NUMBERS):
        kernel = getattr(testing, name)
        assert np.array_equal(kernel(isa, x, cuts), kernel(isa, x, [])), name
    labels = np.random.default_rng(seed).integers(0, columns, rows)
    whole = testing.sparse_cross_entropy(isa, x, labels, [])
    assert np.array_equal(testing.sparse_cross_entropy(isa, x, labels, cuts), whole)


@given(seeds, real_types, st.integers(1, 20), columns_of)
def test_a_row_does_not_depend_on_the_rows_around_it(
    isa: str, seed: int, dtype: Any, rows: int, columns: int
) -> None:
    x = logits(seed, rows, columns, dtype)
    for name in (*TO_MATRIX, *TO_NUMBERS):
        kernel = getattr(testing, name)
        alone = np.concatenate([kernel(isa, x[[r]], []) for r in range(rows)])
        assert np.array_equal(kernel(isa, x, []), alone), name


@given(seeds, real_types, rows_of, columns_of)
def test_column_sums_are_numpys(isa: str, seed: int, dtype: Any, rows: int, columns: int) -> None:
    x = logits(seed, rows, columns, dtype)
    exact = x.sum(axis=0, dtype=np.float64)
    bound = rows * np.finfo(dtype).eps * np.abs(x).sum(axis=0, dtype=np.float64)
    assert np.all(np.abs(testing.column_sum(isa, x) - exact) <= bound)


@given(seeds, real_types, st.integers(0, 100))
def test_a_total_is_summed_in_double_precision(isa: str, seed: int, dtype: Any, n: int) -> None:
    x = (np.random.default_rng(seed).normal(size=n) * 1e6).astype(dtype)
    exact = float(x.astype(np.longdouble).sum())
    bound = n * np.finfo(np.float64).eps * float(np.abs(x).sum(dtype=np.float64))
    assert abs(testing.total(isa, x) - exact) <= bound
