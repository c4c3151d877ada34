"""Models as they are typed: Keras' habits, judging, predicting, sharing, copying."""

from __future__ import annotations

import contextlib
import copy
import io
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import chainrule as cr
from chainrule import layers
from chainrule.errors import DataError, ShapeError, UnknownNameError, UsageError

# some operations run on the reference engine alone
pytestmark = pytest.mark.filterwarnings("ignore:.*no native kernel")

RNG = np.random.default_rng(17)
X = RNG.normal(size=(60, 4))
Y = X @ [1.0, -1.0, 0.5, 0.0]
LABELS = (Y > 0).astype(int) + (Y > 1)


def regressor(seed: int = 1, precision: str = "float32") -> cr.Sequential:
    model = cr.Sequential([layers.Dense(5, activation="tanh"), layers.Dense(1)], seed=seed)
    model.compile("adam", "mse", ["mae"], precision=precision)
    return model


def classifier(loss: Any = "sparse_categorical_crossentropy", units: int = 3) -> cr.Sequential:
    activation = "softmax" if units > 1 else "sigmoid"
    model = cr.Sequential([layers.Dense(units, activation=activation)], seed=1)
    model.compile(cr.optimizers.Adam(0.05), loss, ["accuracy"])
    return model


# --- as it is typed ---------------------------------------------------------------------------------


def test_keras_habits_work_as_typed(tmp_path: Path) -> None:
    x, y = load_digits(return_X_y=True)
    x, y, xt, yt = x[:1000], y[:1000], x[1000:1200], y[1000:1200]
    model = cr.Sequential(
        [
            cr.layers.Dense(128, activation="relu"),
            cr.layers.Dropout(0.2),
            cr.layers.Dense(10, activation="softmax"),
        ],
        seed=0,
    )
    model.compile(
        optimizer=cr.optimizers.Adam(1e-3),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        engine="auto",
        precision="float32",
    )
    history = model.fit(
        x,
        y,
        batch_size=32,
        epochs=20,
        validation_split=0.1,
        early_stopping=cr.EarlyStopping(patience=5),
        threads=None,
        verbose=0,
    )
    assert len(history.history["val_loss"]) == len(history.epoch)
    assert history.stopped_because
    judged = model.evaluate(xt, yt)
    assert set(judged) == {"loss", "accuracy"}
    assert judged["accuracy"] > 0.85
    predicted = model.predict(xt)
    np.testing.assert_allclose(predicted.sum(1), 1.0, rtol=1e-5)
    assert np.mean(predicted.argmax(1) == yt) == pytest.approx(judged["accuracy"])
    model.save(tmp_path / "digits.chainrule")
    loaded = cr.load(tmp_path / "digits.chainrule")
    np.testing.assert_array_equal(loaded.predict(xt), predicted)
    seen = [type(event).__name__ for event in model.training(x, y, epochs=1)]
    assert seen[0] == "TrainingStarted"
    assert seen[-1] == "Stopped"
    model.set_weights(model.get_weights())
    model.layers[0].trainable = False
    kernel, bias = model.get_weights()[:2]
    assert kernel.shape == (64, 128)  # (fan_in, fan_out)
    assert bias.shape == (128,)


def test_the_functional_form_works_as_typed() -> None:
    a = cr.Input((64,))
    h = cr.layers.Dense(32, activation="relu")(a)
    out = cr.layers.Dense(10)(cr.layers.Concatenate()([a, h]))
    model = cr.Model(a, out)
    assert model.count_params() == 64 * 32 + 32 + 96 * 10 + 10
    assert model.predict(np.zeros((2, 64))).shape == (2, 10)


def test_a_model_is_built_at_its_first_use_or_when_asked() -> None:
    model = regressor()
    with pytest.raises(UsageError, match=r"has no weights yet: .* first fit, or by model\.build"):
        model.get_weights()
    with pytest.raises(UsageError, match="has no weights yet"):
        model.predict(X)
    model.build((4,))
    assert [w.shape for w in model.get_weights()] == [(4, 5), (5,), (5, 1), (1,)]
    model.build((None, 4))
    with pytest.raises(ShapeError, match=r"The model takes inputs of shape \(batch, 4\)"):
        model.build((5,))
    with pytest.raises(UsageError, match="layers can only be added before its first use"):
        model.add(layers.Dense(1))


