"""Several models on the same repeated splits of one table."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from chainrule import data, families, metrics
from chainrule.comparison import candidates
from chainrule.comparison.candidates import Candidate, Lesson
from chainrule.comparison.given import (
    check_kinds,
    check_models,
    in_python,
    rows_given,
    settings_of,
)
from chainrule.comparison.standings import LOWER_IS_BETTER, Comparison, Standing
from chainrule.comparison.testing import corrected, holm
from chainrule.data import Preprocessing, Split, Target
from chainrule.errors import ChainruleError, DataError, UsageError, unknown_name
from chainrule.experiment.building import check
from chainrule.experiment.reading import Rows, read
from chainrule.experiment.settings import Settings
from chainrule.report.wording import counted

Array = np.ndarray[Any, Any]
METRICS = {
    "classification": (
        *("accuracy", "balanced_accuracy", "f1_macro", "precision_macro", "recall_macro"),
        *("roc_auc", "log_loss"),
    ),
    "regression": ("rmse", "mae", "r2", "median_absolute_error"),
}


@dataclass(frozen=True)
class Step:
    """Something is about to be done: model number `done` of `total`, on this split."""

    done: int
    total: int
    model: str
    split: int


def compare(
    source: Any,
    y: Any = None,
    *,
    splits: int = 10,
    metric: str = "auto",
    models: Mapping[str, Any] | None = None,
    reference: str | None = None,
    listener: Callable[[Step], object] | None = None,
    **settings: Any,
) -> Comparison:
    """The network beside other models, on the same repeated random splits.

    `source` is a name or file as on the command line, or features with their targets `y` (a frame may hold
    its target as the column `target`). Everything that is prepared is learnt from the training rows of each
    split. `models`: scikit-learn estimators by name, to compare in place of the usual ones with the network;
    `metric` as in `chainrule.metrics`; `reference`: the model the others are held against (the network).
    Further settings are those of `chainrule train`: hidden, epochs, drop, test, seed, ….
    """
    try:
        named = isinstance(source, (str, Path)) and y is None
        chosen = settings_of(str(source) if named else "data", settings)
        families.check(SimpleNamespace(splits=splits), "compare", splits="whole [2, inf)")
        if models is not None:
            check_models(models)
        return compared(
            chosen,
            None if named else rows_given(source, y, chosen),
            splits=int(splits),
            metric=metric,
            models=models,
            reference=reference,
            listener=listener,
        )
    except ChainruleError as error:
        error.args = (in_python(str(error)),)
        raise


def compared(
    chosen: Settings,
    rows: Rows | None = None,
    *,
    splits: int,
    metric: str = "auto",
    models: Mapping[str, Any] | None = None,
    reference: str | None = None,
    listener: Callable[[Step], object] | None = None,
) -> Comparison:
    """A comparison with the settings of a command line, on the rows given or those of its source."""
    check(chosen)
    if chosen.test == 0:
        raise UsageError(
            "--test is 0, but a comparison needs rows to judge by: give a share above 0."
        )
    if rows is None:
        # the official test rows are left aside, so the share is of use though reading says it is not
        rows = read(replace(chosen, test=Settings.test))
    official = rows.official
    count = len(rows.values) if official is None else official
    features, values = rows.features[:count], rows.values[:count]
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    task = data.infer_task(values) if chosen.task == "auto" else chosen.task
    whole = Target.fit(values, task=task, log=chosen.log_target)  # type: ignore[arg-type]
    if whole.multilabel or whole.width != (len(whole.classes) if whole.classes else 1):
        raise UsageError("Models are compared on one target: a class, or a number, for each row.")
    metric = _metric(metric, task)
    rivals = candidates.usual(chosen, task)
    if models is not None:
        check_kinds(models, task)
        rivals = {
            "network": rivals["network"],
            **{n: candidates.estimator(m) for n, m in models.items()},
        }
    reference = next(iter(rivals)) if reference is None else reference
    if reference not in rivals:
        raise unknown_name("model", reference, rivals)
    notes = list(rows.notes)
    if official is not None:
        notes.append(f"The official test rows are left aside: {rows.held_out}.")
    image = rows.source.image_shape is not None

    def prepare(index: Array) -> Preprocessing:
        return Preprocessing.fit(features[index], image=image)

    labels = values if whole.task == "classification" else None

    def cut(number: int) -> Split:
        return data.split_rows(
            count,
            labels=labels,
            test=chosen.test,
            validation=chosen.validation,
            seed=chosen.seed + number,
        )

    _check_splits(metric, values, whole, splits, cut)
    found, split = _scores(
        rivals, features, values, whole, chosen, metric, splits, listener, prepare, cut
    )
    train_rows = len(split.train) + len(split.validation)
    standings = _standings(found, reference, metric, train_rows, len(split.test))
    if untested := [s.name for s in standings if s.verdict == "untested"]:
        notes.append(
            f"Untested: the difference from the {reference} is the same on all splits for "
            f"{', '.join(untested)}, so there is no spread to test it against."
        )
    return Comparison(
        *(rows.source.name, task, metric, reference, splits, train_rows, len(split.test)),
        *(chosen.seed, tuple(standings), tuple(notes)),
    )


def _metric(wanted: str, task: str) -> str:
    if wanted == "auto":
        return METRICS[task][0]
    if wanted not in METRICS[task]:
        raise unknown_name(f"metric of a {task}", wanted, METRICS[task])
    return wanted


def _check_splits(
    metric: str, values: Array, whole: Target, splits: int, cut: Callable[[int], Split]
) -> None:
    """Raise before anything is learnt where a split's test rows cannot define the metric."""
    if metric not in ("roc_auc", "r2"):
        return
    for number in range(splits):
        held = values[cut(number).test]
        which = f"split {number + 1} of {splits} has"
        advice = "choose another metric, or give --test a larger share."
        if metric == "r2" and len(np.unique(held)) < 2:
            raise UsageError(
                f"r2 needs different targets to judge by, but {which} one only: {advice}"
            )
        if metric == "roc_auc":
            present = set(np.unique(whole.encode(held)).tolist())
            missing = [str(c) for i, c in enumerate(whole.classes or ()) if i not in present]
            if missing:
                raise UsageError(
                    f"roc_auc needs test rows of every class, but {which} none of class "
                    f"{' or '.join(missing[:5])}: {advice}"
                )


