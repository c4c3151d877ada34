"""The commands and their options. Progress goes to stderr, results to stdout.

Exit codes: 0 done; 2 bad usage or bad data, with one sentence; 130 interrupted, the best model kept.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from chainrule.cli import commands
from chainrule.cli.printing import visible
from chainrule.errors import ChainruleError
from chainrule.experiment.settings import Settings, shown

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Grouped(TyperCommand):
    """A command whose help shows the options under the headings they were given."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words after the command's name."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and the groups of options."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            name, words = record
            heading = getattr(parameter, "rich_help_panel", None) or RUNNING
            if parameter.param_type_name == "argument":
                name, words, heading = name.split(" ")[0], words.split("  [")[0], "Arguments"
            # a no-break space keeps a default on one line
            words = words.replace("[default: ", "[default:\u00a0")
            groups.setdefault(heading, []).append((name, words))
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records, col_max=24)


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
DATA, SPLIT, NETWORK, LEARNING, RUNNING = "Data", "Held-out rows", "Network", "Learning", "Running"
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
            DATA, "COL", "The column to predict; needed unless one is called target, label, class or y."
        ),
    ] = None,
    task: Annotated[
        str, _option(DATA, "TASK", "auto, classification or regression.")
    ] = _default("task"),
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
    learning_rate: Annotated[
        str, _option(LEARNING, "RATE", "Size of the steps.")
    ] = _default("learning_rate"),
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
        str, _option(RUNNING, "NAME", "What computes: auto or reference.")
    ] = _default("engine"),
    precision: Annotated[
        str, _option(RUNNING, "NAME", "float32 or float64.")
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
    return commands.train(locals(), as_json=json, quiet=quiet)


@app.command(cls=Grouped)
def evaluate(
    run: Annotated[str, RUN],
    source: Annotated[str, SOURCE],
    data_dir: DataDir = None,
    json: Json = False,
) -> int:
    """Judge a run's model on the rows of SOURCE."""
    return commands.evaluate(run, source, data_dir, as_json=json)


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
    return commands.predict(run, source, None if out is None else Path(out), data_dir)


@app.command(cls=Grouped)
def show(
    run: Annotated[str, typer.Argument(help="The folder of a run.", metavar="RUN")],
    plot: Annotated[
        str | None,
        _option(RUNNING, "FILE", "Draw the learning curves into a .png, .svg or .pdf file."),
    ] = None,
    json: Json = False,
) -> int:
    """Show what a run did: its result, network and settings."""
    return commands.show(run, None if plot is None else Path(plot), as_json=json)


@app.command(cls=Grouped)
def data(
    source: Annotated[str, SOURCE],
    target: Annotated[str | None, _option(DATA, "COL", "The column to predict.")] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> int:
    """Show the columns of SOURCE, their kinds and missing values."""
    return commands.data(source, target, data_dir, as_json=json)


def run_command(arguments: Sequence[str]) -> int:
    """Carry out one command line; the exit code. Whatever is wrong is said in one sentence."""
    try:
        command = typer.main.get_command(app)
        with command.make_context("chainrule", list(arguments)) as context:
            code = int(command.invoke(context))
        sys.stdout.flush()
        return code
    except typer.Exit as leaving:
        return leaving.exit_code
    except KeyboardInterrupt:
        return _said("interrupted.", commands.INTERRUPTED)
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return commands.DONE
    except ChainruleError as error:
        return _said(str(error))
    except MemoryError as error:
        return _said(f"There is not enough memory ({error}): try a smaller network or fewer rows.")
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        return _said(f"Cannot read or write{where} ({error.strerror or error}).")
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        return _usage(error)


def _usage(error: Any) -> int:
    """What the parser of the options found wrong, as a sentence; bare `chainrule` shows the help."""
    context = getattr(error, "ctx", None)
    words = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        print(words, file=sys.stderr)
        return commands.WRONG
    if not words.endswith("?"):
        path = "chainrule" if context is None else context.command_path
        words = f"{words.rstrip('.')}; {path} --help shows what there is."
    return _said(words)


def _said(sentence: str, code: int = commands.WRONG) -> int:
    print(f"chainrule: {visible(' '.join(sentence.split()))}", file=sys.stderr)
    return code


def main() -> None:
    """The command `chainrule`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    code = run_command(sys.argv[1:])
    sys.exit(code)
