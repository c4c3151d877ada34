"""Several networks as one estimator."""

import pickle
import signal
import threading
import time

import numpy as np
import pytest
from sklearn import config_context, get_config
from sklearn.datasets import load_iris

from chainrule.estimators import MLPClassifier
from chainrule.training import events

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)


def ensemble(**settings):
    return MLPClassifier(**{"n_ensemble": 2, "max_iter": 5, "random_state": 0, **settings})


def test_nothing_of_an_earlier_network_outlives_the_ensemble():
    model = ensemble(n_ensemble=1).fit(X, Y)
    model.set_params(n_ensemble=3, solver="lbfgs").fit(X[:, :2], Y)
    fresh = ensemble(n_ensemble=3, solver="lbfgs").fit(X[:, :2], Y)
    assert vars(model).keys() == vars(fresh).keys()
    np.testing.assert_array_equal(model.predict_proba(X[:, :2]), fresh.predict_proba(X[:, :2]))


def test_nothing_of_an_ensemble_outlives_it():
    model = ensemble(n_ensemble=3).fit(X, Y).set_params(n_ensemble=1).fit(X[:, :2], Y)
    assert not hasattr(model, "estimators_")
    assert model.model_.predict(X[:, :2]).shape == (150, 3)


def test_requests_for_metadata_are_kept():
    with config_context(enable_metadata_routing=True):
        model = ensemble().set_fit_request(sample_weight=True).fit(X, Y)
        assert model.get_metadata_routing().fit.requests == {
            "sample_weight": True,
            "validation_data": None,
        }


@pytest.mark.parametrize("name", ["model_", "coefs_", "intercepts_", "loss_curve_"])
def test_what_only_members_have_is_looked_for_in_them(name):
    model = pickle.loads(pickle.dumps(ensemble().fit(X, Y)))
    sentence = rf"An ensemble has no {name} of its own: .*estimators_\[0\]\.{name} and so on"
    with pytest.raises(AttributeError, match=sentence):
        getattr(model, name)
    assert not hasattr(model, name)
    assert hasattr(model.estimators_[0], name)


def test_other_attributes_that_are_not_there_are_told_of_as_ever():
    model = ensemble(loss="hinge")
    for each in (model, model.fit(X, Y)):
        with pytest.raises(AttributeError, match="'MLPClassifier' object has no attribute 'coef_'"):
            each.coef_  # noqa: B018
        with pytest.raises(AttributeError, match="has no attribute 'predict_proba'"):
            each.predict_proba  # noqa: B018


def test_a_warm_start_takes_new_parameters_to_the_members():
    model = ensemble(warm_start=True).fit(X, Y)
    before = [member.coefs_[0].copy() for member in model.estimators_]
    model.set_params(max_iter=1, learning_rate_init=1e-9, n_ensemble=3).fit(X, Y)
    assert [member.n_iter_ for member in model.estimators_] == [1, 1, 1]
    for old, member in zip(before, model.estimators_, strict=False):  # the third is new
        np.testing.assert_allclose(member.coefs_[0], old, atol=1e-6)
    assert len({member.random_state for member in model.estimators_}) == 3


def test_networks_cannot_be_taken_away():
    model = ensemble(warm_start=True, n_ensemble=3).fit(X, Y)
    for fewer in (2, 1):
        with pytest.raises(ValueError, match=f"n_ensemble={fewer} must be at least 3"):
            model.set_params(n_ensemble=fewer).fit(X, Y)
    model.set_params(warm_start=False, n_ensemble=2).fit(X, Y)
    assert len(model.estimators_) == 2


def test_partial_fit_adds_networks_to_a_single_one():
    model = ensemble(n_ensemble=1).partial_fit(X, Y, classes=[0, 1, 2])
    alone = ensemble(n_ensemble=1).partial_fit(X, Y, classes=[0, 1, 2])
    updates = model._optimizer.updates
    model.set_params(n_ensemble=2, learning_rate_init=0.1).partial_fit(X, Y)
    assert not hasattr(model, "coefs_")
    assert [m._optimizer.updates for m in model.estimators_] == [2 * updates, updates]
    assert np.abs(model.estimators_[0].coefs_[0] - alone.coefs_[0]).max() < 0.01
    assert [m.learning_rate_init for m in model.estimators_] == [0.1, 0.1]


def test_partial_fit_goes_on_with_each_networks_optimizer():
    changed = {"learning_rate_init": 0.1, "beta_1": 0.5, "alpha": 1.0}
    model = ensemble().partial_fit(X, Y, classes=[0, 1, 2])
    alone = [
        ensemble(n_ensemble=1, random_state=member.random_state) for member in model.estimators_
    ]
    for each in alone:
        each.partial_fit(X, Y, classes=[0, 1, 2]).set_params(**changed).partial_fit(X, Y)
    model.set_params(**changed).partial_fit(X, Y)
    for member, each in zip(model.estimators_, alone, strict=True):
        np.testing.assert_array_equal(member.coefs_[0], each.coefs_[0])


