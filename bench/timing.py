"""What is timed: training steps, whole trainings, MNIST, many networks at once, and a busy neighbour."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from children import Child, Failed
from configs import Config
from peers import PEERS, Peer
from summary import step_row

SETTLE = 0.03  # seconds between two turns: idle threads of the last one fall asleep

Rows = dict[str, dict[str, Any]]


def say(text: str) -> None:
    """A line of news, which is not part of the results."""
    print(text, file=sys.stderr, flush=True)


def started(peers: Iterable[Peer], stack: ExitStack) -> tuple[list[Child], dict[str, str]]:
    """A process for each peer, its library imported; and the versions of all of them."""
    children, versions = [], {}
    for peer in peers:
        child = stack.enter_context(Child(peer))
        try:
            versions.update(child.ask("start", peer=peer.name)["versions"])
        except Failed as failure:
            say(f"{peer.name} does not start: {failure}")
            continue
        children.append(child)
    return children, versions


def built(config: Config, children: Iterable[Child]) -> list[Child]:
    """Those that can train this network, ready to."""
    ready = []
    for child in children:
        try:
            child.ask("build", config=as_json(config))
        except Failed as failure:
            say(f"{child.peer.name} does not run {config.name}: {failure}")
            continue
        ready.append(child)
    return ready


def as_json(config: Config) -> dict[str, Any]:
    """What a process needs to know of a configuration."""
    return {**dataclasses.asdict(config), "wanted": {}, "wanted_bfloat16": {}}


def in_turns(children: Sequence[Child], rounds: int, do: str, **details: Any) -> Rows:
    """The same asked of each in every round, another one beginning each time."""
    found: dict[str, list[dict[str, Any]]] = {child.peer.name: [] for child in children}
    for number in range(rounds):
        first = number % max(len(children), 1)
        for child in [*children[first:], *children[:first]]:
            time.sleep(SETTLE)
            found[child.peer.name].append(child.ask(do, **details))
    return {name: step_row(taken) for name, taken in found.items() if taken}


@contextmanager
def neighbour() -> Iterator[None]:
    """A process that keeps a core busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.2)
        yield
    finally:
        process.kill()
        process.wait()


def with_neighbour(children: Sequence[Child], rounds: int, seconds: float) -> dict[str, Any]:
    """How much slower steps are beside a busy process, alone and beside it taking turns."""
    found: dict[str, Any] = {}
    taken: dict[str, list[Rows]] = {"alone": [], "beside": []}
    for _ in range(rounds):
        taken["alone"].append(in_turns(children, 1, "round", seconds=seconds))
        with neighbour():
            taken["beside"].append(in_turns(children, 1, "round", seconds=seconds))
    for child in children:
        name = child.peer.name
        rows = {
            kind: step_row([{"seconds": row[name]["median"], "steps": 1e6} for row in of])
            for kind, of in taken.items()
        }
        found[name] = {**rows, "slower": rows["beside"]["median"] / rows["alone"]["median"]}
    return found


def many_networks(child: Child, rounds: int, networks: int, epochs: int) -> dict[str, Any]:
    """How many times more networks are trained a second on two threads than on one."""
    taken: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    for _ in range(rounds):
        for threads, of in taken.items():
            of.append(child.ask("many", networks=networks, epochs=epochs, threads=threads))
    rows = {f"{threads} threads": step_row(of) for threads, of in taken.items()}
    one, two = rows["1 threads"], rows["2 threads"]
    return {**rows, "ratio": one["median"] / two["median"], "best": one["low"] / two["low"]}


def on_mnist(peers: Iterable[Peer], rounds: int, epochs: int, rows: int = 60_000) -> Rows:
    """Whole trainings on MNIST, each in a process of its own: seconds with everything, and without."""
    config = Config("mnist", (784, 128, 10), 32, rows)
    taken: dict[str, list[dict[str, Any]]] = {}
    for _ in range(rounds):
        for peer in peers:
            begun = time.perf_counter()
            with Child(peer) as child:
                try:
                    child.ask("start", peer=peer.name)
                    importing = time.perf_counter() - begun
                    answer = child.ask("mnist", config=as_json(config), epochs=epochs)
                except Failed as failure:
                    say(f"{peer.name} does not train on MNIST: {failure}")
                    continue
            taken.setdefault(peer.name, []).append({**answer, "importing": importing})
            say(f"MNIST, {peer.name}: {answer['seconds']:.2f} s, then {answer['warm']:.2f} s")
    found = {}
    for name, of in taken.items():
        # medians of each, over the rounds
        values = {key: sorted(a[key] for a in of)[len(of) // 2] for key in of[0]}
        values["everything"] = values["importing"] + values["seconds"]
        found[name] = values
    return found


def with_threads(peers: Iterable[Peer]) -> list[Peer]:
    """chainrule's ways in float32 among these, of which there is one for each number of threads."""
    return [p for p in peers if p.family == "chainrule" and p.precision == "float32"]


def default_peer() -> Peer:
    """chainrule as it is without settings."""
    return PEERS["chainrule"]
