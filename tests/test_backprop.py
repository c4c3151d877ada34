"""The chain rule on graphs: examples worked by hand, and what is not built."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule import ops
from chainrule.backprop import gradients
from chainrule.engines.reference import evaluate
from chainrule.errors import ShapeError
from chainrule.graph import BATCH, Constant, Input, Parameter, Value, topological_order


def numbers(values: list[Value | None], given: dict[Input, Any]) -> list[Any]:
    assert all(v is not None for v in values)
    outputs = {str(i): v for i, v in enumerate(values) if v is not None}
    return [array.tolist() for array in evaluate(outputs, given).values()]


def test_deck_001s_example_has_the_derivative_worked_out_there() -> None:
    """f = xyz with x = r, y = rs, z = s: ∂f/∂s = 2 r² s and ∂f/∂r = 2 r s²."""
    r, s = Input((), name="r"), Input((), name="s")
    x, y, z = r, r * s, s
    f = x * y * z
    for_r, for_s = gradients(f, [r, s])
    assert numbers([f, for_r, for_s], {r: 2.0, s: 3.0}) == [36, 36, 24]


def test_a_value_used_more_than_once_sums_its_contributions() -> None:
    x = Input(())
    shared = x * x
    f = shared + 3.0 * shared + shared * x  # 4x² + x³
    (gradient,) = gradients(f, [x])
    assert numbers([gradient], {x: 2.0}) == [16 + 12]


def test_an_operation_with_one_value_for_both_inputs_sums_both() -> None:
    x = Input(())
    assert numbers(gradients(x / x, [x]), {x: 5.0}) == [0]
    assert numbers(gradients(x * x, [x]), {x: 5.0}) == [10]
    assert numbers(gradients(x - x, [x]), {x: 5.0}) == [0]


def test_inner_values_have_gradients_as_well_as_leaves() -> None:
    """δ = ∂L/∂z of a hidden layer is what one asks for; the output's own is its cotangent."""
    x = Input(())
    z = 3.0 * x
    loss = ops.square(z)
    assert numbers(gradients(loss, [loss, z, x]), {x: 2.0}) == [1, 12, 36]


def test_what_the_output_does_not_depend_on_has_no_gradient() -> None:
    x, y = Input(()), Input(())
    above = ops.exp(x)
    assert gradients(x * 2.0, [y]) == [None]
    assert gradients(x * 2.0, [above]) == [None]  # it depends on x, but x does not depend on it
    assert gradients(ops.sign(x) * y, [x]) == [None]
    assert gradients(Constant(1.0), [x]) == [None]


