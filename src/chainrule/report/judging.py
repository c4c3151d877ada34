"""What was held out and how, and every metric on every set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.report.markup import Html, scroller, section, table, tag
from chainrule.report.wording import (
    lower_is_better,
    metric_name,
    metric_value,
    percent,
    sentence,
)

_SETS = {"train": "training", "validation": "validation", "test": "test"}


def held_out(result: Mapping[str, Any]) -> Html | None:
    """The rows of the three sets as one bar, and how they were chosen."""
    rows = {key: int((result.get("rows") or {}).get(key) or 0) for key in _SETS}
    total = sum(rows.values())
    chosen = [
        tag("div", tag("dt", label), tag("dd", sentence(result[key])))
        for label, key in (("Test", "held_out"), ("Validation", "validation_held_out"))
        if result.get(key)
    ]
    if not total and not chosen:
        return None
    shown = {key: count for key, count in rows.items() if count}
    bar = tag(
        "div",
        *(tag("i", class_=key, style=f"flex-grow:{count}") for key, count in shown.items()),
        class_="split",
        role="img",
        aria_label=", ".join(f"{count:,} {_SETS[key]} rows" for key, count in shown.items()),
    )
    legend = tag(
        "ul",
        *(
            tag(
                "li",
                tag("b", f"{count:,}"),
                f" {_SETS[key]} {'row' if count == 1 else 'rows'}",
                tag("span", f" {percent(count / total, 1)}", class_="quiet"),
                class_=key,
            )
            for key, count in shown.items()
        ),
        class_="keys",
    )
    return section(
        "held-out",
        "What was held out",
        bar if total else None,
        legend if total else None,
        tag("dl", *chosen, class_="chosen") if chosen else None,
        tag("p", _roles(rows), class_="quiet") if total else None,
    )


def all_metrics(result: Mapping[str, Any]) -> Html | None:
    """Metrics down, sets and baseline across."""
    columns = {label: result.get(key) or {} for key, label in reversed(_SETS.items())}
    columns["baseline"] = (result.get("baseline") or {}).get("test") or {}
    columns = {label: scores for label, scores in columns.items() if scores}
    names = list(dict.fromkeys(name for scores in columns.values() for name in scores))
    if not names:
        return None
    rows = [
        [
            tag("span", metric_name(name), tag("span", _direction(name), class_="quiet")),
            *(metric_value(name, scores.get(name)) for scores in columns.values()),
        ]
        for name in names
    ]
    numbers = table(
        ["", *columns], rows, numeric=frozenset(range(1, len(columns) + 1)), class_="metrics"
    )
    return section("metrics", "All metrics", scroller("All metrics", numbers))


def _direction(name: str) -> str:
    return " lower is better" if lower_is_better(name) else ""


def _roles(rows: Mapping[str, int]) -> str:
    words = "Weights are fitted to the training rows, and so is the preprocessing."
    if rows["validation"]:
        words += (
            " The epoch to keep is chosen by the validation rows, so their score flatters slightly."
        )
    if rows["test"]:
        words += " The test rows are looked at once, at the end."
    return words
