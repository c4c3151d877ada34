"""HTML from Python values: whatever is not already HTML is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

_VOID = frozenset({"meta", "link", "img", "br", "hr"})


class Html(str):
    """Text that is markup already and must not be escaped again."""

    __slots__ = ()


def text(value: Any) -> Html:
    """The value as HTML: markup stays, all else becomes harmless text."""
    return value if isinstance(value, Html) else Html(escape(str(value), quote=True))


def join(parts: Iterable[Any], by: str = "") -> Html:
    """The parts one after another, each escaped where needed."""
    return Html(by.join(text(part) for part in parts if part is not None))


def tag(name: str, /, *children: Any, **attributes: Any) -> Html:
    """An element. `class_` stands for class, `data_v` for data-v; None leaves something out."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{escape(str(value), quote=True)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(
        f"<{name}{written}>" if name in _VOID else f"<{name}{written}>{join(children)}</{name}>"
    )


def table(
    head: Iterable[Any],
    rows: Iterable[Iterable[Any]],
    *,
    numeric: frozenset[int] = frozenset(),
    class_: str = "",
) -> Html:
    """A table whose first cell of a row is its heading; `numeric` columns are set to the right."""

    def cell(name: str, column: int, value: Any, scope: str | None = None) -> Html:
        kind = "num" if column in numeric else "long" if _has_long_word(value) else None
        return tag(name, value, class_=kind, scope=scope)

    return tag(
        "table",
        tag("thead", tag("tr", *(cell("th", i, name, "col") for i, name in enumerate(head)))),
        tag(
            "tbody",
            *(
                tag(
                    "tr",
                    *(
                        cell("th", i, value, "row") if i == 0 else cell("td", i, value)
                        for i, value in enumerate(row)
                    ),
                )
                for row in rows
            ),
        ),
        class_=class_ or None,
    )


def _has_long_word(value: Any) -> bool:
    """Whether a text must be broken inside a word, lest it widen the whole table."""
    return not isinstance(value, Html) and any(len(word) > 24 for word in str(value).split())


def scroller(label: str, content: Html, *, tall: bool = False) -> Html:
    """A box that scrolls by itself when its content is wider (or much longer) than the page."""
    return tag(
        "div",
        content,
        class_="scroll tall" if tall else "scroll",
        role="region",
        aria_label=label,
        tabindex=0,
    )


def section(name: str, title: str, *content: Any) -> Html:
    """A part of the page with its heading and its anchor."""
    return tag("section", tag("h2", title), *content, id=name)


def figure(title: str, *content: Any, class_: str | None = None) -> Html:
    """A picture or table with its heading."""
    return tag("figure", tag("h3", title), *content, class_=class_)
