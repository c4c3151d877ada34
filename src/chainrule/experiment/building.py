"""The network an experiment trains."""

from __future__ import annotations

from dataclasses import replace

from chainrule import layers, losses, optimizers, regularizers, schedules
from chainrule.data import Target
from chainrule.experiment.settings import Settings
from chainrule.losses import Loss
from chainrule.model import Model, Sequential


def build(settings: Settings, width: int, target: Target) -> Model:
    """Dense layers of the given widths, compiled: softmax, sigmoid or linear outputs as the target asks."""
    stack: list[layers.Layer] = []
    for number, units in enumerate(settings.hidden, 1):
        penalty = regularizers.L2(settings.l2) if settings.l2 else None
        # batch normalisation goes between the product and the activation, whose shift replaces the bias
        inside = None if settings.batch_norm else settings.activation
        stack.append(
            layers.Dense(
                units,
                activation=inside,
                use_bias=not settings.batch_norm,
                kernel_regularizer=penalty,
                name=f"hidden_{number}",
            )
        )
        if settings.batch_norm:
            stack += [layers.BatchNormalization(), layers.Activation(settings.activation)]
        if settings.dropout:
            stack.append(layers.Dropout(settings.dropout))
    outputs = "linear"
    if target.task == "classification":
        outputs = "sigmoid" if target.multilabel else "softmax"
    penalty = regularizers.L2(settings.l2) if settings.l2 else None
    stack.append(
        layers.Dense(target.width, activation=outputs, kernel_regularizer=penalty, name="output")
    )
    model = Sequential(stack, seed=settings.seed)
    rate = schedules.named(settings.schedule, settings.learning_rate)
    model.compile(
        optimizer=replace(optimizers.get(settings.optimizer), learning_rate=rate),
        loss=_loss(settings, target),
        metrics=["accuracy"] if target.task == "classification" else ["mean_absolute_error"],
        engine=settings.engine,
        precision=settings.precision,
    )
    model.build((width,))
    return model


def _loss(settings: Settings, target: Target) -> Loss:
    smoothing = settings.label_smoothing
    if settings.loss != "auto":
        return losses.get(settings.loss)
    if target.task == "regression":
        return losses.MeanSquaredError()
    if target.multilabel:
        return losses.BinaryCrossentropy(label_smoothing=smoothing)
    return losses.SparseCategoricalCrossentropy(label_smoothing=smoothing)
