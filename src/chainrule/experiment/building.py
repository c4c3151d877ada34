"""The network an experiment trains."""

from __future__ import annotations

from dataclasses import fields, replace

from chainrule import activations, engines, layers, losses, optimizers, regularizers, schedules
from chainrule.data import Target
from chainrule.engines.program import PRECISIONS
from chainrule.errors import UnknownNameError, UsageError, unknown_name
from chainrule.experiment.settings import Settings
from chainrule.losses import Loss
from chainrule.model import Model, Sequential
from chainrule.optimizers import SGD, Optimizer

NAMED = {"momentum": SGD(momentum=0.9), "nesterov": SGD(momentum=0.9, nesterov=True)}
"""Optimizers that are another one with usual settings."""

_FOR_CLASSES = (
    losses.BinaryCrossentropy,
    losses.CategoricalCrossentropy,
    losses.SparseCategoricalCrossentropy,
    losses.KLDivergence,
    losses.Hinge,
    losses.SquaredHinge,
)
_FOR_ONE_CLASS = (
    losses.CategoricalCrossentropy,
    losses.SparseCategoricalCrossentropy,
    losses.KLDivergence,
)


def check(settings: Settings) -> None:
    """Raise for names that are unknown and settings that do not go together, before data are read."""
    activations.get(settings.activation)
    engines.get(settings.engine)
    if settings.precision not in PRECISIONS:
        raise unknown_name("precision", settings.precision, PRECISIONS)
    if settings.loss != "auto":
        losses.get(settings.loss)
    _optimizer(settings)


def build(settings: Settings, width: int, target: Target) -> Model:
    """Dense layers of the given widths, compiled: softmax, sigmoid or linear outputs as the target asks."""
    loss = _loss(settings, target)
    if settings.class_weight and (target.task == "regression" or target.multilabel):
        raise UsageError(
            f"--class-weight weighs classes, but the target holds {_what(target)}: leave it out."
        )
    penalty = regularizers.L2(settings.l2) if settings.l2 else None
    stack: list[layers.Layer] = []
    for number, units in enumerate(settings.hidden, 1):
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
    stack.append(
        layers.Dense(target.width, activation=outputs, kernel_regularizer=penalty, name="output")
    )
    model = Sequential(stack, seed=settings.seed)
    model.compile(
        optimizer=_optimizer(settings),
        loss=loss,
        metrics=["accuracy"] if target.task == "classification" else ["mean_absolute_error"],
        engine=settings.engine,
        precision=settings.precision,
    )
    model.build((width,))
    return model


def _optimizer(settings: Settings) -> Optimizer:
    name = settings.optimizer
    try:
        chosen = NAMED.get(name) or optimizers.get(name)
    except UnknownNameError:
        raise unknown_name("optimizer", name, [*optimizers.FAMILY.names(), *NAMED]) from None
    if schedules.FAMILY.find(settings.schedule) is schedules.PiecewiseConstant:
        raise UsageError(
            f"--schedule {settings.schedule} needs boundaries and values, which only the library takes."
        )
    schedule = schedules.named(settings.schedule, settings.learning_rate)
    if not chosen.full_batch:
        return replace(chosen, learning_rate=schedule)
    if schedule != schedules.named("constant", Settings.learning_rate):
        raise UsageError(
            f"--optimizer {name} finds its own step lengths: leave out --learning-rate and --schedule."
        )
    return chosen


def _loss(settings: Settings, target: Target) -> Loss:
    if settings.loss != "auto":
        loss = losses.get(settings.loss)
        _check_loss(settings.loss, loss, target)
    elif target.task == "regression":
        loss = losses.MeanSquaredError()
    elif target.multilabel:
        loss = losses.BinaryCrossentropy()
    else:
        loss = losses.SparseCategoricalCrossentropy()
    if not settings.label_smoothing:
        return loss
    if "label_smoothing" not in {field.name for field in fields(loss)}:
        which = "this target" if settings.loss == "auto" else f"--loss {settings.loss}"
        raise UsageError(f"--label-smoothing goes with cross-entropies of classes, not {which}.")
    return replace(loss, label_smoothing=settings.label_smoothing)  # type: ignore[call-arg]


def _check_loss(name: str, loss: Loss, target: Target) -> None:
    """Raise where a loss would learn nonsense from such targets, or nothing."""
    if target.task == "regression":
        if isinstance(loss, _FOR_CLASSES):
            better, why = "mean_squared_error", "is for classes"
        elif isinstance(loss, losses.Poisson):
            better, why = "mean_squared_error", "needs counts as they are"
        else:
            return
    elif target.multilabel and isinstance(loss, _FOR_ONE_CLASS):
        better, why = "binary_crossentropy", "is for one class a row"
    else:
        return
    raise UsageError(
        f"--loss {name} {why}, but the target holds {_what(target)}: "
        f"use {better}, or leave --loss out."
    )


def _what(target: Target) -> str:
    if target.task == "regression":
        return "quantities, which are standardised"
    return "several labels a row"
