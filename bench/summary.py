"""Measurements as medians, spreads and ratios; and the tables made of them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from configs import Config, configs
from peers import PEERS

FAMILIES = {"jax": "JAX", "torch": "PyTorch", "sklearn": "scikit-learn", "tinygrad": "tinygrad"}

Rows = Mapping[str, Mapping[str, Any]]


def step_row(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Microseconds a step over the rounds, of the wall's and of processor time; megabytes beyond the data."""
    micros = [1e6 * r["seconds"] / r["steps"] for r in rounds]
    return {
        "median": statistics.median(micros),
        "low": min(micros),
        "high": max(micros),
        "rounds": micros,
        "processor": statistics.median(1e6 * r.get("processor", 0.0) / r["steps"] for r in rounds),
        "megabytes": max((r.get("megabytes", 0.0) for r in rounds), default=0.0),
    }


def best(rows: Rows, family: str, precision: str, by: str = "median") -> str | None:
    """The fastest way of a family."""
    names = [n for n in rows if PEERS[n].family == family and PEERS[n].precision == precision]
    return min(names, key=lambda n: rows[n][by], default=None)


def ratios(rows: Rows, precision: str = "float32") -> dict[str, tuple[str, float, float, float]]:
    """For each family its best way and how many times its time is ours: medians, lowest, processor time.

    Processor time tells least, but it is what other work on the machine disturbs least.
    """
    found = {}
    for family in FAMILIES:
        # JAX is compared in float32 where it has no way in this precision
        theirs = precision
        if family == "jax" and best(rows, family, precision) is None:
            theirs = "float32"
        quotients = []
        for by in ("median", "low", "processor"):
            name, ours = best(rows, family, theirs, by), best(rows, "chainrule", precision, by)
            if name is not None and ours is not None:
                quotients.append(rows[name][by] / max(rows[ours][by], 1e-9))
        if quotients:
            median, low, processor = quotients
            found[family] = (str(best(rows, family, theirs)), median, low, processor)
    return found


def verdict(ratio: float, wanted: tuple[float, float] | None) -> str:
    """A ratio beside its floor and goal."""
    if wanted is None:
        return ""
    floor, goal = wanted
    word = "goal reached" if ratio >= goal else "above the floor" if ratio >= floor else "BELOW"
    return f"  {word} (floor {floor:g}, goal {goal:g})"


def duration(micros: float) -> str:
    """Microseconds as people write them, to three digits."""
    for unit, size in (("µs", 1.0), ("ms", 1e3), ("s", 1e6)):
        if abs(micros) < 999.5 * size or unit == "s":
            value = micros / size
            digits = 0 if abs(value) >= 99.5 else 1 if abs(value) >= 9.95 else 2
            return f"{value:.{digits}f} {unit}"
    raise AssertionError


# --- on the terminal ----------------------------------------------------------------------------------


def print_machine(result: Mapping[str, Any]) -> None:
    """What it is measured on."""
    print(machine_line(result), flush=True)


def print_steps(config: Config, rows: Rows, gigaflops: float) -> None:
    """One configuration's table."""
    print(f"\n{config.name}: {config.shape}, batch {config.batch}, {config.rows} rows: a step")
    heads = ("", "median", "lowest – highest", "processor", "GFLOP/s", "peak", "÷ ours", "MB")
    print("  {:17} {:>9} {:>21} {:>9} {:>8} {:>5} {:>7} {:>5}".format(*heads))
    ours = best(rows, "chainrule", "float32")
    for name, row in sorted(rows.items(), key=lambda pair: pair[1]["median"]):
        speed = config.operations / row["median"] / 1e3
        times = f"{row['median'] / rows[ours]['median']:.2f}" if ours else ""
        spread = f"{duration(row['low'])} – {duration(row['high'])}"
        share = gigaflops and PEERS[name].precision == "float32"
        of_peak = f"{speed / gigaflops:.0%}" if share else ""
        print(
            f"  {name:17} {duration(row['median']):>9} {spread:>21} {duration(row['processor']):>9} "
            f"{speed:8.1f} {of_peak:>5} {times:>7} {row['megabytes']:5.0f}"
        )
    for precision, wanted in (("float32", config.wanted), ("bfloat16", config.wanted_bfloat16)):
        for family, (name, ratio, low, processor) in ratios(rows, precision).items():
            told = verdict(ratio, wanted.get(family))
            kind = "" if precision == "float32" else " in bfloat16"
            print(
                f"  {name} ÷ chainrule{kind}: {ratio:.3g}{told}; by the lowest {low:.3g}, by processor time "
                f"{processor:.3g}"
            )
    print(end="", flush=True)


