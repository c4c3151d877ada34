"""What is seen in a source, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chainrule.cli.printing import columns, number, say, visible
from chainrule.report.wording import counted

if TYPE_CHECKING:
    from rich.console import Console

_NUMBERS = ("Missing", "Distinct")


def print_source(to: Console, seen: Mapping[str, Any]) -> None:
    """Columns, kinds and missing values; for an array its shape; the target and its classes."""
    named = "" if seen["source"] in seen["origin"] else f"{seen['source']}: "
    say(to, f"{named}{seen['origin']}", style="bold")
    if seen["columns"] is None:
        say(to, _array(seen))
    else:
        to.print()
        table = columns("Column", "Kind", *_NUMBERS, "Values", right=_NUMBERS)
        for column in seen["columns"]:
            table.add_row(
                visible(column["name"]),
                column["kind"],
                number(column["missing"]),
                number(column["unique"]),
                _values(column),
            )
        to.print(table)
        to.print()
    say(to, _target(seen))


def _array(seen: Mapping[str, Any]) -> str:
    shape = seen["image_shape"]
    what = " × ".join(map(str, shape)) + " pixels" if shape else counted(seen["inputs"], "number")
    held = f", and {seen['test_rows']:,} official test rows" if seen["test_rows"] else ""
    return f"{counted(seen['rows'], 'row')} of {what}{held}"


def _values(column: Mapping[str, Any]) -> str:
    """The range of numbers and dates, examples of other values, and what there is to say."""
    if column["dates"] and None not in column["dates"]:
        found = " … ".join(column["dates"])
    elif column["minimum"] is not None and column["kind"] == "number":
        found = f"{column['minimum']:g} … {column['maximum']:g}, mean {column['mean']:.4g}"
    else:
        examples = column["examples"]
        more = ", …" if column["unique"] > len(examples) else ""
        found = visible(", ".join(examples)) + more
    note = column["note"]
    return f"{found}\n({note})" if found and note else found or f"({note})"


def _target(seen: Mapping[str, Any]) -> str:
    target = seen["target"]
    if target is None:
        return (
            "There is no target: in an .npz file it is an array called y."
            if seen["columns"] is None
            else "No column is called target, label, class or y: train with --target COLUMN."
        )
    name = f"The target {target['name']!r}" if target["name"] else "The target"
    if target["counts"] is not None:
        rows = ", ".join(f"{label} ({count:,})" for label, count in target["counts"].items())
        return f"{name} has {target['classes']} classes (and rows): {rows}"
    match target["task"]:
        case "classification":
            return f"{name} has {target['classes']:,} classes"
        case "multilabel":
            return f"{name} has {target['width']} labels, each yes or no"
        case "regression" if target["range"]:
            low, high = target["range"]
            return f"{name} is a number from {low:g} to {high:g}"
        case "regression":
            return f"{name} holds {target.get('width', 1)} numbers"
    return f"{name} has no values"
