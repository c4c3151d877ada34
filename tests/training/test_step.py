"""What a training step does to weights: weights of rows, penalties, clipping, constraints, freezing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import layers, losses, optimizers, regularizers
from chainrule.training import Event, Progress

# some operations run on the reference engine alone
pytestmark = pytest.mark.filterwarnings("ignore:.*no native kernel")

RNG = np.random.default_rng(15)
X = RNG.normal(size=(12, 3))
Y = RNG.normal(size=(12, 2))
LABELS = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2])


def network(
    optimizer: Any, loss: Any = "mse", *, units: int = 2, activation: Any = None, **settings: Any
) -> cr.Sequential:
    model = cr.Sequential(
        [
            layers.Dense(4, activation="tanh", **settings),
            layers.Dense(units, activation=activation, **settings),
        ],
        seed=3,
    )
    model.compile(optimizer, loss, precision="float64")
    model.build((3,))
    return model


def classifier(optimizer: Any, loss: Any = "sparse_categorical_crossentropy") -> cr.Sequential:
    return network(optimizer, loss, units=3, activation="softmax")


def changes(model: cr.Sequential, x: Any, y: Any, **settings: Any) -> list[Any]:
    """What one step on all rows changes."""
    before = model.get_weights()
    model.fit(x, y, batch_size=len(x), verbose=0, **settings)
    return [new - old for new, old in zip(model.get_weights(), before, strict=True)]


def assert_same(found: list[Any], expected: list[Any], factor: float = 1.0) -> None:
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, factor * b, rtol=1e-9, atol=1e-15)


# --- weights of rows --------------------------------------------------------------------------------


def test_whole_weights_are_rows_that_occur_as_often() -> None:
    counts = RNG.integers(0, 4, size=12)
    twice_x, twice_y = np.repeat(X, counts, axis=0), np.repeat(Y, counts, axis=0)
    weighted = changes(network(optimizers.SGD(1.0)), X, Y, sample_weight=counts)
    repeated = changes(network(optimizers.SGD(1.0)), twice_x, twice_y)
    # the divisor is the number of rows of the batch, as in Keras, not the sum of weights
    assert_same(weighted, repeated, counts.sum() / 12)


def test_class_weights_are_the_sample_weights_of_the_classes_rows() -> None:
    by_row = np.choose(LABELS, [1.0, 2.0, 0.5])
    expected = changes(classifier(optimizers.SGD(1.0)), X, LABELS, sample_weight=by_row)
    for y, loss, names in (
        (LABELS, "sparse_categorical_crossentropy", [0, 1, 2]),
        (np.eye(3)[LABELS], "categorical_crossentropy", [0, 1, 2]),
        (np.array(["a", "b", "c"])[LABELS], "sparse_categorical_crossentropy", ["a", "b", "c"]),
    ):
        weights = dict(zip(names, [1.0, 2.0, 0.5], strict=True))
        found = changes(classifier(optimizers.SGD(1.0), loss), X, y, class_weight=weights)
        assert_same(found, expected)


def test_balanced_classes_weigh_the_same_in_all() -> None:
    by_row = 12 / (3 * np.bincount(LABELS)[LABELS])
    expected = changes(classifier(optimizers.SGD(1.0)), X, LABELS, sample_weight=by_row)
    found = changes(classifier(optimizers.SGD(1.0)), X, LABELS, class_weight="balanced")
    assert_same(found, expected)


def test_class_and_sample_weights_are_multiplied() -> None:
    weights = RNG.uniform(size=12)
    both = np.where(LABELS == 1, 3.0, 1.0) * weights
    expected = changes(classifier(optimizers.SGD(1.0)), X, LABELS, sample_weight=both)
    found = changes(
        classifier(optimizers.SGD(1.0)), X, LABELS, sample_weight=weights, class_weight={1: 3.0}
    )
    assert_same(found, expected)


def test_class_weights_are_for_training_rows_and_leave_validation_alone() -> None:
    model = classifier(optimizers.SGD(0.0))
    plain, weighted = (
        model.fit(X, LABELS, validation_split=0.4, class_weight=w, verbose=0).history
        for w in (None, {0: 100.0, 1: 100.0, 2: 100.0})
    )
    assert weighted["val_loss"] == plain["val_loss"]
    assert weighted["loss"][0] == pytest.approx(100 * plain["loss"][0])


def test_sample_weights_count_in_validation_too() -> None:
    model = network(optimizers.SGD(0.0))
    weights = RNG.uniform(size=12)
    val = (X, Y, weights)
    history = model.fit(X, Y, sample_weight=weights, validation_data=val, verbose=0).history
    assert history["val_loss"] == pytest.approx(history["loss"])
    judged = model.evaluate(X, Y, sample_weight=weights)["loss"]
    by_hand = np.mean(weights * ((model.predict(X) - Y) ** 2).mean(1))
    assert judged == pytest.approx(by_hand)


def test_class_weights_need_one_output_with_classes() -> None:
    with pytest.raises(cr.UsageError, match="class_weight needs class targets"):
        network("sgd").fit(X, Y, class_weight="balanced", verbose=0)
    with pytest.raises(
        cr.UsageError, match="names the class 'ant', but the targets are class numb"
    ):
        classifier("sgd").fit(X, LABELS, class_weight={"ant": 2.0}, verbose=0)
    with pytest.raises(cr.UsageError, match=r"class_weight is a dict .* not \[1, 2, 3\]"):
        classifier("sgd").fit(X, LABELS, class_weight=[1, 2, 3], verbose=0)
    words = np.array(["ant", "bee", "cat"])[LABELS]
    with pytest.raises(cr.DataError, match="the class 'dog', which was not there"):
        classifier("sgd").fit(X, words, class_weight={"dog": 2.0}, verbose=0)


def test_label_smoothing_is_training_on_smoothed_targets() -> None:
    smooth = 0.8 * np.eye(3)[LABELS] + 0.2 / 3
    expected = changes(classifier(optimizers.SGD(1.0), "categorical_crossentropy"), X, smooth)
    loss = losses.SparseCategoricalCrossentropy(label_smoothing=0.2)
    assert_same(changes(classifier(optimizers.SGD(1.0), loss), X, LABELS), expected)


# --- penalties --------------------------------------------------------------------------------------


def test_a_penalty_adds_its_slope_to_each_weight_s_gradient() -> None:
    free = changes(network(optimizers.SGD(1.0)), X, Y)
    l2 = network(optimizers.SGD(1.0), kernel_regularizer=regularizers.L2(0.1))
    w = l2.get_weights()
    held = changes(l2, X, Y)
    for i in range(4):
        expected = free[i] - (2 * 0.1 * w[i] if i in (0, 2) else 0)
        np.testing.assert_allclose(held[i], expected, rtol=1e-10, atol=1e-15)
    l1 = network(
        optimizers.SGD(1.0), bias_regularizer=regularizers.L1(0.1), bias_initializer="ones"
    )
    plain = network(optimizers.SGD(1.0), bias_initializer="ones")
    found, expected_free = changes(l1, X, Y), changes(plain, X, Y)
    np.testing.assert_allclose(found[1], expected_free[1] - 0.1, rtol=1e-10)


def test_decoupled_decay_shrinks_weights_beside_the_step() -> None:
    plain = network(optimizers.Adam(0.01))
    decayed = network(optimizers.AdamW(0.01, weight_decay=0.1))
    w = plain.get_weights()
    for a, b, old in zip(changes(decayed, X, Y), changes(plain, X, Y), w, strict=True):
        np.testing.assert_allclose(a, b - 0.01 * 0.1 * old, rtol=1e-9, atol=1e-15)


# --- clipping and constraints -----------------------------------------------------------------------


def norm(arrays: list[Any]) -> float:
    return float(np.sqrt(sum(np.sum(a**2) for a in arrays)))


def test_gradients_are_clipped_element_by_element_by_weight_or_all_together() -> None:
    free = changes(network(optimizers.SGD(1.0)), X, 10 * Y)
    assert norm(free) > 1
    assert max(np.abs(a).max() for a in free) > 0.3
    by_value = changes(network(optimizers.SGD(1.0, clipvalue=0.3)), X, 10 * Y)
    assert_same(by_value, [np.clip(a, -0.3, 0.3) for a in free])
    by_weight = changes(network(optimizers.SGD(1.0, clipnorm=0.5)), X, 10 * Y)
    assert_same(by_weight, [a * min(1.0, 0.5 / norm([a])) for a in free])
    together = changes(network(optimizers.SGD(1.0, global_clipnorm=0.5)), X, 10 * Y)
    assert_same(together, free, 0.5 / norm(free))
    assert_same(changes(network(optimizers.SGD(1.0, global_clipnorm=1e6)), X, 10 * Y), free)


def test_the_largest_norm_holds_after_every_step() -> None:
    model = network(
        optimizers.Adam(0.5), kernel_constraint=cr.constraints.MaxNorm(0.7), use_bias=False
    )
    norms: list[float] = []

    def watch(event: Event) -> None:
        if isinstance(event, Progress):
            norms.extend(np.linalg.norm(w, axis=0).max() for w in model.get_weights())

    model.fit(X, 10 * Y, epochs=10, batch_size=4, callbacks=[watch], verbose=0)
    assert len(norms) >= 20
    assert max(norms) <= 0.7 * (1 + 1e-12)
    assert norms.count(max(norms)) >= 1
    assert max(norms) > 0.69  # it is the constraint that holds them


# --- freezing ---------------------------------------------------------------------------------------


def test_frozen_layers_do_not_move_and_can_be_thawed() -> None:
    model = network("adam")
    model.layers[0].trainable = False
    moved = changes(model, X, Y)
    assert [bool(m.any()) for m in moved] == [False, False, True, True]
    model.layers[0].trainable = True
    assert all(m.any() for m in changes(model, X, Y))
    model.layers[1].trainable = False
    assert [bool(m.any()) for m in changes(model, X, Y)] == [True, True, False, False]


def test_gradients_pass_through_frozen_layers() -> None:
    model, free = network(optimizers.SGD(1.0)), network(optimizers.SGD(1.0))
    model.layers[1].trainable = False
    assert_same(changes(model, X, Y)[:2], changes(free, X, Y)[:2])


# --- precision --------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop", "adagrad"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_everything_a_step_leaves_behind_is_of_the_model_s_precision(
    optimizer: str, precision: str
) -> None:
    model = cr.Sequential(
        [
            layers.Dense(4, "relu", kernel_constraint="max_norm", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.Dense(2),
        ]
    )
    model.compile(optimizer, "mse", precision=precision)
    model.fit(X.astype(np.float32), Y, epochs=2, verbose=0)
    assert {array.dtype.name for array in model.state.arrays.values()} == {precision}
    assert model.predict(X).dtype == precision


def test_double_precision_is_double() -> None:
    # 1 + 1e-12 is 1 in float32
    model = network(optimizers.SGD(1e-12))
    assert 0 < norm(changes(model, X, Y)) < 1e-10
    x = np.array([[1.0 + 1e-12, 0.0, 0.0]])
    base = np.array([[1.0, 0.0, 0.0]])
    assert not np.array_equal(model.predict(x), model.predict(base))


# --- several inputs and outputs ---------------------------------------------------------------------


def pair(**settings: Any) -> cr.Model:
    a, b = cr.Input((3,), name="a"), cr.Input((2,), name="b")
    both = layers.Concatenate()([a, b])
    outputs = [layers.Dense(1, name="size")(both), layers.Dense(3, "softmax", name="kind")(both)]
    model = cr.Model([a, b], outputs, seed=1)
    model.compile(
        optimizers.SGD(0.5),
        ["mse", "sparse_categorical_crossentropy"],
        precision="float64",
        **settings,
    )
    return model


def test_inputs_and_outputs_may_be_lists_or_dicts() -> None:
    weights = []
    for x, y in (
        ([X, Y], [X[:, 0], LABELS]),
        ({"b": Y, "a": X}, {"kind": LABELS, "size": X[:, 0]}),
        ((X, Y), (X[:, :1], LABELS[:, None])),
    ):
        model = pair(metrics={"kind": ["accuracy"]})
        history = model.fit(x, y, epochs=3, validation_split=0.25, verbose=0)
        assert set(history.history) == {
            *("loss", "size_loss", "kind_loss", "kind_accuracy"),
            *("val_loss", "val_size_loss", "val_kind_loss", "val_kind_accuracy"),
            *("learning_rate", "seconds"),
        }
        weights.append(model.get_weights())
        predicted = model.predict(x)
        assert [p.shape for p in predicted] == [(12, 1), (12, 3)]
    for other in weights[1:]:
        for a, b in zip(other, weights[0], strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_loss_is_the_weighted_sum_of_the_outputs_losses() -> None:
    for given in ([0.5, 3.0], {"kind": 3.0, "size": 0.5}):
        judged = pair(loss_weights=given).evaluate([X, Y], [X[:, 0], LABELS])
        assert judged["loss"] == pytest.approx(
            0.5 * judged["size_loss"] + 3.0 * judged["kind_loss"]
        )


def test_a_single_loss_is_every_output_s() -> None:
    a = cr.Input((3,))
    model = cr.Model(a, [layers.Dense(1, name="p")(a), layers.Dense(2, name="q")(a)])
    model.compile("sgd", "mse", metrics=[["mae"], []])
    judged = model.evaluate(X, [X[:, 0], Y])
    assert set(judged) == {"loss", "p_loss", "q_loss", "p_mean_absolute_error"}
    assert judged["loss"] == pytest.approx(judged["p_loss"] + judged["q_loss"], rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"loss_weights": [1.0]}, r"has 2 outputs \(size, kind\), 1 given"),
        ({"metrics": {"colour": ["mse"]}}, "Unknown output in metrics 'colour'"),
        ({"metrics": [["mse"], [], []]}, "3 given"),
    ],
)
def test_settings_for_outputs_that_are_not_there_are_refused(settings: Any, sentence: str) -> None:
    with pytest.raises(cr.ChainruleError, match=sentence):
        pair(**settings).fit([X, Y], [X[:, 0], LABELS], verbose=0)


# --- kinds of numbers -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool, np.float32, np.float64])
def test_arrays_of_any_kind_of_number_teach_the_same(dtype: Any) -> None:
    bits = RNG.integers(0, 2, size=(12, 3))
    expected = changes(network(optimizers.SGD(1.0)), bits.astype(float), bits[:, :2])
    found = changes(network(optimizers.SGD(1.0)), bits.astype(dtype), bits[:, :2].astype(dtype))
    assert_same(found, expected)
