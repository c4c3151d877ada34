"""scikit-learn's habits: wrong input, warnings, routing, display, files."""

import subprocess
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import sklearn.neural_network as theirs
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chainrule import estimators as ours

PIXELS, CLASSES = load_digits(return_X_y=True)
PIXELS, CLASSES = PIXELS[:200] / 16, CLASSES[:200]
HIGH, WIDE = PIXELS.copy(), np.hstack([PIXELS, PIXELS])
HIGH[3, 4] = np.inf


def raised(work):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever scikit-learn raises
        work()
    return caught.value


@pytest.mark.parametrize(
    ("settings", "X", "y"),
    [
        ({"alpha": -1}, PIXELS, CLASSES),
        ({"hidden_layer_sizes": (10, 0)}, PIXELS, CLASSES),
        ({"hidden_layer_sizes": -1}, PIXELS, CLASSES),
        ({"momentum": 2}, PIXELS, CLASSES),
        ({"max_iter": 0}, PIXELS, CLASSES),
        ({"batch_size": "all"}, PIXELS, CLASSES),
        ({"beta_1": 1.0}, PIXELS, CLASSES),
        ({"n_iter_no_change": -1}, PIXELS, CLASSES),
        ({"early_stopping": True, "validation_fraction": 1.0}, PIXELS, CLASSES),
        ({"random_state": "seed"}, PIXELS, CLASSES),
        ({}, HIGH, CLASSES),
        ({}, PIXELS[0], CLASSES),
        ({}, PIXELS, CLASSES[:-1]),
        ({}, PIXELS, None),
        ({}, PIXELS[:0], CLASSES[:0]),
        ({}, PIXELS, CLASSES + 0.5),
        ({}, PIXELS, np.column_stack([CLASSES, CLASSES])),
        ({"early_stopping": True}, PIXELS[:4], [0, 0, 0, 1]),
        ({}, PIXELS.astype(str) + "x", CLASSES),
    ],
    ids=str,
)
def test_what_scikit_learn_refuses_is_refused_in_its_way(settings, X, y):
    errors = [raised(lambda m=m: m.MLPClassifier(**settings).fit(X, y)) for m in (ours, theirs)]
    mine, reference = errors
    assert type(mine) is type(reference)
    first = str(reference).split(". Got")[0].replace("sklearn", "")
    same = str(mine) == str(reference) or (
        first.split(" must be")[0] in str(mine)  # ranges that are wider with us read differently
    )
    assert same, f"{mine}\n{reference}"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_rows_of_another_width_are_refused_alike():
    errors = []
    for module in (ours, theirs):
        model = module.MLPClassifier(max_iter=1).fit(PIXELS, CLASSES)
        errors.append(raised(lambda m=model: m.predict(WIDE)))
    assert type(errors[0]) is type(errors[1])
    assert str(errors[0]) == str(errors[1])


@pytest.mark.parametrize(
    "settings", [{"learning_rate": "adaptive"}, {"early_stopping": True}], ids=str
)
def test_what_is_printed_is_the_same(settings, capsys):
    printed = []
    for module in (ours, theirs):
        model = module.MLPClassifier(solver="sgd", tol=1.0, n_iter_no_change=2, **settings)
        model.set_params(verbose=True, random_state=0).fit(PIXELS, CLASSES)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert printed[0].endswith("Stopping.\n")


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_reaching_the_limit_warns_and_converging_does_not(solver):
    for settings, count in (({"max_iter": 2}, 1), ({"max_iter": 500, "tol": 1.0}, 0)):
        warned = []
        for module in (ours, theirs):
            with warnings.catch_warnings(record=True) as record:
                warnings.simplefilter("always")
                module.MLPClassifier(solver=solver, random_state=0, **settings).fit(PIXELS, CLASSES)
            warned.append([w.category for w in record if w.category is ConvergenceWarning])
        assert warned[0] == warned[1] == [ConvergenceWarning] * count


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_sample_weights_are_routed():
    weight = np.where(CLASSES == 0, 5.0, 0.1)
    with sklearn.config_context(enable_metadata_routing=True):
        model = ours.MLPClassifier(max_iter=3, random_state=0)
        model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        routed, plain = (
            cross_validate(pipeline, PIXELS, CLASSES, params=p, return_estimator=True, cv=2)
            for p in ({"sample_weight": weight}, {})
        )
    found = [each["estimator"][0][-1].coefs_[0] for each in (routed, plain)]
    assert not np.array_equal(*found)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fitted_estimator_is_shown_dumped_and_knows_its_columns(tmp_path):
    frame = pd.DataFrame(PIXELS, columns=[f"pixel {i}" for i in range(64)])
    model = ours.MLPClassifier(max_iter=5, random_state=0, alpha=0.5).fit(frame, CLASSES)
    assert "alpha=0.5" in repr(model)
    assert "MLPClassifier" in model._repr_html_()
    assert list(model.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"pixel 3": "pixel three"}))
    joblib.dump(model, tmp_path / "model.joblib")
    again = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
    before = again.coefs_[0].copy()
    again.partial_fit(frame, CLASSES)
    assert not np.array_equal(before, again.coefs_[0])


def test_importing_the_package_does_not_import_scikit_learn():
    program = "import sys, chainrule; chainrule.Sequential; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_parameter_and_default_is_scikit_learns():
    for name in ("MLPClassifier", "MLPRegressor"):
        mine = getattr(ours, name)().get_params()
        reference = getattr(theirs, name)().get_params()
        assert {k: v for k, v in mine.items() if k in reference} == reference
