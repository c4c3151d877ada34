"""Batch and layer normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from chainrule import initializers
from chainrule.families import check
from chainrule.graph import Parameter, Shape, Value
from chainrule.layers.base import LAYERS, Assignment, Layer, Mode, called
from chainrule.ops.arithmetic import stop_gradient
from chainrule.ops.elementary import square
from chainrule.ops.normalization import normalize
from chainrule.ops.reductions import mean


@dataclass(eq=False)
class Normalization(Layer):
    """What the two have in common: epsilon and the learnt scale γ and shift β over the last axis."""

    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    gamma_initializer: Any = "ones"
    beta_initializer: Any = "zeros"

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, epsilon="(0, inf)")
        self.gamma_initializer = initializers.get(self.gamma_initializer)
        self.beta_initializer = initializers.get(self.beta_initializer)

    def build(self, *shapes: Shape) -> None:
        size = self.features(shapes[0])
        if self.scale:
            self.gamma: Parameter = self.add_weight("gamma", (size,), self.gamma_initializer)
        if self.center:
            self.beta: Parameter = self.add_weight("beta", (size,), self.beta_initializer)

    def scaled(self, x: Value) -> Value:
        """γ x + β."""
        x = called(x, "x̂")
        x = x * self.gamma if self.scale else x
        return x + self.beta if self.center else x


@LAYERS.register("batch_normalization", "BatchNormalization")
@dataclass(eq=False)
class BatchNormalization(Normalization):
    """Each feature normalised by its mean and variance over the batch: γ (x − μ)/√(σ² + ε) + β.

    Back-propagation goes through μ and σ². Running averages of both, m ← momentum·m + (1 − momentum)·μ,
    take their place in evaluation and prediction. With `trainable = False` it uses and keeps the running
    averages, as in Keras. A training batch of one row is an error: its variance says nothing.

    Source: Ioffe & Szegedy (2015); σ² is the mean squared deviation (divided by n) in both places, as in Keras.
    """

    minimum_rows: ClassVar[int] = 2

    momentum: float = 0.99

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, momentum="[0, 1)")

    def build(self, *shapes: Shape) -> None:
        super().build(*shapes)
        size = self.features(shapes[0])
        zeros, ones = initializers.get("zeros"), initializers.get("ones")
        self.moving_mean = self.add_weight("moving_mean", (size,), zeros, trainable=False)
        self.moving_variance = self.add_weight("moving_variance", (size,), ones, trainable=False)

    def apply(self, *inputs: Value, mode: Mode) -> tuple[Value, list[Assignment]]:
        (x,) = inputs
        if not mode.training or not self.trainable:
            return self.scaled(
                normalize(x, self.moving_mean, self.moving_variance, self.epsilon)
            ), []
        mu = called(mean(x, 0), "μ")
        variance = called(mean(square(x - mu), 0), "var")
        keep = self.momentum
        assignments = [
            (average, average * keep + stop_gradient(now) * (1.0 - keep))
            for average, now in ((self.moving_mean, mu), (self.moving_variance, variance))
        ]
        return self.scaled(normalize(x, mu, variance, self.epsilon)), assignments


@LAYERS.register("layer_normalization", "LayerNormalization")
@dataclass(eq=False)
class LayerNormalization(Normalization):
    """Each example normalised by the mean and variance of its own features, then scaled and shifted.

    Source: Ba, Kiros & Hinton (2016).
    """

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        (x,) = inputs
        mu = called(mean(x, -1, keepdims=True), "μ")
        variance = called(mean(square(x - mu), -1, keepdims=True), "var")
        return self.scaled(normalize(x, mu, variance, self.epsilon))
