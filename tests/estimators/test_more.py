"""What the estimators can do beyond scikit-learn's."""

import io
import pickle
import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from joblib import Parallel, delayed
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.preprocessing import LabelBinarizer

import chainrule as cr
from chainrule.estimators import MLPClassifier, MLPRegressor, classifier, workers
from chainrule.training import events

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PIXELS, CLASSES = load_digits(return_X_y=True)
PIXELS, CLASSES = PIXELS[:600] / 16, CLASSES[:600]
TRAIN, TEST = slice(0, 400), slice(400, 600)
PATIENTS, PROGRESS = load_diabetes(return_X_y=True)


def fitted(**settings):
    settings = {"max_iter": 30, "random_state": 0, "learning_rate_init": 0.01, **settings}
    return MLPClassifier(**settings).fit(PIXELS[TRAIN], CLASSES[TRAIN])


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.2},
        {"dropout": [0.1, 0.3], "hidden_layer_sizes": (60, 40)},
        {"batch_norm": True},
        {"activation": ["gelu", "tanh"], "hidden_layer_sizes": (60, 40)},
        {"activation": cr.activations.LeakyReLU(0.1)},
        {"solver": "rmsprop"},
        {"solver": "adamw"},
        {"solver": cr.optimizers.SGD(0.1, momentum=0.9)},
        {"learning_rate": "cosine"},
        {"learning_rate": cr.schedules.named("step", 0.02)},
        {"loss": "categorical_crossentropy"},
        {"loss": cr.losses.CategoricalCrossentropy(label_smoothing=0.1)},
        {"loss": "hinge"},
        {"class_weight": "balanced"},
        {"n_ensemble": 3},
        {"early_stopping": True, "scoring": "loss"},
    ],
    ids=str,
)
def test_it_learns_with(settings):
    model = fitted(**settings)
    assert model.score(PIXELS[TEST], CLASSES[TEST]) > 0.75
    again = clone(model).fit(PIXELS[TRAIN], CLASSES[TRAIN])
    np.testing.assert_array_equal(again.predict(PIXELS), model.predict(PIXELS))
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(PIXELS), model.predict(PIXELS))


def test_dropout_changes_training_but_not_prediction():
    plain, dropped = fitted(), fitted(dropout=0.5)
    assert dropped.loss_curve_[-1] > plain.loss_curve_[-1]
    np.testing.assert_array_equal(
        dropped.predict_proba(PIXELS[TEST]), dropped.predict_proba(PIXELS[TEST])
    )


@pytest.mark.parametrize(
    "settings",
    [{}, {"batch_norm": True}, {"loss": "hinge"}, {"solver": "sgd", "momentum": 1, "max_iter": 2}],
    ids=str,
)
def test_the_model_underneath_predicts_and_saves_the_same(settings, tmp_path):
    model = fitted(**settings)
    model.model_.save(tmp_path / "digits.chainrule")
    found = cr.load(tmp_path / "digits.chainrule").predict(PIXELS[TEST])
    np.testing.assert_array_equal(found, model._outputs(PIXELS[TEST]))


def test_what_is_assigned_to_coefs_is_what_predicts():
    model = fitted()
    model.coefs_[-1][:] = 0.0
    model.intercepts_[-1] = np.arange(10.0)
    assert set(model.predict(PIXELS)) == {9}


def test_batch_norm_goes_on_in_partial_fit_and_refuses_a_batch_of_one_row():
    model = MLPClassifier(batch_norm=True, random_state=0)
    for _ in range(5):
        model.partial_fit(PIXELS, CLASSES, classes=np.arange(10))
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    with pytest.raises(ValueError, match="leave: choose another batch_size, or give more rows"):
        MLPClassifier(batch_norm=True, batch_size=100).fit(PIXELS[:201], CLASSES[:201])


