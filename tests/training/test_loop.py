"""The training loop: which rows it visits, what it reports, and what remains when it ends."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import layers
from chainrule.engines.reference import Reference
from chainrule.errors import UnknownNameError, UsageError
from chainrule.training import (
    BestSoFar,
    EarlyStopping,
    EpochEnd,
    Event,
    Progress,
    Stopped,
    TrainingStarted,
    loop,
)

# some operations run on the reference engine alone
pytestmark = pytest.mark.filterwarnings("ignore:.*no native kernel")

RNG = np.random.default_rng(14)
X = RNG.normal(size=(50, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.1 * RNG.normal(size=50)
LABELS = (Y > 0).astype(int)


def linear(optimizer: Any = "sgd", precision: str = "float64", **settings: Any) -> cr.Sequential:
    model = cr.Sequential([layers.Dense(1, **settings)], seed=2)
    model.compile(optimizer, loss="mse", precision=precision)
    return model


def classifier(seed: int = 2, **settings: Any) -> cr.Sequential:
    model = cr.Sequential(
        [layers.Dense(8, activation="tanh"), layers.Dense(2, activation="softmax")], seed=seed
    )
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"], **settings)
    return model


# --- which rows -------------------------------------------------------------------------------------


@dataclass
class Spy(Reference):
    """The reference engine, writing down which rows each training step saw."""

    epochs: list[list[list[int]]] = field(default_factory=list)

    def prepare(self, program: Any, state: Any, threads: Any = None) -> Any:
        runner = super().prepare(program, state, threads)
        if not program.assignments:
            return runner
        inner, seen = runner.steps, self.epochs

        def steps(
            data: Any,
            order: Any,
            batch_size: int,
            table: Mapping[Any, Any],
            first: int = 0,
            last: int | None = None,
            sums: Any = None,
            **options: Any,
        ) -> Any:
            if first == 0:
                seen.append([])
            total = -(-len(order) // batch_size)
            for i in range(first, total if last is None else last):
                seen[-1].append(order[i * batch_size : (i + 1) * batch_size].tolist())
            return inner(data, order, batch_size, table, first, last, sums, **options)

        runner.steps = steps
        return runner


def rows_seen(model: cr.Sequential, **settings: Any) -> list[list[list[int]]]:
    spy = Spy()
    model.engine = spy
    model.fit(X, Y, verbose=0, **settings)
    return spy.epochs


def test_every_epoch_visits_each_row_once_in_a_fresh_order_with_the_last_short_batch() -> None:
    epochs = rows_seen(linear(), epochs=4, batch_size=16)
    assert [[len(batch) for batch in epoch] for epoch in epochs] == [[16, 16, 16, 2]] * 4
    orders = [list(itertools.chain(*epoch)) for epoch in epochs]
    for order in orders:
        assert sorted(order) == list(range(50))
    assert len({tuple(order) for order in orders}) == 4
    assert orders[0] != list(range(50))


@pytest.mark.parametrize("batch_size", [50, 1000])
def test_a_batch_of_all_rows_takes_them_as_they_come(batch_size: int) -> None:
    assert rows_seen(linear(), epochs=2, batch_size=batch_size) == [[list(range(50))]] * 2


def test_validation_rows_are_never_trained_on() -> None:
    spy = Spy()
    model = classifier()
    model.engine = spy
    history = model.fit(X, LABELS, epochs=3, validation_split=0.2, verbose=0)
    seen = [set(itertools.chain(*epoch)) for epoch in spy.epochs]
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == history.rows == 40
    held = sorted(set(range(50)) - seen[0])
    assert history.validation_rows == len(held) == 10
    assert abs(LABELS[held].mean() - LABELS.mean()) < 0.06  # each class in proportion
    assert history.held_out == "20 % of the rows at random, stratified by class (seed 2)"


def test_quantities_are_held_out_at_random_and_it_says_so() -> None:
    history = linear().fit(X, Y, validation_split=0.1, verbose=0)
    assert history.held_out == "10 % of the rows at random (seed 2)"
    assert linear().fit(X, Y, verbose=0).held_out == "no rows are held out"


def test_a_second_fit_goes_on_with_new_orders() -> None:
    model = linear()
    spy = Spy()
    model.engine = spy
    for _ in range(2):
        model.fit(X, Y, epochs=2, verbose=0)
    assert len({tuple(itertools.chain(*epoch)) for epoch in spy.epochs}) == 4


def test_training_in_two_parts_is_training_in_one() -> None:
    whole, parts = classifier(), classifier()
    whole.fit(X, LABELS, epochs=4, verbose=0)
    for epochs in (1, 3):
        parts.fit(X, LABELS, epochs=epochs, verbose=0)
    for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def noisy(seed: int) -> tuple[list[Any], dict[str, list[float]]]:
    model = cr.Sequential(
        [
            layers.GaussianNoise(0.1),
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(1),
        ],
        seed=seed,
    )
    model.compile("adam", "mse")
    history = model.fit(X, Y, epochs=3, validation_split=0.2, verbose=0).history
    del history["seconds"]
    return model.get_weights(), history


def test_one_seed_gives_the_same_bits_and_another_seed_others() -> None:
    (weights, history), (again, history_again), (other, _) = noisy(1), noisy(1), noisy(2)
    assert all(np.array_equal(a, b) for a, b in zip(weights, again, strict=True))
    assert history == history_again
    assert not any(np.array_equal(a, b) for a, b in zip(weights[::2], other[::2], strict=True))


def test_the_curves_have_the_same_bits_however_an_epoch_is_cut_into_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    curves = []
    for seconds in (1e-9, 1e9):  # one step at a time; all that may be at once
        monkeypatch.setattr("chainrule.training.loop.PROGRESS_SECONDS", seconds)
        model = linear(cr.optimizers.SGD(0.01))
        model.fit(X, Y, epochs=3, batch_size=3, verbose=0)
        assert model.history is not None
        curves.append(model.history.history["loss"])
    assert curves[0] == curves[1]


# --- what is reported -------------------------------------------------------------------------------


def test_the_loss_of_an_epoch_is_the_mean_over_its_rows() -> None:
    model = linear(cr.optimizers.SGD(0.0), kernel_regularizer=cr.regularizers.L2(0.1))
    history = model.fit(X, Y, batch_size=16, verbose=0).history
    kernel, bias = model.get_weights()
    expected = np.mean((X @ kernel[:, 0] + bias - Y) ** 2) + 0.1 * np.sum(kernel**2)
    assert history["loss"][0] == pytest.approx(expected, rel=1e-12)
    assert model.evaluate(X, Y)["loss"] == pytest.approx(expected, rel=1e-12)


def test_both_curves_and_the_metrics_of_both_are_kept() -> None:
    model = classifier()
    history = model.fit(X, LABELS, epochs=3, validation_data=(X[:7], LABELS[:7]), verbose=0)
    assert set(history.history) == {
        *("loss", "accuracy", "val_loss", "val_accuracy"),
        *("learning_rate", "seconds"),
    }
    assert {len(curve) for curve in history.history.values()} == {3}
    assert history.epoch == [1, 2, 3]
    assert history.held_out == "given by the caller"
    best = history.best_epoch - 1
    judged = model.evaluate(X[:7], LABELS[:7])
    assert judged["loss"] == pytest.approx(history.history["val_loss"][best], rel=1e-6)
    assert judged["accuracy"] == pytest.approx(history.history["val_accuracy"][best])


def test_events_come_in_order_and_say_how_far_it_is() -> None:
    events = list(linear().training(X, Y, epochs=2, batch_size=12, validation_split=0.2))
    first, *middle, last = events
    assert first == TrainingStarted(0, 2, 40, 10, 4, "20 % of the rows at random (seed 2)")
    assert isinstance(last, Stopped)
    assert last.reason == "the epoch limit was reached"
    kinds = [type(e) for e in middle if not isinstance(e, BestSoFar)]
    assert kinds[0] is Progress
    assert kinds[-1] is EpochEnd
    assert kinds.count(EpochEnd) == 2
    progress = [e for e in middle if isinstance(e, Progress)]
    assert all(a.step < b.step or a.epoch < b.epoch for a, b in itertools.pairwise(progress))
    assert [e.step for e in progress if e.step == e.steps] == [4, 4]
    ends = [e for e in middle if isinstance(e, EpochEnd)]
    assert [e.epoch for e in ends] == [1, 2]
    full = [e for e in progress if e.step == 4]
    assert [e.loss for e in full] == [e.logs["loss"] for e in ends]


# --- why it stops -----------------------------------------------------------------------------------


def test_it_stops_where_the_loss_hardly_changes() -> None:
    history = linear(cr.optimizers.SGD(0.3)).fit(
        X, Y, epochs=1000, batch_size=50, tolerance=1e-6, verbose=0
    )
    assert history.stopped_because == (
        "the loss changed by less than 1e-06 from one epoch to the next"
    )
    losses = history.history["loss"]
    assert abs(losses[-1] - losses[-2]) < 1e-6 <= abs(losses[-2] - losses[-3])


def test_it_stops_where_the_gradient_is_small() -> None:
    model = linear(cr.optimizers.SGD(0.3))
    history = model.fit(X, Y, epochs=1000, batch_size=50, gradient_tolerance=1e-3, verbose=0)
    assert history.stopped_because == "the norm of the gradient fell below 0.001"
    norms = history.history["gradient_norm"]
    assert norms[-1] < 1e-3 <= norms[-2]


def test_the_norm_of_the_gradient_is_that_of_all_weights_together() -> None:
    model = linear(cr.optimizers.SGD(1.0))
    model.build((3,))
    before = np.concatenate([w.ravel() for w in model.get_weights()])
    history = model.fit(X, Y, batch_size=50, gradient_tolerance=0.0, verbose=0).history
    after = np.concatenate([w.ravel() for w in model.get_weights()])
    assert history["gradient_norm"] == [pytest.approx(np.linalg.norm(after - before))]


def test_a_listener_stops_training_with_its_reason() -> None:
    heard: list[Event] = []

    def enough(event: Event) -> str | None:
        heard.append(event)
        return "enough is enough" if isinstance(event, EpochEnd) and event.epoch == 3 else None

    model = linear()
    history = model.fit(X, Y, epochs=100, callbacks=[enough], verbose=0)
    assert history.stopped_because == "enough is enough"
    assert len(history.epoch) == history.best_epoch == 3
    assert isinstance(heard[-1], Stopped)


def test_what_a_listener_happens_to_return_is_no_reason() -> None:
    history = linear().fit(X, Y, epochs=3, callbacks=[lambda e: True, lambda e: ""], verbose=0)
    assert history.stopped_because == "the epoch limit was reached"


def interrupt_in(epoch: int, kind: type[Event], reaction: Any) -> Any:
    def listener(event: Event) -> Any:
        if isinstance(event, kind) and event.epoch == epoch:
            return reaction()
        return None

    return listener


def test_a_stop_in_the_middle_of_an_epoch_leaves_the_weights_of_the_last_whole_one() -> None:
    model, other = linear("adam"), linear("adam")
    stop = interrupt_in(3, Progress, lambda: "stop")
    history = model.fit(X, Y, epochs=9, batch_size=5, callbacks=[stop], verbose=0)
    assert len(history.epoch) == history.best_epoch == 2
    other.fit(X, Y, epochs=2, batch_size=5, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])
    # and it can go on as if it had never begun that epoch
    for m in (model, other):
        m.fit(X, Y, epochs=2, batch_size=5, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])


def test_a_stop_in_the_first_epoch_keeps_what_was_learnt() -> None:
    model = linear()
    model.build((3,))
    before = model.get_weights()
    stop = interrupt_in(1, Progress, lambda: "stop")
    history = model.fit(X, Y, epochs=9, batch_size=5, callbacks=[stop], verbose=0)
    assert (history.stopped_because, history.best_epoch) == ("stop", 0)
    assert not np.array_equal(model.get_weights()[0], before[0])


def raise_interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("kind", [Progress, EpochEnd, BestSoFar])
def test_ctrl_c_inside_a_listener_leaves_the_best_weights(kind: type[Event]) -> None:
    # the first epoch's weights are the best: afterwards targets of validation are missed ever more
    model = linear(cr.optimizers.SGD(0.1))
    model.build((3,))
    best: list[Any] = []

    def remember(event: Event) -> None:
        if isinstance(event, BestSoFar):
            best[:] = model.get_weights()

    with pytest.raises(KeyboardInterrupt):
        model.fit(
            *(X, Y),
            epochs=9,
            validation_data=(X, Y),
            callbacks=[remember, interrupt_in(4, kind, raise_interrupt)],
            verbose=0,
        )
    np.testing.assert_array_equal(model.get_weights()[0], best[0])
    assert model.history is not None
    assert model.history.stopped_because == "training was broken off"
    assert model.history.best_epoch in (3, 4)


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("where", ["_trouble", "_snapshot"])
def test_an_epoch_that_ctrl_c_undoes_at_its_very_end_is_not_counted(
    where: str, ahead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, calls = getattr(loop, where), itertools.count(1)

    def broken_off(*given: Any) -> Any:
        if next(calls) == 4:
            raise KeyboardInterrupt
        return inner(*given)

    broken, whole = classifier(), classifier()
    monkeypatch.setattr(loop, where, broken_off)
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, LABELS, epochs=40, batch_size=8, ahead=ahead, verbose=0)
    assert broken.history is not None
    whole.fit(X, LABELS, epochs=len(broken.history.epoch), batch_size=8, verbose=0)
    assert broken.clock == whole.clock
    for _ in range(2):
        for one, other in zip(broken.get_weights(), whole.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
        broken.fit(X, LABELS, epochs=2, batch_size=8, verbose=0)
        whole.fit(X, LABELS, epochs=2, batch_size=8, verbose=0)


def test_whoever_stops_listening_ends_training_with_the_best_weights() -> None:
    model = linear(cr.optimizers.SGD(0.1))
    kept: list[Any] = []
    for event in model.training(X, Y, epochs=100, validation_split=0.2):
        if isinstance(event, BestSoFar):
            kept = model.get_weights()
        if isinstance(event, Progress) and event.epoch == 4:
            assert not np.array_equal(model.get_weights()[0], kept[0])
            break
    np.testing.assert_array_equal(model.get_weights()[0], kept[0])


# --- when it goes wrong -----------------------------------------------------------------------------


def test_a_loss_that_becomes_infinite_stops_training_and_restores_the_last_good_weights() -> None:
    model = linear(cr.optimizers.SGD(5.0))
    history = model.fit(1e3 * X, Y, epochs=1000, batch_size=50, verbose=0)
    assert "try a smaller learning rate" in history.stopped_because
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert len(history.epoch) < 1000
    assert history.best_epoch == len(history.epoch) - 1


def test_weights_that_become_infinite_in_the_last_step_are_not_kept() -> None:
    model = linear(cr.optimizers.SGD(1e300))
    model.build((3,))
    before = model.get_weights()
    history = model.fit(1e10 * X, Y, batch_size=50, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    assert history.stopped_because == (
        "dense/kernel became infinite in epoch 1: try a smaller learning rate"
    )
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_training_can_go_on_after_it_went_wrong() -> None:
    model = linear(cr.optimizers.SGD(1e200, momentum=0.9))
    model.fit(X, Y, epochs=5, verbose=0)
    model.compile(cr.optimizers.SGD(0.1, momentum=0.9), "mse", precision="float64")
    assert model.fit(X, Y, epochs=20, verbose=0).history["loss"][-1] < 0.1
    # also with the same optimizer, whose state is that of the last good epoch
    model = linear(cr.optimizers.SGD(0.05, momentum=0.9))
    model.fit(X, Y, epochs=2, verbose=0)
    history = model.fit(1e200 * X, Y, epochs=3, verbose=0)
    assert "try a smaller learning rate" in history.stopped_because
    assert np.isfinite(model.fit(X, Y, epochs=2, verbose=0).history["loss"]).all()


def test_an_error_in_a_listener_is_the_caller_s_and_leaves_the_weights_in_order() -> None:
    model = linear()

    def broken() -> None:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        model.fit(X, Y, epochs=5, callbacks=[interrupt_in(3, Progress, broken)], verbose=0)
    other = linear()
    other.fit(X, Y, epochs=2, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])


# --- best weights -----------------------------------------------------------------------------------


def overfitting() -> Iterator[tuple[cr.Sequential, dict[str, Any]]]:
    """A model that gets worse on the validation rows, whose targets are the negated ones."""
    for precision in ("float32", "float64"):
        model = linear(cr.optimizers.SGD(0.01), precision)
        model.build((3,))
        model.set_weights([[[-1.0], [2.0], [-0.5]], [0.0]])
        yield model, {"epochs": 12, "validation_data": (X, -Y), "verbose": 0}


def test_the_best_epoch_s_weights_are_restored_with_and_without_early_stopping() -> None:
    for model, settings in overfitting():
        history = model.fit(X, Y, **settings)
        assert history.best_epoch == 1
        assert len(history.epoch) == 12
        best = history.history["val_loss"][0]
        assert model.evaluate(X, -Y)["loss"] == pytest.approx(best, rel=1e-6)
    for model, settings in overfitting():
        history = model.fit(X, Y, early_stopping=cr.EarlyStopping(patience=4), **settings)
        assert (history.best_epoch, len(history.epoch)) == (1, 5)
        assert history.stopped_because == "val_loss has not improved for 4 epochs"
        assert model.evaluate(X, -Y)["loss"] == pytest.approx(
            history.history["val_loss"][0], rel=1e-6
        )


def test_without_validation_the_last_weights_remain() -> None:
    model = linear(cr.optimizers.SGD(0.5))
    history = model.fit(X, Y, epochs=3, verbose=0)
    assert history.best_epoch == 3


def test_early_stopping_may_watch_the_training_loss() -> None:
    stopping = EarlyStopping("loss", patience=2, min_delta=1e-9)
    history = linear(cr.optimizers.SGD(0.3)).fit(
        X, Y, epochs=999, batch_size=50, early_stopping=stopping, verbose=0
    )
    assert history.stopped_because == "loss has not improved for 2 epochs"


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("epoch", [1, 4])
def test_weights_that_a_callback_sets_remain(engine: str, epoch: int) -> None:
    model = linear()
    model.compile(cr.optimizers.SGD(0.0), "mse", precision="float64", engine=engine)
    wanted = [np.array([[1.0], [2.0], [3.0]]), np.array([4.0])]

    def put(event: Event) -> None:
        if isinstance(event, EpochEnd) and event.epoch == epoch:
            model.set_weights(wanted)

    model.fit(X, Y, epochs=4, callbacks=[put], verbose=0)
    for found, expected in zip(model.get_weights(), wanted, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_batch_may_be_larger_than_anything(engine: str) -> None:
    def weights(batch_size: int) -> Any:
        model = linear()
        model.compile("adam", "mse", precision="float64", engine=engine)
        model.fit(X, Y, epochs=2, batch_size=batch_size, threads=3_000_000_000, verbose=0)
        model.evaluate(X, Y, batch_size=batch_size)
        return [*model.get_weights(), model.predict(X, batch_size=batch_size)]

    for found, expected in zip(weights(2**64), weights(50), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_early_stopping_among_the_callbacks_is_early_stopping() -> None:
    for model, settings in overfitting():
        history = model.fit(X, Y, callbacks=[EarlyStopping(patience=2)], **settings)
        assert len(history.epoch) == 3


# --- learning rates ---------------------------------------------------------------------------------


def test_a_schedule_is_followed_step_by_step_and_seen_in_the_history() -> None:
    schedule = cr.schedules.ExponentialDecay(0.1, decay_steps=5, decay_rate=0.5)
    history = linear(cr.optimizers.SGD(schedule)).fit(X, Y, epochs=3, batch_size=10, verbose=0)
    expected = [0.1 * 0.5 ** (step / 5) for step in (4, 9, 14)]  # of each epoch's last step
    assert history.history["learning_rate"] == pytest.approx(expected)


def test_a_schedule_goes_on_at_the_next_fit_and_begins_again_with_a_new_optimizer() -> None:
    schedule = cr.schedules.ExponentialDecay(0.1, decay_steps=5, decay_rate=0.5)
    model = linear(cr.optimizers.SGD(schedule))
    rates = [
        model.fit(X, Y, epochs=1, batch_size=10, verbose=0).history["learning_rate"][0]
        for _ in range(2)
    ]
    assert rates == pytest.approx([0.1 * 0.5 ** (4 / 5), 0.1 * 0.5 ** (9 / 5)])
    model.compile(cr.optimizers.SGD(schedule), "mse")
    anew = model.fit(X, Y, epochs=1, batch_size=10, verbose=0)
    assert anew.history["learning_rate"][0] == rates[0]


def test_each_step_uses_its_own_rate() -> None:
    rates = np.array([0.3, 0.2, 0.1, 0.05])
    model = linear(cr.optimizers.SGD(lambda step: rates[step.astype(int)]))
    model.build((3,))
    kernel, bias = (w.copy() for w in model.get_weights())
    model.fit(X, Y, epochs=4, batch_size=50, verbose=0)
    for rate in rates:
        error = X @ kernel[:, 0] + bias - Y
        kernel -= rate * (2 * X.T @ error / 50)[:, None]
        bias -= rate * 2 * error.mean()
    np.testing.assert_allclose(model.get_weights()[0], kernel, rtol=1e-10)


def test_the_rate_falls_on_a_plateau() -> None:
    schedule = cr.schedules.ReduceOnPlateau(1e-9, factor=0.5, patience=2, min_delta=1.0)
    history = linear(cr.optimizers.SGD(schedule)).fit(X, Y, epochs=8, verbose=0)
    halves = np.round(np.log2(np.array(history.history["learning_rate"]) / 1e-9)).tolist()
    assert halves == [0, 0, 0, -1, -1, -2, -2, -3]


def test_the_plateau_is_that_of_the_validation_loss() -> None:
    # training improves, validation does not
    schedule = cr.schedules.ReduceOnPlateau(0.01, factor=0.5, patience=1)
    model = linear(cr.optimizers.SGD(schedule))
    model.build((3,))
    model.set_weights([[[-1.0], [2.0], [-0.5]], [0.0]])
    history = model.fit(X, Y, epochs=4, validation_data=(X, -Y), verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert history.history["learning_rate"] == pytest.approx([0.01, 0.01, 0.005, 0.0025])


def test_an_optimizer_counts_its_steps_through_epochs_and_fits() -> None:
    model = linear(cr.optimizers.Adam(0.1), use_bias=False)
    model.build((3,))
    w = model.get_weights()[0]
    model.fit(X, Y, epochs=2, batch_size=50, verbose=0)
    model.fit(X, Y, epochs=3, batch_size=50, verbose=0)
    m = v = np.zeros((3, 1))
    for t in range(1, 6):  # Kingma & Ba, with the bias corrections in the step size
        g = 2 * X.T @ (X @ w - Y[:, None]) / 50
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        w = w - 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-7)
    np.testing.assert_allclose(model.get_weights()[0], w, rtol=1e-10)


def test_compiling_again_begins_the_optimizer_anew_but_repeats_no_random_draw() -> None:
    model, fresh = linear("adam"), linear("adam")
    spy = Spy()
    model.engine = spy
    model.fit(X, Y, epochs=3, batch_size=25, verbose=0)
    weights = model.get_weights()
    model.compile("adam", "mse", precision="float64")
    model.engine = spy
    model.fit(X, Y, batch_size=50, verbose=0)
    # one step of a new Adam: every weight moves by the learning rate, whatever its gradient
    moved = np.abs(model.get_weights()[0] - weights[0])
    np.testing.assert_allclose(moved, 1e-3, rtol=1e-4)
    model.fit(X, Y, batch_size=25, verbose=0)
    assert len({tuple(itertools.chain(*epoch)) for epoch in spy.epochs}) == 5
    fresh.build((3,))
    assert (
        len(model.state.arrays) == 2 + 2 * 2
    )  # weights, and one m and v for each: none is left over


# --- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"epochs": 0}, r"fit: epochs is 0, expected a whole number in \[1, inf\)"),
        ({"epochs": 2.5}, r"fit: epochs is 2\.5"),
        ({"batch_size": 0}, "fit: batch_size is 0"),
        ({"batch_size": "all"}, "fit: batch_size is 'all'"),
        ({"threads": 0}, "fit: threads is 0"),
        ({"tolerance": -1.0}, r"fit: tolerance is -1\.0"),
        ({"validation_split": 0.1, "validation_data": (X, Y)}, "only one of them"),
        ({"validation_data": X}, r"validation_data is \(x, y\)"),
        (
            {"early_stopping": EarlyStopping()},
            "monitors 'val_loss', but there are no validation rows",
        ),
        (
            {"early_stopping": EarlyStopping("loss"), "callbacks": [EarlyStopping("loss")]},
            "Give one",
        ),
        ({"early_stopping": 5}, "5 cannot listen: give EarlyStopping"),
        ({"callbacks": ["printer"]}, "'printer' cannot listen"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        linear().fit(X, Y, verbose=0, **settings)


def test_a_misspelt_setting_or_quantity_is_guessed() -> None:
    with pytest.raises(UnknownNameError, match="argument of fit 'epoch': did you mean 'epochs'"):
        linear().fit(X, Y, epoch=3, verbose=0)
    stopping = EarlyStopping("val_acuracy")
    with pytest.raises(UnknownNameError, match="to monitor 'val_acuracy': did you mean 'val_acc"):
        classifier().fit(X, LABELS, validation_split=0.1, early_stopping=stopping, verbose=0)


def test_nothing_to_train_is_said() -> None:
    frozen = linear()
    frozen.layers[0].trainable = False
    with pytest.raises(
        UsageError, match="There is nothing to train: no layer has trainable weights"
    ):
        frozen.fit(X, Y, verbose=0)
    inputs = cr.Input((3,))
    cut = cr.Model(inputs, layers.Lambda(cr.ops.stop_gradient)(layers.Dense(1)(inputs)))
    cut.compile("sgd", "mse")
    with pytest.raises(UsageError, match="the loss depends on no trainable weight"):
        cut.fit(X, Y, verbose=0)


def test_no_rows_and_one_row_are_told_apart() -> None:
    with pytest.raises(UsageError, match="There are no rows to train on"):
        linear().fit(X[:0], Y[:0], verbose=0)
    with pytest.raises(cr.DataError, match="1 row cannot be divided"):
        linear().fit(X[:1], Y[:1], validation_split=0.5, verbose=0)
    linear().fit(X[:1], Y[:1], verbose=0)
