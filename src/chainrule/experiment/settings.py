"""What can be chosen about an experiment; the defaults are the command line's."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule.errors import UsageError

TASKS = ("auto", "classification", "regression")
_TEST = 0.2


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
    test: float = _TEST
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

    @classmethod
    def from_words(cls, words: Mapping[str, Any]) -> Settings:
        """Settings as they were typed: text where a number is meant, None where nothing was said."""
        read: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            word = words.get(field.name)
            if word is not None:
                reader = _READERS.get(str(field.type))
                read[field.name] = reader(option(field.name), word) if reader else word
        return cls(**read)

    def __post_init__(self) -> None:
        fraction = "a number of at least 0 and below 1"
        whole = "a whole number of at least 1"
        ranges = {
            "task": (self.task in TASKS, ", ".join(TASKS[:-1]) + f" or {TASKS[-1]}"),
            "hidden": (all(w >= 1 for w in self.hidden), "widths of at least 1, such as 128,64"),
            "learning_rate": (0 < self.learning_rate < math.inf, "a number greater than 0"),
            "batch_size": (self.batch_size >= 1, whole),
            "epochs": (self.epochs >= 1, whole),
            "patience": (self.patience >= 1, whole),
            "dropout": (0 <= self.dropout < 1, fraction),
            "l2": (0 <= self.l2 < math.inf, "a number of at least 0"),
            "label_smoothing": (0 <= self.label_smoothing < 1, fraction),
            "class_weight": (self.class_weight in (None, "balanced"), "balanced, or left out"),
            "validation": (0 <= self.validation < 1, fraction),
            "test": (0 <= self.test < 1, fraction),
            "seed": (0 <= self.seed < 2**64, "a whole number from 0 to 2**64 - 1"),
            "threads": (self.threads is None or self.threads >= 1, whole),
        }
        for name, (holds, expected) in ranges.items():
            if not holds:
                given = shown(getattr(self, name))
                raise UsageError(f"{option(name)} must be {expected}, not {given}.")
        sayers = ["--test"] if self.test != _TEST else []
        sayers += [option(n) for n in ("test_file", "split_column") if getattr(self, n) is not None]
        if len(sayers) > 1:
            raise UsageError(
                f"{' and '.join(sayers)} contradict each other: each says which rows are the test."
            )
        if self.test_fold is not None and self.split_column is None:
            raise UsageError(
                "--test-fold needs --split-column, the column that holds the fold numbers."
            )
        if self.group_column is not None and self.time_column is not None:
            raise UsageError("--group-column and --time-column contradict each other: choose one.")

    def command(self) -> str:
        """The command that repeats this experiment."""
        words = ["chainrule", "train", shlex.quote(self.source)]
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in ("source", "out") or value == field.default:
                continue
            words.append(option(field.name))
            if value is not True:
                words.append(shlex.quote(shown(value)))
        return " ".join(words)

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON data."""
        found = dataclasses.asdict(self)
        return {**found, "out": None if self.out is None else str(self.out)}


def option(name: str) -> str:
    """The option of a setting: `--batch-size` for `batch_size`."""
    return "--" + name.replace("_", "-")


def shown(value: Any) -> str:
    """A setting as one would type it."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) and value == float(f"{value:g}") else str(value)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{name} must be a number, not {text!r}.") from None


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{name} must be a whole number, not {text!r}.") from None


def _widths(name: str, text: str) -> tuple[int, ...]:
    if text.strip().lower() in ("", "none", "0"):
        return ()
    try:
        return tuple(int(width) for width in text.split(","))
    except ValueError:
        raise UsageError(f"{name} takes widths such as 128,64 (or none), not {text!r}.") from None


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "float": _number,
    "int": _whole,
    "int | None": _whole,
    "tuple[int, ...]": _widths,
    "tuple[str, ...]": lambda _, text: tuple(filter(None, map(str.strip, text.split(",")))),
    "Path | None": lambda _, text: Path(text),
}
