"""How formulas and numbers are written: as text, LaTeX or MathML, with names or the numbers put in."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import ClassVar

from chainrule.families import check
from chainrule.notation import (
    Call,
    Choice,
    Comparison,
    Expression,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Rest,
    Sum,
)

_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_SUM, _PRODUCT, _POWER, _ATOM = 1, 2, 3, 4  # how tightly a piece holds together


@dataclass(frozen=True)
class Digits:
    """How numbers are shown: significant digits and the decimal sign, a point or a comma."""

    digits: int = 6
    decimal: str = "."

    def __post_init__(self) -> None:
        check(self, digits="whole [1, 17]")

    def mantissa(self, value: float) -> tuple[str, int]:
        """The number in digits, and the power of ten it is to be multiplied with."""
        if math.isnan(value):
            return "NaN", 0
        if math.isinf(value):
            return ("∞" if value > 0 else "−∞"), 0
        shown = f"{value + 0.0:.{self.digits}g}"
        mantissa, _, exponent = shown.partition("e")
        if exponent and abs(value) >= 1 and int(exponent) < 12:  # 784000 rather than 7.84·10⁵
            mantissa, exponent = f"{float(shown):.0f}", ""
        if float(shown) == 0:
            mantissa = "0"
        return mantissa.replace("-", "−").replace(".", self.decimal), int(exponent or 0)

    def plain(self, value: float) -> str:
        """The number as text."""
        mantissa, exponent = self.mantissa(value)
        return f"{mantissa}·10{str(exponent).translate(_SUPERSCRIPTS)}" if exponent else mantissa


class Face:
    """Writes trees; a subclass says how each kind of piece looks."""

    functions: ClassVar[dict[str, str]]

    def __init__(self, digits: Digits | None = None) -> None:
        self.digits = digits or Digits()

    def symbols(self, x: Expression) -> str:
        """The formula with names."""
        return self._write(x, self.name)[0]

    def numbers(self, x: Expression) -> str:
        """The formula with the numbers put in, so far as they are known."""
        return self._write(x, self._known)[0]

    # --- what subclasses say ---

    def name(self, name: Name) -> str:
        """A name."""
        raise NotImplementedError

    def value(self, value: float) -> str:
        """A number."""
        raise NotImplementedError

    def operator(self, sign: str) -> str:
        """A sign between two pieces: + − · = > ≥."""
        raise NotImplementedError

    def fraction(self, top: str, bottom: str) -> tuple[str, int]:
        """A fraction of two pieces in parentheses where needed; how tightly it holds together."""
        raise NotImplementedError

    def power(self, base: str, exponent: str) -> str:
        """A power."""
        raise NotImplementedError

    def call(self, function: str, arguments: Sequence[str]) -> str:
        """A function of arguments."""
        raise NotImplementedError

    def enclosed(self, opening: str, inner: str, closing: str) -> str:
        """A piece between brackets."""
        raise NotImplementedError

    def choice(self, condition: str, then: str, otherwise: str) -> str:
        """One of two."""
        raise NotImplementedError

    def rest(self, count: int, value: float) -> str:
        """Terms that are not written out."""
        raise NotImplementedError

    # --- the common part ---

    def _known(self, name: Name) -> str:
        return self.name(name) if name.value is None else self.value(name.value)

    def _write(self, x: Expression, leaf: Callable[[Name], str]) -> tuple[str, int]:
        def within(part: Expression, least: int) -> str:
            written, binding = self._write(part, leaf)
            return written if binding >= least else self.enclosed("(", written, ")")

        match x:
            case Name():
                written = leaf(x)
                signed = leaf == self._known and x.value is not None and x.value < 0
                return written, _SUM if signed else self._binding(x.value, leaf)
            case Number(value):
                return self.value(value), _SUM if value < 0 else self._binding(value, self._known)
            case Sum(terms):
                pieces = [within(terms[0], _SUM)]
                for term in terms[1:]:
                    inner, minus = term, False
                    match term:
                        case Negative(inside):
                            inner, minus = inside, True
                        case Number(value) if value < 0:
                            inner, minus = Number(-value), True
                    pieces += [self.operator("−" if minus else "+"), within(inner, _PRODUCT)]
                return "".join(pieces), _SUM
            case Negative(inner):
                return self.operator("−").strip() + within(inner, _PRODUCT), _SUM
            case Product(factors):
                pieces = [within(factor, _PRODUCT) for factor in factors]
                return self.operator("·").join(pieces), _PRODUCT
            case Quotient(top, bottom):
                grown = isinstance(self, Text)
                above, below = (_PRODUCT, _POWER) if grown else (0, 0)
                return self.fraction(within(top, above), within(bottom, below))
            case Power(base, exponent):
                least = _ATOM if isinstance(self, Text) else 0
                return self.power(within(base, _ATOM), within(exponent, least)), _POWER
            case Call("abs", (inner,)):
                return self.enclosed("|", within(inner, 0), "|"), _ATOM
            case Call("exp", (inner,)) if not isinstance(self, Text):
                return self.power(self.call("e", ()), within(inner, 0)), _POWER
            case Call(function, arguments):
                return self.call(function, [within(a, 0) for a in arguments]), _ATOM
            case Comparison(relation, left, right):
                compared = within(left, 0) + self.operator(relation) + within(right, 0)
                return self.enclosed("[", compared, "]"), _ATOM
            case Choice(condition, then, otherwise):
                if isinstance(condition, Comparison):
                    bare = within(condition.left, 0) + self.operator(condition.relation)
                    bare += within(condition.right, 0)
                else:
                    bare = within(condition, 0)
                return self.choice(bare, within(then, 0), within(otherwise, 0)), 0
            case Rest(count, value):
                return self.rest(count, value), _ATOM

    def _binding(self, value: float | None, leaf: Callable[[Name], str]) -> int:
        """A power of ten binds like the product it is."""
        known = leaf == self._known and value is not None
        return _PRODUCT if known and value is not None and self.digits.mantissa(value)[1] else _ATOM


class Text(Face):
    """Plain text in the letters of mathematics: `σ(z¹[0])`, `∂L/∂W²[1,0]`."""

    functions: ClassVar[dict[str, str]] = {
        "sigmoid": "σ", "log": "ln", "sqrt": "√", "sign": "sgn", "sum": "Σ",
    }  # fmt: skip

    def name(self, name: Name) -> str:
        written = name.base + _superscript(name.upper)
        if name.lower:
            written += f"[{name.lower}]"
        return f"∂{name.gradient}/∂{written}" if name.gradient else written

    def value(self, value: float) -> str:
        return self.digits.plain(value)

    def operator(self, sign: str) -> str:
        return f" {sign} "

    def fraction(self, top: str, bottom: str) -> tuple[str, int]:
        return f"{top} / {bottom}", _PRODUCT

    def power(self, base: str, exponent: str) -> str:
        small = exponent.translate(_SUPERSCRIPTS)
        return base + small if exponent.isdigit() else f"{base}^{exponent}"

    def call(self, function: str, arguments: Sequence[str]) -> str:
        if function == "matmul":
            return " ".join(f"({a})" if " + " in a or " − " in a else a for a in arguments)
        if function == "transpose":
            return f"{arguments[0]}ᵀ"
        return f"{self.functions.get(function, function)}({', '.join(arguments)})"

    def enclosed(self, opening: str, inner: str, closing: str) -> str:
        return opening + inner + closing

    def choice(self, condition: str, then: str, otherwise: str) -> str:
        return f"{then} if {condition} else {otherwise}"

    def rest(self, count: int, value: float) -> str:
        known = "" if math.isnan(value) else f": {self.value(value)}"
        return f"({count:,} more{known})"


class Latex(Face):
    """LaTeX for math mode, without packages beyond amsmath."""

    functions: ClassVar[dict[str, str]] = {
        "sigmoid": r"\sigma", "log": r"\ln", "tanh": r"\tanh", "max": r"\max", "min": r"\min",
        "sin": r"\sin", "cos": r"\cos", "sum": r"\sum ",
    }  # fmt: skip
    _signs: ClassVar[dict[str, str]] = {"−": "-", "·": r"\cdot", "≥": r"\ge"}

    def name(self, name: Name) -> str:
        written = _latex_word(name.base)
        if name.upper:
            written += f"^{{({_latex_word(name.upper)})}}"
        if name.lower:
            written += f"_{{{_latex_word(name.lower)}}}"
        if not name.gradient:
            return written
        return rf"\frac{{\partial {name.gradient}}}{{\partial {written}}}"

    def value(self, value: float) -> str:
        mantissa, exponent = self.digits.mantissa(value)
        mantissa = mantissa.replace("−", "-").replace("∞", r"\infty").replace(",", "{,}")
        return rf"{mantissa} \cdot 10^{{{exponent}}}" if exponent else mantissa

    def operator(self, sign: str) -> str:
        return f" {self._signs.get(sign, sign)} "

    def fraction(self, top: str, bottom: str) -> tuple[str, int]:
        return rf"\frac{{{top}}}{{{bottom}}}", _POWER

    def power(self, base: str, exponent: str) -> str:
        return f"{{{base}}}^{{{exponent}}}"

    def call(self, function: str, arguments: Sequence[str]) -> str:
        if function == "e":
            return "e"
        if function == "sqrt":
            return rf"\sqrt{{{arguments[0]}}}"
        if function == "matmul":
            return r" \, ".join(f"({a})" if " + " in a or " - " in a else a for a in arguments)
        if function == "transpose":
            return rf"{{{arguments[0]}}}^{{\mathsf T}}"
        known = self.functions.get(function, rf"\operatorname{{{_latex_word(function)}}}")
        return rf"{known}\left({', '.join(arguments)}\right)"

    def enclosed(self, opening: str, inner: str, closing: str) -> str:
        return rf"\left{opening}{inner}\right{closing}"

    def choice(self, condition: str, then: str, otherwise: str) -> str:
        return rf"\begin{{cases}} {then} & {condition} \\ {otherwise} & \text{{else}} \end{{cases}}"

    def rest(self, count: int, value: float) -> str:
        known = "" if math.isnan(value) else f": {self.value(value)}"
        return rf"\text{{({count:,} more}}{known}\text{{)}}"


class MathML(Face):
    """MathML Core; what it writes goes into a `<math>` element."""

    functions: ClassVar[dict[str, str]] = {
        "sigmoid": "σ", "log": "ln", "sign": "sgn", "sum": "Σ", "e": "e",
    }  # fmt: skip

    def name(self, name: Name) -> str:
        base = _identifier(name.base)
        upper = f"<mtext>({escape(name.upper)})</mtext>"
        lower = f"<mtext>{escape(name.lower)}</mtext>"
        match bool(name.upper), bool(name.lower):
            case True, True:
                base = f"<msubsup>{base}{lower}{upper}</msubsup>"
            case True, False:
                base = f"<msup>{base}{upper}</msup>"
            case False, True:
                base = f"<msub>{base}{lower}</msub>"
        if not name.gradient:
            return base
        return f"<mfrac><mrow><mo>∂</mo>{_identifier(name.gradient)}</mrow><mrow><mo>∂</mo>{base}</mrow></mfrac>"

    def value(self, value: float) -> str:
        mantissa, exponent = self.digits.mantissa(value)
        written = f"<mn>{mantissa.removeprefix('−')}</mn>"
        if exponent:
            ten = f"<msup><mn>10</mn><mn>{str(exponent).replace('-', '−')}</mn></msup>"
            written = f"{written}<mo>·</mo>{ten}"
        sign = "<mo form='prefix'>−</mo>" if mantissa.startswith("−") else ""
        return f"<mrow>{sign}{written}</mrow>" if sign or exponent else written

    def operator(self, sign: str) -> str:
        return f"<mo>{escape(sign)}</mo>"

    def fraction(self, top: str, bottom: str) -> tuple[str, int]:
        return f"<mfrac><mrow>{top}</mrow><mrow>{bottom}</mrow></mfrac>", _POWER

    def power(self, base: str, exponent: str) -> str:
        return f"<msup><mrow>{base}</mrow><mrow>{exponent}</mrow></msup>"

    def call(self, function: str, arguments: Sequence[str]) -> str:
        if function == "sqrt":
            return f"<msqrt>{arguments[0]}</msqrt>"
        if function == "e":
            return "<mi>e</mi>"
        if function == "matmul":
            return "".join(f"<mrow>{a}</mrow>" for a in arguments)
        if function == "transpose":
            return f"<msup><mrow>{arguments[0]}</mrow><mi>⊤</mi></msup>"
        inner = "<mo>,</mo>".join(f"<mrow>{a}</mrow>" for a in arguments)
        called = f"<mi>{escape(self.functions.get(function, function))}</mi>"
        return f"<mrow>{called}{self.enclosed('(', inner, ')')}</mrow>"

    def enclosed(self, opening: str, inner: str, closing: str) -> str:
        return f"<mrow><mo>{opening}</mo>{inner}<mo>{closing}</mo></mrow>"

    def choice(self, condition: str, then: str, otherwise: str) -> str:
        def row(what: str, when: str) -> str:
            return f"<mtr><mtd>{what}</mtd><mtd>{when}</mtd></mtr>"

        rows = row(then, condition) + row(otherwise, "<mtext>else</mtext>")
        return f"<mrow><mo>{{</mo><mtable>{rows}</mtable></mrow>"

    def rest(self, count: int, value: float) -> str:
        known = "" if math.isnan(value) else f"<mo>:</mo>{self.value(value)}"
        return f"<mrow><mtext>({count:,} more</mtext>{known}<mtext>)</mtext></mrow>"


def _superscript(upper: str) -> str:
    return upper.translate(_SUPERSCRIPTS)


def _identifier(base: str) -> str:
    return f"<mi>{escape(base)}</mi>"


_GREEK = {
    "σ": r"\sigma", "μ": r"\mu", "δ": r"\delta", "η": r"\eta", "γ": r"\gamma", "β": r"\beta",
    "Δ": r"\Delta ", "∂": r"\partial ", "′": "'", "²": "^2", "→": r"\to ", "⟨": r"\langle ",
    "⟩": r"\rangle ", "x̂": r"\hat x", "Σ": r"\Sigma", "α": r"\alpha", "λ": r"\lambda", "←": r"\gets ",
    "ρ": r"\rho", "ν": r"\nu", "ℓ": r"\ell", "_": r"\_",
}  # fmt: skip


def _latex_word(word: str) -> str:
    """A name in LaTeX: Greek letters by their commands, several letters upright."""
    letters = sum(c.isascii() and c.isalpha() for c in word)
    plain = word.rstrip("₀₁₂₃₄₅₆₇₈₉")
    if plain != word:
        small = word[len(plain) :].translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789"))
        return f"{_latex_word(plain)}_{{{small}}}"
    for letter, command in _GREEK.items():
        word = word.replace(letter, command)
    for special in "%#&$":
        word = word.replace(special, f"\\{special}")
    return rf"\mathrm{{{word}}}" if letters > 1 and "\\" not in word and "," not in word else word
