"""Hands the registered operations and their examples to the tests that ask for them."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule.ops  # noqa: F401 - importing it registers the operations
from chainrule.graph import Op

OPS = {
    name: op for name, op in sorted(Op.registry.items()) if op.__module__.startswith("chainrule.")
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`op` is each operation's class and `case` each example; `differentiable_…`: a part of them."""
    for prefix in ("", "differentiable_"):
        chosen = {name: op for name, op in OPS.items() if op.differentiable or not prefix}
        if f"{prefix}op" in metafunc.fixturenames:
            metafunc.parametrize(f"{prefix}op", list(chosen.values()), ids=list(chosen))
        if f"{prefix}case" in metafunc.fixturenames:
            cases = [
                pytest.param(example, id=f"{name}-{number}")
                for name, op in chosen.items()
                for number, example in enumerate(op.example(np.random.default_rng(7)))
            ]
            metafunc.parametrize(f"{prefix}case", cases)
