from __future__ import annotations

import numpy as np
import pytest

from chainrule.errors import DataError, ShapeError, UsageError
from chainrule.metrics import (
    classification_metrics,
    confusion,
    multilabel_metrics,
    per_class,
    regression_metrics,
    trivial_baseline,
)

# Four rows, three classes; predicted 0, 0, 1, 2 against true 0, 1, 1, 2.
TARGETS = [0, 1, 1, 2]
PROBABILITIES = [[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]
CLASSES = ["a", "b", "c"]


def all_plain(scores: dict[str, float | None]) -> bool:
    return all(value is None or type(value) is float for value in scores.values())


def test_classification_metrics_equal_those_worked_by_hand() -> None:
    scores = classification_metrics(TARGETS, PROBABILITIES, classes=CLASSES)
    assert scores["accuracy"] == 0.75
    assert scores["balanced_accuracy"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert scores["log_loss"] == pytest.approx(-np.log([0.7, 0.4, 0.8, 0.6]).mean())
    # F1 of a: 2·(1/2·1)/(1/2+1) = 2/3; of b: 2·(1·1/2)/(1+1/2) = 2/3; of c: 1.
    assert scores["f1_macro"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert scores["precision_macro"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert scores["recall_macro"] == pytest.approx((1 + 0.5 + 1) / 3)
    # Pairs in order, one class against the rest: a 3/3, b 4/4, c 3/3.
    assert scores["roc_auc"] == pytest.approx(1.0)
    assert all_plain(scores)


def test_the_second_of_two_classes_is_the_positive_one() -> None:
    shares = np.array([0.1, 0.4, 0.35, 0.8])
    scores = classification_metrics([0, 0, 1, 1], shares, classes=["no", "yes"])
    assert scores["roc_auc"] == pytest.approx(0.75)  # 3 of the 4 pairs are in order
    assert scores["accuracy"] == 0.75
    columns = np.stack([1 - shares, shares], axis=1)
    assert classification_metrics([0, 0, 1, 1], columns, classes=["no", "yes"]) == scores
    column = shares[:, None].astype(np.float32)
    assert classification_metrics([0, 0, 1, 1], column, classes=["no", "yes"])["accuracy"] == 0.75


def test_a_missing_class_leaves_out_only_the_roc_auc() -> None:
    scores = classification_metrics(TARGETS[:3], PROBABILITIES[:3], classes=CLASSES)
    assert scores["roc_auc"] is None
    assert scores["balanced_accuracy"] == pytest.approx(0.75)
    assert None not in [value for name, value in scores.items() if name != "roc_auc"]


def test_one_test_row_neither_warns_nor_fails() -> None:
    scores = classification_metrics([1], [[0.8, 0.2]], classes=["no", "yes"])
    assert scores["accuracy"] == 0.0
    assert scores["balanced_accuracy"] == 0.0
    assert scores["log_loss"] == pytest.approx(-np.log(0.2))
    assert scores["roc_auc"] is None
    numbers = regression_metrics([2.0], [5.0])
    assert numbers == {"rmse": 3.0, "mae": 3.0, "r2": None, "median_absolute_error": 3.0}


def test_probabilities_of_a_diverged_network_give_no_metric() -> None:
    scores = classification_metrics([0, 1], [[np.nan, np.nan], [0.5, 0.5]], classes=["a", "b"])
    assert set(scores.values()) == {None}
    assert set(regression_metrics([1.0, 2.0], [np.inf, 2.0]).values()) == {None}


def test_scores_that_are_no_probabilities_give_no_log_loss() -> None:
    scores = classification_metrics(TARGETS, 3 * np.array(PROBABILITIES), classes=CLASSES)
    assert scores["accuracy"] == 0.75
    assert scores["log_loss"] is None


def test_each_class_has_its_own_precision_recall_and_support() -> None:
    rows = per_class(TARGETS, [0, 0, 1, 2], [*CLASSES, "d"])
    assert [row["class"] for row in rows] == ["a", "b", "c", "d"]
    assert rows[0] == {
        "class": "a",
        "precision": 0.5,
        "recall": 1.0,
        "f1": pytest.approx(2 / 3),
        "support": 1,
    }
    assert rows[1]["recall"] == 0.5
    assert rows[1]["support"] == 2
    assert rows[3] == {"class": "d", "precision": None, "recall": None, "f1": None, "support": 0}


def test_the_confusion_matrix_has_true_classes_down_and_predicted_across() -> None:
    assert confusion([0, 1, 1], [1, 1, 1], 3) == [[0, 1, 0], [0, 2, 0], [0, 0, 0]]


def test_regression_metrics_equal_those_worked_by_hand() -> None:
    scores = regression_metrics([1.0, 2.0, 3.0, 6.0], [1.0, 3.0, 3.0, 4.0])
    assert scores["rmse"] == pytest.approx(np.sqrt(5 / 4))
    assert scores["mae"] == 0.75
    assert scores["median_absolute_error"] == 0.5
    assert scores["r2"] == pytest.approx(1 - 5 / 14)
    assert all_plain(scores)


def test_several_outputs_are_averaged() -> None:
    truth = np.array([[0.0, 0.0], [2.0, 4.0]])
    scores = regression_metrics(truth, truth + np.array([1.0, 3.0]))
    assert scores["rmse"] == pytest.approx(2.0)
    assert scores["mae"] == pytest.approx(2.0)
    assert scores["r2"] == pytest.approx(((1 - 2 / 2) + (1 - 18 / 8)) / 2)


def test_a_column_of_predictions_fits_a_row_of_targets() -> None:
    assert regression_metrics([1.0, 2.0], [[1.0], [2.0]])["rmse"] == 0.0


def test_equal_targets_leave_no_r2() -> None:
    assert regression_metrics([2.0, 2.0], [2.0, 3.0])["r2"] is None


def test_multilabel_metrics_equal_those_worked_by_hand() -> None:
    truth = np.array([[1, 0], [0, 1], [1, 1]])
    shares = np.array([[0.9, 0.2], [0.6, 0.7], [0.8, 0.3]])
    scores = multilabel_metrics(truth, shares)
    assert scores["accuracy"] == pytest.approx(1 / 3)
    assert scores["hamming_loss"] == pytest.approx(2 / 6)
    assert scores["f1_macro"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert scores["f1_micro"] == pytest.approx(6 / 8)
    likelihoods = [0.9, 0.8, 0.4, 0.7, 0.8, 0.3]
    assert scores["log_loss"] == pytest.approx(-np.log(likelihoods).mean())
    assert scores["roc_auc"] == pytest.approx(1.0)
    assert multilabel_metrics(truth[:1], shares[:1])["roc_auc"] is None


def test_the_baseline_of_a_classification_names_the_most_frequent_training_class() -> None:
    baseline = trivial_baseline("classification", [0, 1, 1, 1], [0, 1], classes=["<=50K", ">50K"])
    assert baseline["name"] == "always '>50K', the most frequent class of the training rows"
    scores = baseline["metrics"]
    assert scores["accuracy"] == 0.5
    assert scores["roc_auc"] == 0.5
    assert scores["log_loss"] == pytest.approx(-np.log([0.25, 0.75]).mean())
    network = classification_metrics([0, 1], [0.2, 0.9], classes=["<=50K", ">50K"])
    assert scores.keys() == network.keys()


def test_the_baseline_of_a_regression_is_the_mean_of_the_training_rows() -> None:
    baseline = trivial_baseline("regression", [1.0, 3.0], [2.0, 4.0])
    assert baseline["name"] == "always the mean of the training rows"
    assert baseline["metrics"]["mae"] == 1.0
    assert baseline["metrics"]["rmse"] == pytest.approx(np.sqrt(2))
    several = trivial_baseline("regression", [[1.0, 0.0], [3.0, 0.0]], [[2.0, 1.0]])
    assert several["metrics"]["mae"] == 0.5


def test_the_baseline_of_labels_says_how_often_each_occurs() -> None:
    train = np.array([[1, 0], [1, 0], [1, 1], [0, 0]])
    baseline = trivial_baseline("multilabel", train, np.array([[1, 0], [0, 0]]))
    assert baseline["metrics"]["accuracy"] == 0.5
    assert baseline["metrics"]["hamming_loss"] == 0.25


def test_targets_that_are_no_class_indices_are_named() -> None:
    with pytest.raises(DataError, match="'targets' must hold class indices from 0 to 1"):
        classification_metrics([0, 2], [0.5, 0.5], classes=["a", "b"])
    with pytest.raises(DataError, match="'predicted' must hold class indices"):
        confusion([0, 1], ["a", "b"], 2)
    with pytest.raises(DataError, match="one whole number a row"):
        per_class([0, np.nan], [0, 1], ["a", "b"])
    with pytest.raises(DataError, match="no row to judge"):
        regression_metrics([], [])


def test_wrong_shapes_are_printed() -> None:
    with pytest.raises(ShapeError, match=r"\(2, 3\), expected \(2, 2\)"):
        classification_metrics([0, 1], np.ones((2, 3)), classes=["a", "b"])
    with pytest.raises(ShapeError, match=r"\(3,\), predictions \(2,\)"):
        regression_metrics([1, 2, 3], [1, 2])
    with pytest.raises(ShapeError, match="2 targets but 1 predictions"):
        confusion([0, 1], [0], 2)


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(UsageError, match="Unknown task 'ranking'"):
        trivial_baseline("ranking", [1], [1])
    with pytest.raises(UsageError, match="names of the classes"):
        trivial_baseline("classification", [1], [1])
