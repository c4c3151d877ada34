"""Where a classifier errs: confusion, each class, its most confident mistakes."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.report.calibration import calibration_section
from chainrule.report.figures import grey_png
from chainrule.report.markup import Html, figure, scroller, section, table, tag
from chainrule.report.predictions import Predictions, worst_rows
from chainrule.report.wording import counted, number, percent

_MOST_CLASSES_DRAWN = 40


def class_sections(result: Mapping[str, Any], predictions: Predictions) -> list[Html | None]:
    """Everything about single classes and single rows of a classification."""
    names = class_names(result, predictions)
    counts = _confusion(result, predictions, len(names))
    return [
        _confusion_section(counts, names),
        _per_class_section(result.get("per_class") or []),
        _mistakes_section(predictions, names),
        calibration_section(predictions),
    ]


def class_names(result: Mapping[str, Any], predictions: Predictions) -> list[str]:
    """Names of the classes, numbers where they have none."""
    known = predictions.classes or result.get("classes") or []
    highest = max(
        (int(values.max()) + 1 for values in (predictions.targets, predictions.predicted)
         if values.size),
        default=0,
    )  # fmt: skip
    shares = predictions.probabilities
    count = max(len(known), highest, 0 if shares is None else shares.shape[1])
    return [str(known[i]) if i < len(known) else str(i) for i in range(count)]


def _confusion(result: Mapping[str, Any], predictions: Predictions, n: int) -> NDArray[np.int64]:
    """The counts the result holds, or those of the predictions."""
    given = np.asarray(result.get("confusion") or [], dtype=np.int64)
    if given.shape == (n, n):
        return given
    counts = np.zeros((n, n), dtype=np.int64)
    np.add.at(counts, (predictions.targets.astype(int), predictions.predicted.astype(int)), 1)
    return counts


def _confusion_section(counts: NDArray[np.int64], names: Sequence[str]) -> Html | None:
    if not counts.sum():
        return None
    drawn = (
        [_heat_map(counts, names)]
        if len(names) <= _MOST_CLASSES_DRAWN
        else [_confusion_list(counts, names)]
    )
    return section(
        "confusion", "What was taken for what", tag("p", _most_confused(counts, names)), *drawn
    )


def _pairs(counts: NDArray[np.int64], limit: int) -> list[tuple[int, int]]:
    """(true, predicted) of the most frequent confusions."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:limit]
    pairs = [divmod(int(place), len(counts)) for place in order]
    return [pair for pair in pairs if wrong[pair] > 0]


def _most_confused(counts: NDArray[np.int64], names: Sequence[str]) -> str:
    wrong = int(counts.sum() - np.trace(counts))
    total = int(counts.sum())
    if not wrong:
        return f"Every one of the {counted(total, 'test row')} was recognised."
    pairs = _pairs(counts, 3)
    told = [
        f"{_quoted(names[true])} was taken for {_quoted(names[guess])} "
        f"{_times(int(counts[true, guess]))} "
        f"({percent(counts[true, guess] / counts[true].sum(), 1)} of {_quoted(names[true])})"
        for true, guess in pairs
    ]
    listed = told[0] if len(told) == 1 else f"{'; '.join(told[:-1])}; and {told[-1]}"
    return f"{wrong:,} of {counted(total, 'test row')} went wrong. Most often {listed}."


def _heat_map(counts: NDArray[np.int64], names: Sequence[str]) -> Html:
    """A table of counts, coloured by their share of the row (the true class)."""
    sums = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(sums, 1)
    n = len(names)
    spell = n <= 6
    upright = max(len(name) for name in names) <= (3 if n > 12 else 8)
    head = tag(
        "tr",
        tag("td", tag("span", "true ↓  predicted →"), class_="corner"),
        *(
            tag("th", tag("span", _short(name), title=name), scope="col", class_="to")
            for name in names
        ),
    )

    def cell(true: int, guess: int) -> Html:
        count, share = int(counts[true, guess]), float(shares[true, guess])
        if not count:
            return tag("td", "" if n > 12 else "0", class_="none")
        # Mistakes get colour faster than hits: a share of a tenth should already be seen.
        depth = 0.15 + 0.85 * (share if true == guess else min(1.0, 3 * share) ** 0.7)
        return tag(
            "td",
            f"{count:,}",
            tag("small", percent(share, 1)) if spell else None,
            class_=("hit" if true == guess else "miss") + (" deep" if depth > 0.85 else ""),
            style=f"--a:{depth:.2f}",
            title=f"{names[true]} taken for {names[guess]}: {counted(count, 'row')}, "
            f"{percent(share, 1)} of {names[true]}",
        )

    body = [
        tag(
            "tr",
            tag("th", tag("span", _short(names[true]), title=names[true]), scope="row"),
            *(cell(true, guess) for guess in range(n)),
        )
        for true in range(n)
    ]
    size = "few" if spell else "some" if n <= 12 else "many"
    grid = tag(
        "table",
        tag("thead", head),
        tag("tbody", *body),
        class_=f"heat {size}{'' if upright else ' tilted'}",
    )
    note = tag(
        "p",
        "Each row is a true class, each column what the network said. ",
        tag("span", "Green", class_="hit-key"),
        " is right, ",
        tag("span", "red", class_="miss-key"),
        " is wrong; the deeper, the larger the share of its row.",
        class_="quiet",
    )
    return tag("div", scroller("Confusion matrix", grid), note)


