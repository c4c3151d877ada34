"""Whole steps on odd shapes, on every instruction set of this machine, against the reference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import _native, ops
from chainrule.backprop import gradients
from chainrule.engines.native import Native, NoKernel
from chainrule.engines.program import Program, State
from chainrule.engines.reference import Reference
from chainrule.graph import BATCH, Constant, Input, Parameter, Value
from chainrule.ops.shapes import Pad, Slice

sizes = st.sampled_from((1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 65))
row_counts = st.sampled_from((1, 3, 5, 15, 16, 17, 33, 100))
seeds = st.integers(0, 2**32 - 1)
several = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])

TOLERANCE = {"float64": 1e-10, "float32": 2e-3}


@pytest.fixture(params=["avx512", "avx2", "portable"])
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param not in _native.instruction_sets():
        pytest.skip(f"this machine does not have {request.param}")
    monkeypatch.setenv("CHAINRULE_ISA", request.param)
    assert _native.chosen_isa() == request.param
    return request.param


def step(
    features: int, hidden: int, outputs: int, activation: str, *, classes: bool
) -> tuple[Program, dict[str, Any]]:
    """A step of plain gradient descent with momentum through one hidden layer."""
    x = Input((BATCH, features), name="x")
    w1, b1 = Parameter((features, hidden), "w1"), Parameter((hidden,), "b1")
    w2, b2 = Parameter((hidden, outputs), "w2"), Parameter((outputs,), "b2")
    h = getattr(ops, activation)(ops.affine(x, w1, b1))
    z = ops.affine(h, w2, b2)
    if classes:
        y: Value = Input((BATCH,), "int", "y")
        losses = ops.sparse_softmax_cross_entropy(z, y)
    else:
        y = Input((BATCH, outputs), name="y")
        losses = ops.sum((z - y) ** 2.0, -1)
    loss = ops.sum(losses)
    weights = [w1, b1, w2, b2]
    found = gradients(loss, weights)
    assignments: list[tuple[Parameter, Value]] = []
    for w, g in zip(weights, found, strict=True):
        assert g is not None
        velocity = Parameter(w.shape, f"v_{w.name}")
        moved = velocity * 0.9 - g * (1e-3 / (features * outputs + hidden))
        assignments += [(velocity, moved), (w, w + moved)]
    outputs_of = {"loss": loss, "norm": ops.sum(found[0] * found[0])}
    return Program((x, y), outputs_of, assignments=tuple(assignments)), {"x": x, "y": y}


@several
@given(
    seeds,
    sizes,
    sizes,
    sizes,
    row_counts,
    st.sampled_from((1, 4, 15, 16, 100)),
    st.sampled_from(("relu", "tanh", "sigmoid", "gelu")),
    st.booleans(),
    st.sampled_from(("float64", "float32")),
)
def test_steps_of_any_shape_agree_with_the_reference(
    isa: str,
    seed: int,
    features: int,
    hidden: int,
    outputs: int,
    rows: int,
    batch: int,
    activation: str,
    classes: bool,
    precision: Any,
) -> None:
    program, inputs = step(features, hidden, outputs, activation, classes=classes)
    rng = np.random.default_rng(seed)
    start = {p: rng.normal(size=p.shape) / p.shape[0] ** 0.5 for p, _ in program.assignments}
    y = rng.integers(0, outputs, rows) if classes else rng.normal(size=(rows, outputs))
    data = {inputs["x"]: rng.normal(size=(rows, features)), inputs["y"]: y}
    order = rng.permutation(rows)
    found = {}
    for name, engine, kind in (
        ("native", Native(), precision),
        ("reference", Reference(), "float64"),
    ):
        state = State(kind)
        for parameter, array in start.items():
            state[parameter] = array
        sums = engine.prepare(program, state, 2).steps(data, order, batch, {})
        found[name] = (sums, [state[p] for p in start])
    room = TOLERANCE[precision]
    for name, value in found["reference"][0].items():
        assert found["native"][0][name] == pytest.approx(value, rel=room), name
    for ours, exact in zip(found["native"][1], found["reference"][1], strict=True):
        assert np.allclose(ours, exact, rtol=room, atol=room * np.abs(exact).max())


@several
@given(seeds, sizes, sizes, st.sampled_from((0, 1, 2, 3, 15, 17, 33)))
def test_predictions_for_any_number_of_rows_agree_with_the_reference(
    isa: str, seed: int, features: int, outputs: int, rows: int
) -> None:
    x, w = Input((BATCH, features), name="x"), Parameter((features, outputs), "w")
    z = x @ w
    values = {"z": z, "p": ops.softmax(z), "best": ops.argmax(z), "most": ops.max(z, -1)}
    program = Program((x,), values)
    rng = np.random.default_rng(seed)
    state = State("float64")
    state[w] = rng.normal(size=w.shape)
    data = {x: rng.normal(size=(rows, features))}
    for method in ("once", "blocks"):
        ours, exact = (
            getattr(engine.prepare(program, state), method)(data)
            for engine in (Native(), Reference())
        )
        for name, array in exact.items():
            assert ours[name].shape == array.shape
            assert ours[name].dtype == array.dtype
            assert np.allclose(ours[name], array, atol=1e-12), name


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
def test_rows_at_odd_addresses_are_read(isa: str, dtype: str) -> None:
    values = np.random.default_rng(0).integers(0, 200, (9, 5)).astype(dtype)
    memory = bytearray(1 + values.nbytes)
    memory[1:] = values.tobytes()
    odd = np.frombuffer(memory, dtype, offset=1).reshape(9, 5)
    assert dtype == "uint8" or not odd.flags.aligned
    x, w = Input((BATCH, 5), name="x"), Parameter((5, 3), "w")
    state = State("float64")
    state[w] = np.random.default_rng(1).normal(size=(5, 3))
    found = Native().prepare(Program((x,), {"y": x @ w}), state).once({x: odd})["y"]
    assert np.allclose(found, values @ state[w])


def test_subnormal_numbers_count_as_zero(isa: str) -> None:
    least = float(np.finfo(np.float32).smallest_normal)
    x, w = Input((BATCH, 4), name="x"), Parameter((4, 2), "w")
    state = State("float32")
    state[w] = np.full((4, 2), 0.25)
    values = np.full((3, 4), least / 8, np.float32)
    values[1] = least * 2
    y = Native().prepare(Program((x,), {"y": (x @ w) * 0.125}), state).once({x: values})["y"]
    exact = values.astype(np.float64) @ np.full((4, 2), 0.25) * 0.125
    assert np.all(np.abs(y - exact) <= least)
    assert np.all((y == 0) | (np.abs(y) >= least))


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_goes_where_the_reference_lets_it_go(
    isa: str, special: float, precision: Any
) -> None:
    program, inputs = step(6, 17, 5, "relu", classes=True)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20, 6))
    x[4, 2] = special
    data = {inputs["x"]: x, inputs["y"]: rng.integers(0, 5, 20)}
    start = {p: rng.normal(size=p.shape) for p, _ in program.assignments}
    found = []
    for engine in (Native(), Reference()):
        state = State(precision)
        for parameter, array in start.items():
            state[parameter] = array
        with np.errstate(all="ignore"):
            sums = engine.prepare(program, state).steps(data, np.arange(20), 10, {})
        found.append((sums["loss"], [state[p] for p in start]))
    (ours, ours_after), (exact, exact_after) = found
    assert np.array_equal(np.isfinite(ours), np.isfinite(exact))
    assert np.isnan(ours) == np.isnan(exact)
    for a, b in zip(ours_after, exact_after, strict=True):
        assert np.array_equal(np.isnan(a), np.isnan(b))
        assert np.array_equal(np.isinf(a), np.isinf(b))


def test_masked_logits_get_no_probability_and_no_gradient(isa: str) -> None:
    z, y = Input((BATCH, 21), name="z"), Input((BATCH,), "int", "y")
    logits = np.random.default_rng(0).normal(size=(12, 21))
    logits[:, 3:19:2] = -np.inf
    labels = np.full(12, 2)
    losses = ops.sparse_softmax_cross_entropy(z, y)
    (slope,) = gradients(ops.sum(losses), [z])
    assert slope is not None
    program = Program((z, y), {"p": ops.softmax(z), "losses": losses, "slope": slope})
    ours, exact = (
        engine.prepare(program, State("float64")).once({z: logits, y: labels})
        for engine in (Native(), Reference())
    )
    for name, array in exact.items():
        assert np.isfinite(ours[name]).all(), name
        np.testing.assert_allclose(ours[name], array, atol=1e-14, err_msg=name)
    assert np.all(ours["p"][:, 3:19:2] == 0)


# --- values of three axes and more: vectors side by side in a row ---

SIDES = st.sampled_from((1, 2, 3, 5, 16, 17, 33))


def _normalized(v: Value) -> Value:
    mu = ops.mean(v, -1, keepdims=True)
    return ops.normalize(v, mu, ops.mean(ops.square(v - mu), -1, keepdims=True), 1e-3)


ON_VECTORS: dict[str, Any] = {
    "softmax": ops.softmax,
    "log_softmax": ops.log_softmax,
    "sum of the last axis": lambda v: ops.sum(v, -1),
    "sum of squares": lambda v: ops.sum(ops.square(v), -1, keepdims=True),
    "sum of the middle axis": lambda v: ops.sum(v, 1),
    "sum over the batch": lambda v: v - ops.mean(v, 0),
    "sum over the batch and the last axis": lambda v: v * ops.sum(v, (0, 2), keepdims=True),
    "sum over the batch and the middle axis": lambda v: v * ops.sum(v, (0, 1)),
    "mean": lambda v: ops.mean(v, -1, keepdims=True),
    "max": lambda v: ops.max(v, -1),
    "max of the middle axis": lambda v: ops.max(v, 1, keepdims=True),
    "max of both": lambda v: ops.max(v, (1, 2)),
    "transpose": lambda v: ops.softmax(ops.transpose(v, (0, 2, 1))),
    "real": lambda v: v * ops.reshape(ops.real(ops.argmax(v)), (*v.shape[:2], 1)),
    "normalize": _normalized,
    "slice": lambda v: v[:, :1],
    "slice of vectors": lambda v: v[:, :, v.shape[-1] // 2 :],
    "concatenate": lambda v: ops.concatenate([v, ops.exp(v)], 1),
    "concatenate vectors": lambda v: ops.concatenate([v, ops.exp(v)], 2),
}


@several
@given(
    seeds,
    row_counts,
    SIDES,
    SIDES,
    st.sampled_from(sorted(ON_VECTORS)),
    st.sampled_from(("float64", "float32")),
    st.integers(1, 3),
)
def test_what_is_done_to_each_of_the_vectors_in_a_row_agrees_with_the_reference(
    isa: str, seed: int, rows: int, count: int, width: int, what: str, precision: Any, threads: int
) -> None:
    x = Input((BATCH, count, width), name="x")
    row = Input((BATCH, 1, width), name="row")
    shapes = ((width,), (1,), (count, width), (count, 1))
    parameters = [Parameter(shape, f"p{i}") for i, shape in enumerate(shapes)]
    gamma, beta, each, upright = parameters
    v = (x * gamma + beta) * row * each - upright
    made = ON_VECTORS[what](v)
    slopes = gradients(ops.sum(ops.square(made)), parameters)
    changes = [(p, p - g * 1e-3) for p, g in zip(parameters, slopes, strict=True) if g is not None]
    outputs = {"made": made, "position": ops.argmax(v)}
    rng = np.random.default_rng(seed)
    data = {
        leaf: rng.normal(size=(rows, *leaf.shape[1:])).astype(precision)  # type: ignore[arg-type]
        for leaf in (x, row)
    }
    given_state = {p: rng.normal(size=p.shape) for p in parameters}
    found = []
    for engine in (Native(), Reference()):
        state = State(precision)
        for parameter, array in given_state.items():
            state[parameter] = array
        program = Program((x, row), outputs, assignments=tuple(changes))
        runner = engine.prepare(program, state, threads)
        seen = runner.inspect([v, *(g for g in slopes if g is not None)], data)
        found.append((runner.once(data), list(seen.values()), state))
    (native, seen, changed), (reference, exact, expected) = found
    size = rows * count * width
    tolerance = TOLERANCE[precision]
    for name in outputs:
        room = tolerance * max(1.0, float(np.abs(reference[name]).max()))
        np.testing.assert_allclose(native[name], reference[name], rtol=tolerance, atol=room)
    for ours, theirs in zip(seen, exact, strict=True):
        room = tolerance * size * max(1.0, float(np.abs(theirs).max()))
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=room)
    for parameter in given_state:
        room = tolerance * size * max(1.0, float(np.abs(expected[parameter]).max()))
        np.testing.assert_allclose(
            changed[parameter], expected[parameter], rtol=tolerance, atol=room
        )


MOVES: dict[str, Any] = {
    "transpose": lambda v, first: ops.transpose(
        v, (*range(first), *range(v.rank - 1, first - 1, -1))
    ),
    "slice": lambda v, first: Slice(v.rank - 1, 0, (v.shape[-1] + 1) // 2)(v),
    "slice of the first axis": lambda v, first: Slice(first, v.shape[first] // 2, v.shape[first])(
        v
    ),
    "reshape": lambda v, first: ops.reshape(
        v, (*v.shape[:first], *v.shape[first + 1 :], v.shape[first])
    ),
    "flatten": lambda v, first: ops.reshape(v, (*v.shape[:first], math.prod(v.shape[first:]))),
    "broadcast": lambda v, first: ops.broadcast_to(ops.reshape(v, (*v.shape, 1)), (*v.shape, 3)),
    "pad": lambda v, first: Pad(v.rank - 1, 2, 1)(v),
    "pad the first axis": lambda v, first: Pad(first, 0, 2)(v),
    "concatenate": lambda v, first: ops.concatenate([v, -v, v], first),
}


@several
@given(
    seeds,
    st.lists(st.sampled_from((1, 2, 3, 5, 17)), min_size=1, max_size=4),
    st.sampled_from(sorted(MOVES)),
    st.sampled_from(("batch", "parameter", "integers", "constant integers")),
)
def test_what_is_moved_is_where_the_reference_moves_it(
    isa: str, seed: int, shape: list[int], move: str, what: str
) -> None:
    rng = np.random.default_rng(seed)
    state = State("float64")
    numbers = rng.integers(-9, 9, (6, *shape))
    data: dict[Input, Any] = {}
    if what == "parameter":
        v: Value = Parameter(tuple(shape), "v")
        state[v] = numbers[0]  # type: ignore[index]
    elif what == "constant integers":
        v = Constant(numbers[0])
    else:
        v = Input((BATCH, *shape), "int" if what == "integers" else "float", "v")
        data[v] = numbers  # type: ignore[index]
    first = v.rank - len(shape)
    moved = MOVES[move](v, first)
    outputs = {"moved": moved, "used": ops.cos(moved) * 2.0}
    found = []
    for engine in (Native(), Reference()):
        try:
            found.append(engine.prepare(Program((*data,), outputs), state).once(data))
        except NoKernel:
            assert what.endswith("integers")
            return
    ours, exact = found
    assert ours["moved"].dtype == exact["moved"].dtype
    np.testing.assert_array_equal(ours["moved"], exact["moved"])
    np.testing.assert_allclose(ours["used"], exact["used"], atol=1e-14)


@pytest.mark.parametrize("batch", [100, 4000])
def test_a_parameter_as_wide_as_a_row_gets_the_same_slope_whoever_adds_it_up(
    isa: str, batch: int
) -> None:
    x, w = Input((BATCH, 9), name="x"), Parameter((9, 15), "w")
    each, upright = Parameter((3, 5), "each"), Parameter((3, 1), "upright")
    z = ops.reshape(x @ w, (BATCH, 3, 5)) * each + upright
    loss = ops.sum(ops.square(ops.softmax(ops.transpose(z, (0, 2, 1))) - 0.1))
    weights = (w, each, upright)
    changes = [
        (p, p - 1e-3 * g)
        for p, g in zip(weights, gradients(loss, weights), strict=True)
        if g is not None
    ]
    program = Program((x,), {"loss": loss}, assignments=tuple(changes))
    rng = np.random.default_rng(0)
    rows = {x: rng.normal(size=(8000, 9))}
    start = {p: rng.normal(size=p.shape) for p in weights}

    def trained(engine: Any, threads: int) -> list[Any]:
        state = State("float64")
        for parameter, array in start.items():
            state[parameter] = array
        sums = engine.prepare(program, state, threads).steps(rows, np.arange(8000), batch, {})
        return [sums["loss"], *(state[p] for p in weights)]

    exact = trained(Reference(), 1)
    found = [trained(Native(), threads) for threads in (1, 2, 3, 5)]
    for ours, theirs in zip(found[0], exact, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)
    for others in found[1:]:
        for ours, first in zip(others, found[0], strict=True):
            np.testing.assert_array_equal(ours, first)


def test_a_model_with_softmax_over_vectors_runs_natively() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 20)), rng.normal(size=(64, 1))
    curves = []
    for engine in ("native", "reference"):
        layers = [
            cr.layers.Dense(20),
            cr.layers.Reshape((5, 4)),
            cr.layers.Activation("softmax"),
            cr.layers.Flatten(),
            cr.layers.Dense(1),
        ]
        model = cr.Sequential(layers, seed=0)
        model.compile("adam", "mse", engine=engine, precision="float64")
        curves.append(model.fit(x, y, epochs=3, verbose=0).history["loss"])
    np.testing.assert_allclose(*curves, rtol=1e-9)
