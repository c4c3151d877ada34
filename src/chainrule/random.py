"""Random numbers as a pure function of (seed, counter, stream): Philox-4x32-10.

Nothing here has state. A draw is named by a **seed** (64 bits: the user's), a **counter**
(64 bits: the number of the step, epoch or draw) and a **stream** (32 bits: what the numbers are
for), so that a resumed run, another engine and another thread all see the same numbers.

Layout, the same in the C++ of `chainrule._native`:

===========  ==========================================================================
key word 0   low 32 bits of the seed
key word 1   high 32 bits of the seed
counter 0    ``block``: which group of four words inside this draw, from 0
counter 1    low 32 bits of ``counter``
counter 2    high 32 bits of ``counter``
counter 3    ``stream``: purpose (8 bits) << 24 | index (24 bits), see `Stream`
===========  ==========================================================================

- *words*: the outputs of blocks 0, 1, 2, ..., four 32-bit words each, cut after ``n``.
- *halves* (16 bits): each word gives its low half, then its high half.
- *longs* (64 bits): words 2i (low) and 2i + 1 (high).
- *uniform*: float32 is (word >> 8) / 2**24, float64 is (long >> 11) / 2**53.
- *permutation* of n rows: with b = bit length of n - 1, row i gets the key
  ``(long_i >> b) << b | i``; the rows in ascending order of their keys are the permutation. No two
  keys are equal, so any sorting method gives the same result. (Two given rows stay in order for
  want of random bits with a probability of 2**(b - 64): 4e-15 for 60,000 rows.)
- *dropout*: element i is dropped when half i < round(rate * 65536), a half to even.
- *normal*: float64 uniforms u₀, u₁ give √(-2 ln(1 - u₀))·cos 2πu₁ and √(-2 ln(1 - u₀))·sin 2πu₁.

All of these are equal to the last bit on every machine: they are integers, exact, or, for normal
numbers, sums, products, quotients and square roots in one order, each rounded as IEEE 754 says. A
library's logarithm and cosine would not do: their last bit depends on the processor.

Sources: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011);
Box and Muller, 1958.
"""

from __future__ import annotations

import enum
import operator
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.errors import UsageError

__all__ = [
    "Stream",
    "drop_threshold",
    "fold_in",
    "halves",
    "keep_mask",
    "normal",
    "permutation",
    "philox",
    "uniform",
    "words",
]

_ROUNDS = 10
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)  # a long's low word and how far to its high one
_MOST_WORDS = 4 << 32  # the block number has 32 bits
_BLOCKS_AT_ONCE = 16384  # intermediate arrays stay in the cache: 4x faster for 10 million rows


class Stream(enum.IntEnum):
    """What random numbers are for. A member is the stream's number with index 0.

    The numbers are part of what makes old runs repeatable: never change one, only add.

    >>> hex(Stream.DROPOUT.at(3))
    '0x4000003'
    """

    SEED = 0 << 24
    PERMUTATION = 1 << 24
    SPLIT = 2 << 24
    WEIGHTS = 3 << 24
    DROPOUT = 4 << 24
    AUGMENTATION = 5 << 24
    NOISE = 6 << 24
    SEARCH = 7 << 24
    EXERCISE = 8 << 24
    USER = 255 << 24

    def at(self, index: SupportsIndex) -> int:
        """The number of this purpose's sub-stream ``index`` (a layer's number, say): 24 bits."""
        return int(self) | _whole("stream index", index, 24)


