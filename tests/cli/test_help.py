from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from chainrule import activations, losses, optimizers, schedules
from chainrule.engines.program import PRECISIONS
from chainrule.experiment.building import NAMED
from chainrule.experiment.settings import Settings

Command = Callable[..., Any]
OPTIONS = {
    "train": {
        *("--target", "--task", "--hidden", "--activation", "--loss", "--optimizer"),
        *("--learning-rate", "--schedule", "--batch-size", "--epochs", "--patience", "--dropout"),
        *("--l2", "--batch-norm", "--validation", "--test", "--test-file", "--split-column"),
        *("--seed", "--engine", "--precision", "--threads", "--out", "--json", "--quiet"),
        *("--test-fold", "--group-column", "--time-column", "--class-weight", "--log-target"),
        *("--label-smoothing", "--drop", "--data-dir"),
    },
    "evaluate": {"--data-dir", "--json"},
    "predict": {"--data-dir", "--out"},
    "show": {"--plot", "--plan", "--json"},
    "data": {"--target", "--data-dir", "--json"},
    "compare": {
        *("--target", "--task", "--drop", "--log-target", "--data-dir", "--splits", "--test"),
        *("--validation", "--metric", "--hidden", "--activation", "--batch-norm", "--dropout"),
        *("--l2", "--optimizer", "--learning-rate", "--batch-size", "--epochs", "--patience"),
        *("--seed", "--threads", "--plot", "--json", "--quiet"),
    },
    "explain": {
        *("--row", "--source", "--data-dir", "--example", "--network", "--step", "--layer"),
        *("--unit", "--path", "--most", "--depth", "--digits", "--decimal", "--as-on-paper"),
        *("--descent", "--by-unit", "--out", "--steps"),
    },
    "exercise": {"--kind", "--layers", "--seed", "--friendly", "--out"},
    "check": {"--json"},
    "descend": {
        *("--start", "--learning-rate", "--optimizer", "--momentum", "--max-steps"),
        *("--tolerance", "--gradient-tolerance", "--plot", "--json"),
    },
}


def options_in(text: str) -> set[str]:
    return set(re.findall(r"^  (?:-h, )?(--[\w-]+)", text, flags=re.MULTILINE)) - {"--help"}


@pytest.mark.parametrize("command", OPTIONS)
def test_help_shows_every_option_in_eighty_columns(chainrule: Command, command: str) -> None:
    said = chainrule(command, "--help")
    assert (said.code, said.err) == (0, "")
    assert options_in(said.out) == OPTIONS[command]
    assert max(map(len, said.out.splitlines())) <= 80
    assert re.match(rf"Usage: chainrule {command} \[OPTIONS\]\s", said.out)


def test_help_shows_the_defaults(chainrule: Command) -> None:
    text = " ".join(chainrule("train", "--help").out.split())
    for option, default in {
        "--hidden": "128,64",
        "--activation": "relu",
        "--loss": "auto",
        "--optimizer": "adam",
        "--learning-rate": "0.001",
        "--schedule": "constant",
        "--batch-size": "32",
        "--epochs": "100",
        "--patience": "10",
        "--dropout": "0",
        "--l2": "0",
        "--validation": "0.1",
        "--test": "0.2",
        "--seed": "0",
        "--precision": "float32",
        "--out": "runs/SOURCE-NUMBER",
    }.items():
        words = re.search(rf"{option} [A-Zλ][^-]*\[default: ([^\]]+)\]", text)
        assert words is not None, option
        assert words[1] == default


def test_options_stand_under_headings(chainrule: Command) -> None:
    headings = re.findall(r"^(\w[\w -]+):$", chainrule("train", "--help").out, flags=re.MULTILINE)
    assert headings == ["Arguments", "Data", "Held-out rows", "Network", "Learning", "Running"]


def names_after(text: str, option: str) -> list[str]:
    words = re.search(rf"{option} NAME (.*?)\[default", text)
    assert words is not None
    listed = words[1].split(":")[-1].replace(" or ", ", ").strip(" .")
    return [name.strip() for name in listed.split(",") if name.strip() not in ("", "…", "auto")]


def test_every_name_that_help_shows_is_known(chainrule: Command) -> None:
    text = " ".join(chainrule("train", "--help").out.split())
    for option, known in {
        "--activation": activations.FAMILY.names(),
        "--loss": losses.FAMILY.names(),
        "--optimizer": [*optimizers.FAMILY.names(), *NAMED],
        "--schedule": schedules.FAMILY.names(),
        "--precision": PRECISIONS,
    }.items():
        shown = names_after(text, option)
        assert len(shown) >= 2
        assert set(shown) <= set(known)


def test_the_command_alone_shows_the_commands(chainrule: Command) -> None:
    bare, asked = chainrule(), chainrule("--help")
    assert (asked.code, asked.err) == (0, "")
    assert bare.out + bare.err == asked.out
    for command in OPTIONS:
        assert re.search(rf"^  {command}  +[A-Z][^…]*[a-z]\.$", asked.out, flags=re.MULTILINE)


def test_the_version_is_the_packages(chainrule: Command) -> None:
    version = importlib.metadata.version("chainrule")
    assert chainrule("--version").out == f"chainrule {version}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"]])
def test_help_loads_no_heavy_library(arguments: list[str]) -> None:
    code = f"""
import sys
from chainrule.cli.main import run_command
assert run_command({arguments}) == 0
print(*(name for name in {HEAVY} if name in sys.modules), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: chainrule" in done.stdout
    assert done.stderr.split() == []


HEAVY = ["sklearn", "polars", "matplotlib", "scipy", "numpy", "rich", "narwhals", "safetensors"]


def test_the_defaults_are_those_of_the_contract() -> None:
    found = Settings("data")
    assert (found.hidden, found.dropout, found.l2) == ((128, 64), 0, 0)
    assert (found.learning_rate, found.batch_size, found.epochs) == (1e-3, 32, 100)
    assert (found.patience, found.validation, found.test, found.seed) == (10, 0.1, 0.2, 0)
