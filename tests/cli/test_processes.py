"""The command as a process of its own, where that matters: signals, exit codes, streams, bits."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chainrule.cli.main import run_command
from chainrule.model import load

FILES = ["history.csv", "model.chainrule", "predictions.parquet", "report.html", "result.json"]
LIMIT = 120  # seconds; a machine may be busy


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "chainrule", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=LIMIT)
    return process.returncode, out, err


def wait_for(words: str, process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    assert any(words in line for line in process.stderr), f"{words!r} was never said"


def until(happened: Any) -> None:
    end = time.monotonic() + LIMIT
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.002)


def files(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


LONG = ("train", "iris", "--epochs", "1000000", "--patience", "1000000", "--hidden", "8")
"""A training that nobody waits for."""


def test_ctrl_c_keeps_the_best_model() -> None:
    process = start(*LONG)
    wait_for("epoch       1/1000000", process)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (code, "Traceback" in err) == (130, False)
    assert "Interrupted after " in out
    assert files("runs/iris-1") == FILES
    result = json.loads(Path("runs/iris-1/result.json").read_text())
    assert result["stopped_because"] == "interrupted"
    history = pl.read_csv("runs/iris-1/history.csv")
    assert len(history) == result["epochs"] >= 1
    assert history["val_loss"].arg_min() == result["best_epoch"] - 1
    loss = load("runs/iris-1/model.chainrule").history
    assert loss is not None
    assert loss.best_epoch == result["best_epoch"]


def test_ctrl_c_in_the_first_epoch_keeps_what_there_is() -> None:
    x = np.random.default_rng(0).normal(size=(20_000, 50)).astype(np.float32)
    np.savez("large.npz", x=x, y=(x[:, 0] > 0).astype(int))
    process = start("train", "large.npz", "--hidden", "700,700", "--batch-size", "1", "--json")
    wait_for("  network ", process)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (code, "Traceback" in err) == (130, False)
    assert files("runs/large-1") == FILES
    result = json.loads(out)
    assert (result["stopped_because"], result["epochs"]) == ("interrupted", 0)
    assert result["test"]["accuracy"] is not None


def test_a_second_ctrl_c_ends_at_once() -> None:
    process = start(*LONG)
    wait_for("epoch       1/1000000", process)
    process.send_signal(signal.SIGINT)
    # The model is saved first; judging and the report would take a while.
    until(lambda: Path("runs/iris-1/model.chainrule").exists())
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "chainrule: interrupted."
    assert "report.html" not in files("runs/iris-1")


class Pipe:
    """A pipe with a name; whoever reads it gets one line, and then waits in vain for the next."""

    def __init__(self, path: str) -> None:
        os.mkfifo(path)
        self.path, self.handle = path, -1

    def is_opened(self) -> bool:
        try:
            self.handle = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:  # which means that nobody reads yet
                raise
            return False
        os.write(self.handle, b"a,b\n")
        return True

    def is_empty(self) -> bool:
        held = array("i", [-1])
        fcntl.ioctl(self.handle, termios.FIONREAD, held)
        return held[0] == 0


def test_ctrl_c_while_data_are_read_leaves_nothing_behind() -> None:
    pipe = Pipe("slow.csv")
    process = start("train", "slow.csv")
    until(pipe.is_opened)
    until(pipe.is_empty)
    time.sleep(0.2)  # a signal that comes just before a read, and not in it, is heard only after it
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    os.close(pipe.handle)
    assert (code, out, err) == (130, "", "chainrule: interrupted.\n")
    assert not Path("runs").exists()


def test_two_runs_at_once_have_folders_of_their_own() -> None:
    processes = [start("train", "iris", "--epochs", "2", "--hidden", "8") for _ in range(2)]
    assert [finish(process)[0] for process in processes] == [0, 0]
    assert files("runs") == ["iris-1", "iris-2"]
    assert files("runs/iris-1") == files("runs/iris-2") == FILES
    first, second = (load(f"runs/iris-{i}/model.chainrule").get_weights() for i in (1, 2))
    assert [a.tobytes() for a in first] == [a.tobytes() for a in second]


def test_another_process_predicts_the_same_bits() -> None:
    assert run_command(["train", "digits", "--epochs", "2", "--quiet"]) == 0
    code, out, _ = finish(start("predict", "runs/digits-1", "digits", "--out", "all.parquet"))
    assert (code, out) == (0, "")
    recorded = pl.read_parquet("runs/digits-1/predictions.parquet").drop("target")
    assert pl.read_parquet("all.parquet")[recorded["row"].to_list()].equals(recorded)


def test_json_is_all_there_is_on_stdout() -> None:
    code, out, err = finish(start("train", "wine", "--epochs", "2", "--json"))
    assert code == 0
    assert json.loads(out)["run"] == "runs/wine-1"
    assert "epoch 2/2" in err


def test_wrong_usage_is_one_sentence_and_exit_code_2() -> None:
    code, out, err = finish(start("train", "wine", "--activation", "reluu"))
    assert (code, out) == (2, "")
    assert err.startswith("chainrule: Unknown activation 'reluu': did you mean 'relu'?")
    assert err.count("\n") == 1
    assert not Path("runs").exists()


def test_a_reader_who_has_seen_enough_is_no_trouble(written: str) -> None:
    assert run_command(["train", written, "--epochs", "1", "--quiet", "--out", "run"]) == 0
    pl.concat([pl.read_csv(written)] * 400).write_csv("many.csv")
    with start("predict", "run", "many.csv") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("row,prediction,")
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_a_terminal_that_knows_few_characters_is_no_trouble() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for arguments in (["data", "iris"], ["train", "--help"]):
        done = subprocess.run(
            [sys.executable, "-m", "chainrule", *arguments], capture_output=True, env=environment
        )
        assert (done.returncode, done.stderr) == (0, b"")


def test_an_unknown_instruction_set_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nonsense", "avx2, portable"):
        monkeypatch.setenv("CHAINRULE_ISA", name)
        code, out, err = finish(start("train", "iris", "--quiet"))
        assert (code, out) == (2, "")
        assert err.startswith(f"chainrule: CHAINRULE_ISA is '{name}', which is no instruction set")
        assert err.count("\n") == 1
