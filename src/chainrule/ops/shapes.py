"""Operations that move, repeat, join and add up elements.

Each one's derivative is another of them: all are linear.
"""

from __future__ import annotations

import builtins
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chainrule import notation
from chainrule.errors import ShapeError
from chainrule.graph import (
    BATCH,
    ArrayLike,
    Batch,
    Dimension,
    Example,
    Op,
    Shape,
    Value,
    as_value,
    broadcast_shapes,
    shape_text,
)
from chainrule.notation import Expression

Operand: TypeAlias = Value | ArrayLike
Gradients: TypeAlias = Sequence[Value | None]
Index: TypeAlias = tuple[int, ...]
Axes: TypeAlias = int | Sequence[int] | None


class Rearrangement(Op):
    """Elements moved, repeated or joined, never computed with: integers stay integers."""

    def __call__(self, *inputs: Value | ArrayLike) -> Value:
        value = super().__call__(*inputs)
        value.kind = "int" if {x.kind for x in value.inputs} == {"int"} else "float"
        return value

    def formula(self) -> str:
        return "a"

    def element(self, index: Index, *terms: Sequence[Expression]) -> Expression:
        read = [x for part in terms for x in part]  # none where zeros are padded
        return read[0] if read else notation.Number(0.0)


@dataclass(frozen=True)
class BroadcastTo(Rearrangement):
    """The input repeated to a larger shape by NumPy's broadcasting rule."""

    target: Shape
    name = "broadcast_to"

    def shape(self, *inputs: Shape) -> Shape:
        if broadcast_shapes(inputs[0], self.target, what="value and target") != self.target:
            raise ShapeError(
                f"A value of shape {shape_text(inputs[0])} cannot be broadcast to "
                f"{shape_text(self.target)}."
            )
        return self.target

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        return (sum_to(cotangent, inputs[0].shape),)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        return xp.broadcast_to(arrays[0], sizes(xp, self.target))

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        return [[broadcast_index(index, shapes[0])]]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        pairs = (((3, 1), (3, 5)), ((5,), (2, 5)), ((), (4, 1)))
        return [Example(cls(new), (rng.normal(size=old),)) for old, new in pairs]


@dataclass(frozen=True)
class Reshape(Rearrangement):
    """The same elements in another shape; a batch axis remains one."""

    target: Shape
    name = "reshape"

    def shape(self, *inputs: Shape) -> Shape:
        (old,) = inputs
        batches = [builtins.sum(d is BATCH for d in shape) for shape in (old, self.target)]
        if batches[0] != batches[1] or known_size(old) != known_size(self.target):
            raise ShapeError(
                f"A value of shape {shape_text(old)} cannot be reshaped to "
                f"{shape_text(self.target)}: both need the same number of elements."
            )
        return self.target

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        return (reshape(cotangent, inputs[0].shape),)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        return xp.reshape(arrays[0], sizes(xp, self.target))

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        (shape,) = shapes
        rows = math.prod(shape) // max(known_size(self.target), 1)
        target = tuple(rows if isinstance(d, Batch) else d for d in self.target)
        flat = int(np.ravel_multi_index(index, target)) if target else 0
        return [[tuple(int(i) for i in np.unravel_index(flat, shape))]]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        pairs = (((3, 4), (2, 6)), ((6,), (1, 2, 3)), ((1, 1), ()))
        return [Example(cls(new), (rng.normal(size=old),)) for old, new in pairs]


@dataclass(frozen=True)
class Transpose(Rearrangement):
    """The axes in another order (reversed: None)."""

    axes: tuple[int, ...] | None = None
    name = "transpose"

    def order(self, rank: int) -> tuple[int, ...]:
        """The new order of the axes, written out."""
        order = tuple(reversed(range(rank))) if self.axes is None else self.axes
        if sorted(order) != list(range(rank)):
            raise ShapeError(
                f"transpose with axes {self.axes} does not fit a value of rank {rank}: "
                f"give each of the axes 0 to {rank - 1} once."
            )
        return order

    def shape(self, *inputs: Shape) -> Shape:
        return tuple(inputs[0][a] for a in self.order(len(inputs[0])))

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        back = np.argsort(self.order(inputs[0].rank)).tolist()
        return (transpose(cotangent, back),)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        return xp.transpose(arrays[0], self.order(arrays[0].ndim))

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        place = dict(zip(self.order(len(index)), index, strict=True))
        return [[tuple(place[a] for a in range(len(index)))]]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        return [
            Example(cls(None), (rng.normal(size=(3, 5)),)),
            Example(cls((1, 2, 0)), (rng.normal(size=(2, 3, 4)),)),
            Example(cls(None), (rng.normal(size=7),)),
        ]


