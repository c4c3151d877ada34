"""Several networks that differ in their random draws alone, trained side by side and averaged."""

from __future__ import annotations

import copy
import sys
import threading
import warnings
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from chainrule.engines.program import Array
from chainrule.estimators import workers
from chainrule.estimators.stochastic import Audience, Teller
from chainrule.training.events import Event, Listener

SHARED = (
    "classes_",
    "_label_binarizer",
    "n_outputs_",
    "out_activation_",
    "n_layers_",
    "n_features_in_",
    "feature_names_in_",
)
STOCHASTIC = {"_optimizer", "_no_improvement_count"}  # left by a solver that members may not use


def fit(
    whole: Any, X: Any, y: Any, sample_weight: Any, validation_data: Any, *, incremental: bool
) -> None:
    """Fit the members of an ensemble, one thread each; they are kept as `estimators_`.

    Callbacks hear one event at a time, in the thread of the network that it is about. Ctrl-C ends the training of
    all; those that had begun are kept.
    """
    members = _members(whole, going_on=whole.warm_start or incremental)
    known = {
        name: getattr(whole, name)
        for name in ("classes_", "_label_binarizer")
        if incremental and hasattr(whole, name)
    }

    before = [member for member in members if getattr(member, "n_iter_", 0)]
    one_at_a_time, broken_off = threading.Lock(), threading.Event()

    def listener(network: int, callback: Listener) -> Listener:
        def hear(event: Event) -> str | None:
            with one_at_a_time:
                return callback(replace(event, network=network))

        return hear

    def train(network: int) -> Any:
        member = members[network]
        member.__dict__.update(known)
        listeners = tuple(listener(network, callback) for callback in whole.callbacks or ())
        member._fit(
            *(X, y, sample_weight),
            incremental=incremental,
            validation_data=validation_data,
            audience=Audience(listeners, broken_off.is_set),
        )
        return member

    networks = workers.each(train, range(len(members)), whole.threads, broken_off.set)
    try:
        with closing(networks) as trained:  # nobody trains any more when this is over
            for number, member in enumerate(trained, start=1):
                _tell(whole, number, member)
    except KeyboardInterrupt:
        members = [m for m in members if m in before or getattr(m, "n_iter_", 0) > 0]
        if not members or whole.solver == "lbfgs":  # which has no weights before its end
            raise
        warnings.warn(
            f"Training interrupted by user: {len(members)} of {whole.n_ensemble} networks have been trained for an "
            "epoch or more.",
            stacklevel=5,
        )
    _forget(whole, members[0])
    whole.estimators_ = members
    first = vars(members[0])
    whole.__dict__.update({name: first[name] for name in SHARED if name in first})
    whole.loss_ = float(np.mean([member.loss_ for member in members]))
    whole.n_iter_ = max(member.n_iter_ for member in members)


def _members(whole: Any, *, going_on: bool) -> list[Any]:
    """One estimator for each network, with the parameters of the whole: its very objects, callbacks too.

    Going on, the networks learnt so far come first, be they an ensemble or a single one.
    """
    kept: list[Any] = []
    if going_on:
        single = [copy.copy(whole)] if hasattr(whole, "coefs_") else []
        kept = getattr(whole, "estimators_", single)
    if len(kept) > whole.n_ensemble:
        raise ValueError(
            f"n_ensemble={whole.n_ensemble} must be at least {len(kept)}, the number of networks trained so far: "
            "warm_start and partial_fit can add networks, but not take any away."
        )
    draws = check_random_state(whole.random_state).randint(2**31 - 1, size=whole.n_ensemble)
    settings = {name: value for name, value in vars(whole).items() if name.strip("_") == name}
    settings |= {"n_ensemble": 1, "threads": 1, "verbose": False}
    # not by the constructor, which in a subclass may take other parameters
    members = [*kept, *(object.__new__(type(whole)) for _ in draws[len(kept) :])]
    for member, draw in zip(members, draws, strict=True):
        vars(member).update({**settings, "random_state": int(draw)})
    return members


def _forget(whole: Any, member: Any) -> None:
    """Drop what was learnt before, by a single network or by other members."""
    public = {name for name in vars(whole) if name.endswith("_")}
    settings = {*whole.get_params(deep=False), "_metadata_request"}
    for name in public | STOCHASTIC | (vars(member).keys() - settings):
        whole.__dict__.pop(name, None)


def _tell(whole: Any, number: int, member: Any) -> None:
    """Say that a member is trained."""
    took = f"{member.n_iter_} iteration{'s' if member.n_iter_ != 1 else ''}"
    Teller(whole).line(f"Network {number} of {whole.n_ensemble}: {took}, loss = {member.loss_:.8f}")
    if whole.verbose == "progress":
        end = "\n" if number == whole.n_ensemble else ""
        sys.stderr.write(f"\r\x1b[K{number} of {whole.n_ensemble} networks trained{end}")
        sys.stderr.flush()


def check_single(estimator: Any, name: str) -> None:
    """An AttributeError where an ensemble is asked for what only its members have."""
    members = vars(estimator).get("estimators_")
    if members and (name == "model_" or (name.endswith("_") and name in vars(members[0]))):
        raise AttributeError(
            f"An ensemble has no {name} of its own: look at its networks, estimators_[0].{name} and so on."
        )


def outputs(members: Sequence[Any], X: Any) -> Array:
    """The mean of the members' outputs."""
    total = members[0]._outputs(X)
    for member in members[1:]:
        total = total + member._outputs(X)
    return np.asarray(total / len(members))
