"""Activations by name: what they compute, against PyTorch, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from chainrule import activations
from chainrule.activations import ELU, GELU, LeakyReLU
from chainrule.engines.reference import evaluate
from chainrule.errors import UnknownNameError, UsageError
from chainrule.graph import BATCH, Input, Value
from chainrule.ops.activation import relu
from chainrule.ops.elementary import square

X = np.array([[-3.0, -0.5, 0.0, 0.7, 2.5], [9.0, -9.0, 1.0, -1.0, 0.1]])


def applied(activation: Any) -> np.ndarray[Any, Any]:
    x = Input((BATCH, 5), name="x")
    y = activations.get(activation)(x)
    assert y.shape == x.shape
    return evaluate({"y": y}, {x: X})["y"]


@pytest.mark.parametrize(
    ("activation", "of_torch"),
    [
        ("sigmoid", lambda f, x: f.sigmoid(x)),
        ("tanh", lambda f, x: f.tanh(x)),
        ("relu", lambda f, x: f.relu(x)),
        ("leaky_relu", lambda f, x: f.leaky_relu(x, 0.2)),
        (LeakyReLU(0.01), lambda f, x: f.leaky_relu(x)),
        ("elu", lambda f, x: f.elu(x)),
        (ELU(0.3), lambda f, x: f.elu(x, 0.3)),
        ("selu", lambda f, x: f.selu(x)),
        ("gelu", lambda f, x: f.gelu(x)),
        (GELU(approximate=True), lambda f, x: f.gelu(x, approximate="tanh")),
        ("silu", lambda f, x: f.silu(x)),
        ("swish", lambda f, x: f.silu(x)),
        ("mish", lambda f, x: f.mish(x)),
        ("softplus", lambda f, x: f.softplus(x)),
        ("softmax", lambda f, x: f.softmax(x, 1)),
        ("log_softmax", lambda f, x: f.log_softmax(x, 1)),
        ("exponential", lambda f, x: x.exp()),
        ("sign", lambda f, x: x.sign()),
        ("linear", lambda f, x: x),
        (None, lambda f, x: x),
    ],
    ids=lambda p: p if isinstance(p, str) else "None" if p is None else type(p).__name__,
)
def test_activations_are_those_of_pytorch(activation: Any, of_torch: Any) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")
    expected = of_torch(torch.nn.functional, torch.tensor(X)).numpy()
    np.testing.assert_allclose(applied(activation), expected, rtol=1e-10, atol=1e-13)


def test_a_users_function_is_an_activation_by_name_once_it_is_registered() -> None:
    def bent(x: Value) -> Value:
        return relu(x) + 0.1 * square(x)

    assert activations.get(bent) is bent
    with pytest.raises(
        UsageError, match=r"'bent' has no name .* @chainrule.register\('activation'"
    ):
        activations.FAMILY.config(bent)
    activations.register("test_bent")(bent)
    config = json.loads(json.dumps(activations.FAMILY.config(bent)))
    assert config == {"family": "activation", "name": "test_bent"}
    assert activations.get(config) is bent
    np.testing.assert_allclose(applied("test_bent"), np.maximum(X, 0) + 0.1 * X**2)


def test_a_misspelt_activation_is_named_with_the_nearest_one() -> None:
    with pytest.raises(
        UnknownNameError, match=r"activation 'reluu': did you mean 'relu'\? Known: "
    ):
        activations.get("reluu")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: LeakyReLU(-0.1), r"LeakyReLU: negative_slope is -0.1, .* in \[0, inf\)"),
        (lambda: ELU("a"), "alpha is 'a'"),  # type: ignore[arg-type]
        (lambda: GELU("tanh"), "approximate is 'tanh', expected True or False"),  # type: ignore[arg-type]
        (lambda: activations.get(3), "3 is not an activation"),
    ],
)
def test_settings_outside_their_range_are_refused(make: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        make()


def test_functions_of_numpy_are_no_activations():
    with pytest.raises(
        UsageError, match=r"numpy.tanh computes arrays, but an activation is part of a graph: give"
    ):
        activations.get(np.tanh)
