from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule import activations, losses, optimizers, schedules
from chainrule.data import Target
from chainrule.errors import UnknownNameError, UsageError
from chainrule.experiment.building import NAMED, build
from chainrule.experiment.running import run
from chainrule.experiment.settings import Settings
from chainrule.model import Model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
TARGETS: dict[str, np.ndarray[Any, Any]] = {
    "classes": np.where(X[:, 0] > 0.5, "a", np.where(X[:, 1] > 0, "b", "c")),
    "two": np.where(X[:, 0] > 0, "a", "b"),
    "quantity": X @ [1.0, -2.0, 0.5, 0.0],
    "quantities": X[:, :2] * 3 + 1,
    "labels": (X[:, :3] > 0).astype(np.int64),
}
FOR_CLASSES = {
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
    "kl_divergence",
    "hinge",
    "squared_hinge",
}
FOR_ONE_CLASS = {"categorical_crossentropy", "sparse_categorical_crossentropy", "kl_divergence"}


def built(kind: str = "classes", **settings: Any) -> Model:
    target = Target.fit(TARGETS[kind], name="y")
    model = build(Settings("data", **{"hidden": (8,), **settings}), 4, target)
    model.target = target
    return model


def trained(model: Model, kind: str = "classes", epochs: int = 8) -> list[float]:
    return model.fit(X, TARGETS[kind], epochs=epochs, batch_size=10, verbose=0).history["loss"]


def own_names(family: Any) -> list[str]:
    """One name for each brick that is chainrule's own."""
    found: dict[Any, str] = {}
    for name in family.names():
        brick = family.find(name)
        if str(getattr(brick, "__module__", "")).startswith("chainrule."):
            found.setdefault(brick, name)
    return sorted(found.values())


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("name", own_names(losses.FAMILY))
def test_a_loss_either_learns_the_target_or_says_why_not(name: str, kind: str) -> None:
    long = losses.FAMILY.config(losses.get(name))["name"]
    fits = {
        "quantity": long not in FOR_CLASSES | {"poisson"},
        "quantities": long not in FOR_CLASSES | {"poisson"},
        "labels": long not in FOR_ONE_CLASS,
    }.get(kind, True)
    if fits:
        curve = trained(built(kind, loss=name, learning_rate=0.01), kind)
        assert curve[-1] < curve[0]
    else:
        with pytest.raises(UsageError, match=f"^--loss {name} .* but the target holds "):
            built(kind, loss=name)


@pytest.mark.parametrize("name", [*own_names(optimizers.FAMILY), *NAMED])
def test_every_optimizer_learns(name: str) -> None:
    curve = trained(built(optimizer=name), epochs=4)
    assert curve[-1] < curve[0]


def test_momentum_and_nesterov_are_sgd_with_their_usual_settings() -> None:
    assert NAMED["momentum"] == optimizers.SGD(momentum=0.9)
    assert NAMED["nesterov"] == optimizers.SGD(momentum=0.9, nesterov=True)


@pytest.mark.parametrize("name", own_names(activations.FAMILY))
def test_every_activation_is_taken(name: str) -> None:
    assert np.isfinite(trained(built(activation=name), epochs=1)).all()


@pytest.mark.parametrize("name", own_names(schedules.FAMILY))
def test_every_schedule_that_needs_no_more_than_a_rate_is_taken(name: str) -> None:
    if schedules.FAMILY.find(name) is schedules.PiecewiseConstant:
        with pytest.raises(UsageError, match=f"--schedule {name} needs boundaries and values"):
            built(schedule=name)
    else:
        assert np.isfinite(trained(built(schedule=name), epochs=2)).all()


def test_a_schedule_changes_the_learning_rate() -> None:
    model = built(schedule="cosine", learning_rate=0.1)
    model.fit(X, TARGETS["classes"], epochs=5, verbose=0)
    assert model.history is not None
    rates = model.history.history["learning_rate"]
    assert rates[0] > 2 * rates[-1] > 0


@pytest.mark.parametrize("given", [{"learning_rate": 0.1}, {"schedule": "cosine"}])
def test_lbfgs_takes_neither_rate_nor_schedule(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--optimizer lbfgs finds its own step lengths"):
        built(optimizer="lbfgs", **given)


@pytest.mark.parametrize("kind", ["classes", "labels"])
def test_label_smoothing_raises_the_least_loss_there_can_be(kind: str) -> None:
    plain, smooth = built(kind), built(kind, label_smoothing=0.2)
    smooth.set_weights(plain.get_weights())
    for model in (plain, smooth):
        sure = [w * 0 for w in model.get_weights()[:-1]]
        model.set_weights([*sure, np.array([9.0, -9.0, -9.0], np.float32)])
    first = TARGETS[kind][:1].copy()
    if kind == "classes":
        first[:] = "a"
    else:
        first[:] = [1, 0, 0]
    assert plain.evaluate(X[:1], first)["loss"] < 0.01
    assert smooth.evaluate(X[:1], first)["loss"] > 0.5


@pytest.mark.parametrize(
    ("kind", "loss"), [("quantity", "auto"), ("classes", "mse"), ("classes", "hinge")]
)
def test_label_smoothing_is_refused_where_it_means_nothing(kind: str, loss: str) -> None:
    with pytest.raises(UsageError, match="--label-smoothing goes with cross-entropies"):
        built(kind, loss=loss, label_smoothing=0.1)


@pytest.mark.parametrize("kind", ["quantity", "labels"])
def test_class_weights_are_refused_where_there_are_no_classes(kind: str) -> None:
    with pytest.raises(UsageError, match="--class-weight weighs classes"):
        built(kind, class_weight="balanced")


def test_without_hidden_layers_the_model_is_linear() -> None:
    model = built("quantity", hidden=())
    assert [w.shape for w in model.get_weights()] == [(4, 1), (1,)]


def test_batch_normalisation_takes_the_place_of_the_bias_before_the_activation() -> None:
    model = built(batch_norm=True, dropout=0.1, hidden=(8, 6))
    assert [type(layer).__name__ for layer in model.layers] == [
        *2 * ["Dense", "BatchNormalization", "Activation", "Dropout"],
        "Dense",
    ]
    assert [len(layer.weights) for layer in model.layers if hasattr(layer, "units")] == [1, 1, 2]


def test_the_l2_penalty_is_part_of_the_loss() -> None:
    plain, penalised = built(), built(l2=0.1)
    penalised.set_weights(plain.get_weights())
    kernels = plain.get_weights()[::2]
    penalty = 0.1 * sum(float(np.sum(k.astype(np.float64) ** 2)) for k in kernels)
    y = TARGETS["classes"]
    difference = penalised.evaluate(X, y)["loss"] - plain.evaluate(X, y)["loss"]
    assert difference == pytest.approx(penalty, rel=1e-4)


@pytest.mark.parametrize(
    ("setting", "given", "meant"),
    [
        ("activation", "reluu", "relu"),
        ("optimizer", "adamm", "adam"),
        ("optimizer", "momentun", "momentum"),
        ("loss", "hubber", "huber"),
        ("schedule", "cosin", "cosine"),
        ("precision", "float23", "float32"),
        ("engine", "referense", "reference"),
    ],
)
def test_an_unknown_name_is_told_before_any_data_are_read(
    setting: str, given: str, meant: str
) -> None:
    with pytest.raises(
        UnknownNameError, match=f"Unknown {setting} '{given}': did you mean '{meant}'"
    ):
        run(Settings("no-such-file.csv", **{setting: given}))
