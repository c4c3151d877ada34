"""Looking up rows and adding into them."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import ops
from chainrule.backprop import gradients
from chainrule.engines.reference import evaluate
from chainrule.errors import DataError, ShapeError
from chainrule.graph import BATCH, Input


def test_a_row_that_is_looked_up_twice_gets_both_gradients() -> None:
    table, numbers = Input((3, 2)), Input((BATCH,), "int")
    (gradient,) = gradients(ops.sum(ops.gather(table, numbers)), [table])
    assert gradient is not None
    found = evaluate({"g": gradient}, {table: np.zeros((3, 2)), numbers: np.array([2, 0, 2])})
    np.testing.assert_array_equal(found["g"], [[1, 1], [0, 0], [2, 2]])


def test_numbers_outside_the_table_are_told() -> None:
    table, numbers = Input((3, 2)), Input((BATCH,), "int")
    made = {
        "Numbers of rows in a table": ops.gather(table, numbers),
        "Numbers of one-hot vectors": ops.one_hot(numbers, 3) + table[0, 0],
        "Numbers of rows to add to": ops.scatter_add(ops.one_hot(numbers, 2), numbers, 1),
    }
    for told, value in made.items():
        given = {table: np.zeros((3, 2)), numbers: np.array([1, 7 if "add" not in told else 1])}
        with pytest.raises(DataError, match=f"{told} must lie from 0 to"):
            evaluate({"y": value}, given)


def test_a_table_needs_two_axes_and_a_known_number_of_rows() -> None:
    for shape in ((3,), (BATCH, 2), (2, 3, 4)):
        with pytest.raises(ShapeError, match="takes rows out of a table"):
            ops.gather(Input(shape), Input((5,), "int"))


def test_every_row_added_needs_a_number() -> None:
    with pytest.raises(ShapeError, match=r"x is \(4, 2\) and the numbers are \(3,\)"):
        ops.scatter_add(Input((4, 2)), Input((3,), "int"), rows=5)