def test_an_input_as_first_item_builds_the_model() -> None:
    model = cr.Sequential([cr.Input((4,), name="measurements"), layers.Dense(2)])
    assert model.get_weights()[0].shape == (4, 2)
    model.compile("sgd", "mse")
    model.fit({"measurements": X}, X[:, :2], verbose=0)
    with pytest.raises(UsageError, match="may only be the first item"):
        cr.Sequential([layers.Dense(1), cr.Input((4,))])
    with pytest.raises(UsageError, match="may only be the first item"):
        cr.Sequential([cr.Input((4,)), cr.Input((4,))])
    with pytest.raises(UsageError, match="Sequential has no layers"):
        cr.Sequential([]).build((4,))
    with pytest.raises(
        UsageError, match=r"takes layers such as cr\.layers\.Dense\(10\), not 'relu'"
    ):
        cr.Sequential([layers.Dense(1), "relu"])  # type: ignore[list-item]


def test_weights_are_copies_and_can_be_set_back() -> None:
    model = regressor()
    model.build((4,))
    weights = model.get_weights()
    weights[0][:] = 7.0
    assert not (model.get_weights()[0] == 7.0).any()
    model.set_weights(weights)
    weights[0][:] = 8.0
    assert (model.get_weights()[0] == 7.0).all()
    with pytest.raises(ShapeError, match="has 4 weight arrays, 3 given"):
        model.set_weights(weights[:3])
    with pytest.raises(
        ShapeError, match=r"dense_1/kernel has shape \(5, 1\), the array .* \(4, 5\)"
    ):
        model.set_weights([weights[0], weights[1], weights[0], weights[3]])
    assert (model.get_weights()[0] == 7.0).all()  # all or none


def test_weights_set_before_compile_keep_every_digit() -> None:
    model = cr.Sequential([layers.Dense(1, use_bias=False)])
    model.build((1,))
    model.set_weights([[[0.1]]])
    model.compile("sgd", "mse", precision="float64")
    assert model.get_weights()[0][0, 0] == 0.1
    model.compile("sgd", "mse", precision="float32")
    assert model.get_weights()[0].dtype == np.float32


def test_the_seed_names_the_initial_weights() -> None:
    kernels = []
    for seed in (1, 1, 2):
        model = regressor(seed)
        model.build((4,))
        kernels.append(model.get_weights()[0])
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])
    for seed in (-1, 1.5, "lucky", 2**64):
        with pytest.raises(UsageError, match=r"[Ss]eed"):
            regressor(seed).build((4,))  # type: ignore[arg-type]


# --- what is printed --------------------------------------------------------------------------------


def test_summary_is_a_table_with_totals(capsys: pytest.CaptureFixture[str]) -> None:
    model = cr.Sequential(
        [layers.Dense(5, name="hidden"), layers.BatchNormalization(), layers.Dense(1000)],
        name="my net",
    )
    model.build((4,))
    model.summary()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "my net"
    assert printed[1].split() == ["Layer", "Output", "shape", "Parameters"]
    assert printed[3].split() == ["hidden", "(Dense)", "(batch,", "5)", "25"]
    assert printed[5].split()[-1] == "6,000"
    assert printed[-1] == "Parameters: 6,045 (6,035 trained)"
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert "\n".join(lines).splitlines() == printed


def test_summary_of_a_graph_says_what_each_layer_reads() -> None:
    a, b = cr.Input((2,), name="a"), cr.Input((2,))
    h = layers.Dense(2, name="h")(a)
    model = cr.Model([a, b], layers.Add(name="sum")([h, h, b]))
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    rows = lines[0].splitlines()
    assert rows[0].split()[-1] == "Reads"
    assert rows[2].split()[-1] == "a"
    assert rows[3].endswith("h, h, input")
    with pytest.raises(UsageError, match="has no weights yet"):
        regressor().summary()


