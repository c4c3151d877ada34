"""What the commands do: run an experiment or look at one, and print. Each returns an exit code."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule import report, storage
from chainrule.cli import results
from chainrule.cli.exits import DONE, INTERRUPTED
from chainrule.cli.interrupt import Interrupt
from chainrule.cli.printing import console, say
from chainrule.cli.progress import Bar
from chainrule.cli.sources import print_source
from chainrule.errors import ModelFileError, UsageError
from chainrule.experiment.describing import describe_source
from chainrule.experiment.evaluating import evaluate_run, model_of, predict_run
from chainrule.experiment.folder import RESULT, read_history, read_result, to_json
from chainrule.experiment.preparing import Prepared
from chainrule.experiment.running import run
from chainrule.experiment.settings import Settings
from chainrule.model import Model
from chainrule.training import Event


def train(given: Mapping[str, Any], *, as_json: bool, quiet: bool) -> int:
    """Train as asked."""
    settings = Settings.from_words(given)
    stderr = console(stderr=True)
    bar, interrupt = Bar(stderr, shown=not quiet), Interrupt()

    def started(prepared: Prepared, model: Model) -> None:
        interrupt.begin()
        if not quiet:
            results.print_beginning(stderr, prepared, model)

    def listen(event: Event) -> str | None:
        bar(event)
        return interrupt(event)

    with interrupt.listening(), bar.drawn():
        outcome = run(settings, listen, started)
    if as_json:
        _write(to_json(outcome.result))
    else:
        results.print_result(console(), outcome.result, str(outcome.folder))
    return INTERRUPTED if interrupt.asked else DONE


def evaluate(path: str, source: str, data_dir: str | None, *, as_json: bool) -> int:
    """Print the metrics of a run's model on some rows."""
    found = evaluate_run(path, source, data_dir)
    if as_json:
        _write(to_json(found))
    else:
        results.print_evaluation(console(), found)
    return DONE


def predict(path: str, source: str, out: Path | None, data_dir: str | None) -> int:
    """Write a run's predictions for the rows of a source."""
    kind = None if out is None else out.suffix.lower()
    if kind not in (None, ".csv", ".parquet"):
        raise UsageError(f"--out {out} must end in .csv or .parquet.")
    if out is not None and out.exists() and Path(source).exists() and out.samefile(source):
        raise UsageError(f"--out {out} is the data to predict itself: choose another file.")
    frame, told = predict_run(path, source, data_dir)
    if out is None:
        _write(frame.write_csv().rstrip("\n"))
        return DONE
    buffer = io.BytesIO()
    if kind == ".csv":
        frame.write_csv(buffer)
    else:
        frame.write_parquet(buffer)
    storage.write_bytes(out, buffer.getvalue())
    say(console(stderr=True), f"{len(frame):,} predictions written to {out}: {told}")
    return DONE


def show(path: str, plot: Path | None, *, plan: bool, as_json: bool) -> int:
    """Print what a run did or how a step of it is carried out, or draw its learning curves."""
    if plan:
        _write(model_of(path).plan())
        return DONE
    result = read_result(path)
    if plot is not None:
        try:
            report.save_curves(plot, read_history(path))
        except OSError as error:
            raise UsageError(f"--plot {plot} cannot be written ({error.strerror}).") from error
        say(console(stderr=True), f"Learning curves written to {plot}")
        return DONE
    if as_json:
        _write(to_json(result))
        return DONE
    stdout = console()
    try:
        # printed only once it is whole: a damaged file shows no half of a result
        with stdout.capture() as text:
            results.print_result(stdout, result, path)
            stdout.print()
            results.print_network(stdout, result)
            stdout.print()
            results.print_settings(stdout, result)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(
            f"{Path(path) / RESULT} is damaged, or of another version of chainrule: "
            f"it lacks or misstates {error}."
        ) from error
    sys.stdout.write(text.get())
    return DONE


def data(source: str, target: str | None, data_dir: str | None, *, as_json: bool) -> int:
    """Print what is seen in a source."""
    seen = describe_source(source, target, data_dir)
    if as_json:
        _write(to_json(seen))
    else:
        print_source(console(), seen)
    return DONE


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
