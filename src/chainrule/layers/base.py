"""What a layer is: shapes and weights in, values and assignments out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from chainrule.constraints import Constraint
from chainrule.engines.program import State
from chainrule.errors import ShapeError, UsageError
from chainrule.families import Family
from chainrule.graph import Dimension, Input, Kind, Parameter, Shape, Value, shape_text
from chainrule.initializers import Initializer
from chainrule.regularizers import Regularizer

Assignment = tuple[Parameter, Value]


@dataclass(frozen=True)
class Mode:
    """How a network is applied: for training, with this random key, or for prediction."""

    training: bool = False
    key: Value | None = None  # four words: seed low, seed high, counter low, counter high


PREDICTION = Mode()


@dataclass(eq=False)
class Weight:
    """A parameter of a layer and how it begins and is kept."""

    parameter: Parameter
    initializer: Initializer
    trainable: bool = True
    regularizer: Regularizer | None = None
    constraint: Constraint | None = None
    role: str = "weight"


@dataclass(frozen=True, eq=False)
class Symbol:
    """The output of a layer inside a network that is being put together; `layer` is None for inputs."""

    shape: Shape
    layer: Layer | None = None
    inputs: tuple[Symbol, ...] = ()
    name: str | None = None
    kind: Kind = "float"


@dataclass(eq=False, kw_only=True)
class Layer:
    """A brick of a network. A subclass is a dataclass of its settings.

    It creates its weights in `build`, once the shapes of its inputs are known, and says in `compute` what
    it computes with them (or in `apply`, where it also assigns state, as running statistics). The same
    layer may be used in several places: its weights are shared, their gradients added up. With
    `trainable = False` training leaves its weights as they are.
    """

    name: str | None = None
    trainable: bool = True

    minimum_rows: ClassVar[int] = 1  # the smallest training batch it can work on
    arity: ClassVar[int | None] = 1  # the number of inputs; None: a list of any length
    takes: ClassVar[Kind] = "float"  # "int": inputs must be whole numbers

    def __post_init__(self) -> None:
        self.weights: list[Weight] = []
        self.built: tuple[Shape, ...] | None = None
        self.home: State | None = None  # where its weights live, once a model has given them values
        self.number = 0  # names its random streams; from 1, once it is part of a network

    @property
    def limit(self) -> int | None:
        """Whole numbers it takes are from 0 to below this (None: all)."""
        return None

    # --- what subclasses say ---

    def build(self, *shapes: Shape) -> None:
        """Create the weights for inputs of these shapes."""

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        """The output for these inputs."""
        raise NotImplementedError

    def apply(self, *inputs: Value, mode: Mode) -> tuple[Value, list[Assignment]]:
        """The output, and the state to change when a training step is done."""
        return self.compute(*inputs, mode=mode), []

    # --- what the rest uses ---

    def __call__(self, inputs: Any) -> Symbol:
        """Put this layer into a network: on one input, or on a list of them."""
        symbols = tuple(inputs) if isinstance(inputs, (list, tuple)) else (inputs,)
        for s in symbols:
            if not isinstance(s, Symbol):
                raise UsageError(
                    f"{self.described} is put into a network by calling it on cr.Input(…) or on another layer's "
                    f"output, not on {type(s).__name__}. To compute with arrays, use a model's predict."
                )
            if self.takes == "int" and s.kind != "int":
                raise UsageError(
                    f"{self.described} takes whole numbers: give it an input made with cr.Input(…, kind='int')."
                )
        if self.arity is not None and len(symbols) != self.arity:
            raise UsageError(f"{self.described} takes {self.arity} input(s), not {len(symbols)}.")
        output = self._output([Input(s.shape, s.kind) for s in symbols])
        return Symbol(output.shape, self, symbols, kind=output.kind)

    def ensure_built(self, *shapes: Shape) -> None:
        """Build at the first use; afterwards the inputs must keep the shapes the weights were made for."""
        if self.built is None:
            self.build(*shapes)
            self.built = shapes
        elif self.weights and [s[1:] for s in shapes] != [s[1:] for s in self.built]:
            now, then = (", ".join(map(shape_text, s)) for s in (shapes, self.built))
            raise ShapeError(
                f"{self.described}: the input has shape {now}, its weights were built for {then}. "
                "Did the data's columns change?"
            )

    def forget(self) -> None:
        """Be as before the first use, unless a model holds the weights already."""
        if self.home is None:
            self.weights, self.built = [], None

    def output_shape(self, *shapes: Shape) -> Shape:
        """The output's shape for inputs of these shapes; builds the layer."""
        return self._output([Input(s, self.takes) for s in shapes]).shape

    def _output(self, inputs: Sequence[Input]) -> Value:
        try:
            self.ensure_built(*(x.shape for x in inputs))
            return self.apply(*inputs, mode=PREDICTION)[0]
        except ShapeError as error:
            if str(error).startswith(self.described):
                raise
            raise ShapeError(f"{self.described}: {error}") from error

    def add_weight(
        self,
        role: str,
        shape: Sequence[Dimension],
        initializer: Initializer,
        *,
        trainable: bool = True,
        regularizer: Regularizer | None = None,
        constraint: Constraint | None = None,
    ) -> Parameter:
        """A new weight, called by its role: kernel, bias, gamma …"""
        parameter = Parameter(tuple(shape), role)
        self.weights.append(
            Weight(parameter, initializer, trainable, regularizer, constraint, role)
        )
        return parameter

    def features(self, shape: Shape) -> int:
        """The size of the last axis of an input of shape (batch, features)."""
        if len(shape) != 2 or not isinstance(shape[1], int):
            hint = " Put a Flatten layer before it." if len(shape) > 2 else ""
            raise ShapeError(
                f"{self.described} takes inputs of shape (batch, features), not {shape_text(shape)}.{hint}"
            )
        return shape[1]

    @property
    def described(self) -> str:
        """`Dense("hidden_2")`: the layer as errors name it."""
        return f'{type(self).__name__}("{self.name}")' if self.name else type(self).__name__

    def config(self) -> dict[str, Any]:
        """The layer's settings as JSON data."""
        return LAYERS.config(self)


def called(value: Value, name: str) -> Value:
    """The value, with a name by which a ledger shows it (unless it has one)."""
    value.name = value.name or name
    return value


LAYERS: Family[Layer] = Family("layer", Layer)
