"""Elementwise operations as micro-operations, the few things a kernel does to each element.

The order of the arithmetic is the reference's, so that both engines round alike wherever the hardware
lets them. `MICRO` has a row for every operation that works element by element.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

from chainrule.ops.activation import SELU_ALPHA, SELU_SCALE

Place = Any  # where an element is: known to the emitter alone


class Emitter(Protocol):
    """Appends micro-operations to a piece of code."""

    def __call__(self, micro: str, *sources: Place) -> Place:
        """A new place that holds micro(sources)."""

    def constant(self, number: float) -> Place:
        """The place of a number that never changes."""


Writer = Callable[..., Place]


def _plain(micro: str) -> Writer:
    return lambda emit, op, *sources: emit(micro, *sources)


def _leaky_relu(emit: Emitter, op: Any, x: Place) -> Place:
    positive = emit("greater", x, emit.constant(0.0))
    return emit("select", positive, x, emit("multiply", emit.constant(op.negative_slope), x))


def _exponential_below(emit: Emitter, x: Place, alpha: float) -> Place:
    below = emit(
        "multiply", emit.constant(alpha), emit("expm1", emit("minimum", x, emit.constant(0.0)))
    )
    return emit("select", emit("greater", x, emit.constant(0.0)), x, below)


def _elu(emit: Emitter, op: Any, x: Place) -> Place:
    return _exponential_below(emit, x, op.alpha)


def _selu(emit: Emitter, op: Any, x: Place) -> Place:
    return emit("multiply", emit.constant(SELU_SCALE), _exponential_below(emit, x, SELU_ALPHA))


def _gelu(emit: Emitter, op: Any, x: Place) -> Place:
    half = emit("multiply", emit.constant(0.5), x)
    if op.approximate:
        cube = emit("multiply", emit("square", x), x)
        inner = emit("add", x, emit("multiply", emit.constant(0.044715), cube))
        bent = emit("tanh", emit("multiply", emit.constant(math.sqrt(2 / math.pi)), inner))
    else:
        bent = emit("erf", emit("multiply", x, emit.constant(math.sqrt(0.5))))
    return emit("multiply", half, emit("add", emit.constant(1.0), bent))


def _silu(emit: Emitter, op: Any, x: Place) -> Place:
    return emit("multiply", x, emit("sigmoid", x))


def _mish(emit: Emitter, op: Any, x: Place) -> Place:
    return emit("multiply", x, emit("tanh", emit("softplus", x)))


def _squared_error(emit: Emitter, op: Any, p: Place, t: Place) -> Place:
    return emit("square", emit("subtract", p, t))


def _absolute_error(emit: Emitter, op: Any, p: Place, t: Place) -> Place:
    return emit("abs", emit("subtract", p, t))


def _huber(emit: Emitter, op: Any, p: Place, t: Place) -> Place:
    e = emit("abs", emit("subtract", p, t))
    near = emit("minimum", e, emit.constant(op.delta))
    return emit("multiply", near, emit("subtract", e, emit("multiply", emit.constant(0.5), near)))


def _sigmoid_cross_entropy(emit: Emitter, op: Any, z: Place, t: Place) -> Place:
    smooth = emit("log1p", emit("exp", emit("negative", emit("abs", z))))
    linear = emit("subtract", emit("relu", z), emit("multiply", z, t))
    return emit("add", linear, smooth)


def _normalize(emit: Emitter, op: Any, x: Place, mean: Place, variance: Place) -> Place:
    return emit("normalize", x, mean, variance, emit.constant(op.epsilon))


def _average(emit: Emitter, op: Any, old: Place, new: Place) -> Place:
    return emit("average", old, new, emit.constant(op.decay), emit.constant(1.0 - op.decay))


def _average_of_squares(emit: Emitter, op: Any, old: Place, new: Place) -> Place:
    decay = emit.constant(op.decay)
    return emit("average_of_squares", old, new, decay, emit.constant(1.0 - op.decay))


def _adam_step(emit: Emitter, op: Any, w: Place, m: Place, v: Place, rate: Place) -> Place:
    return emit("adam_step", w, m, v, rate, emit.constant(op.epsilon))


def _momentum(emit: Emitter, op: Any, velocity: Place, g: Place, rate: Place) -> Place:
    return emit("momentum", velocity, g, rate, emit.constant(op.decay))


MICRO: dict[str, Writer] = {
    **{
        name: _plain(name)
        for name in [
            "add",
            "subtract",
            "multiply",
            "divide",
            "power",
            "maximum",
            "minimum",
            "greater",
            "greater_equal",
            "equal",
            "negative",
            "exp",
            "expm1",
            "log",
            "log1p",
            "sqrt",
            "square",
            "abs",
            "sign",
            "sin",
            "cos",
            "erf",
            "sigmoid",
            "tanh",
            "relu",
            "softplus",
            "bfloat16",
        ]
    },
    "where": _plain("select"),
    "real": _plain("copy"),
    "stop_gradient": _plain("copy"),
    "broadcast_to": _plain("copy"),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": _selu,
    "gelu": _gelu,
    "silu": _silu,
    "mish": _mish,
    "squared_error": _squared_error,
    "absolute_error": _absolute_error,
    "huber": _huber,
    "sigmoid_cross_entropy": _sigmoid_cross_entropy,
    "normalize": _normalize,
    "exponential_average": _average,
    "exponential_average_of_squares": _average_of_squares,
    "adam_step": _adam_step,
    "descend": _plain("descend"),
    "momentum": _momentum,
}
