"""Losses: targets never broadcast, and the cross-entropies' δ is the textbook's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from chainrule import ops
from chainrule.backprop import gradients
from chainrule.engines.reference import evaluate
from chainrule.errors import DataError, ShapeError
from chainrule.graph import BATCH, Input, Shape, Value

PAIRWISE = [ops.squared_error, ops.absolute_error, ops.huber, ops.sigmoid_cross_entropy]


@pytest.mark.parametrize("loss", PAIRWISE)
@pytest.mark.parametrize(
    ("predictions", "targets", "told"),
    [
        ((BATCH, 1), (BATCH,), r"\(batch,\) .* \(batch, 1\): reshape the targets to \(batch, 1\)"),
        ((BATCH,), (BATCH, 1), r"\(batch, 1\) .* \(batch,\): reshape the targets to \(batch,\)"),
        ((BATCH, 3), (BATCH, 2), r"does the last layer need 2 units\?"),
        ((BATCH, 3), (3,), r"\(3,\) .* \(batch, 3\): they must have the same shape"),
        ((BATCH, 3), (), r"\(\) .* \(batch, 3\): they must have the same shape"),
        ((BATCH,), (5,), r"\(5,\) .* \(batch,\): they must have the same shape"),
    ],
)
def test_targets_do_not_broadcast_against_predictions(
    loss: Callable[..., Value], predictions: Shape, targets: Shape, told: str
) -> None:
    with pytest.raises(ShapeError, match=told):
        loss(Input(predictions), Input(targets))


@pytest.mark.parametrize(
    ("loss", "logits", "targets", "told"),
    [
        (ops.softmax_cross_entropy, (BATCH, 3), (BATCH,), "for class numbers use the sparse form"),
        (ops.softmax_cross_entropy, (BATCH, 3), (BATCH, 1), "use the sparse form"),
        (ops.softmax_cross_entropy, (BATCH, 3), (BATCH, 4), "does the last layer need 4 units"),
        (ops.softmax_cross_entropy, (3,), (3,), r"both must have shape \(batch, classes\)"),
        (ops.sparse_softmax_cross_entropy, (BATCH, 3), (BATCH, 3), "one-hot rows"),
        (ops.sparse_softmax_cross_entropy, (BATCH, 3), (BATCH, 1), r"have shape \(batch,\)"),
        (ops.sparse_softmax_cross_entropy, (BATCH,), (BATCH,), r"shape \(batch, classes\)"),
    ],
)
def test_cross_entropies_say_which_form_fits(
    loss: Callable[..., Value], logits: Shape, targets: Shape, told: str
) -> None:
    with pytest.raises(ShapeError, match=told):
        loss(Input(logits), Input(targets, "int"))


def test_class_numbers_outside_the_classes_are_told() -> None:
    logits, labels = Input((BATCH, 3)), Input((BATCH,), "int")
    loss = ops.sparse_softmax_cross_entropy(logits, labels)
    for wrong in (3, -1):
        with pytest.raises(DataError, match=f"Class numbers must lie from 0 to 2, but {wrong} was"):
            evaluate({"loss": loss}, {logits: np.zeros((2, 3)), labels: np.array([0, wrong])})


def test_class_numbers_given_as_real_numbers_are_told() -> None:
    logits, labels = Input((BATCH, 3)), Input((BATCH,))
    loss = ops.sparse_softmax_cross_entropy(logits, labels)
    with pytest.raises(DataError, match="must be integers, not float64"):
        evaluate({"loss": loss}, {logits: np.zeros((2, 3)), labels: np.array([0.0, 1.0])})


def test_delta_of_softmax_and_cross_entropy_is_posterior_minus_target() -> None:
    z, t = Input((BATCH, 3)), Input((BATCH, 3))
    (delta,) = gradients(ops.sum(ops.softmax_cross_entropy(z, t)), [z])
    assert delta is not None
    p, target = np.array([[0.48, 0.01, 0.51]]), np.array([[0.0, 0.0, 1.0]])
    found = evaluate({"delta": delta}, {z: np.log(p), t: target})["delta"]
    np.testing.assert_allclose(found, p - target, rtol=1e-14)


def test_both_forms_of_the_cross_entropy_agree() -> None:
    z, labels = Input((BATCH, 4)), Input((BATCH,), "int")
    sparse = ops.sparse_softmax_cross_entropy(z, labels)
    dense = ops.softmax_cross_entropy(z, ops.one_hot(labels, 4))
    (for_sparse,) = gradients(ops.sum(sparse), [z])
    (for_dense,) = gradients(ops.sum(dense), [z])
    assert for_sparse is not None
    assert for_dense is not None
    outputs = {"a": sparse, "b": dense, "ga": for_sparse, "gb": for_dense}
    rng = np.random.default_rng(4)
    found = evaluate(outputs, {z: rng.normal(size=(6, 4)), labels: rng.integers(0, 4, 6)})
    np.testing.assert_allclose(found["a"], found["b"], rtol=1e-14)
    np.testing.assert_allclose(found["ga"], found["gb"], rtol=1e-13, atol=1e-16)


def test_the_cross_entropy_of_a_certain_and_wrong_network_is_large_but_finite() -> None:
    z, t = Input((BATCH, 2)), Input((BATCH, 2))
    loss = ops.softmax_cross_entropy(z, t)
    given = {z: np.array([[1e4, -1e4]]), t: np.array([[0.0, 1.0]])}
    assert evaluate({"loss": loss}, given, "float32")["loss"].tolist() == [2e4]


def test_the_absolute_error_of_a_perfect_prediction_has_no_slope() -> None:
    p, t = Input((2,)), Input((2,))
    (gradient,) = gradients(ops.sum(ops.absolute_error(p, t)), [p])
    assert gradient is not None
    found = evaluate({"g": gradient}, {p: [1.0, 2.0], t: [1.0, 5.0]})["g"]
    assert found.tolist() == [0.0, -1.0]
