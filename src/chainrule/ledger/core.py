"""The ledger of a training step: what was computed, how, and what of it to show."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule import storage
from chainrule.engines.program import Array, State
from chainrule.errors import UsageError, unknown_name
from chainrule.graph import Input, Parameter, Value
from chainrule.ledger import documents, page, table, terminal
from chainrule.ledger.depth import Depth, depth, jacobian
from chainrule.ledger.differences import TOLERANCE, Difference, Differences
from chainrule.ledger.lines import Formulas, Line, Speech
from chainrule.ledger.paper import DECIMALS, on_paper
from chainrule.ledger.recording import Recording, record, shaped
from chainrule.ledger.structure import PHASES, Phase, Quantity, Structure, shown_title
from chainrule.ledger.writing import Digits, Text
from chainrule.model import Model

if TYPE_CHECKING:
    import polars as pl

Index = tuple[int, ...]

MOST_ON_A_WAY = 5_000


@dataclass(frozen=True)
class Style:
    """How a ledger looks: digits, decimal sign, how many lines a value may take, how δ is meant."""

    digits: Digits = field(default_factory=Digits)
    speech: Speech = field(default_factory=Speech)
    most: int = 12
    terms: int = 8


class Ledger:
    """Every number of one training step, each with the formula it came from.

    Made by `cr.explain`. It prints itself; `ledger["dense_1"]`, `.unit(3)` and `.path("x[2]", "L")` choose
    a part of it, which is a ledger again. `ledger.array("δ¹")` is a whole value, `ledger.line("δ¹[0]")` one
    line. Units, rows and features are counted from 0.
    """

    def __init__(
        self,
        structure: Structure,
        arrays: Mapping[Value, Array],
        engine: str,
        style: Style | None = None,
        chosen: Callable[[Quantity], Array] | None = None,
        told: str = "",
        exact: Ledger | None = None,
    ) -> None:
        """`exact`: the ledger of which this one repeats the computation as on paper."""
        self.structure, self.arrays, self.engine = structure, arrays, engine
        self.style = style or Style()
        self._chosen, self.told, self.exact = chosen, told, exact

    @property
    def recording(self) -> Recording:
        """The step as it was run."""
        return self.structure.recording

    # --- what is in it ---

    @property
    def quantities(self) -> list[Quantity]:
        """The named values, in the order they are worked out."""
        found = sorted(self.structure.quantities, key=lambda q: PHASES.index(q.phase))
        return [q for q in found if self._chosen is None or self.mask(q).any()]

    def places(self, quantity: Quantity) -> list[Index]:
        """The places of the elements of a value that are part of this ledger."""
        return self.in_order(quantity, np.argwhere(self.mask(quantity)).tolist())

    def in_order(self, quantity: Quantity, places: Sequence[Sequence[int]]) -> list[Index]:
        """Places by the caller's rows, which the step may take in another order."""
        rows = self.formulas.row_labels
        found = [tuple(place) for place in places]
        if quantity.batched and len(rows) > 1:
            found.sort(key=lambda place: (rows[place[0]], place[1:]))
        return found

    def mask(self, quantity: Quantity) -> Array:
        """Which elements of a value are part of this ledger."""
        shape = self.arrays[quantity.value].shape
        return np.ones(shape, bool) if self._chosen is None else self._chosen(quantity)

    @cached_property
    def formulas(self) -> Formulas:
        """What writes the lines."""
        return Formulas(
            self.structure, self.arrays, self.style.speech, paper=self.exact is not None
        )

    @cached_property
    def differences(self) -> Differences:
        """What holds gradients against finite differences."""
        return Differences(self.structure, self.arrays)

    def difference(self, line: Line) -> Difference | None:
        """The finite difference that belongs to a line, where it is a gradient's."""
        if self.exact is not None:
            return None
        found = self.differences.of(line.quantity, line.index)
        if found is not None and self.formulas.flipped(line.quantity):
            return replace(found, value=-found.value + 0.0, left=-found.left, right=-found.right)
        return found

    def check(self, tolerance: float = TOLERANCE) -> list[tuple[Line, Difference]]:
        """The gradients that no finite difference confirms; none, if all is well.

        |g − d| must be at most tolerance · max(1, |g|, |d|); where the loss has a kink, g must lie between
        the slopes on both sides. One loss after another is computed: not for large networks.
        """
        wrong = []
        for line in self.lines("backward"):
            found = self.difference(line)
            if found is not None and not found.agrees(line.value, tolerance):
                wrong.append((line, found))
        return wrong

    def lines(self, phase: Phase | None = None) -> Iterator[Line]:
        """Every line, or those of one phase: given, forward, loss, backward, update, after."""
        if phase is not None and phase not in PHASES:
            raise unknown_name("part of a step", phase, PHASES)
        for quantity in self.quantities:
            if phase in (None, quantity.phase):
                for index in self.places(quantity):
                    yield self.formulas.line(quantity, index)

    @property
    def titles(self) -> list[str]:
        """The names of the values: `x`, `W¹`, `z¹`, … `δ¹`, `∂L/∂W¹`, …"""
        return list(dict.fromkeys(shown_title(q) for q in self.structure.quantities))

    def array(self, title: str) -> Array:
        """All elements of a value, by its name (`δ¹` or `δ1`, `∂L/∂W¹` or `dL/dW1`)."""
        return self.arrays[self.quantity(title).value]

    def quantity(self, title: str) -> Quantity:
        """The value that is called so."""
        return self._called(title)[0]

    def _called(self, title: str) -> list[Quantity]:
        wanted = _plainly(title)
        every = self.structure.quantities
        found = [q for q in every if wanted in (_plainly(shown_title(q)), _plainly(q.title))]
        if not found:
            raise unknown_name("value of the ledger", title, self.titles)
        return found

    def line(self, name: str) -> Line:
        """One line by its name, such as `δ¹[0]` or `W1[2→0]`."""
        title, _, place = name.partition("[")
        wanted = _plainly(place.rstrip("]"))
        for quantity in self._called(title):
            shape = self.arrays[quantity.value].shape
            for index in np.ndindex(*shape):
                lower = quantity.name(index, self.formulas.row_labels, None).lower
                if wanted in (_plainly(lower), ",".join(map(str, index))):
                    return self.formulas.line(quantity, index)
        last = quantity.name(tuple(n - 1 for n in shape), self.formulas.row_labels, None)
        raise UsageError(
            f"{name} does not exist: {title} has shape {shape}, its last element is "
            f"{title}[{last.lower}]."
        )

    @property
    def loss(self) -> float:
        """The loss before the step."""
        return float(self.arrays[self.structure.mean])

    @property
    def loss_after(self) -> float:
        """The loss of the same rows, under the same masks, when the step is done."""
        return float(self.array("L′"))

    # --- choosing ---

    def __getitem__(self, layer: str) -> Ledger:
        """The part of one layer."""
        names = list(self.structure.numbers)
        if layer not in names:
            raise unknown_name("layer", str(layer), names)
        return self._part(lambda q: self._whole(q, q.layer == layer), f"layer {layer}")

    def _whole(self, quantity: Quantity, chosen: bool) -> Array:
        return np.full(self.arrays[quantity.value].shape, chosen)

    def unit(self, number: int | str) -> Ledger:
        """The part of one unit (its number from 0, or its name) of the layer chosen before."""
        layers = {q.layer for q in self.quantities if q.layer in self.structure.numbers}
        if len(layers) != 1:
            raise UsageError(
                'Choose a layer before a unit: ledger["dense"].unit(3). The layers are '
                f"{', '.join(self.structure.numbers)}."
            )
        (layer,) = layers
        widths = [
            self.arrays[q.value].shape[-1]
            for q in self.quantities
            if q.phase == "forward" and self.arrays[q.value].ndim > 1
        ]
        names = self.structure.units.get(str(layer))
        width = widths[-1] if widths else 0
        place = number
        if isinstance(number, str) and names is not None and number in names:
            place = list(names).index(number)
        if not isinstance(place, int) or not 0 <= place < width:
            known = ", ".join(names) if names else f"0 to {width - 1}"
            raise UsageError(
                f"Unit {number} does not exist: the units of layer {layer} are {known}."
            )

        def chosen(quantity: Quantity) -> Array:
            mask = self._whole(quantity, False)
            if mask.ndim and mask.shape[-1] == width:
                mask[..., place] = True
            return mask

        return self._part(chosen, f"unit {number}")

    def path(self, start: str, end: str = "L") -> Ledger:
        """The part between two numbers: all on the ways from `start` (say `x[2]`) to `end`, and its gradients.

        Errors: `UsageError` where no way leads from one to the other.
        """
        first, last = self.line(start), self.line("L" if end == "loss" else end)
        begin, goal = (first.quantity.value, first.index), (last.quantity.value, last.index)
        order = [
            (q, index)
            for q in self.structure.quantities
            if q.phase in ("forward", "loss") and self.structure.primary[q.value] is q
            for index in np.ndindex(*self.arrays[q.value].shape)
        ]
        if len(order) > MOST_ON_A_WAY:
            raise UsageError(
                f"The ways through {len(order):,} numbers are too many to follow: choose a layer and a unit instead."
            )
        sources = {(q.value, i): self.formulas.sources(q, i) for q, i in order}
        reached = {begin}
        for place, read in sources.items():
            if read & reached:
                reached.add(place)
        if goal not in reached:
            raise UsageError(f"No way leads from {start} to {end}: it does not depend on it.")
        wanted = {goal}
        for place, read in reversed(sources.items()):
            if place in wanted:
                wanted |= read & reached

        def chosen(quantity: Quantity) -> Array:
            back = quantity.of if quantity.phase == "backward" else None
            mask = self._whole(quantity, False)
            for value, index in wanted:
                if value is (quantity.value if back is None else back):
                    mask[index] = True
            return mask

        return self._part(chosen, f"the way from {start} to {end}")

    def _part(self, chosen: Callable[[Quantity], Array], told: str) -> Ledger:
        before = self._chosen
        both = chosen if before is None else lambda q: before(q) & chosen(q)
        words = f"{self.told}, {told}" if self.told else told
        return self._like(chosen=both, told=words)

    def _like(self, **changes: Any) -> Ledger:
        """A ledger of the same step, some of it changed."""
        same = {
            "style": self.style, "chosen": self._chosen, "told": self.told, "exact": self.exact,
            "arrays": self.arrays,
        }  # fmt: skip
        settings = {**same, **changes}
        return Ledger(self.structure, settings.pop("arrays"), self.engine, **settings)

    # --- how it looks ---

    def shown(
        self,
        *,
        digits: int | None = None,
        decimal: str | None = None,
        descent: bool | None = None,
        most: int | None = None,
        terms: int | None = None,
    ) -> Ledger:
        """The same ledger shown in another way.

        `digits`: significant digits. `decimal`: "." or ",". `descent`: δ means −∂L/∂z, so that
        Δw = η δ a, as in Koehn's slides. `most`: lines a value may take; `terms`: terms of a sum.
        """
        style = self.style
        shown = Digits(
            style.digits.digits if digits is None else digits,
            style.digits.decimal if decimal is None else decimal,
        )
        style = Style(
            shown,
            Speech(style.speech.descent if descent is None else descent),
            style.most if most is None else most,
            style.terms if terms is None else terms,
        )
        return self._like(style=style)

    def as_on_paper(self, **decimals: int) -> Ledger:
        """The same step worked out by hand: each number is rounded before it is used.

        The decimals of each kind of number are those of Koehn's slides and can be changed: activation 2,
        sum 3, slope 3, delta 4, gradient 4, change 3, state 3, loss 4.
        """
        for role in decimals:
            if role not in DECIMALS:
                raise unknown_name("kind of number", role, DECIMALS)
        speech = self.style.speech
        chosen: dict[Any, int] = {**DECIMALS, **decimals}
        arrays = on_paper(self.structure, self.arrays, chosen, speech)
        return self._like(arrays=arrays, exact=self.exact or self)

    def text(self, width: int = 100) -> str:
        """The ledger as plain text."""
        return terminal.text(self, width)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        numbers = sum(self.arrays[q.value].size for q in self.structure.quantities)
        return f"<Ledger: {numbers:,} numbers of a training step, loss {self.loss:.6g}>"

    def _repr_html_(self) -> str:
        return documents.notebook(self)

    def face(self) -> Text:
        """What writes names and formulas as text, with this ledger's digits."""
        return Text(self.style.digits)

    def html(self, steps: int = 1) -> str:
        """A self-contained page: the network drawn, the computation line by line, `steps` successive steps."""
        ledgers = [self]
        for _ in range(steps - 1):
            ledgers.append(ledgers[-1].next())
        return page.page(ledgers)

    def latex(self) -> str:
        """The ledger as a LaTeX document."""
        return documents.latex(self)

    def markdown(self) -> str:
        """The ledger as a Markdown page."""
        return documents.markdown(self)

    def table(self) -> pl.DataFrame:
        """Every number as a data frame: phase, layer, value, row, place, number, and for small ledgers its formula."""
        return table.table(self)

    def save(self, path: str | os.PathLike[str], *, steps: int = 1) -> None:
        """Write the ledger to a file: .html, .md, .tex, .txt, or every number to .csv or .parquet.

        `steps`: so many successive training steps on an .html page.
        """
        place = Path(path)
        writers: dict[str, Callable[[Ledger], str | bytes]] = {
            ".html": lambda ledger: ledger.html(steps),
            ".txt": lambda ledger: ledger.text() + "\n",
            ".md": documents.markdown,
            ".tex": documents.latex,
            ".csv": table.csv,
            ".parquet": table.parquet,
        }
        if place.suffix not in writers:
            raise UsageError(f"{path} must end in one of {', '.join(writers)}.")
        content = writers[place.suffix](self)
        storage.write_bytes(place, content.encode() if isinstance(content, str) else content)

    # --- depth ---

    def depth(self) -> Depth:
        """The norms of gradients and Jacobians layer by layer: whether gradients vanish or explode."""
        return depth(self.structure, self.arrays)

    def jacobian(self, layer: str) -> Array:
        """∂(what a layer hands on)/∂(what enters it) for each row: (rows, units out, units in)."""
        if layer not in self.structure.numbers:
            raise unknown_name("layer", layer, self.structure.numbers)
        return jacobian(self.recording, layer)

    # --- further steps ---

    def next(self) -> Ledger:
        """The ledger of the step after this one, on the same rows; the model is left as it is."""
        if not self.recording.program.assignments:
            raise UsageError("This optimizer has no single steps: there is no next one to show.")
        later = self.recording.next(self.arrays)
        return _ledger(later, self.structure.units, self.style)


