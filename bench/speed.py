"""Times a training step of chainrule beside other libraries, on the same data, taking turns.

    python bench/speed.py [--peers NAME,…] [--configs NAME,…] [--rounds N] [--seconds S] [--quick]
                          [--json FILE] [--markdown FILE]

Each way of training has a process of its own; in every round each has its turn, for so many whole epochs
as take about S seconds. The medians over the rounds are compared. Networks and rows are the same for all, the
precision too (ways in bfloat16 are compared with each other). chainrule is timed through `model.fit`.
Peers that are not installed are named and left out.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import machine
from children import Child, Failed
from configs import CONFIGS, QUICK, Config
from peers import PEERS, Peer
from summary import print_rows, step_row

SETTLE = 0.03  # seconds between two turns: idle threads of the last one fall asleep


def say(text: str) -> None:
    """A line of news, which is not part of the results."""
    print(text, file=sys.stderr, flush=True)


def chosen_peers(names: str, quick: bool) -> list[Peer]:
    """The peers asked for that are installed; the others are named."""
    usual = [name for name, peer in PEERS.items() if peer.quick or not quick]
    wanted = names.split(",") if names else usual
    unknown = [name for name in wanted if name not in PEERS]
    if unknown:
        raise SystemExit(f"unknown peer {unknown[0]!r}; known: {', '.join(PEERS)}")
    found, told = [], set()
    for peer in (PEERS[name] for name in wanted):
        missing = peer.missing()
        if missing and missing[0] not in told:
            told.add(missing[0])
            say(f"{missing[0]} is not installed: left out")
        if not missing:
            found.append(peer)
    return found


def chosen_configs(names: str, known: Mapping[str, Config]) -> list[Config]:
    """The configurations asked for."""
    wanted = names.split(",") if names else list(known)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise SystemExit(f"unknown config {unknown[0]!r}; known: {', '.join(known)}")
    return [known[name] for name in wanted]


def started(peers: Sequence[Peer], stack: ExitStack) -> tuple[list[Child], dict[str, str]]:
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


def step_times(
    config: Config, children: Sequence[Child], rounds: int, seconds: float
) -> dict[str, dict[str, Any]]:
    """Microseconds a step for each peer, the peers taking turns."""
    ready, found = [], {}
    asked = {**dataclasses.asdict(config), "wanted": {}}
    for child in children:
        try:
            child.ask("build", config=asked)
        except Failed as failure:
            say(f"{child.peer.name} does not run {config.name}: {failure}")
            continue
        ready.append(child)
        found[child.peer.name] = []
    for number in range(rounds):
        for child in ready[number % len(ready) :] + ready[: number % len(ready)]:
            time.sleep(SETTLE)
            found[child.peer.name].append(child.ask("round", seconds=seconds))
    return {name: step_row(taken) for name, taken in found.items()}


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", default="", help=f"of {', '.join(PEERS)}")
    parser.add_argument("--configs", default="", help=f"of {', '.join(CONFIGS)}")
    parser.add_argument("--rounds", type=int, default=0, help="turns of each peer (7; quick: 2)")
    parser.add_argument("--seconds", type=float, default=0.4, help="the length of a turn")
    parser.add_argument("--quick", action="store_true", help="small data, to see that it works")
    parser.add_argument("--json", type=Path, help="write every measurement here")
    given = parser.parse_args()
    rounds = given.rounds or (2 if given.quick else 7)
    seconds = 0.01 if given.quick else given.seconds
    configs = chosen_configs(given.configs, QUICK if given.quick else CONFIGS)
    peers = chosen_peers(given.peers, given.quick)
    result: dict[str, Any] = {"machine": machine.describe(), "rounds": rounds, "steps": {}}
    result["peak"] = {} if given.quick else machine.peak(machine.cores())
    peak = result["peak"].get("gigaflops", 0.0)
    with ExitStack() as stack:
        children, result["versions"] = started(peers, stack)
        print(json.dumps({k: result[k] for k in ("machine", "versions", "peak")}, indent=1))
        for config in configs:
            rows = step_times(config, children, rounds, seconds)
            result["steps"][config.name] = rows
            title = f"{config.name}: {config.shape}, batch {config.batch}, {config.rows} rows; one training step"
            print_rows(title, config, rows, peak)
            sys.stdout.flush()
    if given.json:
        given.json.write_text(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
