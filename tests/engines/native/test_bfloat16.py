"""Products of factors rounded to bfloat16, on both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import _native
from chainrule.engines.native import lower
from chainrule.engines.reference import bfloat16

ENGINES = ("native", "reference")


@pytest.fixture
def tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    if "amx" not in _native.instruction_sets():
        pytest.skip("this machine does not have AMX")
    monkeypatch.setenv("CHAINRULE_ISA", "amx")
    if not _native.bfloat16_tiles():
        pytest.skip("the system does not let this process use AMX's tiles")


def test_numbers_round_to_the_nearest_of_eight_bits_and_ties_to_even() -> None:
    numbers = [1.0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -3.14159, 0.0, np.inf, np.nan]
    rounded = [1.0, 1.0, 1 + 2**-6, 1 + 2**-7, -3.140625, 0.0, np.inf, np.nan]
    np.testing.assert_array_equal(bfloat16(np.array(numbers, np.float32)), rounded)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_product_reads_rounded_factors_and_nothing_else_is_rounded(engine: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 30)).astype(np.float32)
    model = cr.Sequential([cr.layers.Dense(7, bias_initializer="glorot_uniform")], seed=1)
    model.compile("sgd", "mse", engine=engine, precision="bfloat16")
    model.build((30,))
    kernel, bias = model.get_weights()
    assert kernel.dtype == np.float32
    expected = bfloat16(x) @ bfloat16(kernel) + bias
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-5, atol=1e-6)
    assert np.max(np.abs(expected - (x @ kernel + bias))) > 1e-3


def trained(engine: str, precision: Any) -> tuple[Any, list[float]]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(600, 12))
    y = np.sin(x[:, :3]) @ np.ones((3, 1))
    layers = [cr.layers.Dense(32, activation="tanh"), cr.layers.Dense(1)]
    model = cr.Sequential(layers, seed=2)
    model.compile(cr.optimizers.Adam(3e-3), "mse", engine=engine, precision=precision)
    history = model.fit(x, y, epochs=6, verbose=0)
    return model, history.history["loss"]


def test_both_engines_learn_alike_and_nearly_as_in_float32() -> None:
    losses = [trained(engine, "bfloat16")[1] for engine in ENGINES]
    full = trained("native", "float32")[1]
    np.testing.assert_allclose(losses[0], losses[1], rtol=2e-3)
    np.testing.assert_allclose(losses[0], full, rtol=5e-2)
    assert losses[0] != full


def test_a_saved_model_keeps_its_precision_and_its_bits(tmp_path: Path) -> None:
    model, _ = trained("native", "bfloat16")
    model.save(tmp_path / "m.chainrule")
    again = cr.load(tmp_path / "m.chainrule")
    x = np.random.default_rng(5).normal(size=(9, 12))
    assert again.precision == "bfloat16"
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def dense(*widths: int) -> Any:
    layers = [cr.layers.Dense(width, activation="tanh") for width in widths]
    model = cr.Sequential(layers, seed=4)
    model.compile(cr.optimizers.Adam(1e-3), "mse", engine="native", precision="bfloat16")
    return model


def test_on_tiles_factors_are_rounded_and_turned_on_the_way() -> None:
    model = dense(40, 30, 20)
    model.build((50,))
    program = model._step().train
    plan = lower(program, rounded=True, tiles=True)[0]
    copies = lower(program, rounded=True)[0]
    opcodes = [i.opcode for i in plan.instructions]
    assert [opcodes.count(f"{product}_bfloat16") for product in ("nn", "nt", "tn")] == [3, 2, 3]
    assert {"nn", "tn", "transpose"}.isdisjoint(opcodes)
    assert not any(micro == "bfloat16" for i in plan.instructions for micro, *_ in i.code)
    assert any(micro == "bfloat16" for i in copies.instructions for micro, *_ in i.code)
    # Every update still writes over its own weights.
    assert len(plan.spaces) < len(copies.spaces)


def test_the_plan_a_model_shows_is_that_of_its_precision() -> None:
    model = dense(3)
    model.build((5,))
    assert "bfloat16" in model.plan()


def test_without_tiles_no_plan_for_them_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_ISA", "portable")
    assert not _native.bfloat16_tiles()
    product = ("nn_bfloat16", 2, -1, 0, 1, [], [], 0, [], 0.0)
    with pytest.raises(ValueError, match="no tiles"):
        _native.Plan32([("matrix", 2, 2)] * 3, [product], -1, [])


@pytest.mark.parametrize("rows", [1, 15, 33, 300])
@pytest.mark.parametrize(("features", "units"), [(1, 1), (17, 16), (31, 33), (600, 70)])
def test_tiles_multiply_any_shape(tiles: None, rows: int, features: int, units: int) -> None:
    rng = np.random.default_rng(rows + features)
    x = rng.normal(size=(rows, features)).astype(np.float32)
    model = cr.Sequential([cr.layers.Dense(units)], seed=1)
    model.compile("sgd", "mse", engine="native", precision="bfloat16")
    model.build((features,))
    kernel, _ = model.get_weights()
    wide = [bfloat16(array).astype(np.float64) for array in (x, kernel)]
    bound = (features + 1) * np.finfo(np.float32).eps * (np.abs(wide[0]) @ np.abs(wide[1]))
    assert np.all(np.abs(model.predict(x) - wide[0] @ wide[1]) <= bound)


@pytest.mark.parametrize("batch_size", [32, 1000])
def test_tiles_learn_as_rounded_copies_do(
    tiles: None, monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(1000, 50)), rng.normal(size=(1000, 20))
    losses, weights = [], []
    for isa, threads in (("amx", 1), ("amx", 2), ("amx", 3), ("avx512", 1)):
        monkeypatch.setenv("CHAINRULE_ISA", isa)
        model = dense(40, 70, 20)
        history = model.fit(x, y, epochs=3, batch_size=batch_size, threads=threads, verbose=0)
        losses.append(history.history["loss"])
        weights.append(model.get_weights())
    for other in weights[1:3]:
        for mine, theirs in zip(weights[0], other, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_allclose(losses[0], losses[3], rtol=1e-3)