def test_validation_data_gives_both_curves_and_is_what_early_stopping_goes_by():
    held = PIXELS[TEST], CLASSES[TEST]
    model = MLPClassifier(max_iter=15, random_state=0)
    model.fit(PIXELS[TRAIN], CLASSES[TRAIN], validation_data=held)
    assert len(model.loss_curve_) == len(model.validation_loss_curve_) == 15
    assert model.validation_scores_[-1] == pytest.approx(model.score(*held))
    probabilities = model.predict_proba(held[0])[np.arange(200), held[1]]
    assert model.validation_loss_curve_[-1] == pytest.approx(-np.log(probabilities).mean())
    plain = MLPClassifier(max_iter=15, random_state=0).fit(PIXELS[TRAIN], CLASSES[TRAIN])
    np.testing.assert_array_equal(plain.coefs_[0], model.coefs_[0])
    stopped = MLPClassifier(early_stopping=True, random_state=0, tol=0.0, n_iter_no_change=3)
    stopped.fit(PIXELS[TRAIN], CLASSES[TRAIN], validation_data=held)
    assert stopped.score(*held) == pytest.approx(max(stopped.validation_scores_))


@pytest.mark.parametrize(
    ("y", "held", "sentence"),
    [
        (
            CLASSES,
            np.c_[CLASSES, CLASSES],
            r"shape \(600, 2\), but the training rows have one label each",
        ),
        (CLASSES, CLASSES + 0.5, "Unknown label type: continuous"),
        (CLASSES, CLASSES + 1, r"labels that no training row has: \[10\]"),
        (PIXELS > 0, CLASSES, r"shape \(600,\), but the training rows have several labels each"),
    ],
    ids=str,
)
def test_validation_data_with_other_labels_are_refused(y, held, sentence):
    with pytest.raises(ValueError, match=sentence):
        MLPClassifier(max_iter=1).fit(PIXELS, y, validation_data=(PIXELS, held))


