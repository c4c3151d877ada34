"""The training loop: a generator of events over the epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chainrule import _native, random
from chainrule.engines.program import Array, Engine, Program, Runner, State
from chainrule.errors import UsageError, unknown_name
from chainrule.families import check
from chainrule.graph import Input, Parameter
from chainrule.optimizers import LBFGS
from chainrule.schedules import Schedule
from chainrule.training.events import BestSoFar, EpochEnd, Event, Progress, Stopped, TrainingStarted
from chainrule.training.lbfgs import Descent
from chainrule.training.step import Step
from chainrule.training.stopping import EarlyStopping, Watch

PROGRESS_SECONDS = 0.05  # between two Progress events, after which a request to stop is heard
AHEAD_EPOCHS = 8  # run in one go at most where nobody looks in between,
AHEAD_ROWS = 1 << 16  # and so many rows altogether: their orders are kept
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
    """How much training a model has had.

    `epochs` and `steps` name the random draws of what comes next; `updates` counts the optimizer's steps since
    it was chosen; `schedule` is what the learning rate remembers of past epochs.
    """

    epochs: int = 0
    steps: int = 0
    updates: int = 0
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
    threads: int | None = None
    stopping: EarlyStopping | None = None
    tolerance: float | None = None
    gradient_tolerance: float | None = None
    held_out: str = "no rows are held out"
    ahead: bool = False  # nobody looks at the model between two epochs
    requests: list[str] = field(default_factory=list)

    @property
    def foreseeable(self) -> bool:
        """Whether nothing that an epoch brings can change the next one, or is to be kept."""
        watched = self.validation is not None or self.stopping is not None
        tolerances = (self.tolerance, self.gradient_tolerance)
        return not watched and tolerances == (None, None) and self.schedule.foreseeable

    @property
    def steps(self) -> int:
        """The number of steps of an epoch."""
        return -(-len(self.training) // self.rows_a_step)

    @property
    def rows_a_step(self) -> int:
        """The rows of a step (the last may have fewer): a batch, or all of them."""
        everything = self.step.recipe.optimizer.full_batch
        rows = len(self.training)
        return rows if everything else min(self.batch_size, rows)

    def check(self) -> None:
        """Say in a sentence what cannot work."""
        check(self, "fit", epochs="whole [1, inf)", batch_size="whole [1, inf)")
        wanted = "[0, inf) or None"
        check(self, "fit", tolerance=wanted, gradient_tolerance=wanted)
        rows = len(self.training)
        if rows == 0:
            raise UsageError("There are no rows to train on.")
        if self.stopping is not None:
            self._check_monitor(self.stopping.monitor)
        smallest = smallest_batch(rows, self.rows_a_step)
        for layer in self.step.network.layers:
            if smallest < layer.minimum_rows and layer.trainable:
                raise UsageError(
                    f"{layer.described} cannot train on a batch of {smallest} row, and {rows} row(s) in batches of "
                    f"{self.batch_size} leave one: choose another batch_size, or give more rows."
                )

    def _check_monitor(self, monitor: str) -> None:
        judged = list(self.step.evaluate.outputs)
        if monitor not in judged and monitor not in [f"val_{name}" for name in judged]:
            known = [*judged, *(f"val_{name}" for name in judged)]
            raise unknown_name("quantity for EarlyStopping to monitor", monitor, known)
        if monitor not in judged and self.validation is None:
            raise UsageError(
                f"EarlyStopping monitors {monitor!r}, but there are no validation rows: give validation_split or "
                "validation_data, or monitor 'loss'."
            )


def smallest_batch(rows: int, batch_size: int) -> int:
    """The number of rows of the last, short batch of an epoch (of every batch where none is short)."""
    return rows % batch_size or min(batch_size, rows)


def train(job: Job) -> Generator[Event, None, None]:
    """Train, one event after another; closing the generator early restores the best weights too.

    Each epoch visits every training row once, in a fresh random order, the last short batch included; a batch of
    all rows takes them as they come. With validation rows, the weights at the end are those of the best epoch;
    without, those of the last whole one.
    """
    job.check()
    begun = time.perf_counter()
    descending = isinstance(job.step.recipe.optimizer, LBFGS)
    judge = None
    if descending or job.validation is not None:
        judge = job.engine.prepare(job.step.evaluate, job.state, job.threads)
    watch = Watch(
        job.stopping or EarlyStopping(), job.step.metrics, may_stop=job.stopping is not None
    )
    watching = job.validation is not None or job.stopping is not None
    last = _snapshot(job)  # weights and optimizer's state after the last whole epoch
    clock = replace(job.clock)  # that belongs to them
    kept: Snapshot | None = None  # the best epoch's weights
    epoch = last_epoch = 0
    previous = math.inf
    reason = "the epoch limit was reached"
    validation_rows = len(job.validation) if job.validation else 0
    yield TrainingStarted(
        0, job.epochs, len(job.training), validation_rows, job.steps, job.held_out
    )
    passes = _descend(job, judge) if descending and judge is not None else _minibatches(job)
    try:
        epoch_begun = time.perf_counter()
        for item in passes:
            if isinstance(item, Progress):
                yield item
                if job.requests:
                    reason = job.requests[0]
                    if epoch == 0 and math.isfinite(item.loss):  # better some training than none
                        last = _snapshot(job)
                    break
                continue
            if isinstance(item, list):  # epochs that are well, with nobody who looks in between
                last, last_epoch, clock = _snapshot(job), epoch + len(item), replace(job.clock)
                seconds = (time.perf_counter() - epoch_begun) / len(item)
                for logs in item:
                    epoch += 1
                    yield EpochEnd(epoch, logs, seconds)
                epoch_begun = time.perf_counter()
                if job.requests:
                    reason = job.requests[0]
                    break
                continue
            epoch, logs = epoch + 1, {k: v for k, v in item.items() if k != "learning_rate"}
            if judge is not None and job.validation is not None:
                logs.update(
                    {f"val_{k}": v for k, v in judged(judge, job.step, job.validation).items()}
                )
            logs.update(item)
            trouble = _trouble(job, epoch, logs["loss"])
            if not trouble:
                # before anyone hears of the epoch, who may want to save a checkpoint
                job.clock.schedule = job.schedule.after_epoch(
                    job.clock.schedule, logs.get("val_loss", logs["loss"])
                )
                last, last_epoch, clock = _snapshot(job), epoch, replace(job.clock)
            else:
                clock = replace(job.clock)  # the epoch is over, though its weights are not kept
            yield EpochEnd(epoch, logs, time.perf_counter() - epoch_begun)
            epoch_begun = time.perf_counter()
            if trouble:
                reason = trouble
                break
            last = _snapshot(job)  # whoever heard of the epoch may have set weights
            if watching and watch.improved(epoch, logs):
                kept = {w.parameter: last[w.parameter] for w in job.step.network.weights}
                yield BestSoFar(epoch, watch.stopping.monitor, logs[watch.stopping.monitor])
            if stop := _reason(job, watch, logs, previous):
                reason = stop
                break
            previous = logs["loss"]
        else:
            reason = job.requests[0] if job.requests else reason
    finally:
        passes.close()
        job.state.put({**last, **(kept or {})})
        vars(job.clock).update(vars(clock))  # an epoch broken off in the end is not counted
    yield Stopped(
        epoch, reason, watch.best_epoch if kept else last_epoch, time.perf_counter() - begun
    )


def _trouble(job: Job, epoch: int, loss: float) -> str | None:
    """What has become infinite or NaN in this epoch, if anything."""
    if not math.isfinite(loss):
        return f"the loss became {loss} in epoch {epoch}: try a smaller learning rate"
    arrays = job.state.arrays
    with np.errstate(all="ignore"):
        for weight in job.step.network.weights:
            flat = arrays[weight.parameter].reshape(-1)
            # a sum of squares takes a fraction of the time, but may overflow
            if not math.isfinite(flat.dot(flat)) and not np.isfinite(flat).all():
                name = weight.parameter.name
                return f"{name} became infinite in epoch {epoch}: try a smaller learning rate"
    return None


def _reason(job: Job, watch: Watch, logs: Mapping[str, float], previous: float) -> str | None:
    """Why to stop after this epoch, if so."""
    if job.requests:
        return job.requests[0]
    if job.tolerance is not None and abs(previous - logs["loss"]) < job.tolerance:
        return f"the loss changed by less than {job.tolerance:g} from one epoch to the next"
    if job.gradient_tolerance is not None and logs["gradient_norm"] < job.gradient_tolerance:
        return f"the norm of the gradient fell below {job.gradient_tolerance:g}"
    return watch.reason()


Means = dict[str, float]


def _minibatches(job: Job) -> Generator[Progress | Means | list[Means], None, None]:
    """For each epoch some Progress events, then the epoch's means.

    Where all that comes is known beforehand and nobody looks, the means of several epochs at once: together
    they take one call of the engine, one look at the weights, one table of scalars.
    """
    runner = job.engine.prepare(job.step.train, job.state, job.threads)
    clock, pace, steps, index = job.clock, Pace(), job.steps, job.training.index
    total = clock.updates + steps * job.epochs
    clock.schedule = clock.schedule or job.schedule.initial()
    ahead = job.ahead and job.foreseeable
    epoch = 0
    while epoch < job.epochs:
        count = pace.epochs(steps, len(index), job.epochs - epoch if ahead else 1)
        orders, table, rates = upcoming(job, job.step.train, total, count)
        if count > 1:
            before, begun = _snapshot(job), time.perf_counter()
            found = runner.epochs(job.training.arrays, orders, job.rows_a_step, table)
            pace.learn(count * steps, time.perf_counter() - begun)
            if _trouble(job, epoch, sum(sums["loss"] for sums in found)):
                job.state.put(before)  # again, one by one, up to where it began
                ahead = False
                continue
        else:
            sums: Sums = {}
            for step, sums in _in_pieces(runner, job, orders[0], table, pace):
                rows = min(step * job.rows_a_step, len(index))
                yield Progress(epoch + 1, step, steps, sums["loss"] / rows)
            found = [sums]
        epoch += count
        clock.steps += count * steps
        clock.updates += count * steps
        clock.epochs += count
        means = [
            {**finished(job.step, sums, len(index)), "learning_rate": rate}
            for sums, rate in zip(found, rates[steps - 1 :: steps].tolist(), strict=True)
        ]
        yield means if count > 1 else means[0]


def upcoming(
    job: Job, program: Program, total: int, epochs: int = 1
) -> tuple[Array, dict[Input, Array], Array]:
    """The next epochs: the rows of each in order, the scalars of their steps, and the steps' learning rates.

    `total` is the number of steps when the training will be over, which some schedules reckon with.
    """
    clock, steps, index = job.clock, job.steps, job.training.index
    orders = np.empty((epochs, len(index)), np.int64)
    for i in range(epochs):
        if steps > 1:
            # random.permutation's rows, several times sooner and without holding the interpreter's lock
            number = int(random.Stream.PERMUTATION)
            drawn = _native.permutation(job.seed, clock.epochs + i, number, len(index))
            np.take(index, drawn, out=orders[i], mode="clip")
        else:
            orders[i] = index  # one batch of all rows is the same in any order
    rates = job.schedule(
        np.arange(clock.updates, clock.updates + epochs * steps, dtype=np.float64),
        steps_per_epoch=steps,
        total_steps=total,
    )
    rates = rates * clock.schedule.get("scale", 1.0)
    table = job.step.table(
        program, rates, updates=clock.updates, seed=job.seed, counter=clock.steps
    )
    return orders, table, rates


@dataclass
class Pace:
    """How many steps are run at once: about as many as fit into PROGRESS_SECONDS."""

    steps: int = 1

    def learn(self, steps: int, seconds: float) -> None:
        """Take in how long some steps took."""
        self.steps = max(1, int(steps * min(PROGRESS_SECONDS / max(seconds, 1e-6), 10.0)))

    def epochs(self, steps: int, rows: int, most: int) -> int:
        """How many epochs of so many steps and rows are run at once, where so many may be."""
        return max(1, min(most, AHEAD_EPOCHS, AHEAD_ROWS // rows, self.steps // steps))


def _in_pieces(
    runner: Runner, job: Job, order: Array, table: Mapping[Input, Array], pace: Pace
) -> Iterator[tuple[int, Sums]]:
    """Run an epoch's steps a piece at a time: the steps done, and the sums over them."""
    sums: Sums = {}
    done, steps = 0, job.steps
    while done < steps:
        begun = time.perf_counter()
        end = min(done + pace.steps, steps)
        sums = runner.steps(job.training.arrays, order, job.rows_a_step, table, done, end, sums)
        pace.learn(end - done, time.perf_counter() - begun)
        done = end
        yield done, sums