def test_the_very_callbacks_hear_every_member():
    class Listener:
        def __init__(self):
            self.heard = []

        def __call__(self, event):
            self.heard.append(event)

    listener = Listener()
    model = ensemble(callbacks=[listener]).fit(X, Y)
    for network, member in enumerate(model.estimators_):
        ends = [
            e for e in listener.heard if isinstance(e, events.EpochEnd) and e.network == network
        ]
        assert [e.logs["loss"] for e in ends] == member.loss_curve_
    assert model.estimators_[0].loss_curve_ != model.estimators_[1].loss_curve_


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_callbacks_hear_one_event_at_a_time(solver):
    inside, most = set(), []

    def listen(event):
        inside.add(event.network)
        time.sleep(0.005)
        most.append(len(inside))
        inside.remove(event.network)

    ensemble(callbacks=[listen], n_ensemble=4, threads=4, solver=solver).fit(X, Y)
    assert max(most) == 1


def test_a_sentence_ends_the_training_of_the_network_it_is_about():
    def listen(event):
        return "enough" if (event.network, event.epoch) == (1, 3) else None

    model = ensemble(callbacks=[listen], n_ensemble=3).fit(X, Y)
    assert [member.n_iter_ for member in model.estimators_] == [5, 3, 5]


class Brief(MLPClassifier):
    """A user's own, with fewer parameters."""

    def __init__(self, depth=2, n_ensemble=2, random_state=0):
        super().__init__((5,) * depth, n_ensemble=n_ensemble, random_state=random_state)
        self.depth = depth


def test_a_subclass_may_have_parameters_of_its_own():
    model = Brief(depth=3).set_params(depth=3).fit(X, Y)
    assert [member.n_layers_ for member in model.estimators_] == [5, 5]
    assert [member.get_params()["n_ensemble"] for member in model.estimators_] == [1, 1]


def interrupted(model):
    """What becomes of a fit that the user interrupts after a few epochs of two networks."""
    main, far = threading.get_ident(), []

    def listen(event):
        if event.epoch == 20 and isinstance(event, events.EpochEnd):
            far.append(event.network)
        if len(far) == 2:
            far.clear()
            signal.pthread_kill(main, signal.SIGINT)

    return model.set_params(callbacks=[listen], threads=2, tol=0.0, max_iter=200_000).fit(X, Y)


def test_an_interrupted_ensemble_keeps_the_networks_that_had_begun():
    with pytest.warns(UserWarning, match="by user: 2 of 5 networks have been trained") as told:
        model = interrupted(ensemble(n_ensemble=5, n_iter_no_change=200_000))
    assert told[-1].filename == __file__
    assert len(model.estimators_) == 2
    assert 20 <= model.n_iter_ < 200_000
    assert model.predict(X).shape == (150,)


def test_an_interruption_before_the_first_epoch_leaves_networks_trained_earlier():
    model = ensemble(warm_start=True, threads=1).fit(X, Y)
    before = model.predict_proba(X)
    main, heard = threading.get_ident(), threading.Event()

    def interrupt(*_):
        heard.set()
        raise KeyboardInterrupt

    def listen(_):
        if not heard.is_set():
            signal.pthread_kill(main, signal.SIGINT)
            heard.wait(60)
        raise KeyboardInterrupt  # with no epoch done

    handler = signal.signal(signal.SIGINT, interrupt)
    try:
        with pytest.warns(UserWarning, match="2 of 2 networks"):
            model.set_params(callbacks=[listen]).fit(X, Y)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert len(model.estimators_) == 2
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_lbfgs_has_nothing_to_keep_when_interrupted():
    with pytest.raises(KeyboardInterrupt):
        interrupted(ensemble(solver="lbfgs", alpha=0.0, max_fun=10**6))


def test_an_error_in_one_network_ends_the_others():
    def listen(event):
        if event.network == 1:
            raise RuntimeError("no disk")

    model = ensemble(callbacks=[listen], tol=0.0, max_iter=10**6, n_iter_no_change=10**6)
    with pytest.raises(RuntimeError, match="no disk"):
        model.set_params(threads=2).fit(X, Y)
    assert not hasattr(model, "estimators_")


def test_members_are_trained_under_the_callers_configuration():
    seen = []
    with config_context(working_memory=7):
        ensemble(callbacks=[lambda _: seen.append(get_config()["working_memory"])]).fit(X, Y)
    assert set(seen) == {7}


def test_verbose_tells_of_each_network(capsys):
    model = ensemble(verbose=True).fit(X, Y)
    assert capsys.readouterr().out.splitlines() == [
        f"Network {i} of 2: 5 iterations, loss = {member.loss_:.8f}"
        for i, member in enumerate(model.estimators_, start=1)
    ]
    ensemble(verbose=True).partial_fit(X, Y, classes=[0, 1, 2])
    assert "Network 2 of 2: 1 iteration, loss" in capsys.readouterr().out
    ensemble(verbose="progress").fit(X, Y)
    assert "2 of 2 networks trained\n" in capsys.readouterr().err
    ensemble().fit(X, Y)
    assert capsys.readouterr() == ("", "")
