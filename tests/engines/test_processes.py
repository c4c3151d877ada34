"""Whole trainings in children that fork or are spawned, on one core, in several threads: the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
needs_affinity = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system has no affinity masks"
)

# what every process trains: wide enough for two threads, with dropout, batch norm and a short last batch
TRAINING = """
import hashlib

import numpy as np

import chainrule as cr


def digest(seed=0, threads=2):
    draw = np.random.default_rng(7)
    x = draw.normal(size=(701, 40)).astype("float32")
    y = draw.integers(0, 5, 701)
    layers = [
        cr.layers.Dense(256, activation="relu"),
        cr.layers.BatchNormalization(),
        cr.layers.Dropout(0.2),
        cr.layers.Dense(256, activation="tanh"),
        cr.layers.Dense(5, activation="softmax"),
    ]
    model = cr.Sequential(layers, seed=seed)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"], engine="native")
    model.fit(x, y, batch_size=64, epochs=2, threads=threads, validation_split=0.1, verbose=0)
    found = hashlib.sha256(model.predict(x).tobytes())
    for array in model.get_weights():
        found.update(array.tobytes())
    return found.hexdigest()
"""

namespace: dict[str, object] = {}
exec(TRAINING, namespace)


def digest(seed: int = 0, threads: int = 2) -> str:
    return str(namespace["digest"](seed, threads))  # type: ignore[operator]


def printed_by(folder: Path, program: str) -> list[str]:
    """The lines that a program prints, in an interpreter and a folder of its own."""
    (folder / "training.py").write_text(TRAINING)
    file = folder / "program.py"
    file.write_text(textwrap.dedent(program))
    done = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@needs_fork
def test_a_child_that_forks_after_training_trains_with_the_same_bits(tmp_path: Path) -> None:
    lines = printed_by(
        tmp_path,
        """
        import os
        import sys
        from training import digest

        print(digest(), flush=True)
        pid = os.fork()
        if pid == 0:
            print(digest(), flush=True)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        print(digest())  # the parent's threads are still there
        """,
    )
    assert lines == [digest()] * 3


@pytest.mark.parametrize("method", [pytest.param("fork", marks=needs_fork), "spawn"])
def test_processes_of_multiprocessing_train_with_the_same_bits(tmp_path: Path, method: str) -> None:
    lines = printed_by(
        tmp_path,
        f"""
        import multiprocessing
        from training import digest

        if __name__ == "__main__":
            print(digest(0))
            with multiprocessing.get_context({method!r}).Pool(2) as pool:
                print(*pool.map(digest, range(3)))
        """,
    )
    assert lines == [digest(0), digest(0), digest(1), digest(2)]


@pytest.mark.parametrize(
    "backend", ["loky", "threading", pytest.param("multiprocessing", marks=needs_fork)]
)
def test_workers_of_joblib_train_with_the_same_bits(tmp_path: Path, backend: str) -> None:
    pytest.importorskip("joblib")
    lines = printed_by(
        tmp_path,
        f"""
        import joblib
        from training import digest

        if __name__ == "__main__":
            print(digest(0))
            print(*joblib.Parallel(2, backend={backend!r})(joblib.delayed(digest)(i) for i in range(3)))
        """,
    )
    assert lines == [digest(0), digest(0), digest(1), digest(2)]


@needs_affinity
def test_a_process_held_to_one_core_trains_with_the_same_bits(tmp_path: Path) -> None:
    lines = printed_by(
        tmp_path,
        """
        import os

        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        from training import digest

        print(digest(threads=None), digest(threads=2), digest(threads=8))
        """,
    )
    assert lines == [digest()] * 3


def test_several_python_threads_train_at_once_with_the_same_bits() -> None:
    found: dict[int, str] = {}

    def work(seed: int) -> None:
        found[seed] = digest(seed)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert found == {seed: digest(seed) for seed in range(4)}


@needs_fork
def test_a_fork_while_another_thread_trains_does_not_hang_the_child(tmp_path: Path) -> None:
    lines = printed_by(
        tmp_path,
        """
        import os
        import threading
        import warnings

        from training import digest

        # Python 3.12 and later warn of forking beside threads, which is what is tried here
        warnings.simplefilter("ignore", DeprecationWarning)
        stop = threading.Event()

        def work():
            while not stop.is_set():
                digest()

        digest()  # a fork amid another thread's imports hangs in Python itself
        worker = threading.Thread(target=work)
        worker.start()
        for _ in range(3):
            pid = os.fork()
            if pid == 0:
                print(digest(), flush=True)
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        stop.set()
        worker.join()
        """,
    )
    assert lines == [digest()] * 3


def test_many_networks_train_in_a_process_that_was_spawned(tmp_path: Path) -> None:
    lines = printed_by(
        tmp_path,
        """
        import multiprocessing

        import numpy as np

        import chainrule as cr


        def work(threads):
            x = np.random.default_rng(0).normal(size=(90, 4))
            y = (x[:, 0] > 0).astype(int)
            models = []
            for seed in range(3):
                layers = [cr.layers.Dense(8, activation="relu"), cr.layers.Dense(2, activation="softmax")]
                model = cr.Sequential(layers, seed=seed)
                model.compile("adam", "sparse_categorical_crossentropy")
                models.append(model)
            cr.train_many(models, x, y, epochs=3, threads=threads, verbose=0)
            return [float(m.get_weights()[0].sum()) for m in models]


        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(work, [1, 3]) == [work(2)] * 2)
        """,
    )
    assert lines == ["True"]


def test_training_beside_predictions_of_other_threads_keeps_its_bits() -> None:
    x = np.random.default_rng(0).normal(size=(300, 10)).astype("float32")
    other = cr.Sequential([cr.layers.Dense(3)])
    other.compile("sgd", "mse")
    other.build((10,))
    expected, stop = other.predict(x), threading.Event()
    wrong: list[bool] = []

    def predict() -> None:
        while not stop.is_set():
            wrong.append(not np.array_equal(other.predict(x), expected))

    reader = threading.Thread(target=predict)
    reader.start()
    found = [digest(seed) for seed in (0, 1)]
    stop.set()
    reader.join()
    assert found == [digest(0), digest(1)]
    assert wrong
    assert not any(wrong)
