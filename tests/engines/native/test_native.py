"""The native engine against the reference: every operation, and whole models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import ops
from chainrule.backprop import gradients
from chainrule.engines import EngineWarning
from chainrule.engines.native import Native, NoKernel, lower
from chainrule.engines.program import Program, State
from chainrule.engines.reference import Reference
from chainrule.errors import ShapeError
from chainrule.graph import BATCH, Example, Input, Op, Parameter, Value
from chainrule.ops import sum as total

TOLERANCE = {"float64": 1e-12, "float32": 2e-5}

Made = tuple[Program, dict[Input, Any], State]


def program_of(example: Example, batched: bool) -> Made | None:
    """The operation and its gradients; its arrays are parameters, or rows of the data where all have as many."""
    arrays = [np.asarray(a) for a in example.arrays]
    if batched and (
        not arrays or any(a.ndim == 0 for a in arrays) or len({len(a) for a in arrays}) > 1
    ):
        return None
    if not batched and any(a.dtype.kind != "f" for a in arrays):
        return None
    state, data, leaves = State("float64"), {}, []
    for i, a in enumerate(arrays):
        if batched:
            leaf: Value = Input(
                (BATCH, *a.shape[1:]), "float" if a.dtype.kind == "f" else "int", f"x{i}"
            )
            data[leaf] = a
        else:
            leaf = Parameter(a.shape, f"x{i}")
            state[leaf] = a  # type: ignore[index]
        leaves.append(leaf)
    try:
        value = example.op(*leaves)
    except ShapeError:  # its own settings name sizes that a batch does not have
        return None
    outputs = {"value": value}
    wrt = [x for x in leaves if x.kind == "float"]
    if example.op.differentiable and wrt and value.kind == "float":
        found = gradients(total(value * value), wrt)
        outputs |= {f"g{i}": g for i, g in enumerate(found) if g is not None}
    return Program(tuple(data), outputs), data, state


def cases() -> Iterator[Any]:
    """Every form of every operation's examples that has kernels."""
    for name, op in sorted(Op.registry.items()):
        for i, example in enumerate(op.example(np.random.default_rng(0))):
            for batched in (False, True):
                made = program_of(example, batched)
                if made is None:
                    continue
                try:
                    lower(made[0])
                except NoKernel:
                    continue
                yield pytest.param(
                    name, made, id=f"{name}-{i}-{'batch' if batched else 'parameters'}"
                )


def by_hand() -> Iterator[Any]:
    """Operations whose examples have no such form."""
    rng = np.random.default_rng(2)
    x, numbers = Input((BATCH, 5), name="x"), Input((BATCH,), "int", "numbers")
    table = Parameter((4, 21), "table")
    state = State("float64")
    state[table] = rng.normal(size=(4, 21))
    rows = {x: rng.normal(size=(13, 5))}
    chosen = {numbers: rng.integers(0, 4, 13)}
    looked_up = ops.gather(table, numbers)
    (slope,) = gradients(total(looked_up * looked_up), [table])
    assert slope is not None
    yield pytest.param(
        "max", (Program((x,), {"y": ops.max(x, -1)}), rows, State("float64")), id="max"
    )
    least = ops.where(ops.greater(x, 0.5), x * 2.0, ops.exp(x))
    yield pytest.param("where", (Program((x,), {"y": least}), rows, State("float64")), id="where")
    yield pytest.param(
        "gather",
        (Program((numbers,), {"y": looked_up, "slope": slope}), chosen, state),
        id="gather",
    )


CASES = [*cases(), *by_hand()]
# They need a key, which steps have: see test_noise.py too.
BY_MODELS = {"dropout_mask", "normal_noise", "random_flip", "random_shift"}


