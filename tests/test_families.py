"""Bricks by name: found, refused, saved and made again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from chainrule import (
    activations,
    constraints,
    initializers,
    losses,
    optimizers,
    regularizers,
    schedules,
)
from chainrule.errors import UnknownNameError, UsageError
from chainrule.families import Family, check, decode, encode, register

FAMILIES: list[Any] = [
    *(activations, constraints, initializers, losses, optimizers, regularizers, schedules)
]
NEEDED: dict[str, dict[str, Any]] = {  # settings of bricks that have no usual ones
    "values": {"array": [[1.0, 2.0]]},
    "values_not_saved": {"shape": (784, 128)},
    "constant": {"learning_rate": 0.1},
    "piecewise_constant": {"boundaries": [1, 5], "values": [0.3, 0.2, 0.1]},
    **{k: {"learning_rate": 0.1} for k in ("step", "cosine", "one_cycle", "reduce_on_plateau")},
    **{k: {"initial_learning_rate": 0.1} for k in ("exponential", "inverse_time")},
    "warm_up": {"schedule": 0.1},
}


def bricks() -> list[Any]:
    found = []
    for module in FAMILIES:
        family = module.FAMILY
        for name in family.names():
            item = family.find(name)
            if isinstance(item, type) and item.__module__.startswith("chainrule."):
                own = family._name_of[item]
                needed = NEEDED.get(own, {}) if module in (schedules, initializers) else {}
                if module is initializers and own == "constant":
                    needed = {"value": 0.5}
                found.append(pytest.param(family, name, needed, id=f"{family.kind} {name}"))
            elif item.__module__.startswith("chainrule."):
                found.append(pytest.param(family, name, None, id=f"{family.kind} {name}"))
    return found


@pytest.mark.parametrize(("family", "name", "settings"), bricks())
def test_every_brick_comes_back_from_its_configuration(
    family: Family[Any], name: str, settings: dict[str, Any] | None
) -> None:
    brick = family.find(name) if settings is None else family.find(name)(**settings)
    config = family.config(brick)
    text = json.dumps(config, allow_nan=False)
    again = family.get(json.loads(text))
    assert json.dumps(family.config(again)) == text
    assert type(again) is type(brick)
    if not isinstance(brick, initializers.Values):
        assert again == brick
    assert decode(json.loads(text)) == again or isinstance(brick, initializers.Values)


@pytest.mark.parametrize("module", FAMILIES, ids=lambda m: m.FAMILY.kind)
def test_an_unknown_name_is_named_with_its_family_and_the_known_names(module: Any) -> None:
    kind = module.FAMILY.kind
    with pytest.raises(UnknownNameError, match=rf"Unknown {kind} 'zzzz'\. Known: ") as caught:
        module.get("zzzz")
    assert all(name in str(caught.value) for name in module.FAMILY.names())
    assert Family.all[kind] is module.FAMILY


@pytest.mark.parametrize("module", FAMILIES, ids=lambda m: m.FAMILY.kind)
def test_what_is_no_brick_is_refused(module: Any) -> None:
    with pytest.raises(UsageError, match=f"is not an? {module.FAMILY.kind}"):
        module.get(b"?")


@pytest.mark.parametrize("name", ["HeNormal", "he_normal", "he-normal", "HENORMAL"])
def test_names_differ_by_more_than_capitals_and_underscores(name: str) -> None:
    assert initializers.get(name) == initializers.HeNormal()


def test_a_class_stands_for_its_usual_settings() -> None:
    assert optimizers.get(optimizers.Adam) == optimizers.Adam()
    with pytest.raises(UsageError, match=r"Cosine needs settings: give an object, Cosine\(…\)"):
        schedules.get(schedules.Cosine)


# --- registering ------------------------------------------------------------------------------------


def test_a_users_brick_is_registered_under_a_kind() -> None:
    @register("regularizer", "test_mine", "test_my_own")
    @dataclass(frozen=True)
    class Mine:
        strength: float = 1.0

        def __call__(self, weight: Any) -> Any:
            return weight

    found: Any = regularizers.get({"name": "test_my_own", "settings": {"strength": 2.0}})
    assert found == Mine(2.0)
    assert regularizers.FAMILY.config(found)["name"] == "test_mine"


def test_a_users_name_may_be_taken_again_but_not_chainrules() -> None:
    def first(x: Any) -> Any:
        return x

    def second(x: Any) -> Any:
        return x

    register("activation", "test_again")(first)
    register("activation", "test_again")(second)
    assert activations.get("test_again") is second
    with pytest.raises(UsageError, match="'ReLU' is that of chainrule's own activation 'relu'"):
        register("activation", "ReLU")(first)
    assert activations.get("relu") is not first


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: register("activaton", "a"), "did you mean 'activation'"),
        (lambda: register("activation"), r"@register\('activation', 'its_name'\)"),
        (lambda: register("activation", ""), "'' cannot name an activation"),
        (lambda: register("loss", "a")(3), "3 cannot be registered as a loss"),  # type: ignore[type-var]
    ],
)
def test_registering_nothing_is_refused(call: Callable[[], Any], sentence: str) -> None:
    with pytest.raises((UsageError, UnknownNameError), match=sentence):
        call()


# --- saving -----------------------------------------------------------------------------------------


def test_bricks_inside_bricks_are_saved_with_them() -> None:
    optimizer = optimizers.SGD(schedules.WarmUp(0.1, epochs=2))
    assert optimizers.FAMILY.config(optimizer)["settings"]["learning_rate"] == {
        "family": "schedule",
        "name": "warm_up",
        "settings": {
            "schedule": {
                "family": "schedule",
                "name": "constant",
                "settings": {"learning_rate": 0.1},
            },
            "steps": None,
            "epochs": 2,
        },
    }


def test_arrays_and_tuples_become_lists() -> None:
    assert encode((1, np.float64(0.5), [np.arange(2)], {"a": np.int64(3)})) == [
        1,
        0.5,
        [[0, 1]],
        {"a": 3},
    ]
    assert json.dumps(encode(np.float32(0.5))) == "0.5"


def test_what_cannot_be_saved_is_named() -> None:
    with pytest.raises(UsageError, match=r"'<lambda>' has no name to be saved under"):
        losses.FAMILY.config(losses.get(lambda t, p: p))
    with pytest.raises(UsageError, match=r"setting .*<lambda>.* cannot be saved"):
        optimizers.FAMILY.config(optimizers.SGD(lambda k: 0.1))  # type: ignore[arg-type]


def test_a_class_that_forgets_its_settings_cannot_be_saved() -> None:
    class Forgetful:
        def __init__(self, slope: float) -> None:
            self.other = slope

        def __call__(self, x: Any) -> Any:
            return x * self.other

    register("activation", "test_forgetful")(Forgetful)
    with pytest.raises(UsageError, match="takes 'slope' but does not keep it"):
        activations.FAMILY.config(Forgetful(2.0))


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"name": "huber", "settings": {"delt": 1}}, "'huber' does not take these settings"),
        ({"name": "huber", "settings": {"delta": -1}}, "delta is -1"),
        ({"family": "optimizer", "name": "sgd"}, "A optimizer was given where a loss is expected"),
        ({"settings": {}}, "does not describe a loss"),
        ({"name": "hubert"}, "did you mean 'huber'"),
    ],
)
def test_a_damaged_configuration_is_refused(config: dict[str, Any], sentence: str) -> None:
    with pytest.raises((UsageError, UnknownNameError), match=sentence):
        losses.get(config)


def test_a_configuration_of_an_unknown_family_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="kind of brick 'los': did you mean 'loss'"):
        decode({"family": "los", "name": "mse"})


# --- ranges -----------------------------------------------------------------------------------------


@dataclass
class Knob:
    """Something with a setting."""

    turn: Any


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (0, "[0, 1)"),
        (0.999, "[0, 1)"),
        (np.float32(0.5), "(0, 1)"),
        (1, "(0, 1]"),
        (np.int64(3), "whole [1, inf)"),
        (None, "(0, inf) or None"),
        (-1e300, "(-inf, inf)"),
    ],
)
def test_settings_inside_their_range_pass(turn: Any, expected: str) -> None:
    check(Knob(turn), turn=expected)


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (1, "[0, 1)"),
        (0, "(0, 1]"),
        (float("nan"), "(-inf, inf)"),
        (float("inf"), "(-inf, inf)"),
        (1.0, "whole [1, inf)"),
        (True, "[0, 1]"),
        ("1", "[0, 1]"),
        (None, "[0, 1]"),
        (1 + 0j, "[0, 1]"),
    ],
)
def test_settings_outside_their_range_are_named_with_it(turn: Any, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(Knob(turn), turn=expected)
    number = "a whole number" if "whole" in expected else "a number"
    wanted = expected.removeprefix("whole ")
    assert str(caught.value) == f"Knob: turn is {turn!r}, expected {number} in {wanted}."
