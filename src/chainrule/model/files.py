"""Models from files."""

from __future__ import annotations

import os
from typing import Any

from chainrule import data, engines, storage
from chainrule.errors import ModelFileError, UnknownNameError
from chainrule.families import decode
from chainrule.layers.network import network_from_config
from chainrule.model.core import Model
from chainrule.model.history import History
from chainrule.model.sequential import Sequential
from chainrule.training.loop import Clock

KINDS: dict[str, type[Model]] = {kind.kind: kind for kind in (Model, Sequential)}


def load(path: str | os.PathLike[str]) -> Model:
    """The model in a file that `Model.save` wrote: it predicts the same bits.

    The user's own activations, losses, layers … must be registered under the names they were saved by.
    Raises `ModelFileError` where the file is missing, damaged or of another format.
    """
    arrays, document = storage.load(path)
    try:
        return _assembled(arrays, document)
    except UnknownNameError as error:
        raise ModelFileError(
            f"{path} needs something that is not registered. {error} If it is your own, run the code that "
            "registers it before cr.load."
        ) from error
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise ModelFileError(
            f"{path} is damaged: its description lacks or misstates something ({error})."
        ) from error


def _assembled(arrays: dict[str, Any], document: dict[str, Any]) -> Model:
    network = network_from_config(document["network"])
    model = KINDS[document["kind"]].of_network(
        network,
        seed=document["seed"],
        name=document["name"],
        precision=document["precision"],
        weights=[arrays[f"weight:{w.parameter.name}"] for w in network.weights],
    )
    recipe = {key: decode(value) for key, value in document["recipe"].items()}
    if recipe:
        model.compile(**recipe, engine=_engine(document["engine"]), precision=document["precision"])
    if document["preprocessing"] is not None:
        model.preprocessing = data.Preprocessing.from_json(document["preprocessing"])
    if document["target"] is not None:
        model.target = data.Target.from_json(document["target"])
    if document["history"] is not None:
        model.history = History(**document["history"])
    model.clock = Clock(**document["clock"])
    slots = {n.removeprefix("slot:"): a for n, a in arrays.items() if n.startswith("slot:")}
    if slots:
        model.set_slots(slots)
    return model


def _engine(name: str) -> str:
    """The engine the model was trained with, if this machine has it."""
    try:
        engines.get(name)
    except UnknownNameError:
        return "auto"
    return name
