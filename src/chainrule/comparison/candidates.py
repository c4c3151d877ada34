"""The models that are compared: what each learns from the same rows, and what it then predicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from chainrule.data import Target
from chainrule.experiment.building import build
from chainrule.experiment.settings import Settings
from chainrule.training import EarlyStopping

Array = np.ndarray[Any, Any]
Predictor: TypeAlias = Callable[[Array], Array]  # features to probabilities, or to standard units


@dataclass(frozen=True)
class Lesson:
    """Rows to learn from: features as numbers, targets as `Target.encode` gives them.

    Rows numbered in `validation` may be set apart to know when to stop.
    """

    features: Array
    targets: Array
    validation: Array
    target: Target
    seed: int


Candidate: TypeAlias = Callable[[Lesson], Predictor]


def network(settings: Settings) -> Candidate:
    """The network that `chainrule train` would make with these settings."""

    def fit(lesson: Lesson) -> Predictor:
        model = build(replace(settings, seed=lesson.seed), lesson.features.shape[1], lesson.target)
        held = lesson.validation
        kept = np.setdiff1d(np.arange(len(lesson.features)), held)
        model.fit(
            *(lesson.features[kept], lesson.targets[kept]),
            validation_data=(lesson.features[held], lesson.targets[held]) if len(held) else None,
            early_stopping=EarlyStopping(patience=settings.patience) if len(held) else None,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            class_weight=settings.class_weight,
            threads=settings.threads,
            verbose=0,
        )
        return lambda features: np.asarray(model.predict(features))

    return fit


def estimator(made: Any) -> Candidate:
    """A scikit-learn estimator, which learns from all rows of the lesson."""

    def fit(lesson: Lesson) -> Predictor:
        from sklearn.base import clone

        fresh = clone(made)
        if "random_state" in fresh.get_params():
            fresh.set_params(random_state=lesson.seed)
        targets = lesson.targets[:, 0] if lesson.targets.ndim == 2 else lesson.targets
        fresh.fit(lesson.features, targets)
        if lesson.target.task == "regression":
            return lambda features: np.asarray(fresh.predict(features)).reshape(-1, 1)
        return lambda features: _probabilities(fresh, features, lesson.target.width)

    return fit


def _probabilities(fitted: Any, features: Array, classes: int) -> Array:
    """One column for each class, also for those that were not there to learn; certainty where it has no other."""
    shares = np.zeros((len(features), classes))
    if hasattr(fitted, "predict_proba"):
        shares[:, np.asarray(fitted.classes_, int)] = fitted.predict_proba(features)
    else:
        shares[np.arange(len(features)), np.asarray(fitted.predict(features), int)] = 1.0
    return shares


def usual(settings: Settings, task: str) -> dict[str, Candidate]:
    """The network, four kinds of model of scikit-learn's, and the trivial baseline."""
    from sklearn import dummy, ensemble, linear_model, neighbors, tree

    made: Mapping[str, Any]
    if task == "classification":
        made = {
            "logistic regression": linear_model.LogisticRegression(max_iter=1000),
            "decision tree": tree.DecisionTreeClassifier(),
            "nearest neighbours": neighbors.KNeighborsClassifier(),
            "gradient boosting": ensemble.HistGradientBoostingClassifier(),
            "commonest class": dummy.DummyClassifier(),
        }
    else:
        made = {
            "linear regression": linear_model.LinearRegression(),
            "decision tree": tree.DecisionTreeRegressor(),
            "nearest neighbours": neighbors.KNeighborsRegressor(),
            "gradient boosting": ensemble.HistGradientBoostingRegressor(),
            "mean target": dummy.DummyRegressor(),
        }
    return {"network": network(settings), **{n: estimator(e) for n, e in made.items()}}
