"""The process of one peer: waits for lines of JSON on its input, answers each with one.

{"do": "start", "peer": NAME}              imports the library
{"do": "build", "config": {…}}             prepares a network and its data
{"do": "round", "seconds": S}              times as many epochs as take about S seconds
{"do": "whole", "epochs": N}               times a whole training
"""

from __future__ import annotations

import importlib
import json
import math
import os
import resource
import sys
import time
from typing import Any

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
        self.idle = memory()
        options = {**self.peer.options, "threads": self.peer.threads}
        begun = time.perf_counter()
        self.session = self.module.session(self.config, *self.config.data(), options)
        self.session.epochs(1)
        first = time.perf_counter() - begun
        self.pace = self.session.epochs(1)
        return {"seconds": first}

    def round(self, seconds: float) -> dict[str, Any]:
        """Time some epochs."""
        epochs = max(1, math.ceil(seconds / self.pace))
        took = self.session.epochs(epochs)
        self.pace = took / epochs
        steps = epochs * self.config.steps
        return {"seconds": took, "steps": steps, "megabytes": memory() - self.idle}

    def whole(self, epochs: int) -> dict[str, Any]:
        """Time a whole training."""
        return {"seconds": self.session.whole(epochs), "steps": epochs * self.config.steps}


def memory() -> float:
    """The most memory this process has held so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


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
