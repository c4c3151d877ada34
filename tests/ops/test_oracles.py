"""Every operation against functions that others wrote: JAX, optax, SciPy and PyTorch.

`ORACLES` says for each operation which; an operation that is not in it fails. Gradients are the
oracle's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special

from chainrule import ops
from chainrule.backprop import gradients
from chainrule.engines.reference import evaluate
from chainrule.graph import Example, Input, Op

Array = Any


@pytest.fixture(autouse=True, scope="module")
def _float64() -> Iterator[None]:
    jax.config.update("jax_disable_most_optimizations", True)  # compiling is what takes the time
    with jax.enable_x64(True):
        yield
    jax.config.update("jax_disable_most_optimizations", False)


# --- random operations ----------------------------------------------------------------------------


def philox_words(key: Array, stream: int, n: int) -> Array:
    """XLA's Philox-4x32-10, which repeats the key in its counter: for keys made by `shared_key`."""
    seed_low, seed_high, low, high = (int(k) for k in key)
    assert (seed_low, seed_high) == (high, stream)
    state = np.array([seed_low | seed_high << 32, low << 32], np.uint64)
    philox = jax.lax.RandomAlgorithm.RNG_PHILOX
    with jax.ensure_compile_time_eval():
        drawn = jax.lax.rng_bit_generator(state, (-(-n // 4) * 4,), np.uint32, philox)[1]
    return np.asarray(drawn)[:n]


def shared_key(op: Any, key: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A key like the example's for which XLA's counter layout and ours are the same."""
    high = 0 if getattr(op, "cycle", None) else key[0]
    return np.array([high, op.stream, key[2], high], np.uint32)


def philox_halves(key: Array, stream: int, n: int) -> Array:
    words = philox_words(key, stream, -(-n // 2))
    return np.column_stack([words % 65536, words // 65536]).ravel()[:n].astype(int)


def dropout_mask(op: Any, key: Array) -> Array:
    if op.cycle:
        key = [key[0], key[1], key[2] % op.cycle, key[3]]  # the high half of the counter is 0
    halves = philox_halves(key, op.stream, int(np.prod(op.target)))
    return np.where(halves < round(op.rate * 65536), 0.0, 1 / (1 - op.rate)).reshape(op.target)


def normal_noise(op: Any, key: Array) -> Array:
    n = int(np.prod(op.target))
    low, high = philox_words(key, op.stream, 4 * -(-n // 2)).astype(float).reshape(-1, 2).T
    u = (np.floor(low / 2**11) + high * 2**21) / 2**53  # the upper 53 of 64 bits
    z = np.sqrt(-2 * np.log1p(-u[::2])) * np.exp(2j * np.pi * u[1::2])
    return np.column_stack([z.real, z.imag]).ravel()[:n].reshape(op.target)


def random_shift(op: Any, images: Array, key: Array) -> Array:
    halves = philox_halves(key, op.stream, 2 * len(images)).reshape(-1, 2)
    rest = [(0, 0)] * (images.ndim - 3)
    moved = []
    for image, (first, second) in zip(images, halves, strict=True):
        down = int(first) * (2 * op.rows + 1) // 65536 - op.rows
        right = int(second) * (2 * op.columns + 1) // 65536 - op.columns
        padded = jnp.pad(image, [(op.rows, op.rows), (op.columns, op.columns), *rest])
        start = (op.rows - down, op.columns - right, *(0 for _ in rest))
        moved.append(jax.lax.dynamic_slice(padded, start, image.shape))
    return jnp.stack(moved)


def random_flip(op: Any, images: Array, key: Array) -> Array:
    flipped = [int(w) % 65536 >= 32768 for w in philox_words(key, op.stream, len(images))]
    pairs = zip(images, flipped, strict=True)
    return jnp.stack([jnp.flip(image, op.axis - 1) if yes else image for image, yes in pairs])


# --- lookups and updates --------------------------------------------------------------------------


def scatter_add(op: Any, x: Array, numbers: Array) -> Array:
    width = x.shape[-1]
    return jax.ops.segment_sum(x.reshape(-1, width), jnp.ravel(numbers), num_segments=op.rows)


def adam_step(op: Any, w: Array, m: Array, v: Array, rate: Array) -> Array:
    """With all weight on the past, optax's RMSprop divides its gradient by √v + ε."""
    rule = optax.scale_by_rms(decay=1.0, eps=op.epsilon, eps_in_sqrt=False)
    update, _ = rule.update(m, optax.ScaleByRmsState(nu=v))
    return optax.apply_updates(w, -rate * update)


def descend(op: Any, w: Array, d: Array, rate: Array) -> Array:
    rule = optax.sgd(rate)
    return optax.apply_updates(w, rule.update(d, rule.init(w))[0])


def momentum(op: Any, velocity: Array, g: Array, rate: Array) -> Array:
    return optax.trace(op.decay).update(-rate * g, optax.TraceState(velocity))[0]


def moment(order: int) -> Callable[..., Array]:
    return lambda op, m, g: optax.tree.update_moment(g, m, op.decay, order)


# --- the table ------------------------------------------------------------------------------------


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function for an operation without settings."""
    return lambda op, *arrays: function(*arrays)


def turned(matrix: Array, yes: bool) -> Array:
    return jnp.swapaxes(matrix, 0, 1) if yes else matrix


ORACLES: dict[str, Callable[..., Any]] = {
    "abs": plain(jnp.abs),
    "absolute_error": plain(lambda p, t: jnp.abs(t - p)),
    "adam_step": adam_step,
    "add": plain(jnp.add),
    "affine": plain(lambda x, w, b: jnp.einsum("ij,jk->ik", x, w) + b),
    "argmax": plain(lambda x: jnp.argmax(x, -1)),
    "batch_size": plain(lambda: jnp.array(1.0)),
    "broadcast_to": lambda op, x: jnp.broadcast_to(x, op.target),
    "concatenate": lambda op, *x: jnp.concatenate(x, op.axis),
    "cos": plain(jnp.cos),
    "descend": descend,
    "divide": plain(jnp.divide),
    "dropout_mask": dropout_mask,
    "elu": lambda op, x: jax.nn.elu(x, op.alpha),
    "equal": plain(lambda a, b: jnp.equal(a, b).astype(float)),
    "erf": plain(jax.scipy.special.erf),
    "exp": plain(jnp.exp),
    "expm1": plain(jnp.expm1),
    "exponential_average": moment(1),
    "exponential_average_of_squares": moment(2),
    "gather": plain(lambda table, numbers: jnp.take(table, numbers, axis=0)),
    "gelu": lambda op, x: jax.nn.gelu(x, approximate=op.approximate),
    "greater": plain(lambda a, b: jnp.greater(a, b).astype(float)),
    "greater_equal": plain(lambda a, b: jnp.greater_equal(a, b).astype(float)),
    "huber": lambda op, p, t: optax.huber_loss(p, t, delta=op.delta),
    "leaky_relu": lambda op, x: jax.nn.leaky_relu(x, op.negative_slope),
    "log": plain(jnp.log),
    "log1p": plain(jnp.log1p),
    "log_softmax": plain(jax.nn.log_softmax),
    "matmul": lambda op, a, b: jnp.dot(turned(a, op.transpose_a), turned(b, op.transpose_b)),
    "max": lambda op, x: jnp.max(x, op.axes, keepdims=op.keepdims),
    "maximum": plain(jnp.maximum),
    "minimum": plain(jnp.minimum),
    "mish": plain(jax.nn.mish),
    "momentum": momentum,
    "multiply": plain(jnp.multiply),
    "negative": plain(jnp.negative),
    "normal_noise": normal_noise,
    "normalize": lambda op, x, m, v: jax.nn.standardize(
        x, mean=jnp.broadcast_to(m, x.shape), variance=v, epsilon=op.epsilon
    ),
    "one_hot": lambda op, numbers: jax.nn.one_hot(numbers, op.depth),
    "pad": lambda op, x: jnp.pad(
        x, [(op.before, op.after) if i == op.axis else (0, 0) for i in range(x.ndim)]
    ),
    "power": plain(jnp.power),
    "random_flip": random_flip,
    "random_shift": random_shift,
    "real": plain(lambda x: x.astype(float)),
    "relu": plain(jax.nn.relu),
    "reshape": lambda op, x: jnp.reshape(x, op.target),
    "scatter_add": scatter_add,
    "selu": plain(jax.nn.selu),
    "sigmoid": plain(jax.nn.sigmoid),
    "sigmoid_cross_entropy": plain(optax.sigmoid_binary_cross_entropy),
    "sign": plain(jnp.sign),
    "silu": plain(jax.nn.silu),
    "sin": plain(jnp.sin),
    "slice": lambda op, x: jax.lax.slice_in_dim(x, op.start, op.stop, axis=op.axis),
    "softmax": plain(jax.nn.softmax),
    "softmax_cross_entropy": plain(optax.softmax_cross_entropy),
    "softplus": plain(jax.nn.softplus),
    "sparse_softmax_cross_entropy": plain(optax.softmax_cross_entropy_with_integer_labels),
    "sqrt": plain(jnp.sqrt),
    "square": plain(jnp.square),
    "squared_error": plain(lambda p, t: optax.squared_error(p, t)),
    "stop_gradient": plain(jax.lax.stop_gradient),
    "subtract": plain(jnp.subtract),
    "sum": lambda op, x: jnp.sum(x, op.axes, keepdims=op.keepdims),
    "tanh": plain(jnp.tanh),
    "transpose": lambda op, x: jnp.transpose(x, op.axes),
    "where": plain(lambda condition, a, b: jnp.where(condition != 0, a, b)),
}


def arrays_for(example: Example) -> list[np.ndarray[Any, Any]]:
    """The example's arrays, the key of a random operation made one that XLA can use as well."""
    op: Any = example.op
    if not hasattr(op, "stream"):
        return list(example.arrays)
    return [*example.arrays[:-1], shared_key(op, example.arrays[-1])]


def test_every_operation_has_an_oracle_and_every_oracle_an_operation() -> None:
    names = {name for name, op in Op.registry.items() if op.__module__.startswith("chainrule.")}
    assert set(ORACLES) == names


def test_value_and_gradients_agree_with_the_oracle(case: Example) -> None:
    op, arrays = case.op, arrays_for(case)
    positions = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    inputs = [Input(a.shape, "float" if i in positions else "int") for i, a in enumerate(arrays)]
    output = op(*inputs)
    weights = np.random.default_rng(3).normal(size=output.shape)
    outputs = {"value": output}
    if op.differentiable:
        found = gradients(ops.sum(output * weights), [inputs[i] for i in positions])
        outputs |= {
            f"gradient {i}": g for i, g in zip(positions, found, strict=True) if g is not None
        }
        assert len(outputs) == 1 + len(positions)
    ours = evaluate(outputs, dict(zip(inputs, arrays, strict=True)))

    def oracle(*reals: Array) -> Array:
        given = dict(zip(positions, reals, strict=True))
        return ORACLES[op.name](op, *(given.get(i, a) for i, a in enumerate(arrays)))

    @jax.jit
    def theirs(*reals: Array) -> dict[str, Array]:
        if not op.differentiable:
            return {"value": oracle(*reals)}
        value, pull = jax.vjp(oracle, *reals)
        pulled = zip(positions, pull(jnp.asarray(weights)), strict=True)
        return {"value": value, **{f"gradient {i}": g for i, g in pulled}}

    wanted = theirs(*(arrays[i] for i in positions))
    for name, array in ours.items():
        np.testing.assert_allclose(array, wanted[name], rtol=1e-10, atol=1e-13, err_msg=name)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (ops.sigmoid, scipy.special.expit),
        (ops.softmax, lambda x: scipy.special.softmax(x, -1)),
        (ops.log_softmax, lambda x: scipy.special.log_softmax(x, -1)),
        (ops.erf, scipy.special.erf),
        (ops.softplus, lambda x: np.logaddexp(0, x)),
        (ops.gelu, lambda x: x * scipy.special.ndtr(x)),
    ],
    ids=lambda f: getattr(f, "__name__", "oracle"),
)
def test_values_agree_with_scipy(ours: Callable[..., Any], theirs: Callable[..., Any]) -> None:
    x = np.linspace(-9, 9, 120).reshape(8, 15)
    leaf = Input(x.shape)
    found = evaluate({"y": ours(leaf)}, {leaf: x})["y"]
    np.testing.assert_allclose(found, theirs(x), rtol=1e-12, atol=1e-15)


def torch_pairs() -> dict[str, tuple[Callable[..., Any], Callable[..., Any], int]]:
    import torch.nn.functional as F

    return {
        "relu": (ops.relu, F.relu, 1),
        "leaky_relu": (ops.leaky_relu, lambda x: F.leaky_relu(x, 0.2), 1),
        "elu": (ops.elu, F.elu, 1),
        "selu": (ops.selu, F.selu, 1),
        "gelu": (ops.gelu, F.gelu, 1),
        "gelu by tanh": (
            lambda x: ops.gelu(x, approximate=True),
            lambda x: F.gelu(x, approximate="tanh"),
            1,
        ),
        "silu": (ops.silu, F.silu, 1),
        "mish": (ops.mish, F.mish, 1),
        "softplus": (ops.softplus, F.softplus, 1),
        "softmax": (ops.softmax, lambda x: F.softmax(x, -1), 1),
        "log_softmax": (ops.log_softmax, lambda x: F.log_softmax(x, -1), 1),
        "huber": (ops.huber, lambda p, t: F.huber_loss(p, t, reduction="none"), 2),
        "squared_error": (ops.squared_error, lambda p, t: F.mse_loss(p, t, reduction="none"), 2),
        "absolute_error": (ops.absolute_error, lambda p, t: F.l1_loss(p, t, reduction="none"), 2),
        "sigmoid_cross_entropy": (
            ops.sigmoid_cross_entropy,
            lambda z, t: F.binary_cross_entropy_with_logits(z, t, reduction="none"),
            2,
        ),
        "softmax_cross_entropy": (
            ops.softmax_cross_entropy,
            lambda z, t: F.cross_entropy(z, t, reduction="none"),
            2,
        ),
    }


def test_activations_and_losses_agree_with_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    rng = np.random.default_rng(5)
    for name, (ours, theirs, count) in torch_pairs().items():
        arrays = [2 * rng.normal(size=(4, 6)), rng.dirichlet(np.ones(6), size=4)][:count]
        leaves = [Input(a.shape) for a in arrays]
        output = ours(*leaves)
        weights = rng.normal(size=output.shape)
        (gradient,) = gradients(ops.sum(output * weights), leaves[:1])
        assert gradient is not None
        given = dict(zip(leaves, arrays, strict=True))
        found = evaluate({"value": output, "gradient": gradient}, given)
        tensors = [torch.tensor(a, requires_grad=i == 0) for i, a in enumerate(arrays)]
        value = theirs(*tensors)
        value.backward(torch.tensor(weights))
        np.testing.assert_allclose(
            found["value"], value.detach(), rtol=1e-10, atol=1e-14, err_msg=name
        )
        wanted = tensors[0].grad
        np.testing.assert_allclose(found["gradient"], wanted, rtol=1e-9, atol=1e-14, err_msg=name)
