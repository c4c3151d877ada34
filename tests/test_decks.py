"""The lectures' worked numbers, through the ordinary models and optimizers.

000 is Koehn, *Neural networks: back-propagation training*; 004 is Borst, *Neural networks*. Where a
deck rounds on the way, the numbers here are the exact ones.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import initializers, losses, ops

X, T = np.array([[1.0, 0.0]]), np.array([[1.0]])
WEIGHTS = [
    np.array([[3.7, 2.9], [3.7, 2.9]]),  # from A and B to D and E
    np.array([-1.5, -4.5]),
    np.array([[4.5], [-5.2]]),  # from D and E to G
    np.array([-2.0]),
]


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def koehn(optimizer: Any, **settings: Any) -> cr.Sequential:
    """Deck 000's network of pages 15 to 18, in float64."""
    model = cr.Sequential(
        [
            cr.layers.Dense(2, activation="sigmoid", **settings),
            cr.layers.Dense(1, activation="sigmoid", **settings),
        ]
    )
    model.build((2,))
    model.set_weights(WEIGHTS)
    model.compile(optimizer=optimizer, loss="half_squared_error", precision="float64")
    return model


# --- the worked example (M9) ------------------------------------------------------------------------


def test_the_forward_pass_of_the_worked_example() -> None:
    model = koehn(cr.optimizers.SGD(10.0))
    inputs = cr.Input((2,))
    hidden = cr.Model(inputs, model.layers[0](inputs))  # the same weights
    np.testing.assert_allclose(hidden.predict(X), [[0.900250, 0.167982]], atol=1e-6)
    np.testing.assert_allclose(model.predict(X), [[0.764519]], atol=1e-6)


