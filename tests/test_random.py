"""Philox streams: published vectors, the documented layout, and the distributions drawn from it."""

from __future__ import annotations

import hashlib
import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from chainrule import random
from chainrule.errors import UsageError
from chainrule.random import Stream

# philox4x32-10 lines of Random123's kat_vectors: counter, key, result.
KNOWN_ANSWERS = [
    (
        "00000000 00000000 00000000 00000000",
        "00000000 00000000",
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    ),
    (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


def of_hex(text: str) -> np.ndarray:
    return np.array([int(word, 16) for word in text.split()], np.uint32)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_gives_the_published_answers(counter: str, key: str, expected: str) -> None:
    drawn = random.philox(of_hex(counter), of_hex(key))
    assert drawn.dtype == np.uint32
    assert drawn.tolist() == of_hex(expected).tolist()


def test_philox_takes_many_counters_at_once() -> None:
    counters = np.stack([of_hex(c) for c, _, _ in KNOWN_ANSWERS]).reshape(3, 1, 4)
    together = random.philox(counters, of_hex(KNOWN_ANSWERS[2][1]))
    assert together.shape == (3, 1, 4)
    assert together[2, 0].tolist() == of_hex(KNOWN_ANSWERS[2][2]).tolist()


def test_words_are_the_blocks_of_the_documented_layout() -> None:
    seed, counter, stream = 0x299F31D0A4093822, 0x13198A2E85A308D3, 0x03707344
    blocks = [
        random.philox(
            np.array([block, 0x85A308D3, 0x13198A2E, stream], np.uint32),
            np.array([0xA4093822, 0x299F31D0], np.uint32),
        )
        for block in range(3)
    ]
    assert random.words(seed, counter, stream, 11).tolist() == np.concatenate(blocks)[:11].tolist()


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5])
def test_a_shorter_draw_is_the_beginning_of_a_longer_one(n: int) -> None:
    for draw in (random.words, random.halves, random.uniform, random.normal):
        assert draw(7, 1, 2, n).tolist() == draw(7, 1, 2, 9).tolist()[:n]


def test_a_draw_longer_than_one_piece_is_the_same_as_in_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = random.words(1, 2, 3, 1000)
    monkeypatch.setattr(random, "_BLOCKS_AT_ONCE", 7)
    assert np.array_equal(random.words(1, 2, 3, 1000), whole)


def test_seed_counter_stream_and_index_each_change_the_numbers() -> None:
    draws = [
        random.words(seed, counter, stream, 4).tobytes()
        for seed, counter, stream in itertools.product(
            [0, 1, 1 << 32, 2**64 - 1],
            [0, 1, 1 << 32, 2**64 - 1],
            [Stream.WEIGHTS, Stream.WEIGHTS.at(1), Stream.DROPOUT, 2**32 - 1],
        )
    ]
    assert len(set(draws)) == len(draws)


def test_streams_carry_their_purpose_in_the_upper_byte_and_the_index_below() -> None:
    assert Stream.WEIGHTS.at(5) >> 24 == Stream.WEIGHTS >> 24
    assert Stream.WEIGHTS.at(5) & 0xFFFFFF == 5
    assert len({int(s) for s in Stream}) == len(Stream)
    assert all(s & 0xFFFFFF == 0 for s in Stream)


def test_halves_are_the_words_halves_low_first() -> None:
    words = random.words(3, 4, 5, 4).tolist()
    expected = [part for w in words for part in (w & 0xFFFF, w >> 16)]
    drawn = random.halves(3, 4, 5, 7)
    assert drawn.dtype == np.uint16
    assert drawn.tolist() == expected[:7]


def test_float32_uniforms_have_24_bits_and_float64_uniforms_53() -> None:
    words = random.words(3, 4, 5, 20)
    single = random.uniform(3, 4, 5, 20, np.float32)
    assert single.dtype == np.float32
    assert [float(u) * 2**24 for u in single] == [int(w) >> 8 for w in words]
    double = random.uniform(3, 4, 5, 10)
    assert double.dtype == np.float64
    longs = [int(high) << 32 | int(low) for low, high in words.reshape(-1, 2)]
    assert [float(u) * 2**53 for u in double] == [long >> 11 for long in longs]


def test_words_are_uniform_in_every_byte() -> None:
    drawn = random.words(11, 0, Stream.USER, 1 << 16).view(np.uint8).reshape(-1, 4)
    for place in range(4):
        counts = np.bincount(drawn[:, place], minlength=256)
        assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_and_normal_numbers_have_their_distributions(dtype: type) -> None:
    uniform = random.uniform(12, 0, Stream.USER, 50_001, dtype)
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert stats.kstest(uniform, "uniform").pvalue > 1e-3
    normal = random.normal(12, 1, Stream.USER, 50_001, dtype)
    assert normal.dtype == dtype
    assert stats.kstest(normal, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(normal[:-1:2], normal[1::2])[0, 1]) < 0.02


