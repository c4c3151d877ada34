"""Gradient descent on a user's own function, with its path and the reason why it stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule import optimizers
from chainrule.backprop import gradients
from chainrule.engines.program import Array, Program, Runner, State
from chainrule.engines.reference import Reference
from chainrule.errors import ShapeError, UsageError
from chainrule.families import check
from chainrule.functions import grad, hessian
from chainrule.graph import Input, Parameter, Value, shape_text
from chainrule.optimizers import LBFGS, SGD, Optimizer

_USUAL = SGD(0.1)


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where a descent ended, and how it came there.

    `path` has shape (steps + 1, *x.shape), `values` and `gradient_norms` (steps + 1,): entry k
    belongs to the point after k steps. `x`, `value` and `gradient` are those of the last point;
    where f left the finite numbers, those of the lowest point before that. `converged` tells a
    tolerance that was met from a limit that was reached.
    """

    x: Array
    value: float
    gradient: Array
    steps: int
    path: Array = field(repr=False)
    values: Array = field(repr=False)
    gradient_norms: Array = field(repr=False)
    stopped_because: str
    converged: bool
    gradients: Array | None = field(default=None, repr=False)
    critical_point: CriticalPoint | None = None


@dataclass(frozen=True, eq=False)
class CriticalPoint:
    """What kind of point a gradient of 0 belongs to, told from the Hessian's eigenvalues (in order).

    `kind` is "minimum" (all positive), "maximum" (all negative), "saddle" (both), "degenerate" (some are
    0, so that second derivatives do not decide) or "none" (the gradient is not 0).
    """

    kind: str
    eigenvalues: Array
    gradient_norm: float

    @property
    def words(self) -> str:
        """The kind and the eigenvalues in a sentence."""
        shown = ", ".join(f"{value:.4g}" for value in self.eigenvalues[:6]).replace("-", "−")
        more = ", …" if len(self.eigenvalues) > 6 else ""
        if self.kind == "none":
            return f"no critical point: ‖∇f‖ = {self.gradient_norm:.3g}"
        why = {
            "minimum": "all positive",
            "maximum": "all negative",
            "saddle": "of both signs",
            "degenerate": "some of them 0",
        }[self.kind]
        return f"{self.kind}: eigenvalues of the Hessian {shown}{more}, {why}"


def critical_point(f: Callable[[Value], Value], x: Any, tolerance: float = 1e-3) -> CriticalPoint:
    """What kind of point `x` is for `f`; its gradient counts as 0 up to `tolerance` · max(1, ‖H‖).

    >>> critical_point(lambda v: v[0] ** 2 - v[1] ** 2, [0.0, 0.0]).kind
    'saddle'
    """
    at = np.array(x, dtype=np.float64)
    size = max(at.size, 1)
    slope = np.asarray(grad(f)(at)).reshape(size)
    curvature = np.asarray(hessian(f)(at)).reshape(size, size)
    eigenvalues = np.linalg.eigvalsh((curvature + curvature.T) / 2)
    norm = float(np.linalg.norm(slope))
    largest = float(np.abs(eigenvalues).max())
    if not norm <= tolerance * max(1.0, largest):
        return CriticalPoint("none", eigenvalues, norm)
    zero = 1e-7 * max(1.0, largest)
    if np.any(np.abs(eigenvalues) <= zero):
        both = eigenvalues.min() < -zero and eigenvalues.max() > zero
        return CriticalPoint("saddle" if both else "degenerate", eigenvalues, norm)
    if eigenvalues.min() > 0:
        return CriticalPoint("minimum", eigenvalues, norm)
    return CriticalPoint("maximum" if eigenvalues.max() < 0 else "saddle", eigenvalues, norm)


