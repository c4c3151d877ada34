"""What the values of a step are called: layers, units, and which of them a person wants to see.

A value is *named* if it has a part in how people speak of back-propagation (x, z, a, δ, ∂L/∂W …), or
if too much would have to be written out to do without a name. All others are written out in the
formulas of those that are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from chainrule.backprop import Backward, backpropagate
from chainrule.graph import BATCH, Constant, Parameter, Value, topological_order
from chainrule.layers.base import Mode, Symbol
from chainrule.ledger.recording import Canon, Recording, size_of
from chainrule.notation import Name
from chainrule.ops.arithmetic import Multiply
from chainrule.ops.noise import Draw

Phase = Literal["given", "forward", "loss", "backward", "update", "after"]
PHASES: tuple[Phase, ...] = ("given", "forward", "loss", "backward", "update", "after")
Role = Literal[
    "input", "target", "scalar", "weight", "sum", "activation", "step", "loss", "gradient",
    "delta", "slope", "contribution", "state", "change",
]  # fmt: skip

INLINE = 8  # elements an unnamed operation may read and still be written out
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_WEIGHTS = {"kernel": "W", "bias": "b", "gamma": "γ", "beta": "β", "embeddings": "E"}
_SLOPES = {"sigmoid": "σ′"}
_SCALARS = {"learning_rate": "η", "step_size": "ηₜ", "decay": "ηλ"}


@dataclass(frozen=True, eq=False)
class Quantity:
    """A named value: all its elements have names made of `base`, the layer's number and their place.

    `of` is the value a gradient, slope or change is of, `node` the very value of the loss' graph: what is
    computed twice in the same way has one number, but a gradient for each. `labels` names the elements along each axis
    but the batch's, where they have names.
    """

    value: Value
    base: str
    phase: Phase
    role: Role
    upper: str = ""
    layer: str | None = None
    of: Value | None = None
    labels: tuple[Sequence[str] | None, ...] = ()
    via: str = ""
    node: Value | None = None

    @property
    def gradient(self) -> bool:
        """Whether it is written ∂L/∂…"""
        return self.role in ("gradient", "contribution")

    @property
    def batched(self) -> bool:
        """Whether its first axis counts the rows of the batch."""
        return self.value.shape[:1] == (BATCH,)

    @property
    def title(self) -> str:
        """Its name as a whole, as text: `∂L/∂W¹`."""
        raised = self.upper.translate(_RAISED)
        return ("∂L/∂" if self.gradient else "") + self.base + raised + self.via

    def name(
        self,
        index: tuple[int, ...],
        rows: Sequence[int],
        number: float | None,
        by_unit: bool = False,
    ) -> Name:
        """The name of one element; rows are told apart where there are several.

        A weight from i to unit j is `W[i→j]`, or `W[j←i]` if a unit's weights are thought of as a row.
        """
        place = list(index)
        parts: list[str] = []
        if self.batched:
            row = place.pop(0)
            if len(rows) > 1:
                parts.append(f"r{rows[row]}")
        labels = self.labels or (None,) * len(place)
        told = [
            str(i) if names is None else names[i] for i, names in zip(place, labels, strict=True)
        ]
        matrix = len(told) == 2 and not self.batched
        if matrix:
            parts.append(f"{told[1]}←{told[0]}" if by_unit else f"{told[0]}→{told[1]}")
        else:
            parts.append(",".join(told))
        named = bool(labels) and all(names is not None for names in labels)
        return Name(
            self.base,
            self.via if named else self.upper + self.via,
            ",".join(part for part in parts if part),
            "L" if self.gradient else "",
            number,
        )


class Structure:
    """The named values of a recording, in the order in which a person would work them out."""

    def __init__(self, recording: Recording, units: Mapping[str, Sequence[str]]) -> None:
        self.recording = recording
        self.units = units
        self.rows = len(recording.rows)
        self.canon = Canon(recording.program)
        self.quantities: list[Quantity] = []
        self.primary: dict[Value, Quantity] = {}
        self.numbers: dict[str, int] = {}  # of layers, by their names
        self.changes: dict[Value, tuple[Value, Parameter]] = {}
        self.mean = Value(None, (), ())  # the objective, of which the program computes the sum
        self.again: dict[Value, Value] = {}  # values computed once more with the new weights
        self._labels: dict[Value, Sequence[str] | None] = {}
        self.backward = self._backward()
        self._given()
        self._forward()
        self._loss()
        self._backwards()
        self._updates()
        self._after()

    # --- putting down ---

    def _add(self, quantity: Quantity) -> None:
        self.quantities.append(quantity)
        self.primary.setdefault(quantity.value, quantity)

    def _steps(self, values: Iterable[Value], phase: Phase, layer: str | None, upper: str) -> None:
        """Name those of the values without which a formula would be too long."""
        for value in values:
            own = self.canon(value)
            if own is None or own in self.primary or own.op is None:
                continue
            if value.name:
                self._add(Quantity(own, value.name, phase, _role(value), upper, layer))
            elif self._too_much(own):
                number = sum(q.base.startswith("s") and q.role == "step" for q in self.quantities)
                self._add(Quantity(own, f"s{_small(number + 1)}", phase, "step", "", layer))

    def _too_much(self, value: Value) -> bool:
        """Whether an element is made of too many others to be written out wherever it is used."""
        assert value.op is not None
        shape = size_of(value, self.rows)
        if isinstance(value.op, Draw):
            return True
        if 0 in shape:
            return False
        read = value.op.reads((0,) * len(shape), *(size_of(x, self.rows) for x in value.inputs))
        return sum(map(len, read)) > INLINE

    # --- the parts of a step ---

    def _backward(self) -> Backward:
        step = self.recording.step
        return backpropagate(step.objective, [w.parameter for w in step.trained])

    def _given(self) -> None:
        step = self.recording.step
        several = len(step.inputs) > 1
        for leaf, name in zip(step.inputs, step.network.input_names, strict=True):
            labels = self._unit_names(name, leaf)
            base = name if several else "x"
            self._add(Quantity(leaf, base, "given", "input", labels=labels, layer=name))
        several = len(step.targets) > 1
        for leaf, name in zip(step.targets, step.network.output_names, strict=True):
            labels = self._unit_names(name, leaf)
            base = f"t_{name}" if several else "t"
            self._add(Quantity(leaf, base, "given", "target", labels=labels, layer=None))
        if step.weighted:
            self._add(Quantity(step.weight, "ω", "given", "target"))
        for scalar in self.recording.program.scalars:
            if scalar.kind == "float":
                base = _SCALARS.get(str(scalar.name), str(scalar.name))
                self._add(Quantity(scalar, base, "given", "scalar"))

    def _forward(self) -> None:
        step = self.recording.step
        network = step.network
        trace, _ = network.trace(step.inputs, Mode(training=True, key=step.key))
        seen: set[Value] = set()
        number = 0
        for symbol in network.symbols:
            layer = symbol.layer
            if layer is None:
                self._labels[trace[symbol]] = self.units.get(
                    network.input_names[network.inputs.index(symbol)]
                )
                continue
            number += 1
            name = str(layer.name)
            upper = _power(number)
            self.numbers.setdefault(name, number)
            output = trace[symbol]
            incoming = self._labels.get(trace[symbol.inputs[0]])
            for weight in layer.weights:
                if weight.parameter not in self.primary:
                    labels = self._weight_labels(weight.parameter, name, incoming)
                    base = _WEIGHTS.get(weight.role, weight.role)
                    self._add(
                        Quantity(
                            weight.parameter, base, "given", "weight", upper, name, labels=labels
                        )
                    )
            inner = [v for v in topological_order([output]) if v not in seen]
            seen.update(inner)
            self._steps([v for v in inner if v is not output], "forward", name, upper)
            self._output(symbol, output, network.outputs, name, upper)
            for value in inner:
                own = self.canon(value)
                quantity = None if own is None else self.primary.get(own)
                if quantity is not None and quantity.phase == "forward":
                    names = self._unit_names(name, quantity.value)
                    if any(names):
                        self._relabel(quantity, names)
            self._labels[output] = self.units.get(name)

    def _output(
        self, symbol: Symbol, output: Value, outputs: Sequence[Symbol], name: str, upper: str
    ) -> None:
        own = self.canon(output)
        if own is None or own in self.primary or isinstance(own, Constant):
            return
        base = output.name or ("y" if symbol in outputs else "a")
        self._add(Quantity(own, base, "forward", _role(output), upper, name))

    def _loss(self) -> None:
        step = self.recording.step
        objective = step.objective
        values = topological_order([objective])
        judged = {
            x
            for v in values
            if v.shape == ()
            for x in v.inputs
            if x.shape == (BATCH,) and self.canon(x) not in self.primary
        }
        plain = [v for v in values if v not in judged and v is not objective]
        self._steps([v for v in plain if v.op is not None], "loss", None, "")
        several = len(judged) > 1
        for i, value in enumerate(v for v in values if v in judged):
            own = self.canon(value)
            if own is not None:
                base = f"ℓ{_small(i)}" if several else "ℓ"
                self._add(Quantity(own, base, "loss", "loss"))
        self._add(Quantity(self.mean, "L", "loss", "loss"))

    def _after(self) -> None:
        program = self.recording.program
        if not program.assignments:
            return
        shown = [q for q in self.quantities if q.base.startswith("y") and q.phase == "forward"]
        for quantity in shown or [q for q in self.quantities if q.role == "sum"][-1:]:
            again = Value(None, (), quantity.value.shape)
            self.again[again] = quantity.value
            self._add(
                Quantity(
                    again, f"{quantity.base}′", "after", "activation", quantity.upper,
                    quantity.layer, quantity.value, quantity.labels,
                )
            )  # fmt: skip
        again = Value(None, (), ())
        self.again[again] = self.mean
        self._add(Quantity(again, "L′", "after", "loss", of=self.mean))

    def _backwards(self) -> None:
        received: dict[Value, list[tuple[Value, Value]]] = {}
        for value, cotangent in self.backward.cotangents.items():
            own = self.canon(value)
            if own is not None:
                received.setdefault(own, []).append((value, cotangent))
        order = [
            q for q in self.quantities if q.phase in ("given", "forward") and q.value in received
        ]
        for quantity in sorted(order, key=lambda q: self._place(q, order)):
            for number, (node, cotangent) in enumerate(received[quantity.value], 1):
                self._gradient(quantity, node, cotangent, number)

    def _gradient(self, quantity: Quantity, node: Value, cotangent: Value, number: int) -> None:
        """The line of ∂L/∂value, after those of its parts."""
        parts = self.backward.contributions.get(node, [])
        self._slope(quantity, parts)
        self._contributions(quantity, parts)
        self._steps(_unnamed(cotangent, self.primary), "backward", quantity.layer, quantity.upper)
        own = self.canon(cotangent)
        if own is None:
            return
        delta = quantity.base == "z"
        self._add(
            Quantity(
                own, "δ" if delta else quantity.base, "backward", "delta" if delta else "gradient",
                quantity.upper, quantity.layer, quantity.value, quantity.labels,
                f" use {number}" if number > 1 else "", node,
            )
        )  # fmt: skip

    @property
    def total(self) -> Value:
        """The loss as the program has it: the mean itself, or the sum over the rows."""
        loss = self.canon(self.recording.program.outputs["loss"])
        assert loss is not None
        return loss

    @property
    def summed(self) -> bool:
        """Whether the program's loss is the sum over the rows."""
        return self.canon(self.recording.step.objective) is not self.total

    def _place(self, quantity: Quantity, order: Sequence[Quantity]) -> tuple[float, int]:
        """Backwards through the layers' values; each layer's weights after its values."""
        position = order.index(quantity)
        if quantity.role != "weight":
            return -self.numbers.get(quantity.layer or "", 0), -position
        return -self.numbers[str(quantity.layer)] + 0.5, position

    def _slope(self, quantity: Quantity, parts: Sequence[tuple[Value, Value]]) -> None:
        """g'(z), where an activation's cotangent is multiplied with it."""
        for consumer, contribution in parts:
            if not isinstance(contribution.op, Multiply) or consumer.op is None:
                continue
            received, slope = contribution.inputs
            own = self.canon(slope)
            if received is not self.backward.cotangents.get(consumer) or len(consumer.inputs) != 1:
                continue
            if (
                own is None
                or own in self.primary
                or own.op is None
                or own.shape != quantity.value.shape
            ):
                continue
            base = _SLOPES.get(consumer.op.name, f"{consumer.op.name}′")
            self._add(
                Quantity(
                    own, base, "backward", "slope", quantity.upper, quantity.layer,
                    quantity.value, quantity.labels,
                )
            )  # fmt: skip

    def _contributions(self, quantity: Quantity, parts: Sequence[tuple[Value, Value]]) -> None:
        """What each use of a value hands back, where it has several."""
        if len(parts) < 2:
            return
        taken: dict[str, int] = {}
        for consumer, contribution in parts:
            self._steps(
                _unnamed(contribution, self.primary), "backward", quantity.layer, quantity.upper
            )
            own, user = self.canon(contribution), self.canon(consumer)
            if own is None or own in self.primary:
                continue
            named = self.primary.get(user) if user is not None else None
            via = named.title if named else consumer.op.name if consumer.op else ""
            taken[via] = taken.get(via, 0) + 1
            again = _small(taken[via]) if taken[via] > 1 else ""
            self._add(
                Quantity(
                    own, quantity.base, "backward", "contribution", quantity.upper,
                    quantity.layer, quantity.value, quantity.labels, f" via {via}{again}",
                )
            )  # fmt: skip

    def _updates(self) -> None:
        slots = {
            slot: (weight.parameter, name)
            for weight, kept in self.recording.step.slots.items()
            for name, slot in kept.items()
        }
        by_weight: dict[Parameter, list[tuple[str, Parameter, Value]]] = {}
        for parameter, value in self.recording.program.assignments:
            weight, slot = slots.get(parameter, (parameter, ""))
            by_weight.setdefault(weight, []).append((slot, parameter, value))
        for weight, changed in by_weight.items():
            quantity = self.primary.get(weight)
            if quantity is not None:  # state first, then the weight, which is made of it
                for slot, parameter, value in sorted(changed, key=lambda c: not c[0]):
                    self._update(quantity, slot, parameter, value)

    def _update(self, of: Quantity, slot: str, parameter: Parameter, value: Value) -> None:
        """The line of a weight, or of what the optimizer keeps for it, before and after the step."""
        base = f"{slot} {of.base}" if slot else of.base
        common = of.upper, of.layer
        if slot:
            self._add(Quantity(parameter, base, "update", "state", *common, labels=of.labels))
        self._steps(_unnamed(value, self.primary), "update", of.layer, of.upper)
        own = self.canon(value)
        if own is None:
            return
        if not slot and own.op is not None:
            change = Value(None, (), parameter.shape)
            self.changes[change] = (own, parameter)
            self._add(
                Quantity(change, f"Δ{base}", "update", "change", *common, parameter, of.labels)
            )
        self._add(Quantity(own, f"{base}′", "update", "state", *common, parameter, of.labels))

    # --- names of units ---

    def _unit_names(self, name: str, value: Value) -> tuple[Sequence[str] | None, ...]:
        """The names of the elements along the last axis, if the caller gave as many."""
        places = value.rank - (value.shape[:1] == (BATCH,))
        names = self.units.get(name)
        if names is None or not places or value.shape[-1] != len(names):
            return (None,) * places
        return (*(None,) * (places - 1), names)

    def _weight_labels(
        self, parameter: Parameter, name: str, incoming: Sequence[str] | None
    ) -> tuple[Sequence[str] | None, ...]:
        labels = list(self._unit_names(name, parameter))
        if len(labels) == 2 and incoming is not None and parameter.shape[0] == len(incoming):
            labels[0] = incoming
        return tuple(labels)

    def _relabel(self, quantity: Quantity, labels: tuple[Sequence[str] | None, ...]) -> None:
        changed = Quantity(
            quantity.value, quantity.base, quantity.phase, quantity.role, quantity.upper,
            quantity.layer, quantity.of, labels, quantity.via, quantity.node,
        )  # fmt: skip
        self.quantities[self.quantities.index(quantity)] = changed
        if self.primary.get(quantity.value) is quantity:
            self.primary[quantity.value] = changed


def shown_title(quantity: Quantity) -> str:
    """A value's name as a whole, as it is shown: `∂L/∂W¹`, or `W` where units have names."""
    name = quantity.name((0,) * quantity.value.rank, [0], None)
    small = name.upper.translate(_RAISED)
    return ("∂L/∂" if name.gradient else "") + name.base + small


def _role(value: Value) -> Role:
    return {"z": "sum"}.get(value.name or "", "step" if value.name else "activation")  # type: ignore[return-value]


def _unnamed(value: Value, named: Mapping[Value, Quantity]) -> Iterator[Value]:
    """What a value is made of, in order, itself not included."""
    return (v for v in topological_order([value]) if v is not value and v not in named)


def _power(number: int) -> str:
    return str(number)


def _small(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
