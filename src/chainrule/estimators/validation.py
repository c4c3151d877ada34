"""Cross-validation of many settings at once: every setting on every fold is a network of its own."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.utils import _safe_indexing

from chainrule.engines.program import Array
from chainrule.errors import UsageError
from chainrule.estimators import workers


@dataclass(frozen=True)
class Task:
    """One setting on one fold."""

    settings: Mapping[str, Any]
    train: Array
    test: Array


def cross_validate_many(
    estimator: Any,
    X: Any,
    y: Any,
    settings: Mapping[str, Sequence[Any]] | Iterable[Mapping[str, Any]],
    *,
    cv: Any = None,
    groups: Any = None,
    scoring: Any = None,
    sample_weight: Any = None,
    return_train_score: bool = False,
    return_estimator: bool = False,
    threads: int | None = None,
) -> list[dict[str, Any]]:
    """What `sklearn.model_selection.cross_validate` says of each setting, all of them trained side by side.

    `settings` is a grid (a dict of lists, as for GridSearchCV) or the settings one by one (dicts of parameters).
    The answer has for each, in order, `params` and what `cross_validate` returns: `fit_time`, `score_time`,
    `test_score` (or `test_NAME` of several scorers), one entry a fold, and what else is asked for. The folds are
    the same for all settings; each network is trained by one thread, so nothing depends on their number.
    """
    given: Iterable[Any] = settings
    if isinstance(settings, Mapping):
        given = ParameterGrid({name: list(values) for name, values in settings.items()})
    chosen = [dict(each) for each in given]
    if not chosen:
        raise UsageError("There are no settings to cross-validate: give a dict of lists, or dicts.")
    folds = list(check_cv(cv, y, classifier=is_classifier(estimator)).split(X, y, groups))
    tasks = [Task(each, train, test) for each in chosen for train, test in folds]
    several = isinstance(scoring, (Mapping, list, tuple, set))

    def carry_out(task: Task) -> dict[str, Any]:
        model = clone(estimator).set_params(**task.settings)
        if "threads" in model.get_params(deep=False) and model.threads is None:
            model.set_params(threads=1)
        x_train, y_train = _safe_indexing(X, task.train), _safe_indexing(y, task.train)
        weight = None if sample_weight is None else np.asarray(sample_weight)[task.train]
        begun = time.perf_counter()
        model.fit(x_train, y_train, **({} if weight is None else {"sample_weight": weight}))
        fitted = time.perf_counter()
        scorer = check_scoring(model, scoring)
        parts = {"test": (_safe_indexing(X, task.test), _safe_indexing(y, task.test))}
        found: dict[str, Any] = {}
        if return_train_score:
            parts["train"] = x_train, y_train
        for part, rows in parts.items():
            scores = scorer(model, *rows)
            named = scores if several else {"score": scores}
            found |= {f"{part}_{name}": float(score) for name, score in named.items()}
            if part == "test":
                seconds = fitted - begun, time.perf_counter() - fitted
        found |= {"fit_time": seconds[0], "score_time": seconds[1]}
        return {**found, "estimator": model} if return_estimator else found

    at_once = workers.threads(threads) or workers.available()
    # the longest first would be best, but nobody knows them; the order of the grid will do
    with ThreadPoolExecutor(at_once) as team:
        done = list(team.map(carry_out, tasks))
    return [
        {"params": each, **_joined(done[place * len(folds) : (place + 1) * len(folds)])}
        for place, each in enumerate(chosen)
    ]


def _joined(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        name: [fold[name] for fold in folds]
        if name == "estimator"
        else np.array([fold[name] for fold in folds])
        for name in folds[0]
    }
