"""The number of threads follows what measured steps say."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chainrule import _native

testing = _native.testing


def used(crew: object, most: int, cost: Callable[[int], float], pieces: int) -> list[int]:
    """How many threads each of so many pieces gets, where a step by n threads takes cost(n)."""
    sizes = []
    for _ in range(pieces):
        sizes.append(crew.size(most))  # type: ignore[attr-defined]
        crew.learn(cost(sizes[-1]))  # type: ignore[attr-defined]
    return sizes


def quiet(threads: int) -> float:
    """Steps as they are where no other program runs: more threads, a little less time."""
    return 0.3 + 1 / threads


def crowded(threads: int) -> float:
    """Whoever waits for a thread that another program holds up waits long."""
    return 1.3 if threads == 1 else 3.0


@pytest.mark.parametrize("most", [2, 3, 8])
def test_all_threads_work_where_nothing_disturbs(most: int) -> None:
    sizes = used(testing.Crew(), most, quiet, 1000)
    assert sizes[0] == most
    assert sizes.count(most) >= 997  # once it looks how long half of them take, and so on


def test_one_thread_works_alone_while_another_program_holds_up_the_others() -> None:
    sizes = used(testing.Crew(), 2, crowded, 1000)
    assert 1 in sizes[:5]
    assert sizes.count(2) <= 30  # now and then it looks whether the other program has gone
    crew = testing.Crew()
    assert used(crew, 8, crowded, 200)[-20:].count(1) >= 18


def test_it_notices_when_the_other_program_comes_and_when_it_goes() -> None:
    crew = testing.Crew()
    used(crew, 2, quiet, 500)
    assert used(crew, 2, crowded, 100).count(1) >= 90
    used(crew, 2, crowded, 900)
    assert used(crew, 2, quiet, 200)[70:].count(2) >= 129


def test_half_of_the_threads_work_where_that_is_fastest() -> None:
    cost = {8: 3.0, 4: 1.0, 2: 1.5, 1: 2.5}
    sizes = used(testing.Crew(), 8, lambda n: cost[n], 1000)
    assert sizes.count(4) > 950


def test_the_best_of_many_numbers_is_soon_found() -> None:
    assert used(testing.Crew(), 64, lambda n: float(n), 40)[14:].count(1) >= 20


def test_a_single_thread_stays_single() -> None:
    assert used(testing.Crew(), 1, quiet, 50) == [1] * 50


def test_it_begins_anew_with_another_number() -> None:
    crew = testing.Crew()
    used(crew, 2, crowded, 100)
    assert crew.size(4) == 4
