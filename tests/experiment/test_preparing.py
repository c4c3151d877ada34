from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from chainrule.errors import DataError
from chainrule.experiment.preparing import Prepared, prepare
from chainrule.experiment.running import Outcome
from chainrule.experiment.settings import Settings


def weights(outcome: Outcome) -> list[bytes]:
    return [array.tobytes() for array in outcome.model.get_weights()]


def held_out_of(prepared: Prepared) -> list[int]:
    return prepared.rows[prepared.split.test].tolist()


def test_every_row_is_in_one_part(written: str, table: pl.DataFrame) -> None:
    split = prepare(Settings(written)).split
    parts = np.concatenate([split.train, split.validation, split.test])
    assert sorted(parts.tolist()) == list(range(len(table)))
    assert (len(split.test), len(split.validation)) == (24, 10)


def test_a_split_column_says_which_rows_are_the_test(written: str, table: pl.DataFrame) -> None:
    marked = np.flatnonzero((table["part"] == "test").to_numpy()).tolist()
    assert held_out_of(prepare(Settings(written, split_column="part"))) == marked
    fold = np.flatnonzero((table["fold"] == 2).to_numpy()).tolist()
    assert held_out_of(prepare(Settings(written, split_column="fold", test_fold="2"))) == fold


def test_no_group_is_on_two_sides(written: str, table: pl.DataFrame) -> None:
    split = prepare(Settings(written, group_column="family")).split
    groups = table["family"].to_numpy()
    train, validation, test = (
        set(groups[part]) for part in (split.train, split.validation, split.test)
    )
    assert min(len(train), len(validation), len(test)) >= 1
    assert train & validation == train & test == validation & test == set()


def test_later_rows_judge_earlier_ones(table: pl.DataFrame) -> None:
    table.sample(fraction=1, shuffle=True, seed=1).write_parquet("shuffled.parquet")
    days = pl.read_parquet("shuffled.parquet")["day"].to_numpy()
    split = prepare(Settings("shuffled.parquet", time_column="day")).split
    assert days[split.train].max() < days[split.validation].min()
    assert days[split.validation].max() < days[split.test].min()


def test_the_columns_that_split_are_not_learnt_from(written: str) -> None:
    for settings in (
        {"split_column": "part"},
        {"group_column": "family"},
        {"time_column": "day"},
    ):
        prepared = prepare(Settings(written, **settings))  # type: ignore[arg-type]
        (column,) = settings.values()
        assert column not in prepared.preprocessing.columns
        assert (
            f"Column '{column}' says how rows are split and is not learnt from." in prepared.notes
        )


def test_a_column_named_like_a_split_is_pointed_out(written: str) -> None:
    (note,) = prepare(Settings(written, drop=("part",))).notes
    assert note.startswith("Column 'fold' is named like a split column but is learnt from")
    assert prepare(Settings(written, drop=("fold", "part"))).notes == ()


def test_whole_numbers_may_be_classes_or_quantities(written: str) -> None:
    assert prepare(Settings(written, target="fold")).target.task == "classification"
    forced = prepare(Settings(written, target="fold", task="regression")).target
    assert (forced.task, forced.width) == ("regression", 1)


def test_the_logarithm_of_the_target_is_learnt(written: str, table: pl.DataFrame) -> None:
    prepared = prepare(Settings(written, target="price", log_target=True))
    expected = np.log1p(table["price"].to_numpy()[prepared.split.train]).mean()
    assert prepared.target.mean[0] == pytest.approx(expected)


def test_nothing_is_learnt_from_test_and_validation_rows(
    written: str, table: pl.DataFrame, quick: Callable[..., Outcome]
) -> None:
    before = quick(written)
    index = np.arange(len(table))
    unseen = np.isin(index, before.prepared.split.test)
    changed = table.with_columns(
        size=pl.when(pl.Series(unseen)).then(pl.col("size") * 50 + 7).otherwise("size"),
        weight=pl.when(pl.Series(unseen)).then(None).otherwise("weight"),
        colour=pl.when(pl.Series(unseen)).then(pl.lit("violet")).otherwise("colour"),
    )
    changed.write_csv("changed.csv")
    after = quick("changed.csv")
    assert after.prepared.preprocessing == before.prepared.preprocessing
    assert weights(after) == weights(before)
    assert after.result["test"] != before.result["test"]


def test_a_changed_training_row_is_noticed(
    written: str, table: pl.DataFrame, quick: Callable[..., Outcome]
) -> None:
    before = quick(written)
    row = int(before.prepared.split.train[0])
    changed = table.with_columns(
        size=pl.when(pl.int_range(pl.len()) == row).then(pl.col("size") + 1).otherwise("size")
    )
    changed.write_csv("changed.csv")
    assert weights(quick("changed.csv")) != weights(before)


@pytest.mark.parametrize("column", ["size", "weight"])
def test_an_infinite_value_is_told_with_its_row_in_the_file(
    table: pl.DataFrame, column: str
) -> None:
    values = [float("inf") if i == 77 else v for i, v in enumerate(table[column])]
    table.with_columns(pl.Series(column, values)).write_csv("infinite.csv")
    with pytest.raises(DataError, match=rf"Column '{column}' is infinite in 1 row .*row 77,"):
        prepare(Settings("infinite.csv"))


def test_a_value_nobody_can_read_is_told_with_its_file_and_row(table: pl.DataFrame) -> None:
    table[:80].write_csv("train.csv")
    sizes = ["large" if i == 3 else str(v) for i, v in enumerate(table["size"][80:])]
    table[80:].with_columns(size=pl.Series(sizes)).write_csv("test.csv")
    with pytest.raises(DataError, match=r"^In test\.csv: Column 'size' .* row 3 .* 'large'"):
        prepare(Settings("train.csv", test_file="test.csv"))


def test_dates_are_no_numbers_in_a_test_file(table: pl.DataFrame) -> None:
    table.write_parquet("train.parquet")
    table.with_columns(size=pl.col("day")).write_parquet("test.parquet")
    with pytest.raises(DataError, match=r"^In test\.parquet: Column 'size' should hold numbers"):
        prepare(Settings("train.parquet", test_file="test.parquet"))


def test_an_infinite_number_in_an_array_is_told_with_its_row() -> None:
    x = np.random.default_rng(0).normal(size=(50, 3))
    x[31, 1] = np.inf
    np.savez("infinite.npz", x=x, y=np.arange(50) % 2)
    with pytest.raises(DataError, match=r"Column 1 .* infinite .* row 31"):
        prepare(Settings("infinite.npz"))


def test_a_class_that_only_the_test_has_is_told_at_once(table: pl.DataFrame) -> None:
    changed = table.with_columns(
        label=pl.when(pl.col("part") == "test").then(pl.lit("perhaps")).otherwise("label")
    )
    changed.write_csv("unseen.csv")
    with pytest.raises(DataError, match="'perhaps', which was not there in training"):
        prepare(Settings("unseen.csv", split_column="part"))
