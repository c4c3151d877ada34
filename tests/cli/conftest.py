from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from chainrule.cli.main import run_command

SMALL = ("--hidden", "8", "--epochs", "2")


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has a folder of its own to run in, and 80 columns to print in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def chainrule(capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Carry out a command line in this process."""

    def said(*arguments: str) -> Said:
        capfd.readouterr()
        code = run_command(arguments)
        found = capfd.readouterr()
        return Said(code, found.out, found.err)

    return said


@pytest.fixture
def table() -> pl.DataFrame:
    """Rows whose label follows from a column; names and labels look like markup."""
    rng = np.random.default_rng(1)
    size = rng.normal(size=90)
    return pl.DataFrame(
        {
            "size [mm]": size,
            "weight": [None if i % 9 == 0 else float(w) for i, w in enumerate(rng.normal(size=90))],
            "row_id": np.arange(90),
            "label": np.where(size > 0, "[bold]yes[/bold]", "<b>:smile:</b>"),
            "price": np.exp(size),
        }
    )


@pytest.fixture
def written(table: pl.DataFrame) -> str:
    """The table as a file."""
    table.write_csv("table.csv")
    return "table.csv"
