"""The number of every named value of a recorded step, as the engine computes it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chainrule.engines.program import Array, State
from chainrule.graph import Input, Parameter, Value
from chainrule.ledger.recording import shaped
from chainrule.ledger.structure import Structure


def computed(structure: Structure) -> tuple[dict[Value, Array], str]:
    """The array of every named value, and the engine it came from."""
    recording = structure.recording
    rows = len(recording.rows)
    made = [q.value for q in structure.quantities if q.value.op is not None]
    assigned = [value for _, value in recording.program.assignments]
    wanted = list(dict.fromkeys([*made, structure.total, *assigned]))
    found, engine = recording.inspected(wanted)
    arrays = {value: shaped(array, value, rows) for value, array in found.items()}
    for quantity in structure.quantities:
        leaf = quantity.value
        if isinstance(leaf, Parameter):
            arrays[leaf] = recording.state[leaf]
        elif isinstance(leaf, Input):
            given = {**recording.scalars, **recording.data}
            arrays[leaf] = np.asarray(given[leaf])
    for change, (new, parameter) in structure.changes.items():
        arrays[change] = np.asarray(arrays[new] - recording.state[parameter])
    arrays[structure.mean] = _mean(structure, arrays)
    if structure.again:
        arrays |= _again(structure, recording.after(arrays))
    return arrays, engine


def _again(structure: Structure, state: State) -> dict[Value, Array]:
    """Outputs and loss with the new weights, for the same rows and masks."""
    recording = structure.recording
    wanted = [v for v in structure.again.values() if v is not structure.mean]
    found, _ = recording.inspected([*wanted, structure.total], state)
    found = {v: shaped(a, v, len(recording.rows)) for v, a in found.items()}
    found[structure.mean] = _mean(structure, found)
    return {again: found[value] for again, value in structure.again.items()}


def _mean(structure: Structure, arrays: Mapping[Value, Array]) -> Array:
    total = np.float64(arrays[structure.total])
    return np.asarray(total / len(structure.recording.rows) if structure.summed else total)
