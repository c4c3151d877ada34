"""chainrule trains feed-forward neural networks by back-propagation, and shows how."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.public import *  # noqa: F403


def __getattr__(name: str) -> object:
    """Modules and public names are loaded at their first use: importing the package stays quick."""
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("chainrule")
    if name.startswith("_"):
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
    if importlib.util.find_spec(f"chainrule.{name}") is not None:
        return importlib.import_module(f"chainrule.{name}")
    public = importlib.import_module("chainrule.public")
    if name not in public.__all__:
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
    globals().update({known: getattr(public, known) for known in public.__all__})
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *importlib.import_module("chainrule.public").__all__})