def test_fit_prints_a_line_for_each_epoch_to_where_output_goes() -> None:
    model = classifier()
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        model.fit(X, LABELS, epochs=11, validation_split=0.2)
    lines = written.getvalue().splitlines()
    assert lines[0] == (
        "Training on 48 rows, 12 for validation: 20 % of the rows at random, "
        "stratified by class (seed 1)"
    )
    assert lines[1].startswith("Epoch  1/11  0.")
    for word in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert f" {word} " in lines[1]
    assert model.history is not None
    assert lines[-1] == (
        "Stopped: the epoch limit was reached. The weights are those of epoch "
        f"{model.history.best_epoch}."
    )
    assert len(lines) == 13


def test_fit_prints_nothing_when_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    regressor().fit(X, Y, verbose=0)
    assert capsys.readouterr().out == ""


# --- judging ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 7, 1024])
def test_evaluate_is_the_mean_over_all_rows_however_they_are_cut(batch_size: int) -> None:
    model = regressor(precision="float64")
    model.fit(X, Y, verbose=0)
    error = model.predict(X)[:, 0] - Y
    judged = model.evaluate(X, Y, batch_size=batch_size)
    assert judged["loss"] == pytest.approx(np.mean(error**2), rel=1e-12)
    assert judged["mean_absolute_error"] == pytest.approx(np.mean(np.abs(error)), rel=1e-12)


def test_evaluate_of_a_classifier_is_cross_entropy_and_share_of_right_answers() -> None:
    model = classifier()
    model.fit(X, LABELS, epochs=5, verbose=0)
    p = model.predict(X).astype(float)
    judged = model.evaluate(X, LABELS)
    assert judged["loss"] == pytest.approx(-np.log(p[range(60), LABELS]).mean(), rel=1e-5)
    assert judged["accuracy"] == pytest.approx((p.argmax(1) == LABELS).mean())


def test_root_mean_square_is_the_root_of_the_mean_and_not_the_mean_of_roots() -> None:
    model = cr.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse", ["rmse", "mse"])
    history = model.fit(X, Y, batch_size=7, validation_data=(X, Y), verbose=0).history
    for prefix in ("", "val_"):
        root, mean = (
            history[f"{prefix}{n}"][0] for n in ("root_mean_squared_error", "mean_squared_error")
        )
        assert root == pytest.approx(mean**0.5)


def test_metrics_may_be_functions_and_are_called_by_their_names() -> None:
    def closeness(t: Any, p: Any) -> Any:
        return cr.ops.absolute(t - p)

    model = cr.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse", [closeness, "mae"])
    model.fit(X, Y, verbose=0)
    judged = model.evaluate(X, Y)
    assert judged["closeness"] == judged["mean_absolute_error"]


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (cr.losses.BinaryCrossentropy(from_logits=True), LABELS > 0),
        ("hinge", np.where(LABELS > 0, 1, -1)),
        ("squared_hinge", (LABELS > 0).astype(int)),
    ],
)
def test_scores_about_zero_are_judged_at_zero(loss: Any, targets: Any) -> None:
    model = cr.Sequential([layers.Dense(1)], seed=1)
    model.compile(cr.optimizers.Adam(0.05), loss, ["accuracy"])
    model.fit(X, targets, epochs=30, verbose=0)
    yes = model.predict(X)[:, 0] > 0
    expected = np.mean(yes == (LABELS > 0))
    assert expected > 0.9
    assert np.mean(yes) != np.mean(model.predict(X)[:, 0] > 0.5)
    assert model.evaluate(X, targets)["accuracy"] == pytest.approx(expected)
    np.testing.assert_array_equal(model.predict_classes(X).astype(bool), yes)


def test_several_labels_at_once_are_judged_one_by_one() -> None:
    labels = (X[:, :3] > 0.3).astype(int)
    model = cr.Sequential([layers.Dense(3, activation="sigmoid")])
    model.compile(cr.optimizers.Adam(0.1), "binary_crossentropy", ["accuracy"])
    model.fit(X, labels, epochs=30, verbose=0)
    found = model.predict_classes(X)
    assert found.shape == (60, 3)
    np.testing.assert_array_equal(found, model.predict(X) > 0.5)
    assert model.evaluate(X, labels)["accuracy"] == pytest.approx(np.mean(found == labels))


