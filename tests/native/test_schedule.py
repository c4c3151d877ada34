"""Threads follow a schedule: they compute what one does in order, and meet where they must."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import _native

ROWS, UNITS, WHOLE = range(3)  # how an instruction's work is divided (schedule.hpp)
BATCH_BUFFERS, BUFFERS = 5, 9  # the first ones hold rows of the batch
THREADS = (0, 1)

Described = tuple[int, list[int], list[int]]  # division, buffers read, buffers written


@st.composite
def instructions(draw: Any) -> list[Described]:
    """Of a step; what is divided by rows makes rows."""
    made = []
    for _ in range(draw(st.integers(1, 12))):
        division = draw(st.sampled_from((ROWS, UNITS, WHOLE)))
        read = draw(st.lists(st.integers(0, BUFFERS - 1), max_size=3))
        most = BATCH_BUFFERS if division == ROWS else BUFFERS
        written = draw(st.lists(st.integers(0, most - 1), min_size=1, max_size=2))
        made.append((division, read, written))
    return made


def outcome(described: list[Described], order: list[int]) -> list[object]:
    """What the buffers hold in the end: which instruction made it, of what."""
    held: list[object] = list(range(BUFFERS))
    for number in order:
        _, read, written = described[number]
        made = hash((number, *(held[buffer] for buffer in read)))
        for buffer in written:
            held[buffer] = (made, buffer)
    return held


def accesses(described: Described, thread: int) -> set[tuple[int, int, bool]]:
    """The (buffer, which thread's rows of it, whether written) that a thread may touch."""
    division, read, written = described
    if division == WHOLE and thread != 0:
        return set()
    return {
        (buffer, rows, writes)
        for buffers, writes in ((read, False), (written, True))
        for buffer in buffers
        for rows in THREADS
        if division != ROWS or buffer >= BATCH_BUFFERS or rows == thread
    }


def gathered(described: list[Described]) -> set[int]:
    """The rows of the data: what is read before it is written."""
    found, known = set(), set()
    for _, read, written in described:
        found |= {buffer for buffer in read if buffer not in known and buffer < BATCH_BUFFERS}
        known |= set(written)
    return found


def clash(described: list[Described], stops: list[tuple[int, bool]]) -> bool:
    """Whether a thread touches what another wrote, or writes what another read, unmet."""
    since = {thread: {(b, thread, True) for b in gathered(described)} for thread in THREADS}
    for number, meet in stops:
        if meet:
            since = {thread: set() for thread in THREADS}
        new = {thread: accesses(described[number], thread) for thread in THREADS}
        for thread in THREADS:
            for buffer, rows, writes in new[thread]:
                others = since[1 - thread]
                if (buffer, rows, True) in others or (writes and (buffer, rows, False) in others):
                    return True
        for thread in THREADS:
            since[thread] |= new[thread]
    return False


@settings(max_examples=300)
@given(instructions())
def test_threads_compute_what_one_does_and_never_clash(described: list[Described]) -> None:
    of_batch = [buffer < BATCH_BUFFERS for buffer in range(BUFFERS)]
    stops = _native.testing.schedule(of_batch, described)
    order = [number for number, _ in stops]
    assert sorted(order) == list(range(len(described)))
    assert outcome(described, order) == outcome(described, sorted(order))
    assert not clash(described, stops)
    for place, (number, meet) in enumerate(stops):
        if meet:
            assert clash(described, [*stops[:place], (number, False), *stops[place + 1 :]])


def test_what_goes_row_by_row_needs_no_meeting() -> None:
    """A layer forward, its loss, the error, the gradient: they meet once before the gradient."""
    rows, weights, loss = [True] * 4, [False], [False]
    described = [
        (ROWS, [0, 4], [1]),  # outputs of inputs and weights
        (ROWS, [1], [2]),  # losses
        (WHOLE, [2], [5]),  # their sum
        (ROWS, [1], [3]),  # errors
        (UNITS, [0, 3, 4], [4]),  # weights, moved
    ]
    stops = _native.testing.schedule(rows + weights + loss, described)
    assert [number for number, _ in stops] == [0, 1, 3, 2, 4]
    assert [number for number, meet in stops if meet] == [2]
