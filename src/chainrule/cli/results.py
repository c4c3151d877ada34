"""What a run set out to do, and what came of it, in words and tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli.interrupt import REASON
from chainrule.cli.printing import columns, number, say, visible
from chainrule.experiment.folder import REPORT
from chainrule.experiment.preparing import Prepared
from chainrule.model import Model
from chainrule.report.wording import counted, duration, sentence, setting, stopping

if TYPE_CHECKING:
    from rich.console import Console

HEADLINE = {"classification": "accuracy", "multilabel": "accuracy", "regression": "rmse"}
SHOWN = {
    "f1_macro": "F1, mean of the classes",
    "f1_micro": "F1, all labels together",
    "precision_macro": "precision, mean of the classes",
    "recall_macro": "recall, mean of the classes",
    "roc_auc": "ROC AUC",
    "log_loss": "log-loss",
    "rmse": "root mean squared error",
    "mae": "mean absolute error",
    "r2": "R²",
}
SETS = {"test": "test", "validation": "validation", "train": "training"}
_WIDEST = 14  # of the words before the facts at the beginning
_LEFT_OUT_SHOWN = 8


def print_beginning(to: Console, prepared: Prepared, model: Model) -> None:
    """What is about to happen, in a few lines."""
    target, split = prepared.target, prepared.split
    width = prepared.preprocessing.width
    what = f"{prepared.target_name} of " if prepared.target_name else ""
    kind = (
        f"{len(target.classes):,} classes"
        if target.classes
        else counted(target.width, "label")
        if target.multilabel
        else "a number"
        if target.width == 1
        else counted(target.width, "number")
    )
    say(to, f"Learning {what}{prepared.source.name}: {kind} from {counted(width, 'input')}")
    facts = [
        ("training", counted(len(split.train), "row")),
        ("validation", _held(len(split.validation), split.validation_held_out)),
        ("test", _held(len(split.test), split.held_out)),
    ]
    left_out = [c for c in prepared.preprocessing.report() if not c.used]
    facts += [
        ("left out", f"{column.name}: {column.note.removesuffix(': left out')}")
        for column in left_out[:_LEFT_OUT_SHOWN]
    ]
    if len(left_out) > _LEFT_OUT_SHOWN:
        facts.append(("left out", counted(len(left_out) - _LEFT_OUT_SHOWN, "more column")))
    facts += [("note", note) for note in prepared.notes]
    widths = " → ".join(str(layer.units) for layer in model.layers if hasattr(layer, "units"))
    facts.append(("network", f"{width} → {widths}, {counted(model.count_params(), 'parameter')}"))
    for name, fact in facts:
        say(to, f"  {name:<{_WIDEST - 2}}{fact}", indent=_WIDEST)


def print_result(to: Console, result: Mapping[str, Any], run: str) -> None:
    """The result of a run: metrics beside the baseline's, and where things lie."""
    base = result.get("baseline")
    say(to, headline(result), style="bold")
    to.print()
    to.print(
        scores(
            {
                "test": result.get("test"),
                "baseline": base["test"] if base else None,
                "validation": result.get("validation"),
                "training": result.get("train"),
            }
        )
    )
    to.print()
    if base:
        say(to, sentence(f"The baseline is {base['name']}"))
    say(to, sentence(_rows(result)))
    say(to, sentence(ending(result)))
    for note in result.get("notes", []):
        say(to, sentence(note))
    say(to, f"Report: {Path(run) / REPORT}")


def headline(result: Mapping[str, Any]) -> str:
    """The metric that matters most, on the rows that say most."""
    metric = HEADLINE[result["task"]]
    name = SHOWN.get(metric, metric)
    for part, called in SETS.items():
        found = (result.get(part) or {}).get(metric)
        if found is None:
            continue
        words = f"{called.capitalize()} {name} {number(found)}"
        if part != "test":
            return f"{words} (no rows were held out as a test)"
        against = ((result.get("baseline") or {}).get("test") or {}).get(metric)
        return words if against is None else f"{words} (baseline {number(against)})"
    return "The model's outputs are not finite numbers: there is nothing to measure"


def ending(result: Mapping[str, Any]) -> str:
    """How long training took, why it stopped, and which epoch's weights were kept."""
    epochs, best, reason = result["epochs"], result.get("best_epoch"), result["stopped_because"]
    took = duration(float(result.get("training_seconds") or result["seconds"]))
    if not epochs:
        return f"{reason.capitalize()} after {took}, before the first epoch ended"
    words = f"after {counted(epochs, 'epoch')} ({took})"
    because = stopping(reason)
    words = f"Interrupted {words}" if reason == REASON else f"Stopped {words} because {because}"
    if not best:
        return f"{words}; no epoch gave finite numbers, so the model has its first weights"
    if not result["rows"].get("validation"):
        return words
    return f"{words}; the model has the weights of epoch {best}, the best on the validation rows"


def scores(sets: Mapping[str, Mapping[str, Any] | None]) -> Any:
    """Metrics in rows, one column for each set of rows."""
    given = {name: values for name, values in sets.items() if values}
    table = columns("Metric", *given, right=tuple(given))
    for metric in dict.fromkeys(metric for values in given.values() for metric in values):
        cells = [values.get(metric) for values in given.values()]
        if any(cell is not None for cell in cells):
            table.add_row(SHOWN.get(metric, metric.replace("_", " ")), *map(number, cells))
    return table


def print_evaluation(to: Console, found: Mapping[str, Any]) -> None:
    """The metrics of a model on other rows."""
    say(to, f"{found['model']} on {found['source']}: {found['which_rows']}", style="bold")
    to.print()
    to.print(scores({"Value": found["metrics"]}))


def print_network(to: Console, result: Mapping[str, Any]) -> None:
    """The layers of a run's network."""
    table = columns("Layer", "Output shape", "Parameters", right=("Parameters",), title="Network")
    for row in result["network"]:
        table.add_row(str(row["layer"]), str(row["output_shape"]), number(row["parameters"]))
    to.print(table)


def print_settings(to: Console, result: Mapping[str, Any]) -> None:
    """The settings of a run, and the command that repeats it."""
    table = columns("", "", title="Settings")
    for name, value in result["settings"].items():
        if value not in (None, "", []):
            table.add_row(name.replace("_", " "), visible(setting(value)))
    to.print(table)
    if result.get("command"):
        to.print("\nTo repeat it:", style="bold")
        to.print(visible(result["command"]), soft_wrap=True)  # in one piece, to be copied


def _held(rows: int, how: str) -> str:
    return f"{counted(rows, 'row')}: {how}" if rows else how


def _rows(result: Mapping[str, Any]) -> str:
    rows = result["rows"]
    parts = [counted(rows["train"], "row") + " to train on"]
    if rows["validation"]:
        parts.append(f"{rows['validation']:,} for validation")
    if rows["test"]:
        parts.append(f"{rows['test']:,} for the test: {result['held_out']}")
    return ", ".join(parts)
