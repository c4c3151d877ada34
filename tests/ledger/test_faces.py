"""The shapes a ledger is read in, and the parts and ways of speaking one can choose."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import chainrule as cr
from chainrule.ledger.writing import Text


@pytest.fixture(scope="module")
def ledger() -> cr.Ledger:
    model = cr.Sequential(
        [cr.layers.Dense(3, activation="relu"), cr.layers.Dense(2, activation="softmax")], seed=4
    )
    model.compile(
        "adam", "sparse_categorical_crossentropy", precision="float64", engine="reference"
    )
    rng = np.random.default_rng(1)
    return cr.explain(model, rng.normal(size=(2, 2)), [1, 0])


def test_every_number_is_in_the_table_with_its_place(ledger: cr.Ledger, tmp_path: Path) -> None:
    ledger.save(tmp_path / "all.parquet")
    ledger.save(tmp_path / "all.csv")
    frame = pl.read_parquet(tmp_path / "all.parquet")
    assert frame["number"].len() == sum(ledger.arrays[q.value].size for q in ledger.quantities)
    csv = pl.read_csv(tmp_path / "all.csv", infer_schema_length=None)
    assert csv["number"].to_list() == frame["number"].to_list()
    weights = frame.filter(pl.col("value") == "W¹", pl.col("phase") == "given")
    for row in weights.iter_rows(named=True):
        assert ledger.array("W1")[row["i"], row["j"]] == row["number"]
    delta = frame.filter(pl.col("value") == "δ¹")
    assert set(delta["row"]) == {0, 1}
    assert delta["difference"].null_count() == 0


def test_documents_hold_every_line(ledger: cr.Ledger) -> None:
    small = ledger.shown(most=10_000)
    count = sum(1 for line in small.lines() if line.formula is not None)
    latex, markdown, notebook = small.latex(), small.markdown(), small._repr_html_()
    assert latex.count(" &= ") >= count
    assert latex.count("{") == latex.count("}")
    assert latex.count(r"\begin{align*}") == latex.count(r"\end{align*}")
    assert markdown.count("\n- $") >= count
    assert notebook.count("<tr>") >= count
    ElementTree.fromstring(notebook.replace("<details open>", "<details>"))  # well-formed
    assert "∂L/∂W" in str(small)


def test_the_page_is_well_formed_mathml(ledger: cr.Ledger) -> None:
    written = ledger.html()
    for piece in written.split("<math")[1:40]:
        inner = piece.split("</math>")[0]
        ElementTree.fromstring(f"<math{inner}</math>")


def test_digits_and_the_decimal_comma(ledger: cr.Ledger) -> None:
    assert "," not in Text().value(ledger.loss)
    shown = ledger.shown(digits=3, decimal=",")
    assert "L = (ℓ[r0] + ℓ[r1]) / n" in str(shown) or "L = (ℓ[r1] + ℓ[r0]) / n" in str(shown)
    assert f"{ledger.loss:.3g}".replace(".", ",") in str(shown)


def test_weights_can_be_written_unit_first_and_found_both_ways(ledger: cr.Ledger) -> None:
    by_unit = ledger.shown(by_unit=True)
    assert "W¹[2←0]" in str(by_unit.shown(most=100))
    assert "→" not in str(by_unit)
    assert by_unit.line("W1[2<0]").value == ledger.line("W1[0→2]").value == ledger.array("W1")[0, 2]


def test_the_other_sign_of_delta(ledger: cr.Ledger) -> None:
    descent = ledger.shown(descent=True)
    for line in ledger.lines("backward"):
        if line.quantity.role == "delta":
            other = descent.formulas.line(line.quantity, line.index)
            assert other.value == -line.value
    assert descent.check() == []


def test_a_way_holds_only_what_lies_on_it(ledger: cr.Ledger) -> None:
    way = ledger.path("x[r0,0]", "loss")
    names = {Text().name(line.name) for line in way.lines()}
    assert "x[r0,0]" in names
    assert "x[r0,1]" not in names
    assert not any("r1" in name for name in names)
    assert "δ¹[r0,0]" in names
    with pytest.raises(cr.UsageError, match="No way leads"):
        ledger.path("x[r0,0]", "z1[r1,0]")


def test_parts_of_parts(ledger: cr.Ledger) -> None:
    unit = ledger["dense"].unit(1)
    places = {(line.quantity.layer, line.index[-1]) for line in unit.lines()}
    assert places == {("dense", 1)}
    assert "unit 1" in str(unit)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda k: k["dens"], "did you mean 'dense'"),
        (
            lambda k: k["dense"].unit(3),
            "Unit 3 does not exist: the units of layer dense are 0 to 2",
        ),
        (lambda k: k.unit(0), "Choose a layer before a unit"),
        (lambda k: k.line("z1[r0,5]"), "its last element is"),
        (lambda k: k.array("q"), "Unknown value of the ledger 'q'"),
        (lambda k: k.shown(digits=0), "digits"),
        (lambda k: k.as_on_paper(deltas=3), "did you mean 'delta'"),
        (lambda k: k.save("x.doc"), "must end in one of"),
        (lambda k: list(k.lines("backwards")), "did you mean 'backward'"),
    ],
)
def test_what_does_not_exist_is_said_in_a_sentence(ledger: cr.Ledger, wrong, words: str) -> None:
    with pytest.raises(cr.ChainruleError, match=words) as raised:
        wrong(ledger)
    assert "\n" not in str(raised.value)


def test_wrong_calls_of_explain_get_a_sentence(ledger: cr.Ledger) -> None:
    model = cr.Sequential([cr.layers.Dense(1)])
    with pytest.raises(cr.UsageError, match="compile"):
        cr.explain(model, [[1.0]], [[1.0]])
    model.compile("sgd", "mse")
    with pytest.raises(cr.UsageError, match="step is 'next' or a number"):
        cr.explain(model, [[1.0]], [[1.0]], step=0)
    with pytest.raises(cr.UnknownNameError, match="name units of"):
        cr.explain(model, [[1.0]], [[1.0]], units={"hidden": ["D"]})
    with pytest.raises(cr.UsageError, match="rows has 2 numbers for 1 rows"):
        cr.explain(model, [[1.0]], [[1.0]], rows=[4, 5])
