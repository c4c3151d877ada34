"""Several epochs in one go, where nobody looks in between: what comes of it is the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import layers, schedules
from chainrule.engines.native.engine import NativeRunner
from chainrule.engines.reference import ReferenceRunner
from chainrule.training import loop

RNG = np.random.default_rng(3)
X = RNG.normal(size=(50, 3)).astype(np.float32)
LABELS = (X @ [1.0, -2.0, 0.5] > 0).astype(int)
RUNNERS = {"native": NativeRunner, "reference": ReferenceRunner}


@pytest.fixture(autouse=True)
def _plenty_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if many epochs fitted between two Progress events, however busy the machine is."""
    monkeypatch.setattr(loop, "PROGRESS_SECONDS", 1e6)


@pytest.fixture(params=list(RUNNERS))
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def at_once(engine: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many epochs each call ran that ran whole epochs."""
    counts: list[int] = []
    runner = RUNNERS[engine]
    inner = runner.epochs

    def epochs(self: Any, data: Any, orders: Any, *rest: Any) -> Any:
        counts.append(len(orders))
        return inner(self, data, orders, *rest)

    monkeypatch.setattr(runner, "epochs", epochs)
    return counts


def network(engine: str, rate: Any = 0.01, optimizer: Any = cr.optimizers.Adam) -> cr.Sequential:
    model = cr.Sequential(
        [
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.25),
            layers.Dense(2, activation="softmax"),
        ],
        seed=2,
    )
    model.compile(optimizer(rate), "sparse_categorical_crossentropy", ["accuracy"], engine=engine)
    return model


def same(one: cr.Sequential, other: cr.Sequential) -> bool:
    return all(
        np.array_equal(a, b, equal_nan=True)
        for a, b in zip(one.get_weights(), other.get_weights(), strict=True)
    )


def curves(history: cr.History) -> dict[str, list[float]]:
    return {name: curve for name, curve in history.history.items() if name != "seconds"}


@pytest.mark.parametrize("batch_size", [50, 16, 7])
@pytest.mark.parametrize("rate", [0.01, schedules.Cosine(0.02), schedules.WarmUp(0.01, steps=9)])
def test_weights_and_curves_have_the_same_bits(
    engine: str, at_once: list[int], rate: Any, batch_size: int
) -> None:
    one, other = network(engine, rate), network(engine, rate)
    settings = {"batch_size": batch_size, "verbose": 0}
    for epochs in (21, 3):
        step_by_step = one.fit(X, LABELS, epochs=epochs, ahead=False, **settings)
        assert not at_once
        in_one_go = other.fit(X, LABELS, epochs=epochs, **settings)
        assert sum(at_once) >= epochs - 3
        assert max(at_once) <= loop.AHEAD_EPOCHS
        assert curves(in_one_go) == curves(step_by_step)
        assert in_one_go.epoch == step_by_step.epoch
        assert in_one_go.best_epoch == step_by_step.best_epoch == epochs
        assert same(one, other)
        at_once.clear()


@pytest.mark.parametrize("rate", [1.0, 3.0])
def test_what_became_infinite_is_found_in_its_epoch(
    engine: str, at_once: list[int], rate: float
) -> None:
    def growing(engine: str) -> cr.Sequential:
        model = cr.Sequential([layers.Dense(1)], seed=2)
        model.compile(cr.optimizers.SGD(rate), "mse", engine=engine)
        return model

    one, other = growing(engine), growing(engine)
    step_by_step = one.fit(X, X[:, 0], epochs=400, ahead=False, verbose=0)
    in_one_go = other.fit(X, X[:, 0], epochs=400, verbose=0)
    assert at_once
    assert "try a smaller learning rate" in in_one_go.stopped_because
    assert in_one_go.stopped_because == step_by_step.stopped_because
    assert in_one_go.best_epoch == step_by_step.best_epoch
    np.testing.assert_equal(curves(in_one_go), curves(step_by_step))
    assert same(one, other)
    assert all(np.isfinite(w).all() for w in other.get_weights())


@pytest.mark.parametrize(
    "settings",
    [
        {"validation_split": 0.2},
        {"early_stopping": cr.EarlyStopping("loss")},
        {"tolerance": 1e-12},
        {"gradient_tolerance": 1e-12},
        {"callbacks": [lambda event: None]},
        {"rate": schedules.ReduceOnPlateau(0.01)},
        {"rate": schedules.WarmUp(schedules.ReduceOnPlateau(0.01))},
        {"rate": lambda steps: 0.01 if steps[0] < 8 else 0.02},
    ],
)
def test_an_epoch_is_run_by_itself_where_something_may_come_of_it(
    engine: str, at_once: list[int], settings: dict[str, Any]
) -> None:
    settings = dict(settings)
    model = network(engine, settings.pop("rate", 0.01))
    model.fit(X, LABELS, epochs=12, verbose=0, **settings)
    assert not at_once


def test_callbacks_that_look_at_events_only_may_allow_it(engine: str, at_once: list[int]) -> None:
    heard: list[int] = []
    model = network(engine)
    listener: Callable[[Any], None] = lambda event: heard.append(event.epoch)  # noqa: E731
    model.fit(X, LABELS, epochs=12, verbose=0, ahead=True, callbacks=[listener])
    assert at_once
    assert sorted(set(heard)) == list(range(13))


def test_a_reason_to_stop_is_heard_after_the_epochs_that_were_run(
    engine: str, at_once: list[int]
) -> None:
    model, other = network(engine), network(engine)
    stop: Callable[[Any], Any] = lambda event: "enough" if event.epoch == 5 else None  # noqa: E731
    history = model.fit(X, LABELS, epochs=40, verbose=0, ahead=True, callbacks=[stop])
    assert history.stopped_because == "enough"
    assert 5 <= history.epoch[-1] < 5 + loop.AHEAD_EPOCHS
    assert history.best_epoch == history.epoch[-1]
    other.fit(X, LABELS, epochs=history.epoch[-1], verbose=0)
    assert same(model, other)


def test_ctrl_c_leaves_the_weights_of_the_last_epoch_that_was_told(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = RUNNERS[engine]
    inner, calls = runner.epochs, []

    def epochs(self: Any, *given: Any) -> Any:
        calls.append(None)
        found = inner(self, *given)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return found

    monkeypatch.setattr(runner, "epochs", epochs)
    model, other = network(engine), network(engine)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS, epochs=40, verbose=0)
    assert model.history is not None
    told = len(model.history.epoch)
    assert 0 < told < 40
    other.fit(X, LABELS, epochs=told, verbose=0)
    assert same(model, other)
    model.fit(X, LABELS, epochs=5, verbose=0)  # and goes on from there
    other.fit(X, LABELS, epochs=5, verbose=0)
    assert same(model, other)
