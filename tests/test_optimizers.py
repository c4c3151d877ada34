"""Optimizers: 50 steps of each against independent ones, and what the rules say by hand.

Where our definition is another library's, the two agree to rounding. Where it departs from one, the test
says how and bounds the difference.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest

from chainrule import optimizers, schedules
from chainrule.backprop import gradients
from chainrule.engines.program import Program, State
from chainrule.engines.reference import Reference, evaluate
from chainrule.errors import UnknownNameError, UsageError
from chainrule.graph import Constant, Input, Parameter, Value
from chainrule.ops.activation import tanh
from chainrule.ops.arithmetic import sign
from chainrule.ops.elementary import square
from chainrule.ops.reductions import mean
from chainrule.optimizers import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from chainrule.schedules import Schedule

Array = np.ndarray[Any, Any]
STEPS = 50
RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(20, 4)), RNG.uniform(-1, 1, size=(20, 3))
START = [RNG.normal(size=(4, 3)), RNG.normal(size=3)]


def ours(optimizer: Optimizer, steps: int = STEPS) -> list[Array]:
    """Both weights after so many steps on mean (tanh(X W + b) − Y)²."""
    weights = [Parameter(w.shape, f"w{i}") for i, w in enumerate(START)]
    state = State("float64")
    assignments: list[tuple[Parameter, Value]] = []
    one = np.ones(1)
    scalars = {name: Input((), name=name) for name in optimizer.scalars(one, one)}
    error = tanh(Constant(X) @ weights[0] + weights[1]) - Constant(Y)
    found = [g for g in gradients(mean(square(error)), weights) if g is not None]
    for weight, start, gradient in zip(weights, START, optimizer.clip(found), strict=True):
        slots = {name: Parameter(weight.shape, name) for name in optimizer.slots()}
        state[weight] = start
        for name, first in optimizer.slots().items():
            state[slots[name]] = np.full(start.shape, first)
        new, kept = optimizer.update(weight, gradient, dict(slots), dict(scalars))
        assert kept.keys() == slots.keys()
        assignments += [(weight, new), *((slots[name], value) for name, value in kept.items())]
    runner = Reference().prepare(
        Program((), {}, tuple(scalars.values()), tuple(assignments)), state
    )
    step = np.arange(float(steps))
    rates = optimizer.schedule(step, steps_per_epoch=10, total_steps=steps)
    table = optimizer.scalars(rates, step + 1)
    for i in range(steps):
        runner.once({}, {scalars[name]: column[i] for name, column in table.items()})
    return [state[w] for w in weights]


def of_torch(make: Any, steps: int = STEPS) -> list[Array]:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")
    weights = [torch.tensor(w, requires_grad=True) for w in START]
    optimizer = make(torch, weights)
    for _ in range(steps):
        optimizer.zero_grad()
        output = torch.tanh(torch.tensor(X) @ weights[0] + weights[1])
        ((output - torch.tensor(Y)) ** 2).mean().backward()
        optimizer.step()
    return [w.detach().numpy() for w in weights]


def of_optax(make: Any, steps: int = STEPS) -> list[Array]:
    jax = pytest.importorskip("jax", reason="jax and optax are the oracle here")
    optax = pytest.importorskip("optax", reason="jax and optax are the oracle here")
    with jax.enable_x64(True):
        weights: Any = [jax.numpy.asarray(w) for w in START]
        optimizer = make(optax)
        state = optimizer.init(weights)

        @jax.jit
        def step(weights: Any, state: Any) -> Any:
            def loss(ws: Any) -> Any:
                return ((jax.numpy.tanh(X @ ws[0] + ws[1]) - Y) ** 2).mean()

            updates, state = optimizer.update(jax.grad(loss)(weights), state, weights)
            return optax.apply_updates(weights, updates), state

        for _ in range(steps):
            weights, state = step(weights, state)
        return [np.asarray(w) for w in weights]


def of_sklearn(make: Any, steps: int = STEPS) -> list[Array]:
    from sklearn.neural_network import _stochastic_optimizers

    weights = [w.copy() for w in START]
    optimizer = make(_stochastic_optimizers, weights)
    for _ in range(steps):
        output = np.tanh(X @ weights[0] + weights[1])
        delta = 2 * (output - Y) * (1 - output**2) / Y.size
        optimizer.update_params(weights, [X.T @ delta, delta.sum(0)])
    return weights


def distance(a: Sequence[Array], b: Sequence[Array]) -> float:
    return max(float(np.abs(p - q).max()) for p, q in zip(a, b, strict=True))


def moved(a: Sequence[Array]) -> float:
    return distance(a, START)


def said(value: object) -> str:
    """The settings of an optimizer that are not the usual ones, as a test's name."""
    if not isinstance(value, Optimizer):
        return ""
    usual = type(value)()
    own = [f for f in fields(value) if getattr(value, f.name) != getattr(usual, f.name)]
    return type(value).__name__ + "".join(f" {f.name}={getattr(value, f.name)}" for f in own)


