"""Several networks that differ in their random draws alone, trained side by side and averaged."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from chainrule.engines.program import Array
from chainrule.estimators import workers

LEARNT = (
    "classes_",
    "_label_binarizer",
    "n_outputs_",
    "out_activation_",
    "n_layers_",
    "n_features_in_",
)


def fit(
    whole: Any, X: Any, y: Any, sample_weight: Any, validation_data: Any, *, incremental: bool
) -> None:
    """Fit the members of an ensemble, one thread each; they are kept as `estimators_`."""
    members = getattr(whole, "estimators_", None)
    if members is None or not (whole.warm_start or incremental):
        draws = check_random_state(whole.random_state).randint(2**31 - 1, size=whole.n_ensemble)
        members = [_member(whole, int(draw)) for draw in draws]
    known = {
        name: getattr(whole, name)
        for name in ("classes_", "_label_binarizer")
        if incremental and hasattr(whole, name)
    }

    def train(member: Any) -> None:
        member.__dict__.update(known)
        member._fit(X, y, sample_weight, incremental=incremental, validation_data=validation_data)

    at_once = workers.threads(whole.threads) or workers.available()
    with ThreadPoolExecutor(at_once) as team:
        list(team.map(train, members))
    whole.estimators_ = members
    first = members[0]
    names = (*LEARNT, *(["feature_names_in_"] if hasattr(first, "feature_names_in_") else []))
    whole.__dict__.update({name: getattr(first, name) for name in names if hasattr(first, name)})
    whole.loss_ = float(np.mean([member.loss_ for member in members]))
    whole.n_iter_ = max(member.n_iter_ for member in members)


def _member(whole: Any, seed: int) -> Any:
    return clone(whole).set_params(n_ensemble=1, random_state=seed, threads=1, verbose=False)


def outputs(members: Sequence[Any], X: Any) -> Array:
    """The mean of the members' outputs."""
    total = members[0]._outputs(X)
    for member in members[1:]:
        total = total + member._outputs(X)
    return np.asarray(total / len(members))
