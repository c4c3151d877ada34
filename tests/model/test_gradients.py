"""Gradients of whole models: what a step of SGD takes away, against finite differences of the loss.

Both come out of the ordinary `fit`: with learning rate 1 the change of a weight is its gradient, and
with learning rate 0 the history holds the loss of the weights that were set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import layers, losses, ops
from chainrule.training.loop import Clock

# some operations run on the reference engine alone
pytestmark = pytest.mark.filterwarnings("ignore:.*no native kernel")

RNG = np.random.default_rng(12)
ROWS = 6
X = RNG.normal(size=(ROWS, 3))
REAL = RNG.normal(size=(ROWS, 2))
LABELS = np.array([0, 1, 2, 2, 1, 0])
D = layers.Dense


def sequential(*stack: Any) -> cr.Sequential:
    model = cr.Sequential(list(stack), seed=5)
    model.build((3,))
    return model


def hidden(units: int = 4, activation: str = "tanh", **settings: Any) -> layers.Dense:
    return D(units, activation=activation, bias_initializer="random_normal", **settings)


def two_towers() -> cr.Model:
    a, b = cr.Input((3,), name="a"), cr.Input((2,), name="b")
    joined = layers.Concatenate()([hidden(3)(a), hidden(2)(b)])
    return cr.Model([a, b], [D(2, name="real")(joined), D(3, "softmax", name="class")(joined)])


def skips() -> cr.Model:
    a = cr.Input((3,))
    h = layers.Add()([a, hidden(3)(a)])
    h = layers.Subtract()([h, layers.Average()([a, hidden(3, "softplus")(h)])])
    return cr.Model(a, D(2)(layers.Concatenate()([h, a])))


def multiplicative() -> cr.Model:  # gates, and a product of three (deck 002's special cases)
    a = cr.Input((3,))
    gate, value = hidden(4, "sigmoid")(a), hidden(4)(a)
    return cr.Model(a, D(2)(layers.Multiply()([gate, value, layers.Maximum()([value, gate])])))


def autoencoder() -> cr.Model:
    a = cr.Input((3,))
    encoder = hidden(2)
    return cr.Model(a, layers.TiedDense(encoder, activation="sigmoid")(encoder(a)))


def shared_twice() -> cr.Model:
    a = cr.Input((3,))
    layer = hidden(3, "silu")
    return cr.Model(a, D(2)(layer(layer(layer(a)))))


def embedded() -> cr.Model:
    numbers, a = cr.Input((2,), kind="int", name="numbers"), cr.Input((3,), name="a")
    vectors = layers.Flatten()(layers.Embedding(3, 2, embeddings_initializer="normal")(numbers))
    return cr.Model([numbers, a], D(2)(hidden(4)(layers.Concatenate()([vectors, a]))))


Case = tuple[Callable[[], cr.Model], Any, Any, dict[str, Any], dict[str, Any]]
# model, x, y, settings of compile, settings of fit
CASES: dict[str, Case] = {
    "dense layers": (
        lambda: sequential(hidden(), hidden(3, "gelu"), D(2)),
        X,
        REAL,
        {"loss": "mse"},
        {},
    ),
    "two inputs and two outputs, weighed": (
        two_towers,
        [X, RNG.normal(size=(ROWS, 2))],
        {"real": REAL, "class": LABELS},
        {
            "loss": {"real": "huber", "class": "sparse_categorical_crossentropy"},
            "loss_weights": [0.3, 2.0],
        },
        {},
    ),
    "skip connections": (skips, X, REAL, {"loss": "mse"}, {}),
    "multiplicative units": (multiplicative, X, REAL, {"loss": "half_squared_error"}, {}),
    "batch normalization": (
        lambda: sequential(
            hidden(), layers.BatchNormalization(), hidden(3), layers.BatchNormalization(), D(2)
        ),
        X,
        REAL,
        {"loss": "mse"},
        {},
    ),
    "layer normalization": (
        lambda: sequential(hidden(), layers.LayerNormalization(), D(2)),
        X,
        REAL,
        {"loss": "mse"},
        {},
    ),
    "dropout of two kinds and noise, drawn once": (
        lambda: sequential(
            hidden(6),
            layers.Dropout(0.4),
            layers.GaussianNoise(0.3),
            hidden(5),
            layers.CycledDropout(0.4, masks=3),
            D(2),
        ),
        X,
        REAL,
        {"loss": "mse"},
        {},
    ),
    "augmented images": (
        lambda: cr.Sequential(
            [
                cr.Input((3,)),
                hidden(12),
                layers.Reshape((3, 4)),
                layers.RandomShift(1, 1),
                layers.RandomFlip(),
                layers.Flatten(),
                D(2),
            ]
        ),
        X,
        REAL,
        {"loss": "mse"},
        {},
    ),
    "tied weights": (autoencoder, X, X, {"loss": "mse"}, {}),
    "a layer used three times": (shared_twice, X, REAL, {"loss": "mse"}, {}),
    "embedding": (embedded, [RNG.integers(0, 3, (ROWS, 2)), X], REAL, {"loss": "mse"}, {}),
    "regularizers of all kinds": (
        lambda: sequential(
            hidden(4, kernel_regularizer="l1", bias_regularizer=cr.regularizers.L2(0.2)),
            D(2, kernel_regularizer=cr.regularizers.L1L2(0.03, 0.1)),
        ),
        X,
        REAL,
        {"loss": "mse"},
        {},
    ),
    "sample weights": (
        lambda: sequential(hidden(), D(3, activation="softmax")),
        X,
        LABELS,
        {"loss": "sparse_categorical_crossentropy"},
        {"sample_weight": RNG.uniform(0, 3, ROWS)},
    ),
    "class weights and sample weights": (
        lambda: sequential(hidden(), D(3, activation="softmax")),
        X,
        LABELS,
        {"loss": "sparse_categorical_crossentropy"},
        {"sample_weight": RNG.uniform(0, 3, ROWS), "class_weight": {0: 0.5, 2: 3.0}},
    ),
    "a function as a layer": (
        lambda: sequential(hidden(3), layers.Lambda(lambda x: x * ops.exp(-ops.square(x))), D(2)),
        X,
        REAL,
        {"loss": "mse"},
        {},
    ),
    "a loss of one's own": (
        lambda: sequential(hidden(), D(2)),
        X,
        REAL,
        {"loss": lambda t, p: ops.square(ops.square(t - p))},
        {},
    ),
}

SHARES = RNG.dirichlet(np.ones(3), size=ROWS)
YES_NO = RNG.integers(0, 2, size=(ROWS, 2))
# each loss with the output's units and activation, and targets
LOSSES: dict[str, tuple[Any, int, str, Any]] = {
    "mean_squared_error": ("mean_squared_error", 2, "linear", REAL),
    "half_squared_error": ("half_squared_error", 2, "linear", REAL),
    "euclidean": ("euclidean", 2, "linear", REAL),
    "mean_absolute_error": ("mean_absolute_error", 2, "linear", REAL),
    "huber": (losses.Huber(0.5), 2, "linear", REAL),
    "log_cosh": ("log_cosh", 2, "linear", REAL),
    "poisson": ("poisson", 2, "softplus", RNG.poisson(2.0, (ROWS, 2))),
    "poisson of exponentials": ("poisson", 2, "exponential", RNG.poisson(2.0, (ROWS, 2))),
    "hinge": ("hinge", 1, "linear", 2 * YES_NO[:, 0] - 1),
    "squared_hinge": ("squared_hinge", 1, "tanh", YES_NO[:, 0]),
    "kl_divergence": ("kl_divergence", 3, "softmax", SHARES),
    "binary, one sigmoid": ("binary_crossentropy", 1, "sigmoid", YES_NO[:, 0]),
    "binary, several labels": ("binary_crossentropy", 2, "sigmoid", YES_NO),
    "binary of probabilities that are no sigmoid's": (
        "binary_crossentropy",
        3,
        "softmax",
        np.eye(3)[LABELS],
    ),
    "binary from logits": (losses.BinaryCrossentropy(from_logits=True), 2, "linear", YES_NO),
    "categorical": ("categorical_crossentropy", 3, "softmax", np.eye(3)[LABELS]),
    "categorical of shares, smoothed": (
        losses.CategoricalCrossentropy(label_smoothing=0.2),
        3,
        "softmax",
        SHARES,
    ),
    "sparse": ("sparse_categorical_crossentropy", 3, "softmax", LABELS),
    "sparse, smoothed": (
        losses.SparseCategoricalCrossentropy(label_smoothing=0.1),
        3,
        "softmax",
        LABELS,
    ),
    "sparse of sigmoids": ("sparse_categorical_crossentropy", 3, "sigmoid", LABELS),
    "sparse from logits": (
        losses.SparseCategoricalCrossentropy(from_logits=True),
        3,
        "linear",
        LABELS,
    ),
}


def largest_error(case: Case, engine: str) -> float:
    """The largest difference between back-propagation and finite differences, over max(1, |gradient|)."""
    make, x, y, compiled, fitted = case
    model = make()
    start = model.get_weights()

    def fit(rate: float, weights: list[Any]) -> float:
        if model.recipe is None or model.recipe.optimizer.learning_rate != rate:
            model.compile(cr.optimizers.SGD(rate), engine=engine, precision="float64", **compiled)
        model.set_weights(weights)
        model.clock = Clock()  # the same draws every time
        return model.fit(x, y, batch_size=ROWS, verbose=0, **fitted).history["loss"][0]

    fit(1.0, start)
    assert model.network is not None
    trained = [weight.trainable for weight in model.network.weights]
    gradients = [old - new for old, new in zip(start, model.get_weights(), strict=True)]
    worst, step = 0.0, 1e-5
    for i, gradient in enumerate(gradients):
        if not trained[i]:
            continue
        assert gradient.any() or "bias" in str(model.network.weights[i].parameter.name)
        for index in np.ndindex(gradient.shape):
            values = []
            for shift in (step, -step):
                moved = [w.copy() for w in start]
                moved[i][index] += shift
                values.append(fit(0.0, moved))
            difference = (values[0] - values[1]) / (2 * step)
            error = abs(difference - gradient[index]) / max(1.0, abs(difference))
            worst = max(worst, error)
    return worst


@pytest.mark.parametrize("engine", ["reference", "auto"])
@pytest.mark.parametrize("name", CASES)
def test_a_step_takes_away_the_gradient_of_the_loss(name: str, engine: str) -> None:
    assert largest_error(CASES[name], engine) < 1e-6


@pytest.mark.parametrize("engine", ["reference", "auto"])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_teaches_by_its_gradient(name: str, engine: str) -> None:
    loss, units, activation, targets = LOSSES[name]

    def make() -> cr.Model:
        return sequential(hidden(2), D(units, activation=activation))

    assert largest_error((make, X, targets, {"loss": loss}, {}), engine) < 1e-6


def test_every_registered_loss_is_tried_above() -> None:
    tried = {type(losses.get(case[0])) for case in LOSSES.values()}
    own = {type(losses.get(name)) for name in losses.FAMILY.names()}
    assert {kind for kind in own if kind.__module__.startswith("chainrule.")} <= tried


def test_the_check_itself_sees_a_gradient_that_is_wrong_by_a_thousandth() -> None:
    def leaking(t: Any, p: Any) -> Any:  # a thousandth of the gradient goes missing
        return ops.square(t - (p * 0.999 + 0.001 * ops.stop_gradient(p)))

    def make() -> cr.Model:
        return sequential(hidden(2), D(2))

    assert largest_error((make, X, REAL, {"loss": leaking}, {}), "reference") > 1e-5