def minimize(
    f: Callable[[Value], Value],
    x0: Any,
    *,
    optimizer: Any = _USUAL,
    tolerance: float | None = None,
    gradient_tolerance: float | None = None,
    max_steps: int = 1000,
    record: bool = False,
) -> Minimum:
    """Follow the gradient of `f` downhill from `x0`, in float64.

    `f` is written with operators or `chainrule.ops` on one value of x0's shape and returns a single
    number. The descent ends where |f(xₖ) − f(xₖ₋₁)| < `tolerance`, where ‖∇f(xₖ)‖ <
    `gradient_tolerance`, after `max_steps` steps, or where f is no longer finite; `stopped_because`
    says which. With `record`, the result also has the gradient at every point of the path, and says what
    kind of point the last one is.

    >>> found = minimize(lambda x: (x - 3.0) ** 2, 0.0, gradient_tolerance=1e-6)
    >>> round(float(found.x), 6), found.converged
    (3.0, True)

    Errors: `ShapeError` where f returns more than one number, `UsageError` where f is no function
    of x, and where x0 or f(x0) is not finite.
    """
    rules = _Rules(tolerance, gradient_tolerance, max_steps)
    chosen = optimizers.get(optimizer)
    problem = _problem(f, x0)
    if isinstance(chosen, LBFGS):
        path, reason, converged = _lbfgs(problem, chosen, rules)
    else:
        path, reason, converged = _descent(problem, chosen, rules)
    last = path[-1] if path[-1].finite else min(path[:-1], key=lambda point: point.value)
    return Minimum(
        x=last.x,
        value=last.value,
        gradient=last.gradient,
        steps=len(path) - 1,
        path=np.array([point.x for point in path]),
        values=np.array([point.value for point in path]),
        gradient_norms=np.array([point.norm for point in path]),
        stopped_because=reason,
        converged=converged,
        gradients=np.array([point.gradient for point in path]) if record else None,
        critical_point=critical_point(f, last.x) if record and last.finite else None,
    )


@dataclass(frozen=True)
class _Problem:
    """A function as a graph, and where to start."""

    x: Parameter
    value: Value
    gradient: Value
    start: Array


@dataclass(frozen=True)
class _Point:
    """One point of the path."""

    x: Array
    value: float
    gradient: Array

    @property
    def norm(self) -> float:
        """‖∇f‖, the root of the sum of squares."""
        with np.errstate(over="ignore"):
            return float(np.linalg.norm(self.gradient))

    @property
    def finite(self) -> bool:
        """Whether the function and its gradient are numbers here."""
        return bool(np.isfinite(self.value) and np.isfinite(self.gradient).all())


@dataclass(frozen=True)
class _Rules:
    """When to stop."""

    tolerance: float | None
    gradient_tolerance: float | None
    max_steps: int

    def __post_init__(self) -> None:
        expected = "[0, inf) or None"
        check(self, "minimize", tolerance=expected, gradient_tolerance=expected)
        check(self, "minimize", max_steps="whole [0, inf)")

    def verdict(self, path: list[_Point]) -> tuple[str, bool] | None:
        """Why to stop after this path, and whether that is convergence; None to go on."""
        here = path[-1]
        if not here.finite:
            if len(path) == 1:
                raise UsageError(
                    f"f(x0) is {here.value:g} with gradient norm {here.norm:g}: "
                    "start where f and its gradient are finite."
                )
            broken = not np.isfinite(here.value)
            what = f"f became {here.value:g}" if broken else f"‖∇f‖ became {here.norm:g}"
            return f"{what} in step {len(path) - 1}: try a smaller learning rate", False
        if self.gradient_tolerance is not None and here.norm < self.gradient_tolerance:
            return f"‖∇f‖ = {here.norm:.3g} is below {self.gradient_tolerance:g}", True
        if self.tolerance is not None and len(path) > 1:
            change = abs(here.value - path[-2].value)
            if change < self.tolerance:
                return f"f changed by {change:.3g}, less than {self.tolerance:g}, in a step", True
        if len(path) > self.max_steps:
            return f"the limit of {self.max_steps} steps was reached", False
        return None


