from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chainrule.experiment.running import Outcome, run
from chainrule.experiment.settings import Settings

ROWS = 120


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has a folder of its own to run in."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def table() -> pl.DataFrame:
    """Rows of every kind, whose label follows from two columns."""
    rng = np.random.default_rng(0)
    size, weight = rng.normal(size=(2, ROWS))
    colour = rng.choice(["red", "green", "blue"], ROWS)
    return pl.DataFrame(
        {
            "size": size,
            "weight": [None if i % 17 == 0 else float(w) for i, w in enumerate(weight)],
            "colour": colour,
            "day": pl.date_range(
                pl.date(2024, 1, 1), pl.date(2024, 1, 1) + pl.duration(days=ROWS - 1), eager=True
            ),
            "family": rng.integers(0, 15, ROWS),
            "fold": np.arange(ROWS) % 4,
            "part": np.where(np.arange(ROWS) % 5 == 0, "test", "train"),
            "label": np.where(size + (colour == "red") > 0.3, "yes", "no"),
            "price": np.exp(size) + 0.1,
        }
    )


@pytest.fixture
def written(table: pl.DataFrame) -> str:
    """The table as a file."""
    table.write_csv("table.csv")
    return "table.csv"


@pytest.fixture
def quick() -> Callable[..., Outcome]:
    """Run an experiment with a small network and few epochs, unless told otherwise."""

    def ran(source: str = "table.csv", **settings: Any) -> Outcome:
        small: dict[str, Any] = {"hidden": (8,), "epochs": 2}
        return run(Settings(source, **{**small, **settings}))

    return ran
