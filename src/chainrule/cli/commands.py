"""What the commands do: run an experiment or look at one, and print."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from chainrule import data as data_package
from chainrule import report, storage
from chainrule.cli import tables
from chainrule.cli.progress import Bar, Interrupt
from chainrule.errors import DataError, UsageError
from chainrule.experiment import Settings, evaluate_run, predict_run, run
from chainrule.experiment.evaluating import result_of
from chainrule.experiment.preparing import Prepared
from chainrule.experiment.running import to_json
from chainrule.model import Model
from chainrule.training import Event


def train(given: Mapping[str, Any], *, as_json: bool, quiet: bool) -> int:
    """Train as asked; the exit code."""
    settings = Settings(**given)
    stderr = Console(stderr=True, highlight=False)
    bar, interrupt = Bar(stderr, shown=not quiet), Interrupt()

    def started(prepared: Prepared, model: Model) -> None:
        if not quiet:
            for line in tables.beginning(prepared, model):
                stderr.print(line)

    def listen(event: Event) -> str | None:
        bar(event)
        return interrupt(event)

    with interrupt.listening(), bar.drawn():
        outcome = run(settings, listen, started)
    if as_json:
        _write(to_json(outcome.result))
    else:
        tables.print_result(Console(highlight=False), outcome.result)
    return 130 if interrupt.asked else 0


def evaluate(path: str, source: str, data_dir: str | None, *, as_json: bool) -> None:
    """Print the metrics of a run's model on other data."""
    found = evaluate_run(path, source, data_dir)
    if as_json:
        _write(to_json(found))
        return
    console = Console(highlight=False)
    console.print(f"{escape(found['model'])} on {escape(found['source'])}, {found['which_rows']}")
    console.print(tables.scores({"": found["metrics"]}))


def predict(path: str, source: str, out: Path | None, data_dir: str | None) -> None:
    """Write a run's predictions for the rows of a source."""
    if out is not None and out.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError(f"--out {out}: predictions are written as .csv or .parquet.")
    frame = predict_run(path, source, data_dir)
    if out is None:
        _write(frame.write_csv().rstrip("\n"))
        return
    import io

    buffer = io.BytesIO()
    if out.suffix.lower() == ".csv":
        frame.write_csv(buffer)
    else:
        frame.write_parquet(buffer)
    try:
        storage.write_bytes(out, buffer.getvalue())
    except OSError as error:
        raise UsageError(f"--out {out} cannot be written: {error.strerror}.") from error
    Console(stderr=True, highlight=False).print(
        f"{len(frame):,} predictions written to {escape(str(out))}"
    )


def show(path: str, plot: Path | None, *, as_json: bool) -> None:
    """Print what a run did, or draw its learning curves."""
    result = result_of(path)
    if plot is not None:
        report.save_curves(plot, _history(Path(path) / "history.csv"))
        Console(stderr=True, highlight=False).print(
            f"Learning curves written to {escape(str(plot))}"
        )
        return
    if as_json:
        _write(to_json(result))
        return
    console = Console(highlight=False)
    tables.print_result(console, result)
    console.print(tables.network(result))
    console.print(tables.settings(result))


def data(source: str, target: str | None, data_dir: str | None, *, as_json: bool) -> None:
    """Print what is seen in a source."""
    found = data_package.load_source(source, data_dir=data_dir)
    described = tables.describe_source(found, target)
    if as_json:
        _write(to_json(described))
    else:
        tables.print_source(Console(highlight=False), described)


def _history(file: Path) -> dict[str, list[float]]:
    import csv

    if not file.is_file():
        raise DataError(f"{file} is missing: the run has no history to draw.")
    with file.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    names = list(rows[0]) if rows else []
    return {name: [float(row[name]) for row in rows] for name in names}


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