# --- predicting -------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [1, 7, 59, 60, 1000])
def test_predicting_in_blocks_is_predicting_at_once(block: int) -> None:
    model = regressor(precision="float64")
    model.build((4,))
    np.testing.assert_allclose(model.predict(X, batch_size=block), model.predict(X), rtol=1e-13)


def test_no_row_one_row_and_lists_can_be_predicted() -> None:
    model = regressor()
    model.build((4,))
    assert model.predict(X[:0]).shape == (0, 1)
    assert model.predict(X[:0]).dtype == np.float32
    one = model.predict(X[:1])
    assert one.shape == (1, 1)
    np.testing.assert_array_equal(model.predict([X[0].tolist()]), one)
    np.testing.assert_array_equal(model.predict([X[0]]), one)
    np.testing.assert_array_equal(model.predict([X[:1]]), one)
    assert model.predict_classes(X[:0]).shape == (0,)


def test_images_in_a_list_are_rows_and_not_inputs() -> None:
    model = cr.Sequential([layers.Flatten(), layers.Dense(2)])
    model.compile("sgd", "mse")
    images = [RNG.normal(size=(3, 3)) for _ in range(5)]
    model.fit(images, np.ones((5, 2)), validation_split=0.2, verbose=0)
    assert model.predict(images).shape == (5, 2)


def test_predictions_belong_to_the_caller() -> None:
    inputs = cr.Input((4,))
    model = cr.Model(inputs, inputs)
    model.compile(loss="mse", precision="float64")
    x = X.copy()
    model.predict(x)[:] = 0.0
    np.testing.assert_array_equal(x, X)


def test_classes_are_what_was_trained_on() -> None:
    names = np.array(["low", "middle", "high"])[LABELS]
    for y, kind, loss in (
        (LABELS, "iu", "sparse_categorical_crossentropy"),
        (names, "U", "sparse_categorical_crossentropy"),
        (names.astype(object), "U", ["sparse_categorical_crossentropy"]),
        (names, "U", {"dense": "sparse_categorical_crossentropy"}),
    ):
        model = classifier(loss)
        model.fit(X, y, epochs=30, verbose=0)
        found = model.predict_classes(X)
        assert found.dtype.kind in kind
        assert np.mean(found == y) > 0.8


@pytest.mark.parametrize(
    ("loss", "units", "classes"),
    [
        ("binary_crossentropy", 1, 2),
        ("sparse_categorical_crossentropy", 2, 2),
        ("categorical_crossentropy", 3, 3),
    ],
)
def test_text_labels_go_with_every_cross_entropy(loss: str, units: int, classes: int) -> None:
    names = np.array(["no", "yes", "yes" if classes == 2 else "surely"])[LABELS]
    model = classifier(loss, units)
    history = model.fit(X, names, epochs=40, validation_split=0.2, verbose=0)
    assert "stratified by class" in history.held_out
    assert model.evaluate(X, names)["accuracy"] > 0.8
    assert np.mean(model.predict_classes(X) == names) == pytest.approx(
        model.evaluate(X, names)["accuracy"]
    )


def test_true_and_false_are_labels() -> None:
    model = classifier("binary_crossentropy", 1)
    model.fit(X, LABELS > 0, epochs=40, verbose=0)
    assert model.predict_classes(X).dtype == bool


def test_a_label_that_was_not_there_in_training_is_named() -> None:
    names = np.array(["a", "b", "c"])[LABELS]
    model = classifier()
    model.fit(X, names, verbose=0)
    with pytest.raises(DataError, match="'d', which was not there in training"):
        model.evaluate(X[:2], ["a", "d"])


# --- data frames ------------------------------------------------------------------------------------


def columns() -> tuple[dict[str, Any], Any]:
    colour = RNG.choice(["red", "green", "blue"], size=200)
    size = RNG.normal(50.0, 10.0, size=200)
    size[::17] = np.nan
    price = 3.0 * (colour == "red") + 0.1 * np.nan_to_num(size, nan=50.0)
    return {"colour": colour, "size": size}, price


