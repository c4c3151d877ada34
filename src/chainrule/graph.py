"""Values and operations: the graph everything else is written in.

A `Value` is one array that will be computed: the operation that makes it, the values it is made from, its
shape and whether it holds real numbers or integers. Leaves are `Input` (given at each run), `Parameter`
(state that assignments change) and `Constant`. Nothing here computes anything, and no operation is known
by name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from chainrule.errors import ShapeError
from chainrule.notation import Expression, parse


class Batch:
    """The number of rows of a batch: a dimension whose size is known only when a graph runs."""

    _one: ClassVar[Batch | None] = None

    def __new__(cls) -> Batch:
        cls._one = cls._one or super().__new__(cls)
        return cls._one

    def __repr__(self) -> str:
        return "batch"


BATCH = Batch()
Dimension: TypeAlias = int | Batch
Shape: TypeAlias = tuple[Dimension, ...]
Kind: TypeAlias = Literal["float", "int"]
ArrayLike: TypeAlias = float | int | np.ndarray[Any, Any] | Sequence[Any]


def shape_text(shape: Shape) -> str:
    """`(batch, 64)`: a shape as a person writes it."""
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


class Value:
    """One array of a graph: made by `op` from `inputs`, or a leaf where `op` is None."""

    __slots__ = ("__weakref__", "inputs", "kind", "name", "op", "shape")
    __array_ufunc__ = None  # NumPy leaves `array * value` to us; numpy.tanh(value) is an error

    def __init__(
        self,
        op: Op | None,
        inputs: tuple[Value, ...],
        shape: Shape,
        kind: Kind = "float",
        name: str | None = None,
    ) -> None:
        self.op, self.inputs, self.shape, self.kind, self.name = op, inputs, shape, kind, name

    @property
    def rank(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    def __repr__(self) -> str:
        made = type(self).__name__.lower() if self.op is None else self.op.name
        return f"<{made} {self.name or ''}{shape_text(self.shape)}>"

    # Arithmetic is bound in `ops.operators`, which knows the operations.
    __add__: Callable[[Value, Any], Value]
    __radd__: Callable[[Value, Any], Value]
    __sub__: Callable[[Value, Any], Value]
    __rsub__: Callable[[Value, Any], Value]
    __mul__: Callable[[Value, Any], Value]
    __rmul__: Callable[[Value, Any], Value]
    __truediv__: Callable[[Value, Any], Value]
    __rtruediv__: Callable[[Value, Any], Value]
    __pow__: Callable[[Value, Any], Value]
    __rpow__: Callable[[Value, Any], Value]
    __matmul__: Callable[[Value, Any], Value]
    __rmatmul__: Callable[[Value, Any], Value]
    __neg__: Callable[[Value], Value]
    __abs__: Callable[[Value], Value]
    __getitem__: Callable[[Value, Any], Value]
    __gt__: Callable[[Value, Any], Value]
    __ge__: Callable[[Value, Any], Value]
    __lt__: Callable[[Value, Any], Value]
    __le__: Callable[[Value, Any], Value]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in (np.shape, np.ndim):
            return self.shape if function is np.shape else self.rank
        raise TypeError(
            f"numpy.{function.__name__} computes arrays, but a Value is computed later: use the functions of "
            "chainrule.ops."
        )

    def __iter__(self) -> Iterator[Value]:
        if not self.shape or isinstance(self.shape[0], Batch):
            raise ShapeError(f"A value of shape {shape_text(self.shape)} cannot be taken apart.")
        return (self[i] for i in range(self.shape[0]))

    def __bool__(self) -> bool:
        raise TypeError(
            "A Value has no truth value: it is computed later. Use ops.where(condition, a, b) to choose."
        )


class Input(Value):
    """An array handed in at each run: rows of the data, or a scalar of the step."""

    __slots__ = ()

    def __init__(self, shape: Shape, kind: Kind = "float", name: str | None = None) -> None:
        super().__init__(None, (), tuple(shape), kind, name)


class Parameter(Value):
    """State that lives with the engine between runs and that assignments change."""

    __slots__ = ()

    def __init__(self, shape: Shape, name: str | None = None) -> None:
        super().__init__(None, (), tuple(shape), "float", name)


class Constant(Value):
    """An array that never changes; real numbers are cast to the precision of the run."""

    __slots__ = ("array",)

    def __init__(self, array: ArrayLike, name: str | None = None) -> None:
        data = np.array(array)  # a copy: the caller's array stays writeable
        integer = data.dtype.kind in "iu" and not isinstance(array, int)
        self.array = data if integer else data.astype(np.float64, copy=False)
        self.array.flags.writeable = False
        super().__init__(None, (), self.array.shape, "int" if integer else "float", name)


def as_value(x: Value | ArrayLike) -> Value:
    """`x` itself if it is a value, a constant otherwise."""
    return x if isinstance(x, Value) else Constant(x)


@dataclass(frozen=True)
class Example:
    """One case to test an operation with: real arrays are differentiated, integer arrays are not."""

    op: Op
    arrays: tuple[np.ndarray[Any, Any], ...]


@dataclass(frozen=True)
class Op:
    """An operation with one output; a subclass with settings is a frozen dataclass of them.

    Two operations are equal when they are of one class and have the same settings.
    """

    name: ClassVar[str]
    registry: ClassVar[dict[str, type[Op]]] = {}
    result: ClassVar[Kind] = "float"
    smooth: ClassVar[bool] = True  # False: kinks or jumps, so no second-order check
    differentiable: ClassVar[bool] = True  # False: declares no vjp

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            Op.registry[cls.name] = cls

    def __call__(self, *inputs: Value | ArrayLike) -> Value:
        values = tuple(as_value(x) for x in inputs)
        return Value(self, values, self.shape(*(v.shape for v in values)), self.result)

    def shape(self, *inputs: Shape) -> Shape:
        """The output's shape, or a `ShapeError` that names the shapes and the likely cause."""
        raise NotImplementedError

    def vjp(self, cotangent: Value, output: Value, *inputs: Value) -> Sequence[Value | None]:
        """∂L/∂input for each input, as values, given ∂L/∂output; None where there is none."""
        return (None,) * len(inputs)

    def evaluate(self, xp: Any, *arrays: Any) -> Any:
        """The output array, computed with the functions of the namespace `xp`."""
        raise NotImplementedError

    def formula(self) -> str:
        """How a person writes one element of the output: a Python expression of `a`, `b` …, its inputs."""
        raise NotImplementedError

    def element(self, index: tuple[int, ...], *terms: Sequence[Expression]) -> Expression:
        """The output element at `index`, written with the input elements it `reads`."""
        return parse(self.formula(), *(read[0] for read in terms))

    def reads(
        self, index: tuple[int, ...], *shapes: tuple[int, ...]
    ) -> list[list[tuple[int, ...]]]:
        """For each input, the indices of its elements that make the output element at `index`."""
        raise NotImplementedError

    @classmethod
    def example(cls, rng: np.random.Generator) -> list[Example]:
        """At least three cases to test with: broadcasting, odd widths, edge values."""
        raise NotImplementedError


