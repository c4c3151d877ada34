from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.report import Predictions, write_report

VOID = {"meta", "link", "img", "br", "hr"}


class Page(HTMLParser):
    """A parsed page: its text, its elements, and whether every element was closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def ids(self) -> list[str]:
        return [attributes["id"] or "" for _, attributes in self.elements if "id" in attributes]

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


Write = Callable[..., Page]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a report, read it back and parse it."""

    def written(
        result: dict[str, Any], history: dict[str, list[Any]], predictions: Predictions
    ) -> Page:
        path = tmp_path / "report.html"
        write_report(path, result, history, predictions)
        assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
        return Page(path.read_text(encoding="utf-8"))

    return written


@pytest.fixture
def flowers() -> tuple[dict[str, Any], dict[str, list[float]], Predictions]:
    """A full result of a small classification: 60 test rows, 3 classes, 5 mistakes."""
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2], 20)
    predicted = targets.copy()
    predicted[[0, 21, 22, 23, 59]] = [1, 2, 2, 2, 0]
    shares = rng.dirichlet(np.ones(3), 60) * 0.3
    shares[np.arange(60), predicted] += 0.7
    counts = [[19, 1, 0], [0, 17, 3], [1, 0, 19]]
    classes = ("setosa", "versicolor", "virginica")
    result: dict[str, Any] = {
        "source": "flowers.csv",
        "task": "classification",
        "target": "species",
        "classes": list(classes),
        "rows": {"train": 12345, "validation": 678, "test": 60},
        "held_out": "20% of the rows were drawn at random",
        "validation_held_out": "5% of the training rows, stratified by class",
        "train": {"accuracy": 0.9512, "log_loss": 0.1},
        "validation": {"accuracy": 0.9321, "log_loss": 0.2},
        "test": {"accuracy": 55 / 60, "log_loss": 0.2345678, "roc_auc": None},
        "baseline": {"name": "always 'setosa'", "test": {"accuracy": 1 / 3, "log_loss": 1.0986}},
        "per_class": [
            {"class": name, "precision": 0.95, "recall": 0.875, "f1": 0.911, "support": 20}
            for name in classes
        ],
        "confusion": counts,
        "epochs": 4,
        "best_epoch": 3,
        "stopped_because": "the validation loss no longer fell",
        "seconds": 12.34,
        "run": "runs/flowers-1",
        "seed": 7,
        "settings": {"hidden": [128, 64], "learning_rate": 0.001, "dropout": None},
        "network": [
            {"layer": "dense (Dense)", "output_shape": "(batch, 128)", "parameters": 640},
            {"layer": "output (Dense)", "output_shape": "(batch, 3)", "parameters": 387},
        ],
        "parameters": 1027,
        "columns": [
            {"name": "petal", "kind": "number", "missing": 0, "unique": 43, "note": ""},
            {"name": "id", "kind": "number", "missing": 130, "unique": 150, "note": "dropped"},
        ],
        "notes": ["column 'id' was dropped"],
        "versions": {"chainrule": "0.1.0"},
        "command": "chainrule train flowers.csv --target species",
    }
    history = {
        "epoch": [1.0, 2.0, 3.0, 4.0],
        "loss": [1.0, 0.5, 0.3, 0.2],
        "val_loss": [1.1, 0.6, 0.4, 0.45],
        "accuracy": [0.5, 0.8, 0.95, 0.96],
        "val_accuracy": [0.5, 0.8, 0.93, 0.93],
        "learning_rate": [0.001] * 4,
        "seconds": [1.0] * 4,
    }
    return result, history, Predictions("classification", targets, predicted, shares, classes)