def test_scores_that_are_no_numbers_are_told_of():
    model = MLPClassifier(
        early_stopping=True, scoring=lambda *_: np.nan, max_iter=2, random_state=0
    )
    with pytest.warns(UserWarning, match="the weights are those before the training: look at"):
        model.fit(PIXELS, CLASSES)
    assert np.isnan(model.validation_scores_).all()
    untrained = MLPClassifier(early_stopping=True, callbacks=[lambda _: "no"], random_state=0)
    for after, before in zip(model.coefs_, untrained.fit(PIXELS, CLASSES).coefs_, strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("members", [1, 2])
def test_training_that_is_stopped_at_once_has_no_loss(members):
    model = fitted(callbacks=[lambda _: "no"], n_ensemble=members)
    assert model.n_iter_ == 0
    assert np.isnan(model.loss_)
    assert model.predict(PIXELS).shape == (600,)


def test_weights_on_one_side_count_as_ones_on_the_other():
    held = PIXELS[TEST], CLASSES[TEST]
    weights = np.linspace(0.5, 2.0, 200)
    model = MLPClassifier(max_iter=5, random_state=0, class_weight={c: 1.0 + c for c in range(10)})
    model.fit(PIXELS[TRAIN], CLASSES[TRAIN], validation_data=held)
    each = -np.log(model.predict_proba(held[0])[np.arange(200), held[1]])
    assert model.validation_loss_curve_[-1] == pytest.approx(each.mean())
    plain = MLPClassifier(max_iter=5, random_state=0)
    plain.fit(PIXELS[TRAIN], CLASSES[TRAIN], validation_data=(*held, weights))
    each = -np.log(plain.predict_proba(held[0])[np.arange(200), held[1]])
    assert plain.validation_loss_curve_[-1] == pytest.approx(np.average(each, weights=weights))
    alone = MLPClassifier(max_iter=5, random_state=0).fit(PIXELS[TRAIN], CLASSES[TRAIN])
    np.testing.assert_allclose(plain.coefs_[0], alone.coefs_[0], rtol=1e-12)


SEVERAL = np.stack([CLASSES < 5, CLASSES % 2 == 0], axis=1).astype(int)


@pytest.mark.parametrize(
    ("make", "y", "held", "words"),
    [
        (MLPClassifier, CLASSES % 3, CLASSES % 4, "labels that no training row has: \\[3\\]"),
        (MLPClassifier, CLASSES, CLASSES.astype(str), "labels that no training row has"),
        (MLPClassifier, SEVERAL, CLASSES, "have several labels each"),
        (MLPClassifier, CLASSES, SEVERAL, "have one label each"),
        (MLPRegressor, SEVERAL, CLASSES, "has 1 output"),
        (MLPRegressor, CLASSES, np.where(CLASSES > 3, np.nan, 1.0), "contains NaN"),
    ],
)
def test_targets_to_judge_by_have_to_go_with_those_trained_on(make, y, held, words):
    with pytest.raises(ValueError, match=words):
        make(max_iter=2).fit(PIXELS, y, validation_data=(PIXELS, held))


def test_sparse_labels_can_be_judged_by():
    model = MLPClassifier(max_iter=4, random_state=0)
    model.fit(PIXELS, SEVERAL, validation_data=(PIXELS, csr_matrix(SEVERAL)))
    assert model.validation_scores_[-1] == pytest.approx(model.score(PIXELS, SEVERAL))


def test_a_callback_that_cannot_be_called_is_refused():
    with pytest.raises(ValueError, match="functions that take an event, not 'print'"):
        fitted(callbacks=["print"])


def test_lbfgs_has_no_epochs_to_judge_after():
    model = MLPClassifier(solver="lbfgs")
    with pytest.raises(ValueError, match="after each epoch"):
        model.fit(PIXELS, CLASSES, validation_data=(PIXELS, CLASSES))


def test_early_stopping_can_be_switched_on_and_off_in_a_warm_start():
    model = fitted(warm_start=True, max_iter=3).set_params(early_stopping=True)
    assert len(model.fit(PIXELS, CLASSES).validation_scores_) == 3
    model.set_params(early_stopping=False).fit(PIXELS, CLASSES)
    assert model.best_loss_ == min(model.loss_curve_[-3:])


def test_batch_norm_is_what_was_trained_with():
    model = fitted(warm_start=True, max_iter=3)
    before = model.predict_proba(PIXELS)
    model.set_params(batch_norm=True)
    np.testing.assert_array_equal(model.predict_proba(PIXELS), before)
    with pytest.raises(ValueError, match="batch_norm=True does not go with the weights"):
        model.fit(PIXELS, CLASSES)


def test_early_stopping_can_go_by_any_scorer_of_scikit_learn():
    held = PIXELS[TEST], CLASSES[TEST]
    model = MLPClassifier(
        early_stopping=True, scoring="balanced_accuracy", random_state=0, max_iter=20
    )
    model.fit(PIXELS[TRAIN], CLASSES[TRAIN], validation_data=held)
    expected = balanced_accuracy_score(held[1], model.predict(held[0]))
    assert model.best_validation_score_ == pytest.approx(expected)


@pytest.mark.parametrize("goes_on", ["fit", "partial_fit"])
def test_a_stochastic_solver_goes_on_where_lbfgs_ended(goes_on):
    model = fitted(hidden_layer_sizes=(20,), max_iter=1, warm_start=True)
    model.set_params(solver="lbfgs", hidden_layer_sizes=(10,), warm_start=False, max_iter=50)
    model.fit(PIXELS, CLASSES).set_params(solver="adam", warm_start=True, max_iter=1)
    fresh = clone(model).set_params(solver="lbfgs", max_iter=50).fit(PIXELS, CLASSES)
    fresh.set_params(solver="adam", max_iter=1)
    for each in (model, fresh):
        getattr(each, goes_on)(PIXELS, CLASSES)
        assert each.loss_curve_[-1] < 0.05
    np.testing.assert_array_equal(model.coefs_[0], fresh.coefs_[0])


@pytest.mark.parametrize(
    ("settings", "data", "warned"),
    [
        ({}, None, 1),
        ({"n_ensemble": 2}, None, 1),
        ({"solver": "lbfgs", "early_stopping": True}, None, 1),
        ({"early_stopping": True}, None, 0),
        ({}, (PIXELS, CLASSES), 0),
        ({"scoring": None}, None, 0),
    ],
    ids=str,
)
def test_scoring_without_rows_to_score_is_told_of(settings, data, warned):
    model = MLPClassifier(**{"scoring": "accuracy", "max_iter": 1, **settings})
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        model.fit(PIXELS, CLASSES, validation_data=data)
    told = [w for w in record if "has no rows to score" in str(w.message)]
    assert len(told) == warned
    assert all(w.filename == __file__ for w in told)


def test_class_weights_are_sample_weights_by_class():
    by_class = {c: 1.0 + c for c in range(10)}
    model = fitted(class_weight=by_class)
    settings = {"max_iter": 30, "random_state": 0, "learning_rate_init": 0.01}
    expected = MLPClassifier(**settings).fit(
        PIXELS[TRAIN], CLASSES[TRAIN], sample_weight=1.0 + CLASSES[TRAIN]
    )
    np.testing.assert_array_equal(model.coefs_[0], expected.coefs_[0])


def test_callbacks_hear_every_epoch_and_may_stop():
    heard = []

    def listen(event):
        heard.append(event)
        return "that is enough" if event.epoch == 3 else None

    model = fitted(callbacks=[listen])
    epochs = [e for e in heard if isinstance(e, events.EpochEnd)]
    assert [e.logs["loss"] for e in epochs] == model.loss_curve_
    assert len(epochs) == model.n_iter_ == 3
    assert isinstance(heard[0], events.TrainingStarted)
    assert heard[-1].reason == "that is enough"


def test_an_ensemble_is_the_mean_of_its_members():
    model = fitted(n_ensemble=3)
    members = [m.predict_proba(PIXELS[TEST]) for m in model.estimators_]
    np.testing.assert_allclose(model.predict_proba(PIXELS[TEST]), np.mean(members, axis=0))
    assert not np.array_equal(members[0], members[1])


def test_missing_numbers_are_filled_when_asked():
    gaps = PIXELS.copy()
    gaps[np.random.default_rng(0).random(gaps.shape) < 0.1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        MLPClassifier().fit(gaps, CLASSES)
    model = MLPClassifier(impute=True, random_state=0, max_iter=50).fit(gaps[TRAIN], CLASSES[TRAIN])
    assert model.score(gaps[TEST], CLASSES[TEST]) > 0.7
    assert model.n_features_in_ == 64
    with pytest.raises(ValueError, match="64 features"):
        model.predict(gaps[:, :60])


@pytest.mark.parametrize("goes_on", ["fit", "partial_fit"])
@pytest.mark.parametrize("members", [1, 2])
def test_a_network_that_goes_on_fills_gaps_from_when_it_is_asked(goes_on, members):
    gaps = PIXELS.copy()
    gaps[::2, 20] = np.nan
    filled = np.where(np.isnan(gaps), gaps[1::2, 20].mean(), gaps)
    found = []
    for rows in (gaps, filled):
        model = fitted(warm_start=True, n_ensemble=members, max_iter=5)
        getattr(model.set_params(impute=True), goes_on)(rows, CLASSES)
        found.append(model.predict_proba(rows))
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_gaps_beside_categories_are_filled_from_when_it_is_asked():
    sex = np.where(PATIENTS[:, 1] > 0, "x", "y")
    frame = pd.DataFrame({"age": PATIENTS[:, 0], "sex": sex, "bmi": PATIENTS[:, 2]})
    model = MLPRegressor(max_iter=3, warm_start=True, random_state=0).fit(frame, PROGRESS)
    frame.loc[::3, "bmi"] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.fit(frame, PROGRESS)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.set_params(impute=True).predict(frame)
    model.fit(frame, PROGRESS)
    filled = frame.fillna({"bmi": frame["bmi"].mean()})
    np.testing.assert_allclose(model.predict(frame), model.predict(filled))
    assert model.coefs_[0].shape[0] == 4


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_categories_of_a_frame_become_columns(make):
    sex = np.where(PATIENTS[:, 1] > 0, "x", "y")
    frame = make({"age": PATIENTS[:, 0], "sex": sex, "bmi": PATIENTS[:, 2]})
    model = MLPRegressor(solver="lbfgs", max_iter=30, random_state=0).fit(frame, PROGRESS)
    assert list(model.feature_names_in_) == ["age", "sex", "bmi"]
    assert model.coefs_[0].shape[0] == 4
    assert model.score(frame, PROGRESS) > 0.3
    other = make({"age": [0.0], "sex": ["unheard of"], "bmi": [0.0]})
    assert np.isfinite(model.predict(other)).all()


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_a_frame_may_hold_nothing_but_categories(make):
    colours = ["red", "green", "blue"] * 20
    model = MLPClassifier(max_iter=100, learning_rate_init=0.1, random_state=0)
    assert (
        model.fit(make({"colour": colours}), colours).score(make({"colour": colours}), colours) == 1
    )


@pytest.mark.parametrize("unheard_of", ["z", 5, 0.5, True])
def test_what_no_training_row_had_is_no_category(unheard_of):
    frame = pd.DataFrame({"age": [1.0, 2, 3, 4], "sex": ["x", "y", "x", "y"]})
    model = MLPClassifier(max_iter=3, random_state=0).fit(frame, [0, 1, 0, 1])
    found = model.predict_proba(pd.DataFrame({"age": [1.0], "sex": [unheard_of]}))
    expected = model.predict_proba(pl.DataFrame({"age": [1.0], "sex": ["?"]}))
    np.testing.assert_array_equal(found, expected)


def test_what_is_missing_is_one_category_however_it_is_written():
    frame = pd.DataFrame({"age": [1.0, 2, 3, 4], "sex": ["x", "y", None, "y"]})
    model = MLPClassifier(max_iter=3, random_state=0).fit(frame, [0, 1, 0, 1])
    assert model.coefs_[0].shape[0] == 4
    for missing in (np.nan, pd.NA, pd.Series([None], dtype="string")):
        found = model.predict_proba(pd.DataFrame({"age": [3.0], "sex": missing}))
        np.testing.assert_array_equal(found, model.predict_proba(frame)[[2]])


def test_columns_may_be_named_by_numbers():
    frame = pd.DataFrame({1: PATIENTS[:, 0], 0: np.where(PATIENTS[:, 1] > 0, "x", "y")})
    model = MLPRegressor(max_iter=3, random_state=0).fit(frame, PROGRESS)
    assert model.coefs_[0].shape[0] == 3


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        (["sax"], r"names 'sax', but X has the columns \['age', 'sex'\]"),
        ([2], "names column 2, but X has columns 0 to 1"),
        ([True], "says yes or no of 1 columns, but X has 2"),
    ],
    ids=str,
)
def test_categories_that_are_no_columns_are_named(chosen, sentence):
    frame = pd.DataFrame({"age": [1.0, 2, 3, 4], "sex": ["x", "y", "x", "y"]})
    with pytest.raises(ValueError, match=sentence):
        MLPClassifier(categorical_features=chosen).fit(frame, [0, 1, 0, 1])
    with pytest.raises(ValueError, match="give X as a frame, or numbers of columns"):
        MLPClassifier(categorical_features=["sex"]).fit(PIXELS, CLASSES)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_dates_are_no_numbers(make):
    days = pd.date_range("2020-01-01", periods=4).to_pydatetime().tolist()
    with pytest.raises(TypeError, match="The column 'day' holds dates or times: turn it into"):
        MLPClassifier().fit(make({"age": [1.0, 2, 3, 4], "day": days}), [0, 1, 0, 1])


