"""The commands and their options, all of them words: what they mean is read in one place, `Settings`."""

from __future__ import annotations

import importlib
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.cli.grouped import OTHERS, Grouped
from chainrule.experiment.settings import Settings, shown

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _carry_out(command: str, *arguments: Any, **options: Any) -> int:
    """A function of `commands`, which is loaded at its use: help needs neither NumPy nor networks."""
    code: int = getattr(importlib.import_module("chainrule.cli.commands"), command)(
        *arguments, **options
    )
    return code


def _default(setting: str) -> str:
    return shown(getattr(Settings, setting))


def _option(group: str, metavar: str, words: str) -> Any:
    return typer.Option(help=words, metavar=metavar, rich_help_panel=group)


def _flag(group: str, name: str, words: str) -> Any:
    return typer.Option(name, help=words, rich_help_panel=group)


SOURCE = typer.Argument(
    metavar="SOURCE",
    help="A built-in name (digits, iris, wine, breast-cancer, diabetes, mnist, fashion-mnist), a "
    ".csv, .tsv, .parquet or .npz file, or a folder with the four IDX files.",
)
RUN = typer.Argument(metavar="RUN", help="The folder of a run, or a .chainrule file.")
DATA, SPLIT, NETWORK, LEARNING, RUNNING = "Data", "Held-out rows", "Network", "Learning", OTHERS
DataDir = Annotated[
    str | None, _option(DATA, "DIR", "Where the files of mnist and fashion-mnist lie.")
]
Json = Annotated[
    bool, _flag(RUNNING, "--json", "Print one JSON document and nothing else on stdout.")
]


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
        _option(
            DATA,
            "COL",
            "The column to predict; needed unless one is called target, label, class or y.",
        ),
    ] = None,
    task: Annotated[str, _option(DATA, "TASK", "auto, classification or regression.")] = _default(
        "task"
    ),
    drop: Annotated[str | None, _option(DATA, "COL,COL,…", "Columns to leave out.")] = None,
    log_target: Annotated[
        bool, _flag(DATA, "--log-target", "Learn log(1 + target): for quantities over decades.")
    ] = False,
    class_weight: Annotated[
        str | None, _option(DATA, "WEIGHT", "balanced: rare classes weigh more.")
    ] = None,
    data_dir: DataDir = None,
    validation: Annotated[
        str,
        _option(SPLIT, "SHARE", "Of the training rows, to choose the best epoch and stop early."),
    ] = _default("validation"),
    test: Annotated[
        str, _option(SPLIT, "SHARE", "Of all rows, to judge the model at the end.")
    ] = _default("test"),
    test_file: Annotated[
        str | None, _option(SPLIT, "FILE", "Its rows are the test instead.")
    ] = None,
    split_column: Annotated[
        str | None, _option(SPLIT, "COL", "Holds train, test (and validation), or fold numbers.")
    ] = None,
    test_fold: Annotated[
        str | None, _option(SPLIT, "K", "The fold of --split-column that is the test.")
    ] = None,
    group_column: Annotated[
        str | None, _option(SPLIT, "COL", "Rows of one group stay on one side of the split.")
    ] = None,
    time_column: Annotated[
        str | None, _option(SPLIT, "COL", "The latest rows are the test.")
    ] = None,
    hidden: Annotated[
        str, _option(NETWORK, "WIDTHS", "Widths of the hidden layers; none for a linear model.")
    ] = _default("hidden"),
    activation: Annotated[
        str,
        _option(
            NETWORK,
            "NAME",
            "relu, leaky_relu, elu, selu, gelu, silu, mish, softplus, tanh, sigmoid, identity, …",
        ),
    ] = _default("activation"),
    batch_norm: Annotated[
        bool, _flag(NETWORK, "--batch-norm", "Batch normalisation in the hidden layers.")
    ] = False,
    dropout: Annotated[
        str, _option(NETWORK, "SHARE", "Of the hidden units, dropped at each step.")
    ] = _default("dropout"),
    l2: Annotated[str, _option(NETWORK, "λ", "L2 penalty, λ Σ w².")] = _default("l2"),
    loss: Annotated[
        str,
        _option(
            LEARNING,
            "NAME",
            "auto, categorical_crossentropy, binary_crossentropy, mean_squared_error, "
            "mean_absolute_error, huber, euclidean, hinge, …",
        ),
    ] = _default("loss"),
    label_smoothing: Annotated[
        str, _option(LEARNING, "SHARE", "Of a class target, spread over all classes.")
    ] = _default("label_smoothing"),
    optimizer: Annotated[
        str,
        _option(
            LEARNING, "NAME", "adam, adamw, rmsprop, adagrad, sgd, momentum, nesterov or lbfgs."
        ),
    ] = _default("optimizer"),
    learning_rate: Annotated[str, _option(LEARNING, "RATE", "Size of the steps.")] = _default(
        "learning_rate"
    ),
    schedule: Annotated[
        str,
        _option(
            LEARNING,
            "NAME",
            "Of the learning rate: constant, step, exponential, inverse_time, cosine, one_cycle, "
            "warm_up or reduce_on_plateau.",
        ),
    ] = _default("schedule"),
    batch_size: Annotated[str, _option(LEARNING, "N", "Rows of a step.")] = _default("batch_size"),
    epochs: Annotated[
        str, _option(LEARNING, "N", "At most so many passes over the training rows.")
    ] = _default("epochs"),
    patience: Annotated[
        str, _option(LEARNING, "N", "Stop after so many epochs without a better validation loss.")
    ] = _default("patience"),
    seed: Annotated[
        str, _option(RUNNING, "N", "Of every random draw: the same seed gives the same model.")
    ] = _default("seed"),
    engine: Annotated[
        str, _option(RUNNING, "NAME", "What computes: auto, native or reference.")
    ] = _default("engine"),
    precision: Annotated[
        str,
        _option(
            RUNNING,
            "NAME",
            "float32, float64 or bfloat16.",
        ),
    ] = _default("precision"),
    threads: Annotated[
        str | None, _option(RUNNING, "N", "Threads to compute with; the result is the same.")
    ] = None,
    out: Annotated[
        str | None, _option(RUNNING, "DIR", "The run's folder  [default: runs/SOURCE-NUMBER]")
    ] = None,
    json: Json = False,
    quiet: Annotated[bool, _flag(RUNNING, "--quiet", "Show no progress.")] = False,
) -> int:
    """Train a network on SOURCE and judge it on held-out rows.

    Leaves a folder with the model, its predictions, the learning curves and a report to look at.
    """
    return _carry_out("train", locals(), as_json=json, quiet=quiet)


