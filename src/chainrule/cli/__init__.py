"""The command line: events become a progress bar, results become tables."""

from chainrule.cli.main import main

__all__ = ["main"]
