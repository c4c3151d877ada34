"""Normal numbers and changed images in panels: the reference's bits, however they are shared out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from chainrule import _native, random
from chainrule.engines.program import Program, State
from chainrule.engines.reference import Reference
from chainrule.graph import BATCH, Input
from chainrule.ops.noise import RandomFlip, RandomShift

testing = _native.testing

lengths = st.sampled_from((0, 1, 2, 3, 7, 8, 15, 16, 17, 33))
widths = st.sampled_from((4, 8, 16, 32))
real_types = st.sampled_from([np.float32, np.float64])
words64 = st.integers(0, 2**64 - 1)
sets = st.sampled_from(_native.instruction_sets())
streams = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(0, 9), st.integers(1, 7), st.integers(1, 7), st.integers(1, 3))


def key_of(seed: int, counter: int) -> NDArray[np.uint32]:
    low = (1 << 32) - 1
    return np.array([seed & low, seed >> 32, counter & low, counter >> 32], np.uint32)


def cuts_of(data: st.DataObject, rows: int) -> list[int]:
    return sorted(data.draw(st.lists(st.integers(0, rows), max_size=3)))


def of_type(name: str, dtype: Any) -> Any:
    return getattr(testing, f"{name}{8 * np.dtype(dtype).itemsize}")


@given(
    words64,
    words64,
    streams,
    st.one_of(st.sampled_from((0.0, 0.5, 0.2, 1 - 2.0**-16)), st.floats(0, 0.99)),
    real_types,
    lengths,
    lengths,
    st.data(),
)
def test_dropout_masks_are_those_of_the_reference(
    seed: int,
    counter: int,
    stream: int,
    rate: float,
    dtype: Any,
    rows: int,
    columns: int,
    data: st.DataObject,
) -> None:
    isa, key, cuts = data.draw(sets), key_of(seed, counter), cuts_of(data, rows)
    ours = of_type("dropout_mask", dtype)(isa, key, stream, rate, rows, columns, 0, cuts)
    kept = random.keep_mask(seed, counter, stream, rows * columns, rate).reshape(rows, columns)
    expected = kept.astype(dtype) * dtype(1.0 / (1.0 - rate))
    assert np.array_equal(ours, expected)


@pytest.mark.parametrize("isa", _native.instruction_sets())
@pytest.mark.parametrize("shape", [(3, 1500), (1, 40_000), (700, 10), (257, 513)])
def test_a_large_mask_is_that_of_the_reference(shape: tuple[int, int], isa: str) -> None:
    ours = testing.dropout_mask32(isa, key_of(5, 9), 7, 0.3, *shape, 0, [])
    kept = random.keep_mask(5, 9, 7, shape[0] * shape[1], 0.3).reshape(shape)
    expected = kept * np.float32(1 / 0.7)
    assert np.array_equal(ours, expected)


@given(words64, words64, streams, real_types, lengths, lengths, sets, st.data())
def test_normal_numbers_are_those_of_the_reference(
    seed: int,
    counter: int,
    stream: int,
    dtype: Any,
    rows: int,
    columns: int,
    isa: str,
    data: st.DataObject,
) -> None:
    cuts = cuts_of(data, rows)
    draw = of_type("normal_numbers", dtype)
    found = draw(isa, key_of(seed, counter), stream, rows, columns, 0, cuts)
    expected = random.normal(seed, counter, stream, rows * columns, dtype).reshape(rows, columns)
    assert found.dtype == dtype
    assert np.array_equal(found, expected)
    assert np.array_equal(np.signbit(found), np.signbit(expected))


@pytest.mark.parametrize("isa", _native.instruction_sets())
@pytest.mark.parametrize("shape", [(3, 1501), (1, 40_000), (257, 513)])
def test_many_normal_numbers_are_those_of_the_reference(shape: tuple[int, int], isa: str) -> None:
    ours = testing.normal_numbers64(isa, key_of(5, 9), 7, *shape, 0, [])
    expected = random.normal(5, 9, 7, shape[0] * shape[1]).reshape(shape)
    assert np.array_equal(ours, expected)


@given(words64, st.integers(0, 40), st.integers(1, 9), st.integers(1, 9), sets)
def test_a_slice_of_a_batch_gets_its_own_numbers(
    seed: int, begins: int, rows: int, columns: int, isa: str
) -> None:
    key, numbers = key_of(seed, 1), (begins + rows) * columns
    ours = testing.normal_numbers64(isa, key, 2, rows, columns, begins, [])
    whole = random.normal(seed, 1, 2, numbers).reshape(-1, columns)
    assert np.array_equal(ours, whole[begins:])
    mask = testing.dropout_mask64(isa, key, 2, 0.5, rows, columns, begins, [])
    kept = random.keep_mask(seed, 1, 2, numbers, 0.5).reshape(-1, columns)
    assert np.array_equal(mask, 2.0 * kept[begins:])


def reference(op: Any, images: NDArray[Any], key: NDArray[np.uint32]) -> NDArray[Any]:
    x, k = Input((BATCH, *images.shape[1:]), name="x"), Input((4,), "int", "key")
    program = Program((x,), {"y": op(x, k)}, scalars=(k,))
    runner = Reference().prepare(program, State("float64"))
    return runner.once({x: images}, {k: key})["y"].reshape(len(images), np.prod(images.shape[1:]))


def pictures(seed: int, size: tuple[int, ...]) -> NDArray[np.float64]:
    return np.random.default_rng(seed % 2**32).normal(size=size)


@given(words64, words64, streams, sizes, st.sampled_from((1, 2)), widths, st.data())
def test_flipped_images_are_those_of_the_reference(
    seed: int,
    counter: int,
    stream: int,
    size: tuple[int, int, int, int],
    axis: int,
    panel: int,
    data: st.DataObject,
) -> None:
    x, key = pictures(seed, size), key_of(seed, counter)
    ours = testing.flip_panels(key, stream, x, axis, panel, 0, cuts_of(data, len(x)))
    assert np.array_equal(ours, reference(RandomFlip(axis, stream), x, key))


@given(
    words64,
    words64,
    streams,
    sizes,
    st.integers(0, 9),
    st.one_of(st.integers(0, 9), st.just(32767)),
    st.booleans(),
    widths,
    st.data(),
)
def test_shifted_images_are_those_of_the_reference(
    seed: int,
    counter: int,
    stream: int,
    size: tuple[int, int, int, int],
    down: int,
    right: int,
    reverse: bool,
    panel: int,
    data: st.DataObject,
) -> None:
    x, key = pictures(seed, size), key_of(seed, counter)
    cuts = cuts_of(data, len(x))
    ours = testing.shift_panels(key, stream, x, down, right, reverse, panel, 0, cuts)
    assert np.array_equal(ours, reference(RandomShift(down, right, stream, reverse), x, key))


def test_a_slice_of_a_batch_changes_its_images_as_the_whole_batch_does() -> None:
    x, key = pictures(0, (20, 5, 6, 2)), key_of(3, 4)
    flipped = testing.flip_panels(key, 1, x, 2, 16, 0, [])
    shifted = testing.shift_panels(key, 1, x, 1, 2, False, 16, 0, [])
    for begins in (1, 7, 16):
        part = np.ascontiguousarray(x[begins:])
        assert np.array_equal(
            testing.flip_panels(key, 1, part, 2, 16, begins, []), flipped[begins:]
        )
        again = testing.shift_panels(key, 1, part, 1, 2, False, 16, begins, [])
        assert np.array_equal(again, shifted[begins:])