@pytest.mark.parametrize("library", ["pandas", "polars", "dict"])
def test_frames_are_prepared_by_the_model_itself(library: str, tmp_path: Path) -> None:
    table, price = columns()
    make = dict if library == "dict" else pytest.importorskip(library).DataFrame
    frame = make(table)
    model = cr.Sequential([layers.Dense(8, "relu"), layers.Dense(1)], seed=0)
    model.compile(cr.optimizers.Adam(0.02), "mse")
    history = model.fit(frame, price, epochs=60, validation_split=0.1, verbose=0)
    assert history.validation_rows == 20
    assert history.history["val_loss"][-1] < 0.1 * np.var(price)
    few = make({"colour": ["red", "mauve", "blue"], "size": [50.0, np.nan, 60.0]})
    predicted = model.predict(few)
    assert predicted.shape == (3, 1)
    assert np.isfinite(predicted).all()
    model.save(tmp_path / "m.chainrule")
    np.testing.assert_array_equal(cr.load(tmp_path / "m.chainrule").predict(few), predicted)
    with pytest.raises(DataError, match=r"lacks 1 of the 2 columns .* \(size\)"):
        model.predict(make({"colour": ["red"]}))


def test_frames_are_prepared_by_training_rows_alone() -> None:
    pandas = pytest.importorskip("pandas")
    model = regressor()
    values = np.arange(10.0)
    model.fit(pandas.DataFrame({"a": values}), values, validation_split=0.3, verbose=0)
    train, _ = cr.data.validation_split(10, fraction=0.3, seed=1)
    assert model.preprocessing is not None
    (encoder,) = model.preprocessing.table
    assert encoder.mean == pytest.approx(values[train].mean())  # type: ignore[union-attr]
    assert encoder.mean != pytest.approx(values.mean())  # type: ignore[union-attr]


def test_frames_keep_their_digits_in_float64() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = cr.Sequential([layers.Dense(1)], seed=0)
    model.compile("sgd", "mse", precision="float64")
    model.fit(frame, np.ones(len(frame)), verbose=0)
    assert model.preprocessing is not None
    inputs = model.preprocessing.transform(frame, precision="float64")
    kernel, bias = model.get_weights()
    assert model.target is None
    np.testing.assert_allclose(model.predict(frame), inputs @ kernel + bias, rtol=1e-13)


def test_labels_may_come_in_a_column_of_a_frame() -> None:
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    names = np.array(["a", "b", "c"])[LABELS]
    weights = []
    for y in (names, list(names), pandas.Series(names), polars.Series(names)):
        model = classifier()
        model.fit(X, y, verbose=0)
        weights.append(model.get_weights()[0])
    assert all(np.array_equal(w, weights[0]) for w in weights)


def test_arrays_and_frames_are_not_mixed_up() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    on_arrays, on_frames = regressor(), regressor()
    on_arrays.fit(X, Y, verbose=0)
    with pytest.raises(DataError, match="trained on arrays: give arrays, not a data frame"):
        on_arrays.predict(frame)
    on_frames.fit(frame, Y, verbose=0)
    with pytest.raises(
        DataError, match="A table with the columns a, b, c, d was expected, not an array"
    ):
        on_frames.predict(X)
    inputs = [cr.Input((2,)), cr.Input((2,))]
    several = cr.Model(inputs, layers.Add()(inputs))
    with pytest.raises(DataError, match="several inputs takes arrays, in a list or a dict"):
        several.predict(frame)


def test_nothing_is_learnt_from_data_that_were_refused() -> None:
    pandas = pytest.importorskip("pandas")
    model = classifier()
    with pytest.raises(ShapeError, match="x has 60 rows but y has 59"):
        model.fit(pandas.DataFrame(X, columns=list("abcd")), LABELS[:59], verbose=0)
    with pytest.raises(DataError, match="NaN"):
        model.fit(np.full((60, 4), np.nan), np.array(["a", "b", "c"])[LABELS], verbose=0)
    assert model.preprocessing is None
    assert model.target is None
    model.fit(X, LABELS, verbose=0)


# --- sharing and copying ----------------------------------------------------------------------------


def test_a_model_over_another_s_layers_shares_its_weights() -> None:
    model = regressor(precision="float64")
    model.build((4,))
    inputs = cr.Input((4,))
    hidden = cr.Model(inputs, model.layers[0](inputs))
    w, b = model.get_weights()[:2]
    np.testing.assert_allclose(hidden.predict(X), np.tanh(X @ w + b), rtol=1e-12)
    model.fit(X, Y, epochs=2, verbose=0)
    w, b = model.get_weights()[:2]
    np.testing.assert_allclose(hidden.predict(X), np.tanh(X @ w + b), rtol=1e-12)
    hidden.set_weights([np.zeros((4, 5)), np.ones(5)])
    assert not model.get_weights()[0].any()


