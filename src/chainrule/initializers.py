"""How weights begin: arrays drawn from the user's seed and the weight's number, the same every
time.

A kernel has shape (fan_in, fan_out): fan_in values enter each unit, its output enters fan_out
units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import ShapeError, UsageError
from chainrule.families import Family, check
from chainrule.random import Stream, normal, uniform

Array: TypeAlias = NDArray[np.float64]

SAVED_NUMBERS = 64
"""A user's array of at most so many numbers is written into the file of a model."""


@dataclass(frozen=True)
class Initializer:
    """A first array for a weight. A subclass says in `__call__` which.

    `index` is the number of the weight in its network: it names the stream of random numbers, so
    that no two weights share theirs. The result is float64.
    """

    def __call__(self, shape: tuple[int, ...], *, seed: int, index: int) -> Array:
        raise NotImplementedError


FAMILY: Family[Initializer] = Family("initializer", Initializer)
register = FAMILY.register


def get(given: Any) -> Initializer:
    """The initializer for a name, an object, a configuration, or the array to begin with."""
    return Values(given) if isinstance(given, (np.ndarray, list, tuple)) else FAMILY.get(given)


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight; of a vector, its length twice.

    >>> fans((784, 128))
    (784, 128)
    """
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


# --- constants ------------------------------------------------------------------------------------


@register("zeros")
@dataclass(frozen=True)
class Zeros(Initializer):
    """All 0: for biases. Kernels that begin so keep their units all alike."""

    def __call__(self, shape: tuple[int, ...], *, seed: int, index: int) -> Array:
        return np.zeros(shape)


@register("ones")
@dataclass(frozen=True)
class Ones(Initializer):
    """All 1."""

    def __call__(self, shape: tuple[int, ...], *, seed: int, index: int) -> Array:
        return np.ones(shape)


@register("constant")
@dataclass(frozen=True)
class Constant(Initializer):
    """All `value`."""

    value: float = 0.0

    def __post_init__(self) -> None:
        check(self, value="(-inf, inf)")

    def __call__(self, shape: tuple[int, ...], *, seed: int, index: int) -> Array:
        return np.full(shape, float(self.value))


@register("values")
@dataclass(frozen=True, eq=False)
class Values(Initializer):
    """The user's own array, which must have the weight's shape.

    In the file of a model, where the weights themselves are, a large array is left out.
    """

    array: ArrayLike

    def __post_init__(self) -> None:
        try:
            array = np.array(self.array, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise UsageError(f"Initial weights must be one array of numbers: {error}.") from error
        if not np.isfinite(array).all():
            raise UsageError("Initial weights must be finite, but the array holds NaN or infinity.")
        array.flags.writeable = False
        object.__setattr__(self, "array", array)

    def __call__(self, shape: tuple[int, ...], *, seed: int, index: int) -> Array:
        if np.shape(self.array) != tuple(shape):
            raise ShapeError(
                f"Initial weights of shape {np.shape(self.array)} were given for a weight of shape "
                f"{tuple(shape)}."
            )
        return np.array(self.array, dtype=np.float64)

    def saved(self) -> Initializer:
        """What stands for it in the file of a model: itself, or its shape alone."""
        shape = np.shape(self.array)
        return self if math.prod(shape) <= SAVED_NUMBERS else ValuesNotSaved(shape)


@register("values_not_saved")
@dataclass(frozen=True)
class ValuesNotSaved(Initializer):
    """What a loaded model has in place of a large array that its weights once began with."""

    shape: Sequence[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))

    def __call__(self, shape: tuple[int, ...], *, seed: int, index: int) -> Array:
        raise UsageError(
            f"The array of shape {self.shape} that this weight began with was not saved with the model: "
            "give the layer an initializer."
        )


# --- a fixed spread -------------------------------------------------------------------------------


@register("random_uniform", "uniform")
@dataclass(frozen=True)
class RandomUniform(Initializer):
    """Uniform in [minval, maxval): a small interval unless told otherwise (Keras: ±0.05)."""

    minval: float = -0.01
    maxval: float = 0.01

    def __post_init__(self) -> None:
        check(self, minval="(-inf, inf)", maxval="(-inf, inf)")
        if self.minval > self.maxval:
            raise UsageError(
                f"RandomUniform: minval {self.minval} lies above maxval {self.maxval}."
            )

    def __call__(self, shape: tuple[int, ...], *, seed: int, index: int) -> Array:
        return _uniform(self.minval, self.maxval, shape, seed, index)


@register("random_normal", "normal")
@dataclass(frozen=True)
class RandomNormal(Initializer):
    """Normal with this mean and standard deviation."""

    mean: float = 0.0
    stddev: float = 0.05

    def __post_init__(self) -> None:
        check(self, mean="(-inf, inf)", stddev="[0, inf)")

    def __call__(self, shape: tuple[int, ...], *, seed: int, index: int) -> Array:
        return self.mean + self.stddev * _normal(shape, seed, index)


# --- a spread that suits the layer's size ---------------------------------------------------------


@dataclass(frozen=True)
class ScaledUniform(Initializer):
    """Uniform in [−a, a) with a = √(3 · variance)."""

    def variance(self, fan_in: int, fan_out: int) -> float:
        """The variance of the weights between these numbers of units."""
        raise NotImplementedError

    def __call__(self, shape: tuple[int, ...], *, seed: int, index: int) -> Array:
        bound = math.sqrt(3.0 * self.variance(*_at_least_one(shape)))
        return _uniform(-bound, bound, shape, seed, index)


@dataclass(frozen=True)
class ScaledNormal(Initializer):
    """Normal with mean 0; not cut off at two standard deviations, as Keras does."""

    def variance(self, fan_in: int, fan_out: int) -> float:
        """The variance of the weights between these numbers of units."""
        raise NotImplementedError

    def __call__(self, shape: tuple[int, ...], *, seed: int, index: int) -> Array:
        return math.sqrt(self.variance(*_at_least_one(shape))) * _normal(shape, seed, index)


@register("shallow_uniform")
@dataclass(frozen=True)
class ShallowUniform(ScaledUniform):
    """Uniform within ±1/√n, n the size of the layer before: for shallow networks (quoted by Glorot
    & Bengio, 2010).
    """

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 1.0 / (3.0 * fan_in)


@register("glorot_uniform", "xavier_uniform")
@dataclass(frozen=True)
class GlorotUniform(ScaledUniform):
    """Uniform within ±√6 / √(fan_in + fan_out). Source: Glorot & Bengio (2010)."""

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 2.0 / (fan_in + fan_out)


@register("glorot_normal", "xavier_normal")
@dataclass(frozen=True)
class GlorotNormal(ScaledNormal):
    """Normal with variance 2 / (fan_in + fan_out). Source: Glorot & Bengio (2010)."""

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 2.0 / (fan_in + fan_out)


@register("he_uniform", "kaiming_uniform")
@dataclass(frozen=True)
class HeUniform(ScaledUniform):
    """Uniform within ±√(6 / fan_in), for ReLU. Source: He, Zhang, Ren & Sun (2015)."""

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 2.0 / fan_in


@register("he_normal", "kaiming_normal")
@dataclass(frozen=True)
class HeNormal(ScaledNormal):
    """Normal with variance 2 / fan_in, for ReLU. Source: He, Zhang, Ren & Sun (2015)."""

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 2.0 / fan_in


@register("lecun_uniform")
@dataclass(frozen=True)
class LecunUniform(ScaledUniform):
    """Uniform within ±√(3 / fan_in). Source: LeCun, Bottou, Orr & Müller (1998), *Efficient
    BackProp*.
    """

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 1.0 / fan_in


@register("lecun_normal")
@dataclass(frozen=True)
class LecunNormal(ScaledNormal):
    """Normal with variance 1 / fan_in, for SELU. Source: LeCun et al. (1998)."""

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 1.0 / fan_in


@register("orthogonal")
@dataclass(frozen=True)
class Orthogonal(Initializer):
    """`gain` times a random matrix with orthonormal rows or columns, whichever are fewer.

    Source: Saxe, McClelland & Ganguli (2014); the signs that make it uniform: Mezzadri (2007).
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        check(self, gain="(-inf, inf)")

    def __call__(self, shape: tuple[int, ...], *, seed: int, index: int) -> Array:
        if len(shape) < 2:
            raise ShapeError(f"Orthogonal: a weight of shape {tuple(shape)} is not a matrix.")
        columns = shape[-1]
        drawn = _normal((math.prod(shape[:-1]), columns), seed, index)
        q, r = np.linalg.qr(drawn if len(drawn) >= columns else drawn.T)
        q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)
        result: Array = self.gain * (q if len(drawn) >= columns else q.T).reshape(shape)
        return result


def _at_least_one(shape: tuple[int, ...]) -> tuple[int, int]:
    fan_in, fan_out = fans(shape)
    return max(fan_in, 1), max(fan_out, 1)


def _uniform(low: float, high: float, shape: tuple[int, ...], seed: int, index: int) -> Array:
    drawn: Array = uniform(seed, 0, Stream.WEIGHTS.at(index), math.prod(shape)).reshape(shape)
    return low + (high - low) * drawn


def _normal(shape: tuple[int, ...], seed: int, index: int) -> Array:
    drawn: Array = normal(seed, 0, Stream.WEIGHTS.at(index), math.prod(shape)).reshape(shape)
    return drawn
