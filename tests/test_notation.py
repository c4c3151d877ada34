"""Formulas as trees: put together, taken apart, worked out."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.ledger.writing import Digits, Latex, MathML, Text
from chainrule.notation import (
    Call,
    Expression,
    Name,
    Negative,
    Number,
    Product,
    Rest,
    Sum,
    abridged,
    add,
    divide,
    evaluate,
    multiply,
    names,
    negative,
    parse,
    power,
    size,
    subtract,
)

A, B, C = (Name(n, value=v) for n, v in (("a", 2.0), ("b", -0.5), ("c", 3.0)))


def text(x: Expression) -> str:
    return Text().symbols(x)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a + b - c", "a + b − c"),
        ("a - (b - c)", "a − (b − c)"),
        ("-(a - b)", "b − a"),
        ("-(a - b) * c", "(b − a) · c"),
        ("2 * 0.5 * a", "a"),
        ("0.5 * (a / c)", "a / (2 · c)"),
        ("a * (b / c)", "a · b / c"),
        ("a ** 2 * b", "a² · b"),
        ("(a + b) ** 2", "(a + b)²"),
        ("a ** b", "a^b"),
        ("1 - a", "1 − a"),
        ("a - 1", "a − 1"),
        ("a * (1 - a)", "a · (1 − a)"),
        ("sigmoid(a) * log(b)", "σ(a) · ln(b)"),
        ("abs(a - b)", "|a − b|"),
        ("max(a, 0)", "max(a, 0)"),
        ("a > 0", "[a > 0]"),
        ("b if a > 0 else c", "b if a > 0 else c"),
        ("a / sqrt(b + 0.001)", "a / √(b + 0.001)"),
        ("0 * a + b", "b"),
        ("-a * -b", "a · b"),
    ],
)
def test_formulas_are_simplified_as_anyone_would_at_sight(written: str, shown: str) -> None:
    assert text(parse(written, A, B, C)) == shown


EXPRESSIONS = st.recursive(
    st.sampled_from([A, B, C, Number(0.0), Number(1.0), Number(-2.0), Number(0.5)]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: add(*p)),
        st.tuples(inner, inner).map(lambda p: subtract(*p)),
        st.tuples(inner, inner).map(lambda p: multiply(*p)),
        st.tuples(inner, st.sampled_from([A, B, C])).map(lambda p: divide(*p)),
        inner.map(negative),
        inner.map(lambda x: power(x, Number(2.0))),
    ),
    max_leaves=12,
)


@given(EXPRESSIONS, EXPRESSIONS)
def test_simplifying_changes_no_value(x: Expression, y: Expression) -> None:
    a, b = evaluate(x), evaluate(y)
    close = {"rel": 1e-9, "abs": 1e-9}
    assert evaluate(add(x, y)) == pytest.approx(a + b, **close)
    assert evaluate(subtract(x, y)) == pytest.approx(a - b, **close)
    assert evaluate(multiply(x, y)) == pytest.approx(a * b, **close)
    assert evaluate(negative(x)) == pytest.approx(-a, **close)


@given(EXPRESSIONS)
def test_what_is_written_reads_back_as_the_same_number(x: Expression) -> None:
    """With the numbers put in, Python must agree with the tree: no parenthesis is missing."""
    written = Text(Digits(17)).numbers(x)
    for shown, python in (("−", "-"), ("·", "*"), ("²", "**2"), ("^", "**")):
        written = written.replace(shown, python)
    if "10" in written and any(c in written for c in "⁰¹³⁴⁵⁶⁷⁸⁹⁻"):
        return  # powers of ten
    assert eval(written) == pytest.approx(evaluate(x), rel=1e-9, abs=1e-12)


@given(EXPRESSIONS)
def test_every_face_writes_every_formula(x: Expression) -> None:
    for face in (Latex(), MathML()):
        for written in (face.symbols(x), face.numbers(x)):
            assert written.count("{") == written.count("}")
            assert written.count("<mrow>") == written.count("</mrow>")
            assert written.count(r"\left") == written.count(r"\right")


def test_a_long_sum_is_abridged_to_its_largest_terms_and_keeps_its_value() -> None:
    terms = [multiply(Name("x", lower=str(i), value=float(i)), A) for i in range(20)]
    found = abridged(add(*terms), 5)
    assert isinstance(found, Sum)
    assert [t for t in found.terms if isinstance(t, Rest)] == [Rest(16, 240.0)]
    assert evaluate(found) == sum(2.0 * i for i in range(20))
    again = abridged(found, 3)
    assert evaluate(again) == evaluate(found)
    assert "(18 more: " in text(again)


def test_names_and_sizes() -> None:
    x = parse("a * (b + a) - max(c, 0)", A, B, C)
    assert [n.base for n in names(x)] == ["a", "b", "a", "c"]
    assert size(x) == 5
    assert Name("a", value=9.0) == A  # the number is not part of the name
    assert Name("a", gradient="L") != A


def test_what_cannot_be_worked_out_is_nan() -> None:
    assert math.isnan(evaluate(Name("x")))
    assert math.isnan(evaluate(Call("mask", (A,))))
    assert math.isnan(evaluate(parse("log(a)", Number(-1.0))))
    assert evaluate(parse("exp(a)", Number(1e4))) == math.inf


@pytest.mark.parametrize(
    ("value", "digits", "decimal", "shown"),
    [
        (0.0423935, 6, ".", "0.0423935"),
        (0.0423935, 3, ",", "0,0424"),
        (-1.5, 6, ".", "−1.5"),
        (-0.0, 6, ".", "0"),
        (4.6e-15, 2, ".", "4.6·10⁻¹⁵"),
        (784000.0, 3, ".", "784000"),
        (1e300, 3, ".", "1·10³⁰⁰"),
        (math.nan, 3, ".", "NaN"),
        (-math.inf, 3, ".", "−∞"),
    ],
)
def test_numbers(value: float, digits: int, decimal: str, shown: str) -> None:
    assert Digits(digits, decimal).plain(value) == shown


def test_a_negative_number_is_put_in_parentheses_where_it_must_be() -> None:
    face = Text()
    assert face.numbers(multiply(A, B)) == "2 · (−0.5)"
    assert face.numbers(add(A, B)) == "2 + (−0.5)"
    assert face.numbers(power(B, Number(2.0))) == "(−0.5)²"
    assert face.numbers(Negative(B)) == "−(−0.5)"
    assert face.numbers(Product((A, Name("t", value=1e-9)))) == "2 · 1·10⁻⁹"


def test_names_in_three_notations() -> None:
    w = Name("W", "1", "2→0", "L")
    assert Text().name(w) == "∂L/∂W¹[2→0]"
    assert Latex().name(w) == r"\frac{\partial L}{\partial W^{(1)}_{2\to 0}}"
    assert MathML().name(w) == (
        "<mfrac><mrow><mo>∂</mo><mi>L</mi></mrow><mrow><mo>∂</mo><msubsup><mi>W</mi>"
        "<mtext>2→0</mtext><mtext>(1)</mtext></msubsup></mrow></mfrac>"
    )
    assert Latex().name(Name("moving_mean", "2", "0")) == r"moving\_mean^{(2)}_{0}"


def test_an_expression_that_is_no_formula_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be part of a formula"):
        parse("a[0]", A)
