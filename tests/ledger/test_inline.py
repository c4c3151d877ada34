"""Networks written down in a file: what they become, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.ledger import inline
from chainrule.ledger.examples import EXAMPLES, KOEHN, example
from chainrule.ledger.writing import Text

GOOD = """
input = [1.0, 2.0]
target = [0.5]
learning_rate = 0.1

[[layer]]
weights = [[0.5, -1.0], [0.25, 0.5]]
bias = [0.0, 1.0]
activation = "tanh"

[[layer]]
weights = [[1.0], [2.0]]
"""


def test_a_network_in_a_file_computes_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / "net.toml"
    file.write_text(GOOD, encoding="utf-8")
    ledger = inline.read(str(file)).ledger()
    hidden = np.tanh([0.5 + 0.5, -1.0 + 1.0 + 1.0])
    np.testing.assert_allclose(ledger.array("a1")[0], hidden)
    assert ledger.loss == pytest.approx(0.5 * (0.5 - (hidden[0] + 2 * hidden[1])) ** 2)


def test_weights_may_be_given_unit_by_unit() -> None:
    by_unit = GOOD.replace("[[0.5, -1.0], [0.25, 0.5]]", "[[0.5, 0.25], [-1.0, 0.5]]")
    by_unit = by_unit.replace("[[1.0], [2.0]]", "[[1.0, 2.0]]")
    ledger = inline.parse('weights_of = "units"\n' + by_unit).ledger()
    assert ledger.loss == inline.parse(GOOD).ledger().loss


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("[1.0, 2.0]", "[1.0, 2.0", 3, "is not TOML"),
        ("bias = [0.0, 1.0]", "bias = [0.0]", 8, "1 biases for 2 unit"),
        ('"tanh"', '"tahn"', 9, "did you mean 'tanh'"),
        ("[[1.0], [2.0]]", "[[1.0]]", 12, "layer 2 takes 2 number"),
        ("[[1.0], [2.0]]", '[["a"], [2.0]]', 12, "must be numbers"),
        ("learning_rate = 0.1", "learning_rat = 0.1", 4, "did you mean 'learning_rate'"),
        ("learning_rate = 0.1", "learning_rate = -1", 4, "learning_rate"),
        ("target = [0.5]", "target = [0.5, 1.0]", 3, "the last layer has 1 unit"),
        ("target = [0.5]", "target = [[0.5], [1.0]]", 3, "2 target rows for 1 input"),
        ("target = [0.5]", 'target = [0.5]\nnames = ["a", "a"]', 4, "2 different ones"),
        ("weights = [[1.0], [2.0]]", "bias = [1.0]", 11, "has no weights"),
        ("target = [0.5]", 'target = [0.5]\nloss = "msee"', 4, "Unknown loss 'msee'"),
    ],
)
def test_a_mistake_is_named_with_its_line(old: str, new: str, line: int, words: str) -> None:
    assert old in GOOD
    with pytest.raises(cr.DataError, match=words) as raised:
        inline.parse(GOOD.replace(old, new), "net.toml")
    assert f"line {line}" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_can_be_shown(name: str) -> None:
    assert len(str(example(name)).splitlines()) > 10


def test_the_example_of_deck_000_comes_out_exactly_and_as_on_paper() -> None:
    ledger = inline.parse(KOEHN).ledger().shown(descent=True)
    paper = ledger.as_on_paper()
    printed = {
        "a[D]": "0.9", "a[E]": "0.17", "z[G]": "1.166", "y[G]": "0.76", "σ′[G]": "0.181",
        "δ[G]": "0.0434", "ΔW[D→G]": "0.391", "ΔW[E→G]": "0.074", "Δb[G]": "0.434",
        "W′[E→G]": "−5.126",
    }  # fmt: skip
    face = Text()
    assert {name: face.value(paper.line(name).value) for name in printed} == printed
    assert ledger.line("δ[G]").value == pytest.approx(0.0423935, abs=1e-7)
    slope = paper.line("σ′[G]").formula
    assert slope is not None
    assert face.numbers(slope) == "σ(1.166) · (1 − σ(1.166))"


def test_the_perceptron_example_makes_its_last_epoch_without_mistakes() -> None:
    words = str(example("perceptron"))
    assert "x = (0, 2), y = +1: n = 2 · 2 + 0 = 4, right" in words
    assert "mistaken" not in words.split("Epoch")[-1]


def test_the_jacobians_of_deck_003() -> None:
    words = str(example("jacobians"))
    assert "[   1     0    −1     0     0     0     1     0]" in words
    assert "[   0     0     0     1     0    −1     0     1]" in words
