"""Measurements as medians, spreads and ratios; and the tables made of them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from configs import Config
from peers import PEERS

FAMILIES = {"jax": "JAX", "torch": "PyTorch", "sklearn": "scikit-learn", "tinygrad": "tinygrad"}


def step_row(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Median, lowest and highest microseconds a step over the rounds."""
    micros = [1e6 * r["seconds"] / r["steps"] for r in rounds]
    return {
        "median": statistics.median(micros),
        "low": min(micros),
        "high": max(micros),
        "rounds": micros,
        "megabytes": max((r.get("megabytes", 0.0) for r in rounds), default=0.0),
    }


def best(rows: Mapping[str, Mapping[str, Any]], family: str, precision: str) -> str | None:
    """The fastest way of a family, by its median."""
    names = [n for n in rows if PEERS[n].family == family and PEERS[n].precision == precision]
    return min(names, key=lambda n: rows[n]["median"], default=None)


def ratios(rows: Mapping[str, Mapping[str, Any]], precision: str = "float32") -> dict[str, float]:
    """How many times faster chainrule's best way is than the best of each family."""
    ours = best(rows, "chainrule", precision)
    if ours is None:
        return {}
    found = {}
    for family in FAMILIES:
        theirs = best(rows, family, precision) or (best(rows, family, "float32"))
        if theirs is not None:
            found[family] = rows[theirs]["median"] / rows[ours]["median"]
    return found


def verdict(ratio: float, wanted: tuple[float, float] | None) -> str:
    """A ratio beside its floor and goal."""
    if wanted is None:
        return ""
    floor, goal = wanted
    word = "goal" if ratio >= goal else "floor held" if ratio >= floor else "below the floor"
    return f"{word} ({floor:g}, {goal:g})"


def duration(micros: float) -> str:
    """Microseconds as people write them."""
    if micros < 1000:
        return f"{micros:.3g} µs"
    return f"{micros / 1e3:.3g} ms" if micros < 1e6 else f"{micros / 1e6:.3g} s"


def print_rows(
    title: str, config: Config, rows: Mapping[str, Mapping[str, Any]], peak: float
) -> None:
    """One configuration's table on the terminal."""
    print(f"\n{title}")
    print(
        f"  {'':18} {'median':>9} {'lowest – highest':>21} {'GFLOP/s':>9} {'of peak':>8} {'÷ ours':>8} {'MB':>7}"
    )
    ours = best(rows, "chainrule", "float32")
    for name, row in sorted(rows.items(), key=lambda pair: pair[1]["median"]):
        speed = config.operations / row["median"] / 1e3
        times = f"{row['median'] / rows[ours]['median']:8.2f}" if ours else " " * 8
        spread = f"{duration(row['low'])} – {duration(row['high'])}"
        of_peak = f"{speed / peak:8.0%}" if peak and PEERS[name].precision == "float32" else " " * 8
        print(
            f"  {name:18} {duration(row['median']):>9} {spread:>21} {speed:9.1f} {of_peak} {times} "
            f"{row['megabytes']:7.0f}"
        )
    for family, ratio in ratios(rows).items():
        told = verdict(ratio, config.wanted.get(family))
        print(f"  {FAMILIES[family]} ÷ chainrule: {ratio:.3g}  {told}")
