"""Micro-operations on blocks against NumPy and SciPy, on every instruction set of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from chainrule import _native

testing = _native.testing

SPREADS = ("full", "row", "column", "scalar")
REGISTER = 64
MAX_ROWS = 32
MAX_SOURCES = 5


def rounded(a: NDArray[Any]) -> NDArray[Any]:
    """The nearest numbers of 8 significant bits."""
    with np.errstate(all="ignore"):
        mantissa, exponent = np.frexp(a)
        return np.where(np.isfinite(a), np.ldexp(np.rint(mantissa * 256) / 256, exponent), a)


# What each micro-operation is in NumPy's and SciPy's words, on arrays that broadcast.
MEANING: dict[str, tuple[int, Callable[..., Any]]] = {
    "copy": (1, lambda a: a),
    "add": (2, np.add),
    "subtract": (2, np.subtract),
    "multiply": (2, np.multiply),
    "divide": (2, np.divide),
    "power": (2, np.power),
    "maximum": (2, np.maximum),
    "minimum": (2, np.minimum),
    "greater": (2, np.greater),
    "greater_equal": (2, np.greater_equal),
    "equal": (2, np.equal),
    "select": (3, lambda a, b, c: np.where(a != 0, b, c)),
    "multiply_add": (3, lambda a, b, c: a * b + c),
    "negative": (1, np.negative),
    "exp": (1, np.exp),
    "expm1": (1, np.expm1),
    "log": (1, np.log),
    "log1p": (1, np.log1p),
    "sqrt": (1, np.sqrt),
    "square": (1, np.square),
    "abs": (1, np.abs),
    "sign": (1, np.sign),
    "sin": (1, np.sin),
    "cos": (1, np.cos),
    "erf": (1, scipy.special.erf),
    "sigmoid": (1, scipy.special.expit),
    "tanh": (1, np.tanh),
    "relu": (1, lambda a: np.maximum(a, 0)),
    "softplus": (1, lambda a: np.logaddexp(a, 0)),
    "bfloat16": (1, lambda a: rounded(a)),
    "average": (4, lambda a, b, c, d: c * a + d * b),
    "average_of_squares": (4, lambda a, b, c, d: c * a + d * (b * b)),
    "adam_step": (5, lambda a, b, c, d, e: a - d * b / (np.sqrt(c) + e)),
    "descend": (3, lambda a, b, c: a - c * b),
    "momentum": (4, lambda a, b, c, d: d * a - c * b),
    "normalize": (4, lambda a, b, c, d: (a - b) / np.sqrt(c + d)),
    "add_relu": (2, lambda a, b: np.maximum(a + b, 0)),
    "greater_multiply": (3, lambda a, b, c: (a > b) * c),
    "descend_multiply": (4, lambda a, b, c, d: d * (a - c * b)),
}
# How large the terms of a sum are: it may be off by roundings of these.
TERMS: dict[str, Callable[..., Any]] = {
    "multiply_add": lambda a, b, c: abs(a * b) + abs(c),
    "average": lambda a, b, c, d: abs(c * a) + abs(d * b),
    "average_of_squares": lambda a, b, c, d: abs(c * a) + abs(d * b * b),
    "adam_step": lambda a, b, c, d, e: (
        abs(a) + abs(d * b) * (np.sqrt(c) + abs(e)) / (np.sqrt(c) + e) ** 2
    ),
    "descend": lambda a, b, c: abs(a) + abs(c * b),
    "momentum": lambda a, b, c, d: abs(d * a) + abs(c * b),
    "descend_multiply": lambda a, b, c, d: abs(d * a) + abs(d * c * b),
}
# Rounded once, so equal to the last bit; the others are allowed their error.
EXACT = {
    *("copy", "add", "subtract", "multiply", "divide", "maximum", "minimum", "greater"),
    *("greater_equal", "equal", "select", "negative", "sqrt", "square", "abs", "sign", "relu"),
    *("bfloat16", "add_relu", "greater_multiply"),
}
# Little bits of everything: equal numbers to compare, both signs, zeros, infinities and NaN.
EDGES = [0.0, -0.0, 1.0, -1.0, 2.0, -3.0, 0.5, 20.0, np.inf, -np.inf, np.nan]

real_types = st.sampled_from([np.float32, np.float64])
spreads = st.sampled_from(SPREADS)
row_counts = st.integers(1, MAX_ROWS)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(params=["avx512", "avx2", "portable"], scope="module")
def isa(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name not in _native.instruction_sets():
        pytest.skip(f"this machine does not have {name}")
    return name


def width_of(isa: str, dtype: Any) -> int:
    width: int = testing.panel_width(isa, np.dtype(dtype).itemsize)
    return width


def run(
    isa: str,
    code: Sequence[tuple[Any, ...]],
    operands: Sequence[tuple[NDArray[Any], str]],
    rows: int,
    vectors: int = 2,
) -> None:
    bits = 8 * operands[0][0].dtype.itemsize
    getattr(testing, f"elementwise{bits}")(isa, list(code), list(operands), rows, vectors)


def source(
    rng: np.random.Generator, dtype: Any, rows: int, width: int, spread: str
) -> NDArray[Any]:
    """An operand shaped so that NumPy spreads it over the block by itself."""
    shape = (
        rows if spread in ("full", "column") else 1,
        width if spread in ("full", "row") else 1,
    )
    drawn = np.where(
        rng.random(shape) < 0.3, rng.choice(EDGES, shape), rng.normal(scale=3.0, size=shape)
    )
    return np.ascontiguousarray(drawn.astype(dtype))


def meant(name: str, sources: Sequence[NDArray[Any]], wide: Any) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        result: NDArray[Any] = np.asarray(MEANING[name][1](*(s.astype(wide) for s in sources)))
    return result


def assert_same(name: str, ours: NDArray[Any], sources: Sequence[NDArray[Any]]) -> None:
    shape, dtype = ours.shape, ours.dtype
    if name in EXACT:
        exact = np.broadcast_to(meant(name, sources, dtype), shape)
        assert np.array_equal(ours, exact.astype(dtype), equal_nan=True)
        return
    exact = np.broadcast_to(meant(name, sources, np.float64), shape)
    info = np.finfo(dtype)
    with np.errstate(all="ignore"):
        room = 8 * info.eps * np.abs(exact) + info.smallest_normal
        if name in TERMS:
            room = room + 4 * info.eps * TERMS[name](*(x.astype(np.float64) for x in sources))
        rounded = exact.astype(dtype)
        near = np.abs(ours.astype(exact.dtype) - exact) <= room
    assert np.all(near | (ours == rounded) | (np.isnan(ours) & np.isnan(rounded)))


def test_every_micro_operation_is_numbered_and_tested() -> None:
    assert list(_native.opcodes().values()) == list(range(len(_native.opcodes())))
    assert set(_native.opcodes()) == {*MEANING, "adam"}


@given(seed=seeds, dtype=real_types, rows=row_counts, apart=st.booleans())
def test_adam_at_once_has_the_bits_of_its_three_steps(
    isa: str, seed: int, dtype: Any, rows: int, apart: bool
) -> None:
    rng = np.random.default_rng(seed)
    width = width_of(isa, dtype)
    arrays = [rng.random((rows, width)).astype(dtype) for _ in range(4 + 3 * apart)]
    numbers = [np.array([[x]], dtype) for x in (0.9, 0.1, 0.99, 0.01, 0.001, 1e-7)]
    copies = [x.copy() for x in arrays]
    w, m, v, g = range(4)
    w_new, m_new, v_new = (4, 5, 6) if apart else (w, m, v)
    first = len(arrays)
    j, k, p, q, rate, least = range(first, first + 6)
    spread = [*["full"] * first, *["scalar"] * 6]
    three = [
        ("average", m_new, m, g, j, k),
        ("average_of_squares", v_new, v, g, p, q),
        ("adam_step", w_new, w, m_new, v_new, rate, least),
    ]
    once = [("adam", w_new, w, m, v, g, j, k, p, q, rate, least, m_new, v_new)]
    run(isa, three, list(zip([*arrays, *numbers], spread, strict=True)), rows)
    run(isa, once, list(zip([*copies, *numbers], spread, strict=True)), rows)
    assert all(np.array_equal(x, y) for x, y in zip(arrays, copies, strict=True))


@pytest.mark.parametrize("name", MEANING)
@settings(max_examples=25)
@given(seed=seeds, dtype=real_types, rows=row_counts, lie=st.tuples(*[spreads] * MAX_SOURCES))
def test_a_micro_operation_is_numpys(
    isa: str, name: str, seed: int, dtype: Any, rows: int, lie: tuple[str, ...]
) -> None:
    rng = np.random.default_rng(seed)
    width = width_of(isa, dtype)
    count = MEANING[name][0]
    sources = [source(rng, dtype, rows, width, lie[i]) for i in range(count)]
    kept = [s.copy() for s in sources]
    out = np.full((rows + 1, width), 7, dtype)
    operands = [*zip(sources, lie, strict=False), (out, "full")]
    run(isa, [(name, count, *range(count))], operands, rows)
    assert_same(name, out[:rows], sources)
    assert np.all(out[rows] == 7)  # not a row too many
    assert all(np.array_equal(s, k, equal_nan=True) for s, k in zip(sources, kept, strict=True))


@pytest.mark.parametrize("name", MEANING)
@settings(max_examples=25)
@given(seed=seeds, dtype=real_types, rows=row_counts, which=st.integers(0, 4))
def test_the_destination_may_be_a_source(
    isa: str, name: str, seed: int, dtype: Any, rows: int, which: int
) -> None:
    rng = np.random.default_rng(seed)
    width = width_of(isa, dtype)
    count = MEANING[name][0]
    sources = [source(rng, dtype, rows, width, "full") for _ in range(count)]
    apart = np.empty((rows, width), dtype)
    run(
        isa,
        [(name, count, *range(count))],
        [*((s, "full") for s in sources), (apart, "full")],
        rows,
    )
    target = which % count
    run(isa, [(name, target, *range(count))], [(s, "full") for s in sources], rows)
    assert np.array_equal(sources[target], apart, equal_nan=True)


@pytest.mark.parametrize("name", [*MEANING, "adam"])
@settings(max_examples=10)
@given(seed=seeds, dtype=real_types, rows=row_counts, lie=st.tuples(*[spreads] * MAX_SOURCES))
def test_of_a_row_one_vector_may_be_enough(
    isa: str, name: str, seed: int, dtype: Any, rows: int, lie: tuple[str, ...]
) -> None:
    rng = np.random.default_rng(seed)
    width = width_of(isa, dtype)
    if name == "adam":  # w, m, v and gradient; six numbers; new m and v
        lie = (*["full"] * 4, *["scalar"] * 6, "full", "full")
    count = len(lie) if name == "adam" else MEANING[name][0]
    sources = [source(rng, dtype, rows, width, lie[i]) for i in range(count)]
    found = {}
    for vectors in (1, 2):
        arrays = [*(s.copy() for s in sources), np.full((rows, width), 7, dtype)]
        run(
            isa,
            [(name, count, *range(count))],
            list(zip(arrays, [*lie[:count], "full"], strict=True)),
            rows,
            vectors,
        )
        found[vectors] = arrays[-1]
        if name == "adam":
            found[vectors] = np.stack([*arrays[-3:-1], arrays[-1]])
    half = width // 2
    one, two = found[1][..., :half], found[2][..., :half]
    assert np.array_equal(one, two, equal_nan=True)
    assert (found[1][-1, ..., half:] == 7).all()  # the rest is left alone


@given(seed=seeds, dtype=real_types, rows=row_counts, data=st.data())
def test_a_program_runs_in_order_over_registers_and_operands(
    isa: str, seed: int, dtype: Any, rows: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    width = width_of(isa, dtype)
    lie = data.draw(st.lists(spreads, min_size=1, max_size=5))
    operands = [(source(rng, dtype, rows, width, spread), spread) for spread in lie]
    operands.append((np.zeros((rows, width), dtype), "full"))
    registers = data.draw(st.integers(1, 4))
    writable = [i for i, (_, spread) in enumerate(operands) if spread == "full"]
    writable += [REGISTER + k for k in range(registers)]
    exact = ["add", "subtract", "multiply", "maximum", "select", "negative", "copy", "relu"]
    known = {i: np.broadcast_to(array, (rows, width)) for i, (array, _) in enumerate(operands)}
    code = []
    for _ in range(data.draw(st.integers(1, 12))):
        name = data.draw(st.sampled_from(exact))
        dst = data.draw(st.sampled_from(writable))
        a, b, c = (data.draw(st.sampled_from(sorted(known))) for _ in range(3))
        code.append((name, dst, a, b, c))
        known[dst] = meant(name, [known[a], known[b], known[c]][: MEANING[name][0]], dtype)
    run(isa, code, operands, rows)
    for i, (array, _) in enumerate(operands):
        shown = np.broadcast_to(array, (rows, width))
        assert np.array_equal(shown, known[i].astype(dtype), equal_nan=True)


@given(seed=seeds, rows=row_counts)
def test_multiply_add_rounds_once_where_the_hardware_can(isa: str, seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    width = width_of(isa, np.float32)
    a, b, c = (rng.normal(size=(rows, width)).astype(np.float32) for _ in range(3))
    c = -(a * b) + np.float32(1e-6) * c  # near cancellation, where the roundings show
    out = np.empty_like(a)
    run(isa, [("multiply_add", 3, 0, 1, 2)], [(x, "full") for x in (a, b, c, out)], rows)
    # A product of two float32 is exact in float64, and so is this near-cancelling sum.
    once = (a.astype(np.float64) * b.astype(np.float64) + c.astype(np.float64)).astype(np.float32)
    if isa in ("avx2", "avx512"):
        assert np.array_equal(out, once)
    elif not np.array_equal(out, once):
        assert np.array_equal(out, a * b + c)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_code_gives_the_same_bits_wherever_a_row_lies(isa: str, dtype: Any) -> None:
    width = width_of(isa, dtype)
    row = np.random.default_rng(0).normal(size=width).astype(dtype)
    for name in MEANING:
        blocks = []
        for rows in range(1, MAX_ROWS + 1):
            x = np.tile(np.abs(row), (rows, 1))
            out = np.empty_like(x)
            run(isa, [(name, 1, 0, 0, 0)], [(x, "full"), (out, "full")], rows)
            blocks.append(out)
        assert all(np.array_equal(line, blocks[0][0]) for block in blocks for line in block), name


def chosen(value: str | None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "CHAINRULE_ISA"}
    if value is not None:
        environment["CHAINRULE_ISA"] = value
    script = (
        "from chainrule import _native\n"
        "try: print(_native.chosen_isa())\n"
        "except ValueError as error: print('ValueError:', error)"
    )
    return subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )


def test_the_environment_chooses_an_instruction_set() -> None:
    for name in _native.instruction_sets():
        assert chosen(name).stdout.strip() == name


def test_without_a_choice_the_fastest_instruction_set_of_this_machine_is_used() -> None:
    assert chosen(None).stdout.strip() == _native.instruction_sets()[0]
    assert chosen("").stdout == chosen(None).stdout


@pytest.mark.parametrize("name", ["mmx", "avx", "portable, avx2"])
def test_an_unknown_instruction_set_is_an_error_that_says_which_there_are(name: str) -> None:
    said = chosen(name).stdout
    assert said.startswith(f"ValueError: CHAINRULE_ISA is '{name}'")
    assert all(known in said for known in _native.instruction_sets())


def test_an_instruction_set_this_machine_lacks_is_an_error_that_says_so() -> None:
    lacking = {"avx512", "avx2"} - set(_native.instruction_sets())
    if not lacking:
        pytest.skip("this machine has every instruction set")
    for name in lacking:
        assert chosen(name).stdout.startswith("ValueError: CHAINRULE_ISA is ")
