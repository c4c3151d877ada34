"""A student's numbers held against the key: what is right, the first wrong line, and the mistake that fits."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from chainrule.errors import DataError, UsageError
from chainrule.exercises.making import Exercise, from_head
from chainrule.exercises.mistakes import Mistake, possible
from chainrule.exercises.working import Key, Numbers, worked

HEAD = "# chainrule exercise "


@dataclass(frozen=True)
class Answer:
    """One number of a student: right, right with the numbers before it, or wrong."""

    name: str
    key: Key
    index: tuple[int, ...]
    given: float
    exact: float
    carried: float  # what it should be, computed from the student's own numbers
    right: bool
    follows: bool

    @property
    def accepted(self) -> bool:
        """Right, or rightly computed from a wrong number before it."""
        return self.right or self.follows


@dataclass(frozen=True)
class Verdict:
    """What came of a student's answers; `fits` are the mistakes that explain the first wrong line."""

    exercise: Exercise
    answers: tuple[Answer, ...]
    missing: tuple[str, ...]
    fits: tuple[Mistake, ...]

    @property
    def first_wrong(self) -> Answer | None:
        """The first line that is not accepted."""
        return next((a for a in self.answers if not a.accepted), None)

    @property
    def passed(self) -> bool:
        """Whether all is there and right."""
        return self.first_wrong is None and not self.missing and all(a.right for a in self.answers)

    def text(self) -> str:
        """The verdict in a few sentences."""
        right = sum(a.right for a in self.answers)
        carried = sum(a.follows and not a.right for a in self.answers)
        total = len(self.answers) + len(self.missing)
        said = [f"{right} of {total} numbers are right."]
        wrong = self.first_wrong
        if wrong is not None:
            said.append(
                f"The first wrong line is {wrong.name}: {wrong.given:g} is given, {_short(wrong.carried)} is "
                "what it should be."
            )
            if self.fits:
                words = list(dict.fromkeys(m.words for m in self.fits))
                said.append(f"It fits: {'; or: '.join(words)}.")
            else:
                said.append("No usual mistake fits it: look at the arithmetic.")
            others = sum(not a.accepted for a in self.answers) - 1
            if others:
                said.append(f"{others} further line(s) do not follow from the numbers before them.")
        if carried:
            said.append(
                f"{carried} number(s) differ from the key but follow rightly from an earlier one."
            )
        if self.missing:
            shown = ", ".join(self.missing[:5]) + (", …" if len(self.missing) > 5 else "")
            said.append(f"{len(self.missing)} are missing: {shown}.")
        if self.passed:
            said.append("Well done.")
        return "\n".join(said)

    def __str__(self) -> str:
        return self.text()


def read_answers(text: str, path: str = "answers") -> tuple[Exercise, dict[str, str]]:
    """The exercise a file is about, and the numbers in it, as they were written."""
    lines = text.lstrip("\ufeff").splitlines()
    head = next((line for line in lines if line.startswith("#")), "")
    if not head.startswith(HEAD):
        raise DataError(
            f"{path} does not say which exercise it answers: its first line must be that of the "
            f"answers.csv made with it, such as '{HEAD}backprop 2-2-1 seed 7'."
        )
    exercise = from_head(head.removeprefix(HEAD).rstrip(","))
    known = {_plain(name) for name, _, _ in exercise.names()}
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if line.startswith("#") or not line.strip():
            continue
        quoted = next(csv.reader([line]))
        # names of several rows hold a comma, quoted or not
        name, value = ",".join(quoted[:-1]).strip(), quoted[-1].strip()
        if name == "name" or (name == "" and len(quoted) == 1):
            continue
        if _plain(name) not in known:
            raise DataError(f"{path}, line {number}: {name!r} is no answer of this exercise.")
        found[_plain(name)] = value
    return exercise, found