def test_one_step_of_the_worked_example_changes_the_weights_as_on_the_slides() -> None:
    model = koehn(cr.optimizers.SGD(10.0))
    history = model.fit(X, T, epochs=1, verbose=0)
    changes = [new - old for new, old in zip(model.get_weights(), WEIGHTS, strict=True)]
    # unit D's change is (.171313, 0, .171313), the last being its bias'; E's (−.308104, 0, −.308104)
    np.testing.assert_allclose(changes[0], [[0.171313, -0.308104], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(changes[1], [0.171313, -0.308104], atol=1e-6)
    np.testing.assert_allclose(changes[2], [[0.381647], [0.0712132]], atol=1e-6)
    np.testing.assert_allclose(changes[3], [0.423935], atol=1e-6)
    np.testing.assert_allclose(model.predict(X), [[0.920225]], atol=1e-6)
    assert history.history["loss"] == [pytest.approx(0.5 * (1 - 0.764519) ** 2, abs=1e-6)]


def test_the_error_signals_of_the_worked_example_by_the_chain_rule_itself() -> None:
    # deck 000 writes δ for −∂E/∂z, z being what enters a unit
    w1, b1, w2, b2 = WEIGHTS

    def error_from(z1: Any) -> Any:
        z2 = ops.matmul(ops.sigmoid(z1), w2) + b2
        return ops.sum(0.5 * (T - ops.sigmoid(z2)) ** 2)

    z1 = X @ w1 + b1
    delta_d, delta_e = -cr.grad(error_from)(z1)[0]
    z2 = sigmoid(z1) @ w2 + b2
    (delta_g,) = -cr.grad(lambda z: ops.sum(0.5 * (T - ops.sigmoid(z)) ** 2))(z2)[0]
    assert delta_g == pytest.approx(0.0423935, abs=1e-7)
    assert delta_d == pytest.approx(0.0171313, abs=1e-7)
    assert delta_e == pytest.approx(-0.0308104, abs=1e-7)


def test_the_deck_s_rounded_numbers_follow_from_its_rounded_activations() -> None:
    h = np.array([0.90, 0.17])
    s = float(h @ [4.5, -5.2]) - 2.0
    slope = cr.grad(ops.sigmoid)(s)
    y = round(float(sigmoid(s)), 2)
    delta = (1 - y) * round(slope, 3)
    assert round(s, 3) == 1.166
    assert (y, round(slope, 3), round(delta, 4)) == (0.76, 0.181, 0.0434)
    assert [round(10 * round(delta, 4) * v, 3) for v in (*h, 1.0)] == [0.391, 0.074, 0.434]


def test_momentum_adds_a_share_of_the_last_change() -> None:
    # deck 000: Δw(n) = μ δ h + ρ Δw(n−1)
    plain, pushed = koehn(cr.optimizers.SGD(10.0)), koehn(cr.optimizers.SGD(10.0, momentum=0.9))
    pushed.fit(X, T, epochs=1, verbose=0)
    first = [new - old for new, old in zip(pushed.get_weights(), WEIGHTS, strict=True)]
    plain.set_weights(pushed.get_weights())
    plain.fit(X, T, epochs=1, verbose=0)  # the second step's μ δ h
    pushed_from = pushed.get_weights()
    pushed.fit(X, T, epochs=1, verbose=0)
    for before, after, by_gradient, last in zip(
        pushed_from, pushed.get_weights(), plain.get_weights(), first, strict=True
    ):
        np.testing.assert_allclose(
            after - before, (by_gradient - before) + 0.9 * last, rtol=1e-12, atol=1e-15
        )


def test_an_l2_penalty_pulls_every_weight_towards_zero_in_proportion() -> None:
    plain = koehn(cr.optimizers.SGD(10.0))
    held = koehn(cr.optimizers.SGD(10.0), kernel_regularizer=cr.regularizers.L2(0.003))
    histories = [m.fit(X, T, epochs=1, verbose=0).history["loss"][0] for m in (plain, held)]
    for old, free, pulled, kernel in zip(
        WEIGHTS, plain.get_weights(), held.get_weights(), (1, 0, 1, 0), strict=True
    ):
        np.testing.assert_allclose(pulled - free, -10.0 * 2 * 0.003 * old * kernel, rtol=1e-9)
    squares = sum(float(np.sum(w**2)) for w in (WEIGHTS[0], WEIGHTS[2]))
    assert histories[1] - histories[0] == pytest.approx(0.003 * squares, rel=1e-12)


# --- δ-recursion (M8) -------------------------------------------------------------------------------


def by_hand(weights: list[Any], x: Any, t: Any) -> list[Any]:
    """Gradients of the mean of ½‖t − y‖² for three dense layers: tanh, sigmoid, linear.

    δᴸ = ∂L/∂zᴸ, δˡ = (δˡ⁺¹ Wˡ⁺¹ᵀ) ⊙ g'(zˡ), ∂L/∂Wˡ = aˡ⁻¹ᵀ δˡ, ∂L/∂bˡ = Σ δˡ over the rows.
    """
    w1, b1, w2, b2, w3, b3 = weights
    a1 = np.tanh(x @ w1 + b1)
    a2 = sigmoid(a1 @ w2 + b2)
    d3 = (a2 @ w3 + b3 - t) / len(x)
    d2 = (d3 @ w3.T) * a2 * (1 - a2)
    d1 = (d2 @ w2.T) * (1 - a1**2)
    return [x.T @ d1, d1.sum(0), a1.T @ d2, d2.sum(0), a2.T @ d3, d3.sum(0)]


@pytest.mark.parametrize("rows", [1, 7])
def test_the_delta_recursion_written_by_hand_gives_the_same_weight_changes(rows: int) -> None:
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(rows, 4)), rng.normal(size=(rows, 2))
    model = cr.Sequential(
        [
            cr.layers.Dense(5, activation="tanh"),
            cr.layers.Dense(3, activation="sigmoid"),
            cr.layers.Dense(2),
        ]
    )
    model.compile(cr.optimizers.SGD(0.5), loss="half_squared_error", precision="float64")
    model.build((4,))
    weights = [rng.normal(size=w.shape) for w in model.get_weights()]
    model.set_weights(weights)
    model.fit(x, t, batch_size=rows, verbose=0)
    for old, new, gradient in zip(
        weights, model.get_weights(), by_hand(weights, x, t), strict=True
    ):
        np.testing.assert_allclose(old - new, 0.5 * gradient, rtol=1e-9, atol=1e-14)


def test_a_minibatch_gradient_is_the_mean_of_its_examples_gradients() -> None:
    rng = np.random.default_rng(1)
    x, t = rng.normal(size=(5, 2)), rng.uniform(size=(5, 1))
    together = koehn(cr.optimizers.SGD(1.0))
    together.fit(x, t, batch_size=5, verbose=0)
    single = []
    for row in range(5):
        model = koehn(cr.optimizers.SGD(1.0))
        model.fit(x[row : row + 1], t[row : row + 1], verbose=0)
        single.append(model.get_weights())
    for i, weight in enumerate(together.get_weights()):
        np.testing.assert_allclose(weight, np.mean([s[i] for s in single], axis=0), rtol=1e-12)


def test_a_layer_used_on_two_paths_gets_the_sum_of_both_gradients() -> None:
    rng = np.random.default_rng(2)
    x, t = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    shared = cr.layers.Dense(3, use_bias=False)
    inputs = cr.Input((3,))
    model = cr.Model(inputs, shared(shared(inputs)))  # y = x W W
    model.compile(cr.optimizers.SGD(1.0), loss="half_squared_error", precision="float64")
    (w,) = model.get_weights()
    model.fit(x, t, batch_size=6, verbose=0)
    delta = (x @ w @ w - t) / 6
    expected = (x @ w).T @ delta + x.T @ (delta @ w.T)
    np.testing.assert_allclose(w - model.get_weights()[0], expected, rtol=1e-10)


# --- losses and initial weights ---------------------------------------------------------------------


def test_the_distance_of_deck_004_is_0_686_through_a_model() -> None:
    p, t = np.array([[0.48, 0.01, 0.51]]), np.array([[0.0, 0.0, 1.0]])
    model = cr.Sequential([cr.Input((3,)), cr.layers.Activation("linear")])
    model.compile(loss="euclidean", precision="float64")
    assert round(model.evaluate(p, t)["loss"], 3) == 0.686


@pytest.mark.parametrize(
    ("initializer", "bound"),
    [
        (initializers.RandomUniform(-0.01, 0.01), 0.01),
        ("shallow_uniform", 1 / math.sqrt(400)),
        ("glorot_uniform", math.sqrt(6) / math.sqrt(400 + 100)),
    ],
)
def test_deck_000_s_initial_weights_fill_their_range(initializer: Any, bound: float) -> None:
    model = cr.Sequential([cr.layers.Dense(100, kernel_initializer=initializer)], seed=3)
    model.build((400,))
    kernel, bias = model.get_weights()
    assert np.abs(kernel).max() <= bound
    assert np.abs(kernel).max() > 0.999 * bound  # 40,000 draws come near the ends
    assert kernel.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert abs(kernel.mean()) < 0.02 * bound
    assert not bias.any()


def test_softmax_posteriors_and_labels_of_any_kind_teach_the_same(  # M6
) -> None:
    rng = np.random.default_rng(4)
    x, classes = rng.normal(size=(30, 2)), rng.integers(0, 3, size=30)
    weights = []
    for loss, y in (
        ("sparse_categorical_crossentropy", classes),
        ("sparse_categorical_crossentropy", np.array(["ant", "bee", "cat"])[classes]),
        ("categorical_crossentropy", np.eye(3)[classes]),
        (losses.CategoricalCrossentropy(), np.array(["ant", "bee", "cat"])[classes]),
    ):
        model = cr.Sequential([cr.layers.Dense(3, activation="softmax")], seed=1)
        model.compile(cr.optimizers.SGD(0.1), loss=loss, precision="float64")
        model.fit(x, y, epochs=3, verbose=0)
        weights.append(model.get_weights()[0])
    for other in weights[1:]:
        np.testing.assert_allclose(other, weights[0], rtol=1e-10)


def test_one_sigmoid_and_two_softmax_outputs_are_the_same_classifier() -> None:  # M6
    # softmax over (−z/2, z/2) is σ(z): the same gradients for z, hence the same probabilities
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(20, 3)), rng.integers(0, 2, size=20)
    start = rng.normal(size=(3, 1))
    one = cr.Sequential([cr.layers.Dense(1, activation="sigmoid")])
    one.build((3,))
    one.set_weights([start, np.zeros(1)])
    one.compile(cr.optimizers.SGD(0.2), loss="binary_crossentropy", precision="float64")
    two = cr.Sequential([cr.layers.Dense(2, activation="softmax")])
    two.build((3,))
    two.set_weights([np.hstack([-start / 2, start / 2]), np.zeros(2)])
    two.compile(cr.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy", precision="float64")
    for model in (one, two):
        model.fit(x, y, epochs=5, verbose=0)
    np.testing.assert_allclose(one.predict(x)[:, 0], two.predict(x)[:, 1], rtol=1e-10)
