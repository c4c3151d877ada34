"""The ledger as a LaTeX document, a Markdown page, and a table in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from chainrule.ledger.differences import Difference
from chainrule.ledger.lines import Line
from chainrule.ledger.sections import Group, sections
from chainrule.ledger.structure import shown_title
from chainrule.ledger.terminal import preamble
from chainrule.ledger.writing import Face, Latex, MathML
from chainrule.notation import abridged

if TYPE_CHECKING:
    from chainrule.ledger.core import Ledger


def latex(ledger: Ledger) -> str:
    """A whole LaTeX document."""
    face = Latex(ledger.style.digits)
    parts = [
        r"\documentclass{article}",
        r"\usepackage{amsmath,amssymb}",
        r"\usepackage[margin=2cm]{geometry}",
        r"\allowdisplaybreaks",
        r"\begin{document}",
        r"\section*{One training step}",
        *(_latex_words(words) for words in preamble(ledger)),
    ]
    for section in sections(ledger):
        parts += [rf"\subsection*{{{_latex_words(section.heading)}}}", r"\begin{align*}"]
        rows = []
        for group in section.groups:
            rows += [_latex_line(ledger, line, face) for line in group.lines]
            if group.hidden:
                rows.append(rf"& \text{{\dots\ {group.hidden:,} more}}")
        parts += [" \\\\\n".join(rows), r"\end{align*}"]
    return "\n".join([*parts, r"\end{document}", ""])


def markdown(ledger: Ledger) -> str:
    """A Markdown page with formulas between dollar signs."""
    face = Latex(ledger.style.digits)
    parts = ["# One training step", "", *preamble(ledger), ""]
    for section in sections(ledger):
        parts += [f"## {section.heading}", ""]
        for group in section.groups:
            if _given(group):
                row = ", ".join(_markdown_line(ledger, line, face) for line in group.lines)
                parts.append(f"- {row}")
            else:
                parts += [f"- {_markdown_line(ledger, line, face)}" for line in group.lines]
            if group.hidden:
                parts.append(f"- … {group.hidden:,} more of {shown_title(group.quantity)}")
        parts.append("")
    return "\n".join(parts)


def notebook(ledger: Ledger) -> str:
    """HTML for a notebook's cell: the phases fold."""
    face = MathML(ledger.style.digits)
    words = " ".join(map(escape, preamble(ledger)))
    parts = [f"<div style='font-size:95%'><p>{words}</p>"]
    for section in sections(ledger):
        opened = "" if section.phase in ("given", "update") else " open"
        parts.append(f"<details{opened}><summary><b>{escape(section.heading)}</b></summary>")
        parts.append("<table>")
        for group in section.groups:
            parts += [_notebook_line(ledger, line, face) for line in group.lines]
            if group.hidden:
                more = f"… {group.hidden:,} more of {escape(shown_title(group.quantity))}"
                parts.append(f"<tr><td colspan='5' style='text-align:left'>{more}</td></tr>")
        parts.append("</table></details>")
    return "".join([*parts, "</div>"])


def _given(group: Group) -> bool:
    return all(line.formula is None for line in group.lines)


def steps(ledger: Ledger, line: Line, face: Face) -> list[str]:
    """A line's formula in names, with the numbers put in, and its value; what would repeat is left out."""
    value = face.value(line.value)
    if line.formula is None:
        return [value]
    written = abridged(line.formula, ledger.style.terms)
    found = [face.symbols(written), face.numbers(written), value]
    return [s for i, s in enumerate(found) if s not in found[:i]]


def _latex_line(ledger: Ledger, line: Line, face: Face) -> str:
    first, *rest = steps(ledger, line, face)
    found = f"{face.name(line.name)} &= {first}"
    long = sum(map(len, rest)) > 120
    found += "".join((" \\\\\n &= " if long else " = ") + step for step in rest)
    if (difference := ledger.difference(line)) is not None:
        found += rf" \quad [{_latex_checked(ledger, difference, line, face)}]"
    return found


def _latex_checked(ledger: Ledger, difference: Difference, line: Line, face: Face) -> str:
    if difference.kink:
        return rf"\text{{kink of {_latex_words(difference.kink)}}}"
    sign = "" if ledger.agrees(difference, line) else r"\text{not }"
    return sign + face.value(round(difference.value, 10))


def _markdown_line(ledger: Ledger, line: Line, face: Face) -> str:
    found = " = ".join([face.name(line.name), *steps(ledger, line, face)])
    difference = ledger.difference(line)
    if difference is None:
        return f"${found}$"
    if difference.kink:
        return f"${found}$ (kink of {difference.kink})"
    sign = "✓" if ledger.agrees(difference, line) else "✗"
    return f"${found}$ {sign}"


def _notebook_line(ledger: Ledger, line: Line, face: Face) -> str:
    cells = [f"<math>{face.name(line.name)}</math>"]
    if line.formula is None:
        cells += ["", "", f"<math>{face.value(line.value)}</math>", ""]
    else:
        written = abridged(line.formula, ledger.style.terms)
        cells += [
            f"<math>{piece}</math>" for piece in (face.symbols(written), face.numbers(written))
        ]
        cells.append(f"<b><math>{face.value(line.value)}</math></b>")
        difference = ledger.difference(line)
        if difference is None:
            cells.append("")
        elif difference.kink:
            cells.append(escape(f"kink of {difference.kink}"))
        else:
            sign = "✓" if ledger.agrees(difference, line) else "✗"
            cells.append(f"{sign} <math>{face.value(round(difference.value, 10))}</math>")
    inner = "".join(f"<td style='text-align:left'>{cell}</td>" for cell in cells)
    return f"<tr>{inner}</tr>"


def _latex_words(words: str) -> str:
    for letter, command in {
        "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "✓": r"$\checkmark$", "∂": r"$\partial$",
        "δ": r"$\delta$", "¹": "$^1$", "²": "$^2$", "³": "$^3$",
    }.items():  # fmt: skip
        words = words.replace(letter, command)
    return words