def check(exercise: Exercise, answers: Mapping[str, float | str]) -> Verdict:
    """A student's answers, by their names, held against the key.

    A number is right if it is the key's as far as it is written out; it follows if it is what the student's
    own numbers before it come to. The first that does neither is compared with what each usual mistake
    would have given there.
    """
    numbers, decimals, missing = _numbers(exercise, answers)
    exact, _ = worked(exercise.sheet)
    carried, used = worked(exercise.sheet, numbers)
    found: list[Answer] = []
    for name, key, index in exercise.names():
        given = float(numbers[key][index])
        if math.isnan(given):
            continue
        places = decimals[name]
        right = _close(given, float(exact[key][index]), places)
        # the numbers it follows from were rounded too, and rounding grows on the way
        follows = _close(given, float(carried[key][index]), places, units=4.0)
        found.append(
            Answer(
                name, key, index, given, float(exact[key][index]), float(carried[key][index]),
                right, follows,
            )
        )  # fmt: skip
    wrong = next((a for a in found if not a.accepted), None)
    fits = () if wrong is None else _fitting(exercise, wrong, used, decimals[wrong.name])
    return Verdict(exercise, tuple(found), tuple(missing), fits)


def _numbers(
    exercise: Exercise, answers: Mapping[str, float | str]
) -> tuple[Numbers, dict[str, int], list[str]]:
    """The answers as arrays (NaN where there is none), their decimals, and the names of those missing."""
    written = {_plain(name): str(value).strip() for name, value in answers.items()}
    arrays = {key: np.full(array.shape, np.nan) for key, array in exercise.key.items()}
    decimals: dict[str, int] = {}
    missing: list[str] = []
    for name, key, index in exercise.names():
        word = written.pop(_plain(name), "").replace("−", "-")
        if not word:
            missing.append(name)
            continue
        plain = word.replace(",", ".") if word.count(",") == 1 and "." not in word else word
        try:
            value = float(plain)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise DataError(f"The answer {name} is {word!r}, expected a number.")
        arrays[key][index] = value
        decimals[name] = len(plain.partition(".")[2]) if "e" not in plain.lower() else 12
    if written:
        raise UsageError(f"{next(iter(written))!r} is no answer of this exercise.")
    return arrays, decimals, missing


def _close(given: float, right: float, decimals: int, units: float = 0.55) -> bool:
    """Whether a number is right to so many units of its last place; careless rounding is not."""
    rounding = min(units * 10.0**-decimals, 0.02 * abs(right) + 6e-4)
    return abs(given - right) <= rounding + 1e-3 * abs(right) + 1e-9


def _fitting(
    exercise: Exercise, wrong: Answer, used: Numbers, decimals: int
) -> tuple[Mistake, ...]:
    """The mistakes that would have given this number here; those that fit whole layers come first."""
    sheet, (_, layer) = exercise.sheet, wrong.key
    found: list[tuple[int, Mistake]] = []
    with np.errstate(all="ignore"):
        for mistake in possible(sheet, wrong.key):
            value = np.asarray(mistake.rule(sheet, used, layer), dtype=float)
            expected = np.broadcast_to(value, used[wrong.key].shape)
            if not _close(wrong.given, float(expected[wrong.index]), decimals):
                continue
            all_of_it = np.allclose(expected, used[wrong.key], rtol=0.02, atol=1e-3)
            found.append((0 if all_of_it else 1, mistake))
    best = min((rank for rank, _ in found), default=0)
    return tuple(mistake for rank, mistake in found if rank == best)


def _short(value: float) -> str:
    return f"{value:.6g}".replace("-", "−")


def _plain(name: str) -> str:
    """A name however it is typed: `δ¹[0→1]` or `delta1[0>1]`."""
    spelt = {
        "∂": "d", "δ": "delta", "→": ">", "->": ">", "′": "'", "’": "'", " ": "",
        "y": "a",
    }  # fmt: skip
    name = name.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789"))
    for letter, plain in spelt.items():
        name = name.replace(letter, plain)
    return name
