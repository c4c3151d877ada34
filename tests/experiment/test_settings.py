from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from chainrule.errors import UsageError
from chainrule.experiment.settings import Settings


def test_nothing_said_gives_the_defaults() -> None:
    assert Settings.from_words({"source": "iris", "target": None, "threads": None}) == Settings(
        "iris"
    )


def test_words_become_what_the_settings_hold() -> None:
    found = Settings.from_words(
        {
            "source": "data.csv",
            "hidden": "32, 16",
            "epochs": "7",
            "learning_rate": "3e-4",
            "drop": "a, b,,c",
            "batch_norm": True,
            "threads": "2",
            "out": "some/where",
        }
    )
    assert found == Settings(
        "data.csv",
        hidden=(32, 16),
        epochs=7,
        learning_rate=3e-4,
        drop=("a", "b", "c"),
        batch_norm=True,
        threads=2,
        out=Path("some/where"),
    )


@pytest.mark.parametrize("word", ["none", "None", "0", ""])
def test_a_network_may_have_no_hidden_layer(word: str) -> None:
    assert Settings.from_words({"source": "iris", "hidden": word}).hidden == ()


@pytest.mark.parametrize(
    ("name", "word", "told"),
    [
        ("epochs", "0", "--epochs must be a whole number of at least 1, not 0"),
        ("epochs", "many", "--epochs must be a whole number, not 'many'"),
        ("epochs", "1.5", "--epochs must be a whole number, not '1.5'"),
        ("batch_size", "-2", "--batch-size must be a whole number of at least 1, not -2"),
        ("patience", "0", "--patience"),
        ("threads", "0", "--threads"),
        ("seed", "-1", "--seed must be a whole number from 0"),
        ("seed", str(2**64), "--seed"),
        ("dropout", "1.5", "--dropout must be a number of at least 0 and below 1, not 1.5"),
        ("dropout", "nan", "--dropout"),
        ("label_smoothing", "1", "--label-smoothing"),
        ("validation", "1", "--validation"),
        ("test", "-0.1", "--test must be a number of at least 0 and below 1, not -0.1"),
        ("learning_rate", "0", "--learning-rate must be a number greater than 0"),
        ("learning_rate", "inf", "--learning-rate"),
        ("learning_rate", "fast", "--learning-rate must be a number, not 'fast'"),
        ("l2", "-1", "--l2 must be a number of at least 0"),
        ("hidden", "12,x", "--hidden takes widths such as 128,64 (or none), not '12,x'"),
        ("hidden", "12,-3", "--hidden must be widths of at least 1, such as 128,64, not 12,-3"),
        ("task", "guess", "--task must be auto, classification or regression, not guess"),
        ("class_weight", "heavy", "--class-weight must be balanced, or left out, not heavy"),
    ],
)
def test_a_bad_word_is_told_with_what_is_expected(name: str, word: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        Settings.from_words({"source": "iris", name: word})
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"test_file": "a.csv", "split_column": "s"}, ["--test-file", "--split-column"]),
        ({"test": 0.3, "test_file": "a.csv"}, ["--test ", "--test-file"]),
        ({"test": 0.3, "split_column": "s"}, ["--test ", "--split-column"]),
        ({"group_column": "g", "time_column": "t"}, ["--group-column", "--time-column"]),
        ({"test_fold": "3"}, ["--test-fold", "--split-column"]),
    ],
)
def test_settings_that_contradict_each_other_are_named(
    settings: dict[str, Any], named: list[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        Settings("data.csv", **settings)
    assert [name for name in named if name not in str(caught.value)] == []


def test_the_command_gives_the_same_settings_again() -> None:
    settings = Settings(
        "my data.csv",
        target="the label",
        hidden=(),
        learning_rate=0.00012345678901,
        batch_norm=True,
        drop=("a", "b c"),
        split_column="fold",
        test_fold="3",
        threads=2,
    )
    words = shlex.split(settings.command())
    assert words[:3] == ["chainrule", "train", "my data.csv"]
    read: dict[str, Any] = {"source": words[2]}
    rest = words[3:]
    while rest:
        name = rest.pop(0).removeprefix("--").replace("-", "_")
        read[name] = True if name == "batch_norm" else rest.pop(0)
    assert Settings.from_words(read) == settings


def test_the_shortest_command_says_the_source_alone() -> None:
    assert Settings("digits", out=Path("somewhere")).command() == "chainrule train digits"
