from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chainrule.errors import ChainruleError, DataError, UsageError
from chainrule.experiment.reading import read
from chainrule.experiment.settings import Settings


def told(error: type[ChainruleError], source: str, **settings: Any) -> str:
    with pytest.raises(error) as caught:
        read(Settings(source, **settings))
    return str(caught.value)


def test_the_target_and_the_splitting_columns_are_set_apart(written: str) -> None:
    rows = read(Settings(written, group_column="family", drop=("fold", "part")))
    assert rows.target_name == "label"
    assert rows.features.columns == ["size", "weight", "colour", "day", "price"]
    assert list(rows.splitting) == ["group_column"]
    assert rows.official is None


def test_without_a_target_the_columns_are_listed(table: pl.DataFrame) -> None:
    table.rename({"label": "answer"}).write_csv("no-target.csv")
    words = told(UsageError, "no-target.csv")
    assert "give --target with one of size, weight, colour" in words
    table.with_columns(y=1).write_csv("two-targets.csv")
    assert "More than one column of two-targets" in told(UsageError, "two-targets.csv")


def test_an_unknown_column_is_told_with_the_one_that_was_meant(written: str) -> None:
    for setting in ("target", "split_column", "group_column", "time_column"):
        assert "did you mean 'price'" in told(DataError, written, **{setting: "prise"})
    assert "did you mean 'price'" in told(DataError, written, drop=("prise",))


def test_the_target_cannot_be_given_away(written: str) -> None:
    for setting in ("split_column", "group_column", "time_column"):
        words = told(UsageError, written, target="part", **{setting: "part"})
        assert words.startswith(f"--{setting.replace('_', '-')} names the target 'part' itself")
    assert told(UsageError, written, drop=("label",)).startswith("--drop names the target")


def test_a_table_of_nothing_but_its_target_is_refused(written: str, table: pl.DataFrame) -> None:
    others = tuple(c for c in table.columns if c != "label")
    assert "no column left to learn from" in told(DataError, written, drop=others)


def test_rows_without_a_target_are_left_out_and_counted(table: pl.DataFrame) -> None:
    gone = [3, 50]
    labels = [None if i in gone else v for i, v in enumerate(table["label"])]
    table.with_columns(label=pl.Series(labels)).write_csv("gaps.csv")
    rows = read(Settings("gaps.csv"))
    assert "2 rows without a value of 'label' were left out." in rows.notes
    assert rows.numbers.tolist() == [i for i in range(len(table)) if i not in gone]
    assert rows.values.tolist() == [v for v in labels if v is not None]


def test_a_target_without_any_value_is_refused(table: pl.DataFrame) -> None:
    table.with_columns(label=pl.lit(None)).write_csv("empty-target.csv")
    words = told(DataError, "empty-target.csv", target="label")
    assert words == (
        "Column 'label' of empty-target has no value in any row: choose another target."
    )


def test_the_rows_of_a_test_file_come_last_with_numbers_of_their_own(table: pl.DataFrame) -> None:
    table[:80].write_csv("train.csv")
    table[80:].write_parquet("test.parquet")
    rows = read(Settings("train.csv", test_file="test.parquet", drop=("day",)))
    assert rows.official == 80
    assert rows.held_out == "all rows of test.parquet"
    assert rows.numbers.tolist() == [*range(80), *range(40)]
    assert rows.values.tolist() == table["label"].to_list()


def test_rows_without_a_target_leave_the_test_file_where_it_begins(table: pl.DataFrame) -> None:
    holed = table.with_columns(
        label=pl.when(pl.int_range(pl.len()) % 20 == 1).then(None).otherwise("label")
    )
    holed[:80].write_csv("train.csv")
    holed[80:].write_csv("test.csv")
    rows = read(Settings("train.csv", test_file="test.csv"))
    assert rows.official == 76
    assert rows.numbers[rows.official :].tolist() == [i for i in range(40) if i % 20 != 1]


