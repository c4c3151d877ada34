"""Koehn's worked example (deck 000, pages 15 to 18) through the ledger of a real step."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.ledger.writing import Text

X, T = [[1.0, 0.0]], [[1.0]]
UNITS = {"input_1": ["A", "B"], "dense": ["D", "E"], "dense_1": ["G"]}


def koehn() -> cr.Sequential:
    model = cr.Sequential(
        [cr.layers.Dense(2, activation="sigmoid"), cr.layers.Dense(1, activation="sigmoid")]
    )
    model.build((2,))
    model.set_weights([[[3.7, 2.9], [3.7, 2.9]], [-1.5, -4.5], [[4.5], [-5.2]], [-2.0]])
    model.compile(cr.optimizers.SGD(10.0), loss="half_squared_error", precision="float64")
    return model


@pytest.fixture(scope="module")
def ledger() -> cr.Ledger:
    return cr.explain(koehn(), X, T, units=UNITS).shown(descent=True)


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("a[D]", 0.900250),
        ("a[E]", 0.167982),
        ("y[G]", 0.764519),
        ("δ[G]", 0.0423935),
        ("δ[D]", 0.0171313),
        ("δ[E]", -0.0308104),
        ("ΔW[D→G]", 0.381647),
        ("ΔW[E→G]", 0.0712132),
        ("Δb[G]", 0.423935),
        ("ΔW[A→D]", 0.171313),
        ("ΔW[B→D]", 0.0),
        ("Δb[D]", 0.171313),
        ("ΔW[A→E]", -0.308104),
        ("ΔW[B→E]", 0.0),
        ("Δb[E]", -0.308104),
        ("y′[G]", 0.920225),
    ],
)
def test_the_exact_numbers(ledger: cr.Ledger, name: str, exact: float) -> None:
    assert ledger.line(name).value == pytest.approx(exact, abs=5e-7)


def test_a_change_is_written_as_on_the_slides(ledger: cr.Ledger) -> None:
    face, line = Text(), ledger.line("ΔW[D→G]")
    assert line.formula is not None
    assert face.symbols(line.formula) == "η · a[D] · δ[G]"
    assert face.numbers(line.formula) == "10 · 0.90025 · 0.0423935"
    line = ledger.line("δ[G]")
    assert line.formula is not None
    assert face.symbols(line.formula) == "(t[G] − y[G]) · σ′[G]"


def test_the_model_is_left_alone_and_then_does_what_the_ledger_said() -> None:
    model = koehn()
    ledger = cr.explain(model, X, T)
    weights = ["W′1", "b′1", "W′2", "b′2"]
    assert model.clock.steps == 0
    before = [a.copy() for a in model.get_weights()]
    np.testing.assert_array_equal(before[0], [[3.7, 2.9], [3.7, 2.9]])
    model.fit(X, T, verbose=0)
    for title, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(ledger.array(title), after, rtol=1e-15)
