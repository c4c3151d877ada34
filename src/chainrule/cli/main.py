"""From a command line to an exit code. Progress goes to stderr, results to stdout.

Exit codes: 0 done; 2 bad usage or bad data, with one sentence; 130 interrupted, the best model kept.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from chainrule.cli import comparing, explaining  # noqa: F401 - they add commands to the app
from chainrule.cli.app import app
from chainrule.cli.exits import DONE, INTERRUPTED, WRONG
from chainrule.cli.printing import visible
from chainrule.errors import ChainruleError


def run_command(arguments: Sequence[str]) -> int:
    """Carry out one command line; the exit code. Whatever is wrong is said in one sentence."""
    try:
        command = typer.main.get_command(app)
        with command.make_context("chainrule", list(arguments)) as context:
            code = int(command.invoke(context))
        sys.stdout.flush()
        return code
    except typer.Exit as leaving:
        return leaving.exit_code
    except KeyboardInterrupt:
        return _said("interrupted.", INTERRUPTED)
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except ChainruleError as error:
        return _said(str(error))
    except MemoryError as error:
        return _said(f"There is not enough memory ({error}): try a smaller network or fewer rows.")
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        return _said(f"Cannot read or write{where} ({error.strerror or error}).")
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        return _usage(error)


def _usage(error: Any) -> int:
    """What the parser of the options found wrong, as a sentence; bare `chainrule` shows the help."""
    context = getattr(error, "ctx", None)
    words = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{words}\n")
        return WRONG
    if not words.endswith("?"):
        path = "chainrule" if context is None else context.command_path
        words = f"{words.rstrip('.')}; {path} --help shows what there is."
    return _said(words)


def _said(sentence: str, code: int = WRONG) -> int:
    sys.stderr.write(f"chainrule: {visible(' '.join(sentence.splitlines()))}\n")
    return code


def main() -> None:
    """The command `chainrule`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.exit(run_command(sys.argv[1:]))
