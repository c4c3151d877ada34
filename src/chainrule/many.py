"""Many networks at once: one network a thread, each trained exactly as it would be alone."""

from __future__ import annotations

import inspect
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import SimpleNamespace
from typing import Any

import numpy as np

from chainrule import _native
from chainrule.errors import ChainruleError, UsageError, unknown_name
from chainrule.families import check
from chainrule.model import History, Model
from chainrule.training import Event, Stopped

DRAIN_SECONDS = 0.05  # between two looks at what the networks have told
BROKEN_OFF = "training was broken off"

SETTINGS = set(inspect.signature(Model.training).parameters) - {"self", "x", "y", "threads"}


class Job:
    """One network to train by `train_many`, with its data and the settings of `fit`.

    ```python
    cr.Job(model, x, y, epochs=20, validation_split=0.1, early_stopping=cr.EarlyStopping(patience=5))
    ```

    Seed, optimizer, learning rate and regularization are the model's own. Functions among `callbacks` hear
    this network's events in the thread that trains it, as in `fit`; they may return a sentence to stop it.
    """

    def __init__(self, model: Model, x: Any, y: Any, **settings: Any) -> None:
        if not isinstance(model, Model):
            raise UsageError(
                f"Job takes a model (cr.Sequential or cr.Model), its x and its y, not {type(model).__name__}."
            )
        _check_settings(settings)
        self.model, self.x, self.y, self.settings = model, x, y, settings


@dataclass(frozen=True)
class NetworkEvent:
    """An event of one of many networks: its place in the list (from 0), its name, what happened."""

    network: int
    name: str
    event: Event


@dataclass(frozen=True)
class Failed(Event):
    """The network could not be trained, or not to the end; `epoch` is 0."""

    error: BaseException


class TrainingFailed(ChainruleError):
    """Some of many networks could not be trained; the others are.

    `errors` has the exception of each place in the list where there was one; `histories` has None there.
    """

    def __init__(self, jobs: Sequence[Job], results: Sequence[History | BaseException]) -> None:
        self.errors = {i: r for i, r in enumerate(results) if isinstance(r, BaseException)}
        self.histories = [None if isinstance(r, BaseException) else r for r in results]
        count, of = len(self.errors), len(results)
        told = "; ".join(
            f"{_name(jobs[i], i)}: {type(e).__name__}: {e}"
            for i, e in list(self.errors.items())[:3]
        )
        rest = f"; and {count - 3} more" if count > 3 else ""
        others = "" if count == of else " The others are trained."
        super().__init__(f"{count} of {of} networks could not be trained.{others} {told}{rest}")


def train_many(
    jobs: Iterable[Job | Model],
    x: Any = None,
    y: Any = None,
    *,
    threads: int | None = None,
    callbacks: Sequence[Callable[[NetworkEvent], str | None]] = (),
    verbose: int = 1,
    return_exceptions: bool = False,
    **settings: Any,
) -> list[History]:
    """Train many networks at once, one a thread; returns the `History` of each, in the order given.

    ```python
    rates = [1e-4, 1e-3, 1e-2]
    histories = cr.train_many([network(rate) for rate in rates], x, y, epochs=20, validation_split=0.1)
    histories = cr.train_many([cr.Job(network(seed), x[seed], y[seed], epochs=20) for seed in range(8)])
    ```

    `jobs` are models, which are trained on `x` and `y`, or `Job`s with data and settings of their own;
    `settings` are those of `fit`, for every network that does not have its own. The networks may have different
    shapes. Each ends up with the same weights, bit for bit, as if it were trained alone. Arrays that networks
    share are not copied for each.

    - `threads`: how many networks are trained at the same time (as many as there are cores; of fewer networks,
      each gets several). Networks are begun in the order given: put those that take longest first.
    - `callbacks`: functions that hear every `NetworkEvent`, in the caller's thread; a sentence that one returns
      stops all networks.
    - `verbose=1` prints a line for each network that is done.

    An error in one network does not stop the others: when all are done, a `TrainingFailed` tells which failed
    and why, and holds the other histories; with `return_exceptions=True` the exceptions are in the list instead.
    Ctrl-C stops all networks; each keeps its best weights so far.
    """
    prepared = _jobs(jobs, x, y, settings)
    listeners = list(callbacks)
    if wrong := [c for c in listeners if not callable(c)]:
        raise UsageError(
            f"{wrong[0]!r} cannot listen to many networks: give functions that take a NetworkEvent; early_stopping "
            "and callbacks of a single network belong to its Job."
        )
    if verbose:
        listeners.append(_printer(len(prepared)))
    pool = _Pool(prepared, threads)
    with closing(pool.events()) as events:
        for event in events:
            for listener in listeners:
                reason = listener(event)
                if isinstance(reason, str) and reason:
                    pool.stop(reason)
    results = pool.results()
    if not return_exceptions and any(isinstance(r, BaseException) for r in results):
        raise TrainingFailed(prepared, results)
    return results


def training_many(
    jobs: Iterable[Job | Model],
    x: Any = None,
    y: Any = None,
    *,
    threads: int | None = None,
    **settings: Any,
) -> Generator[NetworkEvent, None, None]:
    """Train many networks at once, yielding what happens to each as `NetworkEvent`s.

    The arguments are those of `train_many`. A network that fails yields a `Failed` event with the error.
    Whoever stops listening ends the training of all; each keeps its best weights so far.
    """
    return _Pool(_jobs(jobs, x, y, settings), threads).events()