@dataclass(frozen=True)
class Slice(Rearrangement):
    """Elements `start` to `stop` (not included) along one axis of known size."""

    axis: int
    start: int
    stop: int
    name = "slice"

    def shape(self, *inputs: Shape) -> Shape:
        (old,) = inputs
        size = old[self.axis] if self.axis < len(old) else 0
        if isinstance(size, Batch) or not 0 <= self.start <= self.stop <= size:
            raise ShapeError(
                f"Elements {self.start} to {self.stop} of axis {self.axis} do not lie in a value "
                f"of shape {shape_text(old)}."
            )
        return (*old[: self.axis], self.stop - self.start, *old[self.axis + 1 :])

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        size = inputs[0].shape[self.axis]
        assert isinstance(size, int)
        return (Pad(self.axis, self.start, size - self.stop)(cotangent),)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        return arrays[0][(slice(None),) * self.axis + (slice(self.start, self.stop),)]

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        return [[moved(index, self.axis, self.start)]]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        cases = (((3, 5), cls(1, 1, 4)), ((7,), cls(0, 0, 3)), ((2, 3, 4), cls(1, 2, 3)))
        return [Example(op, (rng.normal(size=s),)) for s, op in cases]


@dataclass(frozen=True)
class Pad(Rearrangement):
    """Zeros put before and after the elements along one axis of known size."""

    axis: int
    before: int
    after: int
    name = "pad"

    def shape(self, *inputs: Shape) -> Shape:
        (old,) = inputs
        size = old[self.axis] if self.axis < len(old) else BATCH
        if isinstance(size, Batch):
            raise ShapeError(
                f"Axis {self.axis} of a value of shape {shape_text(old)} cannot be padded: "
                "it needs an axis of known size."
            )
        return (*old[: self.axis], self.before + size + self.after, *old[self.axis + 1 :])

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        size = inputs[0].shape[self.axis]
        assert isinstance(size, int)
        return (Slice(self.axis, self.before, self.before + size)(cotangent),)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        widths = [(0, 0)] * arrays[0].ndim
        widths[self.axis] = (self.before, self.after)
        return xp.pad(arrays[0], widths)

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        source = moved(index, self.axis, -self.before)
        return [[source] if 0 <= source[self.axis] < shapes[0][self.axis] else []]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        cases = (((3, 5), cls(1, 1, 2)), ((7,), cls(0, 0, 3)), ((2, 3, 4), cls(1, 2, 0)))
        return [Example(op, (rng.normal(size=s),)) for s, op in cases]


@dataclass(frozen=True)
class Concatenate(Rearrangement):
    """Values joined along one axis."""

    axis: int = -1
    name = "concatenate"

    def shape(self, *inputs: Shape) -> Shape:
        axis = self.position(inputs)
        known = [s[axis] for s in inputs if isinstance(s[axis], int)]
        rest = {(*s[:axis], *s[axis + 1 :]) for s in inputs}
        if len(rest) > 1 or len(known) < len(inputs):
            raise self.misfit(inputs)
        joined = builtins.sum(n for n in known if isinstance(n, int))
        return (*inputs[0][:axis], joined, *inputs[0][axis + 1 :])

    def position(self, shapes: Sequence[Shape]) -> int:
        """The axis counted from 0."""
        rank = len(shapes[0]) if shapes else 0
        if any(len(s) != rank for s in shapes) or not -rank <= self.axis < rank:
            raise self.misfit(shapes)
        return self.axis % rank

    def misfit(self, shapes: Sequence[Shape]) -> ShapeError:
        """The error for shapes that cannot be joined."""
        return ShapeError(
            f"Values of shapes {' and '.join(map(shape_text, shapes))} cannot be joined along axis "
            f"{self.axis}: along the other axes their sizes must agree."
        )

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        axis = self.position([x.shape for x in inputs])
        parts: list[Value] = []
        start = 0
        for x in inputs:
            size = x.shape[axis]
            assert isinstance(size, int)
            parts.append(Slice(axis, start, start + size)(cotangent))
            start += size
        return parts

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        whole = all(a.dtype.kind in "iu" for a in arrays)
        return xp.concatenate(arrays if whole else [*map(xp.real, arrays)], axis=self.axis)

    def formula(self) -> str:
        return "concatenate(a, b)"

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        axis = self.position(shapes)
        found: list[list[Index]] = []
        start = 0
        for s in shapes:
            source = moved(index, axis, -start)
            found.append([source] if 0 <= source[axis] < s[axis] else [])
            start += s[axis]
        return found

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        cases = ((-1, ((3, 2), (3, 5))), (0, ((2,), (1,), (4,))), (1, ((2, 3, 4), (2, 1, 4))))
        return [Example(cls(a), tuple(rng.normal(size=s) for s in shapes)) for a, shapes in cases]


