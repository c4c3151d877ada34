"""Long runs come back soon after Ctrl-C, with nothing half done."""

from __future__ import annotations

import itertools
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


# --- in the middle of a step ---


class Training:
    """Steps of a network with momentum, each of all rows, so long that they are carried out in legs."""

    def __init__(self, *widths: int, rows: int) -> None:
        rng = np.random.default_rng(0)
        pairs = list(itertools.pairwise(widths))
        self.weights = [Parameter(pair, f"w{i}") for i, pair in enumerate(pairs)]
        slots = [Parameter(pair, f"v{i}") for i, pair in enumerate(pairs)]
        self.x = Input((BATCH, widths[0]), name="x")
        out: Any = self.x
        for w in self.weights:
            out = ops.tanh(out @ w)
        loss = ops.sum((out - 0.5) ** 2.0) / ops.batch_size()
        assignments: list[Any] = []
        for w, v, slope in zip(self.weights, slots, gradients(loss, self.weights), strict=True):
            assert slope is not None
            faster = 0.9 * v + slope
            assignments += [(v, faster), (w, w - 0.01 * faster)]
        self.program = Program((self.x,), {"loss": loss}, assignments=tuple(assignments))
        self.start = {
            p: rng.normal(size=p.shape).astype(np.float32) / np.sqrt(np.float32(p.shape[0]))
            for p in (*self.weights, *slots)
        }
        self.data = {self.x: rng.normal(size=(rows, widths[0])).astype(np.float32)}
        self.rows = rows

    def runner(self, threads: int) -> tuple[Any, State]:
        state = State("float32", dict(self.start))
        return Native().prepare(self.program, state, threads), state

    def step(self, runner: Any, n: int = 1) -> dict[str, float]:
        order = np.tile(np.arange(self.rows), n)
        return runner.steps(self.data, order, self.rows, {})  # type: ignore[no-any-return]

    def after(self, steps: int) -> list[bytes]:
        """The state's bits after so many steps that nobody disturbs."""
        runner, state = self.runner(1)
        if steps:
            self.step(runner, steps)
        return bits(state)


def bits(state: State) -> list[bytes]:
    return [array.tobytes() for array in state.arrays.values()]


WIDE = Training(512, 512, 512, 512, rows=4096)
HIGH = Training(4, 32, 4, rows=600_000)
LONG = [pytest.param(WIDE, id="shared"), pytest.param(HIGH, id="sliced")]


