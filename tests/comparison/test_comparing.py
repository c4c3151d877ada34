import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

import chainrule as cr
from chainrule import data
from chainrule.errors import UnknownNameError, UsageError

FAST = {"splits": 3, "epochs": 5}
FLOWERS, SPECIES = load_iris(return_X_y=True)


def test_all_models_see_the_same_splits_which_the_seed_names():
    models = {"one": LogisticRegression(), "again": LogisticRegression()}
    found = cr.compare(FLOWERS, SPECIES, models=models, seed=5, **FAST)
    assert found["one"].scores == found["again"].scores
    split = data.split_rows(150, labels=SPECIES, test=0.2, validation=0.1, seed=6)
    learning = np.concatenate([split.train, split.validation])
    prepared = data.Preprocessing.fit(FLOWERS[learning])
    model = LogisticRegression().fit(prepared.transform(FLOWERS[learning]), SPECIES[learning])
    expected = model.score(prepared.transform(FLOWERS[split.test]), SPECIES[split.test])
    assert found["one"].scores[1] == pytest.approx(expected)
    assert (found.train_rows, found.test_rows) == (120, 30)


def test_the_best_stands_first_and_the_others_are_held_against_the_reference():
    models = {"linear": LogisticRegression(), "trivial": DummyClassifier()}
    found = cr.compare(FLOWERS, SPECIES, models=models, reference="linear", splits=5, epochs=2)
    assert found.standings[-1].name == "trivial" or found.standings[-1].name == "network"
    assert found["linear"].verdict == "reference"
    assert found["trivial"].verdict == "worse"
    assert found["trivial"].difference.mean == pytest.approx(
        np.mean(np.subtract(found["trivial"].scores, found["linear"].scores))
    )


def test_errors_of_numbers_are_better_when_smaller_and_in_the_targets_units():
    x, y = load_diabetes(return_X_y=True)
    found = cr.compare(x, y, models={"linear": LinearRegression()}, **FAST)
    assert found.metric == "rmse"
    assert not found.larger_is_better
    assert 40 < found["linear"].estimate.mean < 70
    means = [standing.estimate.mean for standing in found.standings]
    assert means == sorted(means)
    assert cr.compare(x, y, models={"linear": LinearRegression()}, metric="r2", **FAST)[
        "linear"
    ].estimate.mean == pytest.approx(0.45, abs=0.15)


def test_a_frame_brings_its_target_and_its_categories():
    frame = pd.DataFrame({"size": FLOWERS[:, 2], "kind": np.where(FLOWERS[:, 3] > 1, "a", "b")})
    frame["target"] = np.array(["x", "y", "z"])[SPECIES]
    found = cr.compare(frame, models={"linear": LogisticRegression()}, **FAST)
    assert found["linear"].estimate.mean > 0.8


def test_a_model_without_probabilities_is_certain_of_what_it_says():
    found = cr.compare(FLOWERS, SPECIES, models={"svm": LinearSVC()}, **FAST)
    assert found["svm"].estimate.mean > 0.8


def test_the_usual_models_are_compared_on_a_source_by_name():
    found = cr.compare("iris", splits=2, epochs=3)
    assert {s.name for s in found.standings} == {
        "network",
        "logistic regression",
        "decision tree",
        "nearest neighbours",
        "gradient boosting",
        "commonest class",
    }
    document = json.loads(json.dumps(found.to_json()))
    assert [m["name"] for m in document["models"]] == [s.name for s in found.standings]
    assert all(m["fit_seconds"] > 0 for m in document["models"])
    assert len(found.picture().axes[0].get_yticklabels()) == 6
    lines = str(found).splitlines()
    assert len(lines) == 7
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"splits": 1}, UsageError, "two splits or more"),
        ({"metric": "acc"}, UnknownNameError, "did you mean 'accuracy'"),
        ({"reference": "netwrk"}, UnknownNameError, "did you mean 'network'"),
        ({"epoch": 3}, UnknownNameError, "did you mean 'epochs'"),
        ({"hidden": (0,)}, UsageError, "--hidden must be"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_named(settings, error, sentence):
    with pytest.raises(error, match=sentence):
        cr.compare(FLOWERS, SPECIES, **settings)


def test_several_labels_at_once_are_refused():
    with pytest.raises(UsageError, match="one target"):
        cr.compare(FLOWERS, np.column_stack([SPECIES == 0, SPECIES == 1]).astype(int))