def test_normal_numbers_are_box_and_mullers_within_four_units_in_the_last_place() -> None:
    pairs = random.uniform(5, 6, Stream.NOISE, 4000).reshape(-1, 2)
    drawn = random.normal(5, 6, Stream.NOISE, 4000).reshape(-1, 2)
    with mpmath.workprec(120):
        for (u0, u1), (x, y) in zip(pairs.tolist(), drawn.tolist(), strict=True):
            radius = mpmath.sqrt(-2 * mpmath.log(1 - mpmath.mpf(u0)))
            for ours, function in ((x, mpmath.cospi), (y, mpmath.sinpi)):
                exact = radius * function(2 * mpmath.mpf(u1))
                assert abs(ours - exact) <= 4 * np.spacing(abs(ours))


def test_normal_numbers_have_the_same_bits_on_every_machine() -> None:
    drawn = random.normal(2**40 + 1, 2**33, Stream.WEIGHTS.at(3), 100_001)
    digest = hashlib.sha256(drawn.astype("<f8").tobytes()).hexdigest()
    assert digest == "cd17899daad234affb25cf3ba9259e246dd8147ac403a0671431c89267480843"


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 300))
def test_a_permutation_has_every_row_once(seed: int, counter: int, n: int) -> None:
    rows = random.permutation(seed, counter, Stream.PERMUTATION, n)
    assert rows.dtype == np.int64
    assert sorted(rows.tolist()) == list(range(n))


@pytest.mark.parametrize("n", [1, 2, 3, 1000])
def test_a_permutation_is_the_rows_in_order_of_their_documented_keys(n: int) -> None:
    words = random.words(5, 6, 7, 2 * n).tolist()
    bits = (n - 1).bit_length()

    def key(row: int) -> int:
        long = words[2 * row] | words[2 * row + 1] << 32
        return (long >> bits << bits) | row

    assert random.permutation(5, 6, 7, n).tolist() == sorted(range(n), key=key)


def test_all_orders_of_four_rows_are_equally_likely() -> None:
    orders = list(itertools.permutations(range(4)))
    counts = dict.fromkeys(orders, 0)
    for epoch in range(2400):
        counts[tuple(random.permutation(1, epoch, Stream.PERMUTATION, 4).tolist())] += 1
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.999])
def test_dropout_keeps_the_share_it_should(rate: float) -> None:
    n = 100_003
    kept = random.keep_mask(2, 3, Stream.DROPOUT, n, rate)
    assert kept.shape == (n,)
    share = 1 - random.drop_threshold(rate) / 65536
    assert abs(share - (1 - rate)) <= 2**-17
    assert abs(kept.mean() - share) <= 4 * (share * (1 - share) / n) ** 0.5


def test_dropout_compares_halves_with_the_threshold() -> None:
    halves = random.halves(2, 3, Stream.DROPOUT, 1000)
    assert np.array_equal(random.keep_mask(2, 3, Stream.DROPOUT, 1000, 0.25), halves >= 16384)


def test_folding_in_numbers_gives_other_seeds_one_after_the_other() -> None:
    assert random.fold_in(9) == 9
    assert random.fold_in(9, 1, 2) == random.fold_in(random.fold_in(9, 1), 2)
    seeds = {random.fold_in(9, *numbers) for numbers in itertools.product(range(5), range(5))}
    assert len(seeds) == 25
    assert all(0 <= seed < 2**64 for seed in seeds)


def test_numbers_may_be_numpys() -> None:
    theirs = random.words(np.uint64(2**64 - 1), np.int64(3), np.uint32(4), np.int32(5))
    assert theirs.tolist() == random.words(2**64 - 1, 3, 4, 5).tolist()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: random.words(-1, 0, 0, 1),
            "Seed -1: expected a whole number from 0 to 2**64 - 1.",
        ),
        (
            lambda: random.words(2**64, 0, 0, 1),
            "Seed 18446744073709551616: expected a whole number from 0 to 2**64 - 1.",
        ),
        (
            lambda: random.fold_in(1.5),
            "Seed 1.5: expected a whole number from 0 to 2**64 - 1.",
        ),
        (
            lambda: random.permutation(None, 0, 0, 1),
            "Seed None: expected a whole number from 0 to 2**64 - 1.",
        ),
        (
            lambda: random.words(0, -3, 0, 1),
            "Counter -3: expected a whole number from 0 to 2**64 - 1.",
        ),
        (
            lambda: random.words(0, 0, 2**32, 1),
            "Stream 4294967296: expected a whole number from 0 to 2**32 - 1.",
        ),
        (
            lambda: Stream.WEIGHTS.at(2**24),
            "Stream index 16777216: expected a whole number from 0 to 2**24 - 1.",
        ),
        (
            lambda: random.permutation(0, 0, 0, -1),
            "-1 random numbers asked for: expected a number from 0 to 8589934592.",
        ),
        (
            lambda: random.keep_mask(0, 0, 0, 1, 1.0),
            "Dropout rate 1.0: expected a number from 0 up to, not including, 1.",
        ),
        (
            lambda: random.keep_mask(0, 0, 0, 1, float("nan")),
            "Dropout rate nan: expected a number from 0 up to, not including, 1.",
        ),
        (
            lambda: random.uniform(0, 0, 0, 1, np.int8),
            "Uniform numbers of type int8: expected float32 or float64.",
        ),
    ],
)
def test_a_wrong_argument_is_named_with_what_was_expected(call, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        call()
    assert str(caught.value) == sentence
