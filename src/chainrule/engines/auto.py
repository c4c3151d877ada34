"""The engine `auto`: native where every operation of a program has a kernel, the reference elsewhere."""

from __future__ import annotations

import warnings

from chainrule.engines.native import Native, NoKernel
from chainrule.engines.program import Program, Runner, State
from chainrule.engines.reference import Reference


class EngineWarning(UserWarning):
    """A program runs on a slower engine than the fastest."""


class Auto:
    """The fastest engine that can run a program; says once for what it had to take the slower one."""

    name = "auto"
    _told: set[str] = set()  # noqa: RUF012 - one for the whole process

    def prepare(self, program: Program, state: State, threads: int | None = None) -> Runner:
        try:
            return Native().prepare(program, state, threads)
        except NoKernel as missing:
            if missing.name not in self._told:
                self._told.add(missing.name)
                warnings.warn(
                    f"{missing.what} has no native kernel: this runs on the reference engine, which is slower.",
                    EngineWarning,
                    stacklevel=2,
                )
            return Reference().prepare(program, state, threads)
