"""Layers that multiply by weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from chainrule import activations, constraints, initializers, regularizers
from chainrule.errors import ShapeError, UsageError
from chainrule.families import check
from chainrule.graph import Kind, Shape, Value, shape_text
from chainrule.layers.base import LAYERS, Layer, Mode, called
from chainrule.ops.linear import affine, matmul
from chainrule.ops.lookup import gather
from chainrule.ops.shapes import transpose


@LAYERS.register("dense", "Dense")
@dataclass(eq=False)
class Dense(Layer):
    """A fully connected layer: activation(x W + b), (batch, fan_in) → (batch, units).

    W has shape (fan_in, units), b (units,). Names and meanings are Keras'.
    """

    units: int
    activation: Any = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None
    kernel_constraint: Any = None
    bias_constraint: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, units="whole [1, inf)")
        self.units = int(self.units)
        self.activation = activations.get(self.activation)
        self.kernel_initializer = initializers.get(self.kernel_initializer)
        self.bias_initializer = initializers.get(self.bias_initializer)
        self.kernel_regularizer = regularizers.get(self.kernel_regularizer)
        self.bias_regularizer = regularizers.get(self.bias_regularizer)
        self.kernel_constraint = constraints.get(self.kernel_constraint)
        self.bias_constraint = constraints.get(self.bias_constraint)

    def build(self, *shapes: Shape) -> None:
        fan_in = self.features(shapes[0])
        self.kernel = self.add_weight(
            "kernel",
            (fan_in, self.units),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                (self.units,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        (x,) = inputs  # (batch, fan_in) @ (fan_in, units)
        z = affine(x, self.kernel, self.bias) if self.use_bias else matmul(x, self.kernel)
        return activated(self, z)


@LAYERS.register("tied_dense", "TiedDense")
@dataclass(eq=False)
class TiedDense(Layer):
    """A dense layer whose matrix is the transpose of another's: activation(x Wᵀ + b).

    The two share one W, whose gradient is the sum of both uses (an auto-encoder's decoder, say).
    """

    tied_to: Any
    activation: Any = None
    bias_initializer: Any = "zeros"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.tied_to, Dense):
            raise UsageError(f"TiedDense is tied to a Dense layer, not to {self.tied_to!r}.")
        self.activation = activations.get(self.activation)
        self.bias_initializer = initializers.get(self.bias_initializer)

    def build(self, *shapes: Shape) -> None:
        fan_in = self.features(shapes[0])
        if self.tied_to.built is None:
            raise UsageError(
                f"{self.described} must come after the layer it is tied to, {self.tied_to.described}."
            )
        if fan_in != self.tied_to.units:
            raise ShapeError(
                f"{self.described}: the input has {fan_in} features, but the layer it is tied to, "
                f"{self.tied_to.described}, has {self.tied_to.units} units."
            )
        self.bias = self.add_weight("bias", self.tied_to.kernel.shape[:1], self.bias_initializer)

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        (x,) = inputs  # (batch, units) @ (units, fan_in)
        return activated(self, affine(x, transpose(self.tied_to.kernel), self.bias))


@LAYERS.register("embedding", "Embedding")
@dataclass(eq=False)
class Embedding(Layer):
    """A learnt vector for each of the numbers 0 … input_dim − 1: integers (batch, n) → (batch, n, output_dim).

    Its input is `cr.Input((n,), kind="int")`, which `Sequential` assumes where this is the first layer.
    A Flatten layer after it puts the vectors of an example side by side.
    """

    takes: ClassVar[Kind] = "int"

    input_dim: int
    output_dim: int
    embeddings_initializer: Any = "uniform"
    embeddings_regularizer: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, input_dim="whole [1, inf)", output_dim="whole [1, inf)")
        self.embeddings_initializer = (
            initializers.RandomUniform(-0.05, 0.05)
            if self.embeddings_initializer == "uniform"
            else initializers.get(self.embeddings_initializer)
        )
        self.embeddings_regularizer = regularizers.get(self.embeddings_regularizer)

    @property
    def limit(self) -> int | None:
        return self.input_dim

    def build(self, *shapes: Shape) -> None:
        self.embeddings = self.add_weight(
            "embeddings",
            (self.input_dim, self.output_dim),
            self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
        )

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        return gather(self.embeddings, inputs[0])


def activated(layer: Dense | TiedDense, z: Value) -> Value:
    """The layer's activation of z; a `ShapeError` where it does not keep the shape."""
    a = layer.activation(called(z, "z"))
    if not isinstance(a, Value) or a.shape != z.shape:
        found = shape_text(a.shape) if isinstance(a, Value) else type(a).__name__
        raise ShapeError(
            f"{layer.described}: the activation turned shape {shape_text(z.shape)} into {found}; "
            "it must keep the shape."
        )
    return a
