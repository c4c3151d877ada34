"""What `exercise` and `check` do."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule import storage
from chainrule.cli.exits import DONE
from chainrule.cli.printing import console, say, visible
from chainrule.errors import UsageError
from chainrule.exercises import check, exercise
from chainrule.exercises.checking import Verdict, read_answers
from chainrule.exercises.writing import html, latex, markdown

WRONG_ANSWERS = 1


def carry_out(given: Mapping[str, Any]) -> int:
    """Make a worksheet and its key."""
    seed = given["seed"]
    if not seed.strip().isdecimal():
        raise UsageError(f"--seed must be a whole number of at least 0, not {seed}.")
    made = exercise(given["kind"], given["layers"], int(seed), friendly=given["friendly"])
    folder = Path(given["out"] or "exercise-" + made.head.replace(" seed", "").replace(" ", "-"))
    if folder.suffix in (".md", ".html", ".tex", ".csv"):
        raise UsageError(
            f"--out {folder} looks like a file, but an exercise is a folder of them: give its name "
            f"without {folder.suffix}."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"--out {folder} is there already: choose another folder, nothing is overwritten."
        )
    folder.mkdir(parents=True, exist_ok=True)
    ledger = made.ledger
    files = {
        "worksheet.md": markdown(made),
        "worksheet.html": html(made),
        "worksheet.tex": latex(made),
        "answers.csv": made.answers(),
        "key.md": ledger.markdown(),
        "key.html": ledger.html(),
        "key.tex": ledger.latex(),
    }
    for name, text in files.items():
        storage.write_bytes(folder / name, text.encode())
    say(
        console(),
        f"{folder}: worksheet and key as .md, .html and .tex, and answers.csv to fill in.",
    )
    return DONE


def check_answers(path: str, *, as_json: bool) -> int:
    """Hold a student's numbers against the key; the exit code is 1 where something is wrong or missing."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise UsageError(f"{path} cannot be read ({reason}).") from error
    made, answers = read_answers(text, path)
    verdict = check(made, answers)
    if as_json:
        sys.stdout.write(json.dumps(_document(verdict), indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(visible_lines(verdict.text()) + "\n")
    return DONE if verdict.passed else WRONG_ANSWERS


def visible_lines(text: str) -> str:
    """Text whose control characters cannot act, line by line."""
    return "\n".join(map(visible, text.split("\n")))


def _document(verdict: Verdict) -> dict[str, Any]:
    wrong = verdict.first_wrong
    return {
        "exercise": verdict.exercise.head,
        "passed": verdict.passed,
        "right": sum(a.right for a in verdict.answers),
        "follows": sum(a.follows and not a.right for a in verdict.answers),
        "missing": list(verdict.missing),
        "first_wrong": None
        if wrong is None
        else {"name": wrong.name, "given": wrong.given, "expected": wrong.carried},
        "mistakes": [{"id": m.id, "words": m.words} for m in verdict.fits],
    }