def test_two_models_that_share_layers_can_be_trained_in_turn() -> None:
    shared = layers.Dense(3, "tanh")
    inputs = cr.Input((4,))
    h = shared(inputs)
    one, two = cr.Model(inputs, layers.Dense(1)(h)), cr.Model(inputs, layers.Dense(1)(h))
    for model in (one, two):
        model.compile("adam", "mse")
    assert not np.array_equal(one.get_weights()[2], two.get_weights()[2])  # drawn for themselves
    before = one.get_weights()[0]
    two.fit(X, Y, verbose=0)
    assert not np.array_equal(one.get_weights()[0], before)
    one.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(one.get_weights()[0], two.get_weights()[0])


def test_layers_of_two_models_already_built_cannot_be_put_together() -> None:
    inputs = cr.Input((4,))
    one = cr.Sequential([layers.Dense(2, name="a")])
    two = cr.Sequential([layers.Dense(2, name="b")])
    for model in (one, two):
        model.build((4,))
    both = layers.Add()([one.layers[0](inputs), two.layers[0](inputs)])
    with pytest.raises(UsageError, match="belong to two models already built"):
        cr.Model(inputs, both)


@pytest.mark.parametrize("by", ["pickle", "deepcopy"])
def test_a_copy_predicts_and_goes_on_training_by_itself(by: str) -> None:
    model = classifier()
    model.fit(X, np.array(["a", "b", "c"])[LABELS], epochs=2, verbose=0)
    copied = copy.deepcopy(model) if by == "deepcopy" else pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.predict(X), model.predict(X))
    assert copied.predict_classes(X).tolist() == model.predict_classes(X).tolist()
    before = model.get_weights()[0]
    for one in (copied, model):
        one.fit(X, np.array(["a", "b", "c"])[LABELS], epochs=2, verbose=0)
        if one is copied:
            np.testing.assert_array_equal(model.get_weights()[0], before)
    np.testing.assert_array_equal(copied.get_weights()[0], model.get_weights()[0])


def test_a_deep_network_can_be_copied_before_and_after_training() -> None:
    model = cr.Sequential([layers.Dense(2, "tanh") for _ in range(60)])
    model.compile("sgd", "mse")
    assert len(pickle.loads(pickle.dumps(model)).layers) == 60
    model.fit(X, X[:, :2], verbose=0)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(copied.predict(X), model.predict(X))


# --- what is refused --------------------------------------------------------------------------------


def test_unknown_names_are_guessed() -> None:
    model = cr.Sequential([layers.Dense(1)])
    for settings, guess in (
        ({"loss": "mean_squared_eror"}, "did you mean 'mean_squared_error'"),
        ({"loss": "mse", "optimizer": "adamm"}, "did you mean 'adam'"),
        ({"loss": "mse", "metrics": ["acuracy"]}, "did you mean 'accuracy'"),
        ({"loss": "mse", "engine": "referense"}, "did you mean 'reference'"),
    ):
        with pytest.raises(UnknownNameError, match=guess):
            model.compile(**settings)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"compile needs a loss, e\.g\."):
        model.compile("adam")
    with pytest.raises(UsageError, match=r"precision is one of float32, float64.*, not 'float8'"):
        model.compile("adam", "mse", precision="float8")
    with pytest.raises(UsageError, match=r"Call model\.compile\(optimizer, loss\) before"):
        model.fit(X, Y, verbose=0)


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        (X, Y[:59], "x has 60 rows but y has 59"),
        (
            X[:, :0],
            Y,
            r"x has shape \(60, 0\): give an array \(rows, features\), with at least one",
        ),
        (np.where(X > 2, np.nan, X), Y, r"x holds \d+ NaN or infinite"),
        (X, np.where(Y > 2, np.inf, Y), r"y holds \d+ NaN or infinite"),
        (
            X,
            np.column_stack([Y, Y]),
            r"y has shape \(60, 2\), but for an output of shape \(batch, 1\)",
        ),
        (X.astype(str), Y, "x holds '.*' where numbers are expected"),
        (X, ["high"] * 60, "y holds 'high' where numbers are expected"),
        (3.0, Y, "x needs rows"),
        (X, 3.0, r"y has shape \(\), but for an output"),
        (X, None, "y is None"),
        ([[1.0], [1.0, 2.0]], [1.0, 2.0], "its rows are not equally long"),
    ],
)
def test_bad_arrays_are_one_sentence(x: Any, y: Any, sentence: str) -> None:
    with pytest.raises(cr.ChainruleError, match=sentence):
        regressor().fit(x, y, verbose=0)


