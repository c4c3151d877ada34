"""The networks that are timed, and the ratios to the peers that the project is held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Config:
    """One network, its batch and its rows (a multiple of the batch, for all peers).

    `wanted` says for a family of peers how many times faster the native engine has to be: floor and goal,
    on two cores with AVX-512.
    """

    name: str
    widths: tuple[int, ...]
    batch: int
    rows: int
    activation: str = "relu"
    classes: bool = True  # softmax cross-entropy; else squared error
    wanted: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    wanted_bfloat16: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # with AMX

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.rows // self.batch

    @property
    def shape(self) -> str:
        """The network as people write it."""
        return "-".join(map(str, self.widths))

    @property
    def operations(self) -> int:
        """Floating-point operations of a step's products: forward, ∂W, and ∂X but for the first layer."""
        products = [a * b for a, b in pairwise(self.widths)]
        return 2 * self.batch * (3 * sum(products) - products[0])

    def data(self) -> tuple[Any, Any]:
        """Features (rows, width) in float32; class numbers, or outputs in float32."""
        draw = np.random.default_rng(0)
        x = draw.standard_normal((self.rows, self.widths[0]), dtype=np.float32)
        if self.classes:
            return x, draw.integers(0, self.widths[-1], self.rows)
        turn = draw.standard_normal((self.widths[0], self.widths[-1]), dtype=np.float32)
        return x, np.tanh(x @ turn)


def _wanted(
    jax: tuple[float, float], torch: tuple[float, float], sklearn: tuple[float, float]
) -> dict[str, tuple[float, float]]:
    """Floor and goal for each family."""
    return {"jax": jax, "torch": torch, "sklearn": sklearn}


CONFIGS = {
    config.name: config
    for config in (
        Config("tiny", (2, 16, 16, 2), 32, 4096, wanted=_wanted((10, 14), (90, 130), (85, 120))),
        Config("digits", (64, 64, 10), 32, 1792, wanted=_wanted((5, 6.5), (28, 35), (27, 33))),
        Config(
            "mnist_s", (784, 128, 10), 32, 20_000, wanted=_wanted((2.5, 3.5), (6, 8), (11.5, 15))
        ),
        Config(
            "mnist_m",
            (784, 512, 512, 10),
            128,
            19_968,
            wanted=_wanted((1.4, 1.7), (1.7, 2.0), (4.8, 6)),
            wanted_bfloat16={"jax": (4, 4), "torch": (5, 5)},
        ),
        Config(
            "wide",
            (1024, 1024, 1024, 1024, 10),
            256,
            8192,
            wanted=_wanted((1.0, 1.2), (1.1, 1.4), (2.8, 3.5)),
            wanted_bfloat16={"jax": (4.5, 4.5), "torch": (2.5, 2.5)},
        ),
        Config(
            "simple",
            (4, 32, 16, 4),
            10_000,
            10_000,
            "tanh",
            False,
            _wanted((4, 8), (8, 15), (8, 15)),
        ),
    )
}
QUICK = {
    "tiny": Config("tiny", (2, 16, 16, 2), 32, 256),
    "digits": Config("digits", (64, 64, 10), 32, 256),
    "simple": Config("simple", (4, 32, 16, 4), 500, 500, "tanh", False),
}


def configs(quick: bool) -> Mapping[str, Config]:
    """The configurations, or small ones of the same names."""
    return QUICK if quick else CONFIGS
