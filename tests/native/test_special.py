"""Kernels where addresses are odd and numbers are not ordinary, on every instruction set present."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from chainrule import _native

testing = _native.testing

seeds = st.integers(0, 2**32 - 1)
real_types = st.sampled_from([np.float32, np.float64])
odd = st.sampled_from((1, 2, 3, 15, 16, 17, 33, 65))
specials = st.sampled_from([np.nan, np.inf, -np.inf])


@pytest.fixture(params=["avx512", "avx2", "portable"], scope="module")
def isa(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name not in _native.instruction_sets():
        pytest.skip(f"this machine does not have {name}")
    return name


def displaced(x: NDArray[Any], elements: int) -> NDArray[Any]:
    """The same numbers so many elements after an address that suits every vector."""
    memory = np.empty(x.size + elements + 64, x.dtype)
    start = -(memory.ctypes.data // x.itemsize) % (64 // x.itemsize) + elements
    moved = memory[start : start + x.size].reshape(x.shape)
    moved[...] = x
    return moved


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["add", "exp", "sqrt", "tanh", "multiply_add"])
def test_blocks_may_begin_at_any_element(isa: str, name: str, dtype: Any) -> None:
    width = testing.panel_width(isa, np.dtype(dtype).itemsize)
    kernel = getattr(testing, f"elementwise{8 * np.dtype(dtype).itemsize}")
    rng = np.random.default_rng(0)
    full, row, column = (
        rng.uniform(0.5, 2, shape).astype(dtype) for shape in ((5, width), width, 5)
    )
    results = []
    for shift in range(0, 64 // np.dtype(dtype).itemsize):
        sources = [(displaced(full, shift), "full"), (displaced(row, shift + 1), "row")]
        sources.append((displaced(column, shift + 2), "column"))
        out = displaced(np.zeros_like(full), shift + 3)
        count = {"add": 2, "multiply_add": 3}.get(name, 1)
        kernel(isa, [(name, 3, *range(count))], [*sources, (out, "full")], 5)
        results.append(out.copy())
    assert np.all(results[0] != 0)
    assert all(np.array_equal(r, results[0]) for r in results)


@given(seeds, st.sampled_from([np.float32, np.float64, np.uint8, np.int64]), odd, st.integers(0, 9))
def test_rows_are_gathered_from_any_element_on(
    seed: int, dtype: Any, columns: int, by: int
) -> None:
    rng = np.random.default_rng(seed)
    x = displaced(rng.integers(0, 99, (20, columns)).astype(dtype), by)
    chosen = rng.integers(0, 20, 13)
    for panel in (4, 8, 16, 32):
        ours = testing.gather_panels32(x, chosen, panel, [])
        assert np.array_equal(testing.from_panels(ours, columns), x[chosen].astype(np.float32))


def log_softmax(x: NDArray[Any]) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        below = x - x.max(axis=1, keepdims=True)
        result: NDArray[Any] = below - np.log(np.exp(below).sum(axis=1, keepdims=True))
    return result


@given(seeds, real_types, odd, specials, st.data())
def test_losses_of_special_logits_are_numpys(
    isa: str, seed: int, dtype: Any, columns: int, special: float, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(7, columns)).astype(dtype)
    x[3, data.draw(st.lists(st.integers(0, columns - 1), min_size=1, max_size=4))] = special
    labels = rng.integers(0, columns, 7)
    expected = log_softmax(x)
    room = {"rtol": 1e-4, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-13}
    np.testing.assert_allclose(testing.log_softmax(isa, x, []), expected, **room)
    losses = testing.sparse_cross_entropy(isa, x, labels, [])
    np.testing.assert_allclose(losses, -expected[np.arange(7), labels], **room)


@given(seeds, real_types, odd, odd, specials)
def test_sums_of_special_numbers_are_numpys(
    isa: str, seed: int, dtype: Any, rows: int, columns: int, special: float
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns)).astype(dtype)
    x[rng.integers(0, rows), rng.integers(0, columns)] = special
    if rng.random() < 0.5:
        x[rng.integers(0, rows), rng.integers(0, columns)] = -special
    with np.errstate(invalid="ignore"):
        pairs = (
            (testing.column_sum(isa, x), x.sum(axis=0)),
            (testing.row_sum(isa, x, []), x.sum(axis=1)),
            (np.array(testing.total(isa, x[:, 0].copy())), x[:, 0].sum()),
        )
    for ours, exact in pairs:
        finite = np.isfinite(exact)
        assert np.array_equal(ours[~finite], exact[~finite], equal_nan=True)
        assert np.isfinite(ours[finite]).all()


@given(seeds, real_types, odd, st.sampled_from((1, 2, 7, 33)), odd)
def test_products_of_subnormal_numbers_are_followed(
    isa: str, seed: int, dtype: Any, rows: int, depth: int, columns: int
) -> None:
    info = np.finfo(dtype)
    rng = np.random.default_rng(seed)
    a = rng.integers(-9, 10, (rows, depth)).astype(dtype) * info.smallest_subnormal
    b = rng.integers(-9, 10, (depth, columns)).astype(dtype)
    # Whole multiples of the smallest number, so every sum is exact.
    exact = (a.astype(np.longdouble) @ b.astype(np.longdouble)).astype(dtype)
    assert np.array_equal(testing.nn(isa, a, b, 6), exact)
    assert np.array_equal(testing.tn(isa, np.ascontiguousarray(a.T), b, 6), exact)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_is_summed_over_no_rows(isa: str, dtype: Any) -> None:
    assert testing.column_sum(isa, np.ones((0, 19), dtype)).tolist() == [0.0] * 19
    assert testing.row_sum(isa, np.ones((0, 19), dtype), []).shape == (0,)
    assert testing.row_sum(isa, np.ones((4, 0), dtype), []).tolist() == [0.0] * 4
    assert testing.total(isa, np.ones(0, dtype)) == 0.0
    assert (
        testing.nn(isa, np.ones((3, 0), dtype), np.ones((0, 5), dtype), 6).tolist()
        == [[0.0] * 5] * 3
    )
    assert (
        testing.tn(isa, np.ones((0, 3), dtype), np.ones((0, 5), dtype), 6).tolist()
        == [[0.0] * 5] * 3
    )
    assert testing.softmax(isa, np.ones((0, 5), dtype), []).shape == (0, 5)
    assert testing.transpose(isa, np.ones((0, 5), dtype), []).shape == (5, 0)
