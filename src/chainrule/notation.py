"""Formulas as trees: built from Python expressions, worked out in numbers, written by a face.

A tree is made of names of single numbers (`Name`), which may hold the number they stand for, and of
literal numbers. `evaluate` works it out as a pocket calculator would; how it looks (text, LaTeX,
MathML; names or the numbers put in) is the business of `faces`.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias


@dataclass(frozen=True)
class Number:
    """A literal number."""

    value: float


@dataclass(frozen=True)
class Name:
    """The name of a number: z, of layer `upper`, element `lower`; `gradient` "L" makes it ∂L/∂z.

    `value` is the number it stands for, where that is known. Two names are the same if they are
    written the same.
    """

    base: str
    upper: str = ""
    lower: str = ""
    gradient: str = ""
    value: float | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Name) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells it from other names."""
        return self.base, self.upper, self.lower, self.gradient


@dataclass(frozen=True)
class Sum:
    """Terms added up; a negative one is a `Negative`."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True)
class Product:
    """Factors multiplied."""

    factors: tuple[Expression, ...]


@dataclass(frozen=True)
class Quotient:
    """A fraction."""

    top: Expression
    bottom: Expression


@dataclass(frozen=True)
class Power:
    """A base to an exponent."""

    base: Expression
    exponent: Expression


@dataclass(frozen=True)
class Negative:
    """Minus something."""

    inner: Expression


@dataclass(frozen=True)
class Call:
    """A function of some arguments, by its name in Python expressions: `exp`, `sigmoid`, `max` …"""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Comparison:
    """1 where the relation (`>`, `≥`, `=`) holds, else 0; written in brackets."""

    relation: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Choice:
    """One of two, by whether the condition is not 0."""

    condition: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True)
class Rest:
    """`count` further terms of a sum that are not written out; together they make `value`."""

    count: int
    value: float


Expression: TypeAlias = (
    Number | Name | Sum | Product | Quotient | Power | Negative | Call | Comparison | Choice | Rest
)

FUNCTIONS: dict[str, Callable[..., float]] = {
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x)),
    "tanh": math.tanh,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "sin": math.sin,
    "cos": math.cos,
    "erf": math.erf,
    "abs": abs,
    "max": max,
    "min": min,
    "sign": lambda x: float((x > 0) - (x < 0)),
}
"""What `evaluate` knows; other functions (a mask drawn, a matrix transposed) can only be written."""

_RELATIONS: dict[type[ast.cmpop], str] = {ast.Gt: ">", ast.GtE: "≥", ast.Eq: "="}


# --- putting together, with the arithmetic anyone would do at sight -------------------------------


def add(*terms: Expression) -> Expression:
    """The sum; sums within are taken apart and literal numbers added up."""
    found: list[Expression] = []
    total = 0.0
    for term in terms:
        for part in term.terms if isinstance(term, Sum) else (term,):
            if isinstance(part, Number):
                total += part.value
            else:
                found.append(part)
    if total or not found:
        # 1 − a, but a − 1: a number stands first only where all else is taken away
        first = all(isinstance(part, Negative) for part in found)
        found.insert(0 if first else len(found), number(total))
    return found[0] if len(found) == 1 else Sum(tuple(found))


def negative(x: Expression) -> Expression:
    """−x; −(a − b) is b − a."""
    if isinstance(x, Negative):
        return x.inner
    if isinstance(x, Number):
        return Number(-x.value)
    if isinstance(x, Product) and any(map(_can_turn, x.factors)):
        return multiply(Number(-1.0), x)
    if isinstance(x, Sum) and _can_turn(x):
        return add(*sorted(map(negative, x.terms), key=_is_negative))
    return Negative(x)


def subtract(a: Expression, b: Expression) -> Expression:
    """a − b."""
    return add(a, Negative(b) if isinstance(b, Sum) else negative(b))


def multiply(*factors: Expression) -> Expression:
    """The product: signs, literal numbers and fractions are taken together."""
    coefficient, above, below = _parts(factors)
    if coefficient == 0:
        return Number(0.0)
    if below and abs(coefficient) != 1 and (inverse := 1 / abs(coefficient)) == round(inverse):
        below.insert(0, Number(inverse))  # a / 2n rather than 0.5 a / n
        coefficient = math.copysign(1.0, coefficient)
    turned = next((i for i, x in enumerate(above) if _can_turn(x)), None)
    if coefficient < 0 and turned is not None:  # −(a − b) c is (b − a) c
        above[turned] = negative(above[turned])
        coefficient = -coefficient
    if abs(coefficient) != 1 or not above:
        above.insert(0, Number(abs(coefficient)))
    top = above[0] if len(above) == 1 else Product(tuple(above))
    whole: Expression = top
    if below:
        whole = Quotient(top, below[0] if len(below) == 1 else Product(tuple(below)))
    return negative(whole) if coefficient < 0 else whole


def divide(a: Expression, b: Expression) -> Expression:
    """a / b."""
    if isinstance(b, Number) and b.value and isinstance(a, Number):
        return Number(a.value / b.value)
    return multiply(a, Quotient(Number(1.0), b)) if b != Number(1.0) else a


def power(base: Expression, exponent: Expression) -> Expression:
    """base^exponent."""
    return base if exponent == Number(1.0) else Power(base, exponent)


def number(value: float) -> Number:
    """A literal number; −0 is 0."""
    return Number(float(value) + 0.0)


def _is_negative(x: Expression) -> bool:
    return isinstance(x, Negative) or (isinstance(x, Number) and x.value < 0)


def _can_turn(x: Expression) -> bool:
    """Whether a sum is a difference, so that its opposite is one too."""
    signs = set(map(_is_negative, x.terms)) if isinstance(x, Sum) else set()
    return len(signs) == 2


def _parts(
    factors: Sequence[Expression],
) -> tuple[float, list[Expression], list[Expression]]:
    """A product's literal number, and what else is multiplied and divided by."""
    coefficient = 1.0
    above: list[Expression] = []
    below: list[Expression] = []
    for factor in factors:
        match factor:
            case Number(value):
                coefficient *= value
            case Negative(inner):
                inner_coefficient, inner_above, inner_below = _parts([inner])
                coefficient *= -inner_coefficient
                above += inner_above
                below += inner_below
            case Product(inner_factors):
                inner_coefficient, inner_above, inner_below = _parts(inner_factors)
                coefficient *= inner_coefficient
                above += inner_above
                below += inner_below
            case Quotient(top, bottom):
                for part, own, other in ((top, above, below), (bottom, below, above)):
                    inner_coefficient, inner_above, inner_below = _parts([part])
                    if part is bottom:
                        coefficient /= inner_coefficient
                    else:
                        coefficient *= inner_coefficient
                    own += inner_above
                    other += inner_below
            case _:
                above.append(factor)
    return coefficient, above, below


