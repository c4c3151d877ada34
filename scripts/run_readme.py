"""Runs what a page of documentation tells its reader to type, so that it cannot go stale.

`run_readme.py python PAGE...` runs the python blocks of each page: those of one page one after the
other in one process, as a reader would, in an empty folder. A block preceded by a line
`<!-- not run: WHY -->` is left out. `run_readme.py commands PAGE` prints the lines of the page's
shell blocks that begin with `pip install`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

FENCE = re.compile(
    r"^(?P<skip><!-- not run: .+ -->\n+)?```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^```", re.M | re.S
)
SHELL = ("bash", "sh", "shell", "console")


class Block(NamedTuple):
    """A fenced block of a page: its language, first line of code and text."""

    language: str
    line: int
    code: str


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, without those marked as not run."""
    return [
        Block(found["language"], page.count("\n", 0, found.start("code")) + 1, found["code"])
        for found in FENCE.finditer(page)
        if not found["skip"]
    ]


def commands(page: str) -> list[str]:
    """The `pip install ...` lines of a page's shell blocks."""
    lines = [
        line for block in blocks(page) if block.language in SHELL for line in block.code.split("\n")
    ]
    lines = [line.removeprefix("$ ").strip() for line in lines]
    return [line for line in lines if line.startswith("pip install")]


def run_python(path: Path) -> bool:
    """Run a page's python blocks; whether all went well."""
    parts = [
        block for block in blocks(path.read_text(encoding="utf-8")) if block.language == "python"
    ]
    # Blank lines keep the page's line numbers in tracebacks.
    script = ""
    for block in parts:
        script += "\n" * (block.line - 1 - script.count("\n")) + block.code
    runner = (
        "import sys; exec(compile(sys.stdin.read(), sys.argv[1], 'exec'), {'__name__': '__main__'})"
    )
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", runner, str(path)]
        done = subprocess.run(command, input=script, text=True, cwd=folder, check=False)
    verdict = "ok" if done.returncode == 0 else f"FAILED (exit code {done.returncode})"
    seconds = time.perf_counter() - started
    print(f"{path}: {len(parts)} python blocks, {seconds:.1f} s: {verdict}", flush=True)
    return done.returncode == 0


def main(arguments: list[str]) -> int:
    """The exit code for the command line's arguments."""
    match arguments:
        case ["commands", page]:
            print(*commands(Path(page).read_text(encoding="utf-8")), sep="\n")
            return 0
        case ["python", _, *_]:
            verdicts = [run_python(Path(page)) for page in arguments[1:]]
            return 0 if all(verdicts) else 1
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