# --- the same rule ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "make"),
    [
        (SGD(0.5), lambda o: o.sgd(0.5)),
        (SGD(0.5, momentum=0.9), lambda o: o.sgd(0.5, momentum=0.9)),
        (SGD(0.5, 0.9, True), lambda o: o.sgd(0.5, momentum=0.9, nesterov=True)),
        (RMSprop(0.01), lambda o: o.rmsprop(0.01, eps=1e-7)),
        (RMSprop(0.01, centered=True), lambda o: o.rmsprop(0.01, eps=1e-7, centered=True)),
        (RMSprop(0.01, 0.8, 0.9), lambda o: o.rmsprop(0.01, 0.8, eps=1e-7, momentum=0.9)),
        (SGD(0.5, clipvalue=0.01), lambda o: o.chain(o.clip(0.01), o.sgd(0.5))),
        (SGD(0.5, global_clipnorm=0.1), lambda o: o.chain(o.clip_by_global_norm(0.1), o.sgd(0.5))),
    ],
    ids=said,
)
def test_fifty_steps_are_those_of_optax(optimizer: Optimizer, make: Any) -> None:
    found = ours(optimizer)
    assert distance(found, of_optax(make)) < 1e-12
    assert moved(found) > 0.1


def test_fifty_steps_on_a_schedule_are_those_of_optax() -> None:
    decay = schedules.ExponentialDecay(0.5, 20, 0.5)
    found = ours(SGD(decay))
    optaxs = of_optax(lambda o: o.sgd(o.exponential_decay(0.5, 20, 0.5)))
    assert distance(found, optaxs) < 1e-7  # optax computes the rate in float32
    assert distance(found, ours(SGD(0.5))) > 0.1


@pytest.mark.parametrize(
    ("optimizer", "make"),
    [
        (SGD(0.5, 0.9), lambda t, w: t.optim.SGD(w, lr=0.5, momentum=0.9)),
        (SGD(0.5, 0.9, True), lambda t, w: t.optim.SGD(w, lr=0.5, momentum=0.9, nesterov=True)),
        (Adagrad(0.1), lambda t, w: t.optim.Adagrad(w, lr=0.1, eps=1e-7)),
        (
            Adagrad(0.1, initial_accumulator_value=0.1),
            lambda t, w: t.optim.Adagrad(w, lr=0.1, eps=1e-7, initial_accumulator_value=0.1),
        ),
    ],
    ids=said,
)
def test_fifty_steps_are_those_of_pytorch(optimizer: Optimizer, make: Any) -> None:
    found = ours(optimizer)
    assert distance(found, of_torch(make)) < 1e-12
    assert moved(found) > 0.1


@pytest.mark.parametrize(
    ("optimizer", "make"),
    [
        (Adam(0.05), lambda s, w: s.AdamOptimizer(w, 0.05, epsilon=1e-7)),
        (Adam(0.05, 0.5, 0.9, 1e-3), lambda s, w: s.AdamOptimizer(w, 0.05, 0.5, 0.9, 1e-3)),
        (SGD(0.5, 0.9), lambda s, w: s.SGDOptimizer(w, 0.5, momentum=0.9, nesterov=False)),
        (SGD(0.5, 0.9, True), lambda s, w: s.SGDOptimizer(w, 0.5, momentum=0.9, nesterov=True)),
    ],
    ids=said,
)
def test_fifty_steps_are_those_of_scikit_learn(optimizer: Optimizer, make: Any) -> None:
    found = ours(optimizer)
    assert distance(found, of_sklearn(make)) < 1e-12
    assert moved(found) > 0.1


