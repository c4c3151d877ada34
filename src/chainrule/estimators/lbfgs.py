"""L-BFGS for an estimator: SciPy's, with loss and slopes from the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.engines.program import Array
from chainrule.estimators.stochastic import Audience
from chainrule.estimators.trainer import Examples, Trainer
from chainrule.training.events import EpochEnd
from chainrule.training.lbfgs import scipy_minimize

STOPPED_BY_CALLBACK = 99  # SciPy's status


@dataclass(frozen=True)
class Found:
    """Where L-BFGS ended, after how many iterations, and whether and why it failed to converge."""

    loss: float
    iterations: int
    trouble: str | None


def minimize(
    trainer: Trainer,
    examples: Examples,
    *,
    alpha: float,
    max_iter: int,
    max_fun: int,
    tol: float,
    told: Callable[[int, float], None] | None = None,
    audience: Audience,
) -> Found:
    """Move the trainer's weights to where the objective of all rows is least.

    `told` hears the number and the loss of each iteration; listeners hear an event, and a sentence they return
    ends it. Kernels come first in the vector, then biases.
    """
    kernels = [kernel.parameter for kernel, _ in trainer.dense]
    parameters = [*kernels, *(bias.parameter for _, bias in trainer.dense)]
    shapes = [trainer.state[p].shape for p in parameters]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    penalised = int(ends[len(kernels) - 1])
    rows = len(examples.y) if examples.weight is None else float(examples.weight.sum())

    def write(x: Array) -> None:
        for parameter, part, shape in zip(parameters, np.split(x, ends[:-1]), shapes, strict=True):
            trainer.state[parameter] = part.reshape(shape)

    def objective(x: Array) -> tuple[float, Array]:
        if audience.broken_off():
            raise KeyboardInterrupt
        write(x)
        total, along_kernels, along_biases = trainer.slopes(examples)
        slope = np.concatenate([np.ravel(g) for g in (*along_kernels, *along_biases)]).astype(float)
        w = x[:penalised]
        slope[:penalised] += alpha * w
        return (total + 0.5 * alpha * float(w @ w)) / rows, slope / rows

    iteration = 0

    def after(intermediate_result: Any) -> None:
        nonlocal iteration
        iteration += 1
        loss = float(intermediate_result.fun)
        if told is not None:
            told(iteration, loss)
        events = [hear(EpochEnd(iteration, {"loss": loss}, 0.0)) for hear in audience.listeners]
        if any(isinstance(reason, str) and reason for reason in events):
            raise StopIteration

    start = np.concatenate([np.ravel(trainer.state[p]) for p in parameters]).astype(float)
    found = scipy_minimize(
        objective,
        start,
        after if told or audience.listeners else None,
        {"maxfun": max_fun, "maxiter": max_iter, "gtol": tol},
    )
    write(found.x)
    asked = found.status == STOPPED_BY_CALLBACK
    trouble = str(found.message) if found.status != 0 and not asked else None
    return Found(float(found.fun), min(int(found.nit), max_iter), trouble)
