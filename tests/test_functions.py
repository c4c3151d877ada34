"""Derivatives of functions: by hand, against JAX, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import ops
from chainrule.errors import ShapeError, UsageError

RNG = np.random.default_rng(11)


# --- by hand ----------------------------------------------------------------------------------------


def test_the_lecture_s_product_of_functions_has_slope_24() -> None:
    # Tan, lecture 7: f = xyz with x = r, y = rs, z = s, so ∂f/∂s = 2 r² s
    def f(r: Any, s: Any) -> Any:
        x, y, z = r, r * s, s
        return x * y * z

    assert cr.grad(f, argnums=1)(2.0, 3.0) == 24.0
    assert cr.grad(f)(2.0, 3.0) == 2 * 2 * 3**2
    assert cr.value_and_grad(f, argnums=(0, 1))(2.0, 3.0) == (36.0, (36.0, 24.0))


def test_the_jacobian_of_a_dense_layer_for_its_weights_is_2_by_8() -> None:
    # Duke CS 371D: z = V x + b with 2 outputs, 3 inputs; w is V row by row, then b
    x = np.array([2.0, 3.0, 5.0])

    def z(w: Any) -> Any:
        v, b = ops.reshape(w[:6], (2, 3)), w[6:]
        return ops.reshape(ops.matmul(v, x[:, None]), (2,)) + b

    expected = [[2, 3, 5, 0, 0, 0, 1, 0], [0, 0, 0, 2, 3, 5, 0, 1]]
    assert cr.jacobian(z)(RNG.normal(size=8)).tolist() == expected


def test_the_jacobian_of_a_dense_layer_for_its_input_is_its_matrix() -> None:
    v, b = RNG.normal(size=(2, 3)), RNG.normal(size=2)

    def z(x: Any) -> Any:
        return ops.reshape(ops.matmul(v, ops.reshape(x, (3, 1))), (2,)) + b

    np.testing.assert_array_equal(cr.jacobian(z)(np.ones(3)), v)


def test_a_value_used_on_several_paths_sums_what_it_receives() -> None:
    def f(x: Any) -> Any:
        a = x * x
        return a * a + a + x  # x⁴ + x² + x

    assert cr.grad(f)(2.0) == 4 * 8 + 2 * 2 + 1
    assert cr.hessian(f)(2.0) == 12 * 4 + 2
    assert cr.jacobian(f)(2.0) == cr.grad(f)(2.0)


def test_integers_and_lists_are_points_of_real_space() -> None:
    assert cr.grad(lambda x: ops.sum(x * x))([1, 2, 3]).tolist() == [2.0, 4.0, 6.0]
    assert cr.grad(lambda x: x**3)(2) == 12.0


def test_the_gradient_of_what_does_not_depend_on_an_argument_is_zero() -> None:
    assert cr.grad(lambda x, y: y * y, argnums=0)(np.ones(2), 3.0).tolist() == [0.0, 0.0]
    assert cr.value_and_grad(lambda x: 5)(2.0) == (5.0, 0.0)
    assert cr.jacobian(lambda x: np.ones(2))(np.ones(3)).tolist() == [[0.0] * 3] * 2
    assert cr.hvp(lambda x: ops.sum(x))([1.0, 2.0], [1.0, 0.0]).tolist() == [0.0, 0.0]


def test_no_element_at_all_gives_a_jacobian_without_elements() -> None:
    assert cr.jacobian(lambda x: x * x)(np.zeros(0)).shape == (0, 0)


def test_float32_stays_float32_and_everything_else_is_float64() -> None:
    x = np.full(3, 0.1, np.float32)
    assert cr.grad(lambda x: ops.sum(x * x))(x).dtype == np.float32
    assert cr.grad(lambda x, y: ops.sum(x * y))(x, np.ones(3)).dtype == np.float64
    assert cr.jacobian(lambda x: x * x)(x).dtype == np.float32


def test_a_gradient_belongs_to_the_caller() -> None:
    x = np.array([1.0, 2.0])
    same_as_x = cr.grad(lambda v: ops.sum(v * ops.stop_gradient(v)))(x)
    same_as_x += 1.0
    assert x.tolist() == [1.0, 2.0]
    broadcast = cr.grad(lambda v: ops.sum(v))(x)
    broadcast += 1.0
    assert broadcast.tolist() == [2.0, 2.0]


# --- against JAX ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def jax() -> Any:
    """JAX in float64."""
    found = pytest.importorskip("jax", reason="JAX is the oracle here")
    with found.enable_x64(True):
        yield found


W = RNG.normal(size=(3, 4))
Points = dict[str, tuple[Callable[[Any, Any], Any], Any]]
# Each function is written once, for a namespace of functions; the derivatives are independent.
SCALAR: Points = {
    "rosenbrock": (
        lambda xp, x: (1.0 - x[0]) ** 2 + 100.0 * (x[1] - x[0] ** 2) ** 2,
        np.array([-1.2, 0.7]),
    ),
    "shared subexpressions": (
        lambda xp, x: xp.sum(xp.sin(x) * xp.exp(x) / (1.0 + x * x)) * x[0],
        RNG.normal(size=4),
    ),
    "a hidden layer": (
        lambda xp, x: xp.sum(xp.tanh(xp.matmul(xp.tanh(xp.matmul(x, W)), W.T)) ** 2),
        RNG.normal(size=(2, 3)),
    ),
    "logarithm of a sum of exponentials": (
        lambda xp, x: xp.log(xp.sum(xp.exp(x))),
        RNG.normal(size=5),
    ),
    "powers and roots": (
        lambda xp, x: xp.sum(xp.sqrt(x) ** x),
        RNG.uniform(0.5, 2.0, size=3),
    ),
}


@pytest.mark.parametrize("name", SCALAR)
def test_gradient_hessian_and_product_agree_with_jax(name: str, jax: Any) -> None:
    function, point = SCALAR[name]

    def ours(x: Any) -> Any:
        return function(ops, x)

    def theirs(x: Any) -> Any:
        return function(jax.numpy, x)

    direction = RNG.normal(size=point.shape)
    value, gradient = cr.value_and_grad(ours)(point)
    assert value == pytest.approx(float(theirs(point)), rel=1e-13)
    np.testing.assert_allclose(gradient, jax.grad(theirs)(point), rtol=1e-11, atol=1e-11)
    hessian = jax.hessian(theirs)(point)
    np.testing.assert_allclose(cr.hessian(ours)(point), hessian, rtol=1e-10, atol=1e-10)
    product = np.tensordot(hessian, direction, axes=point.ndim)
    np.testing.assert_allclose(cr.hvp(ours)(point, direction), product, rtol=1e-10, atol=1e-10)
    assert cr.gradcheck(ours, point)


VECTOR: Points = {
    "softmax": (lambda xp, x: xp.exp(x) / xp.sum(xp.exp(x)), RNG.normal(size=4)),
    "a matrix of products": (lambda xp, x: xp.reshape(x, (3, 1)) * x, RNG.normal(size=3)),
    "matrix to vector": (lambda xp, x: xp.sum(x * xp.tanh(x), 0), RNG.normal(size=(2, 3))),
    "number to vector": (lambda xp, x: x * np.arange(3.0), np.array(2.0)),
}


@pytest.mark.parametrize("name", VECTOR)
def test_jacobians_agree_with_jax_in_shape_and_value(name: str, jax: Any) -> None:
    function, point = VECTOR[name]
    found = cr.jacobian(lambda x: function(ops, x))(point)
    expected = jax.jacobian(lambda x: function(jax.numpy, x))(point)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_derivatives_for_a_chosen_argument_agree_with_jax(jax: Any) -> None:
    a, b = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 2))

    def f(xp: Any, a: Any, b: Any) -> Any:
        return xp.sum(xp.tanh(xp.matmul(a, b)) ** 3)

    found = cr.grad(lambda *v: f(ops, *v), argnums=(1, 0))(a, b)
    expected = jax.grad(lambda *v: f(jax.numpy, *v), argnums=(1, 0))(a, b)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11)
    np.testing.assert_allclose(
        cr.hessian(lambda *v: f(ops, *v), argnums=-1)(a, b),
        jax.hessian(lambda *v: f(jax.numpy, *v), argnums=1)(a, b),
        rtol=1e-10,
        atol=1e-12,
    )


def test_a_third_derivative_is_the_gradient_of_a_gradient_of_a_gradient() -> None:
    from chainrule.backprop import gradients

    def slope(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            (found,) = gradients(f(x), [x])
            return found

        return run

    third = slope(slope(lambda x: x**5))
    assert cr.grad(third)(2.0) == pytest.approx(60 * 2.0**2)


# --- gradcheck --------------------------------------------------------------------------------------


def test_gradcheck_names_the_largest_disagreement() -> None:
    def wrong_in_second(x: Any) -> Any:  # the gradient of the second element's square is lost
        return ops.sum(x[:1] ** 2) + ops.sum(ops.stop_gradient(x[1:]) * x[1:])

    check = cr.gradcheck(wrong_in_second, np.array([1.0, 3.0]))
    assert not check
    assert (check.argument, check.index) == (0, (1,))
    assert check.gradient == 3.0
    assert check.difference == pytest.approx(6.0)
    assert str(check).startswith("FAILED: largest relative error 0.5, in argument 0 at (1,)")


def test_gradcheck_looks_at_every_argument() -> None:
    check = cr.gradcheck(lambda x, y: ops.sum(x) + ops.stop_gradient(y), np.ones(2), 2.0)
    assert not check
    assert check.argument == 1


def test_gradcheck_does_not_lose_a_nan_that_is_followed_by_good_elements() -> None:
    check = cr.gradcheck(lambda x: ops.sum(ops.sqrt(x)), np.array([0.0, 1.0, 2.0]))
    assert not check
    assert check.largest_error == math.inf
    assert check.index == (0,)


def test_gradcheck_accepts_what_is_right_and_its_sentence_says_so() -> None:
    check = cr.gradcheck(lambda x: ops.sum(ops.exp(x)), RNG.normal(size=(2, 2)))
    assert check
    assert str(check).startswith("passed: largest relative error ")


# --- what is refused --------------------------------------------------------------------------------


def test_only_a_single_number_has_a_gradient_and_both_shapes_of_words_say_so() -> None:
    with pytest.raises(ShapeError, match=r"gradient needs .* single number, not \(3,\)"):
        cr.grad(lambda x: x * 2.0)(np.ones(3))
    with pytest.raises(ShapeError, match=r"Hessian needs .* single number, not \(2,\)"):
        cr.hessian(lambda x: x * x)(np.ones(2))
    with pytest.raises(ShapeError, match=r"Hessian-vector product .* single number, not \(2,\)"):
        cr.hvp(lambda x: x * x)(np.ones(2), np.ones(2))


def test_a_direction_of_another_shape_is_refused_with_both_shapes() -> None:
    with pytest.raises(ShapeError, match=r"x has shape \(2,\) .* v has shape \(3,\)"):
        cr.hvp(lambda x: ops.sum(x))(np.ones(2), np.ones(3))


@pytest.mark.parametrize("transform", [cr.grad, cr.hessian, cr.jacobian])
def test_an_argument_number_out_of_range_is_named(transform: Any) -> None:
    with pytest.raises(UsageError, match=r"argnums=3: .* called with 1 argument"):
        transform(lambda x: x * x, argnums=3)(1.0)


@pytest.mark.parametrize(
    ("function", "argument", "sentence"),
    [
        (lambda x: np.sin(x), 1.0, r"1 value\(s\) of shape \(\): .*ufuncs.* with operators"),
        (lambda x, y: x, 1.0, "missing 1 required positional argument"),
        (lambda x: 1.0 if x > 0 else 2.0, 1.0, "has no truth value"),
        (lambda x: (x, x), 1.0, "returned tuple: it must return one value"),
        (lambda x: None, 1.0, "returned NoneType: it must return one value"),
        (lambda x: np.dot(np.ones(2), x), [1.0, 2.0], "cannot be computed|must return one value"),
        (lambda x: x, "three", r"Argument 0 holds <U5 entries: give numbers"),
        (lambda x: x, [[1.0], [1.0, 2.0]], "Argument 0 is not an array"),
    ],
)
def test_a_misuse_is_a_sentence(function: Any, argument: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        cr.grad(function)(argument)


def test_shapes_that_do_not_fit_are_reported_by_the_operation_itself() -> None:
    with pytest.raises(ShapeError, match=r"\(2,\) and \(3,\)"):
        cr.grad(lambda x: ops.sum(x * np.ones(3)))(np.ones(2))
