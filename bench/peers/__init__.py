"""The libraries that are timed: one module each, all with the same three things.

A module has `versions()` and `session(config, x, y, options)`; the session has `epochs(n)`, the time of n
epochs from fresh weights, the beginning not counted, and `whole(n)`, the time of a whole training of n
epochs with everything that a user waits for after importing the library; `classes(x)` is then what that network
predicts.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Peer:
    """One way of training: a library, its settings and its number of threads (None: its own choice)."""

    name: str
    family: str  # chainrule, jax, torch, sklearn or tinygrad; and the name of its module here
    needs: tuple[str, ...]
    threads: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "float32"
    quick: bool = False  # part of a quick run

    def missing(self) -> list[str]:
        """Modules it needs that are not installed."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]

    def environment(self) -> dict[str, str]:
        """What its process needs in its environment before anything is imported."""
        found = {"JAX_PLATFORMS": "cpu"}
        if self.family == "tinygrad":
            found["DEV"] = "CPU"
        if self.threads is not None:
            for name in ("OMP", "MKL", "OPENBLAS"):
                found[f"{name}_NUM_THREADS"] = str(self.threads)
            if self.family == "jax" and self.threads == 1:
                found["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
        return found


def _torch(name: str, threads: int | None = None, **options: Any) -> Peer:
    precision = "bfloat16" if options.get("autocast") else "float32"
    return Peer(name, "torch", ("torch",), threads, options, precision, name == "torch-1t")


PEERS = {
    peer.name: peer
    for peer in (
        Peer("chainrule", "chainrule", ("chainrule",), quick=True),
        Peer("chainrule-1t", "chainrule", ("chainrule",), 1),
        Peer(
            "chainrule-bf16",
            "chainrule",
            ("chainrule",),
            None,
            {"precision": "bfloat16"},
            "bfloat16",
        ),
        Peer("jax-scan", "jax", ("jax", "optax"), None, {"scan": True}, quick=True),
        Peer("jax-step", "jax", ("jax", "optax"), None, {"scan": False}),
        _torch("torch"),
        _torch("torch-1t", 1),
        _torch("torch-fused", fused=True),
        _torch("torch-fused-1t", 1, fused=True),
        _torch("torch-compile", fused=True, compiled=True),
        _torch("torch-compile-1t", 1, fused=True, compiled=True),
        _torch("torch-bf16", fused=True, autocast=True),
        Peer("sklearn", "sklearn", ("sklearn",), None, {"partial": True}, quick=True),
        Peer("sklearn-fit", "sklearn", ("sklearn",), None, {"partial": False}, quick=True),
        Peer("tinygrad", "tinygrad", ("tinygrad",)),
    )
}
