"""Networks to explain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr

LAYERS = cr.layers


@dataclass(frozen=True)
class Case:
    """A model with a batch to explain a step on."""

    model: cr.Model
    x: Any
    y: Any
    weight: Any = None


def random_network(seed: int, engine: str = "reference", precision: str = "float64") -> Case:
    """A network of mixed layers, one or two inputs, skip connections, some loss and optimizer."""
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(2, 6))

    def chosen(*options: Any) -> Any:
        return options[int(rng.integers(len(options)))]

    def activation() -> Any:
        return chosen(
            "relu", "tanh", "sigmoid", "elu", "gelu", "silu", "mish", "softplus", "leaky_relu"
        )

    inputs = [cr.Input((int(rng.integers(2, 5)),)) for _ in range(int(rng.integers(1, 3)))]
    widths = int(rng.integers(2, 5))
    branches = [
        LAYERS.Dense(
            widths, activation=activation(), kernel_regularizer=chosen(None, "l2", "l1"),
            bias_initializer="uniform",
        )(each)
        for each in inputs
    ]  # fmt: skip
    hidden = branches[0]
    if len(branches) > 1:
        hidden = chosen(LAYERS.Multiply, LAYERS.Add, LAYERS.Concatenate, LAYERS.Maximum)()(branches)
    extra = chosen("batch", "layer", "dropout", "noise", "none")
    if extra == "batch":
        hidden = LAYERS.BatchNormalization()(hidden)
    elif extra == "layer":
        hidden = LAYERS.LayerNormalization()(hidden)
    elif extra == "dropout":
        hidden = LAYERS.Dropout(0.4)(hidden)
    elif extra == "noise":
        hidden = LAYERS.GaussianNoise(0.1)(hidden)
    size = hidden.shape[1]
    further = LAYERS.Dense(size, activation=activation())(hidden)
    hidden = chosen(LAYERS.Add(), LAYERS.Concatenate())([hidden, further])  # a skip connection
    kind = chosen("softmax", "sparse", "sigmoid", "linear", "huber", "mae", "half")
    outputs = 1 if kind == "sigmoid" else 3
    ends = {"softmax": "softmax", "sparse": "softmax", "sigmoid": "sigmoid"}
    out = LAYERS.Dense(outputs, activation=ends.get(kind))(hidden)
    model = cr.Model(inputs, out, seed=seed)
    losses = {
        "softmax": cr.losses.CategoricalCrossentropy(label_smoothing=0.1),
        "sparse": "sparse_categorical_crossentropy",
        "sigmoid": "binary_crossentropy",
        "linear": "mse",
        "huber": "huber",
        "mae": "mae",
        "half": "half_squared_error",
    }
    optimizer = chosen(
        cr.optimizers.SGD(0.1),
        cr.optimizers.SGD(0.1, momentum=0.9),
        cr.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        cr.optimizers.Adam(0.01),
        cr.optimizers.AdamW(0.01),
        cr.optimizers.Adagrad(0.1),
        cr.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
        cr.optimizers.Adam(0.01, global_clipnorm=0.5),
    )
    model.compile(optimizer, loss=losses[kind], precision=precision, engine=engine)
    x = [rng.normal(size=(rows, each.shape[1])) for each in inputs]
    classes = rng.integers(0, 3, size=rows)
    y = {
        "softmax": np.eye(3)[classes],
        "sparse": classes,
        "sigmoid": (classes > 0).astype(float)[:, None],
    }.get(kind, rng.normal(size=(rows, 3)))
    weight = rng.uniform(0.5, 2.0, size=rows) if seed % 3 == 0 else None
    return Case(model, x if len(x) > 1 else x[0], y, weight)


@pytest.fixture(scope="session")
def network() -> Callable[..., Case]:
    """`network(seed, engine, precision)`: a network at random."""
    return random_network