# --- from Python expressions ----------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _tree(written: str) -> ast.expr:
    return ast.parse(written, mode="eval").body


def parse(written: str, *inputs: Expression) -> Expression:
    """The tree of a Python expression in which a, b, c, d … stand for the inputs.

    It may use + − * / **, comparisons, `… if … else …`, numbers and any function's name.
    """
    return _parsed(_tree(written), {chr(ord("a") + i): x for i, x in enumerate(inputs)})


def _parsed(node: ast.expr, names: Mapping[str, Expression]) -> Expression:
    match node:
        case ast.Name(name):
            return names[name] if name in names else Name(name)
        case ast.Constant(int() | float() as value):
            return Number(float(value))
        case ast.UnaryOp(ast.USub(), inner):
            return negative(_parsed(inner, names))
        case ast.BinOp(left, operation, right):
            a, b = _parsed(left, names), _parsed(right, names)
            match operation:
                case ast.Add():
                    return add(a, b)
                case ast.Sub():
                    return subtract(a, b)
                case ast.Mult():
                    return multiply(a, b)
                case ast.Div():
                    return divide(a, b)
                case ast.Pow():
                    return power(a, b)
                case ast.MatMult():
                    return Call("matmul", (a, b))
        case ast.Compare(left, [relation], [right]):
            return Comparison(
                _RELATIONS[type(relation)], _parsed(left, names), _parsed(right, names)
            )
        case ast.IfExp(condition, then, otherwise):
            return Choice(
                _parsed(condition, names), _parsed(then, names), _parsed(otherwise, names)
            )
        case ast.Call(ast.Name(function), arguments):
            return Call(function, tuple(_parsed(argument, names) for argument in arguments))
    raise ValueError(f"{ast.unparse(node)} cannot be part of a formula.")