def print_whole(config: Config, result: Mapping[str, Any]) -> None:
    """Whole trainings of one configuration; and ours beside the others' steps alone."""
    epochs, rows = result["whole"]["epochs"], result["whole"]["rows"]
    print(
        f"\n{config.name}: a whole training of {epochs} epochs, everything after the import counted"
    )
    for name, row in sorted(rows.items(), key=lambda pair: pair[1]["median"]):
        seconds = row["median"] * epochs * config.steps
        print(f"  {name:17} {duration(seconds):>9}  {duration(row['median']):>9} a step")
    steps = result.get("steps", {}).get(config.name, {})
    for family, ratio in whole_ratios(rows, steps).items():
        print(
            f"  {FAMILIES[family]} ÷ chainrule: "
            + ", ".join(f"{v:.3g} {k}" for k, v in ratio.items())
        )
    print(end="", flush=True)


def whole_ratios(rows: Rows, steps: Rows) -> dict[str, dict[str, float]]:
    """Our whole training beside the others' whole ones, and beside their steps alone (the harder reading)."""
    ours = best(rows, "chainrule", "float32")
    found: dict[str, dict[str, float]] = {}
    for family in FAMILIES if ours else ():
        for kind, theirs in (("whole", rows), ("by its steps alone", steps)):
            if (name := best(theirs, family, "float32")) is not None and ours is not None:
                ratio = theirs[name]["median"] / rows[ours]["median"]
                found.setdefault(family, {})[kind] = ratio
    return found


def print_mnist(found: Mapping[str, Any]) -> None:
    """Whole trainings on MNIST."""
    print(f"\nMNIST, 60,000 images, 784-128-10, batch 32, {found['epochs']} epochs: seconds")
    print(f"  {'':17} {'all':>7} {'import':>7} {'first':>7} {'warm':>7} {'accuracy':>9} {'MB':>6}")
    for name, row in sorted(found["rows"].items(), key=lambda pair: pair[1]["everything"]):
        print(
            f"  {name:17} {row['everything']:7.2f} {row['importing']:7.2f} {row['seconds']:7.2f} "
            f"{row['warm']:7.2f} {row['accuracy']:9.4f} {row['megabytes']:6.0f}"
        )
    print(end="", flush=True)


def print_many(config: Config, found: Mapping[str, Any]) -> None:
    """Many networks at once."""
    wanted = (1.8, 1.95) if config.wanted else None
    print(
        f"  {config.name}, many networks, 2 threads ÷ 1 thread: {found['ratio']:.3g}, by the lowest {found['best']:.3g}"
        + verdict(found["ratio"], wanted),
        flush=True,
    )


def print_neighbour(config: Config, found: Mapping[str, Any]) -> None:
    """Beside a busy process."""
    for name, row in found.items():
        alone, beside = (duration(row[kind]["median"]) for kind in ("alone", "beside"))
        print(
            f"  {config.name}, {name} beside a busy process: {beside}, alone {alone}: {row['slower']:.3g} times"
        )
    print(end="", flush=True)


# --- for documents ------------------------------------------------------------------------------------


def machine_line(result: Mapping[str, Any]) -> str:
    """Machine and versions in a sentence or two."""
    m, peak = result["machine"], result["peak"]
    versions = ", ".join(f"{name} {v}" for name, v in result["versions"].items() if v)
    load = f" Other work ran on the machine (load {m['load']:.1f})." if m["load"] > 0.5 else ""
    told = f"; peak {peak['gigaflops']:.0f} GFLOP/s by {peak['by']}" if peak else ""
    return (
        f"{m['processor']}, {m['cores']} cores, {m['vectors']}; {m['system']}, Python {m['python']}, {m['date']}"
        f"{told}. {versions}.{load}"
    )