def test_a_lazy_frame_has_to_be_collected():
    with pytest.raises(TypeError, match=r"give X\.collect\(\)"):
        MLPClassifier().fit(pl.DataFrame(PIXELS).lazy(), CLASSES)


def test_what_is_no_number_is_refused_beside_categories_too():
    frame = pd.DataFrame({"age": PATIENTS[:, 0], "sex": np.where(PATIENTS[:, 1] > 0, "x", "y")})
    model = MLPRegressor(max_iter=3, random_state=0).fit(frame, PROGRESS)
    for wrong in (np.nan, np.inf):
        with pytest.raises(ValueError, match="Input X contains"):
            model.predict(frame.assign(age=wrong))


@pytest.mark.parametrize("impute", [False, True])
def test_categories_of_an_array_can_be_text(impute):
    mixed = np.column_stack([PATIENTS.astype(object), np.where(PATIENTS[:, 1] > 0, "x", "y")])
    model = MLPRegressor(
        solver="lbfgs", max_iter=30, random_state=0, categorical_features=[10], impute=impute
    )
    assert model.fit(mixed, PROGRESS).score(mixed, PROGRESS) > 0.3
    assert model.coefs_[0].shape[0] == 12


def test_named_columns_can_be_categories_of_an_array():
    codes = np.column_stack([np.arange(300) % 3, np.arange(300) % 5]).astype(float)
    model = MLPClassifier(categorical_features=[0], random_state=0, max_iter=100)
    model.fit(codes, codes[:, 0])
    assert model.coefs_[0].shape[0] == 4
    assert model.score(codes, codes[:, 0]) == 1.0


