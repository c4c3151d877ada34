"""Layers without weights: activations, shapes, functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import layers, ops
from chainrule.errors import ShapeError, UsageError

RNG = np.random.default_rng(9)
X = RNG.normal(size=(4, 2, 3))


def test_an_activation_may_be_a_layer_of_its_own(bench: Any) -> None:
    np.testing.assert_array_equal(bench(layers.Activation("relu"))(X), np.maximum(X, 0))
    np.testing.assert_array_equal(bench(layers.Activation())(X), X)


def test_rescaling_puts_bytes_between_zero_and_one(bench: Any) -> None:
    pixels = np.array([[0, 51, 255]], dtype=np.int64)
    output = bench(layers.Rescaling(1 / 255))(pixels)
    np.testing.assert_allclose(output, [[0.0, 0.2, 1.0]])
    assert output.dtype == np.float64
    np.testing.assert_allclose(bench(layers.Rescaling(2.0, -1.0))(X), 2 * X - 1)


def test_flatten_makes_a_row_of_each_example(bench: Any) -> None:
    np.testing.assert_array_equal(bench(layers.Flatten())(X), X.reshape(4, 6))
    assert bench(layers.Flatten())(np.ones(4)).shape == (4, 1)


@pytest.mark.parametrize("target", [(3, 2), [6], (1, 6, 1), (-1,), (3, -1), (-1, 1)])
def test_reshape_gives_each_example_another_shape(target: Any, bench: Any) -> None:
    output = bench(layers.Reshape(target))(X)
    np.testing.assert_array_equal(output, X.reshape(4, *target))


@pytest.mark.parametrize("target", [(4, 2), (5, -1)])
def test_examples_that_do_not_fit_a_shape_are_refused_with_both(target: Any) -> None:
    with pytest.raises(ShapeError, match=r"Reshape: an example of shape \(2, 3\) cannot become"):
        layers.Reshape(target)(cr.Input((2, 3)))


@pytest.mark.parametrize("target", [6, (2.5,), (0, 3), "23", (-1, -1)])
def test_a_target_shape_is_a_tuple_of_whole_numbers(target: Any) -> None:
    with pytest.raises(UsageError, match="Reshape: "):
        layers.Reshape(target)


def test_a_function_of_one_value_or_several_may_be_a_layer(bench: Any) -> None:
    a, b = RNG.normal(size=(2, 4, 3))
    np.testing.assert_allclose(bench(layers.Lambda(ops.square))(a), a**2)
    product = layers.Lambda(lambda a, b: ops.sum(a * b, -1, keepdims=True))
    np.testing.assert_allclose(bench(product)(a, b), (a * b).sum(1, keepdims=True))
    inputs = [cr.Input((3,)), cr.Input((3,))]
    assert cr.Model(inputs, product(inputs)).predict([a, b]).shape == (4, 1)


def test_gradients_pass_through_a_function() -> None:
    model = cr.Sequential([layers.Dense(2, use_bias=False), layers.Lambda(ops.square)])
    model.compile(cr.optimizers.SGD(1.0), "half_squared_error", precision="float64")
    x, t = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2))
    model.build((3,))
    (w,) = model.get_weights()
    model.fit(x, t, batch_size=5, verbose=0)
    z = x @ w
    expected = x.T @ ((z**2 - t) * 2 * z) / 5
    np.testing.assert_allclose(w - model.get_weights()[0], expected, rtol=1e-10)


def test_a_function_must_return_a_value() -> None:
    with pytest.raises(
        UsageError, match="Lambda: the function returned float, but must return a value"
    ):
        layers.Lambda(lambda x: 1.0)(cr.Input((3,)))
    with pytest.raises(UsageError, match="is not a function"):
        layers.Lambda(3)


def test_an_error_inside_a_function_names_its_layer() -> None:
    with pytest.raises(ShapeError, match=r'Lambda\("bad"\): .*\(batch, 3\).*\(4,\)'):
        layers.Lambda(lambda x: x + np.ones(4), name="bad")(cr.Input((3,)))


def test_a_function_that_loses_the_batch_axis_is_refused() -> None:
    inputs = cr.Input((3,))
    with pytest.raises(ShapeError, match=r"Lambda: the output \(3,\) has lost the batch axis"):
        cr.Model(inputs, layers.Lambda(lambda x: ops.sum(x, 0))(inputs))
    model = cr.Sequential([layers.Lambda(ops.sum), layers.Dense(2)])
    with pytest.raises(ShapeError, match=r"Lambda: the output \(\) has lost the batch axis"):
        model.build((3,))
