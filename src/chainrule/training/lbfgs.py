"""L-BFGS: SciPy's, on the loss and gradients of all training rows.

SciPy calls us back once an iteration and cannot be paused, so it runs in a thread of its own that is held
between iterations while the training loop looks at the result; the two never compute at the same time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from chainrule.engines.program import Array, Runner, State
from chainrule.graph import Input
from chainrule.layers.base import Weight
from chainrule.optimizers import LBFGS

LISTEN_SECONDS = 0.05  # between two chances to hear Ctrl-C: libraries may make waiting deaf to it


def scipy_minimize(
    objective: Callable[[Array], tuple[float, Array]],
    start: Array,
    callback: Callable[..., None] | None,
    options: dict[str, Any],
) -> Any:
    """SciPy's L-BFGS-B: its result, of an objective that returns value and gradient.

    BLAS has one thread meanwhile: its others would wait for work busily on the processors that ours compute on.
    """
    import scipy.optimize
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        return scipy.optimize.minimize(
            objective, start, jac=True, method="L-BFGS-B", callback=callback, options=options
        )


class _Abandoned(Exception):
    """The training loop wants no further iteration."""


class Descent:
    """One L-BFGS run over some weights; `iterations` yields loss and ‖∇L‖ after each iteration."""

    def __init__(
        self,
        settings: LBFGS,
        runner: Runner,
        state: State,
        weights: list[Weight],
        data: dict[Input, Array],
        scalars: dict[Input, Any],
    ) -> None:
        self.settings, self.runner, self.state = settings, runner, state
        self.weights, self.data, self.scalars = weights, data, scalars
        self.message = ""
        self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._stop, self._finished = False, False
        self._loss = self._norm = float("nan")
        self._error: BaseException | None = None

    def iterations(self, limit: int) -> Iterator[tuple[float, float]]:
        """Loss and ‖∇L‖ after each iteration, at most `limit`; `message` says why the last was the last."""
        thread = threading.Thread(target=self._run, args=(limit,), daemon=True)
        thread.start()
        try:
            while True:
                self._go.release()
                while not self._done.acquire(timeout=LISTEN_SECONDS):
                    pass
                if self._error is not None:
                    raise self._error
                if self._finished:
                    return
                yield self._loss, self._norm
        finally:
            self._stop = True
            self._go.release()
            thread.join()

    def _run(self, limit: int) -> None:
        self._go.acquire()
        try:
            if self._stop:
                return
            result = scipy_minimize(
                self._objective,
                self._read(),
                self._after_iteration,
                {
                    "maxiter": limit,
                    "maxfun": self.settings.max_function_evaluations or 15 * limit + 1000,
                    "maxcor": self.settings.memory,
                    "gtol": self.settings.gradient_tolerance,
                    "ftol": self.settings.tolerance,
                },
            )
            self._write(result.x)
            self.message = str(result.message)
        except _Abandoned:
            pass
        except BaseException as error:  # handed to the thread that waits for it
            self._error = error
        self._finished = True
        self._done.release()

    def _objective(self, x: Array) -> tuple[float, Array]:
        if self._stop:  # Ctrl-C, which an iteration of many evaluations should not keep waiting
            raise _Abandoned
        self._write(x)
        found = self.runner.once(self.data, self.scalars)
        parts = [
            np.ravel(found.get(str(w.parameter.name), np.zeros(self.state[w.parameter].shape)))
            for w in self.weights
        ]
        gradient = np.concatenate(parts).astype(np.float64)
        self._norm = float(np.linalg.norm(gradient))  # an iteration ends where it last looked
        return float(found["loss"]), gradient

    def _after_iteration(self, intermediate_result: Any) -> None:
        self._write(intermediate_result.x)
        self._loss = float(intermediate_result.fun)
        self._done.release()
        self._go.acquire()
        if self._stop:
            raise _Abandoned

    def _read(self) -> Array:
        return np.concatenate([np.ravel(self.state[w.parameter]) for w in self.weights]).astype(
            np.float64
        )

    def _write(self, x: Array) -> None:
        start = 0
        for w in self.weights:
            shape = self.state[w.parameter].shape
            size = int(np.prod(shape))
            self.state[w.parameter] = x[start : start + size].reshape(shape)
            start += size
