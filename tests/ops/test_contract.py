"""What every operation promises besides its derivative: shapes, precision, reads and a formula."""

from __future__ import annotations

import ast
import warnings
from typing import Any

import numpy as np
import pytest

from chainrule.engines.reference import Namespace
from chainrule.errors import ShapeError
from chainrule.graph import BATCH, Example, Op, Shape, shape_text
from chainrule.notation import Name, evaluate, parse

Array = np.ndarray[Any, Any]
ODD: Shape = (13, 17, 19, 23, 29)  # fits nothing

# An element may leave these outputs unchanged: they choose, compare, round or look up.
SELECTIVE = {
    "abs", "argmax", "dropout_mask", "equal", "gather", "greater", "greater_equal", "leaky_relu",
    "max", "maximum", "minimum", "normal_noise", "one_hot", "random_flip", "random_shift", "relu",
    "scatter_add", "sign", "where",
}  # fmt: skip

# No formula says what these come to: they are drawn, or a place is found.
UNWRITTEN = {"argmax", "batch_size", "dropout_mask", "normal_noise", "random_flip", "random_shift"}


def evaluated(op: Op, arrays: tuple[Array, ...] | list[Array], precision: Any = "float64") -> Array:
    xp = Namespace(precision)
    given = [xp.real(a) if a.dtype.kind == "f" else a for a in arrays]
    return np.asarray(op.evaluate(xp, *given))


def test_the_shape_foretold_is_the_shape_computed(case: Example) -> None:
    foretold = case.op.shape(*(a.shape for a in case.arrays))
    assert foretold == evaluated(case.op, case.arrays).shape


def test_a_batch_of_any_size_has_the_shape_foretold_for_batch(case: Example) -> None:
    """Where an operation takes the batch axis, `batch` stands for the number of rows everywhere."""
    rows = case.arrays[0].shape[0] if case.arrays and case.arrays[0].ndim else 0
    symbolic = [
        (BATCH, *a.shape[1:]) if a.ndim and a.shape[0] == rows else a.shape for a in case.arrays
    ]
    try:
        foretold = case.op.shape(*symbolic)
    except ShapeError:
        return  # some need to know every size; the next test says which must not
    numbers = tuple(rows if d is BATCH else d for d in foretold)
    assert numbers == case.op.shape(*(a.shape for a in case.arrays))


@pytest.mark.parametrize(
    ("name", "shapes", "result"),
    [
        ("add", ((BATCH, 3), (3,)), (BATCH, 3)),
        ("relu", ((BATCH, 3),), (BATCH, 3)),
        ("affine", ((BATCH, 3), (3, 4), (4,)), (BATCH, 4)),
        ("softmax", ((BATCH, 3),), (BATCH, 3)),
        ("softmax_cross_entropy", ((BATCH, 3), (BATCH, 3)), (BATCH,)),
        ("sparse_softmax_cross_entropy", ((BATCH, 3), (BATCH,)), (BATCH,)),
        ("squared_error", ((BATCH, 1), (BATCH, 1)), (BATCH, 1)),
        ("gather", ((5, 2), (BATCH, 3)), (BATCH, 3, 2)),
        ("argmax", ((BATCH, 3),), (BATCH,)),
        ("concatenate", ((BATCH, 3), (BATCH, 4)), (BATCH, 7)),
        ("matmul", ((BATCH, 3), (3, 4)), (BATCH, 4)),
        ("normalize", ((BATCH, 3), (3,), (3,)), (BATCH, 3)),
        ("normalize", ((BATCH, 3), (BATCH, 1), (BATCH, 1)), (BATCH, 3)),
    ],
)
def test_the_batch_axis_passes_through(name: str, shapes: tuple[Shape, ...], result: Shape) -> None:
    op: Any = Op.registry[name]
    assert op().shape(*shapes) == result


def test_a_batch_does_not_broadcast_against_a_known_size() -> None:
    with pytest.raises(ShapeError, match=r"\(batch, 3\) and \(5, 3\)"):
        Op.registry["add"]().shape((BATCH, 3), (5, 3))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_real_numbers_keep_the_precision_of_the_run(case: Example, precision: Any) -> None:
    found = evaluated(case.op, case.arrays, precision)
    assert found.dtype == precision if case.op.result == "float" else found.dtype.kind == "i"


def test_integers_among_the_inputs_do_not_raise_the_precision(case: Example) -> None:
    """A constant of whole numbers is an integer array; float32 joined with it stays float32."""
    if case.op.result == "int" or len(case.arrays) < 2:
        return
    for i, a in enumerate(case.arrays):
        if a.dtype.kind == "f":
            whole = np.ones(a.shape, np.int64)
            mixed = [whole if k == i else b for k, b in enumerate(case.arrays)]
            assert evaluated(case.op, mixed, "float32").dtype == np.float32


def test_evaluation_is_without_warnings_also_far_out(case: Example) -> None:
    with warnings.catch_warnings(), np.errstate(over="raise", invalid="raise", divide="raise"):
        warnings.simplefilter("error")
        for precision in ("float32", "float64"):
            assert np.isfinite(evaluated(case.op, case.arrays, precision)).all()