def test_a_progress_line_is_written_anew_on_stderr(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    fitted(verbose="progress")
    assert "\rEpoch 30/30  loss" in shown.getvalue().replace("\x1b[K", "")
    assert shown.getvalue().endswith("\n")


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_of_a_pool_use_one_thread_each(backend):
    settings = {"max_iter": 30, "random_state": 0, "learning_rate_init": 0.01}
    train, test = (PIXELS[TRAIN], CLASSES[TRAIN]), PIXELS[TEST]

    def work():  # a function inside another is sent whole: a worker cannot import this module
        import warnings

        from chainrule.estimators import MLPClassifier, workers

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = MLPClassifier(**settings).fit(*train)
            return workers.threads(None), model.predict_proba(test)

    found = Parallel(n_jobs=2, backend=backend)(delayed(work)() for _ in range(2))
    assert [threads for threads, _ in found] == [1, 1]
    np.testing.assert_array_equal(found[0][1], fitted().predict_proba(PIXELS[TEST]))


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_does_not_change_a_bit(threads):
    settings = {"hidden_layer_sizes": (300,), "max_iter": 3}
    np.testing.assert_array_equal(
        fitted(threads=threads, **settings).coefs_[0], fitted(**settings).coefs_[0]
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"dropout": 1.0}, r"The 'dropout' parameter of MLPClassifier must be .*Got 1.0 instead"),
        ({"dropout": [0.1, 0.2]}, "a list of 1, one for each hidden layer"),
        ({"hidden_layer_sizes": (5.5,)}, r"hidden_layer_sizes must be whole numbers, got \[5.5\]"),
        ({"activation": "reluu"}, "The 'activation' parameter .*Got 'reluu' instead"),
        ({"activation": ["relu", "tanh"]}, "lists 2 activations for 1 hidden layers"),
        ({"solver": "adm"}, "The 'solver' parameter .* Got 'adm' instead"),
        ({"loss": "hing"}, "The 'loss' parameter .* Got 'hing' instead"),
        ({"scoring": "acc"}, "The 'scoring' parameter .* Got 'acc' instead"),
        ({"solver": "lbfgs", "batch_norm": True}, "use solver='adam' or 'sgd'"),
        ({"solver": cr.optimizers.LBFGS()}, "give solver='lbfgs'"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_named(settings, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        fitted(**settings)


def test_an_unfitted_estimator_says_so():
    for method in ("predict", "predict_proba"):
        with pytest.raises(NotFittedError):
            getattr(MLPClassifier(), method)(PIXELS)
    with pytest.raises(NotFittedError):
        MLPRegressor().model_  # noqa: B018


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", cr.losses.Hinge(), cr.losses.Hinge])
def test_scores_that_are_no_probabilities_are_not_called_so(loss):
    assert not hasattr(fitted(loss=loss, max_iter=1), "predict_proba")


def test_a_loss_on_logits_is_that_on_probabilities():
    models = [
        fitted(loss=cr.losses.CategoricalCrossentropy(from_logits=logits), max_iter=3)
        for logits in (True, False)
    ]
    found, expected = (model.predict_proba(PIXELS) for model in models)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


@pytest.mark.parametrize(
    ("loss", "y", "inverse"),
    [
        ("binary_crossentropy", PROGRESS / 346, lambda z: 1 / (1 + np.exp(-z))),
        ("poisson", PROGRESS, np.exp),
        (
            "kl_divergence",
            np.c_[PROGRESS, 346 - PROGRESS] / 346,
            lambda z: np.exp(z) / np.exp(z).sum(1, keepdims=True),
        ),
        ("huber", PROGRESS, lambda z: z),
    ],
)
def test_a_regressors_outputs_are_what_its_loss_is_made_for(loss, y, inverse):
    model = MLPRegressor(loss=loss, activation="identity", max_iter=3, random_state=0)
    (v, w), (a, b) = model.fit(PATIENTS, y).coefs_, model.intercepts_
    expected = inverse((PATIENTS @ v + a) @ w + b)
    np.testing.assert_allclose(model.predict(PATIENTS), expected.reshape(y.shape))


def test_targets_that_a_regressors_loss_cannot_take_are_refused():
    with pytest.raises(ValueError, match="BinaryCrossentropy takes targets from 0 to 1"):
        MLPRegressor(loss="binary_crossentropy").fit(PATIENTS, PROGRESS)


@pytest.mark.parametrize(
    ("settings", "rate"),
    [
        ({"learning_rate_init": 0.1}, cr.schedules.Constant(0.1)),
        ({"learning_rate": "cosine", "learning_rate_init": 0.2}, cr.schedules.named("cosine", 0.2)),
        ({"solver": cr.optimizers.SGD(0.3)}, cr.schedules.Constant(0.3)),
    ],
    ids=str,
)
def test_the_model_underneath_trains_on_at_the_same_rate(settings, rate):
    assert fitted(max_iter=1, **settings).model_._recipe().optimizer.schedule == rate


def test_words_and_numbers_in_one_column_are_named():
    frame = pd.DataFrame({"size": [1, "x", 2, 3.5] * 5, "weight": range(20)})
    with pytest.raises(TypeError, match="The column 'size' holds words and numbers: turn all"):
        MLPClassifier(max_iter=2).fit(frame, [0, 1] * 10)


def test_a_table_of_arrows_is_a_frame():
    arrow = pytest.importorskip("pyarrow")
    columns = {"colour": ["red", "blue"] * 10, "size": list(range(20))}
    table = arrow.table(columns)
    model = MLPClassifier(max_iter=3, random_state=0).fit(table, [0, 1] * 10)
    assert list(model.feature_names_in_) == ["colour", "size"]
    same = MLPClassifier(max_iter=3, random_state=0).fit(pl.DataFrame(columns), [0, 1] * 10)
    assert np.array_equal(model.predict_proba(table), same.predict_proba(pl.DataFrame(columns)))


@pytest.mark.parametrize("rates", [["x"], [0.2, 0.3], [1.0], [None]])
def test_dropout_rates_are_numbers_one_for_each_layer(rates):
    with pytest.raises(
        ValueError, match=r"dropout is .*: give one rate in \[0, 1\), or a list of 1"
    ):
        MLPClassifier(dropout=rates).fit(PIXELS[:50], CLASSES[:50])


@pytest.mark.parametrize(
    "labels",
    [
        CLASSES[:300],
        CLASSES[:300] > 4,
        CLASSES[:300].astype(str),
        CLASSES[:300].astype(str).astype(object),
        np.eye(10, dtype=int)[CLASSES[:300]],
        np.zeros(300, int),
    ],
    ids=["numbers", "yes or no", "words", "objects", "several labels", "one class"],
)
def test_score_is_scikit_learns_accuracy(labels):
    model = MLPClassifier(max_iter=15, random_state=0).fit(PIXELS[:300], labels)
    found = model.predict(PIXELS[:300])
    weights = np.linspace(0, 1, 300)
    assert model.score(PIXELS[:300], labels) == accuracy_score(labels, found)
    assert model.score(PIXELS[:300], labels, weights) == accuracy_score(
        labels, found, sample_weight=weights
    )
    assert model.score(PIXELS[:300], labels.tolist()) == accuracy_score(labels, found)


@pytest.mark.parametrize(
    "labels",
    [[3, 1, 2, 1], [True, False], ["a", "", "b"], [7, 7], np.array([1, 2], np.uint64), [0, 1, 1]],
)
def test_plain_labels_are_learnt_as_by_scikit_learn(labels):
    ours, theirs = classifier._binarizer(np.array(labels)), LabelBinarizer().fit(labels)
    assert np.array_equal(ours.classes_, theirs.classes_)
    assert (ours.y_type_, ours.sparse_input_) == (theirs.y_type_, theirs.sparse_input_)
    assert np.array_equal(ours.transform(labels), theirs.transform(labels))


def test_score_wants_as_many_labels_as_rows():
    model = MLPClassifier(max_iter=2, random_state=0).fit(PIXELS[:50], CLASSES[:50])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.score(PIXELS[:50], CLASSES[:49])


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (399, 9)])
def test_what_is_not_finite_is_found_in_large_arrays(monkeypatch, strange, place):
    monkeypatch.setattr(workers, "LARGE", 1)
    rows = np.random.default_rng(0).normal(size=(400, 10))
    labels = np.arange(400) % 2
    assert workers.known_finite(rows, 2)
    assert not workers.known_finite(rows, 1)  # one thread leaves it to scikit-learn
    fitted = MLPClassifier(max_iter=2, random_state=0, threads=2).fit(rows, labels)
    assert not workers.known_finite(np.full((4, 4), 1e308), 2)  # nor is a sum that overflows known
    rows[place] = strange
    assert not workers.known_finite(rows, 2)
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        MLPClassifier(threads=2).fit(rows, labels)
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        fitted.partial_fit(rows, labels)
