"""Products of tiles and the transpose, on every instruction set of this machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from chainrule import _native

testing = _native.testing
TILE_ROWS = {"avx512": 12, "avx2": 6, "portable": 6}
LENGTHS = (0, 1, 2, 3, 5, 7, 8, 9, 12, 13, 15, 16, 17, 31, 32, 33, 65)

lengths = st.sampled_from(LENGTHS)
depths = st.sampled_from((*LENGTHS[1:], 63, 64, 100, 128, 150))
real_types = st.sampled_from([np.float32, np.float64])
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(params=sorted(TILE_ROWS), scope="module")
def isa(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name not in _native.instruction_sets():
        pytest.skip(f"this machine does not have {name}")
    return name


def numbers(seed: int, *shape: int, dtype: Any) -> NDArray[Any]:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def wide(isa: str, dtype: Any) -> int:
    """The columns that a product of nonzeros computes at once."""
    return 7 * 2 * {"avx512": 64, "avx2": 32, "portable": 16}[isa] // np.dtype(dtype).itemsize


def assert_close_to_product(ours: NDArray[Any], a: NDArray[Any], b: NDArray[Any]) -> None:
    """Each element within the bound of a sum of rounded products, of the exact value in float64."""
    wide = np.longdouble
    exact = a.astype(wide) @ b.astype(wide)
    k = max(a.shape[1], 1)
    # Products and sums are rounded apart where there is no fused multiply-add: k + 1 roundings.
    bound = (k + 1) * np.finfo(ours.dtype).eps * (np.abs(a).astype(wide) @ np.abs(b).astype(wide))
    assert ours.shape == exact.shape
    assert ours.dtype == a.dtype
    assert np.all(np.abs(ours - exact) <= bound)


@given(seeds, real_types, lengths, lengths, lengths)
def test_nn_is_the_product(
    isa: str, seed: int, dtype: Any, rows: int, depth: int, columns: int
) -> None:
    a = numbers(seed, rows, depth, dtype=dtype)
    b = numbers(seed + 1, depth, columns, dtype=dtype)
    assert_close_to_product(testing.nn(isa, a, b, TILE_ROWS[isa]), a, b)


@given(seeds, real_types, lengths, lengths, lengths)
def test_tn_is_the_product_with_the_transpose(
    isa: str, seed: int, dtype: Any, samples: int, rows: int, columns: int
) -> None:
    x = numbers(seed, samples, rows, dtype=dtype)
    d = numbers(seed + 1, samples, columns, dtype=dtype)
    assert_close_to_product(testing.tn(isa, x, d, TILE_ROWS[isa]), x.T, d)


def with_zeros(seed: int, *shape: int, dtype: Any) -> NDArray[Any]:
    """Numbers of which many are zero, of either sign, and some rows and columns all zero."""
    made = numbers(seed, *shape, dtype=dtype)
    rng = np.random.default_rng(seed + 2)
    made[rng.random(shape) < rng.choice([0.1, 0.5, 0.9])] = rng.choice([0.0, -0.0])
    made[rng.random(shape[0]) < 0.2] = 0
    made[:, rng.random(shape[1]) < 0.2] = 0
    return made


@given(seeds, real_types, st.sampled_from((1, 2, 3, 17, 33)), lengths, depths)
def test_products_that_skip_zeros_have_the_same_bits(
    isa: str, seed: int, dtype: Any, rows: int, columns: int, depth: int
) -> None:
    a = with_zeros(seed, rows, depth, dtype=dtype)
    b = numbers(seed + 1, depth, columns, dtype=dtype)
    b[b < -1] *= np.finfo(dtype).tiny  # products too small for the type, which leave a −0
    x = np.ascontiguousarray(a.T)
    whole = testing.nn(isa, a, b, TILE_ROWS[isa])
    nn, count = testing.nn_nonzeros(isa, a, b)
    tn, _ = testing.tn_nonzeros(isa, x, b)
    assert nn.tobytes() == whole.tobytes()
    assert tn.tobytes() == whole.tobytes()
    assert count == np.count_nonzero(a) * -(-columns // wide(isa, dtype))


@given(seeds, real_types, lengths, lengths, st.sampled_from([None, np.inf, -np.inf, np.nan]))
def test_a_single_number_that_is_not_finite_is_found(
    isa: str, seed: int, dtype: Any, rows: int, columns: int, strange: float | None
) -> None:
    x = numbers(seed, rows, columns, dtype=dtype)
    if strange is not None and x.size:
        x.flat[seed % x.size] = strange
    assert testing.all_finite(isa, x) == bool(np.isfinite(x).all())


@given(seeds, real_types, lengths, lengths, lengths, st.data())
def test_the_size_of_tiles_does_not_change_a_bit(
    isa: str, seed: int, dtype: Any, rows: int, depth: int, columns: int, data: st.DataObject
) -> None:
    most = TILE_ROWS[isa]
    fewer = data.draw(st.integers(1, most - 1))
    a = numbers(seed, rows, depth, dtype=dtype)
    b = numbers(seed + 1, depth, columns, dtype=dtype)
    x = np.ascontiguousarray(a.T)
    whole = testing.nn(isa, a, b, most)
    assert np.array_equal(testing.nn(isa, a, b, fewer), whole)
    # Both kernels do the same additions in the same order.
    assert np.array_equal(testing.tn(isa, x, b, fewer), whole)


@given(seeds, st.integers(1, 40), lengths, st.integers(1, 40))
def test_columns_do_not_change_with_those_beside_them(
    isa: str, seed: int, rows: int, depth: int, columns: int
) -> None:
    a = numbers(seed, rows, depth, dtype=np.float32)
    b = numbers(seed + 1, depth, columns, dtype=np.float32)
    alone = np.hstack(
        [
            testing.nn(isa, a, np.ascontiguousarray(b[:, [j]]), TILE_ROWS[isa])
            for j in range(columns)
        ]
    )
    assert np.array_equal(testing.nn(isa, a, b, TILE_ROWS[isa]), alone)


@pytest.mark.parametrize("isa", ["avx512", "avx2"])
def test_a_sum_is_one_chain_of_fused_multiply_adds(isa: str) -> None:
    if isa not in _native.instruction_sets():
        pytest.skip(f"this machine does not have {isa}")
    # (1 + e)² needs more than 24 bits: its last ones are seen only if the product is not rounded.
    e = np.float32(2.0**-20)
    a = np.array([[1 + e, 1 + e]], np.float32)
    b = np.array([[-(1 + 2 * e)], [1 + e]], np.float32)
    first = np.float32(np.float64(a[0, 0]) * np.float64(b[0, 0]))
    fused = np.float32(np.float64(a[0, 1]) * np.float64(b[1, 0]) + np.float64(first))
    rounded = np.float32(a[0, 1] * b[1, 0]) + first
    assert fused != rounded
    assert testing.nn(isa, a, b, 1)[0, 0] == fused
    assert testing.tn(isa, np.ascontiguousarray(a.T), b, 1)[0, 0] == fused


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_infinities_and_nan_stay_in_their_rows_and_columns(isa: str, dtype: Any) -> None:
    a, b = numbers(0, 14, 9, dtype=dtype), numbers(1, 9, 35, dtype=dtype)
    a[3, 4], b[2, 20] = np.nan, np.inf
    ours = testing.nn(isa, a, b, TILE_ROWS[isa])
    finite = np.isfinite(ours)
    expected = np.ones(ours.shape, bool)
    expected[3, :] = expected[:, 20] = False
    assert np.array_equal(finite, expected)


@given(seeds, real_types, lengths, lengths, st.data())
def test_transpose_moves_every_element(
    isa: str, seed: int, dtype: Any, rows: int, columns: int, data: st.DataObject
) -> None:
    x = numbers(seed, rows, columns, dtype=dtype)
    panels = -(-columns // testing.panel_width(isa, x.itemsize))
    cuts = sorted(data.draw(st.lists(st.integers(0, panels), max_size=3)))
    assert np.array_equal(testing.transpose(isa, x, cuts), x.T)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transpose_of_a_large_matrix(isa: str, dtype: Any) -> None:
    x = numbers(0, 517, 261, dtype=dtype)
    assert np.array_equal(testing.transpose(isa, x, []), x.T)


def test_an_unknown_instruction_set_is_refused() -> None:
    one = np.ones((1, 1), np.float32)
    with pytest.raises(ValueError, match="mmx"):
        testing.nn("mmx", one, one, 1)
