"""Results as tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chainrule import data
from chainrule.errors import DataError
from chainrule.experiment.preparing import Prepared
from chainrule.model import Model

HEADLINE = {"classification": "accuracy", "regression": "rmse"}
SHOWN = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "f1_macro": "F1, mean of the classes",
    "precision_macro": "precision, mean of the classes",
    "recall_macro": "recall, mean of the classes",
    "roc_auc": "ROC AUC",
    "log_loss": "log-loss",
    "rmse": "root mean squared error",
    "mae": "mean absolute error",
    "median_absolute_error": "median absolute error",
    "r2": "R²",
}


def number(value: Any) -> str:
    """A metric as a person reads it: four digits."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) < 1000 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(**options: Any) -> Table:
    return Table(
        box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left", title_style="bold", **options
    )


def beginning(prepared: Prepared, model: Model) -> Iterator[str]:
    """What is about to happen, in a few lines."""
    target, split = prepared.target, prepared.split
    what = f"{escape(str(prepared.target_name))} of " if prepared.target_name else ""
    kind = (
        f"{target.width} classes"
        if target.classes
        else "several labels"
        if target.multilabel
        else "a number"
    )
    yield f"Learning {what}{escape(prepared.source.name)} ({kind}) from {prepared.preprocessing.width} inputs"
    yield (
        f"  {len(split.train):,} rows to train on, {len(split.validation):,} for validation"
        f" ({escape(split.validation_held_out)}), {len(split.test):,} for the test ({escape(split.held_out)})"
    )
    left_out = [c for c in prepared.preprocessing.report() if not c.used]
    for column in left_out[:6]:
        yield f"  column {escape(repr(column.name))} is left out: {escape(column.note)}"
    if len(left_out) > 6:
        yield f"  … and {len(left_out) - 6} more columns are left out"
    for note in prepared.notes:
        yield f"  {escape(note)}"
    widths = " → ".join(str(layer.units) for layer in model.layers if hasattr(layer, "units"))
    yield f"  network {prepared.preprocessing.width} → {widths}, {model.count_params():,} parameters"


def scores(columns: Mapping[str, Mapping[str, Any] | None]) -> Table:
    """Metrics in rows, one column for each set of rows."""
    table = _table()
    table.add_column("")
    given = {name: values for name, values in columns.items() if values}
    for name in given:
        table.add_column(name, justify="right")
    names = list(dict.fromkeys(metric for values in given.values() for metric in values))
    for metric in names:
        cells = [values.get(metric) for values in given.values()]
        if any(c is not None for c in cells):
            table.add_row(SHOWN.get(metric, metric.replace("_", " ")), *map(number, cells))
    return table


def print_result(console: Console, result: Mapping[str, Any]) -> None:
    """The result of a run: metrics beside the baseline's, and where things lie."""
    test, base = result.get("test"), result.get("baseline")
    headline = HEADLINE.get(result["task"], "accuracy")
    if test and test.get(headline) is not None:
        against = f" (baseline {number(base['test'].get(headline))})" if base else ""
        console.print(f"test {SHOWN[headline]} {number(test[headline])}{against}", style="bold")
    console.print(
        scores(
            {
                "test": test,
                "baseline": base["test"] if base else None,
                "validation": result.get("validation"),
                "training": result.get("train"),
            }
        )
    )
    if base:
        console.print(f"Baseline: {escape(base['name'])}")
    rows = result["rows"]
    console.print(
        f"{rows['train']:,} rows to train on, {rows['validation']:,} for validation, {rows['test']:,} for the test: "
        f"{escape(result['held_out'])}"
    )
    console.print(
        f"{result['epochs']} epochs in {result['seconds']:.1f} s, the best was epoch {result['best_epoch']}; stopped "
        f"because {escape(result['stopped_because'])}"
    )
    for note in result.get("notes", []):
        console.print(escape(note))
    console.print(f"Report: {escape(result['run'])}/report.html")


def network(result: Mapping[str, Any]) -> Table:
    """The layers of a run's network."""
    table = _table(title="Network")
    for name in ("Layer", "Output shape", "Parameters"):
        table.add_column(name, justify="right" if name == "Parameters" else "left")
    for row in result["network"]:
        table.add_row(escape(row["layer"]), escape(row["output_shape"]), number(row["parameters"]))
    return table


def settings(result: Mapping[str, Any]) -> Table:
    """The settings of a run."""
    table = _table(title="Settings", show_header=False)
    table.add_column("")
    table.add_column("")
    for name, value in result["settings"].items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        if shown not in (None, ""):
            table.add_row(name.replace("_", " "), escape(str(shown)))
    return table


def describe_source(source: data.Source, target: str | None) -> dict[str, Any]:
    """A source as JSON data: rows, columns, target, what is held out officially."""
    found: dict[str, Any] = {"source": source.name, "origin": source.origin}
    if not source.is_table:
        features, values = np.asarray(source.features), np.asarray(source.target)
        labels, counts = np.unique(values, return_counts=True)
        few = values.ndim == 1 and len(labels) <= 50
        return found | {
            "rows": len(features),
            "shape": list(features.shape[1:]),
            "image_shape": list(source.image_shape) if source.image_shape else None,
            "test_rows": len(source.test[0]) if source.test else None,
            "target": {
                "task": data.infer_task(values),
                "counts": {str(k): int(n) for k, n in zip(labels, counts, strict=True)}
                if few
                else None,
            },
        }
    frame: Any = source.features
    name = target or source.target_name
    if name is None:
        try:
            name = data.find_target(frame)
        except DataError:
            name = None
    else:
        name = data.find_target(frame, name)
    columns = [
        {
            "name": c.name,
            "kind": c.kind,
            "missing": c.missing,
            "unique": c.unique,
            "minimum": c.minimum,
            "maximum": c.maximum,
            "mean": c.mean,
            "examples": list(c.examples),
            "note": "the target" if c.name == name else c.note,
        }
        for c in data.describe_columns(frame, name)
    ]
    return found | {"rows": len(frame), "columns": columns, "target": name and {"name": name}}


def print_source(console: Console, described: Mapping[str, Any]) -> None:
    """What was seen in a source."""
    console.print(f"{escape(described['source'])}: {escape(described['origin'])}", style="bold")
    if "columns" not in described:
        shape = " × ".join(map(str, described["shape"]))
        test = f", {described['test_rows']:,} official test rows" if described["test_rows"] else ""
        console.print(f"{described['rows']:,} rows of {shape} numbers{test}")
        counts = described["target"]["counts"]
        if counts:
            console.print(
                "targets: " + ", ".join(f"{escape(k)} ({n:,})" for k, n in counts.items())
            )
        return
    target = described["target"]
    console.print(
        f"{described['rows']:,} rows, {len(described['columns'])} columns; "
        + (
            f"the target is {escape(repr(target['name']))}"
            if target
            else "no target named: give --target COL to train"
        )
    )
    table = _table()
    for heading in ("Column", "Kind", "Missing", "Different", "Range or examples", "Note"):
        table.add_column(
            heading,
            justify="right" if heading in ("Missing", "Different") else "left",
            overflow="fold",
        )
    for c in described["columns"]:
        seen = ", ".join(map(str, c["examples"]))
        if c["minimum"] is not None:
            seen = f"{c['minimum']:g} … {c['maximum']:g}, mean {c['mean']:.4g}"
        cells = (c["name"], c["kind"], number(c["missing"]), number(c["unique"]), seen, c["note"])
        table.add_row(*map(escape, cells))
    console.print(table)
