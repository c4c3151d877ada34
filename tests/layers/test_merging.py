"""Layers that bring several inputs together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import layers
from chainrule.errors import ShapeError, UsageError

RNG = np.random.default_rng(6)
A, B, C = RNG.normal(size=(3, 4, 2))


@pytest.mark.parametrize(
    ("layer", "arrays", "expected"),
    [
        (layers.Add, (A, B, C), A + B + C),
        (layers.Subtract, (A, B), A - B),
        (layers.Multiply, (A, B, C), A * B * C),
        (layers.Average, (A, B, C), np.mean([A, B, C], axis=0)),
        (layers.Maximum, (A, B, C), np.max([A, B, C], axis=0)),
        (layers.Minimum, (A, B, C), np.min([A, B, C], axis=0)),
        (layers.Concatenate, (A, B[:, :1], C), np.hstack([A, B[:, :1], C])),
    ],
)
def test_inputs_are_taken_together(layer: Any, arrays: Any, expected: Any, bench: Any) -> None:
    np.testing.assert_allclose(bench(layer())(*arrays), expected, rtol=1e-14)


def test_axes_of_examples_can_be_joined_along_any_of_them(bench: Any) -> None:
    x = RNG.normal(size=(2, 3, 4))
    assert bench(layers.Concatenate(axis=1))(x, x[:, :1]).shape == (2, 4, 4)
    assert bench(layers.Concatenate(axis=-2))(x, x[:, :1]).shape == (2, 4, 4)


MERGES = [layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum]


@pytest.mark.parametrize("layer", [*MERGES, layers.Minimum])
def test_inputs_of_several_shapes_are_refused_with_their_shapes(layer: Any) -> None:
    with pytest.raises(ShapeError, match=r"inputs of one shape, not \(batch, 3\) and \(batch, 1\)"):
        layer()([cr.Input((3,)), cr.Input((1,))])


def test_shapes_are_looked_at_in_every_place_a_layer_is_used() -> None:
    add = layers.Add()
    add([cr.Input((3,)), cr.Input((3,))])
    with pytest.raises(ShapeError, match="takes inputs of one shape"):
        add([cr.Input((3,)), cr.Input((1,))])


@pytest.mark.parametrize("layer", [layers.Add, layers.Concatenate])
def test_one_input_alone_is_refused(layer: Any) -> None:
    with pytest.raises(UsageError, match="takes a list of at least two inputs, not 1"):
        layer()(cr.Input((3,)))


def test_a_difference_has_two_terms() -> None:
    with pytest.raises(UsageError, match=r"Subtract takes 2 input\(s\), not 3"):
        layers.Subtract()([cr.Input((3,))] * 3)


@pytest.mark.parametrize("axis", [0, -2, 2, -3])
def test_examples_cannot_be_joined_along_the_batch_or_an_axis_that_is_not_there(axis: int) -> None:
    with pytest.raises(
        ShapeError, match=rf"Concatenate: axis {axis} of inputs of shape \(batch, 3\)"
    ):
        layers.Concatenate(axis=axis)([cr.Input((3,)), cr.Input((3,))])


def test_other_sizes_must_agree_where_inputs_are_joined() -> None:
    with pytest.raises(ShapeError, match=r"Concatenate: .*\(batch, 2, 3\).*\(batch, 4, 5\)"):
        layers.Concatenate()([cr.Input((2, 3)), cr.Input((4, 5))])


def test_arrays_are_not_layers_inputs() -> None:
    with pytest.raises(
        UsageError, match=r"not on ndarray\. To compute with arrays, use a model's predict"
    ):
        layers.Add()([A, B])
