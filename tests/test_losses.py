"""Losses: values by hand, values and slopes against PyTorch, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import losses
from chainrule.backprop import gradients
from chainrule.engines.program import Precision
from chainrule.engines.reference import evaluate
from chainrule.errors import DataError, ShapeError, UnknownNameError, UsageError
from chainrule.graph import BATCH, Input, Kind, Value, topological_order
from chainrule.ops.activation import Sigmoid, sigmoid, softmax
from chainrule.ops.elementary import exp, square
from chainrule.ops.shapes import sum as sum_over

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(7)


def run(
    loss: Any,
    targets: Any,
    predictions: Any,
    activation: Callable[[Value], Value] = lambda z: z,
    precision: Precision = "float64",
) -> tuple[Array, Array]:
    """The loss of each example, and the slope of their sum for what goes into the activation."""
    t, z = np.asarray(targets), np.asarray(predictions, dtype=float)
    z_in = Input((BATCH, *z.shape[1:]), name="predictions")
    t_in = Input((BATCH, *t.shape[1:]), "int" if t.dtype.kind == "i" else "float", "targets")
    each = losses.get(loss)(t_in, activation(z_in))
    assert each.shape == (BATCH,)
    (slope,) = gradients(sum_over(each), [z_in])
    assert slope is not None
    found = evaluate({"each": each, "slope": slope}, {t_in: t, z_in: z}, precision)
    return found["each"], found["slope"]


# --- by hand ----------------------------------------------------------------------------------------


def test_the_distance_of_the_lecture_is_0_686() -> None:
    (each,), slope = run("euclidean", [[0.0, 0.0, 1.0]], [[0.48, 0.01, 0.51]])
    assert each == pytest.approx(math.sqrt(0.48**2 + 0.01**2 + 0.49**2))
    assert round(each, 3) == 0.686
    np.testing.assert_allclose(slope, np.array([[0.48, 0.01, -0.49]]) / each)


def test_the_distance_has_slope_zero_where_target_and_prediction_are_equal() -> None:
    each, slope = run("euclidean", [[1.0, 2.0], [0.0, 3.0]], [[1.0, 2.0], [0.0, 0.0]])
    assert each.tolist() == [0.0, 3.0]
    assert slope.tolist() == [[0.0, 0.0], [0.0, -1.0]]


def test_half_squared_error_is_summed_over_outputs_and_has_the_error_as_slope() -> None:
    each, slope = run("half_squared_error", [[1.0, 0.0], [2.0, 2.0]], [[0.5, 1.0], [2.0, 5.0]])
    assert each.tolist() == [0.625, 4.5]
    assert slope.tolist() == [[-0.5, 1.0], [0.0, 3.0]]


def test_mean_squared_and_absolute_error_are_means_over_outputs() -> None:
    targets, predictions = [[1.0, 0.0], [2.0, 2.0]], [[0.5, 1.0], [2.0, 5.0]]
    assert run("mse", targets, predictions)[0].tolist() == [0.625, 4.5]
    assert run("mae", targets, predictions)[0].tolist() == [0.75, 1.5]


def test_predictions_of_several_axes_and_of_none_are_averaged_to_one_number_a_row() -> None:
    p = RNG.normal(size=(4, 2, 3))
    np.testing.assert_allclose(run("mse", 0 * p, p)[0], (p**2).mean((1, 2)))
    np.testing.assert_allclose(run("euclidean", 0 * p, p)[0], np.sqrt((p**2).sum((1, 2))))
    np.testing.assert_allclose(run("mae", np.zeros(4), p[:, 0, 0])[0], np.abs(p[:, 0, 0]))


def test_hinge_takes_targets_of_minus_one_or_zero_alike() -> None:
    signs, predictions = np.array([[1.0], [-1.0], [-1.0]]), [[0.25], [0.25], [-3.0]]
    assert run("hinge", signs, predictions)[0].tolist() == [0.75, 1.25, 0.0]
    each, slope = run("hinge", (signs + 1) / 2, predictions)
    assert each.tolist() == [0.75, 1.25, 0.0]
    assert slope.tolist() == [[-1.0], [1.0], [0.0]]
    assert run("squared_hinge", signs, predictions)[0].tolist() == [0.5625, 1.5625, 0.0]


def test_poisson_of_an_exponential_is_computed_from_what_is_below_it() -> None:
    targets, z = [[2.0], [0.0]], [[0.5], [-800.0]]
    each, slope = run("poisson", targets, z, exp)
    np.testing.assert_allclose(each, [math.exp(0.5) - 1.0, 0.0])
    np.testing.assert_allclose(slope, [[math.exp(0.5) - 2.0], [0.0]])
    np.testing.assert_allclose(run("poisson", targets[:1], np.exp(z[:1]))[0], each[:1])


def test_a_prediction_of_zero_events_does_not_break_poisson() -> None:
    each, slope = run("poisson", [[1.0]], [[0.0]])
    assert each == pytest.approx(-math.log(1e-7))
    assert np.isfinite(slope).all()


def test_divergence_from_itself_is_zero() -> None:
    t = np.array([[0.0, 0.25, 0.75], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(run("kld", t, t)[0], 0, atol=2e-7)
    z = np.log(np.array([[1.0, 2.0, 3.0]]))
    (each,), slope = run("kld", z[:, ::-1] * 0 + 1 / 3, z, softmax)
    assert each == pytest.approx(sum(math.log((1 / 3) / (k / 6)) / 3 for k in (1, 2, 3)))
    np.testing.assert_allclose(slope, [[1 / 6 - 1 / 3, 0, 3 / 6 - 1 / 3]], atol=1e-15)


# --- against PyTorch --------------------------------------------------------------------------------

N, K = 6, 4
REAL = RNG.normal(size=(N, K)), 1.5 * RNG.normal(size=(N, K))
SHARES = RNG.dirichlet(np.ones(K), size=N)
LABELS = RNG.integers(0, K, size=N)
ONE_HOT = np.eye(K)[LABELS]
YES_NO = RNG.integers(0, 2, size=(N, K)).astype(float)
LOGITS = 2 * RNG.normal(size=(N, K))


def torch_case(name: str) -> tuple[Any, Any, Any, Any, Callable[[Any, Any], Any]]:
    """Our loss, activation, targets, inputs; and PyTorch's loss of inputs and targets."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")
    f = torch.nn.functional

    def none(z: Value) -> Value:
        return z

    return {
        "mse": ("mse", none, *REAL, lambda p, t: f.mse_loss(p, t, reduction="none").mean(1)),
        "mae": ("mae", none, *REAL, lambda p, t: f.l1_loss(p, t, reduction="none").mean(1)),
        "half": (
            "half_squared_error",
            none,
            *REAL,
            lambda p, t: f.mse_loss(p, t, reduction="none").sum(1) / 2,
        ),
        "euclidean": (
            "euclidean",
            none,
            *REAL,
            lambda p, t: torch.linalg.vector_norm(t - p, dim=1),
        ),
        "huber": (
            losses.Huber(0.7),
            none,
            *REAL,
            lambda p, t: f.huber_loss(p, t, reduction="none", delta=0.7).mean(1),
        ),
        "poisson of logits": (
            "poisson",
            exp,
            np.abs(REAL[0]),
            REAL[1],
            lambda z, t: f.poisson_nll_loss(z, t, reduction="none").mean(1),
        ),
        "binary": (
            "binary_crossentropy",
            sigmoid,
            YES_NO,
            LOGITS,
            lambda z, t: f.binary_cross_entropy_with_logits(z, t, reduction="none").mean(1),
        ),
        "binary from logits": (
            losses.BinaryCrossentropy(from_logits=True),
            none,
            YES_NO,
            LOGITS,
            lambda z, t: f.binary_cross_entropy_with_logits(z, t, reduction="none").mean(1),
        ),
        "binary of probabilities": (
            "binary_crossentropy",
            none,
            YES_NO,
            RNG.uniform(0.01, 0.99, size=(N, K)),
            lambda p, t: f.binary_cross_entropy(p, t, reduction="none").mean(1),
        ),
        "categorical": (
            "categorical_crossentropy",
            softmax,
            SHARES,
            LOGITS,
            lambda z, t: f.cross_entropy(z, t, reduction="none"),
        ),
        "categorical, smoothed": (
            losses.CategoricalCrossentropy(label_smoothing=0.1),
            softmax,
            ONE_HOT,
            LOGITS,
            lambda z, t: f.cross_entropy(z, t, reduction="none", label_smoothing=0.1),
        ),
        "categorical of probabilities": (
            losses.CategoricalCrossentropy(label_smoothing=0.2),
            none,
            ONE_HOT,
            RNG.dirichlet(np.ones(K), size=N),
            lambda p, t: -((t * 0.8 + 0.2 / K) * p.log()).sum(1),
        ),
        "sparse": (
            "sparse_categorical_crossentropy",
            softmax,
            LABELS,
            LOGITS,
            lambda z, t: f.cross_entropy(z, t, reduction="none"),
        ),
        "sparse from logits, smoothed": (
            losses.SparseCategoricalCrossentropy(from_logits=True, label_smoothing=0.3),
            none,
            LABELS,
            LOGITS,
            lambda z, t: f.cross_entropy(z, t, reduction="none", label_smoothing=0.3),
        ),
        "sparse of probabilities": (
            "sparse_categorical_crossentropy",
            none,
            LABELS,
            RNG.dirichlet(np.ones(K), size=N),
            lambda p, t: f.nll_loss(p.log(), t, reduction="none"),
        ),
        "kl divergence": (
            "kl_divergence",
            softmax,
            SHARES,
            LOGITS,
            lambda z, t: f.kl_div(f.log_softmax(z, 1), t, reduction="none").sum(1),
        ),
        "kl divergence of probabilities": (
            "kl_divergence",
            none,
            ONE_HOT,
            RNG.dirichlet(np.ones(K), size=N),
            lambda p, t: f.kl_div(p.log(), t, reduction="none").sum(1),
        ),
        "hinge": (
            "hinge",
            none,
            2 * YES_NO - 1,
            LOGITS,
            lambda z, t: torch.clamp(1 - t * z, min=0).mean(1),
        ),
        "log cosh": (
            "log_cosh",
            none,
            *REAL,
            lambda p, t: torch.log(torch.cosh(p - t)).mean(1),
        ),
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        *("mse", "mae", "half", "euclidean", "huber", "poisson of logits"),
        *("binary", "binary from logits", "binary of probabilities"),
        *("categorical", "categorical, smoothed", "categorical of probabilities"),
        *("sparse", "sparse from logits, smoothed", "sparse of probabilities"),
        *("kl divergence", "kl divergence of probabilities", "hinge", "log cosh"),
    ],
)
def test_value_and_slope_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")
    loss, activation, targets, inputs, of_torch = torch_case(name)
    each, slope = run(loss, targets, inputs, activation)
    z = torch.tensor(inputs, requires_grad=True)
    expected = of_torch(z, torch.tensor(targets))
    expected.sum().backward()
    np.testing.assert_allclose(each, expected.detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(slope, z.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_binary_label_smoothing_is_that_of_optax() -> None:
    jax = pytest.importorskip("jax", reason="jax and optax are the oracle here")
    optax = pytest.importorskip("optax", reason="jax and optax are the oracle here")
    each, _ = run(losses.BinaryCrossentropy(label_smoothing=0.2), YES_NO, LOGITS, sigmoid)
    with jax.enable_x64(True):
        smooth = optax.smooth_labels(jax.numpy.stack([1 - YES_NO, YES_NO], -1), 0.2)[..., 1]
        expected = optax.sigmoid_binary_cross_entropy(jax.numpy.asarray(LOGITS), smooth).mean(1)
    np.testing.assert_allclose(each, np.asarray(expected), rtol=1e-9)


# --- cross-entropies on logits ----------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(
    ("loss", "activation", "targets"),
    [
        ("binary_crossentropy", sigmoid, np.array([[1.0, 0.0], [0.0, 1.0]])),
        ("categorical_crossentropy", softmax, np.array([[1.0, 0.0], [0.0, 1.0]])),
        ("sparse_categorical_crossentropy", softmax, np.array([0, 1])),
        ("kl_divergence", softmax, np.array([[1.0, 0.0], [0.0, 1.0]])),
    ],
)
def test_an_activation_below_a_cross_entropy_is_never_computed(
    loss: str, activation: Callable[[Value], Value], targets: Array, precision: Precision
) -> None:
    z = np.array([[-400.0, 400.0], [400.0, -400.0]])
    each, slope = run(loss, targets, z, activation, precision)
    assert each.tolist() == [400.0 if loss == "binary_crossentropy" else 800.0] * 2
    assert np.abs(slope).max() in (0.5, 1.0)
    kind: Kind = "int" if targets.dtype.kind == "i" else "float"
    value = losses.get(loss)(
        Input((BATCH, *targets.shape[1:]), kind), activation(Input((BATCH, 2)))
    )
    names = {v.op.name for v in topological_order([value]) if v.op is not None}
    assert not names & {"softmax", "sigmoid"}


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["binary_crossentropy", "categorical_crossentropy", "kld"])
def test_probabilities_of_zero_and_one_give_finite_losses(loss: str, precision: Precision) -> None:
    certain = [[0.0, 1.0], [1.0, 0.0]]
    wrong, slope = run(loss, [[1.0, 0.0], [0.0, 1.0]], certain, precision=precision)
    np.testing.assert_allclose(wrong, -math.log(1e-7), rtol=0.02)
    assert np.isfinite(slope).all()
    right, _ = run(loss, certain, certain, precision=precision)
    assert (right >= 0).all()
    assert (right < 1e-6).all()


