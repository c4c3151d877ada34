"""Products of factors rounded to bfloat16, on both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.reference import bfloat16

ENGINES = ("native", "reference")


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
