"""Long runs come back soon after Ctrl-C, with nothing half done."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import ops
from chainrule.backprop import gradients
from chainrule.engines.native import Native
from chainrule.engines.program import Program, State
from chainrule.graph import BATCH, Input, Parameter

LATE = 1.0  # seconds: a tenth, and room for a busy machine


@contextmanager
def ctrl_c_after(seconds: float) -> Iterator[list[float]]:
    """Sends this process SIGINT; the list holds when."""
    sent: list[float] = []

    def send() -> None:
        sent.append(time.perf_counter())
        signal.raise_signal(signal.SIGINT)

    timer = threading.Timer(seconds, send)
    timer.start()
    try:
        yield sent
    finally:
        timer.cancel()
        timer.join()


def long_program(rows: int = 200_000, width: int = 256) -> tuple[Any, Any, Any, Any]:
    """Steps of a linear model that take many seconds an epoch."""
    x, w = Input((BATCH, width), name="x"), Parameter((width, width), "w")
    loss = ops.sum((x @ w) ** 2.0)
    (slope,) = gradients(loss, [w])
    assert slope is not None
    program = Program((x,), {"loss": loss}, assignments=((w, w - slope * 1e-9),))
    state = State("float32")
    state[w] = np.random.default_rng(0).normal(size=w.shape)
    data = {x: np.random.default_rng(1).normal(size=(1000, width)).astype(np.float32)}
    return program, state, data, np.arange(rows) % 1000


@pytest.mark.parametrize("threads", [1, 2])
def test_steps_are_interrupted_long_before_their_end(threads: int) -> None:
    program, state, data, order = long_program(rows=1_000_000)
    runner = Native().prepare(program, state, threads)
    before = dict(state.arrays)
    with ctrl_c_after(0.3) as sent, pytest.raises(KeyboardInterrupt):
        runner.steps(data, order, 50, {})
    assert time.perf_counter() - sent[0] < LATE
    assert all(state.arrays[p] is array for p, array in before.items())


def test_after_an_interruption_the_runner_goes_on_from_the_state() -> None:
    program, state, data, order = long_program(rows=1_000_000)
    runner = Native().prepare(program, state, 2)
    fresh = Native().prepare(program, State("float32", dict(state.arrays)), 1)
    with ctrl_c_after(0.2), pytest.raises(KeyboardInterrupt):
        runner.steps(data, order, 50, {})
    assert runner.steps(data, order[:100], 50, {}) == fresh.steps(data, order[:100], 50, {})


def test_a_handler_that_does_not_raise_is_called_soon_and_the_steps_go_on() -> None:
    heard: list[float] = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(time.perf_counter()))
    try:
        program, state, data, order = long_program(rows=240_000)
        fresh = Native().prepare(program, State("float32", dict(state.arrays)), 1)
        with ctrl_c_after(0.1) as sent:
            sums = Native().prepare(program, state, 1).steps(data, order, 50, {})
            ended = time.perf_counter()
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard[0] - sent[0] < LATE
    assert heard[0] < ended
    assert sums == fresh.steps(data, order, 50, {})


def test_steps_in_another_thread_are_not_disturbed_by_ctrl_c() -> None:
    program, state, data, order = long_program()
    expected = Native().prepare(program, State("float32", dict(state.arrays)), 1)
    sums: list[Any] = []
    rows = order[:40_000]
    runner = Native().prepare(program, state, 1)
    worker = threading.Thread(target=lambda: sums.append(runner.steps(data, rows, 50, {})))
    worker.start()
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the signal comes while waiting
        signal.raise_signal(signal.SIGINT)
        worker.join()
    worker.join()
    assert sums == [expected.steps(data, rows, 50, {})]


def test_a_model_in_training_stops_soon_and_keeps_its_last_whole_epoch() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60_000, 100)).astype(np.float32), rng.integers(0, 10, 60_000)
    layers = [cr.layers.Dense(512, activation="relu"), cr.layers.Dense(10, activation="softmax")]
    model = cr.Sequential(layers, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", engine="native")
    model.fit(x[:100], y[:100], verbose=0)
    weights = model.get_weights()
    with ctrl_c_after(0.4) as sent, pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=100, batch_size=128, verbose=0)
    assert time.perf_counter() - sent[0] < LATE
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert len(model.get_weights()) == len(weights)


def test_judging_much_data_is_interrupted_soon() -> None:
    program, state, data, order = long_program(rows=5_000_000)
    (x,), (w, _) = program.rows, program.assignments[0]
    judge = Program((x,), {"loss": ops.sum((x @ w) ** 2.0)})
    runner = Native().prepare(judge, state, 1)
    with ctrl_c_after(0.1) as sent, pytest.raises(KeyboardInterrupt):
        runner.steps(data, order, 1000, {})
    assert time.perf_counter() - sent[0] < LATE


def test_looking_at_the_weights_meanwhile_changes_nothing() -> None:
    def model() -> cr.Sequential:
        made = cr.Sequential([cr.layers.Dense(9, activation="tanh"), cr.layers.Dense(1)], seed=4)
        made.compile("adam", "mse")
        made.build((5,))
        return made

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((640, 5)), rng.standard_normal((640, 1))
    alone, watched = model(), model()
    alone.fit(x, y, epochs=40, validation_split=0.2, verbose=0)
    over, looks = threading.Event(), 0

    def look() -> None:
        nonlocal looks
        while not over.is_set():
            looks += all(np.isfinite(w).all() for w in watched.get_weights())

    watcher = threading.Thread(target=look)
    watcher.start()
    watched.fit(x, y, epochs=40, validation_split=0.2, verbose=0)
    over.set()
    watcher.join(10)
    assert not watcher.is_alive()
    assert looks > 0
    for seen, unseen in zip(watched.get_weights(), alone.get_weights(), strict=True):
        assert np.array_equal(seen, unseen)
