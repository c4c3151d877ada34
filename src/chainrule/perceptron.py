"""Rosenblatt's perceptron: n(x) = w·x + b, prediction sgn n(x), and the rule that learns from mistakes.

On a mistake, y being +1 or −1, w ← w + μ y x and b ← b + μ y. Source: Rosenblatt (1958); Novikoff (1962) for the
proof that it makes finitely many mistakes where a line (a plane …) separates the classes.

The lecture's pseudo-code (deck 004, page 8) turns the sign around and writes `w1 ← w2 + f2`; as printed it
walks away from the solution. What is here is the rule of the paper.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule import random
from chainrule.engines.program import Array
from chainrule.errors import DataError, ShapeError, UsageError
from chainrule.report.figures import FAINT, INK, TEST, TRAIN, new_axes, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLOCK = 256  # rows looked at together for the next mistake
MOST_NUMBERS = 5_000_000  # of a table whose separability is decided


@dataclass(frozen=True)
class Learnt:
    """What the rule arrived at; `mistakes` has one number for each epoch."""

    weights: Array
    bias: float
    mistakes: tuple[int, ...]
    separable: bool | None  # None: not known
    bias_learns: bool = True  # else only lines through the origin were asked for

    @property
    def converged(self) -> bool:
        """Whether the last epoch was without mistakes."""
        return bool(self.mistakes) and self.mistakes[-1] == 0

    @property
    def statement(self) -> str:
        """What is known about the classes, in a sentence."""
        epochs = len(self.mistakes)
        counted = f"{epochs} epoch{'s' if epochs != 1 else ''}"
        if self.converged:
            return f"The classes are linearly separable: epoch {epochs} was without mistakes."
        made = "no epoch"
        if epochs:
            last = self.mistakes[-1]
            made = f"{last} mistake{'s' if last != 1 else ''} in the last of {counted}"
        if self.separable:
            return f"The classes are linearly separable, but {counted} did not suffice: {made}. Allow more epochs."
        lines = "line" if self.bias_learns else "line through the origin"
        if self.separable is None:
            return f"No separating {lines} was found: {made}. Whether there is one was not decided: the table is large."
        if not self.bias_learns:
            return f"No line through the origin can avoid every mistake: {made}. One with an intercept may."
        return f"The classes are not linearly separable: no line can avoid every mistake; {made}."


def net(x: Any, weights: Any, bias: float) -> Array:
    """n(x) = w·x + b for each row.

    >>> net([[0, 2], [-1, 0]], weights=[2, 2], bias=0)
    array([ 4., -2.])
    """
    return np.asarray(np.asarray(x, float) @ np.asarray(weights, float) + bias)


def epochs(
    x: Array,
    y: Array,
    weights: Array,
    bias: float,
    orders: Iterator[Array],
    rate: float = 1.0,
    *,
    bias_learns: bool = True,
) -> Iterator[tuple[Array, float, int]]:
    """Weights, bias and number of mistakes after each epoch: x (rows, features), y of +1 and −1.

    Rows come in the orders given, one an epoch. n = 0 is a mistake, whatever the class.
    """
    for order in orders:
        mistakes, at = 0, 0
        while at < len(order):  # from one mistake to the next, a block of rows at a time
            block = order[at : at + BLOCK]
            wrong = np.flatnonzero(y[block] * (x[block] @ weights + bias) <= 0)
            if not len(wrong):
                at += len(block)
                continue
            row = block[wrong[0]]
            weights = weights + rate * y[row] * x[row]
            bias += rate * float(y[row]) * bias_learns
            mistakes += 1
            at += int(wrong[0]) + 1
        yield weights, bias, mistakes


def train(
    x: Any,
    y: Any,
    *,
    max_epochs: int = 1000,
    seed: int = 0,
    weights: Any = None,
    bias: float = 0.0,
    learning_rate: float = 1.0,
    shuffle: bool = True,
) -> Learnt:
    """Rosenblatt's rule until an epoch passes without mistakes, or for `max_epochs`.

    x is (rows, features); y holds +1 and −1. Each epoch visits every row once, in a fresh random order.
    """
    x, y = _checked(x, y)
    if max_epochs < 1 or learning_rate <= 0:
        raise UsageError(
            f"max_epochs is {max_epochs} and learning_rate {learning_rate}: both must be above 0."
        )
    w = np.zeros(x.shape[1]) if weights is None else np.array(weights, float)
    if w.shape != x.shape[1:]:
        raise ShapeError(f"x has {x.shape[1]} features, but {w.size} weights were given.")
    rows = len(x)
    orders = (
        random.permutation(seed, epoch, random.Stream.PERMUTATION, rows)
        if shuffle
        else np.arange(rows)
        for epoch in range(max_epochs)
    )
    return learn(x, y, w, bias, orders, learning_rate)


def learn(
    x: Array,
    y: Array,
    weights: Array,
    bias: float,
    orders: Iterator[Array],
    rate: float = 1.0,
    *,
    bias_learns: bool = True,
) -> Learnt:
    """`epochs` until one is without mistakes, or the orders come to their end."""
    mistakes: list[int] = []
    moved = epochs(x, y, weights, bias, orders, rate, bias_learns=bias_learns)
    for weights_now, bias_now, made in moved:
        weights, bias = weights_now, bias_now
        mistakes.append(made)
        if not made:
            return Learnt(weights, bias, tuple(mistakes), True, bias_learns)
    decided = separable(x, y, bias=bias_learns)
    return Learnt(weights, bias, tuple(mistakes), decided, bias_learns)


def separable(x: Any, y: Any, *, bias: bool = True) -> bool | None:
    """Whether some w and b give y (w·x + b) > 0 for every row: a linear programme decides.

    None where the table is too large to ask. `bias=False` asks with b = 0.
    """
    x, y = _checked(x, y)
    if x.size > MOST_NUMBERS:
        return None
    from scipy.optimize import linprog

    spread = x.std(axis=0)
    scaled = (x - x.mean(axis=0) * bias) / np.where(spread > 0, spread, 1.0)
    sides = y[:, None] * np.column_stack([scaled, np.full(len(x), float(bias))])
    found = linprog(
        np.zeros(sides.shape[1]), A_ub=-sides, b_ub=-np.ones(len(x)), bounds=(None, None)
    )
    return {0: True, 2: False}.get(found.status)


def picture(
    x: Any,
    y: Any,
    weights: Any,
    bias: float,
    *,
    names: tuple[str, str] = ("f1", "f2"),
    classes: tuple[Any, Any] = ("−1", "+1"),
) -> Figure:
    """The rows and the line w·x + b = 0 of two features, its positive side shaded."""
    x, y = _checked(x, y)
    if x.shape[1] != 2:
        raise ShapeError(f"A decision line is drawn for two features, not for {x.shape[1]}.")
    low, high = x.min(axis=0), x.max(axis=0)
    margin = 0.08 * np.where(high > low, high - low, 1.0)
    (left, bottom), (right, top) = low - margin, high + margin
    across, along = np.meshgrid(np.linspace(left, right, 200), np.linspace(bottom, top, 200))
    field = weights[0] * across + weights[1] * along + bias
    with styled():
        figure, axes = new_axes(5.4, 4.6)
        if np.any(field > 0):
            axes.contourf(across, along, field, levels=[0, np.inf], colors=[TEST], alpha=0.12)
        if np.any(field > 0) and np.any(field < 0):
            axes.contour(across, along, field, levels=[0], colors=[INK], linewidths=1.4)
        for sign, colour, mark, name in ((-1, TRAIN, "o", classes[0]), (1, TEST, "^", classes[1])):
            chosen = x[y == sign]
            axes.scatter(
                chosen[:, 0],
                chosen[:, 1],
                s=26,
                c=colour,
                marker=mark,
                edgecolors="none",
                label=str(name),
            )
        axes.set(xlim=(left, right), ylim=(bottom, top), xlabel=names[0], ylabel=names[1])
        terms = f"{weights[0]:.4g} {names[0]} {weights[1]:+.4g} {names[1]} {bias:+.4g} = 0"
        axes.set_title(terms.replace("-", "−"), color=FAINT, fontsize=10)
        figure.legend(loc="outside lower center", ncols=2)  # neither rows nor the line below it
    return figure


def _checked(x: Any, y: Any) -> tuple[Array, Array]:
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 2 or y.shape != (len(x),):
        raise ShapeError(
            f"A perceptron takes x of shape (rows, features) and y of shape (rows,), not {x.shape} and {y.shape}."
        )
    if not len(x) or not np.isfinite(x).all():
        raise DataError("A perceptron needs at least one row, and finite numbers.")
    if not set(np.unique(y)) <= {-1.0, 1.0}:
        raise DataError("A perceptron's classes are −1 and +1.")
    return x, y