def test_logits_that_went_through_softmax_are_refused() -> None:
    with pytest.raises(UsageError, match="output of a softmax: leave out one of the two"):
        run(losses.CategoricalCrossentropy(from_logits=True), ONE_HOT, LOGITS, softmax)


def test_smoothing_of_one_makes_all_classes_alike() -> None:
    (each,), _ = run(losses.CategoricalCrossentropy(label_smoothing=1), [[0.0, 1.0]], [[0.5, 0.5]])
    assert each == pytest.approx(math.log(2))


# --- what is refused --------------------------------------------------------------------------------


def shaped(loss: Any, targets: tuple[Any, ...], predictions: tuple[Any, ...]) -> Value:
    return losses.get(loss)(Input(targets), Input(predictions))


@pytest.mark.parametrize("loss", ["mse", "huber", "hinge", "bce", lambda t, p: square(t - p)])
def test_targets_never_broadcast_against_predictions(loss: Any) -> None:
    with pytest.raises(
        ShapeError, match=r"\(batch,\) against .* \(batch, 1\): reshape the targets"
    ):
        shaped(loss, (BATCH,), (BATCH, 1))
    with pytest.raises(
        ShapeError, match=r"\(batch, 1\) .* \(batch, 3\): does the last layer need 1"
    ):
        shaped(loss, (BATCH, 1), (BATCH, 3))


