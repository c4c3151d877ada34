import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import GridSearchCV, KFold, ParameterGrid, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chainrule.errors import UsageError
from chainrule.estimators import MLPClassifier, MLPRegressor, cross_validate_many

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PIXELS, CLASSES = load_digits(return_X_y=True)
PIXELS, CLASSES = PIXELS[:300] / 16, CLASSES[:300]
GRID = {"alpha": [1e-4, 1.0], "hidden_layer_sizes": [(8,), (20,)]}
MODEL = MLPClassifier(max_iter=8, random_state=0)


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


def test_a_grid_search_in_two_processes_finds_the_same():
    alone = GridSearchCV(MODEL, GRID, cv=2).fit(PIXELS, CLASSES)
    together = GridSearchCV(MODEL, GRID, cv=2, n_jobs=2).fit(PIXELS, CLASSES)
    np.testing.assert_array_equal(
        alone.cv_results_["mean_test_score"], together.cv_results_["mean_test_score"]
    )
