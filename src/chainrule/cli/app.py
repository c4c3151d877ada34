"""The commands and their options, all of them words: what they mean is read in one place, `Settings`."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.grouped import Grouped
from chainrule.cli.options import (
    DATA,
    L2,
    LEARNING,
    RUN,
    RUNNING,
    SOURCE,
    SPLIT,
    Activation,
    BatchNorm,
    BatchSize,
    DataDir,
    Drop,
    Dropout,
    Epochs,
    Hidden,
    Json,
    LearningRate,
    LogTarget,
    Optimizer,
    Patience,
    Quiet,
    Seed,
    Target,
    Task,
    Test,
    Threads,
    Validation,
    default,
    drawn,
    flag,
    option,
    varied,
)
from chainrule.cli.work import carry_out

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"chainrule {metadata.version('chainrule')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Train feed-forward neural networks by back-propagation, and see how."""


@app.command(cls=Grouped)
def train(
    source: Annotated[str, SOURCE],
    target: Annotated[
        str | None,
        varied(
            Target,
            "The column to predict; needed unless one is called target, label, class or y.",
        ),
    ] = None,
    task: Task = default("task"),
    drop: Drop = None,
    log_target: LogTarget = False,
    class_weight: Annotated[
        str | None, option(DATA, "WEIGHT", "balanced: rare classes weigh more.")
    ] = None,
    data_dir: DataDir = None,
    validation: Validation = default("validation"),
    test: Test = default("test"),
    test_file: Annotated[
        str | None, option(SPLIT, "FILE", "Its rows are the test instead.")
    ] = None,
    split_column: Annotated[
        str | None, option(SPLIT, "COL", "Holds train, test (and validation), or fold numbers.")
    ] = None,
    test_fold: Annotated[
        str | None, option(SPLIT, "K", "The fold of --split-column that is the test.")
    ] = None,
    group_column: Annotated[
        str | None, option(SPLIT, "COL", "Rows of one group stay on one side of the split.")
    ] = None,
    time_column: Annotated[
        str | None, option(SPLIT, "COL", "The latest rows are the test.")
    ] = None,
    hidden: Hidden = default("hidden"),
    activation: Activation = default("activation"),
    batch_norm: BatchNorm = False,
    dropout: Dropout = default("dropout"),
    l2: L2 = default("l2"),
    loss: Annotated[
        str,
        option(
            LEARNING,
            "NAME",
            "auto, categorical_crossentropy, binary_crossentropy, mean_squared_error, "
            "mean_absolute_error, huber, euclidean, hinge, …",
        ),
    ] = default("loss"),
    label_smoothing: Annotated[
        str, option(LEARNING, "SHARE", "Of a class target, spread over all classes.")
    ] = default("label_smoothing"),
    optimizer: Optimizer = default("optimizer"),
    learning_rate: LearningRate = default("learning_rate"),
    schedule: Annotated[
        str,
        option(
            LEARNING,
            "NAME",
            "Of the learning rate: constant, step, exponential, inverse_time, cosine, one_cycle, "
            "warm_up or reduce_on_plateau.",
        ),
    ] = default("schedule"),
    batch_size: BatchSize = default("batch_size"),
    epochs: Epochs = default("epochs"),
    patience: Patience = default("patience"),
    seed: Seed = default("seed"),
    engine: Annotated[
        str, option(RUNNING, "NAME", "What computes: auto, native or reference.")
    ] = default("engine"),
    precision: Annotated[str, option(RUNNING, "NAME", "float32, float64 or bfloat16.")] = default(
        "precision"
    ),
    threads: Threads = None,
    out: Annotated[
        str | None, option(RUNNING, "DIR", "The run's folder  [default: runs/SOURCE-NUMBER]")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Train a network on SOURCE and judge it on held-out rows.

    Leaves a folder with the model, its predictions, the learning curves and a report to look at.
    """
    return carry_out("commands.train", locals(), as_json=json, quiet=quiet)


@app.command(cls=Grouped)
def evaluate(
    run: Annotated[str, RUN],
    source: Annotated[str, SOURCE],
    data_dir: DataDir = None,
    json: Json = False,
) -> int:
    """Judge a run's model on the rows of SOURCE."""
    return carry_out("commands.evaluate", run, source, data_dir, as_json=json)


@app.command(cls=Grouped)
def predict(
    run: Annotated[str, RUN],
    source: Annotated[str, SOURCE],
    out: Annotated[
        str | None,
        option(RUNNING, "FILE", "A .csv or .parquet file to write  [default: CSV on stdout]"),
    ] = None,
    data_dir: DataDir = None,
) -> int:
    """Predict the rows of SOURCE with a run's model."""
    return carry_out("commands.predict", run, source, None if out is None else Path(out), data_dir)


@app.command(cls=Grouped)
def show(
    run: Annotated[str, typer.Argument(help="The folder of a run.", metavar="RUN")],
    plot: Annotated[str | None, drawn("the learning curves")] = None,
    plan: Annotated[
        bool, flag(RUNNING, "--plan", "Print the compiled engine's plan of a training step.")
    ] = False,
    json: Json = False,
) -> int:
    """Show what a run did: its result, network and settings."""
    picture = None if plot is None else Path(plot)
    return carry_out("commands.show", run, picture, plan=plan, as_json=json)


@app.command(cls=Grouped)
def data(
    source: Annotated[str, SOURCE],
    target: Target = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> int:
    """Show the columns of SOURCE, their kinds and missing values."""
    return carry_out("commands.data", source, target, data_dir, as_json=json)
