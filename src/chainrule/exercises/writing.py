"""Worksheets: what is given and what there is to work out, as Markdown, HTML and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from itertools import groupby

from chainrule.exercises.making import KINDS, Exercise
from chainrule.exercises.working import Array, Key, Sheet
from chainrule.ledger.writing import Digits, Face, Latex, MathML
from chainrule.notation import Name

_WHAT = {
    "z": "What enters the units of layer {}: z[j] = Σ a[i] W[i→j] + b[j]",
    "a": "What they hand on: a = g(z)",
    "L": "The loss",
    "delta": "δ = ∂L/∂z in layer {}",
    "dL/dW": "The gradient of the weights into layer {}",
    "dL/db": "The gradient of its biases",
    "W'": "The weights into layer {} after the step",
    "b'": "Its biases after the step",
}
_BASES = {"delta": "δ", "W'": "W′", "b'": "b′", "dL/dW": "W", "dL/db": "b"}
_WORDS = {
    "sigmoid": "the sigmoid, σ(z) = 1 / (1 + e^−z)",
    "relu": "ReLU, max(z, 0)",
    "linear": "the identity",
    "tanh": "tanh",
}


def words(exercise: Exercise) -> list[str]:
    """What the exercise is about, in sentences."""
    sheet = exercise.sheet
    rows = "The rows" if sheet.rows > 1 else "The row"
    found = [
        f"Work out {KINDS[exercise.kind]}, for a network with layers {'-'.join(map(str, exercise.widths))}.",
        "Its activations are "
        + "; ".join(
            f"in layer {k} {_WORDS[sheet.activation(k)]}" for k in range(1, sheet.depth + 1)
        )
        + ".",
        f"{rows} x and targets t are given below. The loss is L = ½ Σ (t − a)²"
        + (f", averaged over the {sheet.rows} rows." if sheet.rows > 1 else "."),
    ]
    if exercise.kind != "forward":
        found.append(
            f"The weights are changed by gradient descent with learning rate η = {sheet.rate:g}: w′ = w − η ∂L/∂w."
        )
    found.append("Units and rows are counted from 0; W[i→j] leads from i to unit j of its layer.")
    return found


def given(sheet: Sheet) -> list[tuple[str, Array]]:
    """The arrays that are given, by their names."""
    found: list[tuple[str, Array]] = [("x", sheet.x), ("t", sheet.target)]
    for k in range(1, sheet.depth + 1):
        found += [(f"W{k}", sheet.kernel(k)), (f"b{k}", sheet.bias(k)[None, :])]
    return found


def groups(exercise: Exercise) -> list[tuple[str, list[tuple[str, Name]]]]:
    """The answers asked for, under what they are: CSV name and symbol."""
    found = []
    for key, items in groupby(exercise.names(), key=lambda item: item[1]):
        names = [(text, _name(key, index, exercise.sheet)) for text, _, index in items]
        found.append((_WHAT[key[0]].format(key[1]), names))
    return found


def _name(key: Key, index: tuple[int, ...], sheet: Sheet) -> Name:
    what, layer = key
    if what == "L":
        return Name("L")
    lower = "→".join(map(str, index))
    if what in ("z", "a", "delta"):
        lower = f"r{index[0]},{index[1]}" if sheet.rows > 1 else str(index[1])
    return Name(_BASES.get(what, what), str(layer), lower, "L" if what.startswith("dL") else "")


def markdown(exercise: Exercise) -> str:
    """The worksheet in Markdown."""
    face = Latex()
    parts = [f"# Exercise: {exercise.head}", "", " ".join(words(exercise)), "", "## Given", ""]
    for title, array in given(exercise.sheet):
        parts += [f"${_title(title, face)} = {_pmatrix(array)}$", ""]
    parts += ["## To work out", ""]
    for what, names in groups(exercise):
        parts.append(f"{what}:")
        parts += [f"- ${face.name(symbol)} =$ ______" for _, symbol in names]
        parts.append("")
    return "\n".join([*parts, _afterwards(exercise), ""])


def latex(exercise: Exercise) -> str:
    """The worksheet as a LaTeX document."""
    face = Latex()
    parts = [
        r"\documentclass{article}", r"\usepackage{amsmath}", r"\usepackage[margin=2.2cm]{geometry}",
        r"\setlength{\parindent}{0pt}", r"\begin{document}",
        rf"\section*{{Exercise: {exercise.head}}}", *map(_plain_latex, words(exercise)),
        r"\subsection*{Given}",
    ]  # fmt: skip
    for title, array in given(exercise.sheet):
        parts.append(rf"\[ {_title(title, face)} = {_pmatrix(array)} \]")
    parts.append(r"\subsection*{To work out}")
    for what, names in groups(exercise):
        parts += [_plain_latex(what), "", r"\begin{tabular}{@{}ll@{}}"]
        parts += [
            rf"$\displaystyle {face.name(s)}$ & $= \underline{{\hspace{{4cm}}}}$ \\[6pt]"
            for _, s in names
        ]
        parts += [r"\end{tabular}", ""]
    return "\n".join([*parts, r"\end{document}", ""])


def html(exercise: Exercise) -> str:
    """The worksheet as a page to print or to fill in; it saves the answers as a CSV file."""
    face = MathML(Digits())
    tables = []
    for title, array in given(exercise.sheet):
        rows = "".join(
            "<mtr>" + "".join(f"<mtd>{face.value(float(v))}</mtd>" for v in row) + "</mtr>"
            for row in array
        )
        matrix = f"<mrow><mo>(</mo><mtable>{rows}</mtable><mo>)</mo></mrow>"
        tables.append(f"<p><math>{_title(title, face)}<mo>=</mo>{matrix}</math></p>")
    fields = []
    for what, names in groups(exercise):
        inputs = "".join(
            f"<label><math>{face.name(symbol)}<mo>=</mo></math>"
            f"<input name='{escape(name, quote=True)}' inputmode='decimal' autocomplete='off'></label>"
            for name, symbol in names
        )
        fields.append(f"<fieldset><legend>{escape(what)}</legend>{inputs}</fieldset>")
    page = files("chainrule.exercises").joinpath("worksheet.html").read_text(encoding="utf-8")
    parts = {
        "HEAD": escape(exercise.head),
        "WORDS": " ".join(map(escape, words(exercise))),
        "GIVEN": "".join(tables),
        "FIELDS": "".join(fields),
    }
    for place, written in parts.items():
        page = page.replace(f"<!--{place}-->", written)
    return page


def _title(title: str, face: Face) -> str:
    return face.name(Name(title[0], title[1:]))


def _pmatrix(array: Array) -> str:
    rows = r" \\ ".join(" & ".join(f"{v:g}" for v in row) for row in array)
    return rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"


def _afterwards(exercise: Exercise) -> str:
    return (
        "Write the numbers into `answers.csv`, which came with this sheet; `chainrule check answers.csv` finds the "
        "first wrong one and what may have gone wrong."
    )


def _plain_latex(text: str) -> str:
    pairs: Sequence[tuple[str, str]] = (
        ("½ Σ (t − a)²", r"$\tfrac12 \sum (t - a)^2$"), ("σ(z) = 1 / (1 + e^−z)", r"$\sigma(z) = 1/(1+e^{-z})$"),
        ("w′ = w − η ∂L/∂w", r"$w' = w - \eta\, \partial L/\partial w$"),
        ("δ = ∂L/∂z", r"$\delta = \partial L/\partial z$"),
        ("η", r"$\eta$"), ("z[j] = Σ a[i] W[i→j] + b[j]", r"$z_j = \sum_i a_i W_{i\to j} + b_j$"),
        ("W[i→j]", r"$W_{i\to j}$"), ("δ", r"$\delta$"),
    )  # fmt: skip
    for plain, tex in pairs:
        text = text.replace(plain, tex)
    return text
