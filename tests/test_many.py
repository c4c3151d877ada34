"""Many networks at once: the same bits as alone, errors and interruptions told apart, order kept."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import KFold

import chainrule as cr
from chainrule import training
from chainrule.errors import UnknownNameError, UsageError
from chainrule.many import Failed

RNG = np.random.default_rng(5)
X = RNG.normal(size=(203, 6))
Y = (X[:, 0] * X[:, 1] > 0).astype(int) + (X[:, 2] > 1)


def network(
    seed: int = 0, widths: Sequence[int] = (12,), *, rate: float = 0.01, **more: Any
) -> cr.Sequential:
    hidden = [cr.layers.Dense(n, activation="tanh", **more) for n in widths]
    model = cr.Sequential([*hidden, cr.layers.Dense(3, activation="softmax")], seed=seed)
    model.compile(cr.optimizers.Adam(rate), "sparse_categorical_crossentropy", ["accuracy"])
    return model


def curves(history: cr.History) -> dict[str, list[float]]:
    return {name: values for name, values in history.history.items() if name != "seconds"}


def assert_same_bits(one: cr.Model, other: cr.Model) -> None:
    pairs = list(zip(one.get_weights(), other.get_weights(), strict=True))
    assert pairs
    for a, b in pairs:
        np.testing.assert_array_equal(a, b)


def varied() -> list[cr.Sequential]:
    dropping = cr.Sequential(
        [
            cr.layers.Dense(16, activation="relu"),
            cr.layers.BatchNormalization(),
            cr.layers.Dropout(0.3),
            cr.layers.Dense(3, activation="softmax"),
        ],
        seed=3,
    )
    dropping.compile("adamw", "sparse_categorical_crossentropy", ["accuracy"])
    momentum = network(4, (8, 8))
    momentum.compile(cr.optimizers.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy")
    exact = network(5, (7,))
    exact.compile("adam", "sparse_categorical_crossentropy", precision="float64")
    return [
        network(0),
        network(1, (30, 20), rate=0.003),
        network(2, (9,), kernel_regularizer="l2"),
        dropping,
        momentum,
        exact,
        network(6, (64, 64, 64)),
    ]


# --- the same as alone -------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_every_network_ends_with_the_bits_it_has_when_trained_alone(threads: int) -> None:
    together, alone = varied(), varied()
    settings: dict[str, Any] = {"epochs": 4, "batch_size": 16, "validation_split": 0.2}
    histories = cr.train_many(together, X, Y, threads=threads, verbose=0, **settings)
    for one, other, history in zip(together, alone, histories, strict=True):
        expected = other.fit(X, Y, verbose=0, **settings)
        assert curves(history) == curves(expected)
        assert history is one.history
        assert_same_bits(one, other)


def test_networks_have_data_and_settings_of_their_own() -> None:
    other_x, other_y = RNG.normal(size=(50, 3)), RNG.integers(0, 3, 50)

    def jobs() -> list[cr.Job]:
        weights = np.linspace(0.5, 2, len(X))
        return [
            cr.Job(network(1), X, Y, epochs=3),
            cr.Job(network(2), other_x, other_y, epochs=5, batch_size=7),
            cr.Job(network(3), X, Y, sample_weight=weights, validation_data=(X[:20], Y[:20])),
            cr.Job(network(4), X, Y, class_weight="balanced"),
        ]

    together = jobs()
    histories = cr.train_many(together, threads=2, epochs=2, verbose=0)
    assert [len(h.epoch) for h in histories] == [3, 5, 2, 2]
    for one, other in zip(together, jobs(), strict=True):
        settings = {"epochs": 2, **other.settings}
        other.model.fit(other.x, other.y, verbose=0, **settings)
        assert_same_bits(one.model, other.model)


def test_each_network_stops_early_by_its_own_rule() -> None:
    def rules() -> list[cr.EarlyStopping]:
        return [cr.EarlyStopping(patience=1 + i, min_delta=0.05) for i in range(4)]

    jobs = [
        cr.Job(network(i), X, Y, epochs=60, validation_split=0.3, early_stopping=rule)
        for i, rule in enumerate(rules())
    ]
    histories = cr.train_many(jobs, threads=2, verbose=0)
    for i, (history, rule) in enumerate(zip(histories, rules(), strict=True)):
        alone = network(i)
        expected = alone.fit(X, Y, epochs=60, validation_split=0.3, early_stopping=rule, verbose=0)
        assert "has not improved" in expected.stopped_because
        assert history.stopped_because == expected.stopped_because
        assert history.best_epoch == expected.best_epoch
        assert_same_bits(jobs[i].model, alone)
    assert len({len(h.epoch) for h in histories}) > 1


def test_training_goes_on_where_it_was() -> None:
    model, alone = network(), network()
    cr.train_many([model], X, Y, epochs=2, verbose=0)
    cr.train_many([model], X, Y, epochs=3, verbose=0)
    alone.fit(X, Y, epochs=2, verbose=0)
    alone.fit(X, Y, epochs=3, verbose=0)
    assert_same_bits(model, alone)


def test_folds_of_cross_validation_are_networks_on_the_same_arrays() -> None:
    folds = [test for _, test in KFold(4, shuffle=True, random_state=0).split(X)]

    def jobs() -> list[cr.Job]:
        return [cr.Job(network(i), X, Y, validation_rows=f) for i, f in enumerate(folds)]

    together = jobs()
    histories = cr.train_many(together, epochs=3, verbose=0)
    for fold, one, history, other in zip(folds, together, histories, jobs(), strict=True):
        assert (history.rows, history.validation_rows) == (len(X) - len(fold), len(fold))
        other.model.fit(X, Y, epochs=3, validation_rows=fold, verbose=0)
        assert_same_bits(one.model, other.model)
        best = history.history["val_loss"][history.best_epoch - 1]
        assert one.model.evaluate(X[fold], Y[fold])["loss"] == pytest.approx(best, rel=1e-6)


def test_networks_trained_alone_by_lbfgs_and_by_the_reference_engine_are_no_exception() -> None:
    def models() -> list[cr.Sequential]:
        slow, newton = network(1), network(2)
        slow.compile("adam", "sparse_categorical_crossentropy", engine="reference")
        newton.compile("lbfgs", "sparse_categorical_crossentropy", precision="float64")
        return [slow, newton]

    together, alone = models(), models()
    cr.train_many(together, X, Y, epochs=5, verbose=0)
    for one, other in zip(together, alone, strict=True):
        other.fit(X, Y, epochs=5, verbose=0)
        assert_same_bits(one, other)


# --- how they run ------------------------------------------------------------------------------------


def test_networks_are_trained_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=20)

    def meet(event: training.Event) -> None:
        if isinstance(event, training.TrainingStarted):
            meeting.wait()  # raises where the other one never comes

    jobs = [cr.Job(network(i), X, Y, callbacks=[meet]) for i in range(2)]
    cr.train_many(jobs, threads=2, verbose=0)


def test_no_more_networks_run_at_once_than_there_are_threads() -> None:
    running, most = [0], [0]
    lock = threading.Lock()

    def count(event: training.Event) -> None:
        with lock:
            running[0] += isinstance(event, training.TrainingStarted)
            running[0] -= isinstance(event, training.Stopped)
            most[0] = max(most[0], running[0])

    jobs = [cr.Job(network(i), X, Y, callbacks=[count]) for i in range(9)]
    cr.train_many(jobs, threads=3, verbose=0)
    assert 1 <= most[0] <= 3


def test_histories_come_in_the_order_given_whichever_is_done_first() -> None:
    epochs = [40, 1, 7, 2, 1]
    models = [network(i) for i in range(5)]
    jobs = [cr.Job(m, X, Y, epochs=n) for m, n in zip(models, epochs, strict=True)]
    assert [len(h.epoch) for h in cr.train_many(jobs, threads=2, verbose=0)] == epochs


def test_no_networks_are_no_histories() -> None:
    assert cr.train_many([], verbose=0) == []
    assert list(cr.training_many([])) == []


def test_a_shared_array_is_converted_once_and_not_copied_for_each_network() -> None:
    x = RNG.normal(size=(40_000, 50))  # float64: 16 MB; 8 MB in the models' float32
    y = RNG.integers(0, 3, len(x))
    models = [network(i) for i in range(6)]
    for model in models:
        model.build((50,))
    cr.train_many([network(9)], x[:100], y[:100], verbose=0)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    cr.train_many(models, x, y, batch_size=4096, threads=2, verbose=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - before < 8e6 + 2 * 5e6  # the one conversion; masks and orders of the two that run


# --- what is told ------------------------------------------------------------------------------------


def test_listeners_hear_each_network_by_its_place_and_name_in_the_callers_thread() -> None:
    heard: list[cr.NetworkEvent] = []
    threads = set()

    def listen(event: cr.NetworkEvent) -> None:
        heard.append(event)
        threads.add(threading.current_thread())

    models = [network(0), network(1)]
    models[1].name = "the second"
    cr.train_many(models, X, Y, epochs=3, callbacks=[listen], verbose=0)
    assert threads == {threading.current_thread()}
    for place, name in ((0, "network 0"), (1, "the second")):
        own = [e for e in heard if e.network == place]
        assert {e.name for e in own} == {name}
        kinds = [type(e.event) for e in own if not isinstance(e.event, training.Progress)]
        assert kinds == [training.TrainingStarted, *[training.EpochEnd] * 3, training.Stopped]
        ends = [e.event for e in own if isinstance(e.event, training.EpochEnd)]
        history = models[place].history
        assert history is not None
        assert [e.logs["loss"] for e in ends] == history.history["loss"]


def test_a_listener_can_stop_all_networks() -> None:
    def enough(event: cr.NetworkEvent) -> str | None:
        return "enough" if isinstance(event.event, training.EpochEnd) else None

    models = [network(i) for i in range(4)]
    histories = cr.train_many(models, X, Y, epochs=10**6, callbacks=[enough], threads=2, verbose=0)
    begun = [h for h in histories if h.epoch]
    assert len(begun) in (1, 2)
    assert {h.stopped_because for h in begun} == {"enough"}
    assert {h.stopped_because for h in histories if not h.epoch} <= {"enough", "not begun: enough"}


def test_a_job_can_stop_itself_alone() -> None:
    def enough(event: training.Event) -> str | None:
        return "enough" if isinstance(event, training.EpochEnd) and event.epoch == 2 else None

    jobs = [cr.Job(network(0), X, Y, callbacks=[enough]), cr.Job(network(1), X, Y)]
    first, second = cr.train_many(jobs, epochs=6, verbose=0)
    assert (first.stopped_because, len(first.epoch)) == ("enough", 2)
    assert len(second.epoch) == 6


def test_a_line_is_printed_for_each_network_that_is_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cr.train_many([network(0), network(1)], X, Y, epochs=2)
    lines = sorted(capsys.readouterr().out.splitlines())
    assert [line[:4] for line in lines] == ["1/2 ", "2/2 "]
    assert all("2 epochs in" in line and "  loss " in line for line in lines)
    cr.train_many([network(0)], X, Y, verbose=0)
    assert capsys.readouterr().out == ""


def test_the_generator_tells_all_and_leaves_trained_models() -> None:
    models, alone = [network(i) for i in range(3)], [network(i) for i in range(3)]
    events = list(cr.training_many(models, X, Y, epochs=2, threads=2))
    assert sorted(e.network for e in events if isinstance(e.event, training.Stopped)) == [0, 1, 2]
    for one, other in zip(models, alone, strict=True):
        other.fit(X, Y, epochs=2, verbose=0)
        assert_same_bits(one, other)


def test_who_stops_listening_ends_the_training_of_all() -> None:
    models = [network(i) for i in range(3)]
    for event in cr.training_many(models, X, Y, epochs=10**6, threads=2):
        if isinstance(event.event, training.EpochEnd):
            break
    del event
    begun = [m for m in models if m.history is not None]
    assert len(begun) >= 1
    assert all(m.history and m.history.stopped_because for m in begun)
    assert not [t for t in threading.enumerate() if t.name.startswith("chainrule-network")]


# --- errors ------------------------------------------------------------------------------------------


def test_an_error_in_one_network_does_not_lose_the_others() -> None:
    wrong = X.copy()
    wrong[3, 2] = np.nan
    models = [network(0), network(1), network(2)]
    models[1].name = "middle"
    jobs = [cr.Job(models[0], X, Y), cr.Job(models[1], wrong, Y), cr.Job(models[2], X, Y)]
    with pytest.raises(
        cr.TrainingFailed, match=r"1 of 3 networks .* middle: DataError: x holds 1 NaN"
    ) as caught:
        cr.train_many(jobs, epochs=3, threads=2, verbose=0)
    assert isinstance(caught.value.errors[1], cr.DataError)
    assert list(caught.value.errors) == [1]
    assert [h is not None for h in caught.value.histories] == [True, False, True]
    for i in (0, 2):
        alone = network(i)
        alone.fit(X, Y, epochs=3, verbose=0)
        assert_same_bits(models[i], alone)


def test_exceptions_can_be_had_in_the_list_instead() -> None:
    def fail(event: training.Event) -> None:
        raise RuntimeError("a listener's own mistake")

    jobs = [cr.Job(network(0), X, Y), cr.Job(network(1), X, Y, callbacks=[fail])]
    good, bad = cr.train_many(jobs, verbose=0, return_exceptions=True)
    assert good.epoch == [1]
    assert isinstance(bad, RuntimeError)


def test_the_generator_tells_of_an_error_as_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    jobs = [cr.Job(network(0), X, Y[:-1]), cr.Job(network(1), X, Y)]
    failed = [e for e in cr.training_many(jobs) if isinstance(e.event, Failed)]
    assert [e.network for e in failed] == [0]
    with pytest.raises(cr.TrainingFailed):
        cr.train_many(jobs)
    assert "network 0: failed: ShapeError: x has 203 rows but y has 202" in capsys.readouterr().out


def test_a_listener_that_fails_ends_the_training_of_all() -> None:
    def fail(event: cr.NetworkEvent) -> None:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        cr.train_many([network(0), network(1)], X, Y, epochs=10**6, callbacks=[fail], verbose=0)


def test_networks_that_share_weights_are_refused() -> None:
    model = network()
    with pytest.raises(UsageError, match="Networks 0 and 1 are the same model"):
        cr.train_many([model, model], X, Y)
    layer = cr.layers.Dense(3, activation="softmax")
    sharing = [cr.Sequential([cr.layers.Dense(4), layer]), cr.Sequential([layer])]
    for one in sharing:
        one.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(UsageError, match="Networks 0 and 1 have layers in common"):
        cr.train_many(sharing, X, Y)
    cr.train_many([model, copy.deepcopy(model)], X, Y, verbose=0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cr.Job(network(), X, Y, epoch=3), UnknownNameError, "epochs"),
        (lambda: cr.Job("net", X, Y), UsageError, "not str"),
        (lambda: cr.Job(network(), X, Y, threads=2), UsageError, "give threads to train_many"),
        (lambda: cr.train_many([network()], X, Y, epoch=3), UnknownNameError, "epochs"),
        (lambda: cr.train_many([network()]), UsageError, r"train_many\(models, x, y\)"),
        (lambda: cr.train_many([3], X, Y), UsageError, "number 0 is int"),
        (lambda: cr.train_many([network()], X, Y, threads=0), UsageError, "threads"),
        (
            lambda: cr.train_many([network()], X, Y, callbacks=[cr.EarlyStopping()]),
            UsageError,
            "belong to its Job",
        ),
    ],
)
def test_wrong_usage_is_told_before_anything_is_trained(
    call: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_control_c_stops_all_networks_and_keeps_the_best() -> None:
    program = """
        import sys
        import numpy as np
        import chainrule as cr
        from chainrule import training

        x = np.random.default_rng(0).normal(size=(500, 8)).astype("float32")
        y = (x[:, 0] > 0).astype(int)
        models = []
        for seed in range(3):
            layers = [cr.layers.Dense(300, activation="relu"), cr.layers.Dense(2, activation="softmax")]
            net = cr.Sequential(layers, seed=seed)
            net.compile("adam", "sparse_categorical_crossentropy")
            models.append(net)
        waited_for = {0, 1}

        def listen(told):
            if isinstance(told.event, training.EpochEnd) and waited_for:
                waited_for.discard(told.network)
                if not waited_for:
                    print("ready", flush=True)

        try:
            cr.train_many(models, x, y, epochs=10**6, validation_split=0.2, threads=2, callbacks=[listen], verbose=0)
        except KeyboardInterrupt:
            for net in models[:2]:
                best = min(net.history.history["val_loss"])
                print(net.history.stopped_because, len(net.history.history["val_loss"]) > 0)
                assert net.history.best_epoch == 1 + net.history.history["val_loss"].index(best)
            print(models[2].history)
            sys.exit(130)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert out.splitlines() == ["training was broken off True"] * 2 + ["None"]
    assert time.monotonic() - begun < 10


def test_a_single_model_is_not_a_list_of_models() -> None:
    with pytest.raises(UsageError, match=r"give \[model\], or use model.fit"):
        cr.train_many(network(1), X, Y)  # type: ignore[arg-type]
