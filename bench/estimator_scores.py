"""Test scores of our scikit-learn estimators beside scikit-learn's: ten data sets, ten seeds, the same splits.

python bench/estimator_scores.py writes a Markdown table. Five sets come with scikit-learn, five from
CHAINRULE_DATA/tabular (or ../shared/data/tabular). Numbers are standardised and in float32; each seed draws its
own test rows (a quarter) and is the estimators' `random_state`.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import numpy as np
import polars as pl
from sklearn import datasets, neural_network
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chainrule import estimators
from chainrule.comparison.testing import corrected

BUILT_IN = {
    "digits": (datasets.load_digits, "MLPClassifier"),
    "iris": (datasets.load_iris, "MLPClassifier"),
    "wine": (datasets.load_wine, "MLPClassifier"),
    "breast cancer": (datasets.load_breast_cancer, "MLPClassifier"),
    "diabetes": (datasets.load_diabetes, "MLPRegressor"),
}
TABLES = {  # file: target column, estimator
    "satimage": ("classes", "MLPClassifier"),
    "pendigits": ("y", "MLPClassifier"),
    "letter": ("lettr", "MLPClassifier"),
    "california_housing": ("MedHouseVal", "MLPRegressor"),
    "elevators": ("y", "MLPRegressor"),
}
SEEDS, MOST_ROWS = 10, 4000


def read(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Features and targets of a data set, of a large one the rows a fixed draw has chosen."""
    if name in BUILT_IN:
        x, y = BUILT_IN[name][0](return_X_y=True)
        return x, y
    folder = Path(os.environ.get("CHAINRULE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    frame = pl.read_parquet(folder / "tabular" / f"{name}.parquet").drop("split", strict=False)
    frame = frame.sample(min(len(frame), MOST_ROWS), seed=0)
    target = TABLES[name][0]
    y = frame[target].to_numpy()
    return frame.drop(target).to_numpy().astype(float), y


def main() -> int:
    """Print the table; 1 where a mean difference is more than noise."""
    print("| data | score | scikit-learn | ours | difference | p |\n|---|---|---|---|---|---|")
    apart = 0
    for name, (_, kind) in {**BUILT_IN, **TABLES}.items():
        x, y = read(name)
        if kind == "MLPRegressor":
            y = (y - y.mean()) / y.std()
        scores: dict[str, list[float]] = {"theirs": [], "ours": []}
        for seed in range(SEEDS):
            parts = train_test_split(x.astype(np.float32), y, test_size=0.25, random_state=seed)
            for library, module in (("theirs", neural_network), ("ours", estimators)):
                network = getattr(module, kind)(random_state=seed, max_iter=50)
                model = make_pipeline(StandardScaler(), network)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    model.fit(parts[0], parts[2])
                scores[library].append(model.score(parts[1], parts[3]))
        change = corrected(np.subtract(scores["ours"], scores["theirs"]).tolist(), 3, 1)
        apart += change.p < 0.05
        shown = {k: f"{np.mean(v):.4f} ± {np.std(v, ddof=1):.4f}" for k, v in scores.items()}
        metric = "accuracy" if kind == "MLPClassifier" else "R²"
        print(
            f"| {name.replace('_', ' ')} | {metric} | {shown['theirs']} | {shown['ours']} | {change.mean:+.5f} "
            f"| {change.p:.2f} |",
            flush=True,
        )
    return int(apart > 0)


if __name__ == "__main__":
    sys.exit(main())
