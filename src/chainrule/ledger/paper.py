"""Worked out as on paper: every number is rounded before the next is computed from it.

So a lecture's numbers come out: Koehn's slides go on from h = .90 and .17, y = .76, y' = .181 and print
Δw = .391, .074, .434, where exact arithmetic gives .382, .071, .424. The slope of an activation is taken
at its rounded input, as one would look it up: σ'(1.166) = .181, not .76 · .24.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chainrule.engines.program import Array, State
from chainrule.errors import UsageError
from chainrule.graph import Value
from chainrule.ledger.lines import Formulas, Speech
from chainrule.ledger.recording import shaped
from chainrule.ledger.structure import PHASES, Role, Structure
from chainrule.notation import evaluate

MOST = 20_000  # numbers that are worked out one by one

DECIMALS: dict[Role, int] = {
    "activation": 2, "sum": 3, "slope": 3, "delta": 4, "gradient": 4, "contribution": 4,
    "change": 3, "state": 3, "loss": 4, "step": 4,
}  # fmt: skip


def on_paper(
    structure: Structure,
    exact: Mapping[Value, Array],
    decimals: Mapping[Role, int],
    speech: Speech,
) -> dict[Value, Array]:
    """The arrays of all named values, each number rounded to the decimals of its role."""
    numbers = sum(array.size for array in exact.values())
    if numbers > MOST:
        raise UsageError(
            f"A ledger of {numbers:,} numbers cannot be worked out as on paper: that is for at most {MOST:,}."
        )
    arrays = {value: np.asarray(array, np.float64) for value, array in exact.items()}
    formulas = Formulas(structure, arrays, speech, paper=True)
    order = sorted(structure.quantities, key=lambda q: PHASES.index(q.phase))
    for quantity in order:
        value = quantity.value
        if quantity.phase in ("given", "after") or structure.primary[value] is not quantity:
            continue
        rounded = arrays[value].copy()
        places = decimals.get(quantity.role, DECIMALS["step"])
        for index in np.ndindex(*rounded.shape):
            line = formulas.line(quantity, index)
            if line.formula is None:
                continue
            found = round(evaluate(line.formula), places)
            rounded[index] = -found if formulas.flipped(quantity) else found
        arrays[value] = rounded
        formulas.forget()
    if structure.again:
        arrays |= _again(structure, arrays, decimals)
    return arrays


def _again(
    structure: Structure, arrays: Mapping[Value, Array], decimals: Mapping[Role, int]
) -> dict[Value, Array]:
    """Outputs and loss with the new weights of the paper."""
    recording = structure.recording
    state = State("float64", {p: a.astype(np.float64) for p, a in recording.state.arrays.items()})
    for parameter, value in recording.program.assignments:
        own = structure.canon(value)
        state[parameter] = arrays[value if own is None else own]
    wanted = [v for v in structure.again.values() if v is not structure.mean]
    found, _ = recording.inspected([*wanted, structure.total], state)
    rows = len(recording.rows)
    loss = float(found[structure.total]) / (rows if structure.summed else 1)
    again: dict[Value, Array] = {}
    for copy, value in structure.again.items():
        if value is structure.mean:
            again[copy] = np.round(np.asarray(loss), decimals["loss"])
        else:
            again[copy] = np.round(shaped(found[value], value, rows), decimals["activation"])
    return again
