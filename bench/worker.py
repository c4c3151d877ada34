"""The process of one peer: waits for lines of JSON on its input, answers each with one.

{"do": "start", "peer": NAME}                 imports the library
{"do": "build", "config": {…}}                prepares a network and its data
{"do": "round", "seconds": S}                 times as many epochs as take about S seconds
{"do": "whole", "epochs": N}                  times a whole training, from nothing
{"do": "mnist", "config": {…}, "epochs": N}   the same on the images of MNIST, and again when warm
{"do": "many", "networks": N, …}              times many networks at once (chainrule alone)
"""

from __future__ import annotations

import importlib
import json
import math
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import mnist
import numpy as np
from configs import Config
from peers import PEERS


class Worker:
    """What a process knows between two lines."""

    def __init__(self) -> None:
        self.session: Any = None
        self.pace = 0.0  # seconds of an epoch

    def start(self, peer: str) -> dict[str, Any]:
        """Import the library."""
        self.peer = PEERS[peer]
        begun = time.perf_counter()
        self.module = importlib.import_module(f"peers.with_{self.peer.family}")
        return {"seconds": time.perf_counter() - begun, "versions": self.module.versions()}

    def build(self, config: dict[str, Any]) -> dict[str, Any]:
        """Make the network and train it for an epoch or two, so that everything is compiled and warm."""
        self.config = Config(**config)
        self._open(*self.config.data())
        begun = time.perf_counter()
        self.session.epochs(1)
        first = time.perf_counter() - begun
        self.pace = float(self.session.epochs(1)[0])
        return {"seconds": first}

    def _open(self, x: Any, y: Any) -> None:
        options = {**self.peer.options, "threads": self.peer.threads}
        self.session = None  # which frees the last one's memory
        self.idle = memory(forget=True)
        self.session = self.module.session(self.config, x, y, options)

    def round(self, seconds: float) -> dict[str, Any]:
        """Time some epochs."""
        epochs = max(1, math.ceil(seconds / self.pace))
        took = self.session.epochs(epochs)
        self.pace = float(took[0]) / epochs
        return self._taken(took, epochs)

    def whole(self, epochs: int) -> dict[str, Any]:
        """Time a whole training."""
        return self._taken(self.session.whole(epochs), epochs)

    def _taken(self, took: Any, epochs: int) -> dict[str, Any]:
        seconds, processor = map(float, took)
        steps, megabytes = epochs * self.config.steps, memory() - self.idle
        return {
            "seconds": seconds,
            "processor": processor,
            "steps": steps,
            "megabytes": megabytes,
        }

    def mnist(self, config: dict[str, Any], epochs: int) -> dict[str, Any]:
        """Time a first training on MNIST with all it entails, and one when everything is warm."""
        self.config = Config(**config)
        (x, y), (x_test, y_test) = mnist.images("train"), mnist.images("t10k")
        x, y = x[: self.config.rows], y[: self.config.rows]
        self._open(x, y)
        first = self._taken(self.session.whole(epochs), epochs)
        right = float(np.mean(self.session.classes(x_test) == y_test))
        return {**first, "accuracy": right, "warm": float(self.session.epochs(epochs)[0])}

    def many(self, networks: int, epochs: int, threads: int) -> dict[str, Any]:
        """Time the training of many networks at once."""
        took = self.session.many(networks, epochs, threads)
        return self._taken(took, epochs * networks)


def memory(*, forget: bool = False) -> float:
    """The most memory in megabytes that this process has held; or what it holds now, forgetting the most."""
    try:
        if forget:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
    except OSError:
        return math.nan
    found = re.search(r"VmHWM:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else math.nan


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer
    worker = Worker()
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = getattr(worker, asked.pop("do"))(**asked)
        except Exception as error:
            told = str(error).strip().splitlines() or [""]
            answer = {"error": f"{type(error).__name__}: {told[0]}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
