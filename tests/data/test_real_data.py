"""Real tables, from file to arrays: what a person would expect of each."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from chainrule.data import Preprocessing, Target, describe_columns, load_source, split_rows

# file: (target, task, outputs, width of the preprocessed table, official test rows)
TABLES = {
    "adult": ("salary", "classification", 2, 5 + 99, 16_281),
    "credit_default": ("default-payment-next-month", "classification", 2, 23 + 74, None),
    "mushroom_nomissing": ("y", "classification", 2, 97, None),
    "letter": ("lettr", "classification", 26, 16, 4_000),
    "satimage": ("classes", "classification", 6, 36, 2_000),
    "shuttle": ("Class", "classification", 7, 9, 14_500),
    "pendigits": ("y", "classification", 10, 16, None),
    "optdigits": ("y", "classification", 10, 62 + 74, None),
    "california_housing": ("MedHouseVal", "regression", 1, 8, None),
    "diamonds": ("price", "regression", 1, 6 + 20, None),
    "pol": ("y", "regression", 1, 26, None),
    "elevators": ("y", "regression", 1, 18, None),
    "kin40k": ("y", "regression", 1, 8, None),
    "protein": ("y", "regression", 1, 9, None),
    "bike": ("y", "regression", 1, 17, None),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_real_table_becomes_what_a_network_can_learn_from(data_dir, name):
    target_name, task, outputs, width, official = TABLES[name]
    table = load_source(data_dir / "tabular" / f"{name}.parquet").features
    extra = [column for column in table.columns if column == "split"]
    target = Target.fit(table[target_name])
    assert (target.task, target.width) == (task, outputs)
    labels = target.encode(table[target_name]) if task == "classification" else None
    split = split_rows(
        table.height,
        labels=labels,
        split_column=table["split"] if extra else None,
        fold=None if official or not extra else 0,
    )
    if official:
        assert len(split.test) == official
    assert len(split.train) + len(split.validation) + len(split.test) == table.height
    fitted = Preprocessing.fit(table[split.train], drop=[target_name, *extra])
    inputs = fitted.transform(table)
    assert inputs.shape == (table.height, fitted.width)
    assert fitted.width == width
    assert np.isfinite(inputs).all()
    assert np.abs(inputs).max() <= 4
    back = Preprocessing.from_json(json.loads(json.dumps(fitted.to_json())))
    assert back.transform(table[:100]).tobytes() == inputs[:100].tobytes()


def test_three_hundred_thousand_rows_take_seconds(data_dir):
    table = load_source(data_dir / "tabular" / "census_income_kdd.parquet").features
    start = time.process_time()
    columns = {column.name: column for column in describe_columns(table, "income")}
    train = table.filter(table["split"] == "train")
    fitted = Preprocessing.fit(train, drop=["income", "split", "instance_weight"])
    inputs = fitted.transform(table)
    assert time.process_time() - start < 30
    assert inputs.shape == (299_285, fitted.width)
    # A question mark is a missing value, wherever the table comes from.
    assert columns["migration_msa"].missing == 149_642
    assert "migration_msa is missing" in fitted.feature_names
    assert sum(column.kind == "category" for column in columns.values()) == 30


def test_constant_columns_of_real_tables_are_reported(data_dir):
    table = load_source(data_dir / "tabular" / "mushroom_nomissing.parquet").features
    left_out = [column for column in describe_columns(table, "y") if not column.used]
    assert [(column.name, column.kind) for column in left_out] == [("x15", "constant")]