def test_every_operation_has_a_kernel() -> None:
    tested = {str(case.values[0]) for case in CASES}
    assert set(Op.registry) == tested | BY_MODELS


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(("name", "made"), CASES)
def test_every_operation_agrees_with_the_reference(name: str, made: Made, precision: Any) -> None:
    program, data, given = made
    state = State(precision)
    for parameter, array in given.arrays.items():
        state[parameter] = array
    found = Native().prepare(program, state).once(data)
    expected = Reference().prepare(program, given).once(data)
    for key, array in expected.items():
        near = TOLERANCE[precision] * max(1.0, float(np.max(np.abs(array), initial=0.0)))
        np.testing.assert_allclose(
            found[key], array, rtol=TOLERANCE[precision], atol=near, err_msg=key
        )


def trained(engine: str, build: Any, **settings: Any) -> tuple[list[float], list[np.ndarray]]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(203, 7))
    labels = (x[:, 0] + x[:, 1] ** 2 + 0.3 * rng.normal(size=203) > 0.5).astype(int) + (x[:, 2] > 1)
    y = settings.pop("y", labels)
    model = build()
    compiled = {
        "optimizer": "adam",
        "loss": "sparse_categorical_crossentropy",
        "precision": "float64",
    }
    compiled.update(
        {k: settings.pop(k) for k in list(settings) if k in ("optimizer", "loss", "metrics")}
    )
    model.compile(engine=engine, **compiled)
    history = model.fit(
        x, y(x) if callable(y) else y, epochs=3, verbose=0, validation_split=0.2, **settings
    )
    return history.history["loss"] + history.history["val_loss"], model.get_weights()


def classifier(*inner: Any) -> Any:
    return lambda: cr.Sequential(
        [*(layer() for layer in inner), cr.layers.Dense(3, activation="softmax")], seed=5
    )


