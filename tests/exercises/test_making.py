"""Exercises: drawn from a seed, friendly where asked, and with the key of a real step."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.exercises import exercise
from chainrule.exercises.working import worked
from chainrule.exercises.writing import html, latex, markdown

TITLES = {
    "z": "z", "a": "a", "delta": "δ", "dL/dW": "∂L/∂W", "dL/db": "∂L/∂b", "W'": "W′", "b'": "b′",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["forward", "backprop", "batch"])
@pytest.mark.parametrize("widths", ["2-2-1", "3-2-2", "1-1-1", "2-3-2-1"])
def test_the_key_is_what_the_engine_computes(kind: str, widths: str) -> None:
    made = exercise(kind, widths, 5)
    ledger = made.ledger
    order = np.argsort(ledger.recording.rows)  # the step may take the rows in another order
    for (what, layer), numbers in made.key.items():
        if what == "L":
            assert ledger.loss == pytest.approx(float(numbers), rel=1e-12)
            continue
        base = "y" if what == "a" and layer == made.sheet.depth else TITLES[what]
        found = ledger.array(f"{base}{layer}")
        if what in ("z", "a", "delta"):
            found = found[order]
        np.testing.assert_allclose(found, numbers, rtol=1e-12, err_msg=f"{what} {layer}")


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    first, again, other = exercise(seed=7), exercise(seed=7), exercise(seed=8)
    assert first.answers() == again.answers()
    np.testing.assert_array_equal(first.sheet.weights[0], again.sheet.weights[0])
    assert any(
        not np.array_equal(a, b)
        for a, b in zip(first.sheet.weights, other.sheet.weights, strict=True)
    )


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["backprop", "batch"])
def test_friendly_numbers_have_at_most_four_decimals(kind: str, seed: int) -> None:
    made = exercise(kind, "2-2-1", seed, friendly=True)
    for numbers in worked(made.sheet)[0].values():
        np.testing.assert_allclose(numbers, np.round(numbers, 4), atol=1e-9)
        assert np.abs(numbers).max() <= 50


def test_worksheets_ask_for_every_answer_and_give_none_away() -> None:
    made = exercise("batch", "2-2-1", 1)
    count = len(made.names())
    assert markdown(made).count("______") == count
    assert latex(made).count(r"\underline") == count
    assert html(made).count("<input") == count
    assert made.answers().count("\n") == count + 2
    secret = f"{float(made.key['delta', 2][0, 0]):.4f}"
    assert all(secret not in written for written in (markdown(made), latex(made), html(made)))


@pytest.mark.parametrize("widths", ["2", "2-0-1", "a-b", "9-9-9", "1-1-1-1-1-1-1"])
def test_layers_that_make_no_exercise_get_a_sentence(widths: str) -> None:
    with pytest.raises(cr.UsageError, match="Layers"):
        exercise("backprop", widths)
