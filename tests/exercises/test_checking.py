"""The checker: each mistake of the catalogue is made, and must be found where it was made."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.exercises import Exercise, check, exercise
from chainrule.exercises.checking import read_answers
from chainrule.exercises.mistakes import MISTAKES, Mistake
from chainrule.exercises.working import Key, Numbers, Rule, worked

EXERCISES = [
    exercise(kind, widths, seed)
    for kind in ("backprop", "batch")
    for widths in ("2-2-1", "2-2-2", "3-2-2")
    for seed in range(3)
]


def answered(made: Exercise, numbers: Numbers, decimals: int = 6) -> dict[str, str]:
    return {name: f"{numbers[key][index]:.{decimals}f}" for name, key, index in made.names()}


def with_mistake(made: Exercise, mistake: Mistake) -> tuple[Numbers, str | None]:
    """The numbers of a student who makes one mistake wherever it can be made, and its first line."""

    def rule(key: Key) -> Rule | None:
        return mistake.rule if mistake.applies(made.sheet, key) else None

    right, _ = worked(made.sheet)
    _, numbers = worked(made.sheet, mistake=rule)
    for name, key, index in made.names():
        difference = abs(numbers[key][index] - right[key][index])
        if difference > 0.002 * max(1.0, abs(right[key][index])):
            # too small to see where it is made, it may show further on
            return numbers, name if mistake.applies(made.sheet, key) else None
    return numbers, None


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.id)
def test_a_mistake_that_is_made_is_found_in_its_line_and_named(mistake: Mistake) -> None:
    made_once = 0
    for made in EXERCISES:
        numbers, first = with_mistake(made, mistake)
        if first is None:
            continue
        made_once += 1
        verdict = check(made, answered(made, numbers))
        wrong = verdict.first_wrong
        assert wrong is not None
        order = [name for name, _, _ in made.names()]
        assert order.index(wrong.name) <= order.index(first)
        assert mistake.applies(made.sheet, wrong.key)
        assert mistake.words in [m.words for m in verdict.fits], (made.head, first)
        assert mistake.words in verdict.text()
    assert made_once, "no exercise in which this mistake shows"


@pytest.mark.parametrize("made", EXERCISES[::4], ids=lambda e: e.head)
@pytest.mark.parametrize("decimals", [3, 4, 8])
def test_the_right_numbers_pass_however_they_are_rounded(made: Exercise, decimals: int) -> None:
    verdict = check(made, answered(made, worked(made.sheet)[0], decimals))
    assert verdict.passed, verdict.text()
    assert verdict.text().endswith("Well done.")


def test_numbers_rounded_on_the_way_pass_too() -> None:
    made = exercise("backprop", "2-2-1", 3)
    given: Numbers = {}
    for key in made.asked:  # each number rounded before the next is computed from it
        expected, _ = worked(made.sheet, given)
        given[key] = np.round(expected[key], 3)
    verdict = check(made, answered(made, given, 3))
    assert verdict.first_wrong is None


def test_an_error_carried_forward_is_accepted() -> None:
    made = exercise("backprop", "2-2-1", 7)
    _, slip = worked(made.sheet, {("z", 1): np.array([[0.35, 2.9]])})  # 0.7 is right
    verdict = check(made, answered(made, slip))
    assert verdict.first_wrong is not None
    assert verdict.first_wrong.name == "z1[0]"
    assert all(a.accepted for a in verdict.answers[1:])
    assert sum(not a.right for a in verdict.answers) > 5
    assert "follow rightly from an earlier one" in verdict.text()
    assert verdict.fits == ()
    assert "look at the arithmetic" in verdict.text()


def test_forgetting_the_slope_is_told_apart_from_a_wrong_sign() -> None:
    made = exercise("backprop", "2-2-1", 7)
    right = worked(made.sheet)[0]
    error = right["a", 2] - made.sheet.target
    forgot = answered(made, worked(made.sheet, {("delta", 2): error})[1])
    sign = answered(made, worked(made.sheet, {("delta", 2): -right["delta", 2]})[1])
    assert [m.id for m in check(made, forgot).fits] == ["forgot-slope"]
    assert [m.id for m in check(made, sign).fits] == ["delta-sign"]


def test_missing_answers_are_counted_and_the_rest_is_judged() -> None:
    made = exercise("backprop", "2-2-1", 7)
    answers = answered(made, worked(made.sheet)[0])
    answers["z1[1]"] = ""
    verdict = check(made, answers)
    assert verdict.missing == ("z1[1]",)
    assert verdict.first_wrong is None
    assert not verdict.passed


def test_names_and_numbers_may_be_written_in_many_ways() -> None:
    made = exercise("batch", "2-2-1", 1)
    right = worked(made.sheet)[0]
    text = made.answers().replace("delta2[r0,0],", f"δ²[r0,0],{right['delta', 2][0, 0]:.5f}")
    text = text.replace(
        "dL/dW2[0>0],", f'"∂L/∂W²[0→0]","{right["dL/dW", 2][0, 0]:.5f}"'.replace(".", ",")
    )
    found, answers = read_answers(text)
    verdict = check(found, answers)
    assert found.head == made.head
    assert len(verdict.answers) == 2
    assert all(a.right for a in verdict.answers)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,value\nz1[0],3\n", "does not say which exercise"),
        ("# chainrule exercise backprop 2-2-1\n", "does not name an exercise"),
        (
            "# chainrule exercise backprop 2-2-1 seed 7\nz9[0],3\n",
            "line 2: 'z9\\[0\\]' is no answer",
        ),
        ("# chainrule exercise backprop 2-2-1 seed 7\nz1[0],three\n", "'three', expected a number"),
        ("# chainrule exercise backwards 2-2-1 seed 7\n", "Unknown kind of exercise 'backwards'"),
    ],
)
def test_a_file_that_cannot_be_read_gets_a_sentence(text: str, words: str) -> None:
    with pytest.raises(cr.ChainruleError, match=words):
        check(*read_answers(text))
