"""The compiled streams give NumPy's bits."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import _native, random

words64 = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize("draw", ["words", "halves", "permutation"])
@given(seed=words64, counter=words64, stream=st.integers(0, 2**32 - 1), n=st.integers(0, 200))
def test_native_and_numpy_agree_bit_for_bit(
    draw: str, seed: int, counter: int, stream: int, n: int
) -> None:
    ours = getattr(_native, draw)(seed, counter, stream, n)
    reference = getattr(random, draw)(seed, counter, stream, n)
    assert ours.dtype == reference.dtype
    assert np.array_equal(ours, reference)


@given(
    seed=words64,
    counter=words64,
    stream=st.integers(0, 2**32 - 1),
    first=st.sampled_from((0, 5, 2**32 - 40)),
    blocks=st.integers(0, 140),
)
def test_the_blocks_of_every_instruction_set_are_the_same(
    seed: int, counter: int, stream: int, first: int, blocks: int
) -> None:
    low = 2**32 - 1
    counters = np.empty((blocks, 4), np.uint32)
    counters[:, 0] = (first + np.arange(blocks)) & low
    counters[:, 1:] = counter & low, counter >> 32, stream
    expected = random.philox(counters, np.array([seed & low, seed >> 32], np.uint32))
    for isa in _native.instruction_sets():
        longs = _native.testing.philox(isa, seed, counter, stream, first, blocks)
        assert longs.tolist() == expected.astype("<u4").view("<u8").reshape(-1).tolist()


@pytest.mark.parametrize("draw", ["words", "halves", "permutation"])
@pytest.mark.parametrize("n", [1023, 1024, 1025, 65_537, 1_100_003])
def test_native_and_numpy_agree_on_long_draws(draw: str, n: int) -> None:
    ours = getattr(_native, draw)(1, 2, 3, n)
    assert np.array_equal(ours, getattr(random, draw)(1, 2, 3, n))


def test_a_long_draw_lets_other_threads_run() -> None:
    drawing = threading.Thread(target=_native.words, args=(1, 2, 3, 40_000_000))
    ticks = 0
    drawing.start()
    while drawing.is_alive():
        ticks += 1
        drawing.join(timeout=0.001)
    assert ticks > 5  # a tenth of a second of drawing; with the GIL held there would be one or two


def test_an_array_outlives_what_made_it() -> None:
    arrays = [_native.words(1, 2, 3, 1000) for _ in range(100)]
    assert all(np.array_equal(a, arrays[0]) for a in arrays)
    arrays[0][:] = 0
    assert arrays[1].any()


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(TypeError):
        _native.words(-1, 0, 0, 1)
    with pytest.raises(TypeError):
        _native.words(0, 0, 2**32, 1)