def philox(counter: NDArray[np.uint32], key: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Philox-4x32-10: counters (..., 4) under a key (2,) to random words (..., 4).

    >>> philox(np.zeros(4, np.uint32), np.zeros(2, np.uint32))
    array([1713891541, 3781805453, 3159862348, 2600524760], dtype=uint32)
    """
    c0, c1, c2, c3 = (counter[..., i].astype(np.uint64) for i in range(4))
    k0, k1 = key.astype(np.uint64)
    for _ in range(_ROUNDS):
        p0, p1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2  # 32 x 32 -> 64 bits
        c0, c1 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW
        c2, c3 = (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + _KEY_STEPS[0]) & _LOW, (k1 + _KEY_STEPS[1]) & _LOW
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def words(
    seed: SupportsIndex, counter: SupportsIndex, stream: SupportsIndex, n: SupportsIndex
) -> NDArray[np.uint32]:
    """``n`` random 32-bit words."""
    seed, counter = _whole("seed", seed, 64), _whole("counter", counter, 64)
    stream, n = _whole("stream", stream, 32), _count(n, _MOST_WORDS)
    key = np.array(_low_high(seed), np.uint32)
    blocks = np.empty((-(-n // 4), 4), np.uint32)
    blocks[:, 0] = np.arange(len(blocks), dtype=np.uint32)
    blocks[:, 1:] = *_low_high(counter), stream
    for start in range(0, len(blocks), _BLOCKS_AT_ONCE):
        part = slice(start, start + _BLOCKS_AT_ONCE)
        blocks[part] = philox(blocks[part], key)
    return blocks.reshape(-1)[:n]


def halves(
    seed: SupportsIndex, counter: SupportsIndex, stream: SupportsIndex, n: SupportsIndex
) -> NDArray[np.uint16]:
    """``n`` random 16-bit numbers: each word's low half first."""
    n = _count(n, 2 * _MOST_WORDS)
    drawn = words(seed, counter, stream, -(-n // 2))
    return drawn.astype("<u4", copy=False).view("<u2").astype(np.uint16, copy=False)[:n]


def uniform(
    seed: SupportsIndex,
    counter: SupportsIndex,
    stream: SupportsIndex,
    n: SupportsIndex,
    dtype: DTypeLike = np.float64,
) -> NDArray[Any]:
    """``n`` numbers in [0, 1), evenly spaced: 24 bits (one word) in float32, 53 (two) in float64.

    >>> uniform(seed=0, counter=0, stream=Stream.USER, n=3, dtype=np.float32)
    array([0.07133681, 0.9936314 , 0.63040406], dtype=float32)
    """
    match np.dtype(dtype).name:
        case "float32":
            drawn = words(seed, counter, stream, n) >> 8
            return drawn.astype(np.float32) * np.float32(2.0**-24)
        case "float64":
            return (_longs(seed, counter, stream, n) >> 11) * 2.0**-53
        case other:
            raise UsageError(f"Uniform numbers of type {other}: expected float32 or float64.")


def normal(
    seed: SupportsIndex,
    counter: SupportsIndex,
    stream: SupportsIndex,
    n: SupportsIndex,
    dtype: DTypeLike = np.float64,
) -> NDArray[Any]:
    """``n`` numbers from the normal distribution of mean 0 and variance 1.

    They are computed in float64 and rounded to ``dtype`` at the end.

    >>> normal(seed=0, counter=0, stream=Stream.USER, n=3, dtype=np.float32)
    array([ 3.1799026 ,  0.03140992, -1.9428438 ], dtype=float32)
    """
    n = _count(n, _MOST_WORDS // 2)
    pairs = uniform(seed, counter, stream, n + n % 2).reshape(-1, 2)
    drawn = np.empty_like(pairs)
    for start in range(0, len(pairs), _BLOCKS_AT_ONCE):
        part = slice(start, start + _BLOCKS_AT_ONCE)
        radius = np.sqrt(-2.0 * _log(1.0 - pairs[part, 0]))
        cosine, sine = _of_turns(pairs[part, 1])
        drawn[part, 0], drawn[part, 1] = radius * cosine, radius * sine
    return drawn.reshape(-1)[:n].astype(dtype, copy=False)


def permutation(
    seed: SupportsIndex, counter: SupportsIndex, stream: SupportsIndex, n: SupportsIndex
) -> NDArray[np.int64]:
    """The row numbers 0 ... n - 1 in random order (the module's page says which one)."""
    n = _count(n, _MOST_WORDS // 2)
    bits = max(n - 1, 0).bit_length()
    keys = _longs(seed, counter, stream, n) >> bits << bits
    keys |= np.arange(n, dtype=np.uint64)
    keys.sort()
    keys &= (1 << bits) - 1
    return keys.view(np.int64)


def keep_mask(
    seed: SupportsIndex,
    counter: SupportsIndex,
    stream: SupportsIndex,
    n: SupportsIndex,
    rate: float,
) -> NDArray[np.bool_]:
    """Which of ``n`` elements dropout keeps: True for a share of 1 - ``rate``.

    >>> keep_mask(seed=0, counter=0, stream=Stream.DROPOUT, n=1000, rate=0.2).mean()
    np.float64(0.795)
    """
    return halves(seed, counter, stream, n) >= drop_threshold(rate)


def drop_threshold(rate: float) -> int:
    """The number of 16-bit values, of 65536, at which an element is dropped.

    >>> drop_threshold(0.5)
    32768
    """
    if not 0 <= rate < 1:
        raise UsageError(f"Dropout rate {rate}: expected a number from 0 up to, not including, 1.")
    return round(rate * 65536)


def fold_in(seed: SupportsIndex, *numbers: SupportsIndex) -> int:
    """A new seed from a seed and numbers, for the parts of a whole: a fold, a network, a trial.

    One number after the other takes the place of the counter in the stream SEED; the first 64 bits
    drawn are the next seed. So ``fold_in(s, a, b) == fold_in(fold_in(s, a), b)``.
    """
    seed = _whole("seed", seed, 64)
    for number in numbers:
        number = _whole("number to fold in", number, 64)
        seed = int(_longs(seed, number, Stream.SEED, 1)[0])
    return seed


def _longs(
    seed: SupportsIndex, counter: SupportsIndex, stream: SupportsIndex, n: SupportsIndex
) -> NDArray[np.uint64]:
    drawn = words(seed, counter, stream, 2 * _count(n, _MOST_WORDS // 2))
    return drawn.astype("<u4", copy=False).view("<u8").astype(np.uint64, copy=False)


def _low_high(number: int) -> tuple[int, int]:
    return number & 0xFFFFFFFF, number >> 32


def _whole(name: str, value: SupportsIndex, bits: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number < 1 << bits:
        raise UsageError(
            f"{name.capitalize()} {value!r}: expected a whole number from 0 to 2**{bits} - 1."
        )
    return number


def _count(n: SupportsIndex, most: int) -> int:
    try:
        count = operator.index(n)
    except TypeError:
        count = -1
    if not 0 <= count <= most:
        raise UsageError(f"{n!r} random numbers asked for: expected a number from 0 to {most}.")
    return count


# --- functions for normal numbers, equal to the last bit on every machine ------------------------------
#
# Minimax polynomials, lowest power first; each adds at most 2⁻⁵⁸ to its function.

# (ln((1 + s) / (1 - s)) / s - 2) / s² in powers of s², |s| <= 0.1716
_LOG = [
    *(0.6666666666666735, 0.39999999999412894, 0.28571428742823307, 0.2222219852475268),
    *(0.18183567024972722, 0.15313977088477038, 0.14796726977216607),
]
# sin(½πr) / r and (cos(½πr) - 1) / r² in powers of r², |r| <= ½
_SINE = [
    *(1.5707963267948966, -0.6459640975062443, 0.07969262624603957, -0.004681754132282415),
    *(0.0001604411502916307, -3.5986417543874945e-06, 5.6337210053764296e-08),
]
_COSINE = [
    *(-1.2337005501361697, 0.25366950790104736, -0.020863480763324355, 0.0009192602743150056),
    *(-2.52020374662165e-05, 4.7106282674575917e-07, -6.3232248772507335e-09),
]
_LN2, _LN2_LOW = 0.6931471805598903, 5.497923018708371e-14  # the first times any exponent is exact
_ROOT_HALF = 0.7071067811865476


def _log(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln x for x in (0, 1], x = 2ᵉ(1 + f), within three units in the last place."""
    fraction, exponent = np.frexp(x)
    small = fraction < _ROOT_HALF
    f = np.where(small, 2.0 * fraction, fraction) - 1.0
    e = (exponent - small).astype(np.float64)
    s = f / (2.0 + f)
    z = s * s
    half = 0.5 * f * f
    rest = s * (z * _polynomial(_LOG, z) + half) + e * _LN2_LOW
    return e * _LN2 + (f - (half - rest))


def _of_turns(u: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """cos 2πu and sin 2πu for u in [0, 1), within two units in the last place."""
    quarters = np.floor(4.0 * u + 0.5)
    r = 4.0 * u - quarters
    z = r * r
    cosine, sine = 1.0 + z * _polynomial(_COSINE, z), r * _polynomial(_SINE, z)
    quarter = quarters.astype(np.int64)
    swapped = quarter & 1 == 1
    c, s = np.where(swapped, sine, cosine), np.where(swapped, cosine, sine)
    return np.where((quarter + 1) & 2 != 0, -c, c), np.where(quarter & 2 != 0, -s, s)


def _polynomial(coefficients: list[float], x: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        total *= x
        total += c
    return total
