"""PyTorch on the CPU: eager or compiled, Adam plain or fused, float32 or bfloat16 autocast."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from configs import Config
from torch import nn

from peers.clock import now

SMALL = 8 << 20  # bytes of data that are faster shuffled at once than batch by batch


def versions() -> dict[str, str]:
    """Versions of what is timed."""
    return {"torch": torch.__version__}


class Session:
    """The usual loop: shuffle, slice, forward, backward, step."""

    def __init__(self, config: Config, x: Any, y: Any, options: Mapping[str, Any]) -> None:
        if options.get("threads"):
            torch.set_num_threads(options["threads"])
        self.config, self.options = config, options
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(np.asarray(y))
        self.criterion = nn.CrossEntropyLoss() if config.classes else nn.MSELoss()
        self.net, self.loss = self._network()
        self.first = {name: value.clone() for name, value in self.net.state_dict().items()}

    def _network(self) -> tuple[nn.Module, Callable[[Any, Any], Any]]:
        torch.manual_seed(0)
        widths = self.config.widths
        act = nn.ReLU if self.config.activation == "relu" else nn.Tanh
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            layers += [nn.Linear(a, b), act()]
        net = nn.Sequential(*layers[:-1])

        def loss(x: Any, y: Any) -> Any:
            if self.options.get("autocast"):
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    return self.criterion(net(x), y)
            return self.criterion(net(x), y)

        return net, torch.compile(loss) if self.options.get("compiled") else loss

    def _optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        fused = True if self.options.get("fused") else None
        return torch.optim.Adam(net.parameters(), lr=1e-3, fused=fused)

    def _batches(self) -> Iterator[tuple[Any, Any]]:
        order = torch.randperm(self.config.rows)
        batch = self.config.batch
        if self.x.nbytes < SMALL:
            yield from zip(self.x[order].split(batch), self.y[order].split(batch), strict=True)
        else:
            for chosen in order.split(batch):
                yield self.x[chosen], self.y[chosen]

    def _train(self, loss: Callable[[Any, Any], Any], optimizer: Any, epochs: int) -> None:
        for _ in range(epochs):
            for x, y in self._batches():
                optimizer.zero_grad(set_to_none=True)
                value = loss(x, y)
                value.backward()
                optimizer.step()
            value.item()

    def epochs(self, n: int) -> Any:
        """The time of n epochs."""
        self.net.load_state_dict(self.first)
        optimizer = self._optimizer(self.net)
        self.loss(self.x[: self.config.batch], self.y[: self.config.batch]).backward()
        optimizer.step()  # makes Adam's state
        begun = now()
        self._train(self.loss, optimizer, n)
        return now() - begun

    def whole(self, n: int) -> Any:
        """The time from nothing to a network trained for n epochs."""
        torch._dynamo.reset()
        begun = now()
        self.trained, loss = self._network()
        self._train(loss, self._optimizer(self.trained), n)
        return now() - begun

    def classes(self, x: Any) -> Any:
        """The classes that the network of the last `whole` predicts."""
        with torch.no_grad():
            return self.trained(torch.from_numpy(x)).argmax(1).numpy()


session = Session
