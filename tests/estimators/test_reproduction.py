"""A run of scikit-learn's, repeated: the same random_state gives the same numbers."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn.neural_network as theirs
from sklearn.datasets import load_diabetes, load_digits

from chainrule import estimators as ours
from chainrule.estimators.stochastic import shuffle
from chainrule.estimators.trainer import Trainer
from chainrule.training import loop

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PIXELS, CLASSES = load_digits(return_X_y=True)
PIXELS, CLASSES = PIXELS[:300] / 16, CLASSES[:300]
LABELS = np.stack([CLASSES < 5, CLASSES % 2 == 0, CLASSES == 3], axis=1).astype(int)
PATIENTS, PROGRESS = load_diabetes(return_X_y=True)
WEIGHTS = np.random.default_rng(0).uniform(0.1, 2.0, 300)


def fitted(name, X, y, *, sample_weight=None, **settings):
    settings = {"max_iter": 20, "random_state": 3, **settings}
    both = getattr(ours, name)(**settings), getattr(theirs, name)(**settings)
    return [m.fit(X, y, sample_weight=sample_weight) for m in both]


def assert_the_same_run(mine, reference, X):
    assert mine.n_iter_ == reference.n_iter_
    assert mine.t_ == reference.t_
    assert mine.out_activation_ == reference.out_activation_
    close = {"rtol": 1e-6, "atol": 1e-12}
    for found, expected in zip(
        [*mine.coefs_, *mine.intercepts_],
        [*reference.coefs_, *reference.intercepts_],
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, **close)
    np.testing.assert_allclose(mine.loss_curve_, reference.loss_curve_, **close)
    np.testing.assert_allclose(mine.loss_, reference.loss_, **close)
    if reference.validation_scores_ is None:
        np.testing.assert_allclose(mine.best_loss_, reference.best_loss_, **close)
        assert mine.validation_scores_ is None
    else:
        np.testing.assert_allclose(mine.validation_scores_, reference.validation_scores_, **close)
        np.testing.assert_allclose(
            mine.best_validation_score_, reference.best_validation_score_, **close
        )
        assert mine.best_loss_ is None
    if hasattr(reference, "predict_proba"):
        np.testing.assert_array_equal(mine.predict(X), reference.predict(X))
        np.testing.assert_allclose(mine.predict_proba(X), reference.predict_proba(X), **close)
        with np.errstate(divide="ignore"):  # numbers below 1e-307 are flushed to zero
            expected = reference.predict_proba(X)
            expected = np.log(np.where(expected < 1e-307, 0.0, expected))
        np.testing.assert_allclose(mine.predict_log_proba(X), expected, rtol=1e-6, atol=1e-9)
    else:
        np.testing.assert_allclose(mine.predict(X), reference.predict(X), **close)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"early_stopping": True},
        {"activation": "tanh", "hidden_layer_sizes": (30, 20)},
        {"activation": "logistic", "alpha": 1.0},
        {"activation": "identity", "batch_size": 7},
        {"shuffle": False, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
        {"tol": 0.5, "n_iter_no_change": 2, "max_iter": 50},
        {"early_stopping": True, "tol": 0.1, "n_iter_no_change": 3, "max_iter": 50},
    ],
    ids=str,
)
def test_adam_repeats_scikit_learns_run(settings):
    assert_the_same_run(*fitted("MLPClassifier", PIXELS, CLASSES, **settings), PIXELS)


@pytest.mark.parametrize("schedule", ["constant", "invscaling", "adaptive"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"momentum": 0.0},
        {"nesterovs_momentum": False},
        {"early_stopping": True},
        {"tol": 0.05, "n_iter_no_change": 2, "max_iter": 40},
    ],
    ids=str,
)
def test_sgd_repeats_scikit_learns_run(schedule, settings):
    settings = {"learning_rate": schedule, "learning_rate_init": 0.1, **settings}
    assert_the_same_run(*fitted("MLPClassifier", PIXELS, CLASSES, solver="sgd", **settings), PIXELS)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("y", [CLASSES < 5, CLASSES, LABELS, CLASSES.astype(str)], ids=len)
def test_two_classes_more_classes_labels_and_text_repeat(y, early_stopping):
    settings = {"early_stopping": early_stopping}
    assert_the_same_run(*fitted("MLPClassifier", PIXELS, y, **settings), PIXELS)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_sample_weights_repeat(early_stopping):
    settings = {"sample_weight": WEIGHTS, "early_stopping": early_stopping}
    assert_the_same_run(*fitted("MLPClassifier", PIXELS, CLASSES, **settings), PIXELS)
    y = PIXELS[:, 20:22]
    assert_the_same_run(*fitted("MLPRegressor", PIXELS, y, **settings), PIXELS)


@pytest.mark.parametrize(
    "settings",
    [{}, {"early_stopping": True}, {"loss": "poisson"}, {"solver": "sgd", "alpha": 0.1}],
    ids=str,
)
@pytest.mark.parametrize("outputs", [1, 3])
def test_regression_repeats(settings, outputs):
    y = np.stack([PROGRESS / (50 + i) for i in range(outputs)], axis=1)
    y = y[:, 0] if outputs == 1 else y
    assert_the_same_run(*fitted("MLPRegressor", PATIENTS, y, **settings), PATIENTS)


def test_saturated_probabilities_show_the_same_clipped_loss():
    settings = {"learning_rate_init": 0.1, "max_iter": 5}
    mine, reference = fitted("MLPClassifier", PIXELS * 1000, CLASSES, **settings)
    assert max(reference.loss_curve_) > 10
    assert_the_same_run(mine, reference, PIXELS * 1000)


@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csc_array])
def test_sparse_rows_repeat(kind):
    X = kind(PIXELS)
    assert_the_same_run(*fitted("MLPClassifier", X, CLASSES, early_stopping=True), X)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_partial_fit_repeats(solver):
    models = [module.MLPClassifier(solver=solver, random_state=3) for module in (ours, theirs)]
    for start in (0, 100, 200):
        rows = slice(start, start + 150)
        for model in models:
            model.partial_fit(PIXELS[rows], CLASSES[rows], classes=np.arange(10))
    assert_the_same_run(*models, PIXELS)


@pytest.mark.parametrize("begun", ["fit", "partial_fit"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize(
    "changed",
    [
        {"learning_rate_init": 0.1},
        {"learning_rate": "invscaling", "power_t": 0.1},
        {"momentum": 0.0},
        {"nesterovs_momentum": False},
        {"beta_1": 0.5, "beta_2": 0.5, "epsilon": 0.1},
        {"solver": "other"},
        {"alpha": 1.0, "batch_size": 20, "activation": "tanh"},
    ],
    ids=str,
)
def test_partial_fit_goes_on_with_the_optimizer_there_is(begun, solver, changed):
    models = [module.MLPClassifier(solver=solver, random_state=3) for module in (ours, theirs)]
    other = {"solver": "adam" if solver == "sgd" else "sgd"}
    for model in models:
        if begun == "fit":
            model.set_params(max_iter=2).fit(PIXELS, CLASSES)
        else:
            model.partial_fit(PIXELS, CLASSES, classes=np.arange(10))
        model.set_params(**changed | (other if "solver" in changed else {}))
        for _ in range(3):
            model.partial_fit(PIXELS, CLASSES)
    assert_the_same_run(*models, PIXELS)


def test_a_generator_goes_on_where_it_was_in_a_warm_start():
    models = [
        module.MLPClassifier(
            warm_start=True, max_iter=4, random_state=np.random.RandomState(7), early_stopping=True
        )
        for module in (ours, theirs)
    ]
    for _ in range(3):
        for model in models:
            model.fit(PIXELS, CLASSES)
    assert_the_same_run(*models, PIXELS)


@pytest.mark.parametrize("seed", [0, 2])
@pytest.mark.parametrize("epochs", [1, 12])
def test_warm_starts_with_early_stopping_train_the_best_weights_on(seed, epochs):
    settings = {"warm_start": True, "early_stopping": True, "max_iter": epochs}
    models = [module.MLPClassifier(random_state=seed, **settings) for module in (ours, theirs)]
    for _ in range(8):
        for model in models:
            model.fit(PIXELS, CLASSES)
    assert_the_same_run(*models, PIXELS)


def test_the_score_of_a_single_class_is_one():
    settings = {"early_stopping": True, "hidden_layer_sizes": (7,)}
    assert_the_same_run(*fitted("MLPClassifier", PIXELS, np.zeros(300, int), **settings), PIXELS)


@pytest.mark.parametrize("kind", [object, str, "category"])
def test_columns_that_read_as_numbers_are_numbers(kind):
    frame = pd.DataFrame((PIXELS[:, 18:30] * 16).astype(int)).astype(kind)
    frame.columns = [f"pixel {i}" for i in range(12)]
    assert_the_same_run(*fitted("MLPClassifier", frame, CLASSES), frame)


@pytest.mark.parametrize(
    ("name", "y"), [("MLPClassifier", CLASSES), ("MLPClassifier", LABELS), ("MLPRegressor", LABELS)]
)
def test_lbfgs_takes_scikit_learns_way(name, y):
    mine, reference = fitted(name, PIXELS, y, solver="lbfgs", sample_weight=WEIGHTS)
    assert mine.n_iter_ == reference.n_iter_
    np.testing.assert_allclose(mine.loss_, reference.loss_, rtol=1e-9)
    for found, expected in zip(mine.coefs_, reference.coefs_, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_float32_stays_float32_and_agrees_as_far_as_it_reaches():
    X = PIXELS.astype(np.float32)
    mine, reference = fitted("MLPClassifier", X, CLASSES)
    assert {w.dtype for w in (*mine.coefs_, *mine.intercepts_)} == {np.dtype(np.float32)}
    assert mine.predict_proba(X).dtype == np.float32
    np.testing.assert_allclose(mine.loss_curve_, reference.loss_curve_, rtol=1e-4)
    np.testing.assert_allclose(mine.predict_proba(X), reference.predict_proba(X), atol=1e-3)


def test_no_random_state_draws_from_numpys_global_one():
    found = []
    for module in (ours, theirs):
        np.random.seed(5)  # noqa: NPY002 - it is this generator that both draw from
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.append(module.MLPClassifier(max_iter=2).fit(PIXELS, CLASSES))
    assert_the_same_run(*found, PIXELS)


@pytest.mark.parametrize("momentum", [1.0, 0.0])
def test_the_ends_of_momentums_range_repeat(momentum):
    settings = {"solver": "sgd", "momentum": momentum, "max_iter": 5}
    assert_the_same_run(*fitted("MLPClassifier", PIXELS, CLASSES, **settings), PIXELS)


# --- epochs that are run several at a time ---


@pytest.mark.parametrize("bits", [np.random.MT19937, np.random.PCG64])
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 64, 65, 1797])
def test_rows_are_shuffled_as_numpy_does(rows, bits):
    mine, theirs_ = (np.random.RandomState(bits(7)) for _ in range(2))
    found, expected = np.arange(rows), np.arange(rows)
    for _ in range(3):
        shuffle(mine, found)
        theirs_.shuffle(expected)
        np.testing.assert_array_equal(found, expected)
    assert mine.randint(1 << 30) == theirs_.randint(1 << 30)  # as many numbers were drawn


@pytest.mark.parametrize(
    "settings",
    [
        {"tol": 1e-3},
        {"tol": 1e-3, "n_iter_no_change": 1},
        {"tol": 1e-2, "n_iter_no_change": 3, "solver": "sgd", "learning_rate": "adaptive"},
        {"tol": 1e-3, "solver": "sgd", "learning_rate": "constant", "learning_rate_init": 0.1},
        {"max_iter": 13},
    ],
)
def test_a_run_ends_in_the_same_epoch_however_many_are_run_at_a_time(settings, monkeypatch):
    monkeypatch.setattr(loop, "PROGRESS_SECONDS", 1e6)  # as on a machine that is never slow
    counts = []
    inner = Trainer.epochs

    def epochs(self, examples, orders, *rest, **named):
        counts.append(len(orders))
        return inner(self, examples, orders, *rest, **named)

    monkeypatch.setattr(Trainer, "epochs", epochs)
    settings = {"hidden_layer_sizes": (8,), "max_iter": 200, **settings}
    mine, reference = fitted("MLPClassifier", PIXELS, CLASSES, **settings)
    assert_the_same_run(mine, reference, PIXELS)
    assert sum(counts) == mine.n_iter_
    assert max(counts) == min(loop.AHEAD_EPOCHS, mine.n_iter_no_change + 1)
