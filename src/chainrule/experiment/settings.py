"""What can be chosen about an experiment; the defaults are the command line's."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule.errors import UsageError


@dataclass(frozen=True)
class Settings:
    """The settings of `chainrule train`, under the names of its options."""

    source: str
    target: str | None = None
    task: str = "auto"
    hidden: tuple[int, ...] = (128, 64)
    activation: str = "relu"
    loss: str = "auto"
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "constant"
    batch_size: int = 32
    epochs: int = 100
    patience: int = 10
    dropout: float = 0.0
    l2: float = 0.0
    batch_norm: bool = False
    label_smoothing: float = 0.0
    class_weight: str | None = None
    log_target: bool = False
    drop: tuple[str, ...] = ()
    validation: float = 0.1
    test: float = 0.2
    test_file: str | None = None
    split_column: str | None = None
    test_fold: str | None = None
    group_column: str | None = None
    time_column: str | None = None
    seed: int = 0
    engine: str = "auto"
    precision: str = "float32"
    threads: int | None = None
    data_dir: str | None = None
    out: Path | None = None

    def __post_init__(self) -> None:
        ranges = {
            "task": (
                self.task in ("auto", "classification", "regression"),
                "auto, classification or regression",
            ),
            "hidden": (all(w >= 1 for w in self.hidden), "widths of at least 1, such as 128,64"),
            "learning-rate": (self.learning_rate > 0, "greater than 0"),
            "batch-size": (self.batch_size >= 1, "at least 1"),
            "epochs": (self.epochs >= 1, "at least 1"),
            "patience": (self.patience >= 1, "at least 1"),
            "dropout": (0 <= self.dropout < 1, "from 0 to below 1"),
            "l2": (self.l2 >= 0, "at least 0"),
            "label-smoothing": (0 <= self.label_smoothing < 1, "from 0 to below 1"),
            "class-weight": (self.class_weight in (None, "balanced"), "balanced, or left out"),
        }
        for name, (holds, expected) in ranges.items():
            if not holds:
                given = getattr(self, name.replace("-", "_"))
                raise UsageError(f"--{name} must be {expected}, not {_shown(given)}.")
        if self.test_file and self.split_column:
            raise UsageError(
                "Give --test-file or --split-column, not both: each says which rows are the test."
            )

    def command(self) -> str:
        """The command that repeats this experiment."""
        words = ["chainrule", "train", _quoted(self.source)]
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in ("source", "out") or value == field.default:
                continue
            words.append("--" + field.name.replace("_", "-"))
            if value is not True:
                words.append(_quoted(_shown(value)))
        return " ".join(words)

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON data."""
        found = dataclasses.asdict(self)
        return {**found, "out": None if self.out is None else str(self.out)}


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)
