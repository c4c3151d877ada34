"""Operations that move and add up elements, with the batch axis among them."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import ops
from chainrule.backprop import gradients
from chainrule.engines.reference import evaluate
from chainrule.errors import ShapeError
from chainrule.graph import BATCH, Input


def test_a_shape_with_a_batch_axis_takes_the_rows_of_the_run() -> None:
    x, row = Input((BATCH, 6)), Input((6,))
    made = {
        "reshaped": ops.reshape(x, (BATCH, 2, 3)),
        "repeated": ops.broadcast_to(row, (BATCH, 6)) * ops.equal(x, x),
    }
    for rows in (1, 5):
        array = np.arange(6.0 * rows).reshape(rows, 6)
        found = evaluate(made, {x: array, row: np.arange(6.0)})
        np.testing.assert_array_equal(found["reshaped"], array.reshape(rows, 2, 3))
        np.testing.assert_array_equal(found["repeated"], np.tile(np.arange(6.0), (rows, 1)))


def test_reads_of_a_shape_with_a_batch_axis_follow_the_rows_of_the_run() -> None:
    reshape = ops.reshape(Input((BATCH, 6)), (BATCH, 2, 3)).op
    broadcast = ops.broadcast_to(Input((6,)), (BATCH, 6)).op
    assert reshape is not None
    assert broadcast is not None
    assert reshape.reads((4, 1, 2), (5, 6)) == [[(4, 5)]]
    assert broadcast.reads((4, 3), (6,)) == [[(3,)]]


def test_a_row_used_for_the_whole_batch_gets_the_gradient_of_all_rows() -> None:
    x, bias = Input((BATCH, 2)), Input((2,))
    (gradient,) = gradients(ops.sum(ops.square(x + bias)), [bias])
    assert gradient is not None
    assert gradient.shape == (2,)
    array = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    found = evaluate({"g": gradient}, {x: array, bias: np.zeros(2)})["g"]
    np.testing.assert_array_equal(found, 2 * array.sum(0))


def test_a_column_of_the_batch_keeps_its_shape_in_the_gradient() -> None:
    x, column = Input((BATCH, 3)), Input((BATCH, 1))
    (gradient,) = gradients(ops.sum(x * column), [column])
    assert gradient is not None
    assert gradient.shape == (BATCH, 1)


def test_integers_that_are_rearranged_stay_integers() -> None:
    labels = Input((BATCH, 1), "int")
    flat = ops.reshape(labels, (BATCH,))
    assert flat.kind == "int"
    assert ops.concatenate([labels, labels]).kind == "int"
    assert ops.concatenate([labels, Input((BATCH, 2))]).kind == "float"
    found = evaluate({"y": flat}, {labels: np.array([[3], [1]])})["y"]
    assert found.dtype.kind == "i"


def test_nothing_is_built_for_a_shape_that_is_there_already() -> None:
    x = Input((BATCH, 3))
    assert ops.reshape(x, (BATCH, 3)) is x
    assert ops.broadcast_to(x, (BATCH, 3)) is x


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: ops.reshape(Input((3, 4)), (5, 2)), r"\(3, 4\) cannot be reshaped to \(5, 2\)"),
        (lambda: ops.reshape(Input((BATCH, 4)), (4,)), r"\(batch, 4\) .* \(4,\)"),
        (lambda: ops.broadcast_to(Input((3,)), (4,)), r"\(3,\) and \(4,\)"),
        (lambda: ops.broadcast_to(Input((2, 3)), (3,)), r"\(2, 3\) cannot be broadcast to \(3,\)"),
        (lambda: ops.sum(Input((2, 3)), 2), "axes go from -2 to 1"),
        (lambda: ops.transpose(Input((2, 3)), (0, 0)), "each of the axes 0 to 1 once"),
        (lambda: ops.concatenate([Input((2, 3)), Input((3, 3))]), r"\(2, 3\) and \(3, 3\)"),
        (lambda: ops.concatenate([Input((2, 3)), Input((3,))]), r"\(2, 3\) and \(3,\)"),
        (lambda: ops.concatenate([Input((BATCH, 3))] * 2, axis=0), r"\(batch, 3\) and"),
    ],
)
def test_shapes_that_do_not_fit_are_told(build: object, told: str) -> None:
    assert callable(build)
    with pytest.raises(ShapeError, match=told):
        build()
