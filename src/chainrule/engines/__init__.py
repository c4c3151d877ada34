"""Engines run graphs. Which one is asked for by name."""

from __future__ import annotations

from chainrule.engines.auto import Auto, EngineWarning
from chainrule.engines.native import Native
from chainrule.engines.program import Engine
from chainrule.engines.reference import Reference
from chainrule.errors import unknown_name

_ENGINES: dict[str, type[Engine]] = {"auto": Auto, "native": Native, "reference": Reference}


def get(name: str) -> Engine:
    """The engine called `name`; "auto" is the fastest one that can run the program."""
    if name not in _ENGINES:
        raise unknown_name("engine", name, _ENGINES)
    return _ENGINES[name]()


__all__ = ["EngineWarning", "get"]
