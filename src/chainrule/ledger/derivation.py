"""The chain rule on paper: a derivative worked out step by step, for any graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.backprop import backpropagate
from chainrule.engines.reference import evaluate
from chainrule.errors import ShapeError, UsageError, unknown_name
from chainrule.graph import Constant, Input, Parameter, Value, shape_text, topological_order
from chainrule.ledger.algebra import collected
from chainrule.ledger.writing import Digits, Face, Latex, MathML, Text
from chainrule.notation import Expression, Name, Number, parse, size
from chainrule.ops.arithmetic import Add, Divide, Multiply, Subtract
from chainrule.ops.elementwise import Unary
from chainrule.ops.linear import Affine, MatMul
from chainrule.ops.reductions import BatchSize

MOST_WRITTEN = 400  # names and numbers of a closed form

RULES: dict[type, str] = {
    Add: "sum rule",
    Subtract: "sum rule",
    Multiply: "product rule",
    Divide: "quotient rule",
    MatMul: "matrix product",
    Affine: "matrix product",
}


@dataclass(frozen=True)
class Line:
    """One step: what is worked out, from what, by which rule; `parts` are the contributions summed."""

    name: Name
    formula: Expression | None
    rule: str = ""
    parts: tuple[tuple[str, Expression], ...] = ()


@dataclass(frozen=True)
class Derivation:
    """∂f/∂x step by step: the values of the graph, then what each hands back, then the result.

    It prints itself as text; `latex()` and `mathml()` write it for a page.
    """

    forward: tuple[Line, ...]
    backward: tuple[Line, ...]
    result: Line
    digits: Digits = field(default_factory=Digits)

    def lines(self) -> list[tuple[str, Line]]:
        """Every step, with the heading it stands under."""
        return [
            *(("Forward", line) for line in self.forward),
            *(("Backward", line) for line in self.backward),
            ("Result", self.result),
        ]

    def text(self) -> str:
        """The derivation as plain text."""
        face = Text(self.digits)
        written: list[str] = []
        heading = ""
        for now, line in self.lines():
            if now != heading:
                written += [now] if not written else ["", now]
                heading = now
            rule = f"   ({line.rule})" if line.rule else ""
            written.append(f"  {_written(line, face)}{rule}")
            if len(line.parts) > 1:
                written += [f"      via {user}: {face.symbols(part)}" for user, part in line.parts]
        return "\n".join(written)

    def __str__(self) -> str:
        return self.text()

    def latex(self) -> str:
        """The derivation as an `align*` of LaTeX."""
        face = Latex(self.digits)
        rows = []
        for _, line in self.lines():
            rule = rf" && \text{{{line.rule}}}" if line.rule else ""
            rows.append(_written(line, face, " &= ") + rule)
        return "\\begin{align*}\n" + " \\\\\n".join(rows) + "\n\\end{align*}"

    def mathml(self) -> str:
        """The derivation as an HTML table with MathML."""
        face = MathML(self.digits)
        rows = "".join(
            f"<tr><td><math>{_written(line, face, '<mo>=</mo>')}</math></td><td>{line.rule}</td></tr>"
            for _, line in self.lines()
        )
        return f"<table>{rows}</table>"

    _repr_html_ = mathml


def _written(line: Line, face: Face, equals: str = " = ") -> str:
    parts = [face.name(line.name)]
    if line.formula is not None:
        parts.append(face.symbols(line.formula))
        numbers = face.numbers(line.formula)
        if line.name.value is not None and numbers != parts[-1]:
            parts.append(numbers)
    if line.name.value is not None:
        value = face.value(line.name.value)
        if value != parts[-1]:
            parts.append(value)
    first, *rest = parts
    between = equals.replace("&", "") if "&" in equals else equals
    return first + (equals + between.join(rest) if rest else "")


def derive(
    loss: Any, wrt: Any, *, at: Mapping[str, Any] | None = None, name: str = "f"
) -> Derivation:
    """The derivative of `loss` for `wrt`, step by step: which rule, which value, which contributions.

    `loss` is a function written with operators or `chainrule.ops`, or a value made of them; `wrt` names
    one of its arguments (or is a value). `at` gives numbers, which are then put in; it also gives the
    arguments their shapes, which are single numbers otherwise. `name` is what the result is called.

    >>> print(derive(lambda r, s: r * (r * s) * s, "s").text().splitlines()[-1].strip())
    ∂f/∂s = 2 · r² · s

    Errors: `ShapeError` where the result is not a single number, `UsageError` where it does not depend
    on `wrt`.
    """
    output, leaves = _traced(loss, at or {})
    if output.shape != ():
        raise ShapeError(
            f"Only a single number can be derived, not a value of shape {shape_text(output.shape)}: sum it."
        )
    target = _chosen(wrt, leaves)
    order = topological_order([output])
    found = backpropagate(output, [target])
    if target not in found.cotangents:
        raise UsageError(f"{name} does not depend on {target.name}: its derivative is 0.")
    writer = _Writer(order, leaves, output, name, _numbers(output, leaves, found.cotangents, at))
    forward = tuple(
        Line(writer.name(v), writer.opened(v))
        for v in order
        if v in writer.names and v.op is not None
    )
    backward = [Line(writer.gradient(output), Number(1.0))]
    for value in reversed(order):
        parts = found.contributions.get(value)
        if parts and value is not target and value in writer.names:
            backward.append(writer.handed_back(value, parts, found.cotangents))
    backward.append(
        writer.handed_back(target, found.contributions.get(target, []), found.cotangents)
    )
    closed = writer.closed(found.cotangents[target])
    return Derivation(forward, tuple(backward), Line(writer.gradient(target), closed))


def _traced(loss: Any, at: Mapping[str, Any]) -> tuple[Value, list[Value]]:
    """The output, and the leaves it may be derived for, by their names."""
    if isinstance(loss, Value):
        every = topological_order([loss])
        leaves: list[Value] = [v for v in every if isinstance(v, Input | Parameter)]
        for i, leaf in enumerate(leaves):
            leaf.name = leaf.name or f"x{i}"
        return loss, leaves
    if not callable(loss):
        raise UsageError(f"derive takes a function or a value, not {type(loss).__name__}.")
    arguments = list(inspect.signature(loss).parameters)
    for given in at:
        if given not in arguments:
            raise unknown_name("argument of the function", given, arguments)
    inputs: list[Value] = [Input(np.shape(at.get(a, 0.0)), "float", a) for a in arguments]
    output = loss(*inputs)
    if not isinstance(output, Value):
        raise UsageError(
            f"The function returned {type(output).__name__}: it must return one value made with operators and "
            "chainrule.ops."
        )
    return output, inputs


def _chosen(wrt: Any, leaves: Sequence[Value]) -> Value:
    if isinstance(wrt, Value):
        return wrt
    named = {str(leaf.name): leaf for leaf in leaves}
    if isinstance(wrt, int) and 0 <= wrt < len(leaves):
        return leaves[wrt]
    if wrt not in named:
        raise unknown_name("value to derive for", str(wrt), named)
    return named[wrt]


def _numbers(
    output: Value,
    leaves: Sequence[Value],
    cotangents: Mapping[Value, Value],
    at: Mapping[str, Any] | None,
) -> dict[Value, float]:
    """The single numbers of the graph, where the arguments are given."""
    if not at or {str(leaf.name) for leaf in leaves} - set(at):
        return {}
    order = topological_order([output, *cotangents.values()])
    wanted = {str(i): v for i, v in enumerate(order) if v.shape == ()}
    given = {leaf: at[str(leaf.name)] for leaf in leaves if isinstance(leaf, Input)}
    arrays = evaluate(wanted, given)
    return {v: float(arrays[key]) for key, v in wanted.items()}


class _Writer:
    """Names the values of a graph, and writes the others out."""

    def __init__(
        self,
        order: Sequence[Value],
        leaves: Sequence[Value],
        output: Value,
        name: str,
        numbers: Mapping[Value, float],
    ) -> None:
        self.result, self.numbers = name, numbers
        self.names: dict[Value, str] = {leaf: str(leaf.name) for leaf in leaves}
        taken = set(self.names.values()) | {name}
        for value in order:
            if value.op is None or value is output or isinstance(value.op, BatchSize):
                continue
            wanted = value.name or "v"
            number = 1
            while (
                called := wanted if value.name and number == 1 else wanted + _small(number)
            ) in taken:
                number += 1
            taken.add(called)
            self.names[value] = called
        self.names[output] = name
        self.cotangents: dict[Value, Value] = {}

    def name(self, value: Value) -> Name:
        """The name of a value."""
        return Name(self.names[value], value=self.numbers.get(value))

    def gradient(self, value: Value) -> Name:
        """The name of ∂f/∂value."""
        cotangent = self.cotangents.get(value)
        number = None if cotangent is None else self.numbers.get(cotangent)
        return Name(self.names[value], gradient=self.result, value=number)

    def handed_back(
        self,
        value: Value,
        parts: Sequence[tuple[Value, Value]],
        cotangents: Mapping[Value, Value],
    ) -> Line:
        """∂f/∂value from what the values made of it hand back."""
        self.cotangents = dict(cotangents)
        owners = {c: v for v, c in cotangents.items() if v in self.names and v is not value}
        written = [
            (self.names.get(user, ""), self._back(contribution, owners))
            for user, contribution in parts
        ]
        total = parse(" + ".join("abcdefghijklmnop"[: len(written)]), *(w for _, w in written))
        rules = dict.fromkeys(_rule(user) for user, _ in parts)
        rule = ", ".join(rules) + (f"; {len(parts)} uses, summed" if len(parts) > 1 else "")
        return Line(self.gradient(value), total, rule, tuple(written))

    def _back(self, value: Value, owners: Mapping[Value, Value]) -> Expression:
        if value in owners:
            return self.gradient(owners[value])
        return self._written(value, lambda x: self._back(x, owners))

    def opened(self, value: Value) -> Expression:
        """A value written with those it is made of."""
        assert value.op is not None
        return parse(value.op.formula(), *(self._written(x, self.opened) for x in value.inputs))

    def closed(self, value: Value) -> Expression:
        """A value written with the leaves alone, like terms taken together."""
        leaves = {v for v in self.names if v.op is None}

        def write(x: Value) -> Expression:
            if x in leaves:
                return self.name(x)
            if isinstance(x, Constant) or x.op is None:
                return self._written(x, write)
            return parse(x.op.formula(), *map(write, x.inputs))

        found = write(value)
        return collected(found) if size(found) <= MOST_WRITTEN else found

    def _written(self, value: Value, further: Callable[[Value], Expression]) -> Expression:
        if value in self.names:
            return self.name(value)
        if isinstance(value, Constant):
            single = value.array.size == 1
            return Number(float(value.array.reshape(-1)[0])) if single else Name(value.name or "c")
        if value.op is None:
            return Name(str(value.name or "?"))
        return parse(value.op.formula(), *map(further, value.inputs))


def _rule(user: Value) -> str:
    op = user.op
    if type(op) in RULES:
        return RULES[type(op)]
    if op is None:
        return ""
    return f"chain rule through {op.name}" if isinstance(op, Unary) else f"derivative of {op.name}"


def _small(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
