"""Tables and columns of other libraries become ours without losing or inventing values."""

from __future__ import annotations

import ast
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from chainrule.data.frames import as_frame, as_values, is_frame, missing_values
from chainrule.errors import DataError

COLUMNS = {"age": [30, None, 50], "name": ["a", None, "c"], "big": [1.5, 2.5, 3.5]}


def every_library():
    return {
        "polars": pl.DataFrame(COLUMNS),
        "lazy": pl.LazyFrame(COLUMNS),
        "pandas": pd.DataFrame(COLUMNS),
        "pyarrow": pa.table(COLUMNS),
        "mapping": COLUMNS,
    }


@pytest.mark.parametrize("library", every_library())
def test_a_table_of_any_library_holds_the_same_values(library):
    data = every_library()[library]
    assert is_frame(data)
    frame = as_frame(data)
    assert isinstance(frame, pl.DataFrame)
    assert frame.columns == ["age", "name", "big"]
    assert frame.rows() == [(30, "a", 1.5), (None, None, 2.5), (50, "c", 3.5)]


def test_a_row_given_as_a_dictionary_of_values_is_a_table_of_one_row():
    assert as_frame({"age": 30, "name": "a"}).rows() == [(30, "a")]


def test_arrays_and_lists_are_no_tables():
    assert not is_frame(np.zeros((2, 2)))
    assert not is_frame([[1, 2], [3, 4]])
    assert not is_frame(pd.Series([1]))
    with pytest.raises(DataError, match="table with named columns was expected, not int"):
        as_frame(3)


def test_pandas_categories_and_its_index_are_understood():
    data = pd.DataFrame({"c": pd.Categorical(["u", "v", "u"])}, index=[7, 8, 9])
    assert as_frame(data)["c"].cast(pl.String).to_list() == ["u", "v", "u"]


def test_a_pandas_column_of_mixed_objects_becomes_text():
    data = pd.DataFrame({"m": pd.Series([1, "a", None, 2.5], dtype=object)})
    assert as_frame(data)["m"].to_list() == ["1", "a", None, "2.5"]


def test_pandas_is_read_without_pyarrow():
    program = """
import sys
sys.modules["pyarrow"] = None
import pandas as pd
from chainrule.data.frames import as_frame
print(as_frame(pd.DataFrame({
    "text": ["x", None, "y"],
    "category": pd.Categorical(["u", "v", None]),
    "mixed": [1, "a", 2.5],
    "date": pd.to_datetime(["2020-01-01", None, "2020-01-03"]),
    "whole": pd.array([1, None, 3], dtype="Int64"),
    "flag": pd.array([True, None, False], dtype="boolean"),
})).cast(__import__("polars").String).rows())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr == ""
    first, second, third = ast.literal_eval(done.stdout)
    assert first == ("x", "u", "1", first[3], "1", "true")
    assert first[3].startswith("2020-01-01 00:00")
    assert second == (None, "v", "a", None, None, None)
    assert third == ("y", None, "2.5", third[3], "3", "false")


def test_number_names_of_columns_become_text():
    assert as_frame(pd.DataFrame(np.eye(2))).columns == ["0", "1"]


def test_two_columns_of_one_name_are_an_error_that_names_them():
    data = pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"])
    for read in (as_frame, is_frame):
        with pytest.raises(DataError, match="more than one column called 'a'"):
            read(data)


def test_columns_of_different_lengths_are_an_error_with_the_lengths():
    with pytest.raises(DataError, match=r"\{'a': 2, 'b': 3\}"):
        as_frame({"a": [1, 2], "b": [1, 2, 3]})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.Series([1, 2, 3]), np.array([1, 2, 3])),
        (pl.Series([1, None, 3]), np.array([1.0, np.nan, 3.0])),
        (pa.chunked_array([[True, False]]), np.array([True, False])),
        ([1, 2.5], np.array([1.0, 2.5])),
        ([1, None], np.array([1.0, np.nan])),
        ([True, False], np.array([True, False])),
        (pl.Series(["a", None]), np.array(["a", None], dtype=object)),
        (pl.Series(["a", "b"], dtype=pl.Categorical), np.array(["a", "b"], dtype=object)),
        (["a", 1], np.array(["a", "1"], dtype=object)),
        (np.array([b"a", b"b"]), np.array(["a", "b"])),
        (pd.DataFrame({"a": [1, 2], "b": [3, 4]}), np.array([[1, 3], [2, 4]])),
    ],
)
def test_a_column_of_any_library_is_an_array_of_the_plainest_kind(values, expected):
    array = as_values(values)
    assert array.dtype.kind == expected.dtype.kind
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        (pl.Series([1, None, 3]), [False, True, False]),
        (pd.Series(["a", None]), [False, True]),
        ([1.5, float("nan")], [False, True]),
        (pd.Series(pd.to_datetime(["2024-01-01", None])), [False, True]),
        ([True, None], [False, True]),
        (np.array([[1, np.nan], [2, 3]]), [[False, True], [False, False]]),
        (["a", "b"], [False, False]),
    ],
)
def test_missing_values_of_any_kind_are_found(values, missing):
    np.testing.assert_array_equal(missing_values(values), missing)


def test_dates_stay_dates():
    values = pl.Series(["2024-02-29"]).str.to_date()
    assert as_values(values).dtype.kind == "M"
