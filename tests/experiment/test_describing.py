from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from chainrule.errors import DataError
from chainrule.experiment.describing import describe_source


def test_a_table_is_described_column_by_column(written: str, table: pl.DataFrame) -> None:
    seen = describe_source(written)
    assert (seen["source"], seen["rows"]) == ("table", 120)
    columns = {column["name"]: column for column in seen["columns"]}
    assert list(columns) == table.columns
    kinds = {name: column["kind"] for name, column in columns.items()}
    assert kinds["size"] == "number"
    assert kinds["colour"] == kinds["label"] == "category"
    assert kinds["day"] == "date"
    assert columns["weight"]["missing"] == 8
    assert columns["size"]["mean"] == pytest.approx(table["size"].mean())
    assert columns["day"]["dates"] == ["2024-01-01", "2024-04-29"]
    assert columns["label"]["note"] == "target"


def test_the_target_is_described_by_its_classes_or_its_range(
    written: str, table: pl.DataFrame
) -> None:
    counts = dict(table["label"].value_counts().iter_rows())
    found = describe_source(written)["target"]
    assert (found["task"], found["classes"], found["counts"]) == ("classification", 2, counts)
    price = describe_source(written, "price")["target"]
    limits = [table["price"].min(), table["price"].max()]
    assert (price["task"], price["range"]) == ("regression", limits)


def test_a_table_without_a_target_is_described_all_the_same(table: pl.DataFrame) -> None:
    table.drop("label").write_csv("no-target.csv")
    assert describe_source("no-target.csv")["target"] is None
    with pytest.raises(DataError, match="There is no column 'label'"):
        describe_source("no-target.csv", "label")


def test_a_target_of_nothing_but_gaps_is_described(table: pl.DataFrame) -> None:
    table.with_columns(label=pl.lit(None)).write_csv("gaps.csv")
    assert describe_source("gaps.csv")["target"]["task"] is None


def test_a_target_of_dates_is_described(written: str, table: pl.DataFrame) -> None:
    table.write_parquet("table.parquet")
    assert describe_source("table.parquet", "day")["target"]["task"] == "regression"


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ([0, 1, 0, 1], {"task": "classification", "counts": {"0": 2, "1": 2}}),
        (["b", "a", "b", "b"], {"task": "classification", "counts": {"a": 1, "b": 3}}),
        ([0.5, 2, 3, -1], {"task": "regression", "range": [-1.0, 3.0]}),
        ([[0, 1], [1, 1], [0, 0], [1, 0]], {"task": "multilabel", "width": 2}),
        ([[0.5, 1], [1, 1], [0, 0], [1, 0]], {"task": "regression", "width": 2}),
    ],
)
def test_an_array_is_described_by_its_shape_and_target(
    y: list[object], expected: dict[str, object]
) -> None:
    np.savez("array.npz", x=np.arange(24).reshape(4, 2, 3), y=np.array(y))
    seen = describe_source("array.npz")
    assert (seen["rows"], seen["inputs"], seen["image_shape"]) == (4, 6, [2, 3])
    assert expected.items() <= seen["target"].items()


def test_an_array_without_a_target_is_described() -> None:
    np.savez("array.npz", x=np.eye(3))
    seen = describe_source("array.npz")
    assert (seen["target"], seen["columns"], seen["test_rows"]) == (None, None, None)
    with pytest.raises(DataError, match="--target names a column, but array is an array"):
        describe_source("array.npz", "y")


def test_a_folder_of_images_is_described(data_dir: Path) -> None:
    seen = describe_source(str(data_dir / "mnist"))
    assert (seen["rows"], seen["test_rows"], seen["image_shape"]) == (60_000, 10_000, [28, 28])
    assert seen["target"]["counts"]["1"] == 6742
