"""Like terms and factors of a formula taken together: r · s · r + r · r · s is 2 · r² · s."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.notation import (
    Expression,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    add,
    divide,
    multiply,
    negative,
    power,
)

Monomial = tuple[tuple[Expression, int], ...]
Polynomial = dict[Monomial, float]

MOST_TERMS = 24


def collected(x: Expression) -> Expression:
    """The same, as a sum of products without like terms; unchanged where that would be long."""
    found = _polynomial(x)
    return x if found is None else _expression(found)


def _polynomial(x: Expression) -> Polynomial | None:
    match x:
        case Number(value):
            return {(): value} if value else {}
        case Negative(inner):
            part = _polynomial(inner)
            return None if part is None else {m: -c for m, c in part.items()}
        case Sum(terms):
            total: Polynomial = {}
            for term in terms:
                part = _polynomial(term)
                if part is None:
                    return None
                for monomial, coefficient in part.items():
                    total[monomial] = total.get(monomial, 0.0) + coefficient
            return _short({m: c for m, c in total.items() if c})
        case Product(factors):
            return _product([_polynomial(factor) for factor in factors])
        case Quotient(top, bottom):
            below = _polynomial(bottom)
            if below is None or len(below) != 1:
                return None
            ((monomial, coefficient),) = below.items()
            inverse = {tuple((atom, -n) for atom, n in monomial): 1 / coefficient}
            return _product([_polynomial(top), inverse])
        case Power(base, Number(exponent)) if exponent == int(exponent) and 0 <= exponent <= 4:
            return _product([_polynomial(base)] * int(exponent))
        case _:
            return {((x, 1),): 1.0}


def _product(parts: list[Polynomial | None]) -> Polynomial | None:
    found: Polynomial | None = {(): 1.0}
    for part in parts:
        if part is None or found is None:
            return None
        grown: Polynomial = {}
        for left, a in found.items():
            for right, b in part.items():
                monomial = _times(left, right)
                grown[monomial] = grown.get(monomial, 0.0) + a * b
        found = _short({m: c for m, c in grown.items() if c})
    return found


def _times(left: Monomial, right: Monomial) -> Monomial:
    powers: dict[Expression, int] = {}
    for atom, n in (*left, *right):
        powers[atom] = powers.get(atom, 0) + n
    return tuple(sorted(((a, n) for a, n in powers.items() if n), key=lambda p: repr(p[0])))


def _short(found: Polynomial) -> Polynomial | None:
    return found if len(found) <= MOST_TERMS else None


def _expression(found: Mapping[Monomial, float]) -> Expression:
    terms: list[Expression] = []
    for monomial, coefficient in found.items():
        above = [power(atom, Number(float(n))) for atom, n in monomial if n > 0]
        below = [power(atom, Number(float(-n))) for atom, n in monomial if n < 0]
        term = multiply(Number(abs(coefficient)), *above)
        if below:
            term = divide(term, multiply(*below))
        terms.append(negative(term) if coefficient < 0 else term)
    terms.sort(key=lambda t: isinstance(t, Negative))
    return add(*terms) if terms else Number(0.0)
