"""What an estimator's network is made of, as a value that tells whether two estimators can share a plan."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from chainrule.engines.program import Precision
from chainrule.graph import BATCH
from chainrule.layers import Activation, BatchNormalization, Dense, Dropout
from chainrule.layers.base import Layer, Symbol
from chainrule.layers.network import Network, chain
from chainrule.losses import Loss
from chainrule.optimizers import Optimizer

OUTPUT_ACTIVATIONS = {"logistic": "sigmoid", "exp": "exponential"}  # scikit-learn's names of ours


@dataclass(frozen=True)
class Blueprint:
    """A network and, where it is trained, how: all that its graphs depend on."""

    units: tuple[int, ...]  # features, hidden layers, outputs
    activations: tuple[Any, ...]  # of the hidden layers
    out_activation: str
    loss: Loss | None = None
    optimizer: Optimizer | None = None
    alpha: float = 0.0
    weighted: bool = False
    dropout: tuple[float, ...] = ()
    batch_norm: bool = False
    precision: Precision = "float64"

    @property
    def size(self) -> int:
        """The number of weights of the products."""
        return sum(a * b for a, b in pairwise(self.units))

    def layers(self) -> list[Layer]:
        """The layers, without weights."""
        made: list[Layer] = []
        for i, units in enumerate(self.units[1:-1]):
            if self.batch_norm:
                made += [Dense(units), BatchNormalization(), Activation(self.activations[i])]
            else:
                made.append(Dense(units, activation=self.activations[i]))
            if self.dropout and self.dropout[i]:
                made.append(Dropout(self.dropout[i]))
        last = OUTPUT_ACTIVATIONS.get(self.out_activation, self.out_activation)
        return [*made, Dense(self.units[-1], activation=last)]

    def network(self) -> Network:
        """The layers put together."""
        return chain(self.layers(), Symbol((BATCH, self.units[0])))