@contextmanager
def alarms(handler: Any, first: float, every: float = 0.0) -> Iterator[None]:
    """Calls the handler by a signal after so many seconds, and again and again."""
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, first, every)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def stop(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("training", LONG)
def test_a_step_broken_off_is_undone_or_finished(training: Training, threads: int) -> None:
    whole = [training.after(steps) for steps in range(4)]
    runner, state = training.runner(threads)
    training.step(runner)
    begun = time.perf_counter()
    training.step(training.runner(threads)[0])
    took = time.perf_counter() - begun
    broken_off = 0
    for part in (0.1, 0.4, 0.7, 0.9):
        runner, state = training.runner(threads)
        training.step(runner)
        try:
            with alarms(stop, part * took):
                training.step(runner)
        except KeyboardInterrupt:
            broken_off += 1
        done = whole.index(bits(state))
        assert done in (1, 2)
        training.step(runner)
        assert bits(state) == whole[done + 1]
    assert broken_off > 0


@pytest.mark.parametrize("threads", [1, 2])
def test_a_run_after_a_step_broken_off_begins_with_whole_weights(threads: int) -> None:
    whole = [WIDE.after(steps) for steps in range(4)]
    runner, state = WIDE.runner(threads)
    WIDE.step(runner)
    with alarms(stop, 0.06), pytest.raises(KeyboardInterrupt):
        WIDE.step(runner, 50)
    kept = dict(state.arrays)
    state.put(dict(WIDE.start))  # and what was left of the step is nobody's any more
    WIDE.step(runner)
    assert bits(state) == whole[1]
    assert all(np.isfinite(array).all() for array in kept.values())


@pytest.mark.parametrize("training", LONG)
def test_whoever_looks_in_the_middle_of_a_step_sees_whole_ones_and_changes_nothing(
    training: Training,
) -> None:
    expected = training.step(training.runner(1)[0], 4)
    alone, untouched = training.runner(1)
    whole = [bits(untouched)]
    runner, state = training.runner(2)
    seen: list[list[bytes]] = []
    took = 0.2
    while len(seen) < 3 and len(whole) < 40:
        training.step(alone)
        whole.append(bits(untouched))
        begun = time.perf_counter()
        with alarms(lambda *_: seen.append(bits(state)), (len(whole) % 8 + 1) / 9 * took):
            training.step(runner)
        took = time.perf_counter() - begun
    assert bits(state) == whole[-1]
    assert len(seen) > 1
    assert all(look in whole for look in seen)
    runner, state = training.runner(2)
    with alarms(lambda *_: None, 0.01, 0.04):
        assert training.step(runner, 4) == expected


@pytest.mark.parametrize("kind", ["once", "blocks"])
def test_a_handler_may_use_the_runner_in_the_middle_of_its_run(kind: str) -> None:
    out: Any = WIDE.x
    for w in WIDE.weights:
        out = ops.tanh(out @ w)
    program = Program((WIDE.x,), {"out": out})
    x = np.tile(WIDE.data[WIDE.x], (4, 1))

    def found(runner: Any, rows: Any) -> Any:
        given = {WIDE.x: rows}
        return (runner.once(given) if kind == "once" else runner.blocks(given, 16384))["out"]

    runner = Native().prepare(program, State("float32", dict(WIDE.start)), 2)
    expected = found(runner, x)
    inside: list[Any] = []
    with alarms(lambda *_: inside.append(found(runner, x[:33])), 0.03):
        again = found(runner, x)
    assert np.array_equal(again, expected)
    assert all(np.array_equal(some, expected[:33]) for some in inside)


@pytest.mark.parametrize(
    ("widths", "rows"), [((512, 512, 512), 4096), ((16, 8), 200_000)], ids=["shared", "sliced"]
)
def test_training_goes_on_after_an_interruption_as_if_there_had_been_none(
    widths: tuple[int, ...], rows: int
) -> None:
    def model() -> cr.Sequential:
        layers = [cr.layers.Dense(n, activation="tanh") for n in widths]
        made = cr.Sequential(layers, seed=3)
        made.compile("adam", "mse", engine="native")
        return made

    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, widths[0]), np.float32)
    y = rng.standard_normal((rows, widths[-1]), np.float32)
    broken, whole = model(), model()
    broken.fit(x, y, epochs=1, batch_size=rows, verbose=0)
    epochs = 1

    def count(event: Any) -> None:
        nonlocal epochs
        epochs += isinstance(event, cr.training.EpochEnd)

    with alarms(stop, 0.35), pytest.raises(KeyboardInterrupt):
        broken.fit(x, y, epochs=1000, batch_size=rows, callbacks=[count], verbose=0)
    for _ in range(epochs):
        whole.fit(x, y, epochs=1, batch_size=rows, verbose=0)
    for _ in range(2):
        for one, other in zip(broken.get_weights(), whole.get_weights(), strict=True):
            assert np.array_equal(one, other)
        broken.fit(x, y, epochs=1, batch_size=rows, verbose=0)
        whole.fit(x, y, epochs=1, batch_size=rows, verbose=0)


def test_a_signal_is_heard_again_and_again_while_many_rows_are_taken_at_once() -> None:
    rng = np.random.default_rng(0)
    model = cr.Sequential([cr.layers.Dense(1024, activation="relu") for _ in range(4)], seed=0)
    model.build((1024,))
    x = rng.standard_normal((8192, 1024), np.float32)
    heard: list[int] = []
    with alarms(lambda number, _: heard.append(number), 0.03, 0.03):
        model.predict(x, batch_size=len(x))
    assert len(heard) > 2


def test_a_handler_may_look_while_another_thread_waits_to_look() -> None:
    program, state, data, order = long_program(rows=200_000)
    runner = Native().prepare(program, state, 1)
    runner.steps(data, order[:50], 50, {})  # from now on the newest are the runner's
    looked: list[str] = []
    waiting = threading.Thread(target=lambda: looked.append(f"thread {len(state.arrays)}"))

    def handler(*_: Any) -> None:
        waiting.start()
        waiting.join(0.2)  # by then it waits for the run's end
        looked.append(f"handler {len(state.arrays)}")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        while not looked:
            runner.steps(data, order, 50, {})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    waiting.join(20)
    assert looked == ["handler 1", "thread 1"]
