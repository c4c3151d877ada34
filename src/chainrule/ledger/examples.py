"""Examples that are built in, most of them from the lecture decks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import unknown_name
from chainrule.functions import jacobian
from chainrule.graph import Value
from chainrule.layers.base import called
from chainrule.ledger.core import Ledger
from chainrule.ledger.derivation import Derivation, derive
from chainrule.ledger.inline import parse
from chainrule.ledger.writing import Digits, Text
from chainrule.notation import Name, Number, add, evaluate, multiply
from chainrule.ops.linear import matmul
from chainrule.ops.shapes import reshape

KOEHN = """
input = [1.0, 0.0]
target = [1.0]
names = ["A", "B"]
loss = "half_squared_error"
learning_rate = 10.0

[[layer]]
name = "hidden"
weights = [[3.7, 2.9], [3.7, 2.9]]
bias = [-1.5, -4.5]
activation = "sigmoid"
names = ["D", "E"]

[[layer]]
name = "output"
weights = [[4.5], [-5.2]]
bias = [-2.0]
activation = "sigmoid"
names = ["G"]
"""

CHAIN = """
input = [0.5]
target = [1.0]
loss = "half_squared_error"
learning_rate = 1.0

[[layer]]
weights = [[2.0]]
bias = [-0.5]
activation = "sigmoid"

[[layer]]
weights = [[-1.0]]
bias = [1.0]
activation = "sigmoid"
"""

XOR = """
input = [[0, 0], [0, 1], [1, 0], [1, 1]]
target = [[0], [1], [1], [0]]
loss = "binary_crossentropy"
learning_rate = 0.5

[[layer]]
name = "hidden"
weights = [[1.0, -1.0], [1.0, -1.0]]
bias = [-0.5, 1.5]
activation = "tanh"

[[layer]]
name = "output"
weights = [[1.0], [1.0]]
bias = [-1.0]
activation = "sigmoid"
"""

SOFTMAX = """
input = [1.0, 2.0]
target = [0, 0, 1]
loss = "categorical_crossentropy"
learning_rate = 0.5

[[layer]]
weights = [[0.5, -0.5, 0.0], [0.25, 0.5, -0.25]]
bias = [0.0, 0.0, 0.0]
activation = "softmax"
"""


@dataclass(frozen=True)
class Told:
    """An example that is told in words and formulas, without a network to train."""

    words: str

    def __str__(self) -> str:
        return self.words


def koehn() -> Ledger:
    """Deck 000, pages 15 to 18: one step of a 2-2-1 network of sigmoids."""
    return parse(KOEHN).ledger().shown(descent=True)


def chain() -> Ledger:
    """Deck 001's simplified network: one unit after another."""
    return parse(CHAIN).ledger()


def xor() -> Ledger:
    """A 2-2-1 network on the four rows of the exclusive or."""
    return parse(XOR).ledger()


def softmax() -> Ledger:
    """A softmax classifier of three classes on one row."""
    return parse(SOFTMAX).ledger()


def xyz() -> Derivation:
    """Deck 001: f = xyz with x = r, y = rs, z = s, so that ∂f/∂s = 2r²s."""

    def product(r: Value, s: Value) -> Value:
        return called(r * called(r * s, "y"), "xy") * s

    return derive(product, "s", at={"r": 2.0, "s": 3.0})


def jacobians() -> Told:
    """Deck 003: the Jacobians of z = Vx + b, two outputs and three inputs."""
    v = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    b, x = np.array([0.5, -0.5]), np.array([1.0, 0.0, -1.0])
    by_x = jacobian(lambda u: v @ u + b)(x)
    both = np.concatenate([v.ravel(), b])  # w: the rows of V one after another, then b

    def of_weights(w: Value) -> Value:
        return matmul(reshape(w[:6], (2, 3)), x) + w[6:]

    by_w = jacobian(of_weights)(both)
    parts = [
        "z = V x + b",
        "V =",
        _matrix(v),
        f"b = {_row(b)}, x = {_row(x)}",
        f"z = {_row(v @ x + b)}",
        "",
        "∂z/∂x = V:",
        _matrix(by_x),
        "",
        "∂z/∂w for w = (V₁₁, V₁₂, V₁₃, V₂₁, V₂₂, V₂₃, b₁, b₂), a 2 × 8 matrix:",
        _matrix(by_w),
        "",
        "∂zᵢ/∂Vⱼₖ is xₖ where i = j, else 0; ∂zᵢ/∂bⱼ is 1 where i = j, else 0.",
    ]
    return Told("\n".join(parts))


def perceptron() -> Told:
    """Deck 004: Rosenblatt's rule on four rows until none is mistaken."""
    rows = [((0.0, 2.0), 1.0), ((-1.0, 0.0), -1.0), ((1.0, -1.0), -1.0), ((2.0, 0.0), 1.0)]
    w, b = [2.0, 2.0], 0.0
    face = Text(Digits())
    said = ["n(x) = w₁ x₁ + w₂ x₂ + b; a mistake (y n ≤ 0) changes w ← w + y x and b ← b + y."]
    for epoch in range(1, 21):
        said += ["", f"Epoch {epoch}"]
        mistakes = 0
        for x, y in rows:
            terms = [
                multiply(Name("w", lower=str(i + 1), value=w[i]), Number(x[i])) for i in (0, 1)
            ]
            net = add(*terms, Name("b", value=b))
            n = evaluate(net)
            words = f"  x = {_row(x)}, y = {'+1' if y > 0 else '−1'}: n = {face.numbers(net)} = {face.value(n)}"
            if y * n > 0:
                said.append(f"{words}, right")
                continue
            mistakes += 1
            w, b = [w[i] + y * x[i] for i in (0, 1)], b + y
            said.append(f"{words}, mistaken: w ← {_row(w)}, b ← {face.value(b)}")
        if not mistakes:
            said.append("  No mistake: the rule has come to its end.")
            break
    return Told("\n".join(said))


EXAMPLES: dict[str, Callable[[], Ledger | Derivation | Told]] = {
    "koehn": koehn,
    "xyz": xyz,
    "chain": chain,
    "jacobians": jacobians,
    "perceptron": perceptron,
    "xor": xor,
    "softmax": softmax,
}


def example(name: str) -> Ledger | Derivation | Told:
    """The example called `name`."""
    if name not in EXAMPLES:
        raise unknown_name("example", name, EXAMPLES)
    return EXAMPLES[name]()


def _row(numbers: Iterable[float]) -> str:
    return "(" + ", ".join(Digits().plain(float(n)) for n in numbers) + ")"


def _matrix(array: Any) -> str:
    return "\n".join(
        "  [" + "  ".join(f"{Digits().plain(float(n)):>4}" for n in row) + "]" for row in array
    )
