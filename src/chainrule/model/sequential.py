"""Layers one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from chainrule.errors import UsageError
from chainrule.graph import Shape
from chainrule.layers.base import Layer, Symbol
from chainrule.layers.network import Network, chain
from chainrule.model.core import Model, with_batch


class Sequential(Model):
    """Layers one after another; the weights are made when the shape of the first input is known."""

    def __init__(
        self, layers: Sequence[Layer | Symbol] = (), *, seed: int = 0, name: str | None = None
    ) -> None:
        self._prepare(seed, name)
        self._stack: list[Layer] = []
        self._shape: Shape | None = None
        for layer in layers:
            self.add(layer)

    @property
    def layers(self) -> list[Layer]:
        """The layers in order."""
        return self._stack

    def add(self, layer: Layer | Symbol) -> Self:
        """Put a layer at the end (or `cr.Input(shape)` at the beginning)."""
        if self.network is not None:
            raise UsageError("The model is built: layers can only be added before its first use.")
        if isinstance(layer, Symbol):
            if self._stack or layer.layer is not None:
                raise UsageError("cr.Input(…) may only be the first item of Sequential.")
            self._shape = layer.shape
        elif isinstance(layer, Layer):
            self._stack.append(layer)
        else:
            raise UsageError(f"Sequential takes layers such as cr.layers.Dense(10), not {layer!r}.")
        return self

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of this shape (one example's; a leading None is the batch axis)."""
        if self.network is not None:
            super().build(input_shape)
            return
        if not self._stack:
            raise UsageError("Sequential has no layers: model.add(cr.layers.Dense(10)).")
        self._set_network(chain(self._stack, with_batch(input_shape)))

    def _built(self) -> Network:
        if self.network is None and self._shape is not None and self._stack:
            self._set_network(chain(self._stack, self._shape))
        return super()._built()
