"""L-BFGS: as far down as SciPy and scikit-learn come, one event an iteration."""

from __future__ import annotations

import signal
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import chainrule as cr
from chainrule import layers
from chainrule.engines.reference import Reference
from chainrule.errors import UsageError
from chainrule.training import EpochEnd, Progress, TrainingStarted, loop
from chainrule.training.lbfgs import Descent, scipy_minimize

# some operations run on the reference engine alone
pytestmark = pytest.mark.filterwarnings("ignore:.*no native kernel")

RNG = np.random.default_rng(16)
X = RNG.normal(size=(40, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.3 + 0.1 * RNG.normal(size=40)


def linear(**settings: Any) -> cr.Sequential:
    model = cr.Sequential([layers.Dense(1, **settings)], seed=2)
    model.compile(cr.optimizers.LBFGS(), "mse", precision="float64")
    return model


class Misleading(Reference):
    """An engine whose loss rises with every look, so that an iteration looks again and again.

    At the second one, Ctrl-C is pressed; the look ends when the main thread has heard of it.
    """

    def __init__(self, heard: Callable[[], bool]) -> None:
        self.heard, self.looks = heard, 0

    def prepare(self, program: Any, state: Any, threads: Any = None) -> Any:
        runner: Any = super().prepare(program, state, threads)
        honest = runner.once

        def once(data: Any, scalars: Any = None) -> Any:
            self.looks += 1
            if self.looks == 2:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
                end = time.monotonic() + 60
                while not self.heard() and time.monotonic() < end:
                    time.sleep(0.01)
            return {**honest(data, scalars), "loss": 1e6 * self.looks}

        runner.once = once
        return runner


class Broken(Reference):
    """An engine that cannot compute gradients."""

    def prepare(self, program: Any, state: Any, threads: Any = None) -> Any:
        runner: Any = super().prepare(program, state, threads)

        def once(data: Any, scalars: Any = None) -> Any:
            raise ArithmeticError("out of order")

        runner.once = once
        return runner


def test_a_linear_model_reaches_the_least_squares_solution() -> None:
    model = linear()
    history = model.fit(X, Y, epochs=100, verbose=0)
    wide = np.column_stack([X, np.ones(40)])
    solution, residual, *_ = np.linalg.lstsq(wide, Y, rcond=None)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose([*kernel[:, 0], *bias], solution, atol=1e-5)
    assert history.history["loss"][-1] == pytest.approx(residual[0] / 40, rel=1e-8)
    assert history.stopped_because.startswith("L-BFGS stopped: convergence")
    assert len(history.epoch) < 30


def test_digits_are_learnt_as_far_as_scikit_learn_learns_them() -> None:
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    x, y = load_digits(return_X_y=True)
    x, y = x[:300] / 16.0, y[:300]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = MLPClassifier((10,), solver="lbfgs", alpha=1.0, max_iter=60, random_state=0).fit(
            x, y
        )
    penalty = cr.regularizers.L2(1.0 / 2 / 300)  # scikit-learn's alpha/2 Σw² / n
    model = cr.Sequential(
        [
            layers.Dense(10, "relu", kernel_regularizer=penalty),
            layers.Dense(10, "softmax", kernel_regularizer=penalty),
        ]
    )
    model.compile(
        cr.optimizers.LBFGS(), "sparse_categorical_crossentropy", ["accuracy"], precision="float64"
    )
    model.build((64,))
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(-0.2, 0.2, w.shape) for w in model.get_weights()])
    loss = model.fit(x, y, epochs=60, verbose=0).history["loss"][-1]
    assert loss < 1.15 * theirs.loss_
    assert model.evaluate(x, y)["accuracy"] > 0.99


