"""Random operations: pure functions of a key, so that a run can be repeated and resumed.

A key holds four 32-bit words: the seed, low and high, and the counter (of the step), low and high;
`stream` says what the numbers are for. The rules, n being the number of choices of an offset:

- dropout drops element i, in C order, where half i < round(rate·65536);
- image i is shifted by (low half of word i)·n // 65536 − rows, and likewise with the high half
  across columns; it is flipped where the low half of word i is at least 32768.

Words and halves are those of `chainrule.random`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import random
from chainrule.errors import ShapeError, UsageError
from chainrule.graph import BATCH, Dimension, Example, Op, Shape, Value, shape_text
from chainrule.ops.shapes import Gradients, Index, Operand, sizes

KEY: Shape = (4,)
_KEY_READS: list[Index] = [(i,) for i in range(4)]


def _key(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    return rng.integers(0, 1 << 32, size=4, dtype=np.uint32)


class Draw(Op):
    """An array of shape `target` drawn anew for each key."""

    target: Shape
    smooth = False
    differentiable = False

    def shape(self, *inputs: Shape) -> Shape:
        if inputs != (KEY,):
            raise ShapeError(
                f"{self.name} needs a key of shape {shape_text(KEY)}, not "
                f"{' and '.join(map(shape_text, inputs))}."
            )
        return self.target

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        return [_KEY_READS]


@dataclass(frozen=True)
class DropoutMask(Draw):
    """0 with probability `rate`, else 1/(1 − rate): times the mask, a value keeps its mean.

    With `cycle` = K the counter is taken modulo K: K masks that take turns (deck 000), each for all
    rows of its step. Source: Srivastava et al. (2014).
    """

    target: Shape
    rate: float
    stream: int
    cycle: int | None = None
    name = "dropout_mask"

    def __post_init__(self) -> None:
        random.drop_threshold(self.rate)  # says what is wrong with a rate
        if self.cycle is None:
            return
        if not 1 <= self.cycle <= 65536:
            raise UsageError(f"{self.cycle!r} dropout masks in turn: expected from 1 to 65536.")
        if BATCH in self.target:
            raise ShapeError(
                f"Dropout masks in turn of shape {shape_text(self.target)}: they must be the same "
                "for all rows, so leave the batch axis out."
            )

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        (key,) = arrays
        shape = sizes(xp, self.target)
        if self.cycle is not None:
            key = self.turn(xp, key)
        halves = _halves(xp, key, self.stream, int(np.prod(shape)))
        kept = xp.reshape(halves >= random.drop_threshold(self.rate), shape)
        return xp.real(kept) * (1.0 / (1.0 - self.rate))

    def turn(self, xp: Any, key: Any) -> Any:
        """The key with its counter modulo `cycle`; no number exceeds 32 bits."""
        k = self.cycle or 1
        counter = (key[3] % k * ((1 << 32) % k) + key[2] % k) % k
        return xp.stack([key[0], key[1], counter, 0 * counter])

    def formula(self) -> str:
        return "mask(a)"

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        ops = (
            cls((3, 5), 0.5, 1),
            cls((17,), 0.2, 2),
            cls((7, 1), 0.4, 3, cycle=10),
            cls((), 0, 0),
        )
        return [Example(op, (_key(rng),)) for op in ops]


@dataclass(frozen=True)
class NormalNoise(Draw):
    """Numbers from the normal distribution of mean 0 and variance 1 (Box & Muller, 1958)."""

    target: Shape
    stream: int
    name = "normal_noise"

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        seed_low, seed_high, low, high = (int(k) for k in arrays[0])
        shape = sizes(xp, self.target)
        seed, counter = seed_low | seed_high << 32, low | high << 32
        drawn = random.normal(seed, counter, self.stream, int(np.prod(shape)))
        return xp.real(drawn.reshape(shape))

    def formula(self) -> str:
        return "normal(a)"

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        ops = (cls((3, 5), 1), cls((17,), 2), cls((), 3))
        return [Example(op, (_key(rng),)) for op in ops]


class Augmentation(Op):
    """Images (batch, height, width) or with channels at the end, each changed in its own way."""

    def shape(self, *inputs: Shape) -> Shape:
        images, key = inputs
        known = len(images) in (3, 4) and all(isinstance(d, int) for d in images[1:3])
        if not known or key != KEY:
            raise ShapeError(
                f"{self.name} needs images of shape (batch, height, width) or (batch, height, "
                f"width, channels) and a key of shape {shape_text(KEY)}, not {shape_text(images)} "
                f"and {shape_text(key)}."
            )
        return images


@dataclass(frozen=True)
class RandomShift(Augmentation):
    """Each image moved by up to ±rows and ±columns, zeros moving in; `reverse` moves it back."""

    rows: int
    columns: int
    stream: int
    reverse: bool = False
    name = "random_shift"

    def __post_init__(self) -> None:
        if not (0 <= self.rows < 32768 and 0 <= self.columns < 32768):
            raise UsageError(
                f"Images shifted by up to {self.rows} rows and {self.columns} columns: expected "
                "whole numbers from 0 to 32767."
            )

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        back = RandomShift(self.rows, self.columns, self.stream, not self.reverse)
        return back(cotangent, inputs[1]), None

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        images, key = xp.real(arrays[0]), arrays[1]
        n, height, width = images.shape[:3]
        halves = xp.reshape(_halves(xp, key, self.stream, 2 * n), (n, 2))
        down = self.offsets(xp, halves[:, 0], self.rows)[:, None, None]
        right = self.offsets(xp, halves[:, 1], self.columns)[:, None, None]
        row = xp.arange(height)[:, None] - down  # where output rows come from: (n, height, 1)
        column = xp.arange(width) - right  # (n, 1, width)
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        image = xp.arange(n)[:, None, None]
        found = images[image, xp.clip(row, 0, height - 1), xp.clip(column, 0, width - 1)]
        return xp.where(xp.reshape(inside, inside.shape + (1,) * (found.ndim - 3)), found, 0.0)

    def offsets(self, xp: Any, halves: Any, most: int) -> Any:
        """How far each image moves: whole numbers from −most to most."""
        drawn = (halves * (2 * most + 1) >> 16).astype(np.int32) - most
        return -drawn if self.reverse else drawn

    def formula(self) -> str:
        return "shift(a, b)"

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        image, i, j, *channel = index
        _, height, width = shapes[0][:3]
        rows = range(max(i - self.rows, 0), min(i + self.rows + 1, height))
        columns = range(max(j - self.columns, 0), min(j + self.columns + 1, width))
        return [[(image, r, c, *channel) for r in rows for c in columns], _KEY_READS]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        cases = ((cls(1, 2, 1), (3, 5, 4)), (cls(2, 0, 2), (5, 3, 3, 2)), (cls(1, 0, 3), (1, 7, 1)))
        return [Example(op, (rng.normal(size=s), _key(rng))) for op, s in cases]


@dataclass(frozen=True)
class RandomFlip(Augmentation):
    """Each image mirrored along `axis` (1: upside down, 2: left and right) with probability ½."""

    axis: int
    stream: int
    name = "random_flip"

    def __post_init__(self) -> None:
        if self.axis not in (1, 2):
            raise UsageError(
                f"Images flipped along axis {self.axis!r}: expected 1 (upside down) or 2 (left and "
                "right)."
            )

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        return self(cotangent, inputs[1]), None

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        images, key = xp.real(arrays[0]), arrays[1]
        n = images.shape[0]
        flipped = xp.words(key, self.stream, n) & 0xFFFF >= 32768
        mask = xp.reshape(flipped, (n,) + (1,) * (images.ndim - 1))
        return xp.where(mask, xp.flip(images, axis=self.axis), images)

    def formula(self) -> str:
        return "flip(a, b)"

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        opposite = list(index)
        opposite[self.axis] = shapes[0][self.axis] - 1 - index[self.axis]
        return [sorted({index, tuple(opposite)}), _KEY_READS]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        cases = ((cls(2, 1), (7, 2, 3)), (cls(1, 2), (5, 4, 3, 2)), (cls(2, 3), (1, 1, 5)))
        return [Example(op, (rng.normal(size=s), _key(rng))) for op, s in cases]


def _halves(xp: Any, key: Any, stream: int, n: int) -> Any:
    """`n` random 16-bit numbers: each word's low half, then its high half."""
    words = xp.words(key, stream, -(-n // 2))
    return xp.reshape(xp.stack([words & 0xFFFF, words >> 16], axis=-1), (-1,))[:n]


def dropout_mask(
    key: Operand, shape: tuple[Dimension, ...], rate: float, stream: int, cycle: int | None = None
) -> Value:
    """A mask that drops elements with probability `rate`; `cycle` masks in turn where given."""
    return DropoutMask(tuple(shape), rate, stream, cycle)(key)


def normal_noise(key: Operand, shape: tuple[Dimension, ...], stream: int) -> Value:
    """Numbers from the normal distribution of mean 0 and variance 1."""
    return NormalNoise(tuple(shape), stream)(key)


def random_shift(key: Operand, images: Operand, rows: int, columns: int, stream: int) -> Value:
    """Each image moved by up to ±rows and ±columns, zeros moving in."""
    return RandomShift(rows, columns, stream)(images, key)


def random_flip(key: Operand, images: Operand, axis: int, stream: int) -> Value:
    """Each image mirrored along `axis` (1: upside down, 2: left and right) with probability ½."""
    return RandomFlip(axis, stream)(images, key)
