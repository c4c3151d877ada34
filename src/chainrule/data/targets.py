"""What a network learns to predict: class labels or quantities, to arrays and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from chainrule.data.columns import MAX_CLASSES, infer_task
from chainrule.data.frames import as_values, missing_values
from chainrule.data.scaling import mean_and_sd
from chainrule.errors import DataError, ModelFileError, ShapeError, UsageError

Task = Literal["classification", "regression"]
Label = str | int | float | bool


@dataclass(frozen=True)
class Target:
    """How target values become a network's targets, and its outputs values again.

    Classification: N classes are the numbers 0..N-1 in the order of `classes`, and the network
    has N outputs (two for two classes). With `multilabel`, zeros and ones (rows, labels) stay.
    Regression: column j becomes (v - mean_j) / sd_j, where v is the value or, with `log`,
    ln(1 + value).
    """

    task: Task
    width: int
    classes: tuple[Label, ...] | None = None
    multilabel: bool = False
    log: bool = False
    mean: tuple[float, ...] = ()
    sd: tuple[float, ...] = ()
    name: str | None = None

    @classmethod
    def fit(
        cls,
        values: Any,
        *,
        task: Literal["auto", "classification", "regression"] = "auto",
        log: bool = False,
        name: str | None = None,
    ) -> Target:
        """Learn from the training rows' values: a column of any library, a list or an array.

        Two-dimensional zeros and ones are several labels at once (multilabel); other
        two-dimensional numbers several quantities. `log` is for quantities above -1 that span
        orders of magnitude. Raises DataError where values are missing, infinite, text instead of
        quantities, or all the same.
        """
        if task not in ("auto", "classification", "regression"):
            raise UsageError(
                f"The task '{task}' is not known: give auto, classification or regression."
            )
        array = as_values(values)
        called = _called(name)
        if array.size == 0:
            raise DataError(f"{called} has no values: there is nothing to learn from.")
        _check_present(array, called)
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim > 2:
            raise ShapeError(
                f"{called} has shape {array.shape}: (rows,) or (rows, columns) is fine."
            )
        chosen = infer_task(array) if task == "auto" else task
        if chosen == "classification":
            if log:
                raise UsageError(f"{called} holds classes: a logarithm is for quantities only.")
            return cls._fit_classes(array, called, name, sure=task != "auto")
        quantities = _quantities(array, called, log)
        mean, sd = [], []
        for column in quantities.T:
            centre, spread = mean_and_sd(column)
            if spread == 0:
                raise DataError(
                    f"{called} has the value {column[0]:g} in all {len(column)} training rows: "
                    "there is nothing to learn."
                )
            mean.append(centre)
            sd.append(spread)
        return cls("regression", len(mean), None, False, log, tuple(mean), tuple(sd), name)

    @classmethod
    def _fit_classes(
        cls, array: np.ndarray, called: str, name: str | None, *, sure: bool
    ) -> Target:
        if array.ndim == 2:
            if array.dtype.kind == "O" or not np.isin(array, [0, 1]).all():
                raise DataError(
                    f"{called} has shape {array.shape}: several labels at once must be zeros and "
                    "ones, and single labels one column."
                )
            return cls("classification", array.shape[1], None, True, name=name)
        classes = _sorted_labels(array)
        if len(classes) == 1:
            raise DataError(
                f"{called} has one class only ({classes[0]!r} in all {len(array)} rows): "
                "at least two are needed."
            )
        if not sure and len(classes) > max(MAX_CLASSES, len(array) / 2):
            raise DataError(
                f"{called} has {len(classes):,} different values in {len(array):,} rows: choose "
                "another target column, or name the task if these are classes."
            )
        return cls("classification", len(classes), classes, name=name)

    def encode(self, values: Any) -> np.ndarray:
        """Values to a network's targets.

        Class numbers, int64 (rows,); with `multilabel`, float64 zeros and ones (rows, width);
        quantities standardised, float64 (rows, width). Labels are compared as text, so that 3
        and "3" are one. Raises DataError for missing values, text instead of quantities and
        classes that were not there in training, ShapeError for another number of columns.
        """
        array = as_values(values)
        called = _called(self.name)
        _check_present(array, called)
        if self.classes is not None:
            return self._class_numbers(array, called)
        wide = array[:, None] if array.ndim == 1 else array
        if wide.ndim != 2 or wide.shape[1] != self.width:
            raise ShapeError(
                f"{called} has shape {array.shape}, but (rows, {self.width}) is expected."
            )
        if self.multilabel:
            if array.dtype.kind == "O" or not np.isin(array, [0, 1]).all():
                raise DataError(f"{called} must hold zeros and ones, one column for each label.")
            return wide.astype(np.float64)
        centred = _quantities(wide, called, self.log) - np.array(self.mean)
        standardised: np.ndarray = centred / np.array(self.sd)
        return standardised

    def _class_numbers(self, array: np.ndarray, called: str) -> np.ndarray:
        assert self.classes is not None
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1:
            raise ShapeError(f"{called} has shape {array.shape}, but (rows,) is expected.")
        numbers = {_key(label): index for index, label in enumerate(self.classes)}
        if isinstance(self.classes[0], bool):
            numbers |= {"0": 0, "1": len(self.classes) - 1}
        labels, inverse = np.unique(_sortable(array), return_inverse=True)
        codes = np.zeros(len(labels), dtype=np.int64)
        for position, label in enumerate(labels.tolist()):
            if _key(label) not in numbers:
                known = ", ".join(str(name) for name in self.classes[:20])
                raise DataError(
                    f"{called} holds the class {_key(label)!r}, which was not there in training "
                    f"({known}{', …' if len(self.classes) > 20 else ''}): remove or relabel these "
                    "rows, or train with them."
                )
            codes[position] = numbers[_key(label)]
        return codes[inverse.ravel()]

    def decode(self, outputs: Any) -> np.ndarray:
        """A network's outputs (rows, width) to values.

        Probabilities to the likeliest label (one sigmoid for two classes is understood, too);
        with `multilabel`, to zeros and ones (above one half); standardised quantities to their
        units, (rows,) if there is one. Raises ShapeError for another number of outputs.
        """
        array = np.asarray(outputs)
        if array.ndim == 1 and (self.width == 1 or len(self.classes or ()) == 2):
            array = array[:, None]
        single = len(self.classes or ()) == 2 and array.ndim == 2 and array.shape[1] == 1
        if array.ndim != 2 or not (single or array.shape[1] == self.width):
            raise ShapeError(
                f"Outputs of shape {np.shape(outputs)} cannot be read as predictions of "
                f"{_called(self.name)[0].lower() + _called(self.name)[1:]}: "
                f"(rows, {self.width}) is expected."
            )
        if self.classes is not None:
            chosen = array[:, 0] > 0.5 if single else array.argmax(axis=1)
            return np.asarray(self.classes)[chosen.astype(np.int64)]
        if self.multilabel:
            return (array > 0.5).astype(np.int64)
        quantities: np.ndarray = array.astype(np.float64) * np.array(self.sd) + np.array(self.mean)
        if self.log:
            quantities = np.expm1(quantities)
        return quantities[:, 0] if self.width == 1 else quantities

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain values that `from_json` makes the same target of."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Target:
        """The target that `to_json` wrote down. Raises ModelFileError if it is damaged."""
        try:
            fields = dict(document)
            for key in ("mean", "sd"):
                fields[key] = tuple(fields[key])
            if fields["classes"] is not None:
                fields["classes"] = tuple(fields["classes"])
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as trouble:
            raise ModelFileError(
                f"The target cannot be read ({type(trouble).__name__}: {trouble}): "
                "the model file is damaged or of another version of chainrule."
            ) from None


def _called(name: str | None) -> str:
    return "The target" if name is None else f"The target '{name}'"


def _check_present(array: np.ndarray, called: str) -> None:
    gone = missing_values(array)
    missing = int(gone.reshape(len(array), -1).any(axis=1).sum()) if gone.any() else 0
    if missing:
        raise DataError(
            f"{called} is missing in {missing:,} of {len(array):,} rows: "
            "remove these rows or fill in the values."
        )


def _sortable(array: np.ndarray) -> np.ndarray:
    return array.astype(str) if array.dtype.kind == "O" else array


def _sorted_labels(array: np.ndarray) -> tuple[Label, ...]:
    """The different labels as plain Python values, sorted; whole floats as int."""
    labels = np.unique(_sortable(array))
    if labels.dtype.kind == "f" and np.all(labels == np.rint(labels)):
        labels = labels.astype(np.int64)
    if labels.dtype.kind == "U":
        return tuple(sorted({label.strip() for label in labels.tolist()}))
    return tuple(labels.tolist())


def _key(label: Label) -> str:
    """What labels are compared by: 3, 3.0 and "3" are one, and True and "true"."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    text = str(label).strip()
    return text.lower() if text.lower() in ("true", "false") else text


def _quantities(array: np.ndarray, called: str, log: bool) -> np.ndarray:
    """Finite numbers, float64 (rows, columns), through ln(1 + v) with `log`."""
    if array.dtype.kind in "OU":
        for row, value in enumerate(array.ravel().tolist()):
            try:
                float(value)
            except ValueError:
                raise DataError(
                    f"{called} should hold numbers, but row {row} (counted from 0) holds "
                    f"{value!r}: give numbers, or train a classifier."
                ) from None
    elif array.dtype.kind not in "buif":
        raise DataError(f"{called} should hold numbers, not values of type {array.dtype}.")
    wide = array.reshape(len(array), -1).astype(np.float64)
    if not np.isfinite(wide).all():
        bad = int(np.sum(~np.isfinite(wide)))
        raise DataError(
            f"{called} is not finite in {bad:,} rows: remove them or correct the values."
        )
    if not log:
        return wide
    if wide.min() <= -1:
        raise DataError(
            f"{called} has values down to {wide.min():g}: the logarithm of 1 + value needs "
            "values above -1; do without it."
        )
    return np.log1p(wide)