def _scores(
    rivals: Mapping[str, Candidate],
    features: Any,
    values: Array,
    whole: Target,
    settings: Settings,
    metric: str,
    splits: int,
    listener: Callable[[Step], object] | None,
    prepare: Callable[[Array], Preprocessing],
    cut: Callable[[int], Split],
) -> tuple[dict[str, list[tuple[float, float, float]]], Split]:
    """Score and seconds of fit and prediction of each model on each split."""
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in rivals}
    for number in range(splits):
        split = cut(number)
        learning = np.concatenate([split.train, split.validation])
        preparation = prepare(learning)
        target = whole
        if whole.task == "regression":
            target = Target.fit(values[learning], task="regression", log=settings.log_target)
        x = preparation.transform(features[learning])
        x = x.reshape(len(x), -1)
        held = preparation.transform(features[split.test]).reshape(len(split.test), -1)
        held_for_stopping = np.arange(len(split.train), len(learning))
        lesson = Lesson(
            *(x, target.encode(values[learning]), held_for_stopping, target),
            seed=settings.seed + number,
        )
        for place, (name, rival) in enumerate(rivals.items()):
            if listener is not None:
                listener(Step(number * len(rivals) + place, splits * len(rivals), name, number + 1))
            with _failures_named(name, number + 1, len(learning)):
                begun = time.perf_counter()
                predict = rival(lesson)
                fitted = time.perf_counter()
                said = predict(held)
                seconds = fitted - begun, time.perf_counter() - fitted
                score = _score(target, said, values[split.test], metric)
            found[name].append((score, *seconds))
    return found, split


@contextmanager
def _failures_named(name: str, split: int, rows: int) -> Iterator[None]:
    """Whatever goes wrong in a model becomes one sentence that names it; warnings are no news here."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a solver ran to its limit, say
            yield
    except MemoryError:
        raise
    except Exception as error:
        told = str(error).strip().splitlines() or [type(error).__name__]
        kind = UsageError if isinstance(error, UsageError) else DataError
        raise kind(
            f"The model {name!r} failed on split {split}, with {counted(rows, 'row')} to learn from: "
            f"{told[0].rstrip('.')}."
        ) from error


def _score(target: Target, said: Array, truth: Array, metric: str) -> float:
    if target.task == "classification":
        names = [str(c) for c in target.classes or ()]
        scores = metrics.classification_metrics(target.encode(truth), said, classes=names)
    else:
        scores = metrics.regression_metrics(np.asarray(truth, float), target.decode(said))
    value = scores[metric]
    if value is None:
        trouble = "do not sum to 1" if np.isfinite(said).all() else "are not all finite"
        raise DataError(f"its predictions {trouble}, so they have no {metric}.")
    return value


def _standings(
    found: Mapping[str, list[tuple[float, float, float]]],
    reference: str,
    metric: str,
    train_rows: int,
    test_rows: int,
) -> list[Standing]:
    scores = {name: [score for score, *_ in each] for name, each in found.items()}
    beside = scores[reference]
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    differences = {
        name: corrected(
            np.subtract(each, beside).tolist(),
            *(train_rows, test_rows),
            scale=float(np.max(np.abs([each, beside]))),
        )
        for name, each in scores.items()
        if name != reference
    }
    chances = {name: d.p for name, d in differences.items() if not math.isnan(d.p)}
    raised = dict(zip(chances, holm(list(chances.values())), strict=True))
    standings = []
    for name, each in scores.items():
        seconds = np.mean([s for _, *s in found[name]], axis=0)
        standings.append(
            Standing(
                *(name, tuple(each), corrected(each, train_rows, test_rows)),
                *(float(seconds[0]), float(seconds[1]), test_rows / max(float(seconds[1]), 1e-9)),
                *(differences.get(name), raised.get(name), sign),
            )
        )
    return sorted(standings, key=lambda s: -sign * s.estimate.mean)
