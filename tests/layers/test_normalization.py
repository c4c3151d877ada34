"""Batch and layer normalisation: against PyTorch and JAX, and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import layers
from chainrule.errors import ShapeError, UsageError

RNG = np.random.default_rng(8)
X = 3.0 + 2.0 * RNG.normal(size=(7, 3))
GAMMA, BETA = RNG.normal(size=(2, 3))
EPSILON = 1e-3


def normalized(x: Any, axis: int) -> Any:
    mean, variance = x.mean(axis, keepdims=True), x.var(axis, keepdims=True)
    return (x - mean) / np.sqrt(variance + EPSILON)


# --- by hand ----------------------------------------------------------------------------------------


def test_a_training_batch_is_normalized_by_its_own_mean_and_variance(bench: Any) -> None:
    run = bench(layers.BatchNormalization())
    run(X)
    run.set([GAMMA, BETA, np.zeros(3), np.ones(3)])
    expected = GAMMA * normalized(X, 0) + BETA
    np.testing.assert_allclose(run(X, training=True), expected, rtol=1e-12)


def test_running_statistics_follow_the_batches_and_are_used_when_predicting(bench: Any) -> None:
    run = bench(layers.BatchNormalization(momentum=0.8))
    mean, variance = np.zeros(3), np.ones(3)
    for _ in range(4):
        batch = RNG.normal(size=(5, 3))
        run(batch, training=True)
        mean = 0.8 * mean + 0.2 * batch.mean(0)
        variance = 0.8 * variance + 0.2 * batch.var(0)  # divided by n, as in Keras
    weights = run.weights()
    np.testing.assert_allclose(weights["moving_mean"], mean, rtol=1e-12)
    np.testing.assert_allclose(weights["moving_variance"], variance, rtol=1e-12)
    np.testing.assert_allclose(run(X), (X - mean) / np.sqrt(variance + EPSILON), rtol=1e-12)


def test_predicting_leaves_running_statistics_alone(bench: Any) -> None:
    run = bench(layers.BatchNormalization())
    run(X)
    assert run.weights()["moving_mean"].tolist() == [0.0] * 3
    assert run.weights()["moving_variance"].tolist() == [1.0] * 3


def test_a_frozen_layer_uses_and_keeps_its_running_statistics(bench: Any) -> None:
    layer = layers.BatchNormalization()
    run = bench(layer)
    run(X)
    run.set([GAMMA, BETA, np.full(3, 3.0), np.full(3, 4.0)])
    layer.trainable = False
    expected = GAMMA * (X - 3) / np.sqrt(4 + EPSILON) + BETA
    np.testing.assert_allclose(run(X, training=True), expected, rtol=1e-12)
    assert run.weights()["moving_mean"].tolist() == [3.0] * 3


def test_scale_and_shift_can_be_left_out(bench: Any) -> None:
    run = bench(layers.BatchNormalization(center=False, scale=False))
    run(X)
    assert list(run.weights()) == ["moving_mean", "moving_variance"]
    run = bench(layers.LayerNormalization(center=False))
    run(X)
    assert list(run.weights()) == ["gamma"]


def test_running_statistics_are_weights_but_not_trained() -> None:
    model = cr.Sequential([layers.BatchNormalization(), layers.Dense(1)])
    model.build((3,))
    assert [w.shape for w in model.get_weights()] == [(3,)] * 4 + [(3, 1), (1,)]
    assert [row["trainable"] for row in model.describe()] == [6, 4]
    assert model.count_params() == 16


def test_a_layer_normalizes_each_example_on_its_own(bench: Any) -> None:
    run = bench(layers.LayerNormalization())
    run(X)
    run.set([GAMMA, BETA])
    expected = GAMMA * normalized(X, 1) + BETA
    for training in (False, True):
        np.testing.assert_allclose(run(X, training=training), expected, rtol=1e-12)
    np.testing.assert_allclose(run(X[:1], training=True), expected[:1], rtol=1e-12)


# --- against PyTorch and JAX ------------------------------------------------------------------------


def network(layer: Any, weights: list[Any]) -> cr.Sequential:
    """x → normalization → tanh → dense, with half the squared error, learning rate 1."""
    model = cr.Sequential(
        [layers.Dense(3), layer, layers.Activation("tanh"), layers.Dense(2, use_bias=False)]
    )
    model.compile(cr.optimizers.SGD(1.0), "half_squared_error", precision="float64")
    model.build((4,))
    model.set_weights(weights)
    return model


W1, B1, W2 = RNG.normal(size=(4, 3)), RNG.normal(size=3), RNG.normal(size=(3, 2))
INPUT, TARGET = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 2))


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_every_gradient_of_a_network_agrees_with_pytorch(kind: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")
    running = [np.zeros(3), np.ones(3)] if kind == "batch" else []
    layer = (
        layers.BatchNormalization(momentum=0.9) if kind == "batch" else layers.LayerNormalization()
    )
    model = network(layer, [W1, B1, GAMMA, BETA, *running, W2])
    model.fit(INPUT, TARGET, batch_size=6, verbose=0)
    w1, b1, gamma, beta, w2 = (
        torch.tensor(a, requires_grad=True) for a in (W1, B1, GAMMA, BETA, W2)
    )
    z = torch.tensor(INPUT) @ w1 + b1
    if kind == "batch":
        mean, variance = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
        z = torch.nn.functional.batch_norm(
            z, mean, variance, gamma, beta, training=True, momentum=0.1, eps=EPSILON
        )
    else:
        z = torch.nn.functional.layer_norm(z, (3,), gamma, beta, eps=EPSILON)
    loss = 0.5 * ((torch.tanh(z) @ w2 - torch.tensor(TARGET)) ** 2).sum(1).mean()
    loss.backward()
    after = model.get_weights()
    ours = [after[0], after[1], after[2], after[3], after[-1]]
    for new, old in zip(ours, (w1, b1, gamma, beta, w2), strict=True):
        expected = (old - old.grad).detach().numpy()
        np.testing.assert_allclose(new, expected, rtol=1e-9, atol=1e-12)
    if kind == "batch":
        np.testing.assert_allclose(after[4], mean.numpy(), rtol=1e-12)
        # PyTorch's running variance is divided by n − 1, ours by n
        ours_unbiased = 0.9 + (after[5] - 0.9) * 6 / 5
        np.testing.assert_allclose(ours_unbiased, variance.numpy(), rtol=1e-12)


def test_the_gradient_for_the_input_goes_through_mean_and_variance_as_in_jax() -> None:
    jax = pytest.importorskip("jax", reason="JAX is the oracle here")
    model = network(layers.BatchNormalization(), [W1, B1, GAMMA, BETA, np.zeros(3), np.ones(3), W2])
    model.fit(INPUT, TARGET, batch_size=6, verbose=0)
    with jax.enable_x64(True):
        np_ = jax.numpy

        def loss(w1: Any) -> Any:
            z = INPUT @ w1 + B1
            z = (z - z.mean(0)) / np_.sqrt(z.var(0) + EPSILON)
            return 0.5 * ((np_.tanh(GAMMA * z + BETA) @ W2 - TARGET) ** 2).sum(1).mean()

        expected = W1 - np.asarray(jax.grad(loss)(W1))
    np.testing.assert_allclose(model.get_weights()[0], expected, rtol=1e-9, atol=1e-12)
    # the bias before a batch normalisation has no effect: its gradient vanishes
    np.testing.assert_allclose(model.get_weights()[1], B1, atol=1e-14)


# --- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "batch_size", "sentence"),
    [
        (33, 32, r"batch of 1 row, and 33 row\(s\) in batches of 32 leave one"),
        (1, 32, r"batch of 1 row, and 1 row\(s\) in batches of 32"),
        (4, 1, r"batch of 1 row, and 4 row\(s\) in batches of 1"),
    ],
)
def test_a_training_batch_of_one_row_is_refused(rows: int, batch_size: int, sentence: str) -> None:
    model = cr.Sequential([layers.BatchNormalization(), layers.Dense(1)])
    model.compile(loss="mse")
    x, y = RNG.normal(size=(rows, 2)), RNG.normal(size=rows)
    with pytest.raises(
        UsageError, match=rf'BatchNormalization\("batch_normalization"\) .*{sentence}'
    ):
        model.fit(x, y, batch_size=batch_size, verbose=0)
    model.layers[0].trainable = False  # which has no statistics to take
    model.fit(x, y, batch_size=batch_size, verbose=0)


@pytest.mark.parametrize("layer", [layers.BatchNormalization, layers.LayerNormalization])
def test_images_must_be_flattened_first(layer: Any) -> None:
    with pytest.raises(ShapeError, match=r"not \(batch, 8, 8\)\. Put a Flatten layer before it"):
        layer()(cr.Input((8, 8)))


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="BatchNormalization: momentum is 1"):
        layers.BatchNormalization(momentum=1)
    with pytest.raises(UsageError, match="LayerNormalization: epsilon is 0"):
        layers.LayerNormalization(epsilon=0)