DENSE = lambda: cr.layers.Dense(17, activation="relu")  # noqa: E731
MODELS = {
    "relu": classifier(DENSE),
    "deep": classifier(DENSE, lambda: cr.layers.Dense(5, activation="tanh"), DENSE),
    "dropout": classifier(DENSE, lambda: cr.layers.Dropout(0.3)),
    "cycled dropout": classifier(DENSE, lambda: cr.layers.CycledDropout(0.3, masks=4)),
    "batch norm": classifier(DENSE, lambda: cr.layers.BatchNormalization()),
    "layer norm": classifier(DENSE, lambda: cr.layers.LayerNormalization()),
    "l2": classifier(lambda: cr.layers.Dense(9, activation="gelu", kernel_regularizer=1e-3)),
    "max norm": classifier(
        lambda: cr.layers.Dense(9, activation="elu", kernel_constraint=cr.constraints.MaxNorm(1.0))
    ),
    "one unit": classifier(lambda: cr.layers.Dense(1, activation="sigmoid")),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_train_alike_on_both_engines(name: str) -> None:
    native, reference = trained("native", MODELS[name]), trained("reference", MODELS[name])
    np.testing.assert_allclose(native[0], reference[0], rtol=1e-9)
    for a, b in zip(native[1], reference[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)


OPTIMIZERS = [
    "sgd",
    cr.optimizers.SGD(0.05, momentum=0.9),
    cr.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adagrad",
    "rmsprop",
    "adam",
    "adamw",
    cr.optimizers.Adam(0.01, global_clipnorm=0.5),
    cr.optimizers.Adam(0.01, clipnorm=0.5),
    cr.optimizers.Adam(0.01, clipvalue=0.05),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_every_optimizer_trains_alike_on_both_engines(optimizer: Any) -> None:
    native, reference = (
        trained(e, MODELS["relu"], optimizer=optimizer) for e in ("native", "reference")
    )
    np.testing.assert_allclose(native[0], reference[0], rtol=1e-9)


REGRESSION = ["mse", "half_squared_error", "euclidean", "mae", "huber", "log_cosh"]


@pytest.mark.parametrize("loss", REGRESSION)
def test_every_regression_loss_trains_alike_on_both_engines(loss: str) -> None:
    def build() -> cr.Sequential:
        return cr.Sequential([cr.layers.Dense(16, activation="tanh"), cr.layers.Dense(2)], seed=2)

    y = lambda x: np.stack([x[:, 0] * x[:, 1], x[:, 2]], axis=1)  # noqa: E731
    native, reference = (trained(e, build, loss=loss, y=y) for e in ("native", "reference"))
    np.testing.assert_allclose(native[0], reference[0], rtol=1e-9)


def test_sample_and_class_weights_and_metrics_agree() -> None:
    weights = np.random.default_rng(0).uniform(0.5, 2.0, 203)
    for settings in (
        {"sample_weight": weights},
        {"class_weight": "balanced"},
        {"metrics": ["accuracy"]},
    ):
        native, reference = (
            trained(e, MODELS["relu"], **dict(settings)) for e in ("native", "reference")
        )
        np.testing.assert_allclose(native[0], reference[0], rtol=1e-9)


def test_a_sum_of_squares_is_made_in_one_pass() -> None:
    w = Parameter((40, 30), "w")
    state = State("float64")
    state[w] = np.random.default_rng(0).standard_normal((40, 30))
    program = Program((), {"squares": ops.sum(w**2.0)})
    plan = lower(program)[0]
    assert [i.opcode for i in plan.instructions] == ["row_sum_of_squares", "total"]
    found = Native().prepare(program, state).once({}, {})["squares"]
    np.testing.assert_allclose(found, np.sum(state[w] ** 2), rtol=1e-12)


def test_parameters_that_swap_are_read_before_they_are_written() -> None:
    a, b = Parameter((3,), "a"), Parameter((3,), "b")
    program = Program((), {"sum": total(a)}, assignments=((a, b), (b, a * 2.0)))
    for engine in (Native(), Reference()):
        state = State("float64")
        state[a], state[b] = [1.0, 2.0, 3.0], [10.0, 20.0, 30.0]
        assert float(engine.prepare(program, state).once({})["sum"]) == 6.0
        np.testing.assert_array_equal(state[a], [10.0, 20.0, 30.0])
        np.testing.assert_array_equal(state[b], [2.0, 4.0, 6.0])


def test_the_same_bits_for_any_number_of_threads() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(1000, 200)), rng.integers(0, 10, 1000)

    def weights(threads: int) -> list[np.ndarray]:
        layers = [
            cr.layers.Dense(300, activation="relu"),
            cr.layers.Dropout(0.2),
            cr.layers.Dense(150, use_bias=False),
            cr.layers.BatchNormalization(),
            cr.layers.Activation("tanh"),
            cr.layers.Dense(10, activation="softmax"),
        ]
        model = cr.Sequential(layers, seed=4)
        model.compile(
            cr.optimizers.Adam(1e-3, global_clipnorm=1.0),
            "sparse_categorical_crossentropy",
            engine="native",
        )
        model.fit(x, y, batch_size=96, epochs=2, verbose=0, threads=threads)
        return model.get_weights()

    one = weights(1)
    for threads in (2, 3, 8):
        for a, b in zip(one, weights(threads), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("rows", [0, 1, 63, 700, 5001])
def test_values_of_each_row_are_the_same_however_the_rows_are_cut(
    rows: int, precision: Any
) -> None:
    rng = np.random.default_rng(2)
    x, w = Input((BATCH, 9), name="x"), Parameter((9, 40), "w")
    v = Parameter((40, 7), "v")
    hidden = ops.tanh(x @ w)
    scores = ops.softmax(hidden @ v)
    program = Program(
        (x,),
        {"scores": scores, "best": ops.argmax(scores), "size": total(hidden, -1)},
    )
    state = State(precision)
    state[w], state[v] = rng.standard_normal((9, 40)), rng.standard_normal((40, 7))
    data = {x: rng.standard_normal((rows, 9)).astype(state.dtype)}
    once = Native().prepare(program, state, 1).once(data)
    for threads in (1, 2, 3):
        runner = Native().prepare(program, state, threads)
        for block in (1, 50, 1024, 4096):
            found = runner.blocks(data, block)
            for name, array in once.items():
                assert found[name].dtype == array.dtype
                np.testing.assert_array_equal(found[name], array)


def test_blocks_are_for_values_of_each_row() -> None:
    x = Input((BATCH, 2), name="x")
    runner = Native().prepare(Program((x,), {"sum": total(x)}), State())
    with pytest.raises(ShapeError, match=r"^sum has no entry for each row: run it on all rows"):
        runner.blocks({x: np.ones((3, 2), np.float32)})


def test_the_same_bits_for_any_number_of_threads_where_batches_are_taken_in_slices() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(7001, 6)), rng.normal(size=(7001, 3))

    def weights(threads: int, engine: str = "native") -> list[np.ndarray]:
        layers = [
            cr.layers.Dense(40, activation="tanh"),
            cr.layers.Dropout(0.2),
            cr.layers.Dense(16, activation="relu"),
            cr.layers.LayerNormalization(),
            cr.layers.Dense(3),
        ]
        model = cr.Sequential(layers, seed=4)
        optimizer = cr.optimizers.Adam(1e-3, global_clipnorm=0.5)
        model.compile(optimizer, "mse", engine=engine, precision="float64")
        model.fit(x, y, batch_size=3000, epochs=3, verbose=0, threads=threads)
        return model.get_weights()

    one = weights(1)
    for threads in (2, 3, 8, 40):
        for a, b in zip(one, weights(threads), strict=True):
            np.testing.assert_array_equal(a, b)
    for a, b in zip(one, weights(1, "reference"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def below_the_largest() -> Any:
    """A layer without a kernel: nothing that reduces over the rows but sums has one."""
    return cr.layers.Lambda(lambda x: x - ops.max(x, 0))


def test_auto_runs_on_the_reference_engine_what_has_no_kernel_and_says_so() -> None:
    model = cr.Sequential([below_the_largest(), cr.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.warns(EngineWarning, match=r"max over axes \(0,\) of .* has no native kernel"):
        model.fit(x, x[:, :1], verbose=0)
    model.fit(x, x[:, :1], verbose=0)  # said once


def test_native_names_the_operation_that_has_no_kernel() -> None:
    model = cr.Sequential([below_the_largest(), cr.layers.Dense(1)])
    model.compile("sgd", "mse", engine="native")
    with pytest.raises(cr.ChainruleError, match=r"no kernel for max over .*: use engine='auto'"):
        model.fit(np.ones((20, 3)), np.ones(20), verbose=0)


def test_a_number_that_names_no_row_of_a_table_is_an_error_in_words() -> None:
    a = cr.Input((1,), kind="int")
    # not an Embedding, whose input is looked at before it comes to an engine
    rows = cr.layers.Lambda(lambda numbers: cr.ops.gather(np.ones((4, 3)), numbers))
    model = cr.Model(a, cr.layers.Dense(1)(cr.layers.Flatten()(rows(a))))
    model.compile("sgd", "mse")
    with pytest.raises(cr.DataError, match="names no row"):
        model.predict(np.array([[1], [7]]))


@pytest.mark.parametrize(
    ("words", "numbers", "width"), [(9, 3, 4), (9, 4, 1), (1, 1, 1), (1, 3, 2)]
)
def test_several_numbers_a_row_look_up_a_table(words: int, numbers: int, width: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, words, (300, numbers)), rng.integers(0, 3, 300)

    def weights(engine: str, threads: int) -> list[Any]:
        layers = [
            cr.layers.Embedding(words, width),
            cr.layers.Flatten(),
            cr.layers.Dense(8, activation="tanh"),
            cr.layers.Dense(3, activation="softmax"),
        ]
        model = cr.Sequential(layers, seed=1)
        loss = "sparse_categorical_crossentropy"
        model.compile(cr.optimizers.Adam(1e-2), loss, engine=engine, precision="float64")
        model.fit(x, y, epochs=3, batch_size=50, verbose=0, threads=threads)
        return model.get_weights()

    expected, one, two = weights("reference", 1), weights("native", 1), weights("native", 2)
    for a, b, c in zip(expected, one, two, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(b, c)
