"""Labels and quantities to a network's targets, and outputs back to values."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import LabelEncoder, StandardScaler

from chainrule.data import Target
from chainrule.errors import DataError, ModelFileError, ShapeError, UsageError


def one_hot(codes, width):
    return np.eye(width)[codes]


@pytest.mark.parametrize(
    "values",
    [
        ["b", "a", "c", "a"],
        [3, 1, 3, 2, 1, 2],
        [True, False, True],
        [-1, 1, -1, 1],
        pd.Series(["x", "y", "x"], dtype="category"),
        pl.Series(["x", "y", "x"]),
        np.array([2, 0, 2, 0], dtype=np.uint8),
    ],
)
def test_labels_are_numbered_in_sorted_order_and_come_back(values):
    target = Target.fit(values)
    codes = target.encode(values)
    np.testing.assert_array_equal(codes, LabelEncoder().fit_transform(np.asarray(values)))
    assert codes.dtype == np.int64
    assert (target.task, target.width) == ("classification", len(target.classes))
    back = target.decode(one_hot(codes, target.width))
    np.testing.assert_array_equal(back, np.asarray(values))
    assert back.dtype.kind in "Uib"


def test_whole_floats_are_whole_classes():
    assert Target.fit([0.0, 1.0, 1.0]).classes == (0, 1)


@pytest.mark.parametrize(
    ("learnt", "later"),
    [
        (["0", "7", "0"], [0, 7, 7]),
        ([0, 7, 0], ["0", "7", "7"]),
        ([0, 7, 0], [0.0, 7.0, 7.0]),
        ([False, True], [0, 1, 1]),
        ([False, True], ["false", "True", "true"]),
        (["a", "b"], [" a", "b ", "b"]),
    ],
)
def test_labels_of_another_type_are_recognised(learnt, later):
    np.testing.assert_array_equal(Target.fit(learnt).encode(later), [0, 1, 1])


def test_two_classes_also_decode_from_one_sigmoid():
    target = Target.fit(["no", "yes"])
    assert target.width == 2
    assert target.decode([[0.2], [0.9]]).tolist() == ["no", "yes"]
    assert target.decode([0.2, 0.9]).tolist() == ["no", "yes"]


def test_a_quantity_is_standardised_and_comes_back():
    values = np.random.default_rng(0).normal(50, 9, 100)
    target = Target.fit(values)
    encoded = target.encode(values)
    np.testing.assert_allclose(encoded, StandardScaler().fit_transform(values[:, None]))
    assert encoded.shape == (100, 1)
    assert encoded.dtype == np.float64
    np.testing.assert_allclose(target.decode(encoded), values)
    assert target.decode(encoded).shape == (100,)


def test_several_quantities_are_standardised_each():
    values = np.random.default_rng(0).normal([1, 100], [1, 20], (50, 2))
    for given_values in (values, pd.DataFrame(values, columns=["a", "b"])):
        target = Target.fit(given_values)
        assert (target.task, target.width) == ("regression", 2)
        np.testing.assert_allclose(target.decode(target.encode(given_values)), values)


def test_the_logarithm_is_taken_first_and_undone_last():
    values = np.array([0.0, 9.0, 99.0, 999.5])
    target = Target.fit(values, log=True)
    expected = StandardScaler().fit_transform(np.log1p(values)[:, None])
    np.testing.assert_allclose(target.encode(values), expected)
    np.testing.assert_allclose(target.decode(target.encode(values)), values)


def test_several_labels_at_once_stay_zeros_and_ones():
    values = np.array([[0, 1, 1], [1, 0, 1], [0, 0, 0]])
    target = Target.fit(values)
    assert (target.task, target.multilabel, target.width) == ("classification", True, 3)
    np.testing.assert_array_equal(target.encode(values), values.astype(float))
    assert target.decode([[0.1, 0.9, 0.5]]).tolist() == [[0, 1, 0]]
    with pytest.raises(DataError, match="zeros and ones"):
        target.encode([[0, 2, 1]])


@pytest.mark.parametrize(
    "target",
    [
        Target.fit(["b", "a"], name="species"),
        Target.fit([True, False]),
        Target.fit([1.1, 2.7, 3.3], log=True),
        Target.fit([[0, 1], [1, 1]]),
    ],
)
def test_a_target_round_trips_through_json(target):
    back = Target.from_json(json.loads(json.dumps(target.to_json())))
    assert back == target
    outputs = np.random.default_rng(0).random((5, target.width))
    np.testing.assert_array_equal(back.decode(outputs), target.decode(outputs))


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20).filter(lambda v: np.ptp(v) > 1e-3))
def test_decoding_undoes_encoding(values):
    target = Target.fit(values, task="regression")
    scale = np.abs(values).max()
    np.testing.assert_allclose(target.decode(target.encode(values)), values, atol=1e-9 * scale)


@pytest.mark.parametrize(
    ("values", "settings", "trouble"),
    [
        (["a", "a"], {}, "one class only .'a' in all 2 rows"),
        ([5, 5, 5], {}, "one class only .5 in all 3"),
        ([2.5, 2.5], {}, "value 2.5 in all 2 training rows"),
        ([1, None, 2, None], {}, "missing in 2 of 4 rows"),
        (["a", None], {}, "missing in 1 of 2 rows"),
        ([], {}, "no values"),
        (["a", "b"], {"task": "regression"}, "row 0 .* holds 'a'"),
        ([1.5, np.inf], {}, "not finite in 1 rows"),
        ([-2.5, 3.5], {"log": True}, "values down to -2.5"),
        ([f"row {i}" for i in range(50)], {}, "50 different values in 50 rows"),
        ([[1.5, 2], [3, 4]], {"task": "classification"}, "must be zeros and ones"),
    ],
)
def test_a_target_nothing_can_be_learnt_from_is_one_clear_sentence(values, settings, trouble):
    with pytest.raises(DataError, match=trouble) as raised:
        Target.fit(values, name="income", **settings)
    assert "'income'" in str(raised.value)


def test_contradicting_settings_are_an_error():
    with pytest.raises(UsageError, match="logarithm is for quantities"):
        Target.fit(["a", "b"], log=True)
    with pytest.raises(UsageError, match="'clustering' is not known"):
        Target.fit(["a", "b"], task="clustering")


def test_an_unseen_class_is_named():
    target = Target.fit(["a", "b"], name="letter")
    with pytest.raises(DataError, match=r"'letter' holds the class 'c', .* \(a, b\)"):
        target.encode(["a", "c"])


def test_text_among_quantities_is_named_after_training_too():
    with pytest.raises(DataError, match=r"row 1 .* holds 'much'"):
        Target.fit([1.5, 2.5]).encode(["3", "much"])


def test_wrong_shapes_are_named():
    with pytest.raises(ShapeError, match=r"shape \(3, 4\).*\(rows, 2\)"):
        Target.fit(["a", "b"]).decode(np.zeros((3, 4)))
    with pytest.raises(ShapeError, match=r"\(rows, 2\) is expected"):
        Target.fit([[1.5, 2.0], [3.0, 4.0]]).encode([[1.0, 2.0, 3.0]])


def test_a_damaged_document_is_an_error():
    with pytest.raises(ModelFileError, match="damaged"):
        Target.from_json({"task": "regression"})
