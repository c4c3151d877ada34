"""Elementary functions of vectors: their errors, in units in the last place, and their edges.

Dense float32 grids are compared with float64 of NumPy and SciPy, float64 with mpmath.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special
from numpy.typing import NDArray

from chainrule import _native

testing = _native.testing
Array = NDArray[Any]

ROWS = 16
SEED = 20240501
BITS = 120  # of mpmath, and enough beside the 1100 that the largest arguments of sin need

# Name: the function in float64, in mpmath, the interesting range in float32 and in float64, and the
# largest error allowed in each. On 2 million points it was at most 2.5 (sigmoid, float32).
Case = tuple[Callable[[Any], Any], Callable[[Any], Any], tuple[float, float], tuple[float, float],
             float, float]  # fmt: skip


def softplus(x: Array) -> Array:
    result: Array = np.logaddexp(x, 0)
    return result


def exact_sigmoid(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


def exact_softplus(x: Any) -> Any:
    return mpmath.log1p(mpmath.exp(x))


CASES: dict[str, Case] = {
    "exp": (np.exp, mpmath.exp, (-90, 90), (-750, 711), 1.5, 1.5),
    "expm1": (np.expm1, mpmath.expm1, (-20, 90), (-40, 711), 2, 2),
    "log": (np.log, mpmath.log, (0, 10), (0, 10), 1.5, 1.5),
    "log1p": (np.log1p, mpmath.log1p, (-1, 10), (-1, 10), 1.5, 1.5),
    "sin": (np.sin, mpmath.sin, (-100, 100), (-1e6, 1e6), 1, 1),
    "cos": (np.cos, mpmath.cos, (-100, 100), (-1e6, 1e6), 1, 1),
    "tanh": (np.tanh, mpmath.tanh, (-10, 10), (-20, 20), 2, 3),
    "sigmoid": (scipy.special.expit, exact_sigmoid, (-90, 90), (-710, 710), 3, 3),
    "softplus": (softplus, exact_softplus, (-90, 90), (-710, 710), 2, 2),
    "erf": (scipy.special.erf, mpmath.erf, (-5, 5), (-6.5, 6.5), 2, 2),
}


@pytest.fixture(params=["avx512", "avx2", "portable"], scope="module")
def isa(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name not in _native.instruction_sets():
        pytest.skip(f"this machine does not have {name}")
    return name


def ours(isa: str, name: str, *sources: Array) -> Array:
    """The kernel on long arrays, a block at a time."""
    dtype = sources[0].dtype
    kernel = getattr(testing, f"elementwise{8 * dtype.itemsize}")
    block = ROWS * testing.panel_width(isa, dtype.itemsize)
    length = -(-sources[0].size // block) * block
    padded = [np.concatenate([s, np.ones(length - s.size, dtype)]) for s in sources]
    out = np.empty(length, dtype)
    last = len(sources) - 1
    for start in range(0, length, block):
        operands = [(x[start : start + block], "full") for x in [*padded, out]]
        kernel(isa, [(name, last + 1, 0, min(1, last), min(2, last))], operands, ROWS)
    return out[: sources[0].size]


def arguments(dtype: Any, low: float, high: float, count: int) -> Array:
    """A dense grid of the range, small numbers of both signs, and numbers of every size."""
    rng = np.random.default_rng(SEED)
    info = np.finfo(dtype)
    every_size = np.ldexp(rng.uniform(1, 2, count), rng.integers(info.minexp, info.maxexp, count))
    near_zero = np.ldexp(rng.uniform(1, 2, count), rng.integers(-info.nmant - 5, 2, count))
    signs = rng.choice([-1.0, 1.0], count)
    grid = np.linspace(low, high, count)
    joined = [grid, rng.uniform(-1, 1, count), near_zero * signs, every_size * signs]
    result: Array = np.concatenate(joined).astype(dtype)
    return result


def in_domain(name: str, x: Array) -> Array:
    if name == "log":
        return x[x > 0]
    return x[x > -1] if name == "log1p" else x


def assert_within(ulps: float, got: Array, high: Array, low: Array, x: Array) -> None:
    """|got − (high + low)| ≤ ulps units in the last place of the exact value, in got's format.

    Below the smallest normal number zero will do; beyond the largest one, infinity must come.
    """
    info = np.finfo(got.dtype)
    largest, smallest = float(info.max), float(info.smallest_normal)
    finite = np.abs(high) <= largest
    assert np.all(np.isinf(got[~finite]) & (np.sign(got[~finite]) == np.sign(high[~finite])))
    got, high, low, x = got[finite], high[finite], low[finite], x[finite]
    exponent = np.frexp(np.maximum(np.abs(high), smallest))[1] - 1
    unit = np.ldexp(1.0, exponent - info.nmant)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs((got.astype(np.float64) - high) - low) / unit
    flushed = (np.abs(high) < smallest) & (got == 0)
    # Where the exact value is less than a unit from the end of the range, infinity is as near.
    edge = np.isinf(got) & (np.abs(high) > largest * (1 - 2 * float(info.eps)))
    error[flushed | edge] = 0
    worst = int(np.argmax(error))
    assert error[worst] <= ulps, f"{error[worst]:.2f} ulp at {x[worst]!r}: {got[worst]!r}"


def split(value: Any) -> tuple[float, float]:
    """An mpmath number as a float64 and what is missing from it."""
    high = float(value)
    return high, float(value - high) if np.isfinite(high) else 0.0


@cache
def exact_points(name: str) -> tuple[Array, Array, Array]:
    """Arguments in float64 and the exact values there, in two parts."""
    _, exact, _, (low, high), _, _ = CASES[name]
    x = in_domain(name, arguments(np.float64, low, high, 400))
    with mpmath.workprec(1200 if name in ("sin", "cos") else BITS):
        if name not in ("sin", "cos", "log", "log1p"):
            x = x[np.abs(x) < 1e6]  # far beyond the range mpmath would fill the memory
        parts = [split(exact(mpmath.mpf(float(v)))) for v in x]
    high_part, low_part = np.array(parts).T
    return x, high_part, low_part


@pytest.mark.parametrize("name", CASES)
def test_float32_is_within_its_bound(isa: str, name: str) -> None:
    function, _, (low, high), _, ulps, _ = CASES[name]
    x = in_domain(name, arguments(np.float32, low, high, 50_000))
    with np.errstate(over="ignore", under="ignore"):
        exact = function(x.astype(np.float64))
    assert_within(ulps, ours(isa, name, x), exact, np.zeros_like(exact), x)


@pytest.mark.parametrize("name", CASES)
def test_float64_is_within_its_bound(isa: str, name: str) -> None:
    x, high, low = exact_points(name)
    assert_within(CASES[name][5], ours(isa, name, x), high, low, x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_the_edges_are_numpys(isa: str, name: str, dtype: Any) -> None:
    info = np.finfo(dtype)
    x = np.array(
        [0.0, -0.0, 1.0, -1.0, -2.0, np.inf, -np.inf, np.nan, info.max, -info.max],
        dtype,
    )
    if name in ("sin", "cos"):
        x = x[np.abs(x) != info.max]  # tested above, against exact values
    with np.errstate(all="ignore"):
        exact = CASES[name][0](x)
    got = ours(isa, name, x)
    assert np.array_equal(np.isnan(got), np.isnan(exact))
    assert np.array_equal(np.isinf(got), np.isinf(exact))
    np.testing.assert_allclose(got, exact, rtol=4 * info.eps, atol=info.smallest_normal)
    odd = name in ("expm1", "log1p", "sin", "tanh", "erf")
    assert not odd or np.signbit(got[1])  # −0 stays −0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["log", "log1p", "expm1", "sin", "tanh", "erf"])
def test_denormal_arguments_are_followed_or_taken_for_zero(isa: str, name: str, dtype: Any) -> None:
    info = np.finfo(dtype)
    x = info.smallest_subnormal * np.array([1, 2, 3, 1000, 4_000_001], dtype)
    got = ours(isa, name, x)
    function = CASES[name][0]
    near = np.abs(got - function(x)) <= 2 * np.maximum(
        info.smallest_subnormal, np.spacing(np.abs(function(x)))
    )
    with np.errstate(divide="ignore"):
        assert np.all(near | (got == function(np.zeros_like(x))))


def test_the_sine_of_the_hardest_float64_is_right(isa: str) -> None:
    # 6381956970095103 · 2⁷⁹⁷ is the float64 nearest to a multiple of π/2 (Kahan; Muller, 1997).
    x = np.array([6381956970095103.0 * 2.0**797, -6381956970095103.0 * 2.0**797])
    with mpmath.workprec(1200):
        for name, exact in (("cos", mpmath.cos), ("sin", mpmath.sin)):
            high, low = np.array([split(exact(mpmath.mpf(float(v)))) for v in x]).T
            assert_within(1, ours(isa, name, x), high, low, x)


def powers(dtype: Any) -> tuple[Array, Array]:
    rng = np.random.default_rng(SEED)
    count = 600 if dtype == np.float64 else 50_000
    scale = np.log(float(np.finfo(dtype).max))
    a = [np.exp(rng.uniform(-5, 5, count)), rng.uniform(0.9, 1.1, count),
         np.exp(rng.uniform(-scale, scale, count)), -np.exp(rng.uniform(-3, 3, count))]  # fmt: skip
    b = [rng.uniform(-20, 20, count), rng.uniform(-1, 1, count) * 5 * scale,
         rng.uniform(-1.2, 1.2, count), rng.integers(-20, 21, count)]  # fmt: skip
    return np.concatenate(a).astype(dtype), np.concatenate(b).astype(dtype)


def test_a_power_in_float32_is_within_its_bound(isa: str) -> None:
    a, b = powers(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        exact = np.power(a.astype(np.float64), b.astype(np.float64))
    assert_within(1, ours(isa, "power", a, b), exact, np.zeros_like(exact), a)


@cache
def exact_powers() -> tuple[Array, Array, Array, Array]:
    a, b = powers(np.float64)
    with mpmath.workprec(BITS):
        parts = [
            split(mpmath.mpf(float(x)) ** mpmath.mpf(float(y))) for x, y in zip(a, b, strict=True)
        ]
    high, low = np.array(parts).T
    return a, b, high, low


def test_a_power_in_float64_is_within_its_bound(isa: str) -> None:
    a, b, high, low = exact_powers()
    assert_within(1.5, ours(isa, "power", a, b), high, low, a)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_of_special_numbers_are_numpys(isa: str, dtype: Any) -> None:
    digits = np.finfo(dtype).nmant
    special = [0.0, 1.0, 0.5, 2.0, 3.0, 2.5, 1e30, np.inf, 2.0**digits + 1, 2.0 ** (digits + 1)]
    special = np.array([*special, *(-v for v in special), np.nan], dtype)
    a, b = (np.ascontiguousarray(v.ravel()) for v in np.meshgrid(special, special))
    got = ours(isa, "power", a, b)
    with np.errstate(all="ignore"):
        exact = np.power(a, b)
    np.testing.assert_allclose(got, exact, rtol=4 * np.finfo(dtype).eps)
    known = ~np.isnan(exact)
    assert np.array_equal(np.signbit(got[known]), np.signbit(exact[known]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_must_not_leave_its_range_does_not(isa: str, dtype: Any) -> None:
    x = arguments(dtype, -40, 40, 20_000)
    for name, least, most in (("tanh", -1, 1), ("erf", -1, 1), ("sigmoid", 0, 1), ("sin", -1, 1)):
        y = ours(isa, name, x)
        assert y.min() >= least, name
        assert y.max() <= most, name
