"""The training loop: a generator of events over the epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule import random
from chainrule.engines.program import Array, Engine, Runner, State
from chainrule.errors import UsageError
from chainrule.graph import Input, Parameter
from chainrule.measures import Measure
from chainrule.optimizers import LBFGS
from chainrule.schedules import Schedule
from chainrule.training.events import BestSoFar, EpochEnd, Event, Progress, Stopped, TrainingStarted
from chainrule.training.lbfgs import Descent
from chainrule.training.step import Step
from chainrule.training.stopping import EarlyStopping, Watch

PROGRESS_SECONDS = 0.1  # between two Progress events
JUDGING_BATCH = 1024

Snapshot = dict[Parameter, Array]
Sums = dict[str, float]


@dataclass(frozen=True)
class Rows:
    """Some rows of some arrays: what to train on, or to judge by."""

    arrays: Mapping[Input, Array]
    index: Array

    def __len__(self) -> int:
        return len(self.index)


@dataclass
class Clock:
    """How much training a model has had: names the random draws of what comes next."""

    epochs: int = 0
    steps: int = 0
    schedule: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """All that one call of `train` needs; a sentence put into `requests` stops it."""

    step: Step
    engine: Engine
    state: State
    schedule: Schedule
    training: Rows
    validation: Rows | None
    epochs: int
    batch_size: int
    seed: int
    clock: Clock
    stopping: EarlyStopping | None = None
    tolerance: float | None = None
    gradient_tolerance: float | None = None
    held_out: str = "no rows are held out"
    requests: list[str] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """The number of steps of an epoch."""
        return -(-len(self.training) // self.batch_size)

    def check(self) -> None:
        """Say in a sentence what cannot work."""
        if self.batch_size < 1:
            raise UsageError(f"batch_size must be at least 1, not {self.batch_size}.")
        if self.epochs < 1:
            raise UsageError(f"epochs must be at least 1, not {self.epochs}.")
        if len(self.training) == 0:
            raise UsageError("There are no rows to train on.")
        if self.stopping and self.stopping.monitor.startswith("val_") and self.validation is None:
            raise UsageError(
                f"EarlyStopping monitors {self.stopping.monitor!r}, but there are no validation rows: give "
                "validation_split or validation_data, or monitor 'loss'."
            )
        smallest = smallest_batch(len(self.training), self.batch_size)
        for layer in self.step.network.layers:
            if smallest < layer.minimum_rows and layer.trainable:
                raise UsageError(
                    f"{layer.described} cannot train on a batch of {smallest} row, and {len(self.training)} rows in "
                    f"batches of {self.batch_size} leave one: choose another batch_size."
                )


def smallest_batch(rows: int, batch_size: int) -> int:
    """The number of rows of the last, short batch of an epoch (of every batch where none is short)."""
    return rows % batch_size or min(batch_size, rows)


def train(job: Job) -> Iterator[Event]:
    """Train, one event after another; closing the generator early restores the best weights too.

    Each epoch visits every training row once, in a fresh random order, the last short batch included. With
    validation rows, the weights at the end are those of the best epoch.
    """
    job.check()
    begun = time.perf_counter()
    judge = job.engine.prepare(job.step.evaluate, job.state)
    watch = Watch(job.stopping or EarlyStopping(), may_stop=job.stopping is not None)
    watching = job.validation is not None or job.stopping is not None
    before = last = _snapshot(job)
    kept: Snapshot | None = None  # the best epoch's weights
    epoch = last_epoch = 0
    previous = math.inf
    reason = "the epoch limit was reached"
    validation_rows = len(job.validation) if job.validation else 0
    yield TrainingStarted(
        0, job.epochs, len(job.training), validation_rows, job.steps, job.held_out
    )
    passes = (
        _descend(job, judge) if isinstance(job.step.recipe.optimizer, LBFGS) else _minibatches(job)
    )
    try:
        epoch_begun = time.perf_counter()
        for item in passes:
            if isinstance(item, Progress):
                yield item
                if job.requests:
                    reason = job.requests[0]
                    if epoch == 0:  # better some training than none
                        last = _snapshot(job)
                    break
                continue
            epoch, logs = epoch + 1, {k: v for k, v in item.items() if k != "learning_rate"}
            if job.validation is not None:
                logs.update(
                    {f"val_{k}": v for k, v in judged(judge, job.step, job.validation).items()}
                )
            logs.update(item)
            yield EpochEnd(epoch, logs, time.perf_counter() - epoch_begun)
            epoch_begun = time.perf_counter()
            if not math.isfinite(logs["loss"]):
                reason = (
                    f"the loss became {logs['loss']} in epoch {epoch}: try a smaller learning rate"
                )
                break
            last, last_epoch = _snapshot(job), epoch
            if watching and watch.improved(epoch, logs):
                kept = last
                yield BestSoFar(epoch, watch.stopping.monitor, logs[watch.stopping.monitor])
            if stop := _reason(job, watch, logs, previous):
                reason = stop
                break
            previous = logs["loss"]
            job.clock.schedule = job.schedule.after_epoch(
                job.clock.schedule, logs.get("val_loss", logs["loss"])
            )
        else:
            reason = job.requests[0] if job.requests else reason
    finally:
        passes.close()
        job.state.arrays.update(kept or last or before)
    yield Stopped(
        epoch, reason, watch.best_epoch if kept else last_epoch, time.perf_counter() - begun
    )


def _reason(job: Job, watch: Watch, logs: Mapping[str, float], previous: float) -> str | None:
    """Why to stop after this epoch, if so."""
    if job.requests:
        return job.requests[0]
    if job.tolerance is not None and abs(previous - logs["loss"]) < job.tolerance:
        return f"the loss changed by less than {job.tolerance:g} from one epoch to the next"
    if job.gradient_tolerance is not None and logs["gradient_norm"] < job.gradient_tolerance:
        return f"the norm of the gradient fell below {job.gradient_tolerance:g}"
    return watch.reason()


def _minibatches(job: Job) -> Generator[Progress | dict[str, float], None, None]:
    """For each epoch some Progress events, then the epoch's means."""
    runner = job.engine.prepare(job.step.train, job.state)
    first_step = job.clock.steps
    job.clock.schedule = job.clock.schedule or job.schedule.initial()
    for epoch in range(1, job.epochs + 1):
        permutation = random.permutation(
            job.seed, job.clock.epochs, random.Stream.PERMUTATION, len(job.training)
        )
        order = job.training.index[permutation]
        since = np.arange(job.clock.steps - first_step, job.clock.steps - first_step + job.steps)
        rates = job.schedule(
            since.astype(np.float64), steps_per_epoch=job.steps, total_steps=job.steps * job.epochs
        )
        rates = rates * job.clock.schedule.get("scale", 1.0)
        table = job.step.table(job.step.train, job.seed, job.clock.steps, rates)
        sums: Sums = {}
        for done, sums in _in_pieces(runner, job, order, table):
            rows = min(done * job.batch_size, len(order))
            yield Progress(epoch, done, job.steps, sums["loss"] / rows)
        job.clock.steps += job.steps
        job.clock.epochs += 1
        yield {**finished(job.step, sums, len(order)), "learning_rate": float(rates[-1])}


