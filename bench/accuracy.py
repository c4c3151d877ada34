"""Test results of `chainrule train` on real data: one command each, otherwise default settings.

    python bench/accuracy.py [--quick] [--only NAME,NAME] [--seeds N] [--out FILE.json]

The tables are looked for in the folder named by CHAINRULE_DATA (or ../shared/data): parquet files under
tabular/, the four IDX files under mnist/. Where the split is random, the median over the seeds is shown.
`--quick` needs no files: two built-in data sets, one seed; it shows that the benchmark works.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("CHAINRULE_DATA", Path(__file__).parents[2] / "shared" / "data"))


@dataclass(frozen=True)
class Case:
    """One command, the metric it is judged by, and the floor the project holds."""

    name: str
    source: str
    options: tuple[str, ...]
    metric: str
    floor: float
    random_split: bool = True

    @property
    def smaller_is_better(self) -> bool:
        return self.metric.startswith("rmse")


def table(name: str, target: str, metric: str, floor: float, *options: str) -> Case:
    """The case of a parquet file, with its official split where the options name one."""
    official = "--split-column" in options
    source = str(DATA / "tabular" / f"{name}.parquet")
    return Case(name, source, ("--target", target, *options), metric, floor, not official)


OFFICIAL = ("--split-column", "split")
CASES = [
    Case("digits", "digits", (), "accuracy", 0.96),
    Case(
        "mnist",
        str(DATA / "mnist"),
        ("--hidden", "128", "--epochs", "10"),
        "accuracy",
        0.975,
        False,
    ),
    table("adult", "salary", "accuracy", 0.850, *OFFICIAL),
    table("letter", "lettr", "accuracy", 0.95, *OFFICIAL),
    table("satimage", "classes", "accuracy", 0.89, *OFFICIAL),
    table("mushroom_nomissing", "y", "accuracy", 0.999),
    table("california_housing", "MedHouseVal", "rmse", 0.53),
    table("diamonds", "price", "rmse/sd", 0.14),
    table("credit_default", "default-payment-next-month", "accuracy", 0.815),
    table("pol", "y", "rmse", 3.5),
    table("shuttle", "Class", "accuracy", 0.997, *OFFICIAL),
]
QUICK = [
    Case("digits", "digits", ("--epochs", "5"), "accuracy", 0.9),
    Case("diabetes", "diabetes", ("--epochs", "5"), "rmse", 80.0),
]


def measure(case: Case, seed: int) -> dict[str, Any]:
    """Train once in a process of its own; the metric, epochs and seconds."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["chainrule", "train", case.source, *case.options, "--seed", str(seed)]
        begun = time.perf_counter()
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                *command,
                "--json",
                "--quiet",
                "--out",
                str(Path(folder) / "run"),
            ],
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - begun
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
        result = json.loads(done.stdout)
        value = result["test"]["rmse" if case.smaller_is_better else case.metric]
        if case.metric == "rmse/sd":
            import numpy as np
            import polars as pl

            predictions = pl.read_parquet(Path(folder) / "run" / "predictions.parquet")
            value /= float(np.std(predictions[result["target"]].to_numpy()))
    return {
        "case": case.name,
        "seed": seed,
        "command": " ".join(command),
        "value": value,
        "baseline": result["baseline"]["test"]["rmse" if case.smaller_is_better else case.metric],
        "epochs": result["epochs"],
        "seconds": seconds,
    }


def main() -> int:
    """Print the table; 1 where a floor is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two small built-in sets, one seed")
    parser.add_argument("--only", default="", help="names of data sets, with commas")
    parser.add_argument(
        "--seeds", type=int, default=5, help="how many seeds where the split is random"
    )
    parser.add_argument("--out", type=Path, help="write every measurement as JSON")
    given = parser.parse_args()
    chosen = [
        c
        for c in (QUICK if given.quick else CASES)
        if not given.only or c.name in given.only.split(",")
    ]
    measured: list[dict[str, Any]] = []
    missed = 0
    print("| data | metric | median | lowest – highest | floor | epochs | seconds |")
    print("|---|---|---|---|---|---|---|")
    for case in chosen:
        if not Path(case.source).exists() and os.sep in case.source:
            print(
                f"| {case.name} | {case.metric} | skipped: {Path(case.source).name} is not there | | | | |"
            )
            continue
        seeds = range(given.seeds if case.random_split and not given.quick else 1)
        runs = [measure(case, seed) for seed in seeds]
        measured += runs
        values = [r["value"] for r in runs]
        median = statistics.median(values)
        held = median <= case.floor if case.smaller_is_better else median >= case.floor
        missed += not held
        spread = (
            f"{min(values):.4f} – {max(values):.4f}" if len(values) > 1 else "one official split"
        )
        epochs = statistics.median(r["epochs"] for r in runs)
        seconds = statistics.median(r["seconds"] for r in runs)
        sign = "≤" if case.smaller_is_better else "≥"
        verdict = "" if held else " **missed**"
        print(
            f"| {case.name} | {case.metric} | {median:.4f}{verdict} | {spread} | {sign} {case.floor:g} | "
            f"{epochs:g} | {seconds:.1f} |",
            flush=True,
        )
    if given.out:
        given.out.write_text(json.dumps(measured, indent=1))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