def _confusion_list(counts: NDArray[np.int64], names: Sequence[str]) -> Html:
    rows = [
        [
            names[true],
            names[guess],
            f"{int(counts[true, guess]):,}",
            percent(float(counts[true, guess] / counts[true].sum()), 1),
        ]
        for true, guess in _pairs(counts, 25)
    ]
    head = ["true class", "taken for", "rows", "of the true class"]
    grid = table(head, rows, numeric=frozenset({2, 3}), class_="sortable")
    return figure("The most frequent confusions", scroller("Most frequent confusions", grid))


def _per_class_section(entries: Sequence[Mapping[str, Any]]) -> Html | None:
    if not entries:
        return None

    def measure(value: Any) -> Html:
        if value is None or not np.isfinite(value):
            return tag("span", "–", class_="quiet")
        bar = tag("i", style=f"width:{100 * float(value):.0f}%")
        return tag("span", bar, tag("b", f"{float(value):.3f}"), class_="meter")

    rows = [
        [
            str(entry.get("class")),
            *(measure(entry.get(key)) for key in ("precision", "recall", "f1")),
            number(entry.get("support")),
        ]
        for entry in entries
    ]
    grid = table(
        ["class", "precision", "recall", "F1", "rows"],
        rows,
        numeric=frozenset({1, 2, 3, 4}),
        class_="sortable meters",
    )
    return section(
        "classes",
        "Class by class",
        tag(
            "p",
            tag("b", "Precision"),
            ": of the rows given this class, the share that has it. ",
            tag("b", "Recall"),
            ": of the rows that have it, the share that was found. ",
            tag("b", "F1"),
            ": their harmonic mean.",
            class_="quiet",
        ),
        scroller("Class by class", grid, tall=len(rows) > 30),
    )


def _mistakes_section(predictions: Predictions, names: Sequence[str]) -> Html | None:
    """The wrong rows the network was surest of."""
    images = predictions.images
    worst = worst_rows(predictions, 12 if images is None or not len(images) else len(images))
    shares = predictions.probabilities
    if not len(worst) or shares is None:
        return None
    intro = tag(
        "p",
        "The network was surest of these, and wrong. They show its blind spots, "
        "or wrong labels in the data.",
    )
    if images is not None and len(images):
        tiles = [
            _tile(predictions, names, int(row), images[place]) for place, row in enumerate(worst)
        ]
        return section(
            "mistakes", "The most confident mistakes", intro, tag("div", *tiles, class_="tiles")
        )
    rows = [
        [
            f"{predictions.row_number(int(row)):,}",
            names[int(predictions.targets[row])],
            names[int(predictions.predicted[row])],
            percent(float(shares[row, int(predictions.predicted[row])]), 1),
            percent(float(shares[row, int(predictions.targets[row])]), 1),
        ]
        for row in worst
    ]
    head = [_row_heading(predictions), "true class", "prediction", "its probability"]
    grid = table(
        [*head, "probability of the true class"], rows, numeric=frozenset({3, 4}), class_="sortable"
    )
    return section(
        "mistakes", "The most confident mistakes", intro, scroller("Most confident mistakes", grid)
    )


def _tile(predictions: Predictions, names: Sequence[str], row: int, pixels: NDArray[Any]) -> Html:
    true, guess = names[int(predictions.targets[row])], names[int(predictions.predicted[row])]
    shares = predictions.probabilities
    sure = "" if shares is None else percent(float(shares[row, int(predictions.predicted[row])]), 1)
    data = base64.b64encode(grey_png(pixels)).decode("ascii")
    return tag(
        "figure",
        tag("img", src=f"data:image/png;base64,{data}", alt=f"Picture of a {true}"),
        tag(
            "figcaption",
            tag("span", tag("b", true, class_="right"), " taken for ", tag("b", guess)),
            tag("span", f"{sure} sure" if sure else None, class_="quiet"),
        ),
        title=f"{_row_heading(predictions)} {predictions.row_number(row):,}",
    )


def _row_heading(predictions: Predictions) -> str:
    return "test row" if predictions.rows is None else "row"


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:9].rstrip()}…{name[-8:].lstrip()}"


def _quoted(name: str) -> str:
    return f"'{name if len(name) <= 60 else name[:59] + '…'}'"


def _times(n: int) -> str:
    return "once" if n == 1 else "twice" if n == 2 else f"{n:,} times"