# --- stated departures ------------------------------------------------------------------------------


def test_adams_epsilon_departs_from_that_of_optax_and_pytorch_by_its_bias_correction() -> None:
    # They add ε to the corrected √v̂, we to √v: their ε in step t is ours divided by √(1−β₂ᵗ).
    found = ours(Adam(0.05))
    assert distance(found, of_optax(lambda o: o.adam(0.05, eps=1e-7))) < 1e-4
    assert distance(found, of_torch(lambda t, w: t.optim.Adam(w, lr=0.05, eps=1e-7))) < 1e-4
    exact = ours(Adam(0.05, epsilon=1e-15))
    assert distance(exact, of_optax(lambda o: o.adam(0.05, eps=1e-15))) < 1e-10


def test_adamw_shrinks_weights_as_pytorch_and_optax_do_but_for_adams_epsilon() -> None:
    found = ours(AdamW(0.05, weight_decay=0.1, epsilon=1e-15))
    torchs = of_torch(lambda t, w: t.optim.AdamW(w, lr=0.05, weight_decay=0.1, eps=1e-15))
    optaxs = of_optax(lambda o: o.adamw(0.05, weight_decay=0.1, eps=1e-15))
    assert distance(found, torchs) < 1e-10
    assert distance(found, optaxs) < 1e-10
    assert distance(found, ours(Adam(0.05, epsilon=1e-15))) > 0.01
    assert ours(AdamW(0.05, weight_decay=0.0))[0].tolist() == ours(Adam(0.05))[0].tolist()


def test_rmsprop_adds_epsilon_below_the_root_as_keras_does_and_pytorch_above() -> None:
    for epsilon, least, most in ((1e-7, 1e-6, 0.01), (1e-20, 0.0, 1e-8)):
        found = ours(RMSprop(0.01, epsilon=epsilon))
        torchs = of_torch(lambda t, w, e=epsilon: t.optim.RMSprop(w, lr=0.01, alpha=0.9, eps=e))
        assert least <= distance(found, torchs) < most


def test_adagrad_adds_epsilon_above_the_root_as_pytorch_does_and_optax_below() -> None:
    for epsilon, least, most in ((1e-7, 1e-6, 0.01), (1e-20, 0.0, 1e-8)):
        found = ours(Adagrad(0.1, epsilon=epsilon))
        optaxs = of_optax(lambda o, e=epsilon: o.adagrad(0.1, initial_accumulator_value=0.0, eps=e))
        assert least <= distance(found, optaxs) < most


def test_momentum_keeps_changes_not_gradients_so_it_departs_where_the_rate_changes() -> None:
    # Δw = −μ g + ρ Δw₋₁ remembers old rates; PyTorch and optax multiply the whole sum by the new one.
    decay = schedules.ExponentialDecay(0.5, 20, 0.5)
    optaxs = of_optax(lambda o: o.sgd(o.exponential_decay(0.5, 20, 0.5), momentum=0.5))
    assert 1e-6 < distance(ours(SGD(decay, momentum=0.5)), optaxs) < 0.05


# --- by hand ----------------------------------------------------------------------------------------


def step(
    optimizer: Optimizer, w: float, g: float, state: dict[str, float], rate: float = 0.1, t: int = 1
) -> dict[str, float]:
    """One step of one number."""
    columns = optimizer.scalars(np.array([rate]), np.array([float(t)]))
    leaves = {name: Input((), name=name) for name in ("w", "g", *state, *columns)}
    given: dict[str, Any] = {"w": w, "g": g, **state, **{k: c[0] for k, c in columns.items()}}
    new, kept = optimizer.update(
        leaves["w"],
        leaves["g"],
        {name: leaves[name] for name in state},
        {name: leaves[name] for name in columns},
    )
    outputs = {"w": new, **kept}
    found = evaluate(outputs, {leaf: given[name] for name, leaf in leaves.items()})
    return {name: float(array) for name, array in found.items()}


