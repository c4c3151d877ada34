"""The ledger's numbers are those of the step the engine makes next, for many kinds of networks."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.ledger.lines import unlike

SEEDS = range(20)


def fitted(case: Any) -> cr.Model:
    """The model after the step, which the ledger does not know of."""
    model = copy.deepcopy(case.model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cr.engines.EngineWarning)
        model.fit(case.x, case.y, batch_size=100, sample_weight=case.weight, verbose=0)
    return model


def explained(case: Any, **settings: Any) -> cr.Ledger:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cr.engines.EngineWarning)
        return cr.explain(case.model, case.x, case.y, sample_weight=case.weight, **settings)


def assert_same_bits(ledger: cr.Ledger, model: cr.Model) -> None:
    """Every new weight, running average and number the optimizer keeps."""
    recording = ledger.recording
    after = recording.after(ledger.arrays)
    step = model._step(weighted=recording.step.weighted)
    ours = [w.parameter for w in recording.step.network.weights]
    theirs = [w.parameter for w in step.network.weights]
    for mine, own in zip(recording.step.slots.values(), step.slots.values(), strict=True):
        ours += mine.values()
        theirs += own.values()
    assert len(ours) > 2
    for mine, own in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(after[mine], model.state[own], err_msg=str(mine.name))


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_ledger_says_is_what_the_step_does_to_the_last_bit(
    network: Any, seed: int, precision: str
) -> None:
    case = network(seed, precision=precision)
    ledger = explained(case)
    model = fitted(case)
    assert model.history is not None
    assert_same_bits(ledger, model)
    assert ledger.loss == model.history.history["loss"][0]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_native_engine_s_own_numbers_are_shown(network: Any, seed: int) -> None:
    case = network(seed, engine="auto", precision="float32")
    ledger = explained(case)
    if ledger.engine != "native":
        pytest.skip("this engine cannot show the numbers of a step")
    assert_same_bits(ledger, fitted(case))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_gradient_agrees_with_finite_differences(network: Any, seed: int) -> None:
    ledger = explained(network(seed))
    gradients = [line for line in ledger.lines("backward") if ledger.difference(line) is not None]
    assert len(gradients) > 30
    assert ledger.check(1e-5) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_every_formula_worked_out_gives_its_number(network: Any, seed: int) -> None:
    ledger = explained(network(seed))
    lines = list(ledger.lines())
    assert sum(line.formula is not None for line in lines) > 100
    assert [line.name for line in lines if unlike(line, 1e-9)] == []


def test_a_wrong_gradient_would_be_found(network: Any) -> None:
    ledger = explained(network(1))
    quantity = next(q for q in ledger.quantities if q.role == "delta")
    arrays = {**ledger.arrays, quantity.value: ledger.arrays[quantity.value] * 1.01}
    wrong = cr.Ledger(ledger.structure, arrays, ledger.engine)
    assert {line.quantity for line, _ in wrong.check()} >= {quantity}


@pytest.mark.parametrize("seed", [0, 3, 7])
def test_the_next_steps_are_those_of_training_on(network: Any, seed: int) -> None:
    case = network(seed)
    third = explained(case, step=3)
    first = explained(case)
    for _ in range(3):
        case = replace(case, model=fitted(case))
    assert_same_bits(third, case.model)
    np.testing.assert_array_equal(first.next().next().loss, third.loss)


def test_a_kink_is_told_apart_and_named() -> None:
    model = cr.Sequential([cr.layers.Dense(2, activation="relu"), cr.layers.Dense(1)])
    model.build((2,))
    model.set_weights([[[1.0, 1.0], [-1.0, 1.0]], [0.0, 0.0], [[2.0], [1.0]], [0.0]])
    model.compile(
        cr.optimizers.SGD(0.1), "half_squared_error", precision="float64", engine="reference"
    )
    ledger = cr.explain(model, [[1.0, 1.0]], [[5.0]])  # z¹[0] = 1 − 1 = 0
    found = ledger.difference(ledger.line("δ1[0]"))
    assert found is not None
    assert found.kink == "relu at z1[0]"
    assert (found.left, found.right) == (pytest.approx(0.0), pytest.approx(-6.0, rel=1e-4))
    assert ledger.check() == []
    assert "kink of relu at z1[0]: 0 left, −6" in str(ledger)
    smooth = ledger.difference(ledger.line("δ1[1]"))
    assert smooth is not None
    assert not smooth.kink


def test_l_bfgs_has_no_single_steps_but_a_forward_and_a_backward_pass() -> None:
    model = cr.Sequential([cr.layers.Dense(2, activation="tanh"), cr.layers.Dense(1)])
    model.compile(cr.optimizers.LBFGS(), "mse", precision="float64", engine="reference")
    ledger = cr.explain(model, [[1.0, 2.0], [0.5, -1.0]], [[1.0], [0.0]])
    assert {q.phase for q in ledger.quantities} == {"given", "forward", "loss", "backward"}
    assert ledger.check() == []
    with pytest.raises(cr.UsageError, match="no single steps"):
        ledger.next()


def test_a_step_in_bfloat16_agrees_as_far_as_its_products_can() -> None:
    rng = np.random.default_rng(0)
    model = cr.Sequential(
        [cr.layers.Dense(4, activation="tanh"), cr.layers.Dense(3, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", precision="bfloat16")
    ledger = cr.explain(model, rng.normal(size=(2, 5)), [0, 1])
    assert ledger.check() == []
    assert ledger.check(1e-7) != []


def test_a_model_learns_nothing_of_its_data_from_being_explained() -> None:
    model = cr.Sequential([cr.layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    frame = {"size": [1.0, 2.0, 5.0], "kind": ["a", "b", "a"]}
    weights = cr.explain(model, frame, ["yes", "no", "no"]).array("W1")
    assert model.preprocessing is None
    assert model.target is None
    assert model.clock.steps == 0
    np.testing.assert_array_equal(model.get_weights()[0], weights)
