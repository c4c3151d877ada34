"""Layers that multiply by weights: Dense, TiedDense, Embedding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import layers
from chainrule.errors import ShapeError, UnknownNameError, UsageError

# some operations run on the reference engine alone
pytestmark = pytest.mark.filterwarnings("ignore:.*no native kernel")

RNG = np.random.default_rng(5)


# --- Dense ------------------------------------------------------------------------------------------


def test_dense_is_activation_of_x_times_w_plus_b(bench: Any) -> None:
    x, w, b = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2)), RNG.normal(size=2)
    run = bench(layers.Dense(2, activation="tanh"))
    run(x)
    run.set([w, b])
    np.testing.assert_allclose(run(x), np.tanh(x @ w + b), rtol=1e-14)


def test_dense_without_bias_has_a_kernel_only(bench: Any) -> None:
    run = bench(layers.Dense(2, use_bias=False))
    x = RNG.normal(size=(4, 3))
    output = run(x)
    assert list(run.weights()) == ["kernel"]
    np.testing.assert_allclose(output, x @ run.weights()["kernel"])


def test_weights_begin_as_their_initializers_say(bench: Any) -> None:
    own = RNG.normal(size=(3, 2))
    run = bench(layers.Dense(2, kernel_initializer=own, bias_initializer="ones"))
    run(np.zeros((1, 3)))
    np.testing.assert_array_equal(run.weights()["kernel"], own)
    assert run.weights()["bias"].tolist() == [1.0, 1.0]


def test_units_may_be_any_whole_number(bench: Any) -> None:
    assert bench(layers.Dense(np.int64(3)))(np.ones((2, 2))).shape == (2, 3)


@pytest.mark.parametrize("units", [0, -1, 2.5, "many", None, True])
def test_units_must_be_a_whole_number_of_at_least_one(units: Any) -> None:
    with pytest.raises(
        UsageError, match=r"Dense: units is .*, expected a whole number in \[1, inf\)"
    ):
        layers.Dense(units)


def test_dense_on_images_suggests_flatten() -> None:
    with pytest.raises(
        ShapeError,
        match=r"Dense takes inputs of shape \(batch, features\), not \(batch, 8, 8\)\. Put a Flatten",
    ):
        layers.Dense(3)(cr.Input((8, 8)))


def test_a_changed_feature_count_names_the_layer_and_both_shapes() -> None:
    layer = layers.Dense(3, name="hidden_2")
    layer(cr.Input((12,)))
    with pytest.raises(
        ShapeError,
        match=r'Dense\("hidden_2"\): the input has shape \(batch, 64\), its weights were built for \(batch, 12\)',
    ):
        layer(cr.Input((64,)))


def test_an_activation_must_keep_the_shape() -> None:
    layer = layers.Dense(3, activation=lambda z: cr.ops.sum(z, -1))
    with pytest.raises(ShapeError, match=r"turned shape \(batch, 3\) into \(batch,\)"):
        layer(cr.Input((2,)))
    with pytest.raises(ShapeError, match=r"turned shape \(batch, 3\) into float"):
        layers.Dense(3, activation=lambda z: 1.0)(cr.Input((2,)))


@pytest.mark.parametrize(
    ("settings", "guess"),
    [
        ({"activation": "reluu"}, "did you mean 'relu'"),
        ({"kernel_initializer": "he_norml"}, "did you mean 'he_normal'"),
        ({"kernel_regularizer": "l3"}, "did you mean 'l"),
        ({"kernel_constraint": "maxnrm"}, "did you mean 'max_norm'"),
    ],
)
def test_unknown_names_are_guessed(settings: dict[str, str], guess: str) -> None:
    with pytest.raises(UnknownNameError, match=guess):
        layers.Dense(2, **settings)


def test_an_initial_array_of_another_shape_names_the_weight() -> None:
    model = cr.Sequential([layers.Dense(2, kernel_initializer=np.ones((5, 2)))])
    with pytest.raises(ShapeError, match=r"dense/kernel: .* \(5, 2\) .* \(3, 2\)"):
        model.build((3,))


# --- TiedDense --------------------------------------------------------------------------------------


def autoencoder() -> cr.Model:
    encoder = layers.Dense(2, activation="tanh", name="encoder")
    inputs = cr.Input((4,))
    model = cr.Model(inputs, layers.TiedDense(encoder, name="decoder")(encoder(inputs)), seed=1)
    model.compile(cr.optimizers.SGD(1.0), loss="half_squared_error", precision="float64")
    return model


def test_a_tied_layer_multiplies_by_the_transpose_and_adds_only_a_bias() -> None:
    model = autoencoder()
    w, b, c = model.get_weights()
    assert (w.shape, b.shape, c.shape) == ((4, 2), (2,), (4,))
    x = RNG.normal(size=(3, 4))
    np.testing.assert_allclose(model.predict(x), np.tanh(x @ w + b) @ w.T + c, rtol=1e-12)


def test_a_tied_matrix_gets_the_gradients_of_both_its_uses() -> None:
    model = autoencoder()
    w, b, _ = model.get_weights()
    x = RNG.normal(size=(3, 4))
    h = np.tanh(x @ w + b)
    delta = (model.predict(x) - x) / 3
    expected = delta.T @ h + x.T @ ((delta @ w) * (1 - h**2))
    model.fit(x, x, batch_size=3, verbose=0)
    np.testing.assert_allclose(w - model.get_weights()[0], expected, rtol=1e-10)


def test_a_tied_layer_is_refused_where_it_does_not_fit() -> None:
    encoder = layers.Dense(2, name="encoder")
    with pytest.raises(UsageError, match=r"TiedDense is tied to a Dense layer, not to 3"):
        layers.TiedDense(3)
    with pytest.raises(
        UsageError, match=r'must come after the layer it is tied to, Dense\("encoder"\)'
    ):
        layers.TiedDense(encoder)(cr.Input((2,)))
    encoder(cr.Input((4,)))
    with pytest.raises(ShapeError, match=r"the input has 3 features, .* has 2 units"):
        layers.TiedDense(encoder)(cr.Input((3,)))


def test_a_layer_may_not_be_tied_to_one_outside_the_model() -> None:
    outside = layers.Dense(2)
    outside(cr.Input((4,)))
    inputs = cr.Input((2,))
    with pytest.raises(UsageError, match="is tied to Dense, which is not part of the model"):
        cr.Model(inputs, layers.TiedDense(outside)(inputs))


# --- Embedding --------------------------------------------------------------------------------------


def test_an_embedding_looks_up_a_row_for_each_number(bench: Any) -> None:
    run = bench(layers.Embedding(5, 3))
    numbers = np.array([[0, 4], [2, 2]])
    output = run(numbers)
    assert output.shape == (2, 2, 3)
    np.testing.assert_array_equal(output, run.weights()["embeddings"][numbers])


def test_an_embedding_begins_in_keras_range(bench: Any) -> None:
    run = bench(layers.Embedding(100, 20))
    run(np.zeros((1, 1), int))
    largest = np.abs(run.weights()["embeddings"]).max()
    assert 0.049 < largest <= 0.05


def test_a_sequential_model_may_begin_with_an_embedding() -> None:
    x = RNG.integers(0, 4, size=(40, 3))
    y = (x == 2).sum(1)
    model = cr.Sequential([layers.Embedding(4, 2), layers.Flatten(), layers.Dense(1)])
    model.compile(cr.optimizers.Adam(0.05), loss="mse")
    losses = model.fit(x, y, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.2 * losses[0]
    # whole numbers may come as floats, as they do from tables
    np.testing.assert_array_equal(model.predict(x.astype(float)), model.predict(x))


def test_only_the_rows_of_a_batch_are_changed_and_repeated_ones_by_the_sum() -> None:
    inputs = cr.Input((1,), kind="int")
    table = layers.Embedding(4, 2)
    model = cr.Model(inputs, layers.Flatten()(table(inputs)))
    model.compile(cr.optimizers.SGD(1.0), loss="half_squared_error", precision="float64")
    (before,) = model.get_weights()
    x, t = np.array([[1], [3], [1]]), RNG.normal(size=(3, 2))
    model.fit(x, t, batch_size=3, verbose=0)
    expected = np.zeros((4, 2))
    for row, target in zip(x[:, 0], t, strict=True):
        expected[row] += (before[row] - target) / 3
    np.testing.assert_allclose(before - model.get_weights()[0], expected, rtol=1e-10)


def test_an_embedding_needs_whole_numbers() -> None:
    with pytest.raises(UsageError, match=r"Embedding takes whole numbers: .* kind='int'"):
        layers.Embedding(4, 2)(cr.Input((3,)))
    with pytest.raises(UsageError, match="Embedding: input_dim is 0"):
        layers.Embedding(0, 2)


def test_a_number_outside_the_table_is_named() -> None:
    model = cr.Sequential([layers.Embedding(4, 2), layers.Flatten()])
    model.build((1,))
    with pytest.raises(
        cr.DataError,
        match=r'x holds whole numbers from 0 to 7, but Embedding\("embedding"\) .* 0 to 3\.',
    ):
        model.predict(np.array([[0], [7]]))
    with pytest.raises(cr.DataError, match=r"x must hold whole numbers, but holds 0\.5"):
        model.predict(np.array([[0.5]]))
