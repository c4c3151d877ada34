"""Sources by name and by path."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn import datasets

from chainrule.data import built_in_names, infer_task, load_source
from chainrule.errors import DataError


@pytest.mark.parametrize(
    ("name", "loader", "task"),
    [
        ("iris", datasets.load_iris, "classification"),
        ("wine", datasets.load_wine, "classification"),
        ("breast-cancer", datasets.load_breast_cancer, "classification"),
        ("diabetes", datasets.load_diabetes, "regression"),
    ],
)
def test_a_built_in_table_has_its_names_and_its_classes_as_text(name, loader, task):
    source = load_source(name)
    bunch = loader(**({"scaled": False} if name == "diabetes" else {}))
    assert source.is_table
    assert source.target is None
    assert source.target_name == "target"
    assert source.features.columns == [*bunch.feature_names, "target"]
    np.testing.assert_array_equal(source.features.drop("target").to_numpy(), bunch.data)
    assert infer_task(source.features["target"]) == task
    if task == "classification":
        expected = bunch.target_names[bunch.target].tolist()
        assert source.features["target"].to_list() == expected
    else:
        assert source.features["target"].to_list() == bunch.target.tolist()


def test_digits_are_rows_of_pixels():
    source = load_source("digits")
    assert source.features.shape == (1797, 64)
    assert source.image_shape == (8, 8)
    assert source.target[:5].tolist() == [0, 1, 2, 3, 4]
    assert not source.is_table


def test_a_parquet_file_is_read_as_it_is(tmp_path):
    frame = pl.DataFrame({"a": [1, None], "b": ["x", "?"], "c": [True, False]})
    frame.write_parquet(tmp_path / "t.parquet")
    source = load_source(tmp_path / "t.parquet")
    assert source.features.equals(frame)
    assert source.name == "t"
    assert "2 rows, 3 columns" in source.origin


def test_an_npz_file_brings_images_labels_and_a_test_set(tmp_path):
    x = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
    np.savez(tmp_path / "a.npz", X=x, y=["a", "b", "a", "b"], x_test=x[:2], y_test=["b", "a"])
    source = load_source(str(tmp_path / "a.npz"))
    np.testing.assert_array_equal(source.features, x.reshape(4, 6))
    assert source.features.dtype == np.uint8
    assert source.target.tolist() == ["a", "b", "a", "b"]
    assert source.image_shape == (3, 2)
    np.testing.assert_array_equal(source.test[0], x[:2].reshape(2, 6))
    assert source.test[1].tolist() == ["b", "a"]


def test_an_npz_file_may_have_other_names_and_no_target(tmp_path):
    np.savez(tmp_path / "a.npz", features=np.ones((3, 2)))
    source = load_source(tmp_path / "a.npz")
    assert source.target is None
    assert source.image_shape is None
    assert source.test is None
    np.savez_compressed(tmp_path / "b.npz", features=np.ones((3, 2)), labels=[1, 2, 3])
    assert load_source(tmp_path / "b.npz").target.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("arrays", "trouble"),
    [
        ({"inputs": np.ones((2, 2))}, r"no array called x or .* \(but inputs\)"),
        ({"x": np.ones(3)}, r"have shape \(3,\)"),
        ({"x": np.ones((0, 3))}, r"have shape \(0, 3\)"),
        ({"x": np.ones((3, 2)), "y": [1, 2]}, r"\(3, 2\) do not go with a target of shape \(2,\)"),
        (
            {"x": np.ones((3, 2)), "y": [1, 2, 3], "x_test": np.ones((1, 5)), "y_test": [1]},
            r"x_test has shape \(1, 5\)",
        ),
        ({"x": np.array([[{}]], dtype=object)}, "cannot be read as NPZ"),
    ],
)
def test_an_npz_file_that_does_not_fit_is_one_clear_sentence(tmp_path, arrays, trouble):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=trouble):
        load_source(tmp_path / "a.npz")


def test_a_name_nobody_knows_is_answered_with_both_possibilities(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prices.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match="neither a file or folder here nor a built-in data set"):
        load_source("zzzzzzz")
    with pytest.raises(DataError, match="did you mean 'fashion-mnist'"):
        load_source("fashionmnist")
    with pytest.raises(DataError, match=r"did you mean 'prices.csv'"):
        load_source("price.csv")
    with pytest.raises(DataError, match=", ".join(built_in_names())):
        load_source("zzzzzzz")


def test_an_ending_nobody_knows_is_answered_with_the_known_ones(tmp_path):
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"of no known kind: give a file ending in .csv, .tsv"):
        load_source(tmp_path / "t.xlsx")


@pytest.mark.parametrize("name", ["t.parquet", "t.npz"])
@pytest.mark.parametrize("content", [b"", b"garbage" * 20, b"PAR1garbage", b"PK\x03\x04garbage"])
def test_a_damaged_file_is_one_clear_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as") as raised:
        load_source(tmp_path / name)
    assert str(tmp_path / name) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_truncated_file_is_one_clear_sentence(tmp_path):
    pl.DataFrame({"a": range(1000)}).write_parquet(tmp_path / "t.parquet")
    np.savez(tmp_path / "t.npz", x=np.ones((100, 9)))
    for name in ("t.parquet", "t.npz"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(DataError, match="the file may be damaged"):
            load_source(tmp_path / name)


@pytest.mark.parametrize("frame", [pl.DataFrame(), pl.DataFrame({"a": []})])
def test_an_empty_table_is_an_error(tmp_path, frame):
    frame.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="a table of 0 rows"):
        load_source(tmp_path / "t.parquet")
