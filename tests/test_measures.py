"""Metrics that are means over examples: values against scikit-learn, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from chainrule import measures, ops
from chainrule.engines.reference import evaluate
from chainrule.errors import ShapeError, UnknownNameError, UsageError
from chainrule.graph import BATCH, Input

RNG = np.random.default_rng(3)


def score(metric: Any, targets: Any, predictions: Any, **suited: Any) -> float:
    """The metric of these arrays."""
    t, p = np.asarray(targets), np.asarray(predictions, dtype=float)
    t_in = Input((BATCH, *t.shape[1:]), "int" if t.dtype.kind == "i" else "float", "targets")
    p_in = Input((BATCH, *p.shape[1:]), name="predictions")
    measure = measures.get(metric)
    if suited:
        measure = measure.suited(**suited)
    each = measure(t_in, p_in)
    assert each.shape == (BATCH,)
    return measure.finish(float(evaluate({"m": each}, {t_in: t, p_in: p})["m"].mean()))


SCORES = RNG.dirichlet(np.ones(4), size=50)
LABELS = RNG.integers(0, 4, size=50)


def test_accuracy_of_class_numbers_and_of_one_hot_rows_is_that_of_scikit_learn() -> None:
    expected = sklearn_metrics.accuracy_score(LABELS, SCORES.argmax(1))
    assert 0 < expected < 1
    assert score("accuracy", LABELS, SCORES) == pytest.approx(expected)
    assert score("acc", np.eye(4)[LABELS], SCORES) == pytest.approx(expected)


@pytest.mark.parametrize("columns", [1, None])
def test_a_single_output_says_yes_above_one_half(columns: int | None) -> None:
    p = np.array([0.2, 0.5, 0.500001, 0.9])
    t = np.array([0.0, 0.0, 1.0, 0.0])
    if columns:
        p, t = p[:, None], t[:, None]
    assert score("accuracy", t, p) == score("binary_accuracy", t, p) == 0.75


def test_logits_say_yes_above_zero_unless_the_user_chose_a_threshold() -> None:
    t, logits = np.array([[1.0], [1.0], [0.0]]), np.array([[0.1], [0.4], [-3.0]])
    assert score("accuracy", t, logits) == pytest.approx(1 / 3)
    assert score("accuracy", t, logits, middle=0.0, separate=False) == 1.0
    chosen = measures.Accuracy(threshold=0.2)
    assert score(chosen, t, logits, middle=0.0, separate=False) == pytest.approx(2 / 3)


def test_targets_of_minus_one_and_one_are_no_and_yes() -> None:
    t, p = np.array([[-1.0], [1.0], [1.0]]), np.array([[-0.3], [0.2], [-0.1]])
    assert score("accuracy", t, p, middle=0.0, separate=False) == pytest.approx(2 / 3)


def test_several_labels_at_once_are_questions_of_their_own() -> None:
    t = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    p = np.array([[0.9, 0.2, 0.1], [0.6, 0.4, 0.3]])
    expected = 1 - sklearn_metrics.hamming_loss(t, p > 0.5)
    assert score("accuracy", t, p, middle=0.5, separate=True) == pytest.approx(expected)
    assert score("accuracy", t, p) == 1.0  # as one-hot rows, both argmaxes are right


def test_errors_of_quantities_are_those_of_scikit_learn() -> None:
    t, p = RNG.normal(size=(30, 2)), RNG.normal(size=(30, 2))
    assert score("mse", t, p) == pytest.approx(sklearn_metrics.mean_squared_error(t, p))
    assert score("mae", t, p) == pytest.approx(sklearn_metrics.mean_absolute_error(t, p))
    root = sklearn_metrics.root_mean_squared_error(t[:, 0], p[:, 0])
    assert score("rmse", t[:, 0], p[:, 0]) == pytest.approx(root)


def test_a_function_may_give_a_number_for_each_example_or_each_element() -> None:
    t, p = RNG.normal(size=(6, 2)), RNG.normal(size=(6, 2))
    expected = pytest.approx(np.abs(t - p).mean())
    assert score(lambda t, p: ops.absolute(t - p), t, p) == expected
    assert score(lambda t, p: ops.mean(ops.absolute(t - p), 1), t, p) == expected


def test_names_in_histories_are_the_registered_or_the_function_s_own() -> None:
    def closeness(t: Any, p: Any) -> Any:
        return ops.absolute(t - p)

    assert measures.name_of(measures.get("mse")) == "mean_squared_error"
    assert measures.name_of(measures.get("acc")) == "accuracy"
    assert measures.name_of(measures.Accuracy(threshold=0.3)) == "accuracy"
    assert measures.name_of(measures.get(closeness)) == "closeness"


def test_larger_is_better_for_shares_and_not_for_errors() -> None:
    up = {n for n in measures.METRICS.names() if measures.get(n).larger_is_better}
    assert up == {"acc", "accuracy", "binary_accuracy"}


# --- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["accuracy", "binary_accuracy", "mse", "rmse", "mae"])
def test_targets_never_broadcast_against_predictions(name: str) -> None:
    with pytest.raises(ShapeError, match=r"targets of shape \(batch,\) .* \(batch, 1\)"):
        score(name, np.zeros(3), np.zeros((3, 1)))


def test_class_numbers_of_another_shape_are_refused() -> None:
    with pytest.raises(
        ShapeError, match=r"\(batch, 1\) against predictions of shape \(batch, 2, 3\)"
    ):
        score("accuracy", np.zeros((4, 1), int), np.zeros((4, 2, 3)))


@pytest.mark.parametrize(
    ("function", "found"), [(lambda t, p: ops.sum(p), r"\(\)"), (lambda t, p: 3.0, "float")]
)
def test_a_function_that_gives_no_number_for_each_example_is_refused(
    function: Any, found: str
) -> None:
    with pytest.raises(ShapeError, match=rf"one value for each example, .* gave {found}\."):
        score(function, np.zeros(3), np.zeros(3))


def test_an_unknown_metric_is_guessed() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'accuracy'"):
        measures.get("acuracy")


def test_a_threshold_must_be_a_number() -> None:
    with pytest.raises(UsageError, match="threshold is 'half'"):
        measures.Accuracy(threshold="half")  # type: ignore[arg-type]