@dataclass(frozen=True)
class Reduction(Op):
    """An operation that takes the elements along `axes` together (all axes: None)."""

    axes: tuple[int, ...] | None = None
    keepdims: bool = False

    def reduced(self, rank: int) -> tuple[int, ...]:
        """The axes reduced, counted from 0."""
        axes = range(rank) if self.axes is None else self.axes
        if any(not -rank <= a < rank for a in axes):
            raise ShapeError(
                f"{self.name} over axes {self.axes} does not fit a value of rank {rank}: "
                f"axes go from {-rank} to {rank - 1}."
            )
        return tuple(sorted({a % rank for a in axes}))

    def shape(self, *inputs: Shape) -> Shape:
        (old,) = inputs
        axes = self.reduced(len(old))
        if self.keepdims:
            return tuple(1 if i in axes else d for i, d in enumerate(old))
        return tuple(d for i, d in enumerate(old) if i not in axes)

    def spread(self, x: Value, like: Value) -> Value:
        """`x`, of the output's shape, repeated over the reduced axes of `like`."""
        axes = self.reduced(like.rank)
        kept = tuple(1 if i in axes else d for i, d in enumerate(like.shape))
        return broadcast_to(reshape(x, kept), like.shape)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        x = xp.real(arrays[0])
        return getattr(xp, self.name)(x, axis=self.reduced(x.ndim), keepdims=self.keepdims)

    def formula(self) -> str:
        return f"{self.name}(a)"

    def element(self, index: Index, *terms: Sequence[Expression]) -> Expression:
        if self.name == "sum":
            return notation.add(*terms[0])
        return notation.Call(self.name, tuple(terms[0]))

    def reads(self, index: Index, *shapes: Index) -> list[list[Index]]:
        (shape,) = shapes
        axes = self.reduced(len(shape))
        rest = iter([i for a, i in enumerate(index) if not self.keepdims or a not in axes])
        choices = [range(n) if a in axes else (next(rest),) for a, n in enumerate(shape)]
        return [list(itertools.product(*choices))]

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        return [
            Example(cls(axes, keep), distinct(rng, shape))
            for shape, axes, keep in (
                ((3, 5), None, False),
                ((3, 5), (0,), False),
                ((2, 3, 4), (-1,), True),
                ((7,), (0,), True),
                ((2, 3, 4), (0, 2), False),
            )
        ]


class Sum(Reduction):
    """Σ x."""

    name = "sum"

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Gradients:
        return (self.spread(cotangent, inputs[0]),)


# --- functions ------------------------------------------------------------------------------------


def sum(x: Operand, axes: Axes = None, *, keepdims: bool = False) -> Value:
    """The sum over the given axes (all of them: None)."""
    return Sum(all_axes(axes), keepdims)(x)


def broadcast_to(x: Operand, shape: Sequence[Dimension]) -> Value:
    """x repeated to `shape`."""
    value = as_value(x)
    return value if value.shape == tuple(shape) else BroadcastTo(tuple(shape))(value)


def reshape(x: Operand, shape: Sequence[Dimension]) -> Value:
    """The elements of x in another shape."""
    value = as_value(x)
    return value if value.shape == tuple(shape) else Reshape(tuple(shape))(value)


def transpose(x: Operand, axes: Sequence[int] | None = None) -> Value:
    """x with its axes in another order (reversed: None)."""
    return Transpose(None if axes is None else tuple(axes))(x)


def concatenate(values: Sequence[Operand], axis: int = -1) -> Value:
    """Values joined along one axis."""
    return Concatenate(axis)(*values)


def sum_to(x: Value, shape: Shape) -> Value:
    """x summed over the axes along which `shape` was broadcast to x's shape."""
    extra = x.rank - len(shape)
    pairs = zip(x.shape[extra:], shape, strict=True)
    repeated = [i + extra for i, (wide, narrow) in enumerate(pairs) if wide != narrow]
    axes = (*range(extra), *repeated)
    return reshape(Sum(axes)(x), shape) if axes else x


# --- helpers of operations ------------------------------------------------------------------------


def all_axes(axes: Axes) -> tuple[int, ...] | None:
    """The axes as a tuple, or None for all of them."""
    return None if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)


def sizes(xp: Any, shape: Shape) -> Index:
    """The shape with the number of rows of this run in place of `batch`."""
    return tuple(xp.rows if isinstance(d, Batch) else d for d in shape)


def known_size(shape: Shape) -> int:
    """The number of elements of one row: the product of the known dimensions."""
    return math.prod(d for d in shape if isinstance(d, int))


def broadcast_index(index: Index, shape: Index) -> Index:
    """Where the element of `shape` lies that broadcasting repeats at `index`."""
    last = index[len(index) - len(shape) :]
    return tuple(0 if n == 1 else i for i, n in zip(last, shape, strict=True))


def moved(index: Index, axis: int, by: int) -> Index:
    """`index` moved along one axis."""
    return (*index[:axis], index[axis] + by, *index[axis + 1 :])


def distinct(rng: np.random.Generator, *shapes: Index) -> tuple[np.ndarray[Any, Any], ...]:
    """Arrays whose elements lie at least 0.2 from each other and 0.1 from 0: away from kinks."""
    ends = np.cumsum([math.prod(s) for s in shapes])
    values = (rng.permutation(ends[-1]) - ends[-1] // 2) * 0.2 + 0.1
    parts = np.split(values, ends[:-1])
    return tuple(part.reshape(s) for part, s in zip(parts, shapes, strict=True))
