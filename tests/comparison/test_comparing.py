import json

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes, load_iris
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

import chainrule as cr
from chainrule import data
from chainrule.errors import ChainruleError, DataError, UnknownNameError, UsageError

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
        ({"splits": 1}, UsageError, r"splits is 1, expected a whole number in \[2, inf\)"),
        ({"splits": "3"}, UsageError, "splits is '3', expected a whole number"),
        ({"splits": 2.5}, UsageError, "splits is 2.5, expected a whole number"),
        ({"metric": "acc"}, UnknownNameError, "did you mean 'accuracy'"),
        ({"reference": "netwrk"}, UnknownNameError, "did you mean 'network'"),
        ({"epoch": 3}, UnknownNameError, "did you mean 'epochs'"),
        ({"hidden": (0,)}, UsageError, "^hidden must be"),
        ({"hidden": 8}, UsageError, "hidden is 8, expected a list of whole numbers"),
        ({"hidden": "a"}, UsageError, "hidden is 'a', expected a list of whole numbers"),
        ({"hidden": [8.5]}, UsageError, "hidden is .8.5., expected a list of whole numbers"),
        ({"epochs": None}, UsageError, "epochs is None, expected a whole number"),
        ({"learning_rate": "fast"}, UsageError, "learning_rate is 'fast', expected a number"),
        ({"batch_norm": "yes"}, UsageError, "batch_norm is 'yes', expected True or False"),
        ({"drop": "leak"}, UsageError, "drop is 'leak', expected a list of names"),
        ({"drop": ["leak"]}, UsageError, "drop names columns, but the features are an array"),
        ({"target": "kind"}, UsageError, "target='kind' and y both say what to predict"),
        ({"group_column": "who"}, UsageError, "group_column is of no use"),
        ({"test": 2}, UsageError, "^test must be a number"),
        ({"test": 0}, UsageError, "^test is 0, but a comparison needs rows to judge by"),
        ({"optimizer": "lbfgs", "learning_rate": 0.1}, UsageError, "leave out learning_rate and"),
        ({"models": [LogisticRegression()]}, UsageError, "models is of type list, expected"),
        ({"models": {"linear": LogisticRegression}}, UsageError, "is the class LogisticRegression"),
        ({"models": {"linear": "linear"}}, UsageError, "of type str, expected a scikit-learn"),
        ({"models": {"network": LogisticRegression()}}, UsageError, "chainrule's own network"),
        ({"models": {"line": LinearRegression()}}, UsageError, "'line'. is a regressor, but"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_named(settings, error, sentence):
    with pytest.raises(error, match=sentence):
        cr.compare(FLOWERS, SPECIES, **settings)


def test_several_labels_at_once_are_refused():
    with pytest.raises(UsageError, match="one target"):
        cr.compare(FLOWERS, np.column_stack([SPECIES == 0, SPECIES == 1]).astype(int))


LEAKING = pd.DataFrame(FLOWERS[:, :2], columns=["length", "width"]).assign(leak=SPECIES)


def test_a_dropped_column_is_not_learnt_from_whether_y_is_a_column_or_given():
    models = {"linear": LogisticRegression()}
    settings = {"models": models, "drop": ["leak"], **FAST}
    alone = cr.compare(LEAKING[["length", "width"]], SPECIES, models=models, **FAST)
    beside = cr.compare(LEAKING, SPECIES, **settings)
    within = cr.compare(LEAKING.assign(kind=SPECIES), target="kind", **settings)
    assert alone["linear"].scores == beside["linear"].scores == within["linear"].scores
    assert alone["linear"].estimate.mean < 0.9


@pytest.mark.parametrize(
    ("source", "y", "settings", "sentence"),
    [
        (LEAKING, SPECIES, {"target": "leak"}, "target='leak' and y both say"),
        (LEAKING, SPECIES, {"drop": ["lek"]}, "no column 'lek': did you mean 'leak'"),
        (LEAKING, None, {"target": "leak", "drop": ["lek"]}, "no column 'lek'"),
        (LEAKING, None, {"target": "leak", "drop": ["leak"]}, "drop names the target 'leak'"),
        (LEAKING[["leak"]], SPECIES, {"drop": ["leak"]}, "no column left to learn from"),
        (sparse.csr_matrix(FLOWERS), SPECIES, {}, "sparse matrix: give an array"),
        (FLOWERS, sparse.csr_matrix(SPECIES), {}, "y is a sparse matrix"),
        (load_iris(), None, {}, "Bunch, .* give its parts, bunch.data and bunch.target"),
        (load_iris(as_frame=True), None, {}, "is a Bunch"),
        (FLOWERS, None, {}, "of type ndarray has no target"),
        ("iris", SPECIES, {}, "must be .rows, columns., not 'iris'"),
        ([[1.0], [2.0, 3.0]], [0, 1], {}, "not equally long"),
        (FLOWERS, 3, {}, "y is 3, expected a target for each row"),
    ],
)
def test_data_that_do_not_go_together_are_told_in_one_sentence(source, y, settings, sentence):
    with pytest.raises(ChainruleError, match=sentence):
        cr.compare(source, y, **settings)


def test_targets_may_be_a_single_column():
    settings = {"models": {"linear": LogisticRegression()}, **FAST}
    flat = cr.compare(FLOWERS, SPECIES, **settings)
    for y in (SPECIES[:, None], pd.DataFrame({"kind": SPECIES})):
        assert cr.compare(FLOWERS, y, **settings)["linear"].scores == flat["linear"].scores
    models = {"linear": LinearRegression()}
    numbers = cr.compare(FLOWERS[:, :3], FLOWERS[:, 3:], models=models, **FAST)
    assert numbers.metric == "rmse"


class Sulking(LogisticRegression):
    """A model that cannot learn."""

    def fit(self, X, y):
        raise RuntimeError("Not today.\nTry again tomorrow.")


def test_a_model_that_fails_is_named_with_what_it_said():
    with pytest.raises(DataError) as caught:
        cr.compare(FLOWERS, SPECIES, models={"sulking": Sulking()}, **FAST)
    assert str(caught.value) == (
        "The model 'sulking' failed on split 1, with 120 rows to learn from: Not today."
    )
    with pytest.raises(UsageError, match=r"'network' failed .*: class_weight weighs classes"):
        cr.compare(*load_diabetes(return_X_y=True), class_weight="balanced", models={})


def test_a_metric_that_a_split_cannot_define_is_refused_before_anything_is_learnt():
    rare = np.where(SPECIES == 2, 1, SPECIES)
    rare[-2:] = 2
    steps = []
    with pytest.raises(UsageError, match=r"roc_auc needs .* split 1 of 10 has none of class 2"):
        cr.compare(FLOWERS, rare, metric="roc_auc", test=0.05, listener=steps.append)
    with pytest.raises(UsageError, match=r"r2 needs different targets .* or give test a larger"):
        cr.compare(FLOWERS, FLOWERS[:, 3], metric="r2", test=0.001, listener=steps.append)
    assert steps == []


class Always(DummyClassifier):
    """A model that gives a class to every row."""

    def __init__(self, chosen=0, random_state=None):
        super().__init__(strategy="prior")
        self.chosen, self.random_state = chosen, random_state

    def predict_proba(self, X):
        return np.eye(3)[np.full(len(X), self.chosen)]


def test_a_difference_that_is_the_same_on_all_splits_is_untested():
    labels = np.repeat([0, 1, 2], [75, 45, 30])
    models = {"first": Always(0), "again": Always(0), "second": Always(1)}
    found = cr.compare(FLOWERS, labels, models=models, reference="first", **FAST)
    second, again = found["second"], found["again"]
    assert second.difference.mean == pytest.approx(-0.2)
    assert (second.p, second.verdict) == (None, "untested")
    assert (again.p, again.verdict) == (1.0, "noise")
    line = next(line for line in str(found).splitlines() if line.startswith("second"))
    assert line.split()[:5] == ["second", "0.3000", "±", "–", "−0.2"]
    assert line.split()[5] == "–"
    assert line.endswith("untested")
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    written = {model["name"]: model for model in document["models"]}["second"]
    assert written["p"] is written["difference_interval"] is written["interval"] is None
    assert "the same on all splits for second, so" in document["notes"][-1]
    assert "none where all are equal" in found.picture().axes[0].get_xlabel()
