"""Text files as people have them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from chainrule.data import load_source
from chainrule.errors import DataError


@pytest.fixture
def read(tmp_path):
    def read(content: str | bytes, name: str = "table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_source(path)

    return read


def test_values_agree_with_pandas(read, tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "whole": rng.integers(-5, 5, 50),
            "real": rng.normal(size=50),
            "word": rng.choice(["a", "b, c", 'd "e"'], 50),
            "flag": rng.choice([True, False], 50),
            "gaps": np.where(rng.random(50) < 0.3, np.nan, rng.normal(size=50)),
        }
    )
    frame = read(table.to_csv(index=False)).features
    assert [str(t) for t in frame.dtypes] == ["Int64", "Float64", "String", "Boolean", "Float64"]
    back = pd.DataFrame(frame.to_dict(as_series=False)).astype({"gaps": float})
    pd.testing.assert_frame_equal(back, table, check_dtype=False)


def test_a_type_is_settled_by_the_whole_file(read):
    rows = "\n".join(["1"] * 5000 + ["2.5"])
    assert read(f"x\n{rows}\n").features["x"].dtype == pl.Float64
    rows = "\n".join(["1"] * 5000 + ["many"])
    assert read(f"x\n{rows}\n").features["x"].dtype == pl.String


def test_words_for_missing_values_leave_numbers_numbers(read):
    frame = read("a,b\n1,x\n?,NA\nN/A,\nnan,null\n 4, y\n").features
    assert frame["a"].to_list() == [1, None, None, None, 4]
    assert frame["b"].to_list() == ["x", None, None, None, "y"]


def test_semicolons_and_decimal_commas_are_understood(read):
    source = read('"fixed acidity";quality\n"7,4";5\n"11";6\n')
    assert source.features.to_dict(as_series=False) == {
        "fixed acidity": [7.4, 11.0],
        "quality": [5, 6],
    }
    assert "separated by ';'" in source.origin


def test_commas_inside_quotes_do_not_count_as_separators(read):
    assert read('"a,b,c";d\nx;1\n').features.columns == ["a,b,c", "d"]


def test_tabs_separate_a_tsv_file(read):
    assert read("a\tb\n1,5\t2\n", "t.tsv").features.rows() == [("1,5", 2)]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("name\nJosé\n".encode("cp1252"), "read as Windows-1252"),
        ("name\nJosé\n".encode("utf-16"), "from UTF-16"),
        (b"\xef\xbb\xbf" + "name\nJosé\n".encode(), ""),
        ("name\r\nJosé\r\n".encode(), ""),
    ],
)
def test_other_encodings_and_line_ends_are_understood(read, content, word):
    source = read(content)
    assert source.features.to_dict(as_series=False) == {"name": ["José"]}
    assert word in source.origin


def test_a_file_without_a_header_keeps_its_first_row(read):
    source = read("5.1,3.5,setosa\n4.9,3.0,setosa\n")
    assert source.features.columns == ["column_1", "column_2", "column_3"]
    assert source.features.height == 2
    assert "no header line" in source.origin
    source = read("39, State-gov, <=50K\n50, State-gov, >50K\n38, Private, <=50K\n")
    assert source.features.height == 3


@pytest.mark.parametrize(
    "content", ["2019,2020\n1,2\n3,4\n", "x,y\n1,2\n", "name,v\nname2,1\n", "a,b\nb,a\n"]
)
def test_a_header_stays_a_header(read, content):
    source = read(content)
    assert source.features.columns == content.split("\n")[0].split(",")
    assert "no header line" not in source.origin


def test_the_nameless_index_column_of_pandas_is_kept_under_no_name(read):
    frame = read(pd.DataFrame({"v": [3, 4]}).to_csv()).features
    assert frame.columns == ["", "v"]


def test_blank_lines_are_passed_over(read):
    assert read("a,b\n1,2\n\n3,4\n\n").features.height == 2


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("a,b\n", "0 rows and 2 columns"),
        ("a,b\n1,2\n\n1,2,3\n", r"\(line 4 has 3 fields, the first 2\)"),
        ('a,b\n"x,1\n', "cannot be read as a table"),
        ("a,b,a\n1,2,3\n", "more than one column called 'a'"),
        (b"PK\x03\x04\0\0\0", "not a text file"),
    ],
)
def test_a_damaged_file_is_one_clear_sentence(read, content, trouble):
    with pytest.raises(DataError, match=trouble) as raised:
        read(content)
    assert "table.csv" in str(raised.value)
    assert "\n" not in str(raised.value)