def test_momentum_adds_a_share_of_the_last_change() -> None:
    found = step(SGD(momentum=0.5), 1.0, 2.0, {"velocity": -0.4})
    assert found == pytest.approx({"w": 1.0 - 0.4, "velocity": -0.1 * 2 - 0.5 * 0.4})


def test_adagrads_first_step_has_the_size_of_the_rate() -> None:
    assert step(Adagrad(), 1.0, 1e-3, {"accumulator": 0.0})["w"] == pytest.approx(0.9, rel=2e-5)
    assert step(Adagrad(), 1.0, 4.0, {"accumulator": 9.0})["w"] == pytest.approx(1 - 0.1 * 4 / 5)


def test_adams_first_step_has_the_size_of_the_rate() -> None:
    found = step(Adam(), 1.0, -3.0, {"m": 0.0, "v": 0.0})
    assert found == pytest.approx({"w": 1.1, "m": -0.3, "v": 0.009}, rel=1e-6)


def test_weight_decay_works_beside_the_step() -> None:
    kept = {"m": 0.0, "v": 0.0}
    plain, decayed = (step(o, 2.0, 1.0, kept) for o in (Adam(), AdamW(weight_decay=0.5)))
    assert decayed["w"] == pytest.approx(plain["w"] - 0.1 * 0.5 * 2.0)
    assert decayed["v"] == plain["v"]


def test_a_gradient_of_zero_moves_nothing() -> None:
    for optimizer in (SGD(), Adagrad(), RMSprop(), RMSprop(centered=True), Adam()):
        state = optimizer.slots()
        assert step(optimizer, 1.5, 0.0, state) == {"w": 1.5, **state}


def test_centered_rmsprop_survives_a_gradient_that_never_changes() -> None:
    # the variance of equal gradients is 0 but for rounding, which may fall below it
    state = {"square": 0.0, "average": 0.0}
    for _ in range(300):
        found = step(RMSprop(centered=True), 0.0, 1e4 / 3, state)
        state = {name: found[name] for name in state}
        assert math.isfinite(found["w"])


def test_clipping_bounds_norms_and_leaves_short_gradients_alone() -> None:
    long, short = Input((2,), name="long"), Input((2,), name="short")
    arrays = {long: np.array([30.0, 40.0]), short: np.array([0.3, -0.4])}

    def clipped(optimizer: Optimizer) -> list[list[float]]:
        outputs = dict(zip("ab", optimizer.clip([long, short]), strict=True))
        return [array.tolist() for array in evaluate(outputs, arrays).values()]

    assert clipped(SGD()) == [[30.0, 40.0], [0.3, -0.4]]
    assert clipped(SGD(clipvalue=0.35)) == [[0.35, 0.35], [0.3, -0.35]]
    assert clipped(SGD(clipnorm=5.0)) == [[3.0, 4.0], [0.3, -0.4]]
    (a, b) = np.array(clipped(SGD(global_clipnorm=1.0)))
    norm = math.sqrt(2500.25)
    np.testing.assert_allclose([*a, *b], np.array([30, 40, 0.3, -0.4]) / norm, rtol=1e-12)
    assert SGD(global_clipnorm=1.0).clip([]) == []


def test_zero_gradients_can_be_clipped() -> None:
    g = Input((2,), name="g")
    for optimizer in (SGD(clipnorm=1.0), SGD(global_clipnorm=1.0)):
        (found,) = evaluate({"g": optimizer.clip([g])[0]}, {g: np.zeros(2)}).values()
        assert found.tolist() == [0.0, 0.0]


def test_scalars_of_many_steps_are_columns_in_float64() -> None:
    rate, t = np.array([0.1, 0.1, 0.05]), np.array([1.0, 2.0, 1000.0])
    column = AdamW(weight_decay=0.01).scalars(rate, t)
    assert column.keys() == {"step_size", "decay"}
    corrected = [math.sqrt(1 - 0.999**k) / (1 - 0.9**k) for k in (1, 2, 1000)]
    np.testing.assert_allclose(column["step_size"], rate * corrected, rtol=1e-12)
    np.testing.assert_allclose(column["decay"], rate * 0.01)


