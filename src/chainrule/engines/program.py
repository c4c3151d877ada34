"""What an engine is given: a program, the state it works on, and the protocol it answers to."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np

from chainrule.errors import ShapeError, UsageError
from chainrule.graph import BATCH, Input, Parameter, Value, shape_text

Array = np.ndarray[Any, Any]
Precision = Literal["float32", "float64", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class Program:
    """A graph to run: its inputs, what is read from it, and the state it changes.

    `rows` are inputs of which every run takes some rows of the data, `scalars` are inputs with one entry
    a step (learning rate, random key). `assignments` take effect together, after every read of the old
    values. A training step, an evaluation and a prediction are three programs on one state.
    """

    rows: tuple[Input, ...]
    outputs: Mapping[str, Value]
    scalars: tuple[Input, ...] = ()
    assignments: tuple[tuple[Parameter, Value], ...] = ()

    def __post_init__(self) -> None:
        for parameter, value in self.assignments:
            if parameter.shape != value.shape:
                raise ShapeError(
                    f"{parameter.name} has shape {shape_text(parameter.shape)} but is assigned a value of "
                    f"shape {shape_text(value.shape)}."
                )


class Source(Protocol):
    """Who changes a state's arrays somewhere else, and the lock that is held meanwhile."""

    turn: threading.RLock

    def bring(self, arrays: dict[Parameter, Array]) -> None:
        """Put the newest arrays in."""


class State:
    """The parameters' arrays, in one precision; an array is replaced, never written into.

    In "bfloat16" matrix products take their factors rounded to bfloat16 (8 significant bits) and add up in
    float32; everything else, weights included, is float32. With AMX, the native engine multiplies on its tiles.
    """

    def __init__(
        self, precision: Precision = "float32", arrays: dict[Parameter, Array] | None = None
    ) -> None:
        self.precision = precision
        self._arrays = {} if arrays is None else arrays
        self.newer: Source | None = None  # who is asked for the newest when someone looks
        self._looking = threading.RLock()  # a signal may come and look, too

    @property
    def arrays(self) -> dict[Parameter, Array]:
        """The array of each parameter."""
        newer = self.newer
        if newer is not None:
            # Whose turn it is may be interrupted by a signal and look, too: so nobody waits for the turn
            # with our own lock in hand.
            with newer.turn, self._looking:
                if self.newer is newer:
                    newer.bring(self._arrays)
                    self.newer = None
        return self._arrays

    def put(self, arrays: Mapping[Parameter, Array]) -> None:
        """Take these arrays, all that a program changes, whatever newer ones there may be."""
        with self._looking:
            self.newer = None
            self._arrays.update(arrays)

    def __reduce__(self) -> tuple[Any, ...]:
        return State, (self.precision, self.arrays)

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the arrays are made of."""
        return np.dtype(np.float64 if self.precision == "float64" else np.float32)

    def __getitem__(self, parameter: Parameter) -> Array:
        return self.arrays[parameter]

    def __setitem__(self, parameter: Parameter, array: Any) -> None:
        new = np.array(array, dtype=self.dtype)
        if new.shape != parameter.shape:
            raise ShapeError(
                f"{parameter.name} has shape {shape_text(parameter.shape)}, not {shape_text(new.shape)}."
            )
        self.arrays[parameter] = new


class Runner(Protocol):
    """A program made ready to run on one state."""

    def once(
        self, data: Mapping[Input, Any], scalars: Mapping[Input, Any] = ...
    ) -> dict[str, Array]:
        """Run on all rows given; the outputs' arrays."""

    def steps(
        self,
        data: Mapping[Input, Array],
        order: Array,
        batch_size: int,
        table: Mapping[Input, Array],
        first: int = 0,
        last: int | None = None,
        sums: Mapping[str, float] | None = None,
    ) -> dict[str, float]:
        """Run steps `first` to `last` (not included) of an epoch; each output summed over the steps.

        Step i takes rows `order[i·batch_size : (i+1)·batch_size]` and entry i of each table column.
        `sums` are those of the steps before: each step's output is added to them in turn, so that an
        epoch's sums have the same bits however it is cut into pieces.
        """

    def epochs(
        self,
        data: Mapping[Input, Array],
        orders: Array,
        batch_size: int,
        table: Mapping[Input, Array],
    ) -> list[dict[str, float]]:
        """Run whole epochs one after another; the sums of each.

        `orders` (epochs, rows) is the order of the rows in each; the table's columns have the entries of the
        first epoch's steps, then those of the second's, and so on.
        """

    def blocks(self, data: Mapping[Input, Array], block: int = ...) -> dict[str, Array]:
        """Run on all rows, `block` at a time; the outputs' arrays joined along the rows."""


@runtime_checkable
class Inspector(Protocol):
    """A runner that can also show the values between inputs and outputs."""

    def inspect(
        self,
        values: Sequence[Value],
        data: Mapping[Input, Any],
        scalars: Mapping[Input, Any] = ...,
    ) -> dict[Value, Array]:
        """The arrays of these values of the program's graph in one run on all rows given.

        They have the bits they have in a step of `steps` on the same rows in the same order. The state
        stays as it was: assignments are not carried out.
        """


class Engine(Protocol):
    """Whatever runs programs."""

    name: str

    def prepare(self, program: Program, state: State, threads: int | None = None) -> Runner:
        """The program made ready to run on this state, by at most so many threads (None: as many as help)."""


def row_count(data: Mapping[Input, Any], program: Program) -> int:
    """The number of rows in the data; a `ShapeError` where inputs disagree or do not fit."""
    counts: dict[int, str] = {}
    for leaf in program.rows:
        if leaf not in data:
            raise UsageError(f"No array was given for input {leaf.name}.")
        shape = np.shape(data[leaf])
        fits = len(shape) == leaf.rank and all(
            d is BATCH or d == n for d, n in zip(leaf.shape, shape, strict=True)
        )
        if not fits:
            raise ShapeError(
                f"Input {leaf.name} expects an array of shape {shape_text(leaf.shape)}, not {shape_text(shape)}."
            )
        if leaf.rank and leaf.shape[0] is BATCH:
            counts[shape[0]] = leaf.name or "input"
    if len(counts) > 1:
        told = " and ".join(f"{name} has {n}" for n, name in counts.items())
        raise ShapeError(f"All inputs need the same number of rows, but {told}.")
    return next(iter(counts), 1)