def test_inputs_are_left_as_they_are(case: Example) -> None:
    copies = [a.copy() for a in case.arrays]
    for a in case.arrays:
        a.flags.writeable = False
    evaluated(case.op, case.arrays)
    for a, copy in zip(case.arrays, copies, strict=True):
        np.testing.assert_array_equal(a, copy)


def refusal(op: Op, shapes: list[Shape]) -> str | None:
    try:
        op.shape(*shapes)
    except ShapeError as error:
        return str(error)
    return None


def test_a_shape_that_does_not_fit_is_named_beside_the_others(op: type[Op]) -> None:
    for example in op.example(np.random.default_rng(0)):
        shapes: list[Shape] = [a.shape for a in example.arrays]
        for i in range(len(shapes) if len(shapes) > 1 else 0):
            told = refusal(example.op, [ODD if k == i else s for k, s in enumerate(shapes)])
            others = [s for k, s in enumerate(shapes) if k != i]
            if told is not None:
                assert all(shape_text(s) in told for s in (ODD, *others))
            else:  # row numbers may have any shape, and single numbers fit everything
                any_shape = op.name == "gather" and i == 1
                assert any_shape or all(s in ((), (1,)) for s in others)


# --- reads ----------------------------------------------------------------------------------------


def some(indices: list[Any], most: int) -> list[Any]:
    rng = np.random.default_rng(19)
    chosen = rng.permutation(len(indices))[:most]
    return [indices[i] for i in sorted(chosen)]


def changed(a: Array, where: Array) -> Array:
    """`a` with other values, of the same kind and range, at some places."""
    other = np.roll(a, 1) if a.dtype.kind in "iu" else a * 1.01 + 0.003
    return np.where(where, other, a).astype(a.dtype)


def test_an_element_depends_on_nothing_it_does_not_read(case: Example) -> None:
    before = evaluated(case.op, case.arrays)
    shapes = [a.shape for a in case.arrays]
    for index in some(list(np.ndindex(before.shape)), 8):
        reads = case.op.reads(index, *shapes)
        assert len(reads) == len(shapes)
        arrays = []
        for a, read in zip(case.arrays, reads, strict=True):
            outside = np.ones(a.shape, bool)
            for i in read:
                outside[i] = False
            arrays.append(changed(a, outside))
        np.testing.assert_array_equal(evaluated(case.op, arrays)[index], before[index])


def test_an_element_depends_on_all_it_reads(case: Example) -> None:
    if case.op.name in SELECTIVE:
        return
    if any(np.abs(a).max(initial=0.0) > 15 for a in case.arrays):
        return  # saturated, so a change is lost in rounding
    if case.op.name == "power" and case.arrays[1].dtype.kind == "i":
        return  # a⁰ is 1 for every a
    before = evaluated(case.op, case.arrays)
    shapes = [a.shape for a in case.arrays]
    for index in some(list(np.ndindex(before.shape)), 4):
        for which, read in enumerate(case.op.reads(index, *shapes)):
            for i in some(read, 6):
                here = np.zeros(shapes[which], bool)
                here[i] = True
                moved = changed(case.arrays[which], here)
                if np.array_equal(moved, case.arrays[which]):
                    continue  # the only other value is the same one
                arrays = [moved if k == which else a for k, a in enumerate(case.arrays)]
                assert evaluated(case.op, arrays)[index] != before[index]


def test_indices_read_lie_inside_and_differ(case: Example) -> None:
    shape = case.op.shape(*(a.shape for a in case.arrays))
    shapes = [a.shape for a in case.arrays]
    for index in some(list(np.ndindex(*(d for d in shape if isinstance(d, int)))), 8):
        for size, read in zip(shapes, case.op.reads(index, *shapes), strict=True):
            assert len(set(read)) == len(read)
            assert set(read) <= set(np.ndindex(*size))


# --- formulas -------------------------------------------------------------------------------------


def test_the_formula_worked_out_gives_the_element(case: Example) -> None:
    if case.op.name in UNWRITTEN or any(np.abs(a).max(initial=0.0) > 15 for a in case.arrays):
        return  # drawn at random, or too far out for a pocket calculator
    computed = evaluated(case.op, case.arrays)
    shapes = [a.shape for a in case.arrays]
    for index in some(list(np.ndindex(computed.shape)), 8):
        terms = [
            [Name(f"x{i}", lower=str(at), value=float(a[at])) for at in read]
            for i, (a, read) in enumerate(
                zip(case.arrays, case.op.reads(index, *shapes), strict=True)
            )
        ]
        written = case.op.element(index, *terms)
        assert evaluate(written) == pytest.approx(float(computed[index]), rel=1e-9, abs=1e-12)


def test_a_formula_is_written_in_python_with_the_inputs_as_letters(op: type[Op]) -> None:
    for example in op.example(np.random.default_rng(0)):
        letters = [chr(ord("a") + i) for i in range(len(example.arrays))]
        used = {n.id for n in ast.walk(ast.parse(example.op.formula())) if isinstance(n, ast.Name)}
        assert set(letters[:1]) <= used or not letters
        assert parse(example.op.formula(), *map(Name, letters)) is not None


def test_every_operation_is_one_frozen_hashable_class(case: Example) -> None:
    (same,) = {case.op, type(case.op)(**vars(case.op))}
    assert same == case.op
    assert Op.registry[case.op.name] is type(case.op)
