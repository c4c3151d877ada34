"""`report.html`: one file that shows how a run went, without network or script."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from chainrule.report.classes import class_sections
from chainrule.report.curves import History, best_epoch_of, curve_svg, curves
from chainrule.report.details import data_section, network_section, repeat_section
from chainrule.report.headline import headline, page_title
from chainrule.report.judging import all_metrics, held_out
from chainrule.report.markup import Html, join, section, tag
from chainrule.report.predictions import Predictions
from chainrule.report.story import training_story
from chainrule.report.values import value_sections

_LINKS = {
    "held-out": "Held out",
    "learning": "Learning",
    "confusion": "Confusion",
    "classes": "Classes",
    "values": "Predictions",
    "mistakes": "Mistakes",
    "calibration": "Confidence",
    "metrics": "Metrics",
    "data": "Data",
    "network": "Network",
    "repeat": "Repeat",
}


def write_report(
    path: Path | str,
    result: Mapping[str, Any],
    history: Mapping[str, Any],
    predictions: Predictions,
) -> None:
    """Write the page of a run; a reader of the file sees the old page or the new one, never half.

    `result` is what `result.json` holds (every key but `task` may be missing), `history` maps
    names to one value an epoch. The file needs nothing but itself.
    """
    path = Path(path)
    page = report_html(result, history, predictions)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        unfinished.write_bytes(page.encode("utf-8", errors="replace"))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def report_html(result: Mapping[str, Any], history: History, predictions: Predictions) -> str:
    """The page of a run as text."""
    sections: list[Html | None] = [held_out(result), _learning(result, history)]
    if result.get("task") == "classification":
        sections += class_sections(result, predictions)
    elif result.get("task") == "regression":
        sections += value_sections(result, predictions)
    sections += [
        all_metrics(result),
        data_section(result),
        network_section(result),
        repeat_section(result),
    ]
    body = join(part for part in sections if part)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag(
            "meta",
            http_equiv="Content-Security-Policy",
            content="default-src 'none'; style-src 'unsafe-inline'; "
            "script-src 'unsafe-inline'; img-src data:",
        ),
        tag("link", rel="icon", href="data:,"),
        tag("title", f"{page_title(result)} – chainrule"),
        tag("style", Html(_resource("page.css"))),
    )
    links = [
        tag("a", label, href=f"#{name}")
        for name, label in _LINKS.items()
        if f'<section id="{name}">' in body
    ]
    version = (result.get("versions") or {}).get("chainrule")
    footer = tag("footer", f"Written by chainrule{f' {version}' if version else ''}.")
    main = tag(
        "main",
        headline(result, predictions),
        tag("nav", *links, aria_label="Parts of this page") if links else None,
        body,
        footer,
    )
    script = tag("script", Html(_resource("page.js")))
    return "<!DOCTYPE html>\n" + tag("html", head, tag("body", main, script), lang="en") + "\n"


def _learning(result: Mapping[str, Any], history: History) -> Html | None:
    shown, story = curves(history), training_story(history, result)
    if not shown and not story:
        return None
    best = result.get("best_epoch") or best_epoch_of(history)
    plots = [
        tag(
            "figure",
            tag("h3", one.title, tag("span", " log scale", class_="quiet") if one.log else None),
            curve_svg(one, best),
            _key(one.name, held_out=bool(one.validation.size)),
            class_="plot",
        )
        for one in shown
    ]
    return section(
        "learning",
        "How it learnt",
        *(tag("p", line) for line in story),
        tag("div", *plots, class_="plots") if plots else None,
    )


def _key(name: str, *, held_out: bool) -> Html | None:
    if name == "learning_rate":
        return None
    names = ["train", *(["validation"] if held_out else [])]
    labels = {"train": "training rows", "validation": "validation rows"}
    return tag(
        "figcaption",
        tag("ul", *(tag("li", labels[key], class_=key) for key in names), class_="keys"),
    )


def _resource(name: str) -> str:
    return files("chainrule.report").joinpath(name).read_text(encoding="utf-8")
