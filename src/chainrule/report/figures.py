"""matplotlib pictures, and their way into a page that is light or dark."""

from __future__ import annotations

import io
import re
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.report.markup import Html, tag
from chainrule.report.wording import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The page replaces these colours by its own, so each name has a colour of its own here.
INK, FAINT = "#22252b", "#8b9099"
TRAIN, VALIDATION, TEST = "#3b6fb6", "#d9822b", "#1c8a72"
_PAGE_COLOURS = {
    INK: "currentColor",
    FAINT: "var(--faint)",
    TRAIN: "var(--train)",
    VALIDATION: "var(--validation)",
    TEST: "var(--test)",
}
_ROUGH = re.compile(r"(\d+\.\d\d)\d+")


def styled(salt: str = "chainrule") -> AbstractContextManager[None]:
    """matplotlib's settings for our pictures; user text is never read as formulas."""
    import matplotlib

    settings: dict[Any, Any] = {
        "font.family": ["DejaVu Sans"],
        "font.size": 11,
        "text.color": INK,
        "text.parse_math": False,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": FAINT,
        "grid.alpha": 0.22,
        "grid.linewidth": 0.8,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.major.size": 3,
        "ytick.major.size": 0,
        "ytick.minor.size": 0,
        "lines.solid_capstyle": "round",
        "legend.frameon": False,
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
    }
    return matplotlib.rc_context(settings)


def new_axes(width: float = 6.2, height: float = 4.0) -> tuple[Figure, Axes]:
    """One pair of axes, in inches; call it within `styled()`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def plain_ticks(axis: Any, *, log: bool = False, share: bool = False) -> None:
    """Tick labels as on the rest of the page: no powers of ten where a number will do."""
    from matplotlib import ticker

    if log:
        low, high = sorted(axis.get_view_interval())
        decades = np.log10(high / low)
        subs = (1.0,) if decades > 3 else (1.0, 3.0) if decades > 1.6 else (1.0, 2.0, 5.0)
        axis.set_major_locator(ticker.LogLocator(subs=subs))
        axis.set_minor_locator(ticker.NullLocator())
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: _tick(value)))
        return
    axis.set_major_locator(ticker.MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    low, high = axis.get_view_interval()
    if share:
        digits = 1 if high - low < 0.03 else 0
        axis.set_major_formatter(ticker.PercentFormatter(1.0, decimals=digits))
    elif 5000 <= max(abs(low), abs(high)) < 1e7:
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: _tick(value)))
    else:
        plain = ticker.ScalarFormatter(useOffset=False, useMathText=False)
        axis.set_major_formatter(plain)


def whole_ticks(axis: Any) -> None:
    """Ticks at whole numbers only (epochs)."""
    from matplotlib import ticker

    axis.set_major_locator(
        ticker.MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
    )
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))


def inline_svg(figure: Figure, label: str, salt: str) -> Html:
    """The picture as an SVG element: page colours, page font, as wide as its place allows.

    `salt` must differ between the pictures of a page: it keeps their element ids apart.
    """
    stream = io.StringIO()
    with styled(salt):
        figure.savefig(
            stream,
            format="svg",
            transparent=True,
            metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
        )
    drawing = stream.getvalue()
    opening = re.search(r"<svg[^>]*>", drawing)
    assert opening is not None
    view = re.search(r'viewBox="([^"]*)"', opening[0])
    assert view is not None
    inner = drawing[opening.end() : drawing.rindex("</svg>")]
    inner = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>", "", inner, flags=re.DOTALL)
    inner = re.sub(r'="[^"]*"', lambda match: _tidy_attribute(match[0]), inner)
    inner = inner.replace("xlink:href", "href")
    inner = re.sub(r'(<g) id="[^"]*"', r"\1", inner)
    inner = re.sub(r' transform="rotate\(-?0 [^"]*"', "", inner)
    inner = re.sub(r">\s+<", ">\n<", inner)
    return tag("svg", Html(inner), viewBox=view[1], role="img", aria_label=label)


def grey_png(pixels: NDArray[Any]) -> bytes:
    """A (height, width) array as a PNG file, its smallest value black and its largest white."""
    from matplotlib.image import imsave

    stream = io.BytesIO()
    finite = np.nan_to_num(np.asarray(pixels, dtype=float))
    imsave(stream, finite, cmap="gray", format="png")
    return stream.getvalue()


def _tidy_attribute(attribute: str) -> str:
    """One `="…"` of matplotlib's, shorter and in the page's colours."""
    attribute = re.sub(r"\s+", " ", attribute)
    attribute = _ROUGH.sub(r"\1", attribute)
    attribute = re.sub(r"font-family: [^;\"]*;? ?", "", attribute)
    attribute = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", attribute)
    for colour, name in _PAGE_COLOURS.items():
        attribute = attribute.replace(colour, name)
    return attribute


def _tick(value: float) -> str:
    if value and not 1e-4 <= abs(value) < 1e7:
        return number(float(value))
    return f"{value:,.10g}".replace("-", "−")
