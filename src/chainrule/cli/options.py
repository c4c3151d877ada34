"""The options that several commands share, each declared once, and the headings they stand under in help."""

from __future__ import annotations

from copy import copy
from typing import Annotated, Any

import typer

from chainrule.cli.grouped import OTHERS
from chainrule.experiment.settings import Settings, shown

DATA, SPLIT, NETWORK, LEARNING, RUNNING = "Data", "Held-out rows", "Network", "Learning", OTHERS


def default(setting: str) -> str:
    """The default of a setting, as one would type it."""
    return shown(getattr(Settings, setting))


def option(group: str, metavar: str, words: str) -> Any:
    """An option with a value, which help calls `metavar`."""
    return typer.Option(help=words, metavar=metavar, rich_help_panel=group)


def flag(group: str, name: str, words: str) -> Any:
    """An option without a value."""
    return typer.Option(name, help=words, rich_help_panel=group)


def varied(shared: Any, words: str | None = None, *, group: str | None = None) -> Any:
    """A shared option in the help of one command: with other words, or under another heading."""
    (declared,) = shared.__metadata__
    own = copy(declared)
    own.help = words or own.help
    own.rich_help_panel = group or own.rich_help_panel
    return own


def drawn(what: str, group: str = RUNNING) -> Any:
    """The option `--plot` of a command that draws `what`."""
    return option(group, "FILE", f"Draw {what} into a .png, .svg or .pdf file.")


SOURCE = typer.Argument(
    metavar="SOURCE",
    help="A built-in name (digits, iris, wine, breast-cancer, diabetes, mnist, fashion-mnist), a "
    ".csv, .tsv, .parquet or .npz file, or a folder with the four IDX files.",
)
RUN = typer.Argument(metavar="RUN", help="The folder of a run, or a .chainrule file.")

# --- Data ---

Target = Annotated[str | None, option(DATA, "COL", "The column to predict.")]
Task = Annotated[str, option(DATA, "TASK", "auto, classification or regression.")]
Drop = Annotated[str | None, option(DATA, "COL,COL,…", "Columns to leave out.")]
LogTarget = Annotated[
    bool, flag(DATA, "--log-target", "Learn log(1 + target): for quantities over decades.")
]
DataDir = Annotated[
    str | None, option(DATA, "DIR", "Where the files of mnist and fashion-mnist lie.")
]

# --- Held-out rows ---

Validation = Annotated[
    str, option(SPLIT, "SHARE", "Of the training rows, to choose the best epoch and stop early.")
]
Test = Annotated[str, option(SPLIT, "SHARE", "Of all rows, to judge the model at the end.")]

# --- Network ---

Hidden = Annotated[
    str, option(NETWORK, "WIDTHS", "Widths of the hidden layers; none for a linear model.")
]
Activation = Annotated[
    str,
    option(
        NETWORK,
        "NAME",
        "relu, leaky_relu, elu, selu, gelu, silu, mish, softplus, tanh, sigmoid, identity, …",
    ),
]
BatchNorm = Annotated[
    bool, flag(NETWORK, "--batch-norm", "Batch normalisation in the hidden layers.")
]
Dropout = Annotated[str, option(NETWORK, "SHARE", "Of the hidden units, dropped at each step.")]
L2 = Annotated[str, option(NETWORK, "λ", "L2 penalty, λ Σ w².")]

# --- Learning ---

Optimizer = Annotated[
    str,
    option(LEARNING, "NAME", "adam, adamw, rmsprop, adagrad, sgd, momentum, nesterov or lbfgs."),
]
LearningRate = Annotated[str, option(LEARNING, "RATE", "Size of the steps.")]
BatchSize = Annotated[str, option(LEARNING, "N", "Rows of a step.")]
Epochs = Annotated[str, option(LEARNING, "N", "At most so many passes over the training rows.")]
Patience = Annotated[
    str, option(LEARNING, "N", "Stop after so many epochs without a better validation loss.")
]

# --- Running ---

Seed = Annotated[
    str, option(RUNNING, "N", "Of every random draw: the same seed gives the same model.")
]
Threads = Annotated[
    str | None, option(RUNNING, "N", "Threads to compute with; the result is the same.")
]
Json = Annotated[
    bool, flag(RUNNING, "--json", "Print one JSON document and nothing else on stdout.")
]
Quiet = Annotated[bool, flag(RUNNING, "--quiet", "Show no progress.")]
