"""Words and tables on a terminal, as they are: no text of the data is taken for markup."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def console(*, stderr: bool = False) -> Console:
    """Standard output or error, 80 columns wide where it is no terminal."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def say(to: Console, text: str, *, indent: int = 0, style: str | None = None) -> None:
    """Print a paragraph, its lines after the first indented; words are never broken."""
    lines = textwrap.wrap(
        visible(text),
        to.width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    to.print("\n".join(lines), style=style, soft_wrap=True)


def columns(*headings: str, right: Sequence[str] = (), title: str | None = None) -> Table:
    """An empty table; the columns named in `right` hold numbers."""
    from rich import box
    from rich.table import Table

    found = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        show_header=any(headings),
        title=title,
        title_justify="left",
        title_style="bold",
    )
    for heading in headings:
        found.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    return found


def visible(text: str) -> str:
    """Text whose control characters are spelt out, so that they cannot act."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def number(value: Any) -> str:
    """A number as a person reads it; – for nothing."""
    if value is None:
        return "–"
    if isinstance(value, float):
        if value and not 1e-4 <= abs(value) < 1e7:
            return f"{value:.3g}"
        return f"{value:,.4f}" if abs(value) < 1000 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
