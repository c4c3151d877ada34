"""Layers that are random while training: what they do to numbers, and that they can be repeated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import layers
from chainrule.errors import ShapeError, UsageError

# some operations run on the reference engine alone
pytestmark = pytest.mark.filterwarnings("ignore:.*no native kernel")

X = np.ones((50, 40))
IMAGES = np.arange(1.0, 1 + 30 * 5 * 4).reshape(30, 5, 4)
RANDOM = {
    "dropout": (layers.Dropout(0.3), X),
    "cycled dropout": (layers.CycledDropout(0.3, masks=10), X),
    "noise": (layers.GaussianNoise(0.5), X),
    "shift": (layers.RandomShift(1, 1), IMAGES),
    "flip": (layers.RandomFlip(), IMAGES),
}


@pytest.mark.parametrize("name", RANDOM)
def test_nothing_happens_when_predicting(name: str, bench: Any) -> None:
    layer, x = RANDOM[name]
    np.testing.assert_array_equal(bench(layer)(x), x)


@pytest.mark.parametrize("name", RANDOM)
def test_one_seed_and_step_give_the_same_bits_and_others_give_others(name: str, bench: Any) -> None:
    layer, x = RANDOM[name]
    run = bench(layer)
    once = run(x, training=True, seed=1, step=5)
    np.testing.assert_array_equal(run(x, training=True, seed=1, step=5), once)
    assert not np.array_equal(run(x, training=True, seed=2, step=5), once)
    assert not np.array_equal(run(x, training=True, seed=1, step=6), once)


@pytest.mark.parametrize("name", RANDOM)
def test_two_layers_of_a_network_draw_different_numbers(name: str, bench: Any) -> None:
    layer, x = RANDOM[name]
    outputs = []
    for number in (1, 2):
        layer.number = number
        outputs.append(bench(layer)(x, training=True))
    layer.number = 0
    assert not np.array_equal(*outputs)


# --- dropout ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_right_share_and_divides_what_it_keeps(rate: float, bench: Any) -> None:
    output = bench(layers.Dropout(rate))(np.ones((400, 100)), training=True)
    assert set(np.unique(output)) == {0.0, 1 / (1 - rate)}
    # 40,000 draws: five standard deviations
    spread = 5 * np.sqrt(rate * (1 - rate) / output.size)
    assert (output == 0).mean() == pytest.approx(rate, abs=spread)
    assert output.mean() == pytest.approx(1.0, abs=spread / (1 - rate))


def test_dropout_of_rate_zero_does_nothing(bench: Any) -> None:
    np.testing.assert_array_equal(bench(layers.Dropout(0))(X, training=True), X)


def test_every_example_and_unit_has_a_chance_of_its_own(bench: Any) -> None:
    kept = bench(layers.Dropout(0.5))(np.ones((200, 200)), training=True) > 0
    assert np.abs(kept.mean(0) - 0.5).max() < 0.2
    assert np.abs(kept.mean(1) - 0.5).max() < 0.2
    assert np.linalg.matrix_rank(kept.astype(float)) > 190


def test_dropped_units_pass_no_gradient_back() -> None:
    model = cr.Sequential(
        [layers.Dense(50, use_bias=False), layers.Dropout(0.5), layers.Dense(1, use_bias=False)]
    )
    model.compile(cr.optimizers.SGD(1.0), loss="mse", precision="float64")
    model.build((1,))
    before = model.get_weights()
    model.fit(np.ones((1, 1)), np.ones((1, 1)), verbose=0)
    changed = [new != old for new, old in zip(model.get_weights(), before, strict=True)]
    np.testing.assert_array_equal(changed[0][0], changed[1][:, 0])
    assert 10 < changed[0].sum() < 40


@pytest.mark.parametrize("masks", [1, 3, 10])
def test_cycled_dropout_alternates_exactly_its_masks(masks: int, bench: Any) -> None:
    run = bench(layers.CycledDropout(0.5, masks=masks))
    seen = [run(np.ones((4, 64)), training=True, step=step) for step in range(3 * masks)]
    for mask in seen:
        assert (mask == mask[0]).all()  # one mask for all examples of a step
    assert len({mask.tobytes() for mask in seen}) == masks
    for step in range(2 * masks):
        np.testing.assert_array_equal(seen[step], seen[step + masks])
    assert set(np.unique(seen)) == {0.0, 2.0}


def test_masks_differ_between_training_steps_of_a_model() -> None:
    seen: list[Any] = []

    def spy(x: Any) -> Any:
        return x

    model = cr.Sequential([layers.Dropout(0.5), layers.Lambda(spy), layers.Dense(1)], seed=3)
    model.compile(cr.optimizers.SGD(0.0), loss="mse", metrics=[lambda t, p: p])
    model.build((1000,))
    model.set_weights([np.full((1000, 1), 1e-3), np.zeros(1)])
    for _ in range(4):  # the mean output tells the share kept at this step
        history = model.fit(np.ones((1, 1000)), np.ones((1, 1)), verbose=0).history
        (name,) = set(history) - {"loss", "seconds", "learning_rate"}
        seen.append(history[name][0])
    assert len(set(seen)) == 4
    assert np.mean(seen) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: layers.Dropout(1.0), r"Dropout: rate is 1\.0, expected a number in \[0, 1\)"),
        (lambda: layers.Dropout("half"), "Dropout: rate is 'half'"),
        (lambda: layers.CycledDropout(-0.1), r"CycledDropout: rate is -0\.1"),
        (lambda: layers.CycledDropout(0.1, masks=0), "CycledDropout: masks is 0"),
        (lambda: layers.GaussianNoise(-1.0), r"GaussianNoise: stddev is -1\.0"),
        (lambda: layers.RandomShift(rows=-1), "RandomShift: rows is -1"),
        (lambda: layers.RandomShift(columns=0.5), r"RandomShift: columns is 0\.5"),  # type: ignore[arg-type]
        (lambda: layers.RandomFlip("sideways"), "mode is 'horizontal' or 'vertical'"),
    ],
)
def test_settings_out_of_range_are_refused(make: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        make()


# --- augmentation -----------------------------------------------------------------------------------


def test_noise_has_mean_zero_and_the_deviation_asked_for(bench: Any) -> None:
    noise = bench(layers.GaussianNoise(0.5))(np.zeros((300, 100)), training=True)
    assert noise.mean() == pytest.approx(0.0, abs=0.01)
    assert noise.std() == pytest.approx(0.5, rel=0.02)


def test_a_shift_moves_each_image_by_its_own_offset_and_zeros_come_in(bench: Any) -> None:
    output = bench(layers.RandomShift(rows=2, columns=1))(IMAGES, training=True)
    offsets = set()
    for image, moved in zip(IMAGES, output, strict=True):
        wide = np.pad(image, ((2, 2), (1, 1)))
        found = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-1, 2)
            if np.array_equal(wide[2 - down : 7 - down, 1 - right : 5 - right], moved)
        ]
        assert len(found) == 1
        offsets.update(found)
    assert len(offsets) > 8  # of 15


@pytest.mark.parametrize(("mode", "axis"), [("horizontal", 1), ("vertical", 0)])
def test_a_flip_mirrors_about_half_of_the_images(mode: str, axis: int, bench: Any) -> None:
    images = np.arange(1.0, 1 + 400 * 2 * 3).reshape(400, 2, 3)
    output = bench(layers.RandomFlip(mode))(images, training=True)
    mirrored = [np.array_equal(np.flip(i, axis), o) for i, o in zip(images, output, strict=True)]
    same = [np.array_equal(i, o) for i, o in zip(images, output, strict=True)]
    assert all(m != s for m, s in zip(mirrored, same, strict=True))
    assert 150 < sum(mirrored) < 250


def test_images_may_have_channels(bench: Any) -> None:
    images = np.stack([IMAGES, -IMAGES], axis=-1)
    for layer in (layers.RandomShift(1, 1), layers.RandomFlip()):
        output = bench(layer)(images, training=True)
        np.testing.assert_array_equal(output[..., 0], -output[..., 1])


@pytest.mark.parametrize("layer", [layers.RandomShift(), layers.RandomFlip()])
def test_vectors_are_not_images(layer: Any) -> None:
    with pytest.raises(
        ShapeError, match=r"takes images of shape .* not \(batch, 64\)\. Put a Reshape"
    ):
        layer(cr.Input((64,)))


def test_a_network_learns_through_augmented_images() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4, 4))
    y = (x.mean((1, 2)) > 0).astype(int)
    model = cr.Sequential(
        [
            layers.RandomShift(1, 1),
            layers.RandomFlip(),
            layers.Flatten(),
            layers.GaussianNoise(0.1),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(cr.optimizers.Adam(0.05), "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(x, y, epochs=20, verbose=0)
    assert model.evaluate(x, y)["accuracy"] > 0.85
