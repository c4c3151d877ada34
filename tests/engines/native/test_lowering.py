"""What the lowering makes of unusual graphs: long code, nested passing on, aliases."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import _native, ops
from chainrule.backprop import gradients
from chainrule.engines.native import Native, lower
from chainrule.engines.native.plan import MOST_REGISTERS, SCRATCH_REGISTER
from chainrule.engines.program import Array, Program, State
from chainrule.engines.reference import Reference
from chainrule.graph import BATCH, Input, Parameter, Value

RNG = np.random.default_rng(7)
X, Y = RNG.normal(size=(64, 8)), RNG.normal(size=(64, 8))


def both_train_alike(
    layers: Callable[[], list[Any]], optimizer: Any = "sgd", loss: Any = "mse"
) -> None:
    curves = []
    for engine in ("native", "reference"):
        model = cr.Sequential(layers(), seed=1)
        model.compile(optimizer, loss, precision="float64", engine=engine)
        curves.append(model.fit(X, Y, epochs=3, verbose=0).history["loss"])
    np.testing.assert_allclose(*curves, rtol=1e-9)


def assert_the_same_step(program: Program, given: dict[Parameter, Any], data: Any = None) -> None:
    states, outputs = [], []
    for engine in (Native(), Reference()):
        states.append(State("float64"))
        for parameter, array in given.items():
            states[-1][parameter] = array
        outputs.append(engine.prepare(program, states[-1]).once(data or {}))
    for name, value in outputs[1].items():
        np.testing.assert_allclose(outputs[0][name], value, rtol=1e-12, err_msg=name)
    for parameter in given:
        np.testing.assert_allclose(states[0][parameter], states[1][parameter], rtol=1e-12)


# --- long code ---


def test_code_with_more_operands_than_an_instruction_has_is_cut() -> None:
    optimizer = cr.optimizers.RMSprop(1e-2, momentum=0.5, centered=True, global_clipnorm=0.1)
    both_train_alike(
        lambda: [cr.layers.Dense(8, activation="tanh") for _ in range(9)], optimizer=optimizer
    )


@pytest.mark.parametrize("length", [60, 90, 250])
def test_an_activation_may_have_any_number_of_operations(length: int) -> None:
    def bent(x: Value) -> Value:
        for _ in range(length):
            x = ops.sin(x) * 1.01 + 0.01
        return x

    both_train_alike(lambda: [cr.layers.Dense(8, activation=bent), cr.layers.Dense(8)])


def test_any_number_of_intermediates_may_be_alive_at_once() -> None:
    x = Input((BATCH, 5), "float", "x")
    kept = [ops.sin(x * float(i)) for i in range(220)]
    value = kept[0]
    for other in kept[1:]:
        value = value * 0.5 + other
    program = Program((x,), {"value": value})
    for instruction in lower(program)[0].instructions:
        assert len(instruction.operands) <= SCRATCH_REGISTER
        assert instruction.registers <= MOST_REGISTERS
    assert_the_same_step(program, {}, {x: RNG.normal(size=(7, 5))})


@pytest.mark.parametrize(
    ("places", "operands", "words"),
    [
        ([0, 1], 65, "at most 64 operands"),
        ([0, 2], 2, "names no place"),
        ([64, 1], 2, "names no place"),  # a register, of which there is none
        ([-1, 1], 2, "names no place"),
        ([0, *[1] * 13], 2, "reads at most 12"),
    ],
)
def test_a_plan_that_names_more_places_than_there_are_is_refused(
    places: list[int], operands: int, words: str
) -> None:
    code = [[_native.opcodes()["copy"], *places]]
    instruction = ("elementwise", 0, -1, -1, -1, code, [(0, "full")] * operands, 0, (), 0.0)
    with pytest.raises(ValueError, match=words):
        _native.Plan64([("matrix", 2, 2)], [instruction], -1, [])


# --- what only passes on what it is given ---


PASSING_ON: dict[str, Callable[[Value], Value]] = {
    "a mask": lambda z: z * ops.stop_gradient(ops.greater(z, 0.0)),
    "a negative": lambda z: z * ops.stop_gradient(-z),
    "twice": lambda z: z * ops.stop_gradient(ops.stop_gradient(ops.greater(z, 0.0))),
    "spread out": lambda z: (
        z + ops.stop_gradient(ops.broadcast_to(ops.mean(z, 1, keepdims=True), z.shape))
    ),
    "spread out twice": lambda z: (
        z * ops.broadcast_to(ops.stop_gradient(-ops.mean(z, 1, keepdims=True)), z.shape)
    ),
    "compared": lambda z: z * ops.stop_gradient(-ops.greater(-z, ops.stop_gradient(-z * 2.0))),
}


@pytest.mark.parametrize("name", PASSING_ON)
def test_what_passes_on_something_unwritten_finds_it(name: str) -> None:
    both_train_alike(lambda: [cr.layers.Dense(7, activation=PASSING_ON[name]), cr.layers.Dense(8)])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("make", [cr.constraints.MaxNorm, cr.constraints.UnitNorm])
def test_norms_of_rows_and_of_columns_are_constrained(make: Any, axis: int) -> None:
    both_train_alike(
        lambda: [cr.layers.Dense(11, kernel_constraint=make(axis=axis)), cr.layers.Dense(8)], "adam"
    )


@pytest.mark.parametrize("shape", [(3, 5), (17, 33), (1, 4), (4, 1)])
def test_a_parameter_is_summed_along_its_rows(shape: tuple[int, int]) -> None:
    w = Parameter(shape, "w")
    outputs = {
        "upright": ops.sum(w, 1, keepdims=True),
        "lying": ops.sum(w, 1) * 2.0,
        "shares": w / ops.sum(ops.square(w), 1, keepdims=True),
    }
    assert_the_same_step(Program((), outputs), {w: RNG.normal(size=shape)})


# --- parameters under other names ---


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("keepdims", [False, True])
def test_each_row_is_summed_in_one_go(axis: int, keepdims: bool) -> None:
    x = Input((BATCH, 5), "float", "x")
    outputs = {
        "sum": ops.sum(x, axis, keepdims=keepdims),
        "squares": ops.sum(ops.square(x), axis, keepdims=keepdims),
        "max": ops.max(x, axis, keepdims=keepdims),
    }
    plan, *_ = lower(Program((x,), outputs))
    made = [instruction.opcode for instruction in plan.instructions]
    assert {"row_sum", "row_sum_of_squares", "row_max"} <= {*made}
    assert {*made} <= {"row_sum", "row_sum_of_squares", "row_max", "strided"}
    assert keepdims or len(made) == 3


def test_a_parameter_seen_through_a_reshape_is_read_before_it_is_written() -> None:
    row, flat, one, z = (
        Parameter(shape, name)
        for shape, name in (((1, 4), "row"), ((4,), "flat"), ((1,), "one"), ((), "z"))
    )
    assignments = (
        (flat, ops.reshape(row, (4,))),
        (row, row * 2.0 + 1.0),
        (one, ops.reshape(z, (1,))),
        (z, z * 3.0),
    )
    given = {row: [[1.0, 2.0, 3.0, 4.0]], flat: [0.0] * 4, one: [0.0], z: 5.0}
    assert_the_same_step(Program((), {"sum": ops.sum(row)}, (), assignments), given)


def test_what_elementwise_code_only_reads_is_not_its_result() -> None:
    x, w = Input((BATCH, 3), name="x"), Parameter((3, 3), "w")
    one = ops.tanh(x @ w)
    loss = ops.sum(one * (1.0 - one)) / ops.batch_size()
    (slope,) = gradients(loss, [w])
    assert slope is not None
    program = Program((x,), {"loss": loss}, assignments=((w, w - slope),))
    plan, _ = lower(program)[:2]
    for made in plan.instructions:
        written = [made.operands[dst][0] for _, dst, _ in made.code if dst < SCRATCH_REGISTER]
        if made.opcode == "elementwise":
            assert made.out in written
    assert not any(made.out in plan.constants for made in plan.instructions)


def test_outputs_are_those_of_before_the_assignments() -> None:
    w = Parameter((1, 6), "w")
    outputs = {"itself": w, "flat": ops.reshape(w, (6,)), "sum": ops.sum(w)}
    program = Program((), outputs, (), ((w, w * 0.5 - 1.0),))
    assert_the_same_step(program, {w: RNG.normal(size=(1, 6))})


def test_inspect_tells_two_values_apart_that_are_written_alike() -> None:
    w, m = Parameter((3,), "w"), Parameter((3,), "m")
    assigned, twin = 0.9 * m + 0.1 * w, 0.9 * m + 0.1 * w
    program = Program((), {}, (), ((w, w - 0.5 * twin), (m, assigned)))
    state = State("float64")
    state[w], state[m] = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]
    found = Native().prepare(program, state).inspect([assigned, twin], {})
    np.testing.assert_allclose(found[assigned], [3.7, 4.7, 5.7])
    np.testing.assert_array_equal(found[twin], found[assigned])


def of_two_shapes() -> Iterator[Any]:
    """Two values made by one operation of the same elements in different shapes."""
    x = Input((BATCH, 4), name="x")
    square, upright, lying = (ops.reshape(x, (BATCH, *s)) for s in ((2, 2), (4, 1), (1, 4)))
    wide = (BATCH, 4, 4)
    for name, values in {
        "softmax": (ops.softmax(x), ops.softmax(square)),
        "argmax": (ops.argmax(x), ops.argmax(square)),
        "sum": (ops.sum(upright, 1), ops.sum(square, 1)),
        "max": (ops.max(square, 1), ops.max(upright, 1)),
        "transpose": (ops.transpose(upright, (0, 2, 1)), ops.transpose(square, (0, 2, 1))),
        "broadcast": (ops.broadcast_to(upright, wide), ops.broadcast_to(lying, wide)),
        "differences": (x - x, upright - lying),
    }.items():
        yield pytest.param(x, values, id=name)


@pytest.mark.parametrize(("x", "values"), list(of_two_shapes()))
def test_what_is_done_to_two_shapes_of_a_value_is_told_apart(
    x: Input, values: tuple[Value, Value]
) -> None:
    program = Program((x,), {"one": values[0], "other": values[1]})
    data = {x: RNG.normal(size=(5, 4))}
    expected = Reference().prepare(program, State("float64")).once(data)
    found = Native().prepare(program, State("float64")).once(data)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, atol=1e-12)


# --- whoever looks while it runs ---


def test_a_signal_handler_can_save_the_model_in_training(tmp_path: Path) -> None:
    x, y = RNG.normal(size=(20_000, 50)), RNG.integers(0, 3, 20_000)
    layers = [cr.layers.Dense(200, activation="relu"), cr.layers.Dense(3, activation="softmax")]
    model = cr.Sequential(layers, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", engine="native")
    path = tmp_path / "saved.chainrule"
    seen: list[Array] = []

    def handler(number: int, frame: Any) -> None:
        model.save(path, checkpoint=True)
        seen.extend(model.get_weights())

    def send(event: Any) -> str | None:
        if isinstance(event, cr.training.EpochEnd) and event.epoch == 1:
            threading.Timer(0.02, signal.raise_signal, [signal.SIGUSR1]).start()
        return "seen" if seen else None

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        model.fit(x, y, epochs=10_000, callbacks=[send], verbose=0)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert all(np.isfinite(array).all() for array in seen)
    for array, saved in zip(seen, cr.load(path).get_weights(), strict=True):
        np.testing.assert_array_equal(array, saved)
