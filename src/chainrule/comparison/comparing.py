"""Several models on the same repeated splits of one table."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import data, metrics
from chainrule.comparison import candidates
from chainrule.comparison.candidates import Candidate, Lesson
from chainrule.comparison.picture import drawn
from chainrule.comparison.testing import Estimate, corrected, holm
from chainrule.data import Preprocessing, Split, Target
from chainrule.errors import UsageError, unknown_name
from chainrule.experiment.building import check
from chainrule.experiment.reading import Rows, read
from chainrule.experiment.settings import Settings

Array = np.ndarray[Any, Any]
LOWER_IS_BETTER = ("rmse", "mae", "median_absolute_error", "log_loss")
METRICS = {
    "classification": (
        *("accuracy", "balanced_accuracy", "f1_macro", "precision_macro", "recall_macro"),
        *("roc_auc", "log_loss"),
    ),
    "regression": ("rmse", "mae", "r2", "median_absolute_error"),
}


@dataclass(frozen=True)
class Standing:
    """How one model did: a score for each split, their mean, and how it differs from the reference."""

    name: str
    scores: tuple[float, ...]
    estimate: Estimate
    fit_seconds: float  # the mean over the splits
    predict_seconds: float
    rows_a_second: float
    difference: Estimate | None  # score minus the reference's; None for the reference itself
    p: float | None  # of the difference, raised for looking at several (Holm)
    sign: float  # 1 where larger scores are better, −1 where smaller ones are

    @property
    def verdict(self) -> str:
        """What the difference is."""
        if self.difference is None or self.p is None:
            return "reference"
        if not self.p < 0.05:
            return "noise"
        return "better" if self.difference.mean * self.sign > 0 else "worse"


@dataclass(frozen=True)
class Comparison:
    """Models on the same splits; `standings` has the best first."""

    source: str
    task: str
    metric: str
    reference: str
    splits: int
    train_rows: int
    test_rows: int
    seed: int
    standings: tuple[Standing, ...]
    notes: tuple[str, ...] = ()

    @property
    def larger_is_better(self) -> bool:
        """Which way is up."""
        return self.metric not in LOWER_IS_BETTER

    def __getitem__(self, name: str) -> Standing:
        found = {standing.name: standing for standing in self.standings}
        if name not in found:
            raise unknown_name("model", name, found)
        return found[name]

    def __str__(self) -> str:
        lines = [self.table_head, *self.table_rows()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        return "\n".join(
            "  ".join(
                word.ljust(width) if i in (0, len(line) - 1) else word.rjust(width)
                for i, (word, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    @property
    def table_head(self) -> list[str]:
        """The headings of the table; fit and predict are seconds."""
        return ["model", self.metric, "difference", "p", "fit", "predict", ""]

    def table_rows(self) -> list[list[str]]:
        """A line for each model: mean ± half its interval, difference from the reference, p, seconds, verdict."""
        rows = []
        for s in self.standings:
            change = "" if s.difference is None else f"{s.difference.mean:+.3g}"
            chance = "" if s.p is None else ("< 0.001" if s.p < 0.001 else f"{s.p:.3f}")
            half = s.estimate.high - s.estimate.mean
            digits = 1 - math.floor(math.log10(half)) if half > 0 else 4
            shown = f"{s.estimate.mean:.{max(digits, 0)}f}"
            shown += f" ± {half:.{max(digits, 0)}f}" if half > 0 else " ± 0"
            seconds = [f"{x:.2g}" for x in (s.fit_seconds, s.predict_seconds)]
            verdict = "" if s.verdict == "reference" else s.verdict
            rows.append([s.name, shown, change.replace("-", "−"), chance, *seconds, verdict])
        return rows

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON data."""
        return {
            "source": self.source,
            "task": self.task,
            "metric": self.metric,
            "larger_is_better": self.larger_is_better,
            "reference": self.reference,
            "splits": self.splits,
            "train_rows": self.train_rows,
            "test_rows": self.test_rows,
            "seed": self.seed,
            "test": "paired corrected resampled t-test (Nadeau and Bengio, 2003), raised by Holm (1979)",
            "models": [
                {
                    "name": s.name,
                    "mean": s.estimate.mean,
                    "interval": [s.estimate.low, s.estimate.high],
                    "scores": list(s.scores),
                    "fit_seconds": s.fit_seconds,
                    "predict_seconds": s.predict_seconds,
                    "rows_per_second": s.rows_a_second,
                    "verdict": s.verdict,
                    "difference": s.difference and s.difference.mean,
                    "difference_interval": s.difference and [s.difference.low, s.difference.high],
                    "p": s.p,
                }
                for s in self.standings
            ],
            "notes": list(self.notes),
        }

    def picture(self) -> Any:
        """A matplotlib figure: every split's score as a dot, means and intervals."""
        return drawn(
            [(s.name, s.scores, s.estimate) for s in self.standings], self.metric, self.splits
        )


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
    Further settings are those of `chainrule train`: hidden, epochs, test, seed, ….
    """
    known = {field.name for field in fields(Settings)} - {"source", "out"}
    for name in settings:
        if name not in known:
            raise unknown_name("argument of compare", name, known)
    named = isinstance(source, (str, Path)) and y is None
    chosen = Settings(str(source) if named else "data", **settings)
    check(chosen)
    if splits < 2:
        raise UsageError(f"splits is {splits}: a comparison needs two splits or more.")
    rows = read(chosen) if named else _given(source, y, chosen)
    official = rows.official
    count = len(rows.values) if official is None else official
    features, values = rows.features[:count], rows.values[:count]
    task = data.infer_task(values) if chosen.task == "auto" else chosen.task
    whole = Target.fit(values, task=task, log=chosen.log_target)  # type: ignore[arg-type]
    if whole.multilabel or whole.width != (len(whole.classes) if whole.classes else 1):
        raise UsageError("Models are compared on one target: a class, or a number, for each row.")
    metric = _metric(metric, task)
    rivals = candidates.usual(chosen, task)
    if models is not None:
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

    found, split = _scores(
        rivals, features, values, whole, chosen, metric, splits, listener, prepare
    )
    train_rows = len(split.train) + len(split.validation)
    standings = _standings(found, reference, metric, train_rows, len(split.test))
    return Comparison(
        *(rows.source.name, task, metric, reference, splits, train_rows, len(split.test)),
        *(chosen.seed, tuple(standings), tuple(notes)),
    )


def _given(source: Any, y: Any, settings: Settings) -> Rows:
    """Rows of arrays, or of a frame."""
    if y is None:
        frame: Any = data.as_frame(source)
        name = data.find_target(frame, settings.target)
        features: Any = frame.drop([name, *settings.drop])
        values = data.as_values(frame[name])
    else:
        features = data.as_frame(source) if data.is_frame(source) else np.asarray(source)
        values = data.as_values(y)
    if len(features) != len(values):
        raise UsageError(f"There are {len(features)} rows of features, but {len(values)} targets.")
    origin = data.Source("data", features, values, None, None, None, "given by the caller")
    return Rows(origin, None, features, values, np.arange(len(values)))


def _metric(wanted: str, task: str) -> str:
    if wanted == "auto":
        return METRICS[task][0]
    if wanted not in METRICS[task]:
        raise unknown_name(f"metric of a {task}", wanted, METRICS[task])
    return wanted


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
) -> tuple[dict[str, list[tuple[float, float, float]]], Split]:
    """Score and seconds of fit and prediction of each model on each split."""
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in rivals}
    labels = values if whole.task == "classification" else None
    for number in range(splits):
        split = data.split_rows(
            len(values),
            labels=labels,
            test=settings.test,
            validation=settings.validation,
            seed=settings.seed + number,
        )
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
            begun = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that a solver ran to its limit is no news here
                predict = rival(lesson)
            fitted = time.perf_counter()
            said = predict(held)
            seconds = fitted - begun, time.perf_counter() - fitted
            found[name].append((_score(target, said, values[split.test], metric), *seconds))
    return found, split


def _score(target: Target, said: Array, truth: Array, metric: str) -> float:
    if target.task == "classification":
        names = [str(c) for c in target.classes or ()]
        scores = metrics.classification_metrics(target.encode(truth), said, classes=names)
    else:
        scores = metrics.regression_metrics(np.asarray(truth, float), target.decode(said))
    value = scores[metric]
    if value is None:
        raise UsageError(
            f"{metric} is not defined on a split's test rows (is a class missing there?): choose another metric or "
            "a larger test share."
        )
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
        name: corrected(np.subtract(each, beside).tolist(), train_rows, test_rows)
        for name, each in scores.items()
        if name != reference
    }
    raised = dict(zip(differences, holm([d.p for d in differences.values()]), strict=True))
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