def _descend(job: Job, judge: Runner) -> Generator[Progress | dict[str, float], None, None]:
    """L-BFGS: an epoch is one iteration on all training rows."""
    settings = job.step.recipe.optimizer
    assert isinstance(settings, LBFGS)
    program = job.step.gradient
    data = {leaf: array[job.training.index] for leaf, array in job.training.arrays.items()}
    table = job.step.table(program, np.ones(1), updates=0, seed=job.seed, counter=job.clock.steps)
    scalars = {leaf: table[leaf][0] for leaf in program.scalars}
    runner = job.engine.prepare(program, job.state, job.threads)
    descent = Descent(settings, runner, job.state, job.step.trained, data, scalars)
    for epoch, (loss, norm) in enumerate(descent.iterations(job.epochs), 1):
        yield Progress(epoch, 1, 1, loss)
        job.clock.steps += 1
        job.clock.epochs += 1
        yield {**judged(judge, job.step, job.training), "loss": loss, "gradient_norm": norm}
    if descent.message and "LIMIT" not in descent.message.upper():
        job.requests.append(f"L-BFGS stopped: {descent.message.strip().rstrip('.').lower()}")


def _snapshot(job: Job) -> Snapshot:
    """Weights and optimizer's state now; arrays are replaced, never changed, so none is copied."""
    arrays = job.state.arrays
    return {parameter: arrays[parameter] for parameter in job.step.parameters}


def judged(
    runner: Runner, step: Step, rows: Rows, batch_size: int = JUDGING_BATCH
) -> dict[str, float]:
    """Loss and metrics over some rows."""
    at_once = min(batch_size, len(rows))
    return finished(step, runner.steps(rows.arrays, rows.index, at_once, {}), len(rows))


def finished(step: Step, sums: Mapping[str, float], rows: int) -> dict[str, float]:
    """Sums over rows as means, and metrics made of them (the root of a mean square)."""
    means = {name: total / rows for name, total in sums.items()}
    return {n: step.metrics[n].finish(v) if n in step.metrics else v for n, v in means.items()}
