"""The commands that teach: explain, exercise, check, descend."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import chainrule as cr
from chainrule.exercises import exercise

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    from chainrule.cli.main import run_command

    folder = tmp_path_factory.mktemp("runs") / "iris"
    words = ("train", "iris", "--hidden", "4", "--epochs", "2", "--quiet", "--out", str(folder))
    assert run_command(words) == 0
    return str(folder)


def test_a_row_of_a_run_is_explained_with_the_columns_names(chainrule: Command, run: str) -> None:
    said = chainrule("explain", run, "--row", "17", "--layer", "hidden_1", "--most", "4")
    assert (said.code, said.err) == (0, "")
    assert "Training step 1 of layer hidden_1 on 1 row" in said.out
    assert "x[sepal_length]" in said.out.replace(" (cm)", "").replace(
        "sepal length", "sepal_length"
    )
    assert "✓" in said.out
    assert "more of" in said.out


def test_the_example_of_deck_000_as_on_paper_with_a_decimal_comma(chainrule: Command) -> None:
    said = chainrule("explain", "--example", "koehn", "--as-on-paper", "--decimal", "comma")
    assert said.code == 0
    for number in ("= 0,0434", "= 0,391", "= 0,074", "= 0,434"):
        assert number in said.out


def test_a_part_of_a_network_is_shown_alone(chainrule: Command) -> None:
    said = chainrule("explain", "--example", "koehn", "--layer", "hidden", "--unit", "D")
    assert "δ[D]" in said.out
    assert "δ[E] =" not in said.out
    way = chainrule("explain", "--example", "chain", "--path", "x[0]:loss")
    assert "the way from x[0] to loss" in " ".join(way.out.split())


def test_every_number_goes_into_a_table(chainrule: Command, run: str) -> None:
    assert chainrule("explain", run, "--row", "0,5", "--out", "all.parquet").code == 0
    frame = pl.read_parquet("all.parquet")
    network = cr.load(Path(run) / "model.chainrule")
    weights = frame.filter(phase="given", value="W¹")
    assert len(weights) == network.get_weights()[0].size
    assert set(frame["row"].drop_nulls()) == {0, 5}
    assert chainrule("explain", run, "--out", "page.html", "--steps", "2").code == 0
    assert "2 training steps" in Path("page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Give one of RUN, --example NAME and --network FILE"),
        (
            ("RUN", "--row", "150"),
            "Row 150 does not exist: iris has 150 rows, counted from 0 to 149.",
        ),
        (("RUN", "--row", "x"), "--row must be a whole number"),
        (("RUN", "--layer", "hiden_1"), "did you mean 'hidden_1'"),
        (("RUN", "--layer", "hidden_1", "--unit", "4"), "Unit 4 does not exist"),
        (("RUN", "--unit", "1"), "Choose a layer before a unit"),
        (("RUN", "--out", "x.doc"), "must end in one of .html"),
        (("RUN", "--steps", "2"), "--steps is for a page"),
        (("RUN", "--step", "soon"), "--step must be a whole number"),
        (("--example", "koen"), "did you mean 'koehn'"),
        (("--network", "none.toml"), "none.toml cannot be read"),
        (("--example", "koehn", "--path", "x[A]:W[A→D]"), "No way leads from x[A]"),
        (("--example", "koehn", "--path", "x[C]:loss"), "x[C] does not exist"),
        (("--example", "koehn", "--digits", "0"), "--digits must be a whole number of at least 1"),
    ],
)
def test_wrong_requests_get_one_sentence(
    chainrule: Command, run: str, words: tuple[str, ...], sentence: str
) -> None:
    said = chainrule("explain", *(run if w == "RUN" else w for w in words))
    assert (said.code, said.out) == (2, "")
    assert sentence in said.err
    assert said.err.count("\n") == 1


def test_a_malformed_network_file_is_told_with_its_line(chainrule: Command) -> None:
    Path("net.toml").write_text(
        "input = [1.0]\ntarget = [1.0]\n\n[[layer]]\nweights = [[1.0], [2.0]]\n"
    )
    said = chainrule("explain", "--network", "net.toml")
    assert said.code == 2
    assert "net.toml, line 5: layer 1 takes 1 number(s), but its weights are for 2" in said.err


def test_an_exercise_is_made_answered_and_checked(chainrule: Command) -> None:
    said = chainrule("exercise", "--layers", "2-2-1", "--seed", "7", "--friendly", "--out", "sheet")
    assert said.code == 0
    names = {p.name for p in Path("sheet").iterdir()}
    assert names == {
        "worksheet.md", "worksheet.html", "worksheet.tex", "answers.csv", "key.md", "key.html", "key.tex",
    }  # fmt: skip
    made = exercise("backprop", "2-2-1", 7, friendly=True)
    right = {name: float(made.key[key][index]) for name, key, index in made.names()}
    head = Path("sheet/answers.csv").read_text(encoding="utf-8").splitlines()[0]

    def answer(numbers: dict[str, float]) -> Any:
        rows = [f"{name},{value:g}" for name, value in numbers.items()]
        Path("answers.csv").write_text("\n".join([head, "name,value", *rows]), encoding="utf-8")
        return chainrule("check", "answers.csv")

    good = answer(right)
    assert (good.code, good.err) == (0, "")
    assert "Well done." in good.out
    bad = answer({**right, "delta2[0]": -right["delta2[0]"]})
    assert bad.code == 1
    assert "The first wrong line is delta2[0]" in bad.out
    assert "the sign is wrong" in bad.out
    document = json.loads(chainrule("check", "answers.csv", "--json").out)
    assert document["first_wrong"]["name"] == "delta2[0]"
    assert document["mistakes"][0]["id"] == "delta-sign"
    again = chainrule("exercise", "--out", "sheet")
    assert again.code == 2
    assert "nothing is overwritten" in again.err
    file = chainrule("exercise", "--out", "sheet.md")
    assert file.code == 2
    assert "give its name without .md" in file.err
    assert not Path("sheet.md").exists()


def test_descents_are_told_and_drawn(chainrule: Command) -> None:
    said = chainrule("descend", "saddle", "--plot", "saddle.svg")
    assert said.code == 0
    assert "Saddle: eigenvalues of the Hessian −2, 2, of both signs." in " ".join(said.out.split())
    assert Path("saddle.svg").read_text(encoding="utf-8").startswith("<?xml")
    words = ("--start", "-1.6,0.01", "--learning-rate", "0.2", "--json")
    found = json.loads(chainrule("descend", "saddle", *words).out)["descents"][0]
    assert found["critical_point"] == "minimum"
    assert found["x"][1] == pytest.approx(2**0.5, abs=1e-3)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("hill",), "Unknown surface 'hill'"),
        (("bowl", "--start", "1"), "--start has 1 number(s), but bowl is a function of 2"),
        (("bowl", "--learning-rate", "fast"), "--learning-rate fast must be numbers"),
        (("bowl", "--plot", "x.gif"), "must end in .png, .svg or .pdf"),
        (("bowl", "--optimizer", "adma"), "did you mean 'adam'"),
        (("bowl", "--optimizer", "adagrad", "--momentum", "0.9"), "momentum"),
    ],
)
def test_a_descent_that_cannot_be_made_gets_one_sentence(
    chainrule: Command, words: tuple[str, ...], sentence: str
) -> None:
    said = chainrule("descend", *words)
    assert (said.code, said.out) == (2, "")
    assert sentence in said.err
    assert said.err.count("\n") == 1
