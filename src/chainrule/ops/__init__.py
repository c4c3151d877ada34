"""Operations: what graphs are made of.

Users apply them by their functions, `ops.relu(x)`; the classes live in the modules. An operation of
one's own is a frozen dataclass made from `Op`, `Elementwise`, `Unary` or `Binary`.
"""

from __future__ import annotations

from chainrule.graph import BATCH, Example, Op
from chainrule.ops import operators  # noqa: F401 - which values have once this is loaded
from chainrule.ops.activation import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    mish,
    relu,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from chainrule.ops.arithmetic import (
    absolute,
    add,
    clip,
    divide,
    equal,
    greater,
    greater_equal,
    maximum,
    minimum,
    multiply,
    negative,
    real,
    sign,
    stop_gradient,
    subtract,
    where,
)
from chainrule.ops.elementary import cos, erf, exp, expm1, log, log1p, power, sin, sqrt, square
from chainrule.ops.elementwise import Binary, Elementwise, Unary
from chainrule.ops.linear import affine, dot, matmul
from chainrule.ops.lookup import gather, one_hot, scatter_add
from chainrule.ops.loss import (
    absolute_error,
    huber,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    sparse_softmax_cross_entropy,
    squared_error,
)
from chainrule.ops.noise import dropout_mask, normal_noise, random_flip, random_shift
from chainrule.ops.normalization import normalize
from chainrule.ops.reductions import argmax, batch_size, max, mean
from chainrule.ops.shapes import broadcast_to, concatenate, reshape, sum, transpose
from chainrule.ops.update import (
    adam_step,
    descend,
    exponential_average,
    exponential_average_of_squares,
    momentum,
)

__all__ = [
    "BATCH",
    "Binary",
    "Elementwise",
    "Example",
    "Op",
    "Unary",
    "absolute",
    "absolute_error",
    "adam_step",
    "add",
    "affine",
    "argmax",
    "batch_size",
    "broadcast_to",
    "clip",
    "concatenate",
    "cos",
    "descend",
    "divide",
    "dot",
    "dropout_mask",
    "elu",
    "equal",
    "erf",
    "exp",
    "expm1",
    "exponential_average",
    "exponential_average_of_squares",
    "gather",
    "gelu",
    "greater",
    "greater_equal",
    "huber",
    "leaky_relu",
    "log",
    "log1p",
    "log_softmax",
    "matmul",
    "max",
    "maximum",
    "mean",
    "minimum",
    "mish",
    "momentum",
    "multiply",
    "negative",
    "normal_noise",
    "normalize",
    "one_hot",
    "power",
    "random_flip",
    "random_shift",
    "real",
    "relu",
    "reshape",
    "scatter_add",
    "selu",
    "sigmoid",
    "sigmoid_cross_entropy",
    "sign",
    "silu",
    "sin",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "sparse_softmax_cross_entropy",
    "sqrt",
    "square",
    "squared_error",
    "stop_gradient",
    "subtract",
    "sum",
    "tanh",
    "transpose",
    "where",
]
