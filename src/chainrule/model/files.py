"""Models from files."""

from __future__ import annotations

import os
from typing import Any

from chainrule import data, storage
from chainrule.errors import ModelFileError
from chainrule.families import decode
from chainrule.layers.network import network_from_config
from chainrule.model.core import Model
from chainrule.model.history import History
from chainrule.model.sequential import Sequential
from chainrule.training.loop import Clock


def load(path: str | os.PathLike[str]) -> Model:
    """The model in a file that `Model.save` wrote: it predicts the same bits.

    The user's own activations, losses, layers … must be registered under the names they were saved by.
    Raises `ModelFileError` where the file is missing, damaged or of another format.
    """
    arrays, document = storage.load(path)
    try:
        return _assembled(arrays, document)
    except (KeyError, TypeError) as error:
        raise ModelFileError(
            f"{path} is damaged: its description lacks or misstates {error}."
        ) from error


def _assembled(arrays: dict[str, Any], document: dict[str, Any]) -> Model:
    network = network_from_config(document["network"])
    model: Model
    if document["kind"] == "Sequential":
        model = Sequential(network.layers, seed=document["seed"], name=document["name"])
    else:
        model = Model(network.inputs, network.outputs, seed=document["seed"], name=document["name"])
    if model.network is None:
        model._set_network(network)
    recipe = {key: decode(value) for key, value in document["recipe"].items()}
    if recipe:
        model.compile(**recipe, engine=document["engine"], precision=document["precision"])
    model.state.precision = document["precision"]
    model.set_weights([arrays[f"weight:{w.parameter.name}"] for w in network.weights])
    if document["preprocessing"] is not None:
        model.preprocessing = data.Preprocessing.from_json(document["preprocessing"])
    if document["target"] is not None:
        model.target = data.Target.from_json(document["target"])
    if document["history"] is not None:
        model.history = History(**document["history"])
    model.clock = Clock(**document["clock"])
    if any(name.startswith("slot:") for name in arrays):
        for slots in model._step().slots.values():
            for parameter in slots.values():
                model.state[parameter] = arrays[f"slot:{parameter.name}"]
    return model
