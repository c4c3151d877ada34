"""What users hand in, as arrays; and what is refused, in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses
from chainrule.errors import DataError, ShapeError, UsageError
from chainrule.graph import BATCH
from chainrule.layers.network import Network
from chainrule.training.arrays import (
    arrays_per_place,
    class_numbers,
    class_weights,
    input_arrays,
    numbers,
    per_place,
    row_count,
    sample_weights,
    target_array,
)

RNG = np.random.default_rng(13)
X = RNG.normal(size=(4, 3))


def network(*shapes: tuple[int, ...], kind: Any = "float") -> Network:
    inputs = [cr.Input(s, name=f"in{i}", kind=kind) for i, s in enumerate(shapes)]
    return Network(inputs, inputs)


# --- places -----------------------------------------------------------------------------------------


def test_things_are_given_alone_in_order_or_by_name() -> None:
    assert per_place("a", ["x"], "output") == ["a"]
    assert per_place(["a"], ["x"], "output") == ["a"]
    assert per_place(["a", "b"], ["x", "y"], "output") == ["a", "b"]
    assert per_place({"y": "b", "x": "a"}, ["x", "y"], "output") == ["a", "b"]


def test_a_list_of_one_array_is_that_array_and_a_list_of_numbers_is_a_row() -> None:
    (found,) = arrays_per_place([X], ["x"], "input")
    assert found is X
    row = [[1.0, 2.0, 3.0]]
    assert arrays_per_place(row, ["x"], "input") == [row]
    (row_of_array,) = arrays_per_place([X[0]], ["x"], "input")
    assert np.shape(row_of_array) == (1, 3)
    (targets,) = arrays_per_place([X[:, 0]], ["y"], "output")
    assert np.shape(targets) == (4,)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([1], r"has 2 outputs \(a, b\), 1 given: give a list or a dict"),
        (5, r"has 2 outputs \(a, b\), 1 given"),
        ([1, 2, 3], "3 given"),
        ({"a": 1, "c": 2}, "are called a, b, but the dict has a, c"),
        ({"a": 1, "b": 2, "c": 3}, "but the dict has a, b, c"),
    ],
)
def test_a_wrong_number_of_things_is_counted(given: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        per_place(given, ["a", "b"], "output")


# --- numbers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float64, bool, object])
def test_numbers_of_any_kind_are_numbers(dtype: Any) -> None:
    given = np.array([[0, 1], [1, 0]]).astype(dtype)
    assert numbers(given, "x").tolist() == [[0, 1], [1, 0]]
    assert numbers(given, "x").dtype.kind in "fiu"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([["a", 1.0]], "x holds 'a' where numbers are expected"),
        (np.array([1.0, "two"], dtype=object), "x holds 'two' where numbers"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "x holds datetime.date.* where numbers"),
        (
            [1.0, None],
            r"x holds 1 NaN or infinite value\(s\), the first at index 1: fill or remove",
        ),
        ([[0.0, np.inf], [np.nan, 1.0]], r"holds 2 NaN or infinite .* at index \(0, 1\)"),
        (None, "x is None: give an array of numbers"),
        ([1 + 2j], r"holds \(1\+2j\) where numbers"),
    ],
)
def test_what_is_no_finite_number_is_named_with_its_place(given: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        numbers(given, "x")


def test_rows_of_several_lengths_are_refused() -> None:
    with pytest.raises(ShapeError, match="its rows are not equally long"):
        numbers([[1.0], [1.0, 2.0]], "x")


def test_a_sparse_matrix_is_told_how_to_become_an_array() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    for function in (numbers, row_count):
        with pytest.raises(DataError, match=r"x is a sparse matrix: give .* toarray\(\)"):
            function(sparse.eye(3), "x")


def test_whole_numbers_may_be_written_as_reals_but_halves_are_none() -> None:
    assert numbers([0.0, 2.0], "y", "int").dtype == np.int64
    with pytest.raises(DataError, match=r"y must hold whole numbers, but holds 0\.5"):
        numbers([0.0, 0.5], "y", "int")


def test_a_single_number_has_no_rows() -> None:
    with pytest.raises(ShapeError, match="x needs rows"):
        row_count(3.0)


# --- inputs -----------------------------------------------------------------------------------------


def test_bytes_stay_bytes_until_a_batch_is_taken() -> None:
    (found,) = input_arrays([np.zeros((4, 3), np.uint8)], network((3,)), "float32")
    assert found.dtype == np.uint8


def test_reals_take_the_precision_of_the_model() -> None:
    for precision in ("float32", "float64"):
        (found,) = input_arrays([X], network((3,)), precision)
        assert found.dtype == precision


def test_one_feature_may_come_as_a_single_row_of_values() -> None:
    (found,) = input_arrays([X[:, 0]], network((1,)), "float64")
    assert found.shape == (4, 1)


@pytest.mark.parametrize("shape", [(4, 2), (4,), (4, 3, 1)])
def test_a_wrong_shape_is_printed_with_the_right_one(shape: Any) -> None:
    with pytest.raises(ShapeError, match=r"x has shape \(4.*\), but the model takes \(batch, 3\)"):
        input_arrays([np.zeros(shape)], network((3,)), "float32")


def test_several_inputs_are_called_by_their_names() -> None:
    both = network((3,), (2,))
    with pytest.raises(ShapeError, match=r"The input in1 has shape \(4, 3\), .* \(batch, 2\)"):
        input_arrays([X, X], both, "float32")
    with pytest.raises(ShapeError, match="same number of rows, but in0 has 4, in1 has 3"):
        input_arrays([X, X[:3, :2]], both, "float32")


def test_a_number_too_large_for_float32_is_found() -> None:
    with pytest.raises(DataError, match=r"In float32, x holds 1 NaN or infinite value.* \(0, 1\)"):
        input_arrays([np.array([[1.0, 1e300, 2.0]])], network((3,)), "float32")
    input_arrays([np.array([[1.0, 1e300, 2.0]])], network((3,)), "float64")


# --- targets ----------------------------------------------------------------------------------------

MSE, BINARY = losses.MeanSquaredError(), losses.BinaryCrossentropy()
SPARSE, ONE_HOT = losses.SparseCategoricalCrossentropy(), losses.CategoricalCrossentropy()


@pytest.mark.parametrize("loss", [MSE, BINARY])
@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_a_single_output_takes_a_vector_or_a_column(loss: Any, shape: Any) -> None:
    assert target_array(np.ones(shape), loss, (BATCH, 1), 4).shape == (4, 1)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float64])
@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_class_numbers_may_be_a_vector_or_a_column_of_any_kind(dtype: Any, shape: Any) -> None:
    found = target_array(np.ones(shape, dtype), SPARSE, (BATCH, 3), 4)
    assert found.shape == (4,)
    assert found.dtype.kind in "iu"


@pytest.mark.parametrize(
    ("y", "loss", "output", "sentence"),
    [
        (np.ones((4, 2)), MSE, 3, r"y has shape \(4, 2\), but for an output of shape \(batch, 3\)"),
        (np.ones(4), MSE, 3, r"y has shape \(4,\), .* it should have \(batch, 3\)"),
        (
            np.eye(4, 3),
            SPARSE,
            3,
            r"it should have \(batch,\)\. .*for one-hot rows use categorical",
        ),
        (np.ones(4), ONE_HOT, 3, r"should have \(batch, 3\)\. For class numbers use sparse_cat"),
        (np.ones(5), MSE, 1, "x has 4 rows but y has 5"),
    ],
)
def test_targets_of_a_wrong_shape_print_both_shapes_and_advice(
    y: Any, loss: Any, output: int, sentence: str
) -> None:
    with pytest.raises(ShapeError, match=sentence):
        target_array(y, loss, (BATCH, output), 4)


@pytest.mark.parametrize(
    ("y", "loss", "output", "sentence"),
    [
        (
            [0, 3],
            SPARSE,
            3,
            "class numbers from 0 to 3, but the output has 3 units, for classes 0 to 2",
        ),
        ([-1, 1], SPARSE, 3, "class numbers from -1 to 1"),
        ([0, 2], BINARY, 1, "y runs from 0 to 2, but BinaryCrossentropy takes targets from 0 to 1"),
        ([[2, -1], [0, 1]], ONE_HOT, 2, "y runs from -1 to 2, but CategoricalCrossentropy takes"),
        ([[1.5, -0.5], [0, 1]], losses.KLDivergence(), 2, "y runs from -0.5 to 1.5"),
        (["a", "b"], MSE, 1, "y holds 'a' where numbers are expected"),
    ],
)
def test_targets_out_of_range_are_refused(y: Any, loss: Any, output: int, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        target_array(y, loss, (BATCH, output), 2)


# --- weights ----------------------------------------------------------------------------------------


def test_sample_weights_are_one_number_for_each_row() -> None:
    assert sample_weights(None, 3) is None
    assert sample_weights([[1], [2], [0]], 3).tolist() == [1.0, 2.0, 0.0]  # type: ignore[union-attr]
    with pytest.raises(ShapeError, match=r"sample_weight has shape \(2,\), expected \(3,\)"):
        sample_weights([1.0, 2.0], 3)
    with pytest.raises(DataError, match="negative"):
        sample_weights([1.0, -2.0], 2)
    with pytest.raises(DataError, match="sample_weight holds 1 NaN"):
        sample_weights([1.0, np.nan], 2)


def test_balanced_weights_are_scikit_learn_s() -> None:
    from sklearn.utils.class_weight import compute_sample_weight

    labels = np.array([0, 0, 0, 2, 2, 5])
    found = class_weights("balanced", labels)
    np.testing.assert_allclose(found, compute_sample_weight("balanced", labels))
    assert [found[labels == c].sum() for c in (0, 2, 5)] == pytest.approx([2.0] * 3)


def test_classes_without_a_weight_weigh_one() -> None:
    assert class_weights({2: 5.0}, np.array([0, 2, 1])).tolist() == [1.0, 5.0, 1.0]


@pytest.mark.parametrize(
    ("given", "labels", "sentence"),
    [
        ("balance", np.array([0, 1]), "or 'balanced', not 'balance'"),
        ({0: -1.0}, np.array([0, 1]), "negative weight"),
        ("balanced", None, "class_weight needs class targets"),
    ],
)
def test_class_weights_that_make_no_sense_are_refused(
    given: Any, labels: Any, sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        class_weights(given, labels)


def test_classes_are_found_in_every_form_of_class_targets() -> None:
    assert class_numbers(np.array([2, 0]), SPARSE).tolist() == [2, 0]  # type: ignore[union-attr]
    assert class_numbers(np.eye(3)[[2, 0]], ONE_HOT).tolist() == [2, 0]  # type: ignore[union-attr]
    assert class_numbers(np.array([[1.0], [0.0]]), BINARY).tolist() == [1, 0]  # type: ignore[union-attr]
    assert class_numbers(np.ones((2, 3)), BINARY) is None
    assert class_numbers(np.ones((2, 1)), MSE) is None


def test_whole_numbers_too_large_for_signed_ones_keep_their_sign() -> None:
    large = np.array([[2**63], [5]], np.uint64)
    found = numbers(large, "x")
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[2.0**63], [5.0]])
    assert numbers(large[1:], "x").dtype == np.uint64
