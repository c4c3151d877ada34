import re

import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, KFold, ParameterGrid, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chainrule.errors import UsageError
from chainrule.estimators import MLPClassifier, MLPRegressor, cross_validate_many
from chainrule.training.events import EpochEnd

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PIXELS, CLASSES = load_digits(return_X_y=True)
PIXELS, CLASSES = PIXELS[:300] / 16, CLASSES[:300]
FLOWERS, SPECIES = load_iris(return_X_y=True)
GRID = {"alpha": [1e-4, 1.0], "hidden_layer_sizes": [(8,), (20,)]}
MODEL = MLPClassifier(max_iter=8, random_state=0)


def error_rates(model, x, y):
    right = model.score(x, y)
    return {"right": right, "wrong": 1 - right}


def test_many_settings_at_once_score_as_one_after_the_other():
    found = cross_validate_many(MODEL, PIXELS, CLASSES, GRID, cv=3, return_train_score=True)
    assert [each["params"] for each in found] == list(ParameterGrid(GRID))
    for each in found:
        expected = cross_validate(
            clone(MODEL).set_params(**each["params"]),
            PIXELS,
            CLASSES,
            cv=3,
            return_train_score=True,
        )
        np.testing.assert_array_equal(each["test_score"], expected["test_score"])
        np.testing.assert_array_equal(each["train_score"], expected["train_score"])
        assert set(each) == {*expected, "params"}
        assert (each["fit_time"] > 0).all()


def test_several_scorers_folds_of_ones_own_and_weights():
    cv = KFold(4, shuffle=True, random_state=1)
    weight = np.linspace(0.5, 2.0, 300)
    scoring = ["accuracy", "neg_log_loss"]
    (found,) = cross_validate_many(
        MODEL, PIXELS, CLASSES, [{}], cv=cv, scoring=scoring, sample_weight=weight
    )
    for fold, (train, test) in enumerate(cv.split(PIXELS)):
        model = MLPClassifier(max_iter=8, random_state=0)
        model.fit(PIXELS[train], CLASSES[train], sample_weight=weight[train])
        assert found["test_accuracy"][fold] == model.score(PIXELS[test], CLASSES[test])
    assert found["test_neg_log_loss"].shape == (4,)


def test_pipelines_are_cross_validated_too():
    x, y = load_diabetes(return_X_y=True)
    model = make_pipeline(StandardScaler(), MLPRegressor(max_iter=5, random_state=0))
    (found,) = cross_validate_many(
        model, x, y, [{"mlpregressor__alpha": 0.1}], cv=3, return_estimator=True
    )
    expected = cross_validate(model.set_params(mlpregressor__alpha=0.1), x, y, cv=3)
    np.testing.assert_array_equal(found["test_score"], expected["test_score"])
    assert len(found["estimator"]) == 3


def test_no_settings_is_an_error():
    with pytest.raises(UsageError, match="no settings"):
        cross_validate_many(MODEL, PIXELS, CLASSES, [])


def test_no_threads_is_an_error():
    with pytest.raises(UsageError, match=r"threads is 0, expected a whole number in \[1, inf\)"):
        cross_validate_many(MODEL, PIXELS, CLASSES, [{}], threads=0)


def test_a_grid_search_in_two_processes_finds_the_same():
    alone = GridSearchCV(MODEL, GRID, cv=2).fit(PIXELS, CLASSES)
    together = GridSearchCV(MODEL, GRID, cv=2, n_jobs=2).fit(PIXELS, CLASSES)
    np.testing.assert_array_equal(
        alone.cv_results_["mean_test_score"], together.cv_results_["mean_test_score"]
    )


def test_a_fit_that_fails_leaves_the_others_their_scores():
    broken = FLOWERS.copy()
    broken[0] = 1e300
    model = MLPClassifier(solver="sgd", max_iter=5, random_state=0)
    cv = KFold(3)
    with pytest.warns(FitFailedWarning):
        expected = cross_validate(model, broken, SPECIES, cv=cv, return_train_score=True)
    with pytest.warns(FitFailedWarning, match="2 fits failed out of a total of 3"):
        (found,) = cross_validate_many(model, broken, SPECIES, [{}], cv=cv, return_train_score=True)
    np.testing.assert_array_equal(found["test_score"], expected["test_score"])
    np.testing.assert_array_equal(found["train_score"], expected["train_score"])
    assert np.isnan(found["test_score"]).tolist() == [False, True, True]
    with pytest.raises(ValueError, match="non-finite"):
        cross_validate_many(model, broken, SPECIES, [{}], cv=cv, error_score="raise")
    with pytest.raises(ValueError, match="All the 3 fits failed"):
        cross_validate_many(model, np.full_like(broken, np.nan), SPECIES, [{}], cv=cv)


