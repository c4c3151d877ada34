"""What `explain` does: find the step, choose a part of it, print or write it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule.cli.exits import DONE
from chainrule.cli.pictures import check_place
from chainrule.cli.printing import console, say
from chainrule.errors import UsageError
from chainrule.experiment.rows import chosen_rows
from chainrule.ledger import Derivation, Ledger, explain, inline
from chainrule.ledger.examples import EXAMPLES, Told, example
from chainrule.ledger.terminal import pieces
from chainrule.model import Model
from chainrule.watching import save

STYLES = {
    "heading": "bold", "name": "bold", "symbols": "", "numbers": "cyan", "value": "bold green",
    "note": "dim", "check": "dim",
}  # fmt: skip


def carry_out(given: Mapping[str, Any]) -> int:
    """Explain as asked."""
    found = _found(given)
    if not isinstance(found, Ledger):
        return _told(found, given)
    if given["depth"]:
        return _depth(found, given)
    ledger = _part(_look(found, given), given)
    steps = _whole("steps", given["steps"])
    if given["out"] is not None:
        ledger.save(given["out"], steps=steps)
        say(console(stderr=True), f"Written to {given['out']}")
        return DONE
    if steps > 1:
        raise UsageError("--steps is for a page: give --out FILE.html as well.")
    _print(ledger)
    return DONE


def _found(given: Mapping[str, Any]) -> Ledger | Derivation | Told:
    chosen = [name for name in ("run", "example", "network") if given[name] is not None]
    if len(chosen) != 1:
        raise UsageError(
            "Give one of RUN, --example NAME and --network FILE; the examples are "
            f"{', '.join(EXAMPLES)}."
        )
    step = _step(given["step"])
    if given["example"] is not None:
        found = example(given["example"])
        if isinstance(found, Ledger) and step != "next":
            for _ in range(int(step) - 1):
                found = found.next()
        return found
    if given["network"] is not None:
        return inline.read(given["network"]).ledger(step)
    rows = [_whole("row", word, 0) for word in (given["row"] or "0").split(",")]
    model, features, values, _ = chosen_rows(given["run"], rows, given["source"], given["data_dir"])
    return explain(model, features, values, step=step, units=_features(model), rows=rows)


def _features(model: Model) -> dict[str, Any]:
    """The names of the columns, where the model was trained on a table."""
    prepared = model.preprocessing
    if prepared is None or prepared.array is not None or model.network is None:
        return {}
    return {model.network.input_names[0]: list(prepared.feature_names)}


def _look(ledger: Ledger, given: Mapping[str, Any]) -> Ledger:
    if given["decimal"] not in ("point", "comma"):
        raise UsageError(f"--decimal is point or comma, not {given['decimal']}.")
    shown = ledger.shown(
        digits=_whole("digits", given["digits"]),
        decimal="," if given["decimal"] == "comma" else ".",
        descent=True if given["descent"] else None,
        by_unit=True if given["by_unit"] else None,
        most=_whole("most", given["most"]),
    )
    return shown.as_on_paper() if given["on_paper"] else shown


def _part(ledger: Ledger, given: Mapping[str, Any]) -> Ledger:
    if given["layer"] is not None:
        ledger = ledger[given["layer"]]
    if given["unit"] is not None:
        word = given["unit"]
        ledger = ledger.unit(int(word) if word.isdecimal() else word)
    if given["path"] is not None:
        start, _, end = given["path"].partition(":")
        ledger = ledger.path(start, end or "L")
    return ledger


def _told(found: Derivation | Told, given: Mapping[str, Any]) -> int:
    """Examples without a network: words, or LaTeX of a derivation."""
    if given["out"] is None:
        sys.stdout.write(f"{found}\n")
        return DONE
    place = Path(given["out"])
    if place.suffix == ".tex" and isinstance(found, Derivation):
        place.write_text(found.latex() + "\n", encoding="utf-8")
    elif place.suffix == ".txt":
        place.write_text(f"{found}\n", encoding="utf-8")
    else:
        kinds = ".txt or .tex" if isinstance(found, Derivation) else ".txt"
        raise UsageError(f"--out {place}: this example is written to {kinds}.")
    say(console(stderr=True), f"Written to {place}")
    return DONE


def _depth(ledger: Ledger, given: Mapping[str, Any]) -> int:
    """Norms over depth: a table, or a picture."""
    found = ledger.depth()
    if given["out"] is None:
        sys.stdout.write(f"{found}\n")
        return DONE
    check_place(Path(given["out"]), "with --depth, --out")
    save(found.picture(), given["out"])
    say(console(stderr=True), f"Written to {given['out']}")
    return DONE


def _print(ledger: Ledger) -> None:
    from rich.text import Text

    to = console()
    for line in pieces(ledger, max(to.width, 60)):
        to.print(Text.assemble(*((words, STYLES[kind]) for words, kind in line)), soft_wrap=True)


def _step(word: str) -> int | str:
    return word if word == "next" else _whole("step", word)


def _whole(option: str, word: str, least: int = 1) -> int:
    if not word.strip().isdecimal() or int(word) < least:
        raise UsageError(f"--{option} must be a whole number of at least {least}, not {word}.")
    return int(word)
