"""What one needs to understand or repeat the run: columns, network, settings, versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.report.markup import Html, figure, scroller, section, table, tag
from chainrule.report.wording import number, percent, sentence, setting


def data_section(result: Mapping[str, Any]) -> Html | None:
    """The notes on the data and the columns, with what is missing in them."""
    columns, notes = result.get("columns") or [], result.get("notes") or []
    if not columns and not notes:
        return None
    total = sum(int(count or 0) for count in (result.get("rows") or {}).values())

    def missing(count: Any) -> Html | str:
        if not count:
            return tag("span", "none", class_="quiet")
        if isinstance(count, int) and total:
            return f"{count:,} ({percent(count / total, 1)})"
        return number(count)

    rows = [
        [
            str(column.get("name", "")),
            str(column.get("kind") or "–"),
            missing(column.get("missing")),
            number(column.get("unique")),
            str(column.get("note") or ""),
        ]
        for column in columns
    ]
    grid = table(
        ["column", "kind", "missing", "different values", "note"],
        rows,
        numeric=frozenset({2, 3}),
        class_="sortable columns",
    )
    return section(
        "data",
        "The data",
        tag("ul", *(tag("li", sentence(note)) for note in notes), class_="notes")
        if notes
        else None,
        scroller("Columns", grid, tall=len(rows) > 20) if rows else None,
    )


def network_section(result: Mapping[str, Any]) -> Html | None:
    """The layers, their output shapes and parameters."""
    layers = result.get("network") or []
    if not layers:
        return None
    total = result.get("parameters")
    if total is None:
        total = sum(int(layer.get("parameters") or 0) for layer in layers)
    rows: list[list[Any]] = [
        [
            str(layer.get("layer", "")),
            str(layer.get("output_shape", "")),
            number(layer.get("parameters")),
        ]
        for layer in layers
    ]
    rows.append([tag("b", "all layers"), "", tag("b", number(total))])
    grid = table(
        ["layer", "output shape", "parameters"], rows, numeric=frozenset({2}), class_="network"
    )
    return section("network", "The network", scroller("Layers", grid, tall=len(rows) > 40))


def repeat_section(result: Mapping[str, Any]) -> Html | None:
    """The command, the settings behind it and the versions of the software."""
    command = result.get("command")
    settings = dict(result.get("settings") or {})
    if result.get("seed") is not None:
        settings.setdefault("seed", result["seed"])
    versions = result.get("versions") or {}
    parts = [
        tag("div", tag("pre", tag("code", command)), class_="command") if command else None,
        _pairs("Settings", settings) if settings else None,
        _pairs("Versions", versions) if versions else None,
    ]
    if not any(parts):
        return None
    return section("repeat", "To repeat it", *parts)


def _pairs(title: str, entries: Mapping[str, Any]) -> Html:
    items = [
        tag("div", tag("dt", str(name).replace("_", " ")), tag("dd", setting(value)))
        for name, value in entries.items()
    ]
    return figure(title, tag("dl", *items, class_="pairs"))