# --- settings ---------------------------------------------------------------------------------------


def test_lbfgs_holds_settings_and_takes_no_single_steps() -> None:
    lbfgs = optimizers.get("L-BFGS")
    assert lbfgs.full_batch
    assert not Adam().full_batch
    assert optimizers.FAMILY.config(lbfgs)["settings"].keys() == {
        *("memory", "tolerance", "gradient_tolerance", "max_function_evaluations")
    }
    with pytest.raises(UsageError, match="SciPy carries it out"):
        lbfgs.update(Input(()), Input(()), {}, {})
    with pytest.raises(UsageError, match=r"memory is 0, expected a whole number in \[1, inf\)"):
        optimizers.LBFGS(memory=0)


def test_a_rate_may_be_a_number_a_schedule_or_a_function() -> None:
    assert SGD(0.5).schedule == schedules.Constant(0.5)
    assert SGD(schedules.Cosine(0.5)).schedule == schedules.Cosine(0.5)
    found = SGD(lambda k: 1 / (k + 1)).schedule(np.arange(2.0), steps_per_epoch=1, total_steps=2)  # type: ignore[arg-type]
    assert found.tolist() == [1.0, 0.5]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: SGD(-0.1), r"SGD: learning_rate is -0.1, expected a number in \[0, inf\)"),
        (lambda: SGD(math.nan), "learning_rate is nan"),
        (lambda: SGD("fast"), "Unknown schedule 'fast'"),  # type: ignore[arg-type]
        (lambda: SGD(momentum=1.1), r"momentum is 1.1, expected a number in \[0, 1\]"),
        (lambda: SGD(nesterov=True), "nesterov needs a momentum above 0"),
        (lambda: Adam(beta_2=1), r"beta_2 is 1, expected a number in \[0, 1\)"),
        (lambda: Adam(epsilon=0.0), r"epsilon is 0.0, expected a number in \(0, inf\)"),
        (lambda: RMSprop(clipnorm=0.0), r"clipnorm is 0.0, .* in \(0, inf\) or None"),
        (lambda: Adam(clipnorm=1.0, clipvalue=1.0), "only one of clipnorm and clipvalue"),
        (lambda: AdamW(weight_decay=-1), "weight_decay is -1"),
        (lambda: optimizers.get(lambda: 0), "is not an optimizer"),
        (lambda: optimizers.get({"name": "adam", "settings": {"beta": 1}}), "does not take these"),
    ],
)
def test_settings_outside_their_range_are_refused(make: Any, sentence: str) -> None:
    with pytest.raises((UsageError, UnknownNameError), match=sentence):
        make()


def test_a_misspelt_optimizer_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match=r"'adm': did you mean 'adam'\?"):
        optimizers.get("adm")


def test_an_optimizer_comes_back_from_its_configuration() -> None:
    before = AdamW(schedules.WarmUp(schedules.OneCycle(0.1)), beta_1=0.8, global_clipnorm=1.0)
    config = json.loads(json.dumps(optimizers.FAMILY.config(before)))
    assert optimizers.get(config) == before


def test_a_users_optimizer_takes_a_few_lines() -> None:
    @optimizers.register("test_sign_descent")
    @dataclass(frozen=True)
    class SignDescent(Optimizer):
        learning_rate: float | Schedule = 0.25

        def update(
            self, weight: Value, gradient: Value, slots: dict[str, Value], scalars: dict[str, Value]
        ) -> tuple[Value, dict[str, Value]]:
            return weight - scalars["learning_rate"] * sign(gradient), {}

    optimizer = optimizers.get("test_sign_descent")
    found = ours(optimizer, steps=1)
    np.testing.assert_allclose(np.abs(found[0] - START[0]), 0.25)
    assert optimizers.get(optimizers.FAMILY.config(optimizer)) == SignDescent(0.25)
