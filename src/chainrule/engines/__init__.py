"""Engines run graphs. Which one is asked for by name."""

from __future__ import annotations

from chainrule.engines.program import Engine
from chainrule.engines.reference import Reference
from chainrule.errors import unknown_name

_ENGINES: dict[str, type[Engine]] = {"reference": Reference}


def get(name: str) -> Engine:
    """The engine called `name`; "auto" is the fastest one that is there."""
    chosen = "reference" if name == "auto" else name
    if chosen not in _ENGINES:
        raise unknown_name("engine", name, ["auto", *_ENGINES])
    return _ENGINES[chosen]()