def test_nothing_is_built_that_nobody_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No gradient for the data of the first layer, none for branches that hold no parameter."""
    x, w, b = Input((BATCH, 3)), Parameter((3, 2)), Parameter((2,))
    frozen = ops.exp(ops.sin(x))
    visited: list[str] = []
    for op in (ops.exp(Input(())).op, ops.sin(Input(())).op, ops.tanh(Input(())).op):
        assert op is not None
        kind, right = type(op), type(op).vjp

        def vjp(self: Any, *values: Value, right: Any = right) -> Any:
            visited.append(self.name)
            return right(self, *values)

        monkeypatch.setattr(kind, "vjp", vjp)
    loss = ops.sum(ops.tanh(ops.affine(x, w, b)) + ops.sum(frozen, 1, keepdims=True))
    found = gradients(loss, [w, b])
    assert visited == ["tanh"]
    needed = topological_order([g for g in found if g is not None])
    products = [v for v in needed if v.op is not None and v.op.name == "matmul"]
    assert len(products) == 1  # Xᵀδ, and no δWᵀ
    assert not any(v.op is not None and v.op.name in ("exp", "sin") for v in needed)


def test_only_a_single_number_has_a_gradient_without_a_cotangent() -> None:
    with pytest.raises(ShapeError, match=r"not a value of shape \(batch, 2\)"):
        gradients(Input((BATCH, 2)), [])


def test_a_cotangent_weighs_the_elements_of_the_output() -> None:
    """vᵀJ for y = (x₀², x₀x₁): a row of the Jacobian for each unit vector."""
    x, v = Input((2,)), Input((2,))
    y = ops.concatenate([x[0:1] ** 2, x[0:1] * x[1:2]])
    found = gradients(y, [x], v)
    given = {x: np.array([3.0, 5.0])}
    assert numbers(found, {**given, v: np.array([1.0, 0.0])}) == [[6, 0]]
    assert numbers(found, {**given, v: np.array([0.0, 1.0])}) == [[5, 3]]
    assert numbers(found, {**given, v: np.array([2.0, 10.0])}) == [[62, 30]]


def test_the_gradient_is_a_graph_that_can_be_differentiated_again() -> None:
    x = Input(())
    f: Value | None = x**5
    derivatives = []
    for _ in range(4):
        assert f is not None
        (f,) = gradients(f, [x])
        derivatives.append(f)
    assert numbers(derivatives, {x: 2.0}) == [5 * 16, 20 * 8, 60 * 4, 120 * 2]


def test_the_hessian_of_a_quadratic_form_is_its_matrix() -> None:
    a = np.array([[2.0, 1.0, 0.0], [1.0, 5.0, -1.0], [0.0, -1.0, 3.0]])
    x, v = Input((3,)), Input((3,))
    f = 0.5 * ops.dot(x, a @ x)
    (gradient,) = gradients(f, [x])
    assert gradient is not None
    (product,) = gradients(ops.dot(gradient, v), [x])
    direction = np.array([1.0, -2.0, 0.5])
    (found,) = numbers([product], {x: np.ones(3), v: direction})
    np.testing.assert_allclose(found, a @ direction, rtol=1e-14)


def test_deltas_run_backwards_through_the_layers_as_in_deck_000() -> None:
    """The worked example: inputs (1, 0) and bias 1, two hidden sigmoid units, target 1, ½(t − y)²."""
    x, t = Input((BATCH, 2)), Input((BATCH, 1))
    w1, b1, w2, b2 = Input((2, 2)), Input((2,)), Input((2, 1)), Input((1,))
    z1 = ops.affine(x, w1, b1)
    z2 = ops.affine(ops.sigmoid(z1), w2, b2)
    y = ops.sigmoid(z2)
    loss = 0.5 * ops.sum(ops.squared_error(y, t))
    for_z2, for_z1, for_w2, for_b2, for_w1 = gradients(loss, [z2, z1, w2, b2, w1])
    given = {
        x: np.array([[1.0, 0.0]]),
        t: np.array([[1.0]]),
        w1: np.array([[3.7, 2.9], [3.7, 2.9]]),
        b1: np.array([-1.5, -4.5]),
        w2: np.array([[4.5], [-5.2]]),
        b2: np.array([-2.0]),
    }
    outputs = {"h": ops.sigmoid(z1), "y": y, "δG": for_z2, "δDE": for_z1, "w2": for_w2}
    outputs |= {"b2": for_b2, "w1": for_w1}
    found = evaluate({k: v for k, v in outputs.items() if v is not None}, given)
    close = {"rtol": 1e-5, "atol": 1e-12}
    np.testing.assert_allclose(found["h"], [[0.900250, 0.167982]], **close)
    np.testing.assert_allclose(found["y"], [[0.764519]], **close)
    # the deck writes δ for −∂L/∂z, and μ is 10
    np.testing.assert_allclose(-found["δG"], [[0.0423935]], **close)
    np.testing.assert_allclose(-found["δDE"], [[0.0171313, -0.0308104]], **close)
    np.testing.assert_allclose(-10 * found["w2"], [[0.381647], [0.0712132]], **close)
    np.testing.assert_allclose(-10 * found["b2"], [0.423935], **close)
    np.testing.assert_allclose(-10 * found["w1"], [[0.171313, -0.308104], [0, 0]], **close)


def test_the_gradient_through_batch_statistics_ignores_shift_and_scale_of_the_batch() -> None:
    """Normalised values do not change when x is shifted or scaled, so neither direction has slope."""
    x = Input((BATCH, 3))
    mean = ops.mean(x, 0)
    variance = ops.mean(ops.square(x - mean), 0)
    y = ops.normalize(x, mean, variance, epsilon=0.0)
    weights = Input((BATCH, 3))
    (gradient,) = gradients(ops.sum(y * weights), [x])
    rng = np.random.default_rng(0)
    array = rng.normal(2.0, 3.0, size=(7, 3))
    (found,) = numbers([gradient], {x: array, weights: rng.normal(size=(7, 3))})
    assert np.abs(found).max() > 0.01
    np.testing.assert_allclose(np.sum(found, 0), 0, atol=1e-14)
    np.testing.assert_allclose(np.sum(found * array, 0), 0, atol=1e-13)