def markdown(result: Mapping[str, Any]) -> str:
    """The tables of README."""
    lines = [machine_line(result), ""]
    if result.get("steps"):
        lines += _steps_table(result)
    if whole := result.get("whole"):
        lines += [*_whole_sentences(result, whole), ""]
    if result.get("mnist"):
        lines += _mnist_table(result["mnist"])
    lines += _own_sentences(result)
    return "\n".join(lines).rstrip() + "\n"


def _steps_table(result: Mapping[str, Any]) -> list[str]:
    steps, gigaflops = result["steps"], result["peak"].get("gigaflops", 0.0)
    families = [f for f in FAMILIES if any(f in ratios(rows) for rows in steps.values())]
    heads = [f"{FAMILIES[f]} takes" for f in families]
    lines = [
        f"Adam, float32; time of a training step over whole epochs, medians of {result['rounds']} rounds in which each "
        "had its turn. Of each library, the way of running it that was fastest:",
        "",
        f"| network, batch | chainrule | lowest – highest | of peak | {' | '.join(heads)} |",
        f"|---|---|---|---|{'---|' * len(heads)}",
    ]
    for name, rows in steps.items():
        config, ours, others = (
            configs(result["quick"])[name],
            best(rows, "chainrule", "float32"),
            ratios(rows),
        )
        if ours is None:
            continue
        row = rows[ours]
        share = config.operations / row["median"] / 1e3 / gigaflops if gigaflops else 0
        of_peak = f"{share:.0%}" if share else "–"
        cells = [f"{others[f][1]:.3g} × ({others[f][0]})" if f in others else "" for f in families]
        lines.append(
            f"| {name} {config.shape}, {config.batch} | {duration(row['median'])} | "
            f"{duration(row['low'])} – {duration(row['high'])} | {of_peak} | {' | '.join(cells)} |"
        )
    for name, rows in steps.items():
        ours = best(rows, "chainrule", "bfloat16")
        if ours is not None:
            told = ", ".join(f"{r:.3g} × {n}" for n, r, *_ in ratios(rows, "bfloat16").values())
            lines += ["", f"{name} in bfloat16: {duration(rows[ours]['median'])}; {told}."]
    return [*lines, ""]


def _whole_sentences(result: Mapping[str, Any], whole: Mapping[str, Any]) -> list[str]:
    config = configs(result["quick"])[whole["config"]]
    ours = best(whole["rows"], "chainrule", "float32")
    if ours is None:
        return []
    seconds = whole["rows"][ours]["median"] * whole["epochs"] * config.steps
    steps = result.get("steps", {}).get(config.name, {})
    told = [
        f"{FAMILIES[f]} {' and '.join(f'{v:.3g} × {k}' for k, v in kinds.items())}"
        for f, kinds in whole_ratios(whole["rows"], steps).items()
    ]
    return [
        f"A whole `fit` of `{config.name}` for {whole['epochs']} epochs, everything counted: {duration(seconds)}. "
        f"The others take: {'; '.join(told)}."
    ]


def _mnist_table(found: Mapping[str, Any]) -> list[str]:
    lines = [
        f"MNIST, 60,000 images, 784-128-10, batch 32, {found['epochs']} epochs; seconds, and megabytes beyond the "
        "data:",
        "",
        "| | with import and compilation | import | first `fit` | warm `fit` | test accuracy | megabytes |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in sorted(found["rows"].items(), key=lambda pair: pair[1]["everything"]):
        lines.append(
            f"| {name} | {row['everything']:.2f} | {row['importing']:.2f} | {row['seconds']:.2f} | {row['warm']:.2f} | "
            f"{row['accuracy']:.4f} | {row['megabytes']:.0f} |"
        )
    return [*lines, ""]


def _own_sentences(result: Mapping[str, Any]) -> list[str]:
    lines = []
    if many := result.get("many"):
        told = ", ".join(f"{row['ratio']:.3g} ({name})" for name, row in many.items())
        lines += [f"Many networks at once, two threads ÷ one: {told}.", ""]
    for name, found in (result.get("neighbour") or {}).items():
        told = ", ".join(f"{peer} {row['slower']:.3g} ×" for peer, row in found.items())
        lines += [f"Beside a process that keeps a core busy, steps of {name} take: {told}.", ""]
    return lines
