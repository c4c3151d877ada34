"""Times the training of chainrule beside other libraries, on the same data, taking turns.

    python bench/speed.py [--peers NAME,…] [--configs NAME,…] [--parts NAME,…] [--rounds N] [--seconds S]
                          [--quick] [--json FILE] [--markdown FILE]

Each way of training has a process of its own; in every round each has its turn, for so many whole epochs
as take about S seconds. The medians over the rounds are compared. Networks and rows are the same for all, the
precision too (ways in bfloat16 are compared with each other). chainrule is timed through `model.fit`.
Peers that are not installed are named and left out.

Parts: `steps`, a training step of each network; `whole`, a training of `tiny` with everything counted; `mnist`,
whole trainings on MNIST's 60,000 images; `many`, networks trained at the same time; `neighbour`, beside a
process that keeps a core busy.

`--markdown FILE` writes the tables; where the file has the lines `<!-- speed -->` and `<!-- /speed -->`,
between them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import machine
import mnist
import summary
import timing
from configs import CONFIGS, Config, configs
from peers import PEERS, Peer

PARTS = ("steps", "whole", "mnist", "many", "neighbour")
ON_MNIST = (
    "chainrule",
    "jax-scan",
    "torch-1t",
    "torch-fused-1t",
    "torch-compile-1t",
    "sklearn-fit",
)


def chosen(given: str, known: Sequence[str], what: str) -> list[str]:
    """The names asked for, all where none is."""
    names = given.split(",") if given else list(known)
    for name in names:
        if name not in known:
            raise SystemExit(f"unknown {what} {name!r}; known: {', '.join(known)}")
    return names


def installed(names: Sequence[str]) -> list[Peer]:
    """The peers that are installed; the others are named."""
    found, told = [], set()
    for peer in (PEERS[name] for name in names):
        missing = peer.missing()
        if not missing:
            found.append(peer)
        elif missing[0] not in told:
            told.add(missing[0])
            timing.say(f"{missing[0]} is not installed: left out")
    return found


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", default="", help=f"of {', '.join(PEERS)}")
    parser.add_argument("--configs", default="", help=f"of {', '.join(CONFIGS)}")
    parser.add_argument("--parts", default="", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=0, help="turns of each peer (7; quick: 2)")
    parser.add_argument("--seconds", type=float, default=0.4, help="the length of a turn")
    parser.add_argument("--quick", action="store_true", help="small data, to see that it works")
    parser.add_argument("--json", type=Path, help="write every measurement here")
    parser.add_argument("--markdown", type=Path, help="write the tables here")
    given = parser.parse_args()
    given.rounds = given.rounds or (2 if given.quick else 7)
    given.seconds = 0.01 if given.quick else given.seconds
    usual = [name for name, peer in PEERS.items() if peer.quick or not given.quick]
    given.peers = chosen(given.peers, list(PEERS), "peer") if given.peers else usual
    known = configs(given.quick)
    given.configs = [known[n] for n in chosen(given.configs, list(known), "config")]
    given.parts = chosen(given.parts, PARTS, "part")
    return given


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """All that was asked for; each part is printed when it is done."""
    rounds, seconds, quick = given.rounds, given.seconds, given.quick
    peers = installed(given.peers)
    result: dict[str, Any] = {"machine": machine.describe(), "quick": quick}
    result |= {"rounds": rounds, "seconds": seconds}
    result["peak"] = {} if quick else machine.peak(machine.cores())
    gigaflops = result["peak"].get("gigaflops", 0.0)
    with ExitStack() as stack:
        children, result["versions"] = timing.started(peers, stack)
        summary.print_machine(result)
        for part in given.parts:
            result[part] = {}
        for config in given.configs if {"steps", "neighbour", "many"} & {*given.parts} else []:
            asked = children if "steps" in given.parts else _own(children)
            ready = timing.built(config, asked)
            if "steps" in given.parts:
                rows = timing.in_turns(ready, rounds, "round", seconds=seconds)
                result["steps"][config.name] = rows
                summary.print_steps(config, rows, gigaflops)
            _own_parts(given, config, _own(ready), result)
        if "whole" in given.parts:
            tiny = configs(quick)["tiny"]
            ready = timing.built(tiny, children)
            epochs = 3 if quick else 100
            rows = timing.in_turns(ready, (rounds + 1) // 2, "whole", epochs=epochs)
            result["whole"] = {"config": tiny.name, "epochs": epochs, "rows": rows}
            summary.print_whole(tiny, result)
    if "mnist" in given.parts and mnist.there() and not quick:
        chosen_peers = [peer for peer in peers if peer.name in ON_MNIST]
        result["mnist"] = {"epochs": 3, "rows": timing.on_mnist(chosen_peers, min(rounds, 3), 3)}
        summary.print_mnist(result["mnist"])
    elif "mnist" in given.parts:
        timing.say("MNIST: left out" + ("" if quick else ", its files are not there"))
    return result


def _own(children: Sequence[timing.Child]) -> list[timing.Child]:
    return [c for c in children if c.peer in timing.with_threads(PEERS.values())]


def _own_parts(
    given: argparse.Namespace, config: Config, own: Sequence[timing.Child], result: dict[str, Any]
) -> None:
    """What is measured of chainrule alone."""
    rounds, quick = given.rounds, given.quick
    if "many" in given.parts and own and (quick or config.name in ("tiny", "digits", "mnist_s")):
        epochs = 2 if quick else {"tiny": 100, "digits": 100}.get(config.name, 1)
        found = timing.many_networks(own[0], rounds, 4 if quick else 16, epochs)
        result["many"][config.name] = found
        summary.print_many(config, found)
    if "neighbour" in given.parts and own and (quick or config.name in ("mnist_s", "mnist_m")):
        found = timing.with_neighbour(own, rounds, given.seconds)
        result["neighbour"][config.name] = found
        summary.print_neighbour(config, found)


def main() -> int:
    """Measure, print, write."""
    given = arguments()
    result = measure(given)
    if given.json:
        given.json.write_text(json.dumps(result, indent=1))
    if given.markdown:
        write_between(given.markdown, summary.markdown(result))
    return 0


def write_between(file: Path, tables: str, mark: str = "speed") -> None:
    """Put the tables into the file: between its marks, if it has them."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->\n"
    text = file.read_text() if file.exists() else ""
    if begin in text and end in text:
        before, rest = text.split(begin, 1)
        tables = f"{before}{begin}\n{tables}\n{end}{rest.split(end, 1)[1]}"
    file.write_text(tables)


if __name__ == "__main__":
    sys.exit(main())
