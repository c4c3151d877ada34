"""Epochs of a stochastic solver, and when they end."""

from __future__ import annotations

import copy
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring

from chainrule import _native
from chainrule.engines.program import Array
from chainrule.estimators.trainer import Examples, Trainer
from chainrule.training.events import BestSoFar, EpochEnd, Event, Listener, Stopped, TrainingStarted
from chainrule.training.loop import Pace


@dataclass(frozen=True)
class Held:
    """Examples that are not trained on, with their targets as they were given."""

    examples: Examples
    y: Any


@dataclass(frozen=True)
class Audience:
    """Who hears of a training, and whether it is to be broken off."""

    listeners: tuple[Listener, ...] = ()
    broken_off: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Run:
    """One training of an estimator by a stochastic solver."""

    estimator: Any
    trainer: Trainer
    examples: Examples
    order: Array  # the rows to train on
    held: Held | None
    batch_size: int
    incremental: bool
    audience: Audience = Audience()

    def train(self) -> None:
        """Epoch after epoch, until nothing improves any more or the limit is reached."""
        me, rows = self.estimator, len(self.order)
        steps = -(-rows // self.batch_size)
        tell, pace = Teller(me), Pace()
        mixed = np.arange(rows)
        begun = time.perf_counter()
        held = len(self.held.examples.y) if self.held else 0
        me.n_iter_ = 0
        reason = self._heard(
            TrainingStarted(0, me.max_iter, rows, held, steps, _held_out(self.held, me))
        )
        while not reason and me.n_iter_ < me.max_iter:
            if self.audience.broken_off():
                raise KeyboardInterrupt
            epoch_begun = time.perf_counter()
            orders = np.empty((self._foreseen(pace, steps), rows), np.int64)
            for i in range(len(orders)):
                if me.shuffle:
                    shuffle(me._random_state, mixed)
                np.take(self.order, mixed, out=orders[i], mode="clip")
            rates = me._optimizer.rates(steps, me.max_iter, len(orders))
            losses = self.trainer.epochs(
                self.examples,
                orders,
                self.batch_size,
                rates,
                updates=me._optimizer.updates,
                seed=getattr(me, "_seed", 0),
            )
            pace.learn(steps * len(orders), time.perf_counter() - epoch_begun)
            for me.loss_ in losses:
                me._optimizer.updates += steps
                me.n_iter_ += 1
                me.t_ += rows
                me.loss_curve_.append(me.loss_)
                logs = {"loss": me.loss_, **self._judged()}
                tell.epoch(me.n_iter_, logs)
                better = self._count_improvements(logs)
                me._optimizer.epoch_ends(me.t_, logs.get("val_loss", me.loss_))
            if self.audience.listeners:
                logs["learning_rate"] = float(rates[-1])
                seconds = time.perf_counter() - epoch_begun
                reason = self._heard(EpochEnd(me.n_iter_, logs, seconds))
                if better:
                    which = "val_score" if me.early_stopping else "loss"
                    reason = self._heard(BestSoFar(me.n_iter_, which, logs[which])) or reason
            reason = reason or self._standstill(tell)
            if self.incremental:
                break
            if me.n_iter_ == me.max_iter and not reason:
                reason = "the epoch limit was reached"
                warnings.warn(
                    f"Stochastic Optimizer: Maximum iterations ({me.max_iter}) reached and the optimization "
                    "hasn't converged yet.",
                    ConvergenceWarning,
                    stacklevel=6,
                )
        tell.end()
        best = me.n_iter_
        if me.early_stopping and me.validation_scores_:
            best = int(np.nanargmax([-np.inf, *me.validation_scores_]))
        self._heard(Stopped(me.n_iter_, reason or "", best, time.perf_counter() - begun))

    def _foreseen(self, pace: Pace, steps: int) -> int:
        """How many epochs can be run in one go: what an earlier one brings cannot change or end the later ones."""
        me = self.estimator
        if self.held is not None or self.incremental or self.audience.listeners:
            return 1
        if not me._optimizer.foreseeable or hasattr(self.examples.x, "toarray"):
            return 1
        patience = me.n_iter_no_change + 1 - me._no_improvement_count
        return pace.epochs(steps, len(self.order), min(patience, me.max_iter - me.n_iter_))

    def _heard(self, event: Event) -> str | None:
        reasons = [listener(event) for listener in self.audience.listeners]
        return next((r for r in reasons if isinstance(r, str) and r), None)

    def _judged(self) -> dict[str, float]:
        """Loss and score of the held-out rows."""
        if self.held is None:
            return {}
        me, held = self.estimator, self.held.examples
        loss = self.trainer.loss(held)
        if me.scoring is None:
            score = me._judge(held, self.trainer.predict(held.x))
        elif me.scoring == "loss":
            score = -loss
        else:
            me._take(self.trainer)
            seen = copy.copy(me)  # as an estimator of arrays without names
            seen.__dict__.pop("feature_names_in_", None)
            seen.__dict__.update(_preparation=None, n_features_in_=held.x.shape[1])
            score = float(check_scoring(seen, me.scoring)(seen, held.x, self.held.y))
        me.validation_scores_.append(score)
        me.validation_loss_curve_.append(loss)
        return {"val_loss": loss, "val_score": score}

    def _count_improvements(self, logs: dict[str, float]) -> bool:
        """Count epochs that do not better the best by `tol`; keep the weights of the best score."""
        me = self.estimator
        if me.early_stopping:
            score = logs["val_score"]
            worse = score < me.best_validation_score_ + me.tol
            better = score > me.best_validation_score_
            if better:
                me.best_validation_score_ = score
                me._keep_best(self.trainer)
        else:
            worse = me.loss_ > me.best_loss_ - me.tol
            better = me.loss_ < me.best_loss_
            if better:
                me.best_loss_ = me.loss_
        me._no_improvement_count = me._no_improvement_count + 1 if worse else 0
        return bool(better)

    def _standstill(self, tell: Teller) -> str | None:
        """What happens when there was no improvement for too long: a smaller rate, or the end."""
        me = self.estimator
        if me._no_improvement_count <= me.n_iter_no_change:
            return None
        what = "Validation score" if me.early_stopping else "Training loss"
        reason = f"{what} did not improve more than tol={me.tol:f} for {me.n_iter_no_change} consecutive epochs"
        stops, what_follows = me._optimizer.stands_still()
        tell.line(f"{reason}. {what_follows}")
        if stops:
            return reason
        me._no_improvement_count = 0
        return None


def shuffle(random_state: np.random.RandomState, rows: Array) -> None:
    """What `random_state.shuffle(rows)` does, in half the time and without the interpreter's lock."""
    generator = getattr(random_state, "_bit_generator", None)  # no public name leads to it
    if generator is None:
        random_state.shuffle(rows)
        return
    with generator.lock:
        _native.shuffle(generator.capsule, rows)


class Teller:
    """What an estimator says while it trains: a line an epoch, or one that is written anew each time."""

    def __init__(self, estimator: Any) -> None:
        self.verbose, self.limit = estimator.verbose, estimator.max_iter
        self._begun, self._told = time.perf_counter(), 0.0

    def epoch(self, number: int, logs: dict[str, float]) -> None:
        """Tell of an epoch."""
        if not self.verbose:
            return
        if self.verbose != "progress":
            self.line(f"Iteration {number}, loss = {logs['loss']:.8f}")
            if "val_score" in logs:
                self.line(f"Validation score: {logs['val_score']:f}")
            return
        now = time.perf_counter()
        if now - self._told > 0.1 or number == self.limit:
            self._told = now
            left = (now - self._begun) / number * (self.limit - number)
            numbers = "  ".join(f"{name} {value:.4g}" for name, value in logs.items())
            sys.stderr.write(
                f"\r\x1b[KEpoch {number}/{self.limit}  {numbers}  at most {left:.0f} s left"
            )
            sys.stderr.flush()

    def line(self, text: str) -> None:
        """Tell something."""
        if self.verbose and self.verbose != "progress":
            sys.stdout.write(text + "\n")

    def end(self) -> None:
        """Leave the progress line."""
        if self.verbose == "progress":
            sys.stderr.write("\n")


def _held_out(held: Held | None, estimator: Any) -> str:
    if held is None:
        return "no rows are held out"
    return f"{len(held.examples.y)} rows held out to judge by"
