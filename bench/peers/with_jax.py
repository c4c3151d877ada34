"""JAX and optax on the CPU: a jitted step, or a whole epoch in one `lax.scan`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from configs import Config

from peers.clock import now


def versions() -> dict[str, str]:
    """Versions of what is timed."""
    return {"jax": jax.__version__, "optax": optax.__version__}


class Session:
    """Parameters and Adam's state are donated, so that they can be written in place."""

    def __init__(self, config: Config, x: Any, y: Any, options: Mapping[str, Any]) -> None:
        self.config, self.options = config, options
        self.x, self.y = x, np.asarray(y, np.int32 if config.classes else np.float32)
        self.on_device = jnp.asarray(self.x), jnp.asarray(self.y)
        self.optimizer = optax.adam(1e-3)
        self.draw = np.random.default_rng(1)
        self.run = self._compiled()

    def _first(self) -> Any:
        widths = self.config.widths
        draw = np.random.default_rng(0)
        net = [
            (
                jnp.asarray(draw.normal(size=(a, b)) * np.sqrt(2 / a), jnp.float32),
                jnp.zeros(b, jnp.float32),
            )
            for a, b in pairwise(widths)
        ]
        return net, self.optimizer.init(net)

    def _outputs(self, net: Any, x: Any) -> Any:
        act = jax.nn.relu if self.config.activation == "relu" else jnp.tanh
        for weights, bias in net[:-1]:
            x = act(x @ weights + bias)
        weights, bias = net[-1]
        return x @ weights + bias

    def _loss(self, net: Any, x: Any, y: Any) -> Any:
        out = self._outputs(net, x)
        if self.config.classes:
            return optax.softmax_cross_entropy_with_integer_labels(out, y).mean()
        return jnp.mean((out - y) ** 2)

    def _compiled(self) -> Any:
        def step(carry: Any, x: Any, y: Any) -> tuple[Any, Any]:
            net, state = carry
            loss, gradient = jax.value_and_grad(self._loss)(net, x, y)
            updates, state = self.optimizer.update(gradient, state)
            return (optax.apply_updates(net, updates), state), loss

        def epoch(carry: Any, order: Any, x: Any, y: Any) -> tuple[Any, Any]:
            return jax.lax.scan(lambda c, chosen: step(c, x[chosen], y[chosen]), carry, order)

        return jax.jit(epoch if self.options["scan"] else step, donate_argnums=0)

    def _train(self, run: Any, carry: Any, epochs: int) -> Any:
        """Train, and the network at the end."""
        batch, steps = self.config.batch, self.config.steps
        for _ in range(epochs):
            order = self.draw.permutation(self.config.rows).astype(np.int32).reshape(steps, batch)
            if self.options["scan"]:
                carry, loss = run(carry, order, *self.on_device)
            else:
                for chosen in order:
                    carry, loss = run(carry, self.x[chosen], self.y[chosen])
            loss.block_until_ready()
        return carry[0]

    def epochs(self, n: int) -> Any:
        """The time of n epochs."""
        self._train(self.run, self._first(), 1)  # compiles, the first time
        carry = jax.block_until_ready(self._first())
        begun = now()
        self._train(self.run, carry, n)
        return now() - begun

    def whole(self, n: int) -> Any:
        """The time from nothing to a network trained for n epochs, compilation among them."""
        jax.clear_caches()
        begun = now()
        self.trained = self._train(self._compiled(), self._first(), n)
        return now() - begun

    def classes(self, x: Any) -> Any:
        """The classes that the network of the last `whole` predicts."""
        return np.asarray(self._outputs(self.trained, x).argmax(1))


session = Session
