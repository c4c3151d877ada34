"""An exercise: a small network with numbers to work out by hand, drawn from a seed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule import layers, optimizers, random
from chainrule.errors import UsageError, unknown_name
from chainrule.exercises.working import Array, Key, Numbers, Sheet, keys, name, worked
from chainrule.ledger import Ledger, explain
from chainrule.model import Sequential

KINDS = {
    "forward": "the forward pass and the loss",
    "backprop": "a whole training step on one row",
    "batch": "a whole training step on two rows, whose loss is averaged",
}
MOST_DECIMALS = 4  # of a friendly exercise's numbers
_TRIES = 4000


@dataclass(frozen=True)
class Exercise:
    """A network with given weights, and what there is to work out.

    `head` names it, so that the checker can make it again from a student's file. `answers()` is a CSV
    to fill in, `ledger` has the key.
    """

    kind: str
    widths: tuple[int, ...]
    seed: int
    friendly: bool
    sheet: Sheet

    @property
    def head(self) -> str:
        """`backprop 2-2-1 seed 7 friendly`."""
        widths = "-".join(map(str, self.widths))
        return f"{self.kind} {widths} seed {self.seed}{' friendly' if self.friendly else ''}"

    @property
    def asked(self) -> list[Key]:
        """What there is to work out, in order."""
        every = list(keys(self.sheet))
        return [k for k in every if k[0] in ("z", "a", "L")] if self.kind == "forward" else every

    @property
    def key(self) -> Numbers:
        """The right numbers."""
        expected, _ = worked(self.sheet)
        return {k: expected[k] for k in self.asked}

    def names(self) -> list[tuple[str, Key, tuple[int, ...]]]:
        """Every answer by its name, with its place."""
        return [
            (name(key, index, self.sheet), key, index)
            for key, array in self.key.items()
            for index in np.ndindex(*array.shape)
        ]

    def answers(self) -> str:
        """A CSV with a line for each answer, its first line saying which exercise this is."""
        rows = [f"{answer}," for answer, _, _ in self.names()]
        return "\n".join([f"# chainrule exercise {self.head}", "name,value", *rows, ""])

    @property
    def ledger(self) -> Ledger:
        """The key, line by line, computed by a real training step."""
        sheet = self.sheet
        made = [
            layers.Dense(w.shape[1], activation=None if a == "linear" else a, name=f"layer_{i}")
            for i, (w, a) in enumerate(zip(sheet.weights, sheet.activations, strict=True), 1)
        ]
        model = Sequential(made)
        model.build(sheet.x.shape[1:])
        model.set_weights(
            [a for pair in zip(sheet.weights, sheet.biases, strict=True) for a in pair]
        )
        model.compile(
            optimizers.SGD(sheet.rate),
            "half_squared_error",
            precision="float64",
            engine="reference",
        )
        return explain(model, sheet.x, sheet.target)


def exercise(
    kind: str = "backprop", widths: Any = "2-2-1", seed: int = 0, *, friendly: bool = False
) -> Exercise:
    """An exercise: "forward", "backprop" (one row) or "batch" (two rows), for layers such as "2-2-1".

    The same settings give the same numbers. `friendly` ones come out with at most four decimals: ReLU
    units, small whole numbers and halves.

    Errors: `UsageError` for layers that are not widths, or too many to work out by hand.
    """
    if kind not in KINDS:
        raise unknown_name("kind of exercise", kind, KINDS)
    sizes = _widths(widths)
    for attempt in range(_TRIES):
        sheet = _drawn(kind, sizes, seed, attempt, friendly)
        if _instructive(sheet, friendly):
            return Exercise(kind, sizes, seed, friendly, sheet)
    raise UsageError(
        f"No {'friendly ' if friendly else ''}exercise was found for layers {'-'.join(map(str, sizes))}: choose "
        "fewer layers or units."
    )


def from_head(words: str) -> Exercise:
    """The exercise that a student's file names."""
    found = re.fullmatch(r"(\w+) ([\d-]+) seed (\d+)( friendly)?", words.strip())
    if found is None:
        raise UsageError(
            f"{words!r} does not name an exercise; it reads like 'backprop 2-2-1 seed 7 friendly'."
        )
    kind, widths, seed, friendly = found.groups()
    return exercise(kind, widths, int(seed), friendly=bool(friendly))


def _widths(given: Any) -> tuple[int, ...]:
    words = given.split("-") if isinstance(given, str) else list(given)
    try:
        sizes = tuple(int(word) for word in words)
    except ValueError:
        sizes = ()
    if len(sizes) < 2 or any(n < 1 for n in sizes):
        raise UsageError(f"Layers are widths such as 2-2-1, inputs first, not {given!r}.")
    if max(sizes) > 6 or len(sizes) > 5:
        raise UsageError(
            f"Layers {'-'.join(map(str, sizes))} are too many to work out by hand: at most 4 layers of 6 units."
        )
    return sizes


def _drawn(kind: str, sizes: tuple[int, ...], seed: int, attempt: int, friendly: bool) -> Sheet:
    rows = 2 if kind == "batch" else 1
    stream = random.Stream.EXERCISE.at(0)
    shapes = list(pairwise(sizes))
    count = sum(a * b + b for a, b in shapes) + rows * (sizes[0] + sizes[-1]) + 1
    drawn = iter(random.words(seed, attempt, stream, count).tolist())

    def pick(choices: list[float], *shape: int) -> Array:
        flat = [choices[next(drawn) % len(choices)] for _ in range(int(np.prod(shape)))]
        return np.array(flat).reshape(shape)

    if friendly:
        many = [-2.0, -1.0, -0.5, 0.5, 1.0, 2.0]
        inputs, biases, targets = [-1.0, 1.0, 2.0], [-1.0, -0.5, 0.5, 1.0], [0.0, 1.0, 2.0]
    else:
        many = [n / 10 for n in range(-20, 21) if n % 10]
        inputs, biases, targets = (
            [-1.0, 0.5, 1.0, 2.0],
            [n / 10 for n in range(-10, 11) if n],
            [0.0, 1.0],
        )
    weights = tuple(pick(many, *shape) for shape in shapes)
    bias = tuple(pick(biases, shape[1]) for shape in shapes)
    inner, last = ("relu", "linear") if friendly else ("sigmoid", "sigmoid")
    return Sheet(
        weights, bias, (*[inner] * (len(shapes) - 1), last), pick(inputs, rows, sizes[0]),
        pick(targets, rows, sizes[-1]), float(pick([0.1, 0.5] if friendly else [0.5, 1.0, 2.0], 1)[0]),
    )  # fmt: skip


def _instructive(sheet: Sheet, friendly: bool) -> bool:
    """Whether there is something to learn: errors that are not 0, units that are not all silent."""
    found, _ = worked(sheet)
    if any(np.abs(found["delta", k]).max() < 1e-3 for k in range(1, sheet.depth + 1)):
        return False
    if any(np.abs(found["z", k]).min() < 1e-9 for k in range(1, sheet.depth + 1)):
        return False  # at a kink, or nothing enters
    if not friendly:
        return True
    numbers = np.concatenate([array.ravel() for array in found.values()])
    if np.abs(numbers).max() > 50:
        return False
    return bool(np.all(np.abs(numbers - np.round(numbers, MOST_DECIMALS)) < 1e-9))
