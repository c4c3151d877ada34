"""Cross-validation of many settings at once: every setting on every fold is a network of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.model_selection._validation import (
    _fit_and_score,
    _insert_error_scores,
    _warn_or_raise_about_fit_failures,
)
from sklearn.utils import indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from chainrule.engines.program import Array
from chainrule.errors import UsageError
from chainrule.estimators import workers
from chainrule.families import check


@dataclass(frozen=True)
class Task:
    """One setting on one fold."""

    settings: Mapping[str, Any]
    train: Array
    test: Array


@dataclass(frozen=True)
class Extras:
    """What goes beside X and y, by whom it is for."""

    split: Mapping[str, Any]
    fit: Mapping[str, Any]
    score: Mapping[str, Any]


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
    error_score: Any = np.nan,
    threads: int | None = None,
) -> list[dict[str, Any]]:
    """What `sklearn.model_selection.cross_validate` says of each setting, all of them trained side by side.

    `settings` is a grid (a dict of lists, as for GridSearchCV) or the settings one by one (dicts of parameters).
    The answer has for each, in order, `params` and what `cross_validate` returns: `fit_time`, `score_time`,
    `test_score` (or `test_NAME` of several scorers), one entry a fold, and what else is asked for. The folds are
    the same for all settings; each network is trained by one thread, so nothing depends on their number.

    A fit that fails scores `error_score`, with a FitFailedWarning; a ValueError where all fits of all settings
    fail. With error_score="raise" its own error is raised. Every fit is that of a clone, as there: callbacks that are
    objects are copied for each (`return_estimator=True` gives them back), and those that are functions are called
    from several threads at once. Under scikit-learn's metadata routing, `sample_weight`
    and `groups` go where they were requested.
    """
    check(SimpleNamespace(threads=threads), "cross_validate_many", threads="whole [1, inf) or None")
    chosen = _chosen(settings)
    X, y = indexable(X, y)
    splitter = check_cv(cv, y, classifier=is_classifier(estimator))
    raising = isinstance(error_score, str) and error_score == "raise"
    scorer = check_scoring(estimator, scoring, raise_exc=raising)
    extras = _routed(estimator, splitter, scorer, sample_weight=sample_weight, groups=groups)
    folds = list(splitter.split(X, y, **extras.split))

    def carry_out(task: Task) -> Any:
        return _fit_and_score(
            _single_threaded(clone(estimator).set_params(**clone(task.settings, safe=False))),
            X,
            y,
            scorer=scorer,
            train=task.train,
            test=task.test,
            verbose=0,
            parameters=None,
            fit_params=extras.fit,
            score_params=extras.score,
            return_train_score=return_train_score,
            return_times=True,
            return_estimator=return_estimator,
            error_score=error_score,
        )

    # the longest first would be best, but nobody knows them; the order of the grid will do
    tasks = [Task(each, train, test) for each in chosen for train, test in folds]
    done = list(workers.each(carry_out, tasks, threads))
    _warn_or_raise_about_fit_failures(done, error_score)
    if callable(scoring):  # its names are known only now
        _insert_error_scores(done, error_score)
    return [
        {"params": each, **_joined(done[place * len(folds) : (place + 1) * len(folds)])}
        for place, each in enumerate(chosen)
    ]


def _chosen(settings: Any) -> list[dict[str, Any]]:
    """The settings one by one; what is no grid is refused by scikit-learn's ParameterGrid."""
    one_by_one = np.iterable(settings) and not isinstance(settings, Mapping)
    chosen = list(settings if one_by_one else ParameterGrid(settings))
    for each in chosen:
        if not isinstance(each, Mapping):
            raise UsageError(f"A setting is a dict of parameters, not {each!r}.")
    if not chosen:
        raise UsageError("There are no settings to cross-validate: give a dict of lists, or dicts.")
    return [dict(each) for each in chosen]


def _routed(estimator: Any, splitter: Any, scorer: Any, **given: Any) -> Extras:
    """Who gets what of the data beside X and y."""
    given = {name: value for name, value in given.items() if value is not None}
    if not get_config()["enable_metadata_routing"]:
        weight = {name: value for name, value in given.items() if name == "sample_weight"}
        return Extras({"groups": given.get("groups")}, weight, {})

    def on_fit(callee: str) -> MethodMapping:
        return MethodMapping().add(caller="fit", callee=callee)

    router = (
        MetadataRouter(owner="cross_validate_many")
        .add(splitter=splitter, method_mapping=on_fit("split"))
        .add(estimator=estimator, method_mapping=on_fit("fit"))
        .add(scorer=scorer, method_mapping=on_fit("score"))
    )
    found = process_routing(router, "fit", **given)
    return Extras(found.splitter.split, found.estimator.fit, found.scorer.score)


def _single_threaded(model: Any) -> Any:
    """The model, its networks training in one thread each unless they were told otherwise."""
    free = [
        name
        for name, value in model.get_params().items()
        if name.rpartition("__")[2] == "threads" and value is None
    ]
    return model.set_params(**dict.fromkeys(free, 1))


def _joined(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The folds of one setting as `cross_validate` puts them together."""
    found = {name: np.array([fold[name] for fold in folds]) for name in ("fit_time", "score_time")}
    for part in ("test", "train"):
        if f"{part}_scores" in folds[0]:
            scores = [fold[f"{part}_scores"] for fold in folds]
            several = isinstance(scores[0], Mapping)
            for name in scores[0] if several else ["score"]:
                column = [score[name] if several else score for score in scores]
                found[f"{part}_{name}"] = np.array(column)
    return found | (
        {"estimator": [fold["estimator"] for fold in folds]} if "estimator" in folds[0] else {}
    )