def test_one_setting_that_fails_does_not_cost_the_others_their_scores():
    settings = [{"early_stopping": True, "validation_fraction": 0.001}, {}]
    with pytest.warns(FitFailedWarning):
        failed, well = cross_validate_many(
            MODEL, FLOWERS, SPECIES, settings, cv=3, scoring=error_rates, error_score=-1.0
        )
    np.testing.assert_array_equal(failed["test_wrong"], [-1.0] * 3)
    expected = cross_validate(MODEL, FLOWERS, SPECIES, cv=3, scoring=error_rates)
    np.testing.assert_array_equal(well["test_wrong"], expected["test_wrong"])
    np.testing.assert_array_equal(well["test_right"], expected["test_right"])


def test_requested_weights_reach_fit_and_score_within_a_pipeline():
    weight = np.linspace(0.5, 2.0, len(SPECIES))
    with config_context(enable_metadata_routing=True):
        network = (
            clone(MODEL).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        )
        model = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), network)
        (found,) = cross_validate_many(
            model, FLOWERS, SPECIES, [{}], cv=3, sample_weight=weight, return_estimator=True
        )
        expected = cross_validate(
            model, FLOWERS, SPECIES, cv=3, params={"sample_weight": weight}, return_estimator=True
        )
    np.testing.assert_array_equal(found["test_score"], expected["test_score"])
    np.testing.assert_array_equal(
        found["estimator"][0][-1].coefs_[0], expected["estimator"][0][-1].coefs_[0]
    )


@pytest.mark.parametrize("form", [sparse.coo_matrix, sparse.coo_array, sparse.csr_matrix])
def test_sparse_rows_are_cross_validated(form):
    (found,) = cross_validate_many(MODEL, form(PIXELS), CLASSES, [{}], cv=3)
    expected = cross_validate(MODEL, form(PIXELS), CLASSES, cv=3)
    np.testing.assert_array_equal(found["test_score"], expected["test_score"])


@pytest.mark.parametrize(
    "grid", [{"activation": "relu"}, {"alpha": 1.0}, {"alpha": []}, 5], ids=str
)
def test_what_is_no_grid_is_refused_as_scikit_learn_refuses_it(grid):
    with pytest.raises((TypeError, ValueError)) as theirs:
        ParameterGrid(grid)
    with pytest.raises(type(theirs.value), match=re.escape(str(theirs.value))):
        cross_validate_many(MODEL, PIXELS, CLASSES, grid)
    with pytest.raises(UsageError, match="A setting is a dict of parameters, not 'alpha'"):
        cross_validate_many(MODEL, PIXELS, CLASSES, ["alpha"])


class Counter:
    def __init__(self):
        self.heard = 0

    def __call__(self, event):
        self.heard += isinstance(event, EpochEnd)


def test_each_fit_has_callbacks_of_its_own_as_clones_have():
    given = Counter()
    settings = {"cv": 3, "return_estimator": True}
    alone = cross_validate(
        MLPClassifier(callbacks=[given], max_iter=8), FLOWERS, SPECIES, **settings
    )
    (many,) = cross_validate_many(
        MLPClassifier(max_iter=8), FLOWERS, SPECIES, [{"callbacks": [given]}], **settings
    )
    for found in (alone, many):
        assert [each.callbacks[0].heard for each in found["estimator"]] == [8, 8, 8]
    assert given.heard == 0


def test_networks_within_pipelines_train_in_one_thread_too():
    model = make_pipeline(StandardScaler(), MODEL)
    (found,) = cross_validate_many(model, FLOWERS, SPECIES, [{}], cv=3, return_estimator=True)
    assert [each[-1].threads for each in found["estimator"]] == [1, 1, 1]
