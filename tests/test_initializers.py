"""First weights: bounds, moments, orthogonality, and the same numbers every time."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from chainrule import initializers
from chainrule.errors import ShapeError, UnknownNameError, UsageError
from chainrule.random import Stream, uniform

SHAPE = (300, 200)

BOUNDS = {
    "random_uniform": 0.01,
    "shallow_uniform": 1 / math.sqrt(300),
    "glorot_uniform": math.sqrt(6 / 500),
    "he_uniform": math.sqrt(6 / 300),
    "lecun_uniform": math.sqrt(3 / 300),
}
DEVIATIONS = {
    "random_normal": 0.05,
    "glorot_normal": math.sqrt(2 / 500),
    "he_normal": math.sqrt(2 / 300),
    "lecun_normal": math.sqrt(1 / 300),
}
RANDOM = [*BOUNDS, *DEVIATIONS, "orthogonal"]


def draw(name: str, shape: tuple[int, ...] = SHAPE, seed: int = 5, index: int = 2) -> np.ndarray:
    array = initializers.get(name)(shape, seed=seed, index=index)
    assert array.shape == shape
    assert array.dtype == np.float64
    return array


@pytest.mark.parametrize(("name", "bound"), BOUNDS.items())
def test_uniform_weights_fill_their_interval_evenly(name: str, bound: float) -> None:
    array = draw(name)
    assert -bound <= array.min() < -0.999 * bound
    assert 0.999 * bound < array.max() < bound
    assert abs(array.mean()) < 4 * bound / math.sqrt(3 * array.size)
    counts = np.histogram(array, bins=10, range=(-bound, bound))[0]
    assert np.abs(counts - 6000).max() < 5 * math.sqrt(6000)


@pytest.mark.parametrize(("name", "deviation"), DEVIATIONS.items())
def test_normal_weights_have_their_mean_and_deviation(name: str, deviation: float) -> None:
    array = draw(name)
    assert abs(array.mean()) < 4 * deviation / math.sqrt(array.size)
    assert array.std() == pytest.approx(deviation, rel=4 / math.sqrt(2 * array.size))
    beyond = (np.abs(array) > 2 * deviation).mean()
    assert beyond == pytest.approx(0.0455, abs=0.004)  # not cut off at two deviations


@pytest.mark.parametrize(
    ("name", "of_jax"),
    [
        ("glorot_uniform", "glorot_uniform"),
        ("glorot_normal", "glorot_normal"),
        ("he_uniform", "he_uniform"),
        ("he_normal", "he_normal"),
        ("lecun_uniform", "lecun_uniform"),
        ("lecun_normal", "lecun_normal"),
    ],
)
def test_the_spread_is_that_of_jax(name: str, of_jax: str) -> None:
    jax = pytest.importorskip("jax", reason="jax is the oracle here")
    theirs = getattr(jax.nn.initializers, of_jax)()(jax.random.key(0), SHAPE)
    assert draw(name).std() == pytest.approx(float(theirs.std()), rel=0.02)


@pytest.mark.parametrize("name", RANDOM)
def test_the_same_seed_and_weight_give_the_same_numbers(name: str) -> None:
    shape = (7, 5)
    first = draw(name, shape)
    np.testing.assert_array_equal(first, draw(name, shape))
    assert not np.isclose(first, draw(name, shape, seed=6)).any()
    assert not np.isclose(first, draw(name, shape, index=3)).any()


def test_numbers_come_from_the_stream_of_weights() -> None:
    array = initializers.RandomUniform(-1.0, 3.0)((2, 3), seed=9, index=4)
    drawn = uniform(9, 0, Stream.WEIGHTS.at(4), 6).reshape(2, 3)
    np.testing.assert_allclose(array, 4 * drawn - 1, rtol=1e-15)


@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9), (1, 5), (5, 1), (2, 3, 4)])
def test_orthogonal_rows_or_columns_are_orthonormal(shape: tuple[int, ...]) -> None:
    array = initializers.Orthogonal(gain=2.0)(shape, seed=0, index=0).reshape(-1, shape[-1]) / 2.0
    few = array if array.shape[0] <= array.shape[1] else array.T
    np.testing.assert_allclose(few @ few.T, np.eye(len(few)), atol=1e-12)


def test_orthogonal_matrices_are_spread_evenly_over_rotations_and_reflections() -> None:
    corner = [initializers.Orthogonal()((2, 2), seed=s, index=0)[0, 0] for s in range(400)]
    assert abs(np.mean(corner)) < 4 * math.sqrt(0.5 / 400)
    assert np.mean(np.square(corner)) == pytest.approx(0.5, abs=0.08)


def test_orthogonal_needs_a_matrix() -> None:
    with pytest.raises(ShapeError, match=r"shape \(3,\) is not a matrix"):
        initializers.Orthogonal()((3,), seed=0, index=0)


def test_constants_are_constant() -> None:
    assert (draw("zeros") == 0).all()
    assert (draw("ones") == 1).all()
    assert (initializers.Constant(0.25)((3,), seed=0, index=0) == 0.25).all()


def test_fans_of_vectors_matrices_and_stacks() -> None:
    assert initializers.fans(()) == (1, 1)
    assert initializers.fans((8,)) == (8, 8)
    assert initializers.fans((3, 4)) == (3, 4)
    assert initializers.fans((5, 3, 4)) == (15, 20)


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1)])
def test_empty_and_single_weights_work(name: str, shape: tuple[int, ...]) -> None:
    assert np.isfinite(draw(name, shape)).all()


def test_a_users_array_begins_as_it_is() -> None:
    given = np.arange(6).reshape(2, 3)
    initializer = initializers.get(given)
    found = initializer((2, 3), seed=0, index=0)
    np.testing.assert_array_equal(found, given)
    found[0, 0] = 99  # the caller's copy, not the brick's
    given[0, 0] = 77
    assert initializer((2, 3), seed=0, index=0)[0, 0] == 0
    assert initializers.get([[1.0, 2.0]])((1, 2), seed=0, index=0).tolist() == [[1.0, 2.0]]


def test_a_users_array_of_another_shape_is_refused_with_both_shapes() -> None:
    with pytest.raises(
        ShapeError, match=r"shape \(2, 3\) were given for a weight of shape \(3, 2\)"
    ):
        initializers.Values(np.zeros((2, 3)))((3, 2), seed=0, index=0)


@pytest.mark.parametrize("given", [[[1.0], [1.0, 2.0]], ["a"], [math.nan]])
def test_an_array_that_holds_no_numbers_is_refused(given: list[object]) -> None:
    with pytest.raises(UsageError, match="Initial weights must be"):
        initializers.get(given)


def test_keras_and_pytorch_names_are_known() -> None:
    assert isinstance(initializers.get("HeNormal"), initializers.HeNormal)
    assert isinstance(initializers.get("xavier_uniform"), initializers.GlorotUniform)
    with pytest.raises(UnknownNameError, match=r"'he_norml': did you mean 'he_normal'\?"):
        initializers.get("he_norml")


def test_settings_outside_their_range_are_refused() -> None:
    with pytest.raises(UsageError, match=r"minval 1\.0 lies above maxval 0\.01"):
        initializers.RandomUniform(1.0)
    with pytest.raises(UsageError, match=r"stddev is -1, expected a number in \[0, inf\)"):
        initializers.RandomNormal(stddev=-1)
    with pytest.raises(UsageError, match="value is 'x'"):
        initializers.Constant("x")  # type: ignore[arg-type]


def test_a_users_array_comes_back_from_its_configuration() -> None:
    config = json.loads(json.dumps(initializers.FAMILY.config(initializers.get(np.eye(2)))))
    np.testing.assert_array_equal(initializers.get(config)((2, 2), seed=0, index=0), np.eye(2))
