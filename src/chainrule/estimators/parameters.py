"""What an estimator's parameters may be, and the bricks they name."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, Options, StrOptions

from chainrule import activations, losses, optimizers, schedules
from chainrule.estimators.descent import Descent
from chainrule.losses import CrossEntropy, Loss
from chainrule.optimizers import Optimizer
from chainrule.schedules import Schedule

OPTIMIZERS = {"sgd", "adam", *optimizers.FAMILY.names()} - {"lbfgs", "l_bfgs"}
RULES = {"constant", "invscaling", "adaptive"}

CONSTRAINTS: dict[str, Any] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(activations.FAMILY.names())), "array-like", callable],
    "solver": [StrOptions({"lbfgs", *OPTIMIZERS}), Optimizer],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({*RULES, *schedules.FAMILY.names()}), Schedule, callable],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose", StrOptions({"progress"})],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [
        Interval(Integral, 1, None, closed="left"),
        Options(Real, {np.inf}),
    ],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    # beyond scikit-learn's
    "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
    "batch_norm": ["boolean"],
    "scoring": [StrOptions({"loss", *get_scorer_names()}), callable, None],
    "callbacks": [list, tuple, None],
    "n_ensemble": [Interval(Integral, 1, None, closed="left")],
    "impute": ["boolean"],
    "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
    "threads": [Interval(Integral, 1, None, closed="left"), None],
}


@cache
def names(estimator: Any) -> tuple[str, ...]:
    """The names of the parameters of a class of estimators."""
    return tuple(BaseEstimator._get_param_names.__func__(estimator))


def hidden_activations(me: Any, hidden: int) -> tuple[Any, ...]:
    """The activation of each hidden layer."""
    given = me.activation
    several = np.iterable(given) and not isinstance(given, str)
    found = tuple(given) if several else (given,) * hidden
    if len(found) != hidden:
        raise ValueError(
            f"activation lists {len(found)} activations for {hidden} hidden layers: give one for each."
        )
    return found


def dropout_rates(me: Any, hidden: int) -> tuple[float, ...]:
    """The dropout rate of each hidden layer."""
    given = me.dropout
    try:
        rates = tuple(float(r) for r in (given if np.iterable(given) else (given,) * hidden))
    except (TypeError, ValueError):
        rates = ()
    if len(rates) != hidden or not all(0 <= r < 1 for r in rates):
        raise ValueError(
            f"dropout is {given!r}: give one rate in [0, 1), or a list of {hidden}, one for each hidden layer."
        )
    return rates if any(rates) else ()


def loss(me: Any) -> Loss:
    """A loss of `chainrule.losses`. The outputs are no logits, whatever it says: they have their activation."""
    found = losses.get(me.loss)
    return replace(found, from_logits=False) if isinstance(found, CrossEntropy) else found


def optimizer(me: Any) -> Optimizer:
    """The optimizer; learning rates come with each epoch."""
    if isinstance(me.solver, Optimizer):
        if me.solver.full_batch:
            raise ValueError(
                f"solver={me.solver!r} needs all rows at once: give solver='lbfgs' with max_iter, max_fun and tol."
            )
        return me.solver
    if me.solver == "sgd":
        nesterov = bool(me.nesterovs_momentum and me.momentum)
        return optimizers.SGD(momentum=float(me.momentum), nesterov=nesterov)
    if me.solver in ("adam", "adamw"):
        adaptive = optimizers.Adam if me.solver == "adam" else optimizers.AdamW
        betas = {"beta_1": float(me.beta_1), "beta_2": float(me.beta_2)}
        return adaptive(**betas, epsilon=float(me.epsilon))
    return optimizers.get("sgd" if me.solver == "lbfgs" else me.solver)


def descent(me: Any) -> Descent:
    """A descent that begins, with the learning rates asked for."""
    rate, rule, rest = me.learning_rate_init, me.learning_rate, optimizer(me)
    if isinstance(rule, str) and rule in RULES:
        if isinstance(me.solver, Optimizer):
            return Descent(rest, rate, me.solver.schedule)
        return Descent(rest, rate, rule if me.solver == "sgd" else "constant", me.power_t)
    return Descent(
        rest,
        rate,
        schedules.named(rule, rate) if isinstance(rule, str) else schedules.get(rule),
    )
