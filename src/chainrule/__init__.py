"""chainrule trains feed-forward neural networks by back-propagation, and shows how."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.public import *  # noqa: F403


def __getattr__(name: str) -> object:
    """The public names, loaded together at the first use of any: importing the package stays quick."""
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("chainrule")
    if not name.startswith("_"):
        public = importlib.import_module("chainrule.public")
        if name in public.__all__:
            globals().update({known: getattr(public, known) for known in public.__all__})
            return globals()[name]
    raise AttributeError(f"module 'chainrule' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *importlib.import_module("chainrule.public").__all__])
