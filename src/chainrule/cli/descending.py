"""What `descend` does: gradient descent on a classic surface, with several step sizes."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule import optimizers, surfaces
from chainrule.cli.exits import DONE
from chainrule.cli.pictures import check_place
from chainrule.cli.printing import columns, console, say
from chainrule.descent import minimize
from chainrule.errors import UsageError
from chainrule.watching import Watched, picture, save


def carry_out(given: Mapping[str, Any]) -> int:
    """Descend as asked."""
    plot = given["plot"]
    if plot is not None:
        check_place(Path(plot))
    surface = surfaces.get(given["surface"])
    start = surface.start if given["start"] is None else _numbers("start", given["start"])
    if len(start) != len(surface.start):
        raise UsageError(
            f"--start has {len(start)} number(s), but {surface.name} is a function of {len(surface.start)}."
        )
    rates = surface.rates
    if given["learning_rate"] is not None:
        rates = tuple(_numbers("learning-rate", given["learning_rate"]))
    steps = (
        surface.steps
        if given["max_steps"] is None
        else _numbers("max-steps", given["max_steps"])[0]
    )
    slope = given["gradient_tolerance"]
    flat = surface.gradient_tolerance if slope is None else _numbers("gradient-tolerance", slope)[0]
    kind = type(optimizers.get(given["optimizer"]))
    settings: dict[str, Any] = {}
    if given["momentum"] is not None:
        settings["momentum"] = _numbers("momentum", given["momentum"])[0]
    watched = []
    for rate in rates:
        try:
            optimizer = kind(learning_rate=rate, **settings)
        except TypeError as error:
            raise UsageError(f"--optimizer {given['optimizer']}: {error}.") from error
        found = minimize(
            surface.function,
            list(start),
            optimizer=optimizer,
            tolerance=_optional("tolerance", given["tolerance"]),
            gradient_tolerance=flat,
            max_steps=int(steps),
            record=True,
        )
        watched.append(Watched(rate, found))
    if plot is not None:
        save(picture(surface.function, watched, surface.frame, surface.words), plot)
        say(console(stderr=True), f"Picture written to {plot}")
    if given["json"]:
        documents = [_document(each) for each in watched]
        sys.stdout.write(
            json.dumps({"surface": surface.name, "descents": documents}, indent=2) + "\n"
        )
    else:
        _print(surface, watched)
    return DONE


def _print(surface: surfaces.Surface, watched: list[Watched]) -> None:
    to = console()
    say(to, f"{surface.name}: {surface.words}")
    to.print()
    table = columns(
        "step size", "steps", "ends at", "f", "‖∇f‖", right=("step size", "steps", "f", "‖∇f‖")
    )
    for each in watched:
        found = each.found
        at = ", ".join(f"{v:.4g}" for v in found.x.ravel())
        table.add_row(
            f"{each.rate:g}", f"{found.steps:,}", at, f"{found.value:.4g}",
            f"{found.gradient_norms[-1]:.2g}",
        )  # fmt: skip
    to.print(table)
    to.print()
    for each in watched:
        point = each.found.critical_point
        ended = each.found.stopped_because
        kind = f" {point.words[:1].upper()}{point.words[1:]}." if point is not None else ""
        say(to, f"{each.rate:g}: {each.verdict}. Stopped because {ended}.{kind}", indent=2)


def _document(each: Watched) -> dict[str, Any]:
    found, point = each.found, each.found.critical_point
    return {
        "learning_rate": each.rate,
        "steps": found.steps,
        "x": found.x.ravel().tolist(),
        "value": found.value,
        "converged": found.converged,
        "stopped_because": found.stopped_because,
        "verdict": each.verdict,
        "critical_point": None if point is None else point.kind,
        "eigenvalues": None if point is None else point.eigenvalues.tolist(),
    }


def _numbers(option: str, words: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in words.split(","))
    except ValueError:
        raise UsageError(f"--{option} {words} must be numbers, with commas between them.") from None


def _optional(option: str, words: str | None) -> float | None:
    return None if words is None else _numbers(option, words)[0]
