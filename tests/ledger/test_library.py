"""Every layer, loss, activation and optimizer of the library can be explained, and every number checked."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import activations, losses, optimizers
from chainrule.ledger.lines import unlike

RNG = np.random.default_rng(0)
L = cr.layers


def explained(
    model: cr.Model, x: Any, y: Any, optimizer: Any = "sgd", loss: Any = "mse"
) -> cr.Ledger:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.compile(optimizer, loss, precision="float64", engine="reference")
        return cr.explain(model, x, y)


def assert_explained(ledger: cr.Ledger, formulas: int = 20) -> None:
    lines = list(ledger.lines())
    assert sum(line.formula is not None for line in lines) >= formulas
    assert [line.name for line in lines if unlike(line, 1e-9)] == []
    assert ledger.check(1e-5) == []
    assert len(str(ledger)) > 500
    assert "nan" not in str(ledger).lower()


def sequential(*layers: Any) -> cr.Sequential:
    return cr.Sequential(list(layers), seed=3)


def skip() -> cr.Model:
    a = cr.Input((3,))
    h = L.Dense(3, activation="tanh")(a)
    merged = [m()([a, h]) for m in (L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum)]
    return cr.Model(a, L.Dense(1)(L.Concatenate()(merged)))


def shared() -> cr.Model:
    a, twice = cr.Input((3,)), L.Dense(3, activation="tanh")
    return cr.Model(a, L.Dense(1)(twice(twice(a))))


def tied() -> cr.Model:
    a, down = cr.Input((3,)), L.Dense(2, activation="tanh")
    return cr.Model(a, L.Dense(1)(L.TiedDense(down)(down(a))))


NETWORKS = {
    "batch normalisation": lambda: sequential(L.Dense(3), L.BatchNormalization(), L.Dense(1)),
    "layer normalisation": lambda: sequential(L.Dense(4), L.LayerNormalization(), L.Dense(1)),
    "dropout": lambda: sequential(L.Dense(6, activation="tanh"), L.Dropout(0.5), L.Dense(1)),
    "cycled dropout": lambda: sequential(
        L.Dense(6, activation="tanh"), L.CycledDropout(0.5, 4), L.Dense(1)
    ),
    "noise": lambda: sequential(L.Dense(3), L.GaussianNoise(0.3), L.Dense(1)),
    "rescaling": lambda: sequential(L.Rescaling(0.5, 1.0), L.Dense(1)),
    "lambda": lambda: sequential(L.Lambda(lambda x: cr.ops.sin(x) * 2.0), L.Dense(1)),
    "activation": lambda: sequential(L.Dense(3), L.Activation("softmax"), L.Dense(1)),
    "constraint": lambda: sequential(L.Dense(3, kernel_constraint=cr.constraints.MaxNorm(0.5)), L.Dense(1)),
    "penalties": lambda: sequential(
        L.Dense(3, kernel_regularizer=cr.regularizers.L1L2(0.01, 0.02), bias_regularizer="l2"), L.Dense(1)
    ),
    "no bias": lambda: sequential(L.Dense(3, use_bias=False, activation="silu"), L.Dense(1)),
    "merging layers": skip,
    "a layer used twice": shared,
    "tied weights": tied,
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_layers(name: str) -> None:
    x, y = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 1))
    assert_explained(explained(NETWORKS[name](), x, y))


def test_a_layer_used_twice_sums_what_both_uses_hand_back() -> None:
    ledger = explained(shared(), RNG.normal(size=(2, 3)), RNG.normal(size=(2, 1)))
    parts = [q for q in ledger.quantities if q.role == "contribution" and q.base == "W"]
    assert len(parts) == 2
    total = sum(ledger.arrays[q.value] for q in parts)
    np.testing.assert_allclose(ledger.array("∂L/∂W1"), total, rtol=1e-12)


def test_images() -> None:
    x, y = RNG.normal(size=(2, 4, 4)), RNG.normal(size=(2, 1))
    layers = (L.RandomShift(1, 1), L.RandomFlip(), L.Flatten(), L.Dense(1))
    ledger = explained(sequential(cr.Input((4, 4)), *layers), x, y)
    assert ledger.check(1e-5) == []


def test_embeddings() -> None:
    model = sequential(L.Embedding(5, 2), L.Flatten(), L.Dense(1))
    ledger = explained(model, np.array([[0, 3], [3, 1]]), RNG.normal(size=(2, 1)))
    assert_explained(ledger, 10)


def test_several_inputs_and_outputs() -> None:
    a, b = cr.Input((2,), name="a"), cr.Input((3,), name="b")
    both = L.Concatenate()([L.Dense(2, activation="tanh")(a), b])
    model = cr.Model(
        [a, b], {"size": L.Dense(1)(both), "kind": L.Dense(3, activation="softmax")(both)}
    )
    model.compile(
        "adam", {"size": "mse", "kind": "sparse_categorical_crossentropy"}, loss_weights={"size": 2.0, "kind": 1.0},
        precision="float64", engine="reference",
    )  # fmt: skip
    x = {"a": RNG.normal(size=(2, 2)), "b": RNG.normal(size=(2, 3))}
    ledger = cr.explain(model, x, {"size": RNG.normal(size=(2, 1)), "kind": np.array([0, 2])})
    assert_explained(ledger)
    assert "ℓ₀" in str(ledger)
    assert "<svg" in ledger.html()


@pytest.mark.parametrize("name", sorted(set(activations.FAMILY.names()) - {"sign"}))
def test_activations(name: str) -> None:
    model = sequential(L.Dense(3, activation=name, bias_initializer="uniform"), L.Dense(1))
    assert_explained(explained(model, RNG.normal(size=(2, 3)), RNG.normal(size=(2, 1))))


CLASSES = {"categorical_crossentropy", "kl_divergence", "sparse_categorical_crossentropy"}


@pytest.mark.parametrize("name", sorted(losses.FAMILY.names()))
def test_losses(name: str) -> None:
    loss = losses.get(name)
    shares = isinstance(loss, losses.CategoricalCrossentropy | losses.KLDivergence)
    model = sequential(L.Dense(3, activation="softmax" if shares else "sigmoid"))
    classes = np.array([0, 2])
    y: Any = np.eye(3)[classes]
    if isinstance(loss, losses.SparseCategoricalCrossentropy):
        y = classes
    elif not shares and not isinstance(loss, losses.BinaryCrossentropy | losses.Hinge):
        y = RNG.uniform(0.5, 2.0, size=(2, 3))
    assert_explained(explained(model, RNG.normal(size=(2, 3)), y, loss=loss), 15)


@pytest.mark.parametrize("name", sorted(set(optimizers.FAMILY.names()) - {"lbfgs", "l_bfgs"}))
def test_optimizers(name: str) -> None:
    model = sequential(L.Dense(2, activation="tanh"), L.Dense(1))
    x, y = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 1))
    first = explained(model, x, y, optimizer=name)
    assert_explained(first)
    assert_explained(first.next())


def test_the_ledger_of_a_large_network_is_short() -> None:
    model = sequential(L.Dense(128, activation="relu"), L.Dense(10, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy")
    words = str(cr.explain(model, RNG.uniform(size=(1, 784)), [3]))
    assert len(words.splitlines()) < 1200