def test_class_numbers_and_one_hot_rows_are_told_apart() -> None:
    with pytest.raises(ShapeError, match="for class numbers use sparse_categorical_crossentropy"):
        shaped("categorical_crossentropy", (BATCH,), (BATCH, 3))
    with pytest.raises(ShapeError, match="for one-hot rows use categorical_crossentropy"):
        shaped("sparse_categorical_crossentropy", (BATCH, 3), (BATCH, 3))
    with pytest.raises(UsageError, match="whole numbers, not reals"):
        shaped("sparse_categorical_crossentropy", (BATCH,), (BATCH, 3))


def test_classes_on_a_single_output_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"not \(batch, 1\). For a single output use binary_cross"):
        shaped("sparse_categorical_crossentropy", (BATCH,), (BATCH, 1))


def test_a_class_number_that_does_not_exist_is_named() -> None:
    with pytest.raises(DataError, match="from 0 to 3, but 4 was given"):
        run("sparse_categorical_crossentropy", np.array([4]), LOGITS[:1], softmax)


def test_each_loss_says_which_targets_it_takes() -> None:
    assert losses.get("mse").target((BATCH, 2)) == ((BATCH, 2), "float")
    sparse = losses.get("sparse_categorical_crossentropy")
    assert sparse.target((BATCH, 5)) == ((BATCH,), "int")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: losses.Huber(0), r"Huber: delta is 0, expected a number in \(0, inf\)"),
        (lambda: losses.BinaryCrossentropy(label_smoothing=1.5), r"label_smoothing is 1.5"),
        (lambda: losses.BinaryCrossentropy(0.1), "from_logits is 0.1, expected True or False"),  # type: ignore[arg-type]
        (lambda: losses.get(3), "3 is not a loss"),
    ],
)
def test_settings_outside_their_range_are_refused(make: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        make()
    with pytest.raises(UnknownNameError, match=r"'huberr': did you mean 'huber'\?"):
        losses.get("huberr")


# --- users' own -------------------------------------------------------------------------------------


def quartic(targets: Value, predictions: Value) -> Value:
    return square(square(targets - predictions))


@pytest.fixture
def registered() -> Callable[[Value, Value], Value]:
    return losses.register("test_quartic")(quartic)


@pytest.mark.usefixtures("registered")
def test_a_users_function_is_a_loss_by_name() -> None:
    each, slope = run("test_quartic", [[0.0, 0.0], [1.0, 1.0]], [[1.0, 2.0], [1.0, 1.0]])
    assert each.tolist() == [8.5, 0.0]
    assert slope.tolist() == [[2.0, 16.0], [0.0, 0.0]]
    config = json.loads(json.dumps(losses.FAMILY.config(losses.get("test_quartic"))))
    assert config == {"family": "loss", "name": "test_quartic"}
    assert losses.get(config) == losses.get(quartic)


def test_a_function_may_give_one_number_a_row() -> None:
    each, _ = run(lambda t, p: sum_over(abs(t - p), -1), [[0.0, 0.0]], [[1.0, -2.0]])
    assert each.tolist() == [3.0]


@pytest.mark.parametrize(
    ("function", "given"),
    [(lambda t, p: sum_over(p), r"gave \(\)"), (lambda t, p: 1.0, "gave float")],
)
def test_a_function_that_loses_the_examples_is_refused(function: Any, given: str) -> None:
    with pytest.raises(ShapeError, match=given):
        run(function, [[0.0]], [[1.0]])


def test_a_users_class_may_ask_for_logits() -> None:
    @dataclasses.dataclass(frozen=True)
    class Margin(losses.Loss):
        link = Sigmoid

        def on_predictions(self, targets: Value, predictions: Value) -> Value:
            return predictions

        def on_logits(self, targets: Value, logits: Value) -> Value:
            return targets * logits

    assert run(Margin(), [[2.0]], [[3.0]], sigmoid)[0].tolist() == [6.0]
    assert run(Margin, [[2.0]], [[0.5]])[0].tolist() == [0.5]