@pytest.mark.parametrize(
    ("y", "sentence"),
    [
        (LABELS + 1, "class numbers from 1 to 3, but the output has 3 units"),
        (
            np.array(["a", "b", "c", "d"])[np.arange(60) % 4],
            "class numbers from 0 to 3, but the out",
        ),
        (np.full(60, np.nan), "y holds 60 NaN"),
        (np.array(["a", None] * 30, dtype=object), "The target is missing in 30 of 60 rows"),
        (["a"] * 60, "The target has one class only"),
        (LABELS + 0.5, r"y must hold whole numbers, but holds \d\.5"),
    ],
)
def test_bad_labels_are_one_sentence(y: Any, sentence: str) -> None:
    with pytest.raises(cr.ChainruleError, match=sentence):
        classifier().fit(X, y, verbose=0)


def test_a_changed_feature_count_prints_both_shapes() -> None:
    model = regressor()
    model.fit(X, Y, verbose=0)
    for use in (
        lambda x: model.fit(x, Y, verbose=0),
        model.predict,
        lambda x: model.evaluate(x, Y),
    ):
        with pytest.raises(
            ShapeError, match=r"x has shape \(60, 3\), but the model takes \(batch, 4\)\. Did the"
        ):
            use(X[:, :3])


def test_judging_needs_a_row_and_batches_of_one_at_least() -> None:
    model = regressor()
    model.build((4,))
    with pytest.raises(DataError, match="There are no rows to judge the model by"):
        model.evaluate(X[:0], Y[:0])
    with pytest.raises(UsageError, match="predict: batch_size is 0"):
        model.predict(X, batch_size=0)
    with pytest.raises(UsageError, match="evaluate: batch_size is -1"):
        model.evaluate(X, Y, batch_size=-1)


def test_classes_need_one_output() -> None:
    a = cr.Input((4,))
    model = cr.Model(a, [layers.Dense(2)(a), layers.Dense(2)(a)])
    with pytest.raises(UsageError, match="predict_classes is for models with one output"):
        model.predict_classes(X)


# --- small and odd ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 2, 10])
def test_fewer_rows_than_a_batch_are_enough(rows: int) -> None:
    model = classifier()
    history = model.fit(X[:rows], LABELS[:rows], batch_size=32, epochs=3, verbose=0)
    assert history.rows == rows
    assert np.isfinite(history.history["loss"]).all()


def test_one_row_left_for_validation_is_enough() -> None:
    history = classifier().fit(X[:10], LABELS[:10], validation_split=0.05, epochs=2, verbose=0)
    assert (history.rows, history.validation_rows) == (9, 1)


