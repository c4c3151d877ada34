"""The command `compare` and its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from chainrule.cli.app import app
from chainrule.cli.grouped import Grouped
from chainrule.cli.options import (
    L2,
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
    option,
    varied,
)
from chainrule.cli.work import carry_out


@app.command(cls=Grouped)
def compare(
    source: Annotated[str, SOURCE],
    target: Target = None,
    task: Task = default("task"),
    drop: Drop = None,
    log_target: LogTarget = False,
    data_dir: DataDir = None,
    splits: Annotated[str, option(SPLIT, "N", "So many random splits, the same for all.")] = "10",
    test: Annotated[str, varied(Test, "Of all rows, to judge by.")] = default("test"),
    validation: Annotated[
        str, varied(Validation, "Of the training rows, for the network to stop early.")
    ] = default("validation"),
    metric: Annotated[
        str,
        option(
            SPLIT,
            "NAME",
            "auto (accuracy, or rmse), balanced_accuracy, f1_macro, roc_auc, log_loss; mae, r2, …",
        ),
    ] = "auto",
    hidden: Annotated[str, varied(Hidden, "Widths of the hidden layers.")] = default("hidden"),
    activation: Annotated[str, varied(Activation, "relu, gelu, tanh, …")] = default("activation"),
    batch_norm: BatchNorm = False,
    dropout: Dropout = default("dropout"),
    l2: L2 = default("l2"),
    optimizer: Annotated[str, varied(Optimizer, "adam, adamw, sgd, …")] = default("optimizer"),
    learning_rate: LearningRate = default("learning_rate"),
    batch_size: BatchSize = default("batch_size"),
    epochs: Annotated[str, varied(Epochs, "At most so many passes.")] = default("epochs"),
    patience: Patience = default("patience"),
    seed: Annotated[str, varied(Seed, "Of the splits and every other draw.")] = default("seed"),
    threads: Annotated[str | None, varied(Threads, "Threads of the network.")] = None,
    plot: Annotated[str | None, drawn("the comparison")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Compare the network with other models on the same repeated splits of SOURCE.

    Linear model, decision tree, k nearest neighbours, gradient boosting and the trivial baseline,
    each with its interval, its times, and whether its difference from the network is noise.
    """
    given = dict(locals())
    for name in ("splits", "metric", "plot", "json", "quiet"):
        del given[name]
    place = None if plot is None else Path(plot)
    return carry_out(
        "comparisons.carry_out",
        given,
        splits=splits,
        metric=metric,
        plot=place,
        as_json=json,
        quiet=quiet,
    )