class _Pool:
    """Networks in training, and what they have told so far."""

    def __init__(self, jobs: Sequence[Job], threads: int | None) -> None:
        check(SimpleNamespace(threads=threads), "train_many", threads="whole [1, inf) or None")
        available = _native.default_threads() if threads is None else threads
        self.jobs = jobs
        self.workers = min(available, len(jobs))
        self.threads_each = max(1, available // max(self.workers, 1))
        self._told: deque[NetworkEvent] = deque()  # appending and popping are atomic
        self._done: SimpleQueue[Future[History]] = SimpleQueue()
        self._reason: str | None = None
        self._futures: list[Future[History]] = []
        self._narrowed: dict[int, Any] = {}
        self._lock = threading.Lock()

    def stop(self, reason: str) -> None:
        """Ask all networks to stop; those not begun yet never are."""
        for future in self._futures:  # before the reason is known, which makes room for them
            future.cancel()
        self._reason = self._reason or reason

    def events(self) -> Generator[NetworkEvent, None, None]:
        """Train; what happens, until all are done."""
        if not self.jobs:
            return
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="chainrule-network")
        try:
            for number in range(len(self.jobs)):
                self._futures.append(pool.submit(self._train, number))
                self._futures[-1].add_done_callback(self._done.put)
            pending = len(self.jobs)
            while pending:
                # not concurrent.futures.wait: Ctrl-C in it can leave a lock taken that a network needs
                with suppress(Empty):
                    self._done.get(timeout=DRAIN_SECONDS)
                    pending -= 1
                while self._told:
                    yield self._told.popleft()
        finally:
            self.stop(BROKEN_OFF)
            pool.shutdown(wait=True, cancel_futures=True)

    def results(self) -> list[Any]:
        """Of each network its history, or the exception that ended it."""
        found: list[Any] = []
        for future in self._futures:
            if future.cancelled():
                found.append(History(stopped_because=f"not begun: {self._reason}"))
            else:
                found.append(future.exception() or future.result())
        return found

    def _train(self, number: int) -> History:
        job = self.jobs[number]
        name = _name(job, number)

        def hear(event: Event) -> str | None:
            self._told.append(NetworkEvent(number, name, event))
            return self._reason

        own = job.settings.get("callbacks", ())
        settings = {"ahead": not own, **job.settings, "callbacks": [*own, hear]}
        try:
            return job.model.fit(
                self._narrow(job.x, job.model),
                job.y,
                verbose=0,
                threads=self.threads_each,
                **settings,
            )
        except BaseException as error:
            self._told.append(NetworkEvent(number, name, Failed(0, error)))
            raise

    def _narrow(self, x: Any, model: Model) -> Any:
        """`x` in the model's precision where that is the narrower: once for all networks that share it."""
        if (
            not isinstance(x, np.ndarray)
            or x.dtype != np.float64
            or model.state.dtype != np.float32
        ):
            return x
        with self._lock:
            if id(x) not in self._narrowed:
                with np.errstate(over="ignore"):
                    narrow = x.astype(np.float32)
                # what is refused is refused as it was given, so that the sentence about it is right
                self._narrowed[id(x)] = narrow if np.isfinite(narrow).all() else x
            return self._narrowed[id(x)]


def _jobs(given: Iterable[Job | Model], x: Any, y: Any, settings: dict[str, Any]) -> list[Job]:
    _check_settings(settings)
    if isinstance(given, Model | Job):
        raise UsageError("train_many takes a list of models: give [model], or use model.fit.")
    found = []
    for place, item in enumerate(given):
        if isinstance(item, Job):
            found.append(Job(item.model, item.x, item.y, **{**settings, **item.settings}))
        elif not isinstance(item, Model):
            raise UsageError(
                f"train_many takes models and cr.Job(model, x, y, …), but number {place} is {type(item).__name__}."
            )
        elif x is None or y is None:
            raise UsageError(
                "Models by themselves need data: train_many(models, x, y), or cr.Job(model, x, y) for each."
            )
        else:
            found.append(Job(item, x, y, **settings))
    _check_apart(found)
    return found


def _check_settings(settings: Iterable[str]) -> None:
    for setting in settings:
        if setting == "threads":
            raise UsageError("The networks share the threads: give threads to train_many.")
        if setting not in SETTINGS:
            raise unknown_name("setting of fit", setting, SETTINGS)


def _check_apart(jobs: Sequence[Job]) -> None:
    """Networks trained at the same time may not have weights in common."""
    seen: dict[int, int] = {}
    for number, job in enumerate(jobs):
        for layer in (job.model, *job.model.layers):
            other = seen.setdefault(id(layer), number)
            if other != number:
                what = "are the same model" if layer is job.model else "have layers in common"
                raise UsageError(
                    f"Networks {other} and {number} {what}, and would change each other's weights: train them one "
                    "after the other, or give copy.deepcopy(model)."
                )


def _name(job: Job, number: int) -> str:
    return job.model.name or f"network {number}"


def _printer(count: int) -> Callable[[NetworkEvent], None]:
    """A listener that prints a line for each network that is done."""
    done = 0
    last: dict[int, str] = {}
    write = sys.stdout.write

    def hear(told: NetworkEvent) -> None:
        nonlocal done
        match told.event:
            case Stopped() as end:
                how = f"{end.epoch} epochs in {end.seconds:.2f} s{last.pop(told.network, '')}; {end.reason}"
            case Failed() as end:
                how = f"failed: {type(end.error).__name__}: {end.error}"
            case _:
                if logs := getattr(told.event, "logs", None):
                    shown = {k: v for k, v in logs.items() if k != "learning_rate"}
                    last[told.network] = "".join(f"  {k} {v:.4g}" for k, v in shown.items())
                return
        done += 1
        write(f"{done}/{count}  {told.name}: {how}\n")

    return hear
