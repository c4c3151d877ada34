"""The commands and their options. Progress goes to stderr, results to stdout.

Exit codes: 0 done; 2 bad usage or bad data, with one sentence; 130 interrupted, the best model kept.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli import commands
from chainrule.errors import ChainruleError, UsageError

app = typer.Typer(
    help="Train feed-forward neural networks by back-propagation, and see how.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SOURCE = "A built-in name (digits, iris, wine, breast-cancer, diabetes, mnist, fashion-mnist), a .csv, .tsv, .parquet or .npz file, or a folder with the four IDX files."
RUN = "The folder of a run, or a .chainrule file."
DataDir = Annotated[
    str | None, typer.Option(help="Where the files of mnist and fashion-mnist lie.")
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document and nothing else on stdout.")
]
DATA, NETWORK, LEARNING, ROWS, RUNNING = "Data", "Network", "Learning", "Held-out rows", "Running"


@app.command()
def train(
    source: Annotated[str, typer.Argument(help=SOURCE, metavar="SOURCE")],
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    task: Annotated[str, typer.Option(help="auto, classification or regression.")] = "auto",
    hidden: Annotated[
        str, typer.Option(help="Widths of the hidden layers; none for a linear model.")
    ] = "128,64",
    activation: Annotated[str, typer.Option(help="Activation of the hidden layers.")] = "relu",
    loss: Annotated[str, typer.Option(help="Loss; auto chooses by the task.")] = "auto",
    optimizer: Annotated[
        str, typer.Option(help="sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw, lbfgs.")
    ] = "adam",
    learning_rate: Annotated[float, typer.Option(help="Learning rate.")] = 1e-3,
    schedule: Annotated[
        str,
        typer.Option(
            help="Learning-rate schedule: constant, step, exponential, inverse_time, cosine, one_cycle, warm_up, reduce_on_plateau."
        ),
    ] = "constant",
    batch_size: Annotated[int, typer.Option(help="Rows of a step.")] = 32,
    epochs: Annotated[
        int, typer.Option(help="At most so many passes over the training rows.")
    ] = 100,
    patience: Annotated[
        int, typer.Option(help="Stop after so many epochs without a better validation loss.")
    ] = 10,
    dropout: Annotated[
        float, typer.Option(help="Share of hidden units dropped at each step.")
    ] = 0.0,
    l2: Annotated[float, typer.Option(help="L2 penalty, λ Σ w².")] = 0.0,
    batch_norm: Annotated[
        bool, typer.Option("--batch-norm", help="Batch normalisation in the hidden layers.")
    ] = False,
    label_smoothing: Annotated[
        float, typer.Option(help="Share of a class target spread over all classes.")
    ] = 0.0,
    class_weight: Annotated[
        str | None, typer.Option(help="balanced: rare classes weigh more.")
    ] = None,
    log_target: Annotated[
        bool, typer.Option("--log-target", help="Learn log(1 + target).")
    ] = False,
    drop: Annotated[str, typer.Option(help="Columns to leave out, COL,COL,…")] = "",
    validation: Annotated[
        float, typer.Option(help="Share of the training rows held out to choose the best epoch.")
    ] = 0.1,
    test: Annotated[
        float, typer.Option(help="Share of all rows held out to judge the model.")
    ] = 0.2,
    test_file: Annotated[
        str | None, typer.Option(help="A file whose rows are the test.")
    ] = None,
    split_column: Annotated[
        str | None,
        typer.Option(help="A column that says train or test (or valid), or the fold."),
    ] = None,
    test_fold: Annotated[
        str | None, typer.Option(help="The fold of --split-column that is the test.")
    ] = None,
    group_column: Annotated[
        str | None, typer.Option(help="Rows of one group are never on both sides of the split.")
    ] = None,
    time_column: Annotated[
        str | None, typer.Option(help="The latest rows are the test.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Names every random draw.")] = 0,
    engine: Annotated[str, typer.Option(help="auto or reference.")] = "auto",
    precision: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    threads: Annotated[int | None, typer.Option(help="Threads to compute with.")] = None,
    data_dir: DataDir = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder [default: runs/SOURCE-NUMBER].")
    ] = None,
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Train a network on SOURCE, judge it on held-out rows, and leave a run folder with a report."""
    given = {k: v for k, v in locals().items() if k not in ("json", "quiet")}
    given["hidden"] = _widths(hidden)
    given["drop"] = tuple(name.strip() for name in drop.split(",") if name.strip())
    raise typer.Exit(commands.train(given, as_json=json, quiet=quiet))


@app.command()
def evaluate(
    run: Annotated[str, typer.Argument(help=RUN, metavar="RUN")],
    source: Annotated[str, typer.Argument(help=SOURCE, metavar="SOURCE")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Judge a run's model on other data."""
    commands.evaluate(run, source, data_dir, as_json=json)


@app.command()
def predict(
    run: Annotated[str, typer.Argument(help=RUN, metavar="RUN")],
    source: Annotated[str, typer.Argument(help=SOURCE, metavar="SOURCE")],
    out: Annotated[
        Path | None,
        typer.Option(help="A .csv or .parquet file to write [default: CSV on stdout]."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Predict the rows of SOURCE with a run's model."""
    commands.predict(run, source, out, data_dir)


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="The folder of a run.", metavar="RUN")],
    plot: Annotated[
        Path | None, typer.Option(help="Write the learning curves as a picture: .png or .svg.")
    ] = None,
    json: Json = False,
) -> None:
    """Show what a run did: its result, network and settings."""
    commands.show(run, plot, as_json=json)


@app.command()
def data(
    source: Annotated[str, typer.Argument(help=SOURCE, metavar="SOURCE")],
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show what chainrule sees in a file: columns, kinds, missing values."""
    commands.data(source, target, data_dir, as_json=json)


def _widths(text: str) -> tuple[int, ...]:
    if text.strip().lower() in ("", "none", "0"):
        return ()
    try:
        return tuple(int(width) for width in text.split(","))
    except ValueError:
        raise UsageError(f"--hidden takes widths such as 128,64 (or none), not {text!r}.") from None


def main() -> None:
    """The command `chainrule`."""
    try:
        app()
    except ChainruleError as error:
        print(f"chainrule: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        print("chainrule: interrupted", file=sys.stderr)
        sys.exit(130)
