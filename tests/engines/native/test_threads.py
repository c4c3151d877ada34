"""Runners in several threads of Python, in forks, and where there is a single processor."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import ops
from chainrule.backprop import gradients
from chainrule.engines.native import Native
from chainrule.engines.native.engine import NativeRunner
from chainrule.engines.program import Program, State
from chainrule.graph import BATCH, Input, Parameter

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
needs_affinity = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system has no affinity masks"
)

ROWS, WIDTH, BATCH_SIZE = 600, 120, 100  # steps worth sharing out


def program() -> Program:
    x = Input((BATCH, WIDTH), name="x")
    first, second = Parameter((WIDTH, 150), "first"), Parameter((150, WIDTH), "second")
    hidden = ops.tanh(x @ first)
    loss = ops.sum((hidden @ second - x) ** 2.0)
    found = gradients(loss, [first, second])
    steps = [
        (w, w - g * 1e-5) for w, g in zip((first, second), found, strict=True) if g is not None
    ]
    assert len(steps) == 2
    return Program((x,), {"loss": loss}, assignments=tuple(steps))


PROGRAM = program()


def runner(seed: int, threads: int) -> tuple[NativeRunner, State, dict[Input, Any]]:
    rng = np.random.default_rng(seed)
    state = State("float32")
    for parameter, _ in PROGRAM.assignments:
        state[parameter] = rng.normal(size=parameter.shape) * 0.1
    data = {PROGRAM.rows[0]: rng.normal(size=(ROWS, WIDTH)).astype(np.float32)}
    made = Native().prepare(PROGRAM, state, threads)
    assert isinstance(made, NativeRunner)
    return made, state, data


def trained(seed: int, threads: int, epochs: int = 3) -> tuple[Any, ...]:
    made, state, data = runner(seed, threads)
    order = np.arange(ROWS)
    sums = [made.steps(data, order, BATCH_SIZE, {})["loss"] for _ in range(epochs)]
    return (*sums, *(state[p].tobytes() for p, _ in PROGRAM.assignments))


def test_several_python_threads_train_at_once_and_each_as_if_alone() -> None:
    alone = [trained(seed, 1) for seed in range(4)]
    found: dict[int, Any] = {}

    def work(seed: int) -> None:
        found[seed] = [trained(seed, 1 + (seed + i) % 3) for i in range(4)]

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert sorted(found) == [0, 1, 2, 3]
    for seed in range(4):
        assert found[seed] == [alone[seed]] * 4


def test_one_runner_used_by_several_python_threads_gives_each_its_own_answer() -> None:
    x, w = Input((BATCH, 40), name="x"), Parameter((40, 30), "w")
    state = State("float64")
    state[w] = np.random.default_rng(0).normal(size=w.shape)
    shared = Native().prepare(Program((x,), {"y": ops.tanh(x @ w)}), state, 2)
    inputs = [np.random.default_rng(i).normal(size=(50 + i, 40)) for i in range(6)]
    expected = [np.tanh(rows @ state[w]) for rows in inputs]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(100):
            y = shared.once({x: inputs[i]})["y"]
            if y.shape != expected[i].shape or not np.allclose(y, expected[i], atol=1e-12):
                wrong.append(i)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert not wrong


def run_alone(function: str) -> None:
    """Runs a function of this file in a new interpreter: other libraries warn when they see a fork."""
    path = Path(__file__)
    code = f"import sys; sys.path.insert(0, {str(path.parent)!r})\nimport {path.stem} as tests\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}tests.{function}()"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def check_forks() -> None:
    made, state, data = runner(1, 2)
    order = np.arange(ROWS)
    made.steps(data, order, BATCH_SIZE, {})  # its threads are there now
    before = dict(state.arrays)
    expected = trained(2, 1)

    def goes_on() -> tuple[Any, ...]:
        sums = made.steps(data, order, BATCH_SIZE, {})["loss"]
        return (sums, *(state[p].tobytes() for p, _ in PROGRAM.assignments))

    children = []
    for _ in range(3):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            same = trained(2, 2) == expected  # a new runner
            answer = goes_on()  # and the parent's
            os.write(write, repr((same, hash(answer))).encode())
            os._exit(0)
        os.close(write)
        children.append((pid, read))
    state.arrays.update(before)
    mine = repr((True, hash(goes_on())))
    for pid, read in children:
        assert os.read(read, 1000).decode() == mine
        assert os.waitpid(pid, 0)[1] == 0


@needs_fork
def test_runners_go_on_in_the_children_of_a_fork_and_in_the_parent() -> None:
    run_alone("check_forks")


def check_one_processor() -> None:
    expected = trained(3, 1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    made, _, _ = runner(3, 1)
    assert Native().prepare(PROGRAM, made.state).threads == 1  # type: ignore[attr-defined]
    for threads in (1, 2, 4):
        assert trained(3, threads) == expected


@needs_affinity
def test_training_works_on_a_single_processor_with_any_number_of_threads() -> None:
    run_alone("check_one_processor")
