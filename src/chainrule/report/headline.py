"""The top of the page: what was learnt, how well, and against what."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from chainrule.report.intervals import wilson_interval
from chainrule.report.markup import Html, join, tag
from chainrule.report.predictions import Predictions
from chainrule.report.wording import (
    SHARES,
    counted,
    duration,
    lower_is_better,
    metric_name,
    metric_value,
    number,
    percent,
)

_FIRST = {"classification": "accuracy", "regression": "rmse", "multilabel": "accuracy"}


def main_score(result: Mapping[str, Any]) -> tuple[str, str] | None:
    """The metric that the headline shows and the set it was measured on."""
    for part in ("test", "validation", "train"):
        scores = result.get(part) or {}
        wanted = _FIRST.get(str(result.get("task")), "")
        names = [wanted, *scores] if wanted else list(scores)
        for name in names:
            if _finite(scores.get(name)) is not None:
                return name, part
    return None


def page_title(result: Mapping[str, Any]) -> str:
    """What the browser writes above the page."""
    target, source = target_name(result), source_name(result)
    if target and source:
        return f"{target} from {source}"
    return str(source or target or "A training run")


def target_name(result: Mapping[str, Any]) -> str:
    """The target column, or several of them; empty where it has no name."""
    target = result.get("target")
    if isinstance(target, list | tuple):
        return ", ".join(str(name) for name in target)
    return "" if target is None else str(target)


def source_name(result: Mapping[str, Any]) -> str:
    """What the data is called: its short name where it has one, not its path."""
    return str(result.get("name") or result.get("source") or "")


def headline(result: Mapping[str, Any], predictions: Predictions) -> Html:
    """Title, one sentence about the run, the main metric large beside its rivals."""
    target, source = target_name(result), source_name(result)
    title = (
        ("Predicting ", tag("em", _clipped(target)))
        if target
        else ("Learning from ", tag("em", _clipped(str(source))))
        if source
        else ("A training run",)
    )
    return tag(
        "header",
        tag("p", _eyebrow(result), class_="eyebrow"),
        tag("h1", *title),
        tag("p", _about(result, predictions), class_="lead"),
        _verdict(result, predictions),
    )


def _clipped(name: str) -> str:
    return name if len(name) <= 80 else f"{name[:79]}…"


def _eyebrow(result: Mapping[str, Any]) -> Html:
    run = result.get("run")
    return join(
        [
            tag("span", "chain", tag("b", "rule"), class_="brand"),
            "training report",
            tag("code", str(run)) if run else None,
        ],
        " ",
    )


def _about(result: Mapping[str, Any], predictions: Predictions) -> str:
    parameters, rows = result.get("parameters"), (result.get("rows") or {}).get("train")
    words = "A feed-forward network"
    if parameters:
        words += f" with {counted(int(parameters), 'parameter')}"
    count = len(predictions.classes or result.get("classes") or ())
    if result.get("task") == "classification" and count:
        words += f" that tells {count:,} classes apart"
    elif result.get("task") == "regression":
        words += " that predicts a number"
    if rows:
        words += f", trained on {counted(int(rows), 'row')}"
        words += f" of {source_name(result)}" if source_name(result) else ""
    elif source_name(result):
        words += f", trained on {source_name(result)}"
    if result.get("seconds") is not None:
        words += f" in {duration(float(result['seconds']))}"
    return f"{words}."


def _verdict(result: Mapping[str, Any], predictions: Predictions) -> Html:
    found = main_score(result)
    if found is None:
        return tag(
            "p",
            "This run has no metric: the predictions were not finite numbers, or no rows were "
            "left to judge it on.",
            class_="warning",
        )
    name, part = found
    value = float(result[part][name])
    sets = {"test": "Test", "validation": "Validation", "train": "Training"}
    return tag(
        "div",
        tag(
            "div",
            tag("p", f"{sets[part]} {metric_name(name)}", class_="label"),
            tag("p", metric_value(name, value), class_="big"),
            tag("p", _precision(result, predictions, name, part, value), class_="small"),
            class_="score",
        ),
        tag(
            "div",
            _bars(result, name),
            tag("p", _against_baseline(result, name, part, value)),
            class_="rivals",
        ),
        class_="verdict",
    )


def _precision(
    result: Mapping[str, Any], predictions: Predictions, name: str, part: str, value: float
) -> str:
    """How much the number can be trusted: rows behind it, for shares the 95% interval."""
    rows = (result.get("rows") or {}).get(part) or (
        len(predictions.targets) if part == "test" else None
    )
    if not rows:
        return "Lower is better." if lower_is_better(name) else ""
    unseen = {"train": "it was trained on", "validation": "used to choose the best epoch"}
    words = f"on {counted(int(rows), 'row')} {unseen.get(part, 'it never saw')}"
    if name == "accuracy":
        low, high = wilson_interval(value, int(rows))
        return f"{words} (95% interval: {percent(low, 1)} to {percent(high, 1)})"
    return f"{words}; lower is better" if lower_is_better(name) else words


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _bars(result: Mapping[str, Any], name: str) -> Html:
    """The metric on every set and of the baseline, as bars on one scale."""
    baseline = result.get("baseline") or {}
    scores = {
        "test": ("Test", (result.get("test") or {}).get(name)),
        "validation": ("Validation", (result.get("validation") or {}).get(name)),
        "train": ("Training", (result.get("train") or {}).get(name)),
        "baseline": ("Baseline", (baseline.get("test") or {}).get(name)),
    }
    known = {
        key: (label, value)
        for key, (label, given) in scores.items()
        if (value := _finite(given)) is not None
    }
    bounded = name in SHARES or name.startswith(("f1", "precision", "recall", "roc", "r2"))
    top = 1.0 if bounded else max([value for _, value in known.values()] + [1e-300])
    rows = [
        tag(
            "div",
            tag("dt", label),
            tag(
                "dd",
                tag(
                    "span",
                    tag("i", style=f"width:{100 * min(1.0, max(0.0, value / top)):.1f}%"),
                    class_="track",
                ),
                tag("b", metric_value(name, value)),
            ),
            class_=key,
        )
        for key, (label, value) in known.items()
    ]
    return tag("dl", *rows, class_="bars")


def _against_baseline(result: Mapping[str, Any], name: str, part: str, value: float) -> str:
    """What the network adds to guessing, said plainly."""
    baseline = result.get("baseline") or {}
    guess = _finite((baseline.get("test") or {}).get(name))
    who = baseline.get("name")
    if guess is None or part != "test":
        return f"Baseline: {who}." if who else ""
    words = f"The baseline is {who}." if who else "The baseline looks at no feature."
    if lower_is_better(name):
        if not value < guess:
            return f"{words} The network does no better than that."
        return (
            f"{words} The network's {metric_name(name)} is {percent(1 - value / guess, 0)} lower."
        )
    if not value > guess:
        return f"{words} The network does no better than that."
    if name in SHARES and guess < 1:
        fewer = percent((value - guess) / (1 - guess), 0)
        return f"{words} The network makes {fewer} fewer mistakes."
    return f"{words} The network scores {number(value - guess)} more."