def test_an_epoch_is_an_iteration_on_all_rows_and_its_loss_falls() -> None:
    model = linear()
    events = list(model.training(X, Y, epochs=3, batch_size=7, validation_split=0.25))
    assert isinstance(events[0], TrainingStarted)
    assert (events[0].steps_per_epoch, events[0].rows) == (1, 30)
    assert [e.step for e in events if isinstance(e, Progress)] == [1, 1, 1]
    losses = [e.logs["loss"] for e in events if isinstance(e, EpochEnd)]
    assert len(losses) == 3
    assert losses == sorted(losses, reverse=True)
    assert model.history is not None
    assert len(model.history.history["val_loss"]) == 3


def test_it_stops_where_the_gradient_is_small_and_reports_its_norm() -> None:
    model = linear()
    history = model.fit(X, Y, epochs=100, gradient_tolerance=0.05, verbose=0)
    assert history.stopped_because == "the norm of the gradient fell below 0.05"
    norms = history.history["gradient_norm"]
    assert norms[-1] < 0.05 <= norms[-2]
    kernel, bias = model.get_weights()
    error = X @ kernel[:, 0] + bias - Y
    gradient = 2 * np.append(X.T @ error, error.sum()) / 40
    assert norms[-1] == pytest.approx(np.linalg.norm(gradient), rel=1e-9)


def test_an_interrupt_leaves_no_thread_behind_and_the_best_weights() -> None:
    before = threading.active_count()
    model = linear()

    def stop(event: Any) -> None:
        if isinstance(event, Progress) and event.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=50, callbacks=[stop], verbose=0)
    assert threading.active_count() == before
    other = linear()
    other.fit(X, Y, epochs=2, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])


def test_ctrl_c_does_not_wait_for_an_iteration_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Descent] = []

    class Noted(Descent):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            begun.append(self)

    monkeypatch.setattr(loop, "Descent", Noted)
    model = linear()
    model.engine = engine = Misleading(lambda: begun[0]._stop)
    signal.siginterrupt(signal.SIGINT, False)  # as polars does when it is imported
    try:
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, Y, epochs=50, verbose=0)
    finally:
        signal.siginterrupt(signal.SIGINT, True)
    assert engine.looks == 2


def test_an_error_in_the_loss_is_raised_where_fit_was_called() -> None:
    model = linear()
    before = threading.active_count()
    model.engine = Broken()
    with pytest.raises(ArithmeticError, match="out of order"):
        model.fit(X, Y, verbose=0)
    assert threading.active_count() == before


def test_what_needs_single_steps_is_refused() -> None:
    normalized = cr.Sequential([layers.BatchNormalization(), layers.Dense(1)])
    normalized.compile("lbfgs", "mse")
    with pytest.raises(
        UsageError, match=r"LBFGS has no steps .* \(batch_normalization/moving_mean"
    ):
        normalized.fit(X, Y, verbose=0)
    with pytest.raises(UsageError, match="LBFGS cannot hold dense/kernel to its constraint"):
        linear(kernel_constraint="max_norm").fit(X, Y, verbose=0)


def test_frozen_layers_stay_as_they_are() -> None:
    model = cr.Sequential([layers.Dense(3, name="first"), layers.Dense(1)])
    model.compile("lbfgs", "mse", precision="float64")
    model.build((3,))
    model.layers[0].trainable = False
    before = model.get_weights()
    model.fit(X, Y, epochs=5, verbose=0)
    after = model.get_weights()
    np.testing.assert_array_equal(after[0], before[0])
    assert not np.array_equal(after[2], before[2])


def blas_threads() -> list[int]:
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return [int(library["num_threads"]) for library in libraries]


def test_blas_has_one_thread_meanwhile_and_then_its_own_again() -> None:
    import scipy.linalg  # brings a BLAS of its own

    seen: list[int] = []

    def objective(x: Any) -> tuple[float, Any]:
        seen.extend(blas_threads())
        return float(scipy.linalg.norm(x) ** 2), 2 * x

    with threadpool_limits(2, user_api="blas"):
        scipy_minimize(objective, np.ones(3), None, {})
        assert set(seen) == {1}
        assert set(blas_threads()) == {2}