# --- working out ----------------------------------------------------------------------------------


def evaluate(x: Expression) -> float:
    """The number a tree comes to; NaN where a name has no number, or nothing can be worked out."""
    try:
        return _evaluated(x)
    except OverflowError:
        return math.inf
    except (ValueError, ZeroDivisionError, KeyError):
        return math.nan


def _evaluated(x: Expression) -> float:
    match x:
        case Number(value) | Rest(_, value):
            return value
        case Name(value=value):
            return math.nan if value is None else value
        case Sum(terms):
            return math.fsum(map(_evaluated, terms))
        case Product(factors):
            return math.prod(map(_evaluated, factors))
        case Quotient(top, bottom):
            return _evaluated(top) / _evaluated(bottom)
        case Power(base, exponent):
            return math.pow(_evaluated(base), _evaluated(exponent))
        case Negative(inner):
            return -_evaluated(inner)
        case Call(function, arguments):
            return FUNCTIONS[function](*map(_evaluated, arguments))
        case Comparison(relation, left, right):
            a, b = _evaluated(left), _evaluated(right)
            return float({">": a > b, "≥": a >= b, "=": a == b}[relation])
        case Choice(condition, then, otherwise):
            return _evaluated(then if _evaluated(condition) else otherwise)


# --- looking into ---------------------------------------------------------------------------------


def children(x: Expression) -> tuple[Expression, ...]:
    """The trees a tree is made of."""
    match x:
        case Sum(parts) | Product(parts) | Call(_, parts):
            return parts
        case Quotient(a, b) | Power(a, b) | Comparison(_, a, b):
            return a, b
        case Negative(inner):
            return (inner,)
        case Choice(a, b, c):
            return a, b, c
        case _:
            return ()


def names(x: Expression) -> Iterator[Name]:
    """The names in a tree, from left to right."""
    if isinstance(x, Name):
        yield x
    for part in children(x):
        yield from names(part)


def size(x: Expression) -> int:
    """How many names and numbers a tree has."""
    parts = children(x)
    return sum(map(size, parts)) if parts else 1


def abridged(x: Expression, most: int) -> Expression:
    """The tree with at most `most` terms in every sum: the largest, and the rest taken together."""
    match x:
        case Sum(terms) if len(terms) > most:
            written = [term for term in terms if not isinstance(term, Rest)]
            left = [term for term in terms if isinstance(term, Rest)]
            worth = [evaluate(term) for term in written]
            kept = set(sorted(range(len(written)), key=lambda i: -abs(worth[i]))[: most - 1])
            count = len(written) - len(kept) + sum(rest.count for rest in left)
            value = math.fsum(w for i, w in enumerate(worth) if i not in kept)
            shown = [abridged(written[i], most) for i in sorted(kept)]
            return Sum((*shown, Rest(count, value + math.fsum(rest.value for rest in left))))
        case Sum(terms):
            return Sum(tuple(abridged(term, most) for term in terms))
        case Product(factors):
            return Product(tuple(abridged(factor, most) for factor in factors))
        case Quotient(a, b):
            return Quotient(abridged(a, most), abridged(b, most))
        case Power(a, b):
            return Power(abridged(a, most), abridged(b, most))
        case Negative(inner):
            return Negative(abridged(inner, most))
        case Call(function, arguments):
            shown = [abridged(argument, most) for argument in arguments]
            if len(shown) > most:
                shown = [*shown[: most - 1], Rest(len(arguments) - most + 1, math.nan)]
            return Call(function, tuple(shown))
        case Choice(a, b, c):
            return Choice(abridged(a, most), abridged(b, most), abridged(c, most))
        case _:
            return x


def valued(name: Name, value: float) -> Name:
    """The name, standing for this number."""
    return replace(name, value=value)
