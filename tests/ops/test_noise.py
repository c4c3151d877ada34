"""Random operations: repeatable, of the right distribution, and equal to the rules written down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule import ops, random
from chainrule.backprop import gradients
from chainrule.engines.reference import evaluate
from chainrule.errors import ShapeError, UsageError
from chainrule.graph import BATCH, Input, Value

SEED, STREAM = 0x1234567890ABCDEF, random.Stream.DROPOUT.at(3)


def key_of(counter: int, seed: int = SEED) -> np.ndarray[Any, Any]:
    parts = [seed & 0xFFFFFFFF, seed >> 32, counter & 0xFFFFFFFF, counter >> 32]
    return np.array(parts, np.uint32)


def drawn(value: Value, key: Input, counter: int, **given: Any) -> np.ndarray[Any, Any]:
    return evaluate({"y": value}, {key: key_of(counter)})["y"]


@pytest.fixture
def key() -> Input:
    return Input((4,), "int", "key")


def test_a_dropout_mask_keeps_what_the_streams_rule_keeps(key: Input) -> None:
    for counter in (0, 7, 1 << 40):
        mask = drawn(ops.dropout_mask(key, (31, 9), 0.3, STREAM), key, counter)
        kept = random.keep_mask(SEED, counter, STREAM, 31 * 9, 0.3).reshape(31, 9)
        np.testing.assert_allclose(mask, kept / 0.7)


def test_a_dropout_mask_takes_the_rows_of_the_run_and_keeps_the_mean(key: Input) -> None:
    x = Input((BATCH, 50))
    masked = x * ops.dropout_mask(key, x.shape, 0.2, STREAM)
    found = evaluate({"y": masked}, {x: np.ones((400, 50)), key: key_of(1)}, "float32")["y"]
    assert found.shape == (400, 50)
    assert found.dtype == np.float32
    assert abs(found.mean() - 1) < 5 * 0.5 / np.sqrt(found.size)
    np.testing.assert_allclose(np.unique(found), [0, 1.25])


def test_rows_that_come_first_keep_their_mask_when_more_rows_follow(key: Input) -> None:
    x = Input((BATCH, 3))
    mask = ops.dropout_mask(key, x.shape, 0.5, STREAM) * x
    few, many = (evaluate({"y": mask}, {x: np.ones((n, 3)), key: key_of(5)})["y"] for n in (4, 9))
    np.testing.assert_array_equal(few, many[:4])


def test_masks_in_turn_come_back_after_their_number(key: Input) -> None:
    mask = ops.dropout_mask(key, (40,), 0.5, STREAM, cycle=12)
    plain = ops.dropout_mask(key, (40,), 0.5, STREAM)
    masks = [drawn(mask, key, step).tolist() for step in range(30)]
    assert masks[:12] == masks[12:24]
    assert len({tuple(m) for m in masks}) == 12
    for step in (5, 12, 1 << 32, (1 << 40) + 3, (1 << 64) - 1):
        np.testing.assert_array_equal(drawn(mask, key, step), drawn(plain, key, step % 12))


def test_masks_in_turn_work_on_keys_of_any_integer_type(key: Input) -> None:
    mask = ops.dropout_mask(key, (40,), 0.5, STREAM, cycle=65536)
    for dtype in (np.uint32, np.int64, np.uint64):
        wide = key_of((1 << 64) - 5).astype(dtype)
        found = evaluate({"y": mask}, {key: wide})["y"]
        np.testing.assert_array_equal(found, drawn(mask, key, ((1 << 64) - 5) % 65536))


def test_normal_noise_is_the_streams_normal_numbers(key: Input) -> None:
    noise = ops.normal_noise(key, (5, 7), STREAM)
    want = random.normal(SEED, 3, STREAM, 35).reshape(5, 7)
    np.testing.assert_array_equal(drawn(noise, key, 3), want)
    single = evaluate({"y": noise}, {key: key_of(3)}, "float32")["y"]
    np.testing.assert_array_equal(single, want.astype(np.float32))


def test_another_stream_or_counter_gives_other_numbers(key: Input) -> None:
    a, b = (ops.normal_noise(key, (5,), STREAM + i) for i in range(2))
    assert (drawn(a, key, 0) != drawn(b, key, 0)).all()
    assert (drawn(a, key, 0) != drawn(a, key, 1)).all()


def test_images_are_shifted_each_by_its_own_whole_offsets(key: Input) -> None:
    images = Input((BATCH, 9, 11))
    shifted = ops.random_shift(key, images, 2, 3, STREAM)
    array = np.zeros((500, 9, 11))
    array[:, 4, 5] = 1.0
    found = evaluate({"y": shifted}, {images: array, key: key_of(9)})["y"]
    which, rows, columns = np.nonzero(found)
    assert which.tolist() == list(range(500))  # one pixel each, none lost
    for offsets, most in ((rows - 4, 2), (columns - 5, 3)):
        values, counts = np.unique(offsets, return_counts=True)
        assert values.tolist() == list(range(-most, most + 1))
        assert counts.min() > 0.6 * 500 / len(values)
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.15


def test_pixels_moved_out_are_lost_and_zeros_move_in(key: Input) -> None:
    images = Input((BATCH, 3, 3))
    shifted = ops.random_shift(key, images, 1, 0, STREAM)
    array = np.arange(1.0, 10).reshape(1, 3, 3).repeat(60, axis=0)
    found = evaluate({"y": shifted}, {images: array, key: key_of(0)})["y"]
    down = np.array([[0, 0, 0], [1, 2, 3], [4, 5, 6]])
    up = np.array([[4, 5, 6], [7, 8, 9], [0, 0, 0]])
    kinds = {image.tobytes() for image in found}
    assert kinds == {a.astype(float).tobytes() for a in (down, array[0], up)}


def test_the_gradient_of_a_shift_is_the_shift_back(key: Input) -> None:
    images = Input((BATCH, 6, 5, 2))
    shifted = ops.random_shift(key, images, 2, 2, STREAM)
    weights = np.random.default_rng(0).normal(size=(4, 6, 5, 2))
    cotangent = Input((BATCH, 6, 5, 2))
    (back,) = gradients(shifted, [images], cotangent)
    assert back is not None
    array = np.random.default_rng(1).normal(size=(4, 6, 5, 2))
    given = {images: array, cotangent: weights, key: key_of(2)}
    found = evaluate({"there": shifted, "back": back}, given)
    there, here = np.sum(found["there"] * weights), np.sum(array * found["back"])
    assert there == pytest.approx(here, rel=1e-12)


def test_about_half_of_the_images_are_flipped(key: Input) -> None:
    images = Input((BATCH, 2, 3))
    array = np.arange(6.0).reshape(1, 2, 3).repeat(400, axis=0)
    for axis in (1, 2):
        flipped = ops.random_flip(key, images, axis, STREAM)
        found = evaluate({"y": flipped}, {images: array, key: key_of(4)})["y"]
        same = (found == array).all((1, 2))
        mirrored = (found == np.flip(array, axis)).all((1, 2))
        assert (same ^ mirrored).all()
        assert 150 < mirrored.sum() < 250


def test_random_choices_without_sense_are_told(key: Input) -> None:
    with pytest.raises(UsageError, match=r"rate 1\.0"):
        ops.dropout_mask(key, (3,), 1.0, STREAM)
    with pytest.raises(UsageError, match="0 dropout masks in turn"):
        ops.dropout_mask(key, (3,), 0.5, STREAM, cycle=0)
    with pytest.raises(ShapeError, match="leave the batch axis out"):
        ops.dropout_mask(key, (BATCH, 3), 0.5, STREAM, cycle=3)
    with pytest.raises(UsageError, match="axis 0"):
        ops.random_flip(key, Input((BATCH, 4, 4)), 0, STREAM)
    with pytest.raises(UsageError, match="-1 rows"):
        ops.random_shift(key, Input((BATCH, 4, 4)), -1, 0, STREAM)
    with pytest.raises(ShapeError, match=r"not \(batch, 16\) and \(4,\)"):
        ops.random_shift(key, Input((BATCH, 16)), 1, 1, STREAM)
    with pytest.raises(ShapeError, match=r"key of shape \(4,\), not \(2,\)"):
        ops.normal_noise(Input((2,), "int"), (3,), STREAM)