@app.command(cls=Grouped)
def evaluate(
    run: Annotated[str, RUN],
    source: Annotated[str, SOURCE],
    data_dir: DataDir = None,
    json: Json = False,
) -> int:
    """Judge a run's model on the rows of SOURCE."""
    return _carry_out("evaluate", run, source, data_dir, as_json=json)


@app.command(cls=Grouped)
def predict(
    run: Annotated[str, RUN],
    source: Annotated[str, SOURCE],
    out: Annotated[
        str | None,
        _option(RUNNING, "FILE", "A .csv or .parquet file to write  [default: CSV on stdout]"),
    ] = None,
    data_dir: DataDir = None,
) -> int:
    """Predict the rows of SOURCE with a run's model."""
    return _carry_out("predict", run, source, None if out is None else Path(out), data_dir)


@app.command(cls=Grouped)
def show(
    run: Annotated[str, typer.Argument(help="The folder of a run.", metavar="RUN")],
    plot: Annotated[
        str | None,
        _option(RUNNING, "FILE", "Draw the learning curves into a .png, .svg or .pdf file."),
    ] = None,
    plan: Annotated[
        bool, _flag(RUNNING, "--plan", "Print the compiled engine's plan of a training step.")
    ] = False,
    json: Json = False,
) -> int:
    """Show what a run did: its result, network and settings."""
    picture = None if plot is None else Path(plot)
    return _carry_out("show", run, picture, plan=plan, as_json=json)


@app.command(cls=Grouped)
def data(
    source: Annotated[str, SOURCE],
    target: Annotated[str | None, _option(DATA, "COL", "The column to predict.")] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> int:
    """Show the columns of SOURCE, their kinds and missing values."""
    return _carry_out("data", source, target, data_dir, as_json=json)