def broadcast_shapes(*shapes: Shape, what: str = "operands") -> Shape:
    """NumPy's broadcasting rule on symbolic shapes; `batch` fits `batch` and 1 only."""
    result: list[Dimension] = []
    for dims in itertools.zip_longest(*(reversed(s) for s in shapes), fillvalue=1):
        wide = {d for d in dims if d != 1}
        if len(wide) > 1:
            raise ShapeError(
                f"The shapes of the {what} do not fit together: {' and '.join(map(shape_text, shapes))}."
            )
        result.append(wide.pop() if wide else 1)
    return tuple(reversed(result))


def topological_order(outputs: Iterable[Value]) -> list[Value]:
    """Every value the outputs need, each after the values it is made from; no recursion."""
    order: list[Value] = []
    done: set[Value] = set()
    stack: list[tuple[Value, bool]] = [(v, False) for v in reversed(list(outputs))]
    while stack:
        value, ready = stack.pop()
        if ready:
            order.append(value)
        elif value not in done:
            done.add(value)
            stack.append((value, True))
            stack.extend((x, False) for x in reversed(value.inputs) if x not in done)
    return order


def leaves(outputs: Iterable[Value], kind: type[Value]) -> list[Value]:
    """The leaves of one kind (`Input`, `Parameter`, `Constant`) that the outputs need."""
    return [v for v in topological_order(outputs) if isinstance(v, kind)]
