"""The command `compare` and its options."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated

from chainrule.cli.app import (
    DATA,
    LEARNING,
    NETWORK,
    RUNNING,
    SOURCE,
    SPLIT,
    DataDir,
    Json,
    _default,
    _flag,
    _option,
    app,
)
from chainrule.cli.grouped import Grouped


@app.command(cls=Grouped)
def compare(
    source: Annotated[str, SOURCE],
    target: Annotated[str | None, _option(DATA, "COL", "The column to predict.")] = None,
    task: Annotated[str, _option(DATA, "TASK", "auto, classification or regression.")] = _default(
        "task"
    ),
    drop: Annotated[str | None, _option(DATA, "COL,COL,…", "Columns to leave out.")] = None,
    log_target: Annotated[
        bool, _flag(DATA, "--log-target", "Learn log(1 + target): for quantities over decades.")
    ] = False,
    data_dir: DataDir = None,
    splits: Annotated[str, _option(SPLIT, "N", "So many random splits, the same for all.")] = "10",
    test: Annotated[str, _option(SPLIT, "SHARE", "Of all rows, to judge by.")] = _default("test"),
    validation: Annotated[
        str, _option(SPLIT, "SHARE", "Of the training rows, for the network to stop early.")
    ] = _default("validation"),
    metric: Annotated[
        str,
        _option(
            SPLIT,
            "NAME",
            "auto (accuracy, or rmse), balanced_accuracy, f1_macro, roc_auc, log_loss; mae, r2, …",
        ),
    ] = "auto",
    hidden: Annotated[str, _option(NETWORK, "WIDTHS", "Widths of the hidden layers.")] = _default(
        "hidden"
    ),
    activation: Annotated[str, _option(NETWORK, "NAME", "relu, gelu, tanh, …")] = _default(
        "activation"
    ),
    batch_norm: Annotated[
        bool, _flag(NETWORK, "--batch-norm", "Batch normalisation in the hidden layers.")
    ] = False,
    dropout: Annotated[
        str, _option(NETWORK, "SHARE", "Of the hidden units, dropped at each step.")
    ] = _default("dropout"),
    l2: Annotated[str, _option(NETWORK, "λ", "L2 penalty, λ Σ w².")] = _default("l2"),
    optimizer: Annotated[str, _option(LEARNING, "NAME", "adam, adamw, sgd, …")] = _default(
        "optimizer"
    ),
    learning_rate: Annotated[str, _option(LEARNING, "RATE", "Size of the steps.")] = _default(
        "learning_rate"
    ),
    batch_size: Annotated[str, _option(LEARNING, "N", "Rows of a step.")] = _default("batch_size"),
    epochs: Annotated[str, _option(LEARNING, "N", "At most so many passes.")] = _default("epochs"),
    patience: Annotated[
        str, _option(LEARNING, "N", "Stop after so many epochs without a better validation loss.")
    ] = _default("patience"),
    seed: Annotated[str, _option(RUNNING, "N", "Of the splits and every other draw.")] = _default(
        "seed"
    ),
    threads: Annotated[str | None, _option(RUNNING, "N", "Threads of the network.")] = None,
    plot: Annotated[
        str | None, _option(RUNNING, "FILE", "Draw the comparison into a .png, .svg or .pdf file.")
    ] = None,
    json: Json = False,
    quiet: Annotated[bool, _flag(RUNNING, "--quiet", "Show no progress.")] = False,
) -> int:
    """Compare the network with other models on the same repeated splits of SOURCE.

    Linear model, decision tree, k nearest neighbours, gradient boosting and the trivial baseline,
    each with its interval, its times, and whether its difference from the network is noise.
    """
    given = dict(locals())
    for name in ("splits", "metric", "plot", "json", "quiet"):
        del given[name]
    work = importlib.import_module("chainrule.cli.comparisons")
    place = None if plot is None else Path(plot)
    code: int = work.carry_out(
        given, splits=splits, metric=metric, plot=place, as_json=json, quiet=quiet
    )
    return code
