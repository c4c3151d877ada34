"""What `compile` was told, as a recipe for one network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chainrule import losses, measures, optimizers
from chainrule.errors import UsageError, unknown_name
from chainrule.losses import BinaryCrossentropy, Hinge, Loss
from chainrule.measures import Measure
from chainrule.training.arrays import per_place
from chainrule.training.step import Recipe


def settings(optimizer: Any, loss: Any, metrics: Any, loss_weights: Any) -> dict[str, Any]:
    """Names as objects; lists and dicts stay lists and dicts, since the outputs may not be known yet."""
    if loss is None:
        raise UsageError(
            "compile needs a loss, e.g. loss='sparse_categorical_crossentropy' or loss='mse'."
        )
    return {
        "optimizer": optimizers.get(optimizer),
        "loss": _each(loss, losses.get),
        "metrics": _each(metrics, lambda m: _each(m, measures.get)),
        "loss_weights": loss_weights,
    }


def recipe(given: Mapping[str, Any], names: Sequence[str]) -> Recipe:
    """The recipe for a network whose outputs have these names; a single loss is every output's."""
    loss, weights = given["loss"], given["loss_weights"]
    each: list[Loss] = (
        [loss] * len(names) if isinstance(loss, Loss) else per_place(loss, names, "output")
    )
    shares = [1.0] * len(names) if weights is None else per_place(weights, names, "output")
    metrics = _metrics(given["metrics"], names)
    return Recipe(
        given["optimizer"],
        tuple(each),
        tuple(_suited(m, k) for m, k in zip(metrics, each, strict=True)),
        tuple(map(float, shares)),
    )


def middle(loss: Loss | None) -> float:
    """The output above which a yes begins: logits and scores lie about 0, probabilities about ½."""
    return 0.0 if getattr(loss, "from_logits", False) or isinstance(loss, Hinge) else 0.5


def _each(given: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(given, Mapping) and "family" not in given:
        return {k: function(v) for k, v in given.items()}
    if isinstance(given, (list, tuple)):
        return [function(v) for v in given]
    return function(given)


def _metrics(given: Any, names: Sequence[str]) -> list[list[Measure]]:
    """The metrics of each output: a flat list goes to every output."""
    if isinstance(given, Mapping):
        for name in given:
            if name not in names:
                raise unknown_name("output in metrics", name, names)
        return [_flat(given.get(n, [])) for n in names]
    listed = _flat(given)
    if listed and all(isinstance(m, list) for m in listed):
        return [_flat(m) for m in per_place(listed, names, "output")]
    return [listed for _ in names]


def _flat(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list) else [given]


def _suited(metrics: Sequence[Measure], loss: Loss) -> tuple[tuple[str, Measure], ...]:
    """Metrics by name, as they are for the outputs that go with this loss."""
    separate = isinstance(loss, BinaryCrossentropy)
    return tuple(
        (measures.name_of(m), m.suited(middle=middle(loss), separate=separate)) for m in metrics
    )
