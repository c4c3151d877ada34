"""Back-propagation: the chain rule as a transformation of a graph.

`gradients(output, wrt)` adds to the graph of `output` the values that compute its derivatives. Going
through the graph backwards, each value hands its cotangent ∂L/∂value to the values it was made from; a
value used more than once sums what it receives. What comes out is again a graph, so it can be
differentiated in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from chainrule.errors import ShapeError
from chainrule.graph import Constant, Value, shape_text, topological_order
from chainrule.ops.arithmetic import add


@dataclass(frozen=True)
class Backward:
    """What a backward pass handed to whom.

    `cotangents` has ∂output/∂value for every value on the way; `contributions` says of what each is the
    sum: pairs of a value made from it, and what that one handed back.
    """

    cotangents: dict[Value, Value] = field(default_factory=dict)
    contributions: dict[Value, list[tuple[Value, Value]]] = field(default_factory=dict)


def gradients(
    output: Value, wrt: Sequence[Value], cotangent: Value | None = None
) -> list[Value | None]:
    """∂output/∂w for each w in `wrt`, as values; None where the output does not depend on w.

    `output` must be a single number unless its `cotangent` (∂L/∂output, of its shape) is given. Only
    what leads from `wrt` to `output` is visited, so nothing is built that nobody needs.

    Source: Rumelhart, Hinton & Williams (1986); Griewank & Walther, *Evaluating Derivatives* (2008).
    """
    cotangents = backpropagate(output, wrt, cotangent).cotangents
    return [cotangents.get(w) for w in wrt]


def backpropagate(output: Value, wrt: Sequence[Value], cotangent: Value | None = None) -> Backward:
    """The backward pass from `output` to `wrt`, with everything it met on the way."""
    if cotangent is None:
        if output.shape != ():
            raise ShapeError(
                f"Only a single number has a gradient, not a value of shape {shape_text(output.shape)}: "
                "sum it, or give the cotangent."
            )
        cotangent = Constant(1.0)
    order = topological_order([output])
    depends = set(wrt)
    for value in order:
        if any(x in depends for x in value.inputs):
            depends.add(value)

    found = Backward()
    if output in depends:
        found.cotangents[output] = cotangent
    for value in reversed(order):
        received = found.cotangents.get(value)
        if received is None or value.op is None:
            continue
        contributions = value.op.vjp(received, value, *value.inputs)
        for x, contribution in zip(value.inputs, contributions, strict=True):
            if contribution is not None and x in depends:
                before = found.cotangents.get(x)
                found.cotangents[x] = contribution if before is None else add(before, contribution)
                found.contributions.setdefault(x, []).append((value, contribution))
    return found
