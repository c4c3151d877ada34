"""Learning rates of every step: by hand, and against optax where it has the same schedule."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest

from chainrule import schedules
from chainrule.errors import ShapeError, UnknownNameError, UsageError

STEPS = np.arange(40.0)


def rates(schedule: Any, *, steps_per_epoch: int = 4, total_steps: int = 40) -> np.ndarray:
    found = schedules.get(schedule)(STEPS, steps_per_epoch=steps_per_epoch, total_steps=total_steps)
    assert found.shape == STEPS.shape
    assert found.dtype == np.float64
    return found


def of_optax(make: Any) -> np.ndarray:
    jax = pytest.importorskip("jax", reason="jax and optax are the oracle here")
    optax = pytest.importorskip("optax", reason="jax and optax are the oracle here")
    with jax.enable_x64(True):
        schedule = make(optax)
        return np.array([float(schedule(jax.numpy.asarray(s))) for s in STEPS])


def test_a_number_is_a_constant_rate() -> None:
    assert schedules.get(0.3) == schedules.Constant(0.3)
    assert schedules.get(np.float32(0.5)) == schedules.Constant(0.5)
    assert (rates(0.3) == 0.3).all()


def test_step_decay_multiplies_after_every_so_many_epochs() -> None:
    found = rates(schedules.StepDecay(0.8, factor=0.5, every_epochs=3))
    assert (found[:12] == 0.8).all()
    assert (found[12:24] == 0.4).all()
    assert found[-1] == 0.1


def test_piecewise_constant_changes_after_its_boundaries() -> None:
    found = rates(schedules.PiecewiseConstant([2, 5], [1.0, 0.5, 0.1]))
    assert found[:8].tolist() == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.1, 0.1]


@pytest.mark.parametrize("staircase", [False, True])
def test_exponential_decay_is_that_of_optax(staircase: bool) -> None:
    ours = rates(schedules.ExponentialDecay(0.2, 6, 0.7, staircase))
    theirs = of_optax(lambda o: o.exponential_decay(0.2, 6, 0.7, staircase=staircase))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_exponential_decay_without_steps_works_by_the_epoch() -> None:
    found = rates(schedules.ExponentialDecay(1.0, decay_rate=0.5, staircase=True))
    assert found[[0, 3, 4, 8]].tolist() == [1.0, 1.0, 0.5, 0.25]


def test_inverse_time_decay_halves_the_rate_when_the_decay_has_reached_one() -> None:
    found = rates(schedules.InverseTimeDecay(1.0, decay_steps=10, decay_rate=2.0))
    assert found[0] == 1.0
    assert found[5] == 0.5
    assert found[35] == 1 / 8
    stairs = rates(schedules.InverseTimeDecay(1.0, 10, 2.0, staircase=True))
    assert stairs[[9, 10, 19]].tolist() == [1.0, 1 / 3, 1 / 3]


@pytest.mark.parametrize("steps", [None, 15])
def test_cosine_is_that_of_optax(steps: int | None) -> None:
    ours = rates(schedules.Cosine(0.4, final=0.1, steps=steps))
    theirs = of_optax(lambda o: o.cosine_decay_schedule(0.4, steps or 40, alpha=0.25))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_one_cycle_is_that_of_optax() -> None:
    ours = rates(schedules.OneCycle(0.3, 0.25, 10.0, 100.0))
    theirs = of_optax(lambda o: o.cosine_onecycle_schedule(40, 0.3, 0.25, 10.0, 100.0))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert ours.max() == 0.3
    assert ours.argmax() == 10


def test_warm_up_and_cosine_is_that_of_optax_from_one_share_up() -> None:
    ours = rates(schedules.WarmUp(schedules.Cosine(0.3), steps=9))
    theirs = of_optax(lambda o: o.warmup_cosine_decay_schedule(0.03, 0.3, 9, 40))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_warm_up_by_epochs_rises_and_then_stays() -> None:
    found = rates(schedules.WarmUp(0.6, epochs=0.5))
    np.testing.assert_allclose(found[:4], [0.2, 0.4, 0.6, 0.6])
    assert (found[2:] == 0.6).all()


def test_training_beyond_its_planned_end_keeps_the_last_rate() -> None:
    assert schedules.Cosine(1.0, 0.25)(np.array([99.0]), steps_per_epoch=1, total_steps=10) == 0.25
    assert schedules.Cosine(1.0)(np.array([0.0]), steps_per_epoch=1, total_steps=0) == 1.0


def test_a_function_of_the_step_number_is_a_schedule() -> None:
    np.testing.assert_array_equal(rates(lambda step: 1 / (1 + step)), 1 / (1 + STEPS))
    assert (rates(lambda step: 0.25) == 0.25).all()
    with pytest.raises(ShapeError, match=r"shape \(3,\) for 40 step numbers"):
        rates(lambda step: step[:3])


# --- reduce on plateau ------------------------------------------------------------------------------


def scales(schedule: schedules.Schedule, losses: list[float]) -> list[float]:
    state, found = schedule.initial(), []
    for loss in losses:
        state = json.loads(json.dumps(schedule.after_epoch(state, loss)))
        found.append(state["scale"])
    return found


def test_other_schedules_learn_nothing_from_the_loss() -> None:
    assert scales(schedules.Cosine(0.1), [1.0, math.nan, 7.0]) == [1.0, 1.0, 1.0]


def test_a_plateau_reduces_the_rate_after_patience_epochs() -> None:
    plateau = schedules.ReduceOnPlateau(0.1, factor=0.5, patience=2)
    assert scales(plateau, [3, 2, 2, 2, 2, 2, 1, 1]) == [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25]


def test_an_improvement_smaller_than_min_delta_is_none() -> None:
    plateau = schedules.ReduceOnPlateau(0.1, factor=0.5, patience=2, min_delta=0.1)
    assert scales(plateau, [1.0, 0.95, 0.91]) == [1, 1, 0.5]
    assert scales(plateau, [1.0, 0.95, 0.85]) == [1, 1, 1]


def test_cooldown_epochs_do_not_count() -> None:
    plateau = schedules.ReduceOnPlateau(0.1, factor=0.5, patience=1, cooldown=2)
    assert scales(plateau, [1.0] * 6) == [1, 0.5, 0.5, 0.25, 0.25, 0.125]


def test_the_rate_never_falls_below_its_minimum() -> None:
    plateau = schedules.ReduceOnPlateau(0.1, factor=0.1, patience=1, min_learning_rate=0.004)
    assert scales(plateau, [1.0] * 4) == pytest.approx([1, 0.1, 0.04, 0.04])


def test_a_loss_that_is_not_a_number_is_no_improvement() -> None:
    plateau = schedules.ReduceOnPlateau(0.1, patience=1)
    assert scales(plateau, [math.nan, math.nan]) == [0.1, pytest.approx(0.01)]


def test_reduction_follows_pytorch_where_their_words_agree() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")
    rng = np.random.default_rng(0)
    losses = (2 + rng.normal(size=60).cumsum() / 8).tolist()
    for patience in (1, 3):
        ours = schedules.ReduceOnPlateau(0.1, factor=0.5, patience=patience + 1, min_delta=0.05)
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=0.5, patience=patience, threshold=0.05, threshold_mode="abs", eps=0
        )
        found = []
        for loss in losses:
            theirs.step(loss)
            found.append(optimizer.param_groups[0]["lr"])
        assert scales(ours, losses) == found
        assert min(found) < 0.5


def test_warm_up_hands_the_losses_on() -> None:
    warm = schedules.WarmUp(schedules.ReduceOnPlateau(0.1, patience=1))
    assert scales(warm, [1.0, 1.0])[-1] == 0.1


# --- names and settings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("constant", "step", "exponential", "inverse_time", "cosine", "one_cycle", "warm_up"),
        "reduce_on_plateau",
    ],
)
def test_every_schedule_is_made_from_its_name_and_a_rate(name: str) -> None:
    found = rates(schedules.named(name, 0.01))
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() == pytest.approx(0.01)


def test_a_misspelt_schedule_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match=r"'cosin': did you mean 'cosine'\?"):
        schedules.named("cosin", 0.1)


def test_a_name_without_a_rate_and_boundaries_without_values_are_refused() -> None:
    with pytest.raises(UsageError, match="Cosine needs settings"):
        schedules.get("cosine")
    with pytest.raises(UsageError, match="needs boundaries and values"):
        schedules.named("piecewise_constant", 0.1)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: schedules.Constant(-1.0),
            r"learning_rate is -1.0, expected a number in \[0, inf\)",
        ),
        (lambda: schedules.Constant("fast"), "learning_rate is 'fast'"),  # type: ignore[arg-type]
        (lambda: schedules.StepDecay(0.1, every_epochs=0), r"a whole number in \[1, inf\)"),
        (lambda: schedules.OneCycle(0.1, warm_fraction=1.0), r"in \(0, 1\)"),
        (lambda: schedules.ReduceOnPlateau(0.1, factor=1.0), r"factor is 1.0, .* in \(0, 1\)"),
        (lambda: schedules.PiecewiseConstant([1], [0.1]), "1 boundaries need 2 values, not 1"),
        (lambda: schedules.PiecewiseConstant([2, 2], [1, 2, 3]), "expected rising"),
        (lambda: schedules.get(None), "None is not a schedule"),
    ],
)
def test_settings_outside_their_range_are_refused(make: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        make()


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.PiecewiseConstant((1, 2), (0.3, 0.2, 0.1)),
        schedules.WarmUp(schedules.Cosine(0.1, steps=7), epochs=2),
        schedules.ReduceOnPlateau(0.1, cooldown=3),
        schedules.InverseTimeDecay(0.1, 5, 0.5, True),
    ],
)
def test_a_schedule_comes_back_from_its_configuration(schedule: schedules.Schedule) -> None:
    config = json.loads(json.dumps(schedules.FAMILY.config(schedule)))
    assert schedules.get(config) == schedule
    assert dataclasses.is_dataclass(schedule)
