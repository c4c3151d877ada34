"""Data as they lie on disk or in images: memory-mapped, bytes, other orders; without a copy of the set."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DataError

RNG = np.random.default_rng(3)
ROWS, WIDTH = 30_000, 100
LABELS = RNG.integers(0, 3, ROWS)


def classifier(scaled: bool = False) -> cr.Sequential:
    layers: list[Any] = [cr.layers.Rescaling(1 / 255)] if scaled else []
    layers += [cr.layers.Dense(8, activation="relu"), cr.layers.Dense(3, activation="softmax")]
    model = cr.Sequential(layers, seed=2)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    return model


def on_disk(array: Any, folder: Path) -> Any:
    np.save(folder / "x.npy", array)
    return np.load(folder / "x.npy", mmap_mode="r")


def peak(work: Callable[[], object]) -> int:
    """The most bytes that a piece of work holds at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_mapped_numbers_and_bytes_are_used_without_a_copy(tmp_path: Path) -> None:
    numbers = RNG.standard_normal((ROWS, WIDTH), dtype=np.float32)
    pixels = RNG.integers(0, 256, (ROWS, WIDTH), dtype=np.uint8)
    for array, scaled in ((numbers, False), (pixels, True)):
        x = on_disk(array, tmp_path)
        model = classifier(scaled)
        model.fit(x[:100], LABELS[:100], verbose=0)
        model.evaluate(x[:100], LABELS[:100])
        for work in (
            lambda x=x, m=model: m.fit(x, LABELS, batch_size=512, verbose=0),
            lambda x=x, m=model: m.evaluate(x, LABELS),
            lambda x=x, m=model: m.predict(x),
        ):
            assert peak(work) < array.nbytes / 3  # orders of rows, blocks, predictions


@pytest.mark.parametrize("kind", ["float32", "float64", "uint8"])
def test_memory_mapped_data_give_the_bits_that_arrays_give(tmp_path: Path, kind: str) -> None:
    x = RNG.integers(0, 256, (500, 9)).astype(kind)
    mapped, inside = on_disk(x, tmp_path), classifier(scaled=True)
    outside = classifier(scaled=True)
    for model, given in ((inside, x), (outside, mapped)):
        model.fit(given, LABELS[:500], epochs=2, validation_split=0.2, verbose=0)
    for a, b in zip(inside.get_weights(), outside.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert inside.evaluate(x, LABELS[:500]) == outside.evaluate(mapped, LABELS[:500])
    np.testing.assert_array_equal(inside.predict(x), outside.predict(mapped))


def test_bytes_train_like_the_numbers_they_stand_for() -> None:
    pixels = RNG.integers(0, 256, (300, 20), dtype=np.uint8)
    found = []
    for x in (pixels, pixels.astype(np.float32), pixels.astype(np.int32), pixels.astype(np.int64)):
        model = classifier(scaled=True)
        model.fit(x, LABELS[:300], epochs=2, verbose=0)
        found.append([*model.get_weights(), model.predict(x)])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_columns_after_another_or_every_second_row_train_like_rows_in_a_row() -> None:
    x = RNG.standard_normal((600, 12), dtype=np.float32)
    found = []
    for given in (np.ascontiguousarray(x[::2]), x[::2], np.asfortranarray(x[::2])):
        model = classifier()
        model.fit(given, LABELS[:300], epochs=2, verbose=0)
        found.append([*model.get_weights(), model.predict(given)])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_missing_number_far_down_in_a_large_array_is_found() -> None:
    x = np.zeros((ROWS, WIDTH), np.float32)
    x[ROWS - 7, 5] = np.nan
    x[ROWS - 2, 0] = np.inf
    with pytest.raises(DataError, match=rf"holds 2 NaN .* the first at index \({ROWS - 7}, 5\)"):
        classifier().fit(x, LABELS, verbose=0)
