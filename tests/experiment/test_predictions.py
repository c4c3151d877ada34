from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.data import Target
from chainrule.experiment.judging import Predicted
from chainrule.experiment.predictions import prediction_frame

ROWS = np.array([4, 9])


def test_classes_are_named_and_carry_their_probabilities() -> None:
    target = Target.fit(["no", "yes", "no"], name="answer")
    shares = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    frame = prediction_frame(target, ROWS, Predicted(np.array([0, 1]), shares), ["no", "no"])
    assert frame.to_dict(as_series=False) == {
        "row": [4, 9],
        "answer": ["no", "no"],
        "prediction": ["no", "yes"],
        "probability no": [pytest.approx(0.9), pytest.approx(0.2)],
        "probability yes": [pytest.approx(0.1), pytest.approx(0.8)],
    }


def test_several_quantities_are_numbered() -> None:
    target = Target.fit(np.array([[1.0, 2.0], [3.0, 5.0]]))
    frame = prediction_frame(target, ROWS, Predicted(np.array([[1.0, 2.0], [3.0, 4.0]])))
    assert frame.columns == ["row", "prediction_0", "prediction_1"]


def test_several_labels_are_numbered_with_their_probabilities() -> None:
    target = Target.fit(np.array([[0, 1], [1, 0]]))
    predicted = Predicted(np.array([[0, 1], [1, 1]]), np.array([[0.1, 0.9], [0.8, 0.7]]))
    frame = prediction_frame(target, ROWS, predicted, np.array([[0, 1], [1, 0]]))
    assert frame.columns == [
        *("row", "target_0", "target_1", "prediction_0", "prediction_1"),
        *("probability_0", "probability_1"),
    ]


@pytest.mark.parametrize("name", ["row", "prediction", "probability yes", "prediction_0"])
def test_a_target_with_the_name_of_a_column_is_kept_apart(name: str) -> None:
    values: Any = np.array([1.0, 2.5])
    target = Target.fit(values, name=name)
    frame = prediction_frame(target, ROWS, Predicted(values + 1), values)
    assert frame.columns == ["row", f"true {name}", "prediction"]
    assert frame[f"true {name}"].to_list() == [1.0, 2.5]
