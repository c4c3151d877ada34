"""Times our scikit-learn estimators beside scikit-learn's own: python bench/estimators.py [CASE …]

Every measurement is a process of its own, ours and theirs in turn, so that neither library's threads spin while
the other is timed; a ratio is of medians over the rounds. Fits with the same `random_state` do the same work:
the last losses are printed beside the times. `--one-thread` gives each one thread and counts processor time,
which other programs on the machine disturb less. MNIST is read from CHAINRULE_DATA/mnist (or ../shared/data).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np

WANTED = {  # how many times faster ours has to be, in float32 and float64
    "mnist": (5.0, 3.5),
    "digits": (8.0, 5.0),
    "small": (14.0, 9.0),
    "lbfgs": (3.0, 3.0),
    "cross-validation": (8.0, 5.0),
    "predict one row": (1.5, 1.5),
    "predict a million rows": (2.0, 2.0),
}
GRID = {
    "alpha": [1e-4, 1e-2],
    "learning_rate_init": [1e-3, 1e-2],
    "hidden_layer_sizes": [(32,), (64,), (100,)],
}


def data(case: str, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Features and targets of a case."""
    from sklearn.datasets import load_digits, make_classification

    if case == "mnist":
        from chainrule.data import load_source

        folder = os.environ.get("CHAINRULE_DATA", Path(__file__).parents[2] / "shared" / "data")
        source = load_source("mnist", data_dir=folder)
        return (np.asarray(source.features).reshape(60_000, -1) / 255).astype(dtype), source.target
    if case in ("small", "predict one row", "predict a million rows"):
        x, y = make_classification(1000, 20, random_state=0)
        return x.astype(dtype), y
    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(dtype), y


def measured(case: str, library: str, dtype: str) -> tuple[float, float]:
    """Seconds of one run, and a number that shows that both did the same."""
    if library == "ours":
        from chainrule.estimators import MLPClassifier, cross_validate_many
    else:
        from sklearn.model_selection import ParameterGrid, cross_validate
        from sklearn.neural_network import MLPClassifier
    warnings.simplefilter("ignore")
    alone = "CHAINRULE_BENCH_ALONE" in os.environ
    clock = time.process_time if alone else time.perf_counter
    x, y = data(case, dtype)
    settings = {
        "mnist": {"max_iter": 3},
        "small": {"hidden_layer_sizes": (16,)},
        "lbfgs": {"solver": "lbfgs"},
        "cross-validation": {"max_iter": 30},
        "predict one row": {"max_iter": 5},
        "predict a million rows": {"max_iter": 5},
    }.get(case, {})
    if library == "ours" and alone:
        settings["threads"] = 1
    model = MLPClassifier(random_state=0, **settings)
    if case == "cross-validation":
        begun = clock()
        if library == "ours":
            scores = [s["test_score"] for s in cross_validate_many(model, x, y, GRID, cv=5)]
        else:
            scores = [
                cross_validate(model.set_params(**each), x, y, cv=5, n_jobs=2)["test_score"]
                for each in ParameterGrid(GRID)
            ]
        return clock() - begun, float(np.mean(scores))
    if case.startswith("predict"):
        model.fit(x, y)
        rows = x[:1] if case == "predict one row" else np.tile(x, (1000, 1))
        times = 300 if len(rows) == 1 else 3
        model.predict(rows)
        seconds = []
        for _ in range(times):
            begun = clock()
            found = model.predict(rows)
            seconds.append(clock() - begun)
        return statistics.median(seconds), float(np.mean(found))
    seconds = []
    for _ in range(1 if case == "mnist" else 3):  # the first fit of a process pays for imports, too
        begun = clock()
        model.fit(x, y)
        seconds.append(clock() - begun)
    return min(seconds), float(model.loss_)


def child(case: str, library: str, dtype: str, alone: bool) -> tuple[float, float]:
    """`measured`, in a process of its own."""
    words = [sys.executable, __file__, "--child", case, library, dtype]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    if alone:
        single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
        environment |= {**single, "CHAINRULE_BENCH_ALONE": "1"}
    found = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    seconds, shown = json.loads(found.stdout)
    return seconds, shown


def main() -> int:
    """Measure, and print a line for each case; 1 where a ratio is too small."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(WANTED))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one-thread", action="store_true", help="processor time of one thread")
    parser.add_argument("--json", type=Path, help="write all measurements to this file")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(measured(*given.child)))
        return 0
    unknown = set(given.cases) - set(WANTED)
    if unknown:
        parser.error(f"unknown case {', '.join(unknown)}: there are {', '.join(WANTED)}")
    how = "processor time of one thread" if given.one_thread else f"{os.cpu_count()} cores"
    print(f"{how}, median of {given.rounds} rounds, processes in turn\n")
    print(f"{'case':24}{'type':9}{'scikit-learn':>14}{'ours':>12}{'times':>8}{'wanted':>8}")
    everything, missed = [], 0
    shared = [c for c in WANTED if not (given.one_thread and c == "cross-validation")]
    for case in given.cases or shared:
        for dtype, wanted in zip(("float32", "float64"), WANTED[case], strict=True):
            rounds = {"theirs": [], "ours": []}
            shown = {}
            for _ in range(given.rounds):
                for library in rounds:
                    seconds, shown[library] = child(case, library, dtype, given.one_thread)
                    rounds[library].append(seconds)
            theirs, ours = (statistics.median(rounds[name]) for name in ("theirs", "ours"))
            ratio = theirs / ours
            missed += ratio < wanted
            verdict = "" if ratio >= wanted else "  MISSED"
            print(
                f"{case:24}{dtype:9}{theirs * 1e3:11.3f} ms{ours * 1e3:9.3f} ms{ratio:8.1f}{wanted:8.1f}{verdict}"
                f"   ({shown['theirs']:.6g}, {shown['ours']:.6g})",
                flush=True,
            )
            everything.append({"case": case, "dtype": dtype, "ratio": ratio, **rounds})
    if given.json:
        given.json.write_text(json.dumps(everything, indent=1))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
