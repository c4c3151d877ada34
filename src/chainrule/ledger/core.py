"""The ledger of a training step: what was computed, how, and what of it to show."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule import storage
from chainrule.caching import cached_property
from chainrule.engines.program import Array
from chainrule.errors import UsageError, unknown_name
from chainrule.graph import Value
from chainrule.ledger import choosing, documents, page, table, terminal
from chainrule.ledger.computing import computed
from chainrule.ledger.depth import Depth, depth, jacobian
from chainrule.ledger.differences import TOLERANCE, Difference, Differences
from chainrule.ledger.lines import Formulas, Line, Speech
from chainrule.ledger.paper import DECIMALS, on_paper
from chainrule.ledger.recording import Recording, record
from chainrule.ledger.structure import PHASES, Phase, Quantity, Structure
from chainrule.ledger.writing import Digits, Text
from chainrule.model import Model

if TYPE_CHECKING:
    import polars as pl

Index = tuple[int, ...]

# products of 8-bit mantissas cannot agree more closely
TOLERANCES = {"bfloat16": 0.05}


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
        chosen: choosing.Choice | None = None,
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

    def agrees(self, difference: Difference, line: Line, tolerance: float | None = None) -> bool:
        """Whether a gradient is what its finite difference says, to 10⁻⁵ (bfloat16: 5 %)."""
        if tolerance is None:
            tolerance = TOLERANCES.get(self.recording.state.precision, TOLERANCE)
        return difference.agrees(line.value, tolerance)

    def check(self, tolerance: float | None = None) -> list[tuple[Line, Difference]]:
        """The gradients that no finite difference confirms; none, if all is well.

        |g − d| must be at most tolerance · max(1, |g|, |d|), 10⁻⁵ if nothing else is said; where the loss has
        a kink, g must lie between the slopes on both sides. One loss after another is computed: not for large
        networks.
        """
        wrong = []
        for line in self.lines("backward"):
            found = self.difference(line)
            if found is not None and not self.agrees(found, line, tolerance):
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
        return choosing.titles(self.structure)

    def array(self, title: str) -> Array:
        """All elements of a value, by its name (`δ¹` or `δ1`, `∂L/∂W¹` or `dL/dW1`)."""
        return self.arrays[self.quantity(title).value]

    def quantity(self, title: str) -> Quantity:
        """The value that is called so."""
        return choosing.called(self.structure, title)[0]

    def line(self, name: str) -> Line:
        """One line by its name, such as `δ¹[0]` or `W1[2→0]`."""
        return self.formulas.line(*choosing.find(self.formulas, self.arrays, name))

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
        return self._part(choosing.layer(self.structure, self.arrays, layer), f"layer {layer}")

    def unit(self, number: int | str) -> Ledger:
        """The part of one unit (its number from 0, or its name) of the layer chosen before."""
        chosen = choosing.unit(self.structure, self.arrays, self.quantities, number)
        return self._part(chosen, f"unit {number}")

    def path(self, start: str, end: str = "L") -> Ledger:
        """The part between two numbers: all on the ways from `start` (say `x[2]`) to `end`, and its gradients.

        Errors: `UsageError` where no way leads from one to the other.
        """
        (first, begin), (last, goal) = (
            choosing.find(self.formulas, self.arrays, name)
            for name in (start, "L" if end == "loss" else end)
        )
        places = (first.value, begin), (last.value, goal)
        chosen = choosing.way(self.formulas, self.arrays, *places)
        if chosen is None:
            raise UsageError(f"No way leads from {start} to {end}: it does not depend on it.")
        return self._part(chosen, f"the way from {start} to {end}")

    def _part(self, chosen: choosing.Choice, told: str) -> Ledger:
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
        by_unit: bool | None = None,
        most: int | None = None,
        terms: int | None = None,
    ) -> Ledger:
        """The same ledger shown in another way.

        `digits`: significant digits. `decimal`: "." or ",". `descent`: δ means −∂L/∂z, so that
        Δw = η δ a, as in Koehn's slides. `by_unit`: weights are written W[j←i], unit first. `most`:
        lines a value may take; `terms`: terms of a sum.
        """
        style = self.style
        shown = Digits(
            style.digits.digits if digits is None else digits,
            style.digits.decimal if decimal is None else decimal,
        )
        style = Style(
            shown,
            Speech(
                style.speech.descent if descent is None else descent,
                style.speech.by_unit if by_unit is None else by_unit,
            ),
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
