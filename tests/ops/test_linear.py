"""Products of matrices and vectors."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import ops
from chainrule.engines.reference import evaluate
from chainrule.errors import ShapeError
from chainrule.graph import BATCH, Input


@pytest.mark.parametrize(
    ("left", "right"), [((3, 4), (4, 2)), ((4,), (4, 2)), ((3, 4), (4,)), ((4,), (4,))]
)
def test_products_of_matrices_and_vectors_are_numpys(
    left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(2)
    a, b = Input(left), Input(right)
    arrays = {a: rng.normal(size=left), b: rng.normal(size=right)}
    found = evaluate({"y": a @ b}, arrays)["y"]
    np.testing.assert_allclose(found, arrays[a] @ arrays[b], rtol=1e-14)


def test_the_inner_product_takes_all_elements_of_one_shape() -> None:
    a, b = Input((2, 3)), Input((2, 3))
    ones = np.ones((2, 3))
    assert evaluate({"y": ops.dot(a, b)}, {a: ones, b: 2 * ones})["y"] == 12
    with pytest.raises(ShapeError, match=r"\(2, 3\) and \(3,\)"):
        ops.dot(a, Input((3,)))


def test_sizes_that_differ_inside_a_product_are_told() -> None:
    with pytest.raises(ShapeError, match=r"\(batch, 64\) and \(12, 10\).*64 and 12 differ"):
        ops.matmul(Input((BATCH, 64)), Input((12, 10)))
    with pytest.raises(ShapeError, match=r"x \(batch, 64\), W \(12, 10\) and b \(10,\)"):
        ops.affine(Input((BATCH, 64)), Input((12, 10)), Input((10,)))
    with pytest.raises(ShapeError, match=r"needs x \(batch, fan_in\).*not \(64,\)"):
        ops.affine(Input((64,)), Input((64, 10)), Input((10,)))
