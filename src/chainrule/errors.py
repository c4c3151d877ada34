"""The exceptions chainrule raises for what a user can put right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ChainruleError(Exception):
    """Base of every error that says what was given, what was expected and what to do."""


class ShapeError(ChainruleError, ValueError):
    """Arrays or values whose shapes do not fit together."""


class DataError(ChainruleError, ValueError):
    """Data that cannot be read, understood or learnt from."""


class UnknownNameError(ChainruleError, ValueError):
    """A name that is not among the known ones."""


class ModelFileError(ChainruleError, ValueError):
    """A model file that is missing, damaged or of another format."""


class UsageError(ChainruleError, ValueError):
    """Arguments that contradict each other or lie outside their range."""


def unknown_name(kind: str, given: object, known: Iterable[str]) -> UnknownNameError:
    """The error for a name nobody knows, with the nearest known one.

    >>> str(unknown_name("activation", "reluu", ["relu", "tanh"]))
    "Unknown activation 'reluu': did you mean 'relu'? Known: relu, tanh."
    """
    names = sorted(known)
    lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(str(given).lower(), lower, n=1, cutoff=0.5)
    hint = f": did you mean '{lower[near[0]]}'?" if near else "."
    return UnknownNameError(f"Unknown {kind} '{given}'{hint} Known: {', '.join(names)}.")
