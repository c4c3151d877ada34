"""The ledger as one self-contained HTML page: the network drawn, every line, step by step."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from chainrule.graph import Parameter
from chainrule.ledger.drawing import Drawing, Edge, Node, draw
from chainrule.ledger.lines import Line
from chainrule.ledger.sections import HEADINGS, View
from chainrule.ledger.structure import PHASES, Quantity, shown_title
from chainrule.ledger.terminal import preamble
from chainrule.ledger.writing import Digits, MathML, Text
from chainrule.notation import abridged

if TYPE_CHECKING:
    from chainrule.ledger.core import Ledger

SHORT = Digits(3)  # on nodes and edges
MOST_EDGES = 48  # whose lines are written; the others are drawn
MOST_ROWS = 4
WIDE = 700  # a drawing that takes the page's whole width
_EXPLAINED = {
    "sum": "What enters the unit: everything before it, weighted, and the bias.",
    "activation": "What the unit hands on.",
    "slope": "How steep the activation is here.",
    "delta": "How much the loss changes with what enters the unit.",
    "gradient": "How much the loss changes with this number.",
    "contribution": "What one use of the number adds to its gradient.",
    "loss": "How wrong the prediction is.",
    "change": "What the optimizer adds to the weight.",
    "state": "What stands there after the step.",
    "input": "Given: a feature of the row.",
    "target": "Given: what should come out.",
    "weight": "A weight before the step.",
    "scalar": "Given for this step.",
    "step": "An intermediate number.",
}


def page(ledgers: Sequence[Ledger]) -> str:
    """The page of one step, or of several successive ones."""
    drawing = draw(ledgers[0])
    steps = [_Step(ledger, drawing, number) for number, ledger in enumerate(ledgers)]
    first = ledgers[0]
    words = preamble(first)
    clock = first.recording.job.clock.updates + 1
    data = {"steps": [step.data for step in steps], "first": clock}
    lists = "".join(step.html for step in steps)
    title = "One training step" if len(ledgers) == 1 else f"{len(ledgers)} training steps"
    return _TEMPLATE.format(
        title=title,
        words=" ".join(map(escape, words[:1] + words[2:])),
        css=_resource("page.css"),
        js=_resource("page.js"),
        drawing=_svg(drawing),
        data=json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/"),
        lists=lists,
        several="" if len(ledgers) > 1 else " hidden",
        wide=" wide" if drawing.size[0] > WIDE else "",
    )


class _Step:
    """The lines of one training step: as rows of a table, and as data for the drawing."""

    def __init__(self, ledger: Ledger, drawing: Drawing, number: int) -> None:
        self.ledger, self.drawing = ledger, drawing
        self.face = MathML(ledger.style.digits)
        self.short, self.face_of = Text(SHORT), ledger.face()
        rows = len(ledger.recording.rows)
        self.rows = list(range(min(rows, MOST_ROWS)))
        self.lines: list[dict[str, Any]] = []
        self.view = View(ledger)
        self.owners: dict[tuple[int, ...], str] = {}
        self.edges = {e.id for e in drawing.edges[:MOST_EDGES]}
        parts: list[str] = []
        heading = ""
        for quantity in ledger.quantities:
            shown = self._shown(quantity)
            if not shown:
                continue
            now = HEADINGS[quantity.phase] + (f": {quantity.layer}" if quantity.layer else "")
            if now != heading:
                parts.append("</table></div>" if heading else "")
                parts.append(f"<h3>{escape(now)}</h3><div class='scroll'>")
                parts.append(f"<table class='{quantity.phase}'>")
                heading = now
            parts += [self._row(ledger.formulas.line(quantity, index)) for index in shown]
            hidden = ledger.arrays[quantity.value].size - len(shown)
            if hidden:
                more = f"… {hidden:,} more of {escape(shown_title(quantity))}"
                parts.append(f"<tr class='more'><td colspan='4'>{more}</td></tr>")
        parts.append("</table></div>" if heading else "")
        self.html = f"<section class='lines' data-step='{number}'>{''.join(parts)}</section>"
        self.data = {
            "lines": self.lines,
            "rows": [ledger.recording.labels[r] for r in self.rows],
            "loss": self.face_of.value(ledger.loss),
            "after": self.face_of.value(ledger.loss_after)
            if ledger.recording.program.assignments
            else "",
        }

    def _shown(self, quantity: Quantity) -> list[tuple[int, ...]]:
        """The places of a value whose lines are on the page."""
        shape = self.ledger.arrays[quantity.value].shape
        owned = self.drawing.owned(quantity, shape)
        first = {p: o for p, o in owned.items() if o.startswith("n") or o in self.edges}
        if not quantity.batched:
            self.owners = first
        else:
            self.owners = {(r, *p[1:]): owner for r in self.rows for p, owner in first.items()}
        if self.owners:
            return list(self.owners)
        return self.view.shown(quantity)[0]

    def _row(self, line: Line) -> str:
        quantity = line.quantity
        row = line.index[0] if quantity.batched else -1
        entry: dict[str, Any] = {"p": PHASES.index(quantity.phase), "v": self._brief(line.value)}
        if owner := self.owners.get(line.index):
            entry["o"] = owner
        if row >= 0:
            entry["r"] = row
        slope = quantity.role == "slope"
        if slope or quantity.role in ("delta", "gradient", "contribution"):
            entry["k"] = "w" if isinstance(quantity.of, Parameter) or slope else "g"
        elif quantity.role in ("state", "change"):
            entry["k"] = "u" if quantity.role == "state" and " " not in quantity.base else "c"
        number = len(self.lines)
        self.lines.append(entry)
        name = f"<math>{self.face.name(line.name)}</math>"
        kept = quantity.role == "state" and isinstance(quantity.value, Parameter)
        words = "What the optimizer has kept." if kept else _EXPLAINED.get(quantity.role, "")
        said = escape(words, quote=True)
        cells = [f"<th title='{said}'>{name}</th>"]
        if line.formula is None:
            cells.append("<td></td>")
        else:
            written = abridged(line.formula, self.ledger.style.terms)
            symbols, numbers = self.face.symbols(written), self.face.numbers(written)
            value = self.face.value(line.value)
            both = f"<span><math>{symbols}</math></span>"
            if numbers != value:
                both += f" <span class='put'><math><mo>=</mo>{numbers}</math></span>"
            cells.append(f"<td>{both}</td>")
        cells.append(f"<td class='value'><math>{self.face.value(line.value)}</math></td>")
        cells.append(f"<td class='check'>{self._checked(line)}</td>")
        return f"<tr data-i='{number}'>{''.join(cells)}</tr>"

    def _brief(self, value: float) -> str:
        """A number for a small circle: .0424, as on slides."""
        found = self.short.value(value)
        for zero in ("0.", "−0.", "0,", "−0,"):
            if found.startswith(zero) and found != zero:
                return found.replace("0", "", 1)
        return found

    def _checked(self, line: Line) -> str:
        found = self.ledger.difference(line)
        if found is None:
            return ""
        if found.kink:
            return f"<span class='kink'>kink of {escape(found.kink)}</span>"
        face = Text(self.ledger.style.digits)
        value = face.value(round(found.value, 10))
        if self.ledger.agrees(found, line):
            return f"<span title='Finite difference of the loss: {value}'>✓</span>"
        return f"<b title='Finite difference of the loss'>✗ {value}</b>"


def _svg(drawing: Drawing) -> str:
    width, height = drawing.size
    parts = [
        f"<svg viewBox='0 0 {width:g} {height:g}' role='group' aria-label='The network' "
        f"style='max-width:{width * 1.25:g}px'>"
    ]
    labelled = len(drawing.edges) <= 24
    parts += [_edge(edge, labelled, i) for i, edge in enumerate(drawing.edges)]
    for column in drawing.columns:
        parts.append(
            f"<text class='title' x='{column.x:g}' y='24'>{_shortened(column.title)}</text>"
        )
        if column.hidden:
            lowest = max(n.y for n in drawing.nodes if drawing.columns[n.column] is column)
            parts.append(
                f"<text class='title' x='{column.x:g}' y='{lowest + 52:g}'>and {column.hidden:,} more</text>"
            )
    parts += [_node(node, drawing) for node in drawing.nodes]
    return "".join([*parts, "</svg>"])


def _shortened(title: str, most: int = 17) -> str:
    shown = title if len(title) <= most else f"{title[: most - 1]}…"
    return f"{escape(shown)}<title>{escape(title)}</title>"


def _edge(edge: Edge, labelled: bool, number: int) -> str:
    a, b = edge.start, edge.end
    line = f"x1='{a.x + 25:g}' y1='{a.y:g}' x2='{b.x - 25:g}' y2='{b.y:g}'"
    share = (0.34, 0.58)[number % 2] if labelled else 0.5
    x, y = a.x + (b.x - a.x) * share, a.y + (b.y - a.y) * share
    what = f"Weight from {a.label} to {b.label}" if edge.weight else f"From {a.label} to {b.label}"
    label = f"<text x='{x:g}' y='{y - 5:g}'></text>" if labelled and edge.weight else ""
    focus = "tabindex='0' role='button'" if edge.weight else "role='img'"
    return (
        f"<g class='edge' id='{edge.id}' {focus} aria-label='{escape(what, quote=True)}'>"
        f"<line class='hit' {line}/><line {line}/>{label}</g>"
    )


def _node(node: Node, drawing: Drawing) -> str:
    column = drawing.columns[node.column]
    what = escape(f"Unit {node.label} of {column.name}", quote=True)
    return (
        f"<g class='node' id='{node.id}' tabindex='0' role='button' aria-label='{what}'>"
        f"<circle cx='{node.x:g}' cy='{node.y:g}' r='25'/>"
        f"<text class='unit' x='{node.x:g}' y='{node.y - 30:g}'>{_shortened(node.label, 15)}</text>"
        f"<text class='number' x='{node.x:g}' y='{node.y + 4.5:g}'></text>"
        f"<text class='error' x='{node.x:g}' y='{node.y + 39:g}'></text></g>"
    )


def _resource(name: str) -> str:
    return files("chainrule.ledger").joinpath(name).read_text(encoding="utf-8")


_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} – chainrule</title><style>{css}</style></head>
<body><main>
<header><p class="brand">chain<b>rule</b></p><h1>{title}</h1><p class="quiet">{words}</p></header>
<div class="stage{wide}">
<figure class="network" aria-label="Network">{drawing}
<figcaption><span class="key forward">forward</span> <span class="key backward">backward: δ or ∂L/∂a
below a unit</span> <span class="key update">changed weights</span></figcaption></figure>
<div class="panel">
<div class="now" aria-live="polite"><p class="phase"></p><div class="formula"></div><p class="said quiet"></p></div>
<div class="controls" role="group" aria-label="Go through the computation">
<button id="begin" title="To the beginning (Home)">«</button><button id="back" title="One line back (←)">‹</button>
<input id="slider" type="range" min="0" value="0" aria-label="Line of the computation">
<button id="on" title="One line on (→)">›</button><button id="end" title="To the end (End)">»</button></div>
<div class="controls steps"{several}><button id="earlier" title="Step before ( [ )">−</button>
<span id="step"></span><button id="later" title="Step after ( ] )">+</button></div>
<p class="quiet keys">← → line by line · PgUp PgDn part by part · Home End<span{several}> · [ ] training
steps</span> · click a unit or a weight for its lines</p>
<p id="chosen" class="quiet" hidden><button id="all">Show all lines</button></p>
</div></div>
<h2>Every line</h2>
{lists}
</main><script type="application/json" id="data">{data}</script><script>{js}</script></body></html>
"""
