"""Layers one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from chainrule.errors import ChainruleError, UsageError
from chainrule.layers.base import Layer, Symbol
from chainrule.layers.network import Network, chain
from chainrule.model.core import Model
from chainrule.model.weights import with_batch


class Sequential(Model):
    """Layers one after another; the weights are made when the shape of the first input is known.

    That is at the first `fit`, by `build(shape of one example)`, or where the first item is
    `cr.Input(shape)`.
    """

    kind: ClassVar[str] = "Sequential"

    def __init__(
        self, layers: Sequence[Layer | Symbol] = (), *, seed: int = 0, name: str | None = None
    ) -> None:
        self._prepare(seed, name)
        for layer in layers:
            self.add(layer)

    def _prepare(self, seed: int, name: str | None) -> None:
        super()._prepare(seed, name)
        self._stack: list[Layer] = []
        self._input: Symbol | None = None

    @property
    def layers(self) -> list[Layer]:
        """The layers in order."""
        return self._stack

    def add(self, layer: Layer | Symbol) -> Self:
        """Put a layer at the end (or `cr.Input(shape)` at the beginning)."""
        if self.network is not None:
            raise UsageError("The model is built: layers can only be added before its first use.")
        if isinstance(layer, Symbol):
            if self._stack or layer.layer is not None or self._input is not None:
                raise UsageError("cr.Input(…) may only be the first item of Sequential.")
            self._input = layer
        elif isinstance(layer, Layer):
            self._stack.append(layer)
        else:
            raise UsageError(f"Sequential takes layers such as cr.layers.Dense(10), not {layer!r}.")
        return self

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of this shape (one example's; a leading None is the batch axis)."""
        if self.network is not None or self._input is not None:
            super().build(input_shape)
        else:
            first = self._stack[0].takes if self._stack else "float"
            self._chain(Symbol(with_batch(input_shape), kind=first))

    def _built(self) -> Network:
        if self.network is None and self._input is not None:
            self._chain(self._input)
        return super()._built()

    def _chain(self, first: Symbol) -> None:
        if not self._stack:
            raise UsageError("Sequential has no layers: model.add(cr.layers.Dense(10)).")
        try:
            self._set_network(chain(self._stack, first))
        except ChainruleError:
            for layer in self._stack:  # another shape may be right
                layer.forget()
            raise

    def _set_network(self, network: Network, weights: Sequence[Any] | None = None) -> None:
        super()._set_network(network, weights)
        self._stack = [s.layer for s in network.symbols if s.layer is not None]
