"""Norms over depth: Jacobians are right, and vanishing and exploding gradients are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr


def deep(activation: str, initializer: Any, layers: int = 12, loss: str = "mse") -> cr.Ledger:
    model = cr.Sequential(
        [
            *(
                cr.layers.Dense(16, activation=activation, kernel_initializer=initializer)
                for _ in range(layers)
            ),
            cr.layers.Dense(1),
        ]
    )
    model.compile(cr.optimizers.SGD(0.1), loss, precision="float64", engine="reference")
    rng = np.random.default_rng(0)
    return cr.explain(model, rng.normal(size=(4, 16)), rng.normal(size=(4, 1)))


def test_a_layer_s_jacobian_is_g_prime_times_w_transposed() -> None:
    ledger = deep("tanh", "glorot_uniform", 2)
    a, w = ledger.array("a1"), ledger.array("W1")
    expected = (1 - a[:, :, None] ** 2) * w.T
    np.testing.assert_allclose(ledger.jacobian("dense"), expected, rtol=1e-12)
    np.testing.assert_allclose(
        ledger.jacobian("dense_2"), np.broadcast_to(ledger.array("W3").T, (4, 1, 16))
    )


def test_the_gradient_is_the_product_of_the_jacobians() -> None:
    ledger = deep("tanh", "glorot_uniform", 3)
    back = ledger.array("δ4")[:, None, :]  # of the linear output, which is z
    for name, title in (("dense_3", "∂L/∂a3"), ("dense_2", "∂L/∂a2"), ("dense_1", "∂L/∂a1")):
        back = back @ ledger.jacobian(name)
        np.testing.assert_allclose(back[:, 0], ledger.array(title), rtol=1e-10)


@pytest.mark.parametrize(
    ("activation", "initializer", "words"),
    [
        ("sigmoid", "glorot_uniform", "vanishes"),
        ("linear", cr.initializers.RandomUniform(-2.0, 2.0), "explodes"),
        ("tanh", "orthogonal", "keeps its size"),
    ],
)
def test_vanishing_and_exploding_gradients_are_told_with_their_numbers(
    activation: str, initializer: Any, words: str
) -> None:
    found = deep(activation, initializer).depth()
    assert words in found.verdict
    assert len(found.layers) == 13
    assert "dense_11" in str(found)
    product = found.layers[0].product
    assert product is not None
    assert (product < 1e-3) == (words == "vanishes")


def test_the_picture_has_a_line_for_gradients_jacobians_and_their_product(tmp_path: Path) -> None:
    figure = deep("sigmoid", "glorot_uniform").depth().picture()
    (axes,) = figure.axes
    assert len(axes.get_lines()) == 3
    assert axes.get_yscale() == "log"
    figure.savefig(tmp_path / "depth.png")
    assert (tmp_path / "depth.png").stat().st_size > 5_000


def test_layers_without_a_matrix_are_left_out() -> None:
    model = cr.Sequential([cr.Input((2, 3)), cr.layers.Flatten(), cr.layers.Dense(2)])
    model.compile("sgd", "mse", engine="reference")
    ledger = cr.explain(model, np.ones((1, 2, 3)), np.ones((1, 2)))
    assert ledger.depth().layers[0].jacobian_norm is None
    with pytest.raises(cr.UsageError, match="no Jacobian matrix"):
        ledger.jacobian("flatten")
    with pytest.raises(cr.UnknownNameError, match="dens"):
        ledger.jacobian("dens")
