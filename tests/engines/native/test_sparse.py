"""Products that skip zeros: the same numbers as with them, whoever computes how much."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule import ops
from chainrule.backprop import gradients
from chainrule.engines.native import Native
from chainrule.engines.program import Engine, Program, State
from chainrule.engines.reference import Reference
from chainrule.graph import BATCH, Input, Parameter

ROWS, WIDTH, HIDDEN, BATCH_SIZE = 420, 150, 210, 140

X = Input((BATCH, WIDTH), name="x")
WEIGHTS = Parameter((WIDTH, HIDDEN), "first"), Parameter((HIDDEN, WIDTH), "second")


def outputs(activation: Any) -> Any:
    first, second = WEIGHTS
    return activation(X @ first) @ second


def step(activation: Any) -> Program:
    """A step of gradient descent for an autoencoder."""
    loss = ops.sum((outputs(activation) - X) ** 2.0)
    assigned = [
        (w, w - g * 1e-6)
        for w, g in zip(WEIGHTS, gradients(loss, list(WEIGHTS)), strict=True)
        if g is not None
    ]
    assert len(assigned) == 2
    return Program((X,), {"loss": loss}, assignments=tuple(assigned))


def rows_of_data(precision: str, zero: float = 0.0) -> NDArray[Any]:
    """Rows four fifths of which are zeros, or another number; some columns nearly all, others not at all."""
    rng = np.random.default_rng(0)
    shares = rng.choice([0.02, 0.1, 0.3, 1], WIDTH, p=[0.4, 0.3, 0.2, 0.1])
    shown = rng.random((ROWS, WIDTH)) < shares
    shown[::BATCH_SIZE] = True  # no batch without a number in each column
    return np.where(shown, rng.normal(size=(ROWS, WIDTH)), zero).astype(precision)


def first_weights(precision: str) -> State:
    rng = np.random.default_rng(1)
    state = State(precision)
    for parameter in WEIGHTS:
        state[parameter] = rng.normal(size=parameter.shape) * 0.1
    return state


def trained(
    engine: Engine, rows: NDArray[Any], activation: Any = ops.relu, threads: int = 1
) -> list[Any]:
    """The losses of two epochs and the weights after them."""
    state = first_weights(str(rows.dtype))
    runner = engine.prepare(step(activation), state, threads)
    order = np.random.default_rng(2).permutation(ROWS)
    losses = [runner.steps({X: rows}, order, BATCH_SIZE, {})["loss"] for _ in range(2)]
    return [np.array(losses), *(np.array(state[parameter]) for parameter in WEIGHTS)]


def test_large_batches_in_slices() -> None:
    """Of narrow layers, which add up their gradients slice by slice."""
    x, second = Input((BATCH, 64), name="x"), Parameter((40, 64), "second")
    first = Parameter((64, 40), "first")
    loss = ops.sum((ops.tanh(x @ first) @ second - x) ** 2.0)
    assigned = [
        (w, w - g * 1e-7)
        for w, g in zip((first, second), gradients(loss, [first, second]), strict=True)
        if g is not None
    ]
    program = Program((x,), {"loss": loss}, assignments=tuple(assigned))
    rng = np.random.default_rng(4)
    shown = rng.random((9000, 64)) < 0.15
    numbers = rng.normal(size=(9000, 64))
    weights = {p: rng.normal(size=p.shape) for p, _ in assigned}
    found = []
    for engine, zero, threads in [
        (Native(), 0.0, 1),
        (Native(), 0.0, 3),
        (Native(), 1e-35, 2),
        (Reference(), 0.0, 1),
    ]:
        state = State("float32")
        for parameter, first_weight in weights.items():
            state[parameter] = first_weight
        rows = np.where(shown, numbers, zero).astype(np.float32)
        engine.prepare(program, state, threads).steps({x: rows}, np.arange(9000), 9000, {})
        found.append([np.array(state[parameter]) for parameter in weights])
    alone, together, dense, reference = found
    for place in range(2):
        assert alone[place].tobytes() == together[place].tobytes()
        assert alone[place].tobytes() == dense[place].tobytes()
        np.testing.assert_allclose(alone[place], reference[place], rtol=1e-4, atol=1e-5)


def test_a_step_in_legs() -> None:
    """A step of a quarter of a second is cut into pieces, which decide alike."""
    x, weights = Input((BATCH, 784), name="x"), Parameter((784, 230), "weights")
    loss = ops.sum(ops.tanh(x @ weights) ** 2.0)
    (gradient,) = gradients(loss, [weights])
    assert gradient is not None
    program = Program((x,), {"loss": loss}, assignments=((weights, weights - gradient * 1e-6),))
    rng = np.random.default_rng(5)
    shown = rng.random((12_000, 784)) < 0.2
    shown[0] = True
    numbers, first = rng.normal(size=(12_000, 784)), rng.normal(size=(784, 230)) * 0.1
    found = []
    for zero, threads in [(0.0, 1), (0.0, 3), (1e-35, 2)]:
        state = State("float32")
        state[weights] = first
        rows = np.where(shown, numbers, zero).astype(np.float32)
        runner = Native().prepare(program, state, threads)
        for _ in range(2):
            runner.steps({x: rows}, np.arange(12_000), 12_000, {})
        found.append(np.array(state[weights]).tobytes())
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_training_is_the_references(precision: str) -> None:
    rows = rows_of_data(precision)
    tolerance = 2e-4 if precision == "float32" else 1e-11
    for ours, theirs in zip(trained(Native(), rows), trained(Reference(), rows), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("threads", [2, 3, 5])
def test_the_number_of_threads_does_not_change_a_bit(precision: str, threads: int) -> None:
    rows = rows_of_data(precision)
    for one, several in zip(
        trained(Native(), rows), trained(Native(), rows, threads=threads), strict=True
    ):
        assert one.tobytes() == several.tobytes()


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_skipping_zeros_does_not_change_a_bit(precision: str) -> None:
    """Numbers too small to change a sum are no zeros: nothing is skipped, and the bits are the same."""
    tiny = 1e-35 if precision == "float32" else 1e-200
    zeros = trained(Native(), rows_of_data(precision), ops.tanh)
    for ours, dense in zip(
        zeros, trained(Native(), rows_of_data(precision, tiny), ops.tanh), strict=True
    ):
        assert ours.tobytes() == dense.tobytes()


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("broken", [np.inf, -np.inf, np.nan])
def test_zero_times_what_is_not_finite_is_no_number(precision: str, broken: float) -> None:
    rows = rows_of_data(precision)
    rows[:, 3] = 0
    found = []
    for engine in (Native(), Reference()):
        state = first_weights(precision)
        weights = np.array(state[WEIGHTS[0]])
        weights[3, 5] = broken
        state[WEIGHTS[0]] = weights
        program = Program((X,), {"hidden": X @ WEIGHTS[0]})
        found.append(engine.prepare(program, state).once({X: rows})["hidden"])
    assert np.isnan(found[0][:, 5]).all()
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("broken", [np.inf, np.nan])
def test_an_error_that_is_not_finite_reaches_all_weights(broken: float) -> None:
    """The gradient of a weight whose input is always zero is 0 · ∞, too."""
    rows = rows_of_data("float32")[:BATCH_SIZE]
    rows[:, 3] = 0
    target = Input((BATCH, HIDDEN), name="target")
    loss = ops.sum((X @ WEIGHTS[0] - target) ** 2.0)
    (gradient,) = gradients(loss, [WEIGHTS[0]])
    program = Program((X, target), {"gradient": gradient})
    wanted = np.zeros((BATCH_SIZE, HIDDEN), np.float32)
    wanted[7, 11] = broken
    found = [
        engine.prepare(program, first_weights("float32")).once({X: rows, target: wanted})[
            "gradient"
        ]
        for engine in (Native(), Reference())
    ]
    assert np.isnan(found[0][3, 11])
    assert np.isfinite(found[0][3, :11]).all()
    np.testing.assert_allclose(*found, rtol=1e-3, atol=1e-3)
