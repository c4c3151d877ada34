"""Layers that are random while training and do nothing (or average out) when predicting."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.errors import ShapeError, UsageError
from chainrule.families import check
from chainrule.graph import Shape, Value, shape_text
from chainrule.layers.base import LAYERS, Layer, Mode, called
from chainrule.ops.noise import dropout_mask, normal_noise, random_flip, random_shift
from chainrule.random import Stream


@LAYERS.register("dropout", "Dropout")
@dataclass(eq=False)
class Dropout(Layer):
    """Inverted dropout: each element is set to 0 with probability `rate`, the others divided by 1 − rate.

    Fresh masks at every step, from the run's seed. Source: Srivastava et al. (2014).
    """

    rate: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, rate="[0, 1)")

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        (x,) = inputs
        if not mode.training or mode.key is None or self.rate == 0:
            return x
        stream = Stream.DROPOUT.at(self.number)
        return x * called(dropout_mask(mode.key, x.shape, self.rate, stream), "mask")


@LAYERS.register("cycled_dropout", "CycledDropout")
@dataclass(eq=False)
class CycledDropout(Layer):
    """Deck 000's dropout: `masks` masks over the units are drawn once, and training alternates between them.

    All examples of a step share its mask; kept units are divided by 1 − rate.
    """

    rate: float
    masks: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, rate="[0, 1)", masks="whole [1, 65536]")

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        (x,) = inputs
        if not mode.training or mode.key is None or self.rate == 0:
            return x
        stream = Stream.DROPOUT.at(self.number)
        mask = dropout_mask(mode.key, x.shape[1:], self.rate, stream, cycle=self.masks)
        return x * called(mask, "mask")


@LAYERS.register("gaussian_noise", "GaussianNoise")
@dataclass(eq=False)
class GaussianNoise(Layer):
    """Normal noise of standard deviation `stddev` added while training: augmentation for vectors."""

    stddev: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, stddev="[0, inf)")

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        (x,) = inputs
        if not mode.training or mode.key is None or self.stddev == 0:
            return x
        noise = normal_noise(mode.key, x.shape, Stream.NOISE.at(self.number))
        return x + called(noise, "noise") * self.stddev


def _check_image(layer: Layer, shape: Shape) -> tuple[int, int]:
    if len(shape) not in (3, 4) or not isinstance(shape[1], int) or not isinstance(shape[2], int):
        raise ShapeError(
            f"{layer.described} takes images of shape (batch, height, width) or (batch, height, width, channels), "
            f"not {shape_text(shape)}. Put a Reshape layer before it."
        )
    return shape[1], shape[2]


@LAYERS.register("random_shift", "RandomShift")
@dataclass(eq=False)
class RandomShift(Layer):
    """Each image moved by up to `rows` and `columns` pixels while training, zeros moving in."""

    rows: int = 1
    columns: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, rows="whole [0, 32767]", columns="whole [0, 32767]")

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        (x,) = inputs
        _check_image(self, x.shape)
        if not mode.training or mode.key is None:
            return x
        return random_shift(
            mode.key, x, self.rows, self.columns, Stream.AUGMENTATION.at(self.number)
        )


@LAYERS.register("random_flip", "RandomFlip")
@dataclass(eq=False)
class RandomFlip(Layer):
    """Each image mirrored with probability ½ while training: "horizontal" (left-right) or "vertical"."""

    mode: str = "horizontal"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in ("horizontal", "vertical"):
            raise UsageError(
                f"{self.described}: mode is 'horizontal' or 'vertical', not {self.mode!r}."
            )

    def compute(self, *inputs: Value, mode: Mode) -> Value:
        (x,) = inputs
        _check_image(self, x.shape)
        if not mode.training or mode.key is None:
            return x
        axis = 2 if self.mode == "horizontal" else 1
        return random_flip(mode.key, x, axis, Stream.AUGMENTATION.at(self.number))
