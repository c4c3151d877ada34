from __future__ import annotations

import numpy as np
import pytest

from chainrule.errors import ShapeError
from chainrule.report import Predictions, worst_rows


def test_the_worst_rows_of_a_classification_are_wrong_and_sure() -> None:
    shares = np.array([[0.9, 0.1], [0.3, 0.7], [0.05, 0.95], [0.2, 0.8]])
    predictions = Predictions("classification", np.array([1, 0, 0, 1]), shares.argmax(1), shares)
    assert worst_rows(predictions).tolist() == [2, 0, 1]
    assert worst_rows(predictions, 1).tolist() == [2]


def test_the_worst_rows_of_a_regression_have_the_largest_errors() -> None:
    predictions = Predictions("regression", np.array([1.0, 2, 3, 4]), np.array([1.0, 5, 1, np.nan]))
    assert worst_rows(predictions).tolist() == [1, 2]
    several = Predictions("regression", np.zeros((2, 2)), np.array([[1.0, 1], [0, 3]]))
    assert worst_rows(several).tolist() == [1, 0]


def test_without_probabilities_wrong_rows_keep_their_order() -> None:
    predictions = Predictions("classification", np.array([0, 1, 2]), np.array([1, 1, 0]))
    assert worst_rows(predictions).tolist() == [0, 2]


def test_no_rows_have_no_worst() -> None:
    assert worst_rows(Predictions("regression", np.empty(0), np.empty(0))).tolist() == []


def test_one_column_of_probabilities_is_that_of_the_second_class() -> None:
    for shape in ((2,), (2, 1)):
        shares = np.array([0.25, 1.0]).reshape(shape)
        predictions = Predictions("classification", np.array([0, 1]), np.array([0, 1]), shares)
        assert predictions.probabilities is not None
        assert predictions.probabilities.tolist() == [[0.75, 0.25], [0.0, 1.0]]


def test_rows_are_called_by_their_number_in_the_source() -> None:
    targets = np.array([0.0, 1.0])
    assert Predictions("regression", targets, targets).row_number(1) == 1
    assert Predictions("regression", targets, targets, rows=np.array([7, 9])).row_number(1) == 9


def test_shapes_that_do_not_fit_are_printed() -> None:
    two, three = np.zeros(2, int), np.zeros(3, int)
    with pytest.raises(ShapeError, match=r"\(2,\), predictions \(3,\)"):
        Predictions("regression", two, three)
    with pytest.raises(ShapeError, match=r"\(3, 2\), expected one row for each of the 2"):
        Predictions("classification", two, two, np.zeros((3, 2)))
    with pytest.raises(ShapeError, match=r"\(2, 2\), expected \(rows,\)"):
        Predictions("classification", np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(ShapeError, match=r"\(4, 4\), expected \(number, height, width\)"):
        Predictions("classification", two, two, images=np.zeros((4, 4)))
    with pytest.raises(ShapeError, match=r"\(3,\), expected \(2,\)"):
        Predictions("regression", two, two, rows=three)
