"""Attributes that are computed once, and hold nobody up."""

from __future__ import annotations

import threading

from chainrule.caching import cached_property


class Sums:
    """A sum that takes until somebody lets it go on."""

    def __init__(self, *numbers: float, go_on: threading.Event | None = None) -> None:
        self.numbers, self.go_on = numbers, go_on
        self.begun, self.times = threading.Event(), 0

    @cached_property
    def total(self) -> float:
        """The sum of the numbers."""
        self.times += 1
        self.begun.set()
        assert self.go_on is None or self.go_on.wait(20)
        return sum(self.numbers)


def test_it_is_computed_once_for_each_object() -> None:
    one, other = Sums(1, 2), Sums(3)
    assert [one.total, other.total, one.total] == [3, 3, 3]
    assert (one.times, other.times) == (1, 1)
    assert Sums.total.__doc__ == "The sum of the numbers."


def test_one_object_does_not_wait_for_another() -> None:
    slow = Sums(1, go_on=threading.Event())
    computing = threading.Thread(target=lambda: slow.total)
    computing.start()
    assert slow.begun.wait(20)
    found: list[float] = []
    quick = threading.Thread(target=lambda: found.append(Sums(5).total), daemon=True)
    quick.start()
    quick.join(10)
    assert slow.go_on is not None
    slow.go_on.set()
    computing.join()
    assert found == [5]
