"""The chain rule on paper."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import ops
from chainrule.ledger.examples import xyz
from chainrule.ledger.writing import Text
from chainrule.notation import evaluate


def result(derivation: cr.Derivation) -> str:
    assert derivation.result.formula is not None
    return Text().symbols(derivation.result.formula)


def test_deck_001_s_example_sums_two_contributions_to_2_r_r_s() -> None:
    found = xyz()
    assert result(found) == "2 · r² · s"
    last = found.backward[-1]
    assert last.name.value == 24.0
    assert [user for user, _ in last.parts] == ["f", "y"]
    assert "2 uses, summed" in last.rule
    assert "2 · r² · s = 2 · 2² · 3 = 24" in str(found)


@pytest.mark.parametrize(
    ("function", "closed"),
    [
        (lambda x: x * x * x, "3 · x²"),
        (lambda x: ops.sin(x**2), "2 · cos(x²) · x"),
        (lambda x: ops.exp(-x), "−exp(−x)"),
        (lambda x: 1.0 / x, "−1 / x²"),
        (lambda x: ops.sigmoid(x), "σ(x) − σ(x)²"),
        (lambda x: (x - 1.0) * (x + 1.0), "2 · x"),
    ],
)
def test_closed_forms(function: Any, closed: str) -> None:
    assert result(cr.derive(function, "x")) == closed


@pytest.mark.parametrize("seed", range(5))
def test_every_line_worked_out_gives_its_number(seed: int) -> None:
    rng = np.random.default_rng(seed)
    at = {"a": float(rng.uniform(0.5, 2)), "b": float(rng.uniform(0.5, 2))}

    def f(a: Any, b: Any) -> Any:
        c = ops.tanh(a * b) + a / b
        return ops.log(1.0 + c * c) * b - ops.sqrt(a) * c

    for argnum, wrt in enumerate("ab"):
        found = cr.derive(f, wrt, at=at)
        for _, line in found.lines():
            if line.formula is not None and line.name.value is not None:
                assert evaluate(line.formula) == pytest.approx(line.name.value, rel=1e-9)
        assert found.backward[-1].name.value == pytest.approx(
            cr.grad(f, argnums=argnum)(at["a"], at["b"]), rel=1e-12
        )


def test_arrays_are_written_with_matrix_products() -> None:
    found = cr.derive(
        lambda w, x, t: ops.sum(0.5 * (t - ops.sigmoid(x @ w)) ** 2),
        "w",
        at={"w": [[1.0], [2.0]], "x": [[1.0, 2.0]], "t": [[1.0]]},
    )
    assert result(found).startswith("xᵀ ((σ(x w) − t) · σ(x w)")


def test_latex_and_mathml_hold_the_same_steps() -> None:
    found = cr.derive(lambda r, s: r * (r * s) * s, "s")
    assert r"\frac{\partial f}{\partial s} &= 2 \cdot {r}^{2} \cdot s" in found.latex()
    assert found.latex().count("{") == found.latex().count("}")
    assert "v_{1}" in found.latex()
    assert found.mathml().count("<math>") == found.mathml().count("</math>") > 5


def test_wrong_requests_get_a_sentence() -> None:
    with pytest.raises(cr.UnknownNameError, match="value to derive for 'q'"):
        cr.derive(lambda r: r * r, "q")
    with pytest.raises(cr.UsageError, match="does not depend on s"):
        cr.derive(lambda r, s: r * r, "s")
    with pytest.raises(cr.ShapeError, match="single number"):
        cr.derive(lambda r: r * 2.0, "r", at={"r": [1.0, 2.0]})
    with pytest.raises(cr.UsageError, match="function or a value"):
        cr.derive(3, "r")
