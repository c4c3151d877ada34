"""The commands that teach, and their options: explain, exercise, check, descend."""

from __future__ import annotations

from typing import Annotated

import typer

from chainrule.cli.app import app
from chainrule.cli.grouped import Grouped
from chainrule.cli.options import DATA, RUN, DataDir, Json, drawn, flag, option, varied
from chainrule.cli.work import carry_out

STEP, PART, LOOK, OUT = "Which step", "Which part", "How it looks", "Output"
EXERCISE, DESCENT = "Exercise", "Descent"


@app.command(cls=Grouped)
def explain(
    run: Annotated[str | None, RUN] = None,
    row: Annotated[
        str | None, option(DATA, "N[,N…]", "The rows of the batch, counted from 0  [0].")
    ] = None,
    source: Annotated[
        str | None, option(DATA, "SOURCE", "Where the rows come from  [the run's source].")
    ] = None,
    data_dir: DataDir = None,
    example: Annotated[
        str | None,
        option(
            STEP,
            "NAME",
            "A built-in example instead of a run: koehn, xyz, chain, jacobians, perceptron, xor, softmax.",
        ),
    ] = None,
    network: Annotated[
        str | None,
        option(STEP, "FILE", "A network in a .toml file, with weights, input and target."),
    ] = None,
    step: Annotated[
        str, option(STEP, "K", "next, or how many steps from now on the same rows.")
    ] = "next",
    layer: Annotated[str | None, option(PART, "NAME", "One layer.")] = None,
    unit: Annotated[str | None, option(PART, "N", "One unit of the layer, from 0.")] = None,
    path: Annotated[
        str | None, option(PART, "FROM:TO", "All between two numbers, such as x[2]:loss.")
    ] = None,
    most: Annotated[str, option(PART, "N", "Lines of one value that are shown.")] = "12",
    depth: Annotated[
        bool,
        flag(PART, "--depth", "Only the norms of gradients and Jacobians, layer by layer."),
    ] = False,
    digits: Annotated[str, option(LOOK, "N", "Significant digits.")] = "6",
    decimal: Annotated[str, option(LOOK, "SIGN", "point or comma.")] = "point",
    on_paper: Annotated[
        bool,
        flag(LOOK, "--as-on-paper", "Go on from rounded numbers, as one does by hand."),
    ] = False,
    descent: Annotated[
        bool, flag(LOOK, "--descent", "δ means −∂L/∂z, so that Δw = η δ a (Koehn's slides).")
    ] = False,
    by_unit: Annotated[
        bool, flag(LOOK, "--by-unit", "Write weights as W[j←i], a unit's weights being a row.")
    ] = False,
    out: Annotated[
        str | None,
        option(
            OUT,
            "FILE",
            "Write .html, .md, .tex, .txt, .csv or .parquet instead (with --depth, .png, .svg or .pdf).",
        ),
    ] = None,
    steps: Annotated[str, option(OUT, "N", "Successive training steps on an .html page.")] = "1",
) -> int:
    """Show every number of a training step, and where it comes from.

    Of a run, and some rows of its data; of a network written down in a file; or of a built-in example.
    """
    return carry_out("explanations.carry_out", locals())


@app.command(cls=Grouped)
def exercise(
    kind: Annotated[
        str, option(EXERCISE, "NAME", "forward, backprop, or batch (two rows, averaged).")
    ] = "backprop",
    layers: Annotated[
        str, option(EXERCISE, "WIDTHS", "Inputs, then units of each layer.")
    ] = "2-2-1",
    seed: Annotated[str, option(EXERCISE, "N", "The same seed gives the same numbers.")] = "0",
    friendly: Annotated[
        bool, flag(EXERCISE, "--friendly", "Numbers that come out short, without a calculator.")
    ] = False,
    out: Annotated[
        str | None, option(OUT, "DIR", "The folder to write  [exercise-KIND-LAYERS-SEED].")
    ] = None,
) -> int:
    """Make a worksheet on back-propagation and its key.

    Both as Markdown, HTML and LaTeX, with a file for the answers that `check` reads.
    """
    return carry_out("exercising.carry_out", locals())


@app.command(cls=Grouped)
def check(
    answers: Annotated[
        str, typer.Argument(metavar="ANSWERS", help="An answers.csv that was filled in.")
    ],
    json: Annotated[bool, varied(Json, group=OUT)] = False,
) -> int:
    """Find the first wrong line of a student's answers.

    And say which usual mistake fits it.
    Numbers that follow rightly from an earlier wrong one are accepted. Exit code 1: something is wrong
    or missing.
    """
    return carry_out("exercising.check_answers", answers, as_json=json)


@app.command(cls=Grouped)
def descend(
    surface: Annotated[
        str,
        typer.Argument(metavar="SURFACE", help="bowl, valley, rosenbrock, saddle or wavy."),
    ] = "bowl",
    start: Annotated[
        str | None, option(DESCENT, "X[,Y]", "Where to begin  [the surface's].")
    ] = None,
    learning_rate: Annotated[
        str | None, option(DESCENT, "R[,R…]", "Step sizes  [one too small, good, too large].")
    ] = None,
    optimizer: Annotated[str, option(DESCENT, "NAME", "sgd, adam, rmsprop, adagrad, …")] = "sgd",
    momentum: Annotated[str | None, option(DESCENT, "ρ", "A share of the last step.")] = None,
    max_steps: Annotated[
        str | None, option(DESCENT, "N", "At most so many steps  [the surface's].")
    ] = None,
    tolerance: Annotated[
        str | None, option(DESCENT, "ε", "Stop where f changes by less in a step.")
    ] = None,
    gradient_tolerance: Annotated[
        str | None, option(DESCENT, "ε", "Stop where ‖∇f‖ is smaller  [the surface's].")
    ] = None,
    plot: Annotated[str | None, drawn("the paths", OUT)] = None,
    json: Annotated[bool, varied(Json, group=OUT)] = False,
) -> int:
    """Watch gradient descent on a classic surface.

    With several step sizes side by side.
    Says why each descent stopped, and what kind of point it came to, from the Hessian's eigenvalues.
    """
    return carry_out("descending.carry_out", locals())
