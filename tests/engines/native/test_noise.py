"""Random operations on the native engine: the reference's numbers, in every place they may be used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.backprop import gradients
from chainrule.engines.native import Native, NoKernel, lower
from chainrule.engines.program import Program, State
from chainrule.engines.reference import Reference
from chainrule.graph import BATCH, Input, Op, Parameter
from chainrule.ops import sum as total
from chainrule.ops.noise import dropout_mask, normal_noise, random_flip, random_shift
from chainrule.random import Stream

KEY = np.array([1, 2, 3, 4], np.uint32)


def both(
    outputs: Any, rows: dict[Input, Any], key: Input, precision: Any = "float64"
) -> tuple[dict[str, Any], dict[str, Any]]:
    program = Program(tuple(rows), outputs, scalars=(key,))
    native, reference = (
        engine.prepare(program, State(precision)).once(rows, {key: KEY})
        for engine in (Native(), Reference())
    )
    return native, reference


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(
    "shape", [(), (1,), (17,), (3, 5), (2, 3, 4), (BATCH,), (BATCH, 1), (BATCH, 5), (BATCH, 3, 7)]
)
def test_noise_and_masks_of_any_shape_have_the_references_bits(shape: Any, precision: Any) -> None:
    x, key = Input((BATCH, 2), name="x"), Input((4,), "int", "key")
    rows = {x: np.ones((13, 2))}
    outputs = {
        "noise": normal_noise(key, shape, Stream.NOISE.at(3)),
        "user": normal_noise(key, shape, Stream.USER.at(2**24 - 1)),
        "mask": dropout_mask(key, shape, 0.3, Stream.DROPOUT),
    }
    native, reference = both(outputs, rows, key, precision)
    for name, array in reference.items():
        assert native[name].dtype == array.dtype == precision
        np.testing.assert_array_equal(native[name], array, err_msg=name)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(1, 1), (6, 5), (28, 28), (4, 5, 3)])
def test_changed_images_and_their_gradients_have_the_references_bits(
    shape: tuple[int, ...], precision: Any
) -> None:
    x, key = Input((BATCH, *shape), name="x"), Input((4,), "int", "key")
    weights = np.random.default_rng(1).integers(-5, 6, (19, *shape)).astype(float)
    w = Input((BATCH, *shape), name="w")
    images = np.random.default_rng(0).integers(0, 256, (19, *shape)).astype(np.uint8)
    outputs = {}
    for name, changed in {
        "across": random_flip(key, x, 2, 1),
        "down": random_flip(key, x, 1, 2),
        "shift": random_shift(key, x, 1, 2, 3),
        "far": random_shift(key, x, 9, 40, 4),
    }.items():
        outputs[name] = changed
        (found,) = gradients(total(changed * w), [x])
        outputs[f"{name} gradient"] = found
    native, reference = both(outputs, {x: images, w: weights}, key, precision)
    for name, array in reference.items():
        np.testing.assert_array_equal(native[name], array, err_msg=name)
    assert not np.array_equal(native["shift"], images.astype(float)) or shape == (1, 1)


def images_and_labels() -> tuple[Any, Any]:
    rng = np.random.default_rng(8)
    images = rng.uniform(size=(70, 6, 5))
    return images, (images[:, :3].sum(axis=(1, 2)) > images[:, 3:].sum(axis=(1, 2))).astype(int)


@pytest.mark.parametrize("batch_size", [16, 70])
def test_models_with_augmentation_and_noise_train_alike_on_both_engines(batch_size: int) -> None:
    x, y = images_and_labels()
    histories, weights = [], []
    for engine in ("native", "reference"):
        layers = [
            cr.layers.RandomShift(1, 2),
            cr.layers.RandomFlip("horizontal"),
            cr.layers.RandomFlip("vertical"),
            cr.layers.Flatten(),
            cr.layers.GaussianNoise(0.2),
            cr.layers.Dense(9, activation="tanh"),
            cr.layers.GaussianNoise(0.1),
            cr.layers.Dense(2, activation="softmax"),
        ]
        model = cr.Sequential(layers, seed=3)
        model.compile("adam", "sparse_categorical_crossentropy", precision="float64", engine=engine)
        history = model.fit(x, y, batch_size=batch_size, epochs=3, verbose=0)
        histories.append(history.history["loss"])
        weights.append(model.get_weights())
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-10)
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


def test_noise_does_not_depend_on_the_number_of_threads_or_on_slices() -> None:
    x, key = Input((BATCH, 40), name="x"), Input((4,), "int", "key")
    w = Parameter((40, 3), "w")
    noisy = x + normal_noise(key, (BATCH, 40), 1) * dropout_mask(key, (BATCH, 40), 0.5, 2)
    loss = total((noisy @ w) ** 2.0)
    (slope,) = gradients(loss, [w])
    assert slope is not None
    program = Program((x,), {"loss": loss}, (key,), ((w, w - slope * 1e-4),))
    rows = {x: np.random.default_rng(0).normal(size=(5000, 40))}
    order, table = np.arange(5000), {key: np.tile(KEY, (2, 1))}
    found = []
    for threads in (1, 2, 3, 8):
        state = State("float32")
        state[w] = np.random.default_rng(1).normal(size=(40, 3))
        sums = Native().prepare(program, state, threads).steps(rows, order, 2500, table)
        found.append((sums["loss"], state[w].tobytes()))
    assert len(set(found)) == 1
    state = State("float64")
    state[w] = np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)
    expected = Reference().prepare(program, state).steps(rows, order, 2500, table)
    assert found[0][0] == pytest.approx(expected["loss"], rel=1e-4)


def test_images_that_are_not_rows_of_the_data_have_no_kernel() -> None:
    images, key = Parameter((3, 4, 5), "images"), Input((4,), "int", "key")
    program = Program((), {"y": random_flip(key, images, 1, 1)}, scalars=(key,))
    with pytest.raises(NoKernel, match="random_flip on images that are not rows"):
        lower(program)


def test_a_key_that_is_not_an_input_has_no_kernel() -> None:
    program = Program((), {"y": normal_noise(np.array([1, 2, 3, 4]), (3,), 1)})
    with pytest.raises(NoKernel, match="normal_noise with a key that is not an input"):
        lower(program)


def test_every_random_operation_is_tested_here() -> None:
    random = {"dropout_mask", "normal_noise", "random_flip", "random_shift"}
    assert {name for name, op in Op.registry.items() if op.__module__.endswith("noise")} == random