def _problem(f: Callable[[Value], Value], x0: Any) -> _Problem:
    try:
        start = np.array(x0, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"The start x0 must be a number or an array of numbers: {error}."
        ) from error
    if not np.isfinite(start).all():
        raise UsageError("The start x0 holds NaN or infinity: give finite numbers.")
    if not callable(f):
        raise UsageError(f"f is {f!r}, expected a function of one value.")
    x = Parameter(start.shape, "x")
    try:
        value = f(x)
    except TypeError as error:
        raise UsageError(
            f"f cannot be computed with a value of shape {shape_text(x.shape)}: {error}. "
            "Write it with operators and chainrule.ops, as a function of one value."
        ) from error
    if not isinstance(value, Value):
        raise UsageError(
            f"f returned {type(value).__name__}: it must return a value made from x with operators "
            "or chainrule.ops."
        )
    if value.shape != ():
        raise ShapeError(
            f"f returned a value of shape {shape_text(value.shape)}: only a single number has a "
            "minimum. Sum it, or take its mean."
        )
    (gradient,) = gradients(value, [x])
    if gradient is None:
        raise UsageError("f does not depend on x by operations that have a gradient.")
    return _Problem(x, value, gradient, start)


def _descent(
    problem: _Problem, optimizer: Optimizer, rules: _Rules
) -> tuple[list[_Point], str, bool]:
    """Step by step with an optimizer's rule, which is part of the graph."""
    x, state = problem.x, State("float64")
    state[x] = problem.start
    slots = {name: Parameter(x.shape, f"x/{name}") for name in optimizer.slots()}
    for name, first in optimizer.slots().items():
        state[slots[name]] = np.full(problem.start.shape, first)
    schedule, kept = optimizer.schedule, optimizer.schedule.initial()
    length = max(rules.max_steps, 1)
    one = np.ones(1)
    scalars = {name: Input((), name=name) for name in optimizer.scalars(one, one)}
    (clipped,) = optimizer.clip([problem.gradient])
    new, updated = optimizer.update(x, clipped, dict(slots), dict(scalars))
    program = Program(
        rows=(),
        outputs={"value": problem.value, "gradient": problem.gradient},
        scalars=tuple(scalars.values()),
        assignments=((x, new), *((slots[name], value) for name, value in updated.items())),
    )
    runner = Reference().prepare(program, state)
    path: list[_Point] = []
    while True:
        step = np.array([float(len(path))])
        rate = schedule(step, steps_per_epoch=1, total_steps=length) * kept.get("scale", 1.0)
        columns = optimizer.scalars(rate, step + 1.0)
        before = state[x]
        found = runner.once({}, {scalars[name]: column[0] for name, column in columns.items()})
        path.append(_Point(before, float(found["value"]), np.array(found["gradient"])))
        if stop := rules.verdict(path):
            return path, *stop
        kept = schedule.after_epoch(kept, path[-1].value)


def _lbfgs(problem: _Problem, settings: LBFGS, rules: _Rules) -> tuple[list[_Point], str, bool]:
    """SciPy's L-BFGS, held to the same rules; its own tolerances are the optimizer's."""
    from scipy.optimize import minimize as scipy_minimize

    state = State("float64")
    outputs = {"value": problem.value, "gradient": problem.gradient}
    runner = Reference().prepare(Program(rows=(), outputs=outputs), state)
    path = [_evaluated(problem.start, problem, runner, state)]
    if stop := rules.verdict(path):
        return path, *stop

    def objective(flat: Array) -> tuple[float, Array]:
        point = _evaluated(flat, problem, runner, state)
        return point.value, point.gradient.ravel()

    def after_iteration(intermediate_result: Any) -> None:
        path.append(_evaluated(intermediate_result.x, problem, runner, state))
        if rules.verdict(path):
            raise StopIteration

    result = scipy_minimize(
        objective,
        problem.start.ravel(),
        jac=True,
        method="L-BFGS-B",
        callback=after_iteration,
        options={
            "maxcor": settings.memory,
            "ftol": settings.tolerance,
            "gtol": settings.gradient_tolerance,
            "maxiter": rules.max_steps + 1,
            "maxfun": settings.max_function_evaluations or 15 * rules.max_steps + 1000,
        },
    )
    if stop := rules.verdict(path):
        return path, *stop
    return path, f"L-BFGS ended: {result.message}", bool(result.success)


def _evaluated(flat: Array, problem: _Problem, runner: Runner, state: State) -> _Point:
    state[problem.x] = flat.reshape(problem.start.shape)
    found = runner.once({})
    return _Point(state[problem.x], float(found["value"]), np.array(found["gradient"]))