def test_validation_rows_are_named_by_number_or_by_a_mask() -> None:
    fold = np.array([3, 50, 7])
    mask = np.zeros(len(X), dtype=bool)
    mask[fold] = True
    one, other = regressor(), regressor()
    history = one.fit(X, Y, validation_rows=fold, epochs=3, verbose=0)
    other.fit(X, Y, validation_rows=mask, epochs=3, verbose=0)
    assert (history.rows, history.validation_rows) == (57, 3)
    assert history.held_out == "3 rows chosen by the caller"
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for wrong, message in (
        ([60], "names row 60"),
        ([-1], "names row -1"),
        ([0.5], "are row numbers"),
        ([], "are row numbers"),
        ([True, False], "are row numbers"),
    ):
        with pytest.raises(UsageError, match=message):
            regressor().fit(X, Y, validation_rows=wrong, verbose=0)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"validation_split": 0.1, "validation_rows": [0]}, "only one of them"),
        ({"validation_split": 0.1, "validation_data": (X, Y)}, "only one of them"),
        ({"validation_rows": [0], "validation_data": (X, Y)}, "only one of them"),
        ({"validation_data": (X,)}, r"is \(x, y\) or \(x, y, sample_weight\)"),
        ({"validation_data": X}, r"is \(x, y\) or \(x, y, sample_weight\)"),
    ],
)
def test_validation_is_asked_for_in_one_way(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        regressor().fit(X, Y, verbose=0, **asked)


def test_validation_data_of_a_weighted_training_have_their_own_weights() -> None:
    model, weights = regressor(), np.arange(10.0)
    held_out = (X[:10], Y[:10], weights)
    history = model.fit(X, Y, sample_weight=np.ones(60), validation_data=held_out, verbose=0)
    assert (history.rows, history.validation_rows) == (60, 10)
    assert history.held_out == "given by the caller"
    judged = model.evaluate(X[:10], Y[:10], sample_weight=weights)["loss"]
    assert history.history["val_loss"] == [pytest.approx(judged, rel=1e-6)]
    assert judged != pytest.approx(model.evaluate(X[:10], Y[:10])["loss"])


def test_one_feature_is_enough_as_a_vector_or_a_column() -> None:
    for x in (X[:, 0], X[:, :1]):
        model = regressor()
        model.fit(x, Y, verbose=0)
        assert model.predict(x).shape == (60, 1)


def test_a_class_that_never_occurs_is_no_trouble() -> None:
    model = classifier()
    model.fit(X, np.minimum(LABELS, 1), epochs=40, verbose=0)
    assert set(model.predict_classes(X)) <= {0, 1}
    assert model.predict(X)[:, 2].max() < 0.2


def test_classes_with_a_single_row_stay_in_training_or_nothing_is_stratified() -> None:
    y = np.array([0] * 9 + [1])
    history = classifier().fit(X[:10], y, validation_split=0.3, verbose=0)
    assert "stratified" in history.held_out
    history = classifier().fit(X[:3], [0, 1, 2], validation_split=0.3, verbose=0)
    assert history.held_out == "30 % of the rows at random (seed 1)"


def test_targets_as_column_or_vector_teach_the_same() -> None:
    weights = []
    for y in (Y, Y[:, None], Y.tolist()):
        model = regressor()
        model.fit(X, y, verbose=0)
        weights.append(model.get_weights()[0])
    assert all(np.array_equal(w, weights[0]) for w in weights)


def test_weights_of_validation_data_count_whether_or_not_training_rows_have_some() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((60, 3)), rng.standard_normal((60, 1))
    w = rng.uniform(0.1, 9.0, 60)
    seen = []
    for training_weights in (None, np.ones(60)):
        model = cr.Sequential([cr.layers.Dense(1)], seed=0)
        model.compile("sgd", "mse", precision="float64")
        history = model.fit(
            x, y, validation_data=(x, y, w), sample_weight=training_weights, verbose=0
        )
        seen.append(history.history["val_loss"][-1])
        assert seen[-1] == model.evaluate(x, y, sample_weight=w)["loss"]
    assert seen[0] == seen[1]


def test_several_threads_predict_with_one_model_at_once() -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_normal((3000, 5))
    model = cr.Sequential([cr.layers.Dense(20, activation="tanh"), cr.layers.Dense(2)], seed=0)
    for engine in ("native", "reference"):
        model.compile("sgd", "mse", engine=engine)
        model.build((5,))
        expected = model.predict(x)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(model.predict, [x] * 20))
        assert all(np.array_equal(f, expected) for f in found)


def test_a_prediction_follows_the_weights() -> None:
    x = np.ones((2, 3))
    model = cr.Sequential([cr.layers.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    model.build((3,))
    before = model.predict(x)
    kernel, bias = model.get_weights()
    model.set_weights([kernel * 2, bias + 1])
    np.testing.assert_allclose(model.predict(x), 2 * before + 1, rtol=1e-6)
    model.fit(x, np.zeros((2, 1)), epochs=3, verbose=0)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(model.predict(x), x @ kernel + bias, rtol=1e-6)