def explain(
    model: Model,
    x: Any,
    y: Any,
    *,
    step: int | str = "next",
    sample_weight: Any = None,
    units: Mapping[str, Sequence[str]] | None = None,
    rows: Sequence[int] | None = None,
) -> Ledger:
    """The ledger of the training step that `model.fit(x, y, batch_size=len(x))` would make next.

    The model is left as it is. The numbers come from the engine the model trains with: they are the
    bits that `fit` would compute. `step`: "next", or how many such steps from now, beginning with 1.
    `units` names features and units: `{"input_1": ["A", "B"], "dense": ["D", "E"]}`; `rows` numbers the
    rows, which are counted from 0 otherwise.

    Errors: `UsageError` where the model was not compiled or `units` names an unknown layer.
    """
    number = 1 if step == "next" else step
    if not isinstance(number, int) or number < 1:
        raise UsageError(f"step is 'next' or a number of at least 1, not {step!r}.")
    recording = record(model, x, y, sample_weight)
    if rows is not None:
        if len(rows) != len(recording.rows):
            raise UsageError(f"rows has {len(rows)} numbers for {len(recording.rows)} rows.")
        recording = replace(recording, names=np.array(rows))
    network = recording.step.network
    known = [*network.input_names, *(str(layer.name) for layer in network.layers)]
    for name in units or {}:
        if name not in known:
            raise unknown_name("layer or input to name units of", name, known)
    ledger = _ledger(recording, units or {}, Style())
    for _ in range(number - 1):
        ledger = ledger.next()
    return ledger


def _ledger(recording: Recording, units: Mapping[str, Sequence[str]], style: Style) -> Ledger:
    structure = Structure(recording, units)
    arrays, engine = computed(structure)
    return Ledger(structure, arrays, engine, style)


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


def _plainly(title: str) -> str:
    """A name as it can be typed: `dL/dW1[0>1]`."""
    digits = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "01234567890123456789")
    spelt = {
        "∂": "d",
        "δ": "delta",
        "η": "eta",
        "σ": "sigma",
        "→": ">",
        "′": "'",
        "Δ": "Delta",
        " ": "",
    }
    for letter, plain in spelt.items():
        title = title.replace(letter, plain)
    return title.translate(digits)