def test_a_test_file_needs_the_columns_of_the_training_data(table: pl.DataFrame) -> None:
    table.write_csv("train.csv")
    table.drop("size", "colour").write_csv("test.csv")
    words = told(DataError, "train.csv", test_file="test.csv")
    assert words.startswith("--test-file test.csv lacks the columns size, colour")


def test_a_column_of_another_kind_in_the_test_file_is_named(table: pl.DataFrame) -> None:
    table.write_parquet("train.parquet")
    table.with_columns(size=pl.concat_list("day")).write_parquet("test.parquet")
    words = told(DataError, "train.parquet", test_file="test.parquet")
    assert words.startswith("Column 'size' holds List(Date) values in test.parquet, but Float64")


def test_tables_and_arrays_do_not_mix(written: str) -> None:
    np.savez("array.npz", x=np.eye(4), y=[0, 1, 0, 1])
    assert "holds an array, but table.csv a table" in told(
        DataError, written, test_file="array.npz"
    )
    assert "holds a table, but array.npz an array" in told(
        DataError, "array.npz", test_file=written
    )


@pytest.mark.parametrize(
    ("name", "given"),
    [("target", "y"), ("drop", ("a",)), ("split_column", "s"), ("time_column", "t")],
)
def test_an_array_has_no_columns_to_name(name: str, given: Any) -> None:
    words = told(UsageError, "digits", **{name: given})
    assert words == (
        f"--{name.replace('_', '-')} names a column, but digits is an array without column names."
    )


def test_an_array_without_a_target_is_refused() -> None:
    np.savez("no-target.npz", x=np.eye(4))
    assert "no-target holds no target to learn" in told(DataError, "no-target.npz")


def test_the_official_test_set_of_an_array_is_the_test() -> None:
    x = np.arange(20.0).reshape(10, 2)
    np.savez("split.npz", x_train=x, y_train=np.arange(10) % 2, x_test=x[:3] + 1, y_test=[1, 0, 1])
    rows = read(Settings("split.npz"))
    assert (rows.official, rows.held_out) == (10, "the official test set")
    assert rows.values[10:].tolist() == [1, 0, 1]
    noted = read(Settings("split.npz", test=0.5)).notes
    assert noted == ("split has an official test set, so --test is of no use.",)


def test_a_test_file_takes_the_place_of_the_official_test_set() -> None:
    x = np.arange(20.0).reshape(10, 2)
    np.savez("split.npz", x_train=x, y_train=np.arange(10) % 2, x_test=x[:3], y_test=[1, 0, 1])
    np.savez("other.npz", x=x[:5], y=[0, 0, 1, 1, 1])
    rows = read(Settings("split.npz", test_file="other.npz"))
    assert rows.values[10:].tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.ones((4, 3)), [0, 1, 0, 1], "The rows of other.npz have 3 columns, those of"),
        (np.ones((4, 2)), np.ones((4, 2)), "all but the number of rows must be equal"),
    ],
)
def test_arrays_of_other_shapes_do_not_go_together(x: Any, y: Any, words: str) -> None:
    np.savez("array.npz", x=np.ones((4, 2)), y=[0, 1, 0, 1])
    np.savez("other.npz", x=x, y=y)
    assert words in told(DataError, "array.npz", test_file="other.npz")


def test_work_on_the_files_names_the_file_that_fails(table: pl.DataFrame) -> None:
    table.write_csv("train.csv")
    table.write_csv("test.csv")
    rows = read(Settings("train.csv", test_file="test.csv"))
    seen: list[int] = []

    def fail_at_the_second(features: Any) -> None:
        seen.append(len(features))
        if len(seen) == 2:
            raise DataError("Row 7 is odd.")

    with pytest.raises(DataError, match=r"^In test\.csv: Row 7 is odd\.$"):
        rows.each_file(fail_at_the_second)


def test_a_folder_of_images_is_read_with_its_test_images(data_dir: Path) -> None:
    rows = read(Settings(str(data_dir / "mnist")))
    assert rows.features.shape == (70_000, 784)
    assert rows.official == 60_000
