"""Where the work of a command is done: in modules that are loaded at their use."""

from __future__ import annotations

import importlib
from typing import Any


def carry_out(command: str, *arguments: Any, **options: Any) -> int:
    """Call "module.function" of this package for its exit code: help needs neither NumPy nor networks."""
    module, name = command.split(".")
    function = getattr(importlib.import_module(f"chainrule.cli.{module}"), name)
    code: int = function(*arguments, **options)
    return code