def _in_pieces(
    runner: Runner, job: Job, order: Array, table: Mapping[Input, Array]
) -> Iterator[tuple[int, Sums]]:
    """Run an epoch's steps a piece at a time, each of about PROGRESS_SECONDS; the sums so far."""
    sums: Sums = {}
    done, piece = 0, 1
    while done < job.steps:
        begun = time.perf_counter()
        end = min(done + piece, job.steps)
        for name, value in runner.steps(
            job.training.arrays, order, job.batch_size, table, done, end
        ).items():
            sums[name] = sums.get(name, 0.0) + value
        seconds = max(time.perf_counter() - begun, 1e-6)
        piece = max(1, int((end - done) * min(PROGRESS_SECONDS / seconds, 10.0)))
        done = end
        yield done, sums


def _descend(job: Job, judge: Runner) -> Generator[Progress | dict[str, float], None, None]:
    """L-BFGS: an epoch is one iteration on all training rows."""
    settings = job.step.recipe.optimizer
    assert isinstance(settings, LBFGS)
    program = job.step.gradient
    data = {leaf: array[job.training.index] for leaf, array in job.training.arrays.items()}
    table = job.step.table(program, job.seed, 0, np.ones(1))
    scalars = {leaf: table[leaf][0] for leaf in program.scalars}
    runner = job.engine.prepare(program, job.state)
    descent = Descent(settings, runner, job.state, job.step.trained, data, scalars)
    for epoch, loss in enumerate(descent.iterations(job.epochs), 1):
        yield Progress(epoch, 1, 1, loss)
        job.clock.steps += 1
        job.clock.epochs += 1
        yield {**judged(judge, job.step, job.training), "loss": loss}
    if descent.message and "LIMIT" not in descent.message.upper():
        job.requests.append(f"L-BFGS stopped: {descent.message.strip().rstrip('.').lower()}")


def _snapshot(job: Job) -> Snapshot:
    """The network's weights now; arrays are replaced, never changed, so none is copied."""
    return {w.parameter: job.state[w.parameter] for w in job.step.network.weights}


def judged(
    runner: Runner, step: Step, rows: Rows, batch_size: int = JUDGING_BATCH
) -> dict[str, float]:
    """Loss and metrics over some rows."""
    return finished(step, runner.steps(rows.arrays, rows.index, batch_size, {}), len(rows))


def finished(step: Step, sums: Mapping[str, float], rows: int) -> dict[str, float]:
    """Sums over rows as means, and metrics made of them (the root of a mean square)."""
    measures: dict[str, Measure] = {}
    names = step.network.output_names
    for output, metrics in zip(names, step.recipe.metrics, strict=True):
        prefix = f"{output}_" if len(names) > 1 else ""
        measures.update((prefix + name, measure) for name, measure in metrics)
    means = {name: total / rows if rows else math.nan for name, total in sums.items()}
    return {name: measures[name].finish(v) if name in measures else v for name, v in means.items()}
