"""The reference engine: what a step, a run and a block of rows mean."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from chainrule import ops
from chainrule.backprop import gradients
from chainrule.engines.program import Engine, Program, State
from chainrule.engines.reference import Namespace, Reference, ReferenceRunner, evaluate
from chainrule.errors import ShapeError, UsageError
from chainrule.graph import BATCH, Input, Parameter, Value
from chainrule.ops.elementary import Exp

NONE: dict[Input, Any] = {}


def test_assignments_read_the_old_values_so_two_parameters_can_change_places() -> None:
    a, b, rows = Parameter((2,), "a"), Parameter((2,), "b"), Input((BATCH,))
    state = State("float64")
    state[a], state[b] = [1.0, 2.0], [3.0, 4.0]
    program = Program((rows,), {"old a": ops.sum(a)}, assignments=((a, b), (b, a)))
    found = ReferenceRunner(program, state).once({rows: np.zeros(1)})
    assert state[a].tolist() == [3, 4]
    assert state[b].tolist() == [1, 2]
    assert found["old a"] == 3


def test_steps_go_through_the_rows_in_the_order_given_the_short_last_batch_included() -> None:
    x, log = Input((BATCH,)), Parameter((), "log")
    state = State("float64")
    state[log] = 0.0
    written = 100.0 * log + ops.sum(x) * ops.batch_size()
    program = Program((x,), {"rows": ops.batch_size(), "sum": ops.sum(x)}, (), ((log, written),))
    runner = ReferenceRunner(program, state)
    order = np.array([4, 1, 0, 3, 2])
    sums = runner.steps({x: np.arange(5.0)}, order, 2, {})
    # batches (4, 1), (0, 3), (2): sums 5, 3, 2 times 2, 2, 1 rows
    assert state[log] == 10 * 100**2 + 6 * 100 + 2
    assert sums == {"rows": 5, "sum": 10}


def test_scalars_of_a_step_come_from_the_tables_row_of_that_step() -> None:
    x, rate = Input((BATCH,)), Input(())
    w = Parameter((), "w")
    state = State("float64")
    state[w] = 0.0
    program = Program((x,), {}, (rate,), ((w, 10.0 * w + rate),))
    runner = ReferenceRunner(program, state)
    table = {rate: np.array([1.0, 2.0, 3.0, 4.0])}
    runner.steps({x: np.zeros(8)}, np.arange(8), 2, table, first=1, last=3)
    assert state[w] == 23
    runner.steps({x: np.zeros(8)}, np.arange(8), 2, table, first=3)
    assert state[w] == 234
    assert runner.steps({x: np.zeros(8)}, np.arange(8), 2, table, first=4, last=9) == {}
    assert state[w] == 234


def test_an_epoch_in_pieces_is_the_epoch_in_one() -> None:
    rng = np.random.default_rng(0)
    x, y, rate, w = Input((BATCH, 3)), Input((BATCH, 1)), Input(()), Parameter((3, 1), "w")
    loss = ops.mean(ops.squared_error(x @ w, y))
    (gradient,) = gradients(loss, [w])
    assert gradient is not None
    program = Program((x, y), {"loss": loss}, (rate,), ((w, ops.descend(w, gradient, rate)),))
    data = {x: rng.normal(size=(23, 3)), y: rng.normal(size=(23, 1))}
    order, table = rng.permutation(23), {rate: np.linspace(0.1, 0.05, 5)}

    def trained(pieces: list[tuple[int, int | None]]) -> tuple[Any, float]:
        state = State("float32")
        state[w] = np.ones((3, 1))
        runner = Reference().prepare(program, state)
        losses = [runner.steps(data, order, 5, table, *piece)["loss"] for piece in pieces]
        return state[w].tolist(), sum(losses)

    whole = trained([(0, None)])
    assert trained([(0, 2), (2, 3), (3, 5)]) == (whole[0], pytest.approx(whole[1]))
    assert whole[0] != np.ones((3, 1)).tolist()


def test_blocks_of_rows_join_to_the_run_on_all_rows() -> None:
    x, w = Input((BATCH, 4)), Parameter((4, 3), "w")
    rng = np.random.default_rng(1)
    state = State("float64")
    state[w] = rng.normal(size=(4, 3))
    runner = ReferenceRunner(Program((x,), {"p": ops.softmax(x @ w), "class": x[:, 0]}), state)
    data = {x: rng.normal(size=(10, 4))}
    once = runner.once(data)
    for block in (1, 3, 5, 10, 4096):
        found = runner.blocks(data, block)
        np.testing.assert_allclose(found["p"], once["p"], rtol=1e-14)
        np.testing.assert_array_equal(found["class"], once["class"])
    assert runner.blocks({x: np.zeros((0, 4))})["p"].shape == (0, 3)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_everything_is_computed_in_the_precision_of_the_state(precision: Any) -> None:
    x, labels, w = Input((BATCH, 3)), Input((BATCH,), "int"), Parameter((3, 2), "w")
    state = State(precision)
    state[w] = np.full((3, 2), 0.1)
    logits = ops.gelu(x @ w) * np.pi + np.array([1, 2]) + 0.5
    loss = ops.mean(ops.sparse_softmax_cross_entropy(logits, labels))
    (gradient,) = gradients(loss, [w])
    assert gradient is not None
    outputs = {"logits": logits, "loss": loss, "gradient": gradient, "guess": ops.argmax(logits)}
    program = Program((x, labels), outputs, (), ((w, w - 0.1 * gradient),))
    data = {x: np.ones((4, 3), np.float16), labels: np.array([0, 1, 0, 1], np.uint8)}
    found = ReferenceRunner(program, state).once(data)
    assert {found[name].dtype for name in ("logits", "loss", "gradient")} == {np.dtype(precision)}
    assert found["guess"].dtype.kind == "i"
    assert state[w].dtype == precision


def test_an_operation_on_the_same_values_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    right = Exp.evaluate

    def counted(self: Exp, xp: Any, *arrays: Any) -> Any:
        calls.append(1)
        return right(self, xp, *arrays)

    monkeypatch.setattr(Exp, "evaluate", counted)
    x, y = Input(()), Input(())
    same = ops.exp(x) * ops.exp(x) + ops.sin(ops.exp(x))
    assert evaluate({"f": same}, {x: 0.0})["f"] == 1 + np.sin(1)
    assert len(calls) == 1
    evaluate({"f": ops.exp(x) + ops.exp(y)}, {x: 0.0, y: 0.0})
    assert len(calls) == 3


def test_operations_of_one_kind_with_other_settings_are_not_the_same() -> None:
    x = Input((2, 3))
    made = {"rows": ops.sum(x, 0), "columns": ops.sum(x, 1), "all": ops.sum(x)}
    found = evaluate(made, {x: np.ones((2, 3))})
    assert [found[name].tolist() for name in made] == [[2, 2, 2], [3, 3], 6]


def test_a_program_without_the_state_of_training_leaves_it_alone() -> None:
    x, w = Input((BATCH,)), Parameter((), "w")
    state = State("float32")
    state[w] = 2.0
    predict = ReferenceRunner(Program((x,), {"y": w * x}), state)
    train = ReferenceRunner(Program((x,), {}, (), ((w, w + 1.0),)), state)
    assert predict.once({x: np.ones(1)})["y"].tolist() == [2]
    train.once({x: np.ones(1)})
    assert predict.once({x: np.ones(1)})["y"].tolist() == [3]


def test_numbers_that_overflow_are_left_to_who_trains() -> None:
    x = Input(())
    found = evaluate({"e": ops.exp(x), "l": ops.log(x - x)}, {x: 1e4})
    assert found["e"] == np.inf
    assert found["l"] == -np.inf


# --- what does not fit ----------------------------------------------------------------------------


def two_inputs() -> tuple[Input, Input, ReferenceRunner]:
    x, y = Input((BATCH, 3), name="pixels"), Input((BATCH,), name="target")
    return x, y, ReferenceRunner(Program((x, y), {"s": ops.sum(x) + ops.sum(y)}), State())


def test_an_array_of_another_shape_is_told() -> None:
    x, y, runner = two_inputs()
    with pytest.raises(ShapeError, match=r"pixels expects .* \(batch, 3\), not \(5, 4\)"):
        runner.once({x: np.ones((5, 4)), y: np.ones(5)})
    with pytest.raises(ShapeError, match=r"target expects .* \(batch,\), not \(5, 1\)"):
        runner.once({x: np.ones((5, 3)), y: np.ones((5, 1))})


def test_inputs_with_different_numbers_of_rows_are_told() -> None:
    x, y, runner = two_inputs()
    with pytest.raises(ShapeError, match="pixels has 5 and target has 4"):
        runner.once({x: np.ones((5, 3)), y: np.ones(4)})


def test_a_missing_array_is_told() -> None:
    x, _, runner = two_inputs()
    with pytest.raises(UsageError, match="No array was given for input target"):
        runner.once({x: np.ones((5, 3))})


def test_an_assignment_of_another_shape_is_told_when_the_program_is_made() -> None:
    w = Parameter((3,), "w")
    with pytest.raises(ShapeError, match=r"w has shape \(3,\) .* shape \(\)"):
        Program((), {}, (), ((w, ops.sum(w)),))


def test_state_takes_arrays_of_the_parameters_shape_only_and_keeps_a_copy() -> None:
    w, state, array = Parameter((2,), "w"), State("float64"), np.array([1.0, 2.0])
    state[w] = array
    array[0] = 9.0
    assert state[w].tolist() == [1, 2]
    with pytest.raises(ShapeError, match=r"w has shape \(2,\), not \(3,\)"):
        state[w] = np.zeros(3)


# --- the namespace --------------------------------------------------------------------------------


def test_the_namespace_is_numpys_and_a_little_more() -> None:
    xp = Namespace("float32")
    assert xp.exp is np.exp
    assert xp.real([1, 2]).dtype == np.float32
    total = xp.scatter_add(3, np.array([2, 0, 2]), np.array([[1.0], [2.0], [4.0]]))
    assert total.tolist() == [[2], [0], [5]]
    with pytest.raises(AttributeError):
        _ = xp.no_such_function


def test_the_engine_has_its_name_and_prepares_programs() -> None:
    engine: Engine = Reference()
    x: Value = Input(())
    assert engine.name == "reference"
    assert engine.prepare(Program((), {"x": x}, (x,)), State()).once({}, {x: 3.0})["x"] == 3


def test_newer_arrays_that_could_not_be_brought_are_asked_for_again() -> None:
    class Late:
        calls, turn = 0, threading.RLock()

        def bring(self, arrays: dict[Parameter, np.ndarray]) -> None:
            self.calls += 1
            if self.calls == 1:
                raise MemoryError
            arrays[w] = np.array([3.0])

    w, state = Parameter((1,), "w"), State("float64")
    state[w], state.newer = [1.0], Late()
    with pytest.raises(MemoryError):
        state.arrays[w]
    assert state[w].tolist() == [3.0]
