"""Saving and loading: the same bits, in another process too, and files that are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import layers, ops, storage
from chainrule.errors import ModelFileError, UsageError

# some operations run on the reference engine alone
pytestmark = pytest.mark.filterwarnings("ignore:.*no native kernel")

RNG = np.random.default_rng(18)
X = RNG.normal(size=(40, 4))
Y = X @ [1.0, -1.0, 0.5, 0.0]
LABELS = (Y > 0).astype(int)


def rich(precision: str = "float32") -> cr.Model:
    """Two inputs, an embedding, normalization, dropout, tied and shared weights, two outputs."""
    a, b = cr.Input((4,), name="a"), cr.Input((2,), kind="int", name="b")
    e = layers.Flatten()(layers.Embedding(3, 2)(b))
    shared = layers.Dense(4, "tanh", kernel_regularizer="l2", name="shared")
    h = layers.BatchNormalization()(layers.Dropout(0.2)(shared(shared(a))))
    tied = layers.TiedDense(shared)(h)
    both = layers.Concatenate()([tied, e])
    outputs = {
        "size": layers.Dense(1, kernel_constraint="max_norm")(both),
        "kind": layers.Dense(2, "softmax")(both),
    }
    model = cr.Model([a, b], outputs, seed=7, name="rich")
    model.compile(
        cr.optimizers.SGD(cr.schedules.Cosine(0.05), momentum=0.9, nesterov=True),
        {"size": cr.losses.Huber(0.5), "kind": "sparse_categorical_crossentropy"},
        {"kind": ["accuracy"]},
        loss_weights={"size": 1.0, "kind": 0.5},
        precision=precision,
    )
    return model


RICH_X = [X, RNG.integers(0, 3, size=(40, 2))]
RICH_Y = {"size": Y, "kind": LABELS}


def plain() -> cr.Sequential:
    model = cr.Sequential(
        [layers.Dense(6, "relu"), layers.Dropout(0.3), layers.Dense(1)], seed=3, name="plain"
    )
    model.compile("adam", "mse", ["mae"])
    return model


# --- the same again ---------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_loaded_model_predicts_and_judges_the_same_bits(tmp_path: Path, precision: str) -> None:
    model = rich(precision)
    model.fit(RICH_X, RICH_Y, epochs=2, verbose=0)
    model.save(tmp_path / "m.chainrule")
    loaded = cr.load(tmp_path / "m.chainrule")
    assert type(loaded) is cr.Model
    before, after = model.predict(RICH_X), loaded.predict(RICH_X)
    assert list(after) == ["size", "kind"]
    for name in before:
        np.testing.assert_array_equal(after[name], before[name])
        assert after[name].dtype == precision
    assert loaded.evaluate(RICH_X, RICH_Y) == model.evaluate(RICH_X, RICH_Y)
    assert loaded.describe() == model.describe()
    assert (loaded.name, loaded.seed, loaded.precision) == ("rich", 7, precision)
    assert loaded.history is not None
    assert model.history is not None
    assert loaded.history.history == model.history.history
    assert loaded.history.stopped_because == model.history.stopped_because


def test_a_loaded_model_is_compiled_as_it_was(tmp_path: Path) -> None:
    model = rich()
    model.fit(RICH_X, RICH_Y, verbose=0)
    model.save(tmp_path / "m.chainrule")
    loaded = cr.load(tmp_path / "m.chainrule")
    model._recipe()
    loaded._recipe()
    assert loaded.recipe == model.recipe
    loaded.fit(RICH_X, RICH_Y, verbose=0)


def test_another_process_predicts_the_same_bits(tmp_path: Path) -> None:
    model = rich()
    model.fit(RICH_X, RICH_Y, epochs=2, verbose=0)
    model.save(tmp_path / "m.chainrule")
    np.savez(tmp_path / "x.npz", a=RICH_X[0], b=RICH_X[1])
    script = (
        "import sys, numpy as np, chainrule as cr; x = np.load(sys.argv[2]); "
        "found = cr.load(sys.argv[1]).predict({'a': x['a'], 'b': x['b']}); np.savez(sys.argv[3], **found)"
    )
    files = [str(tmp_path / name) for name in ("m.chainrule", "x.npz", "found.npz")]
    subprocess.run([sys.executable, "-c", script, *files], check=True)
    found = np.load(tmp_path / "found.npz")
    for name, array in model.predict(RICH_X).items():
        np.testing.assert_array_equal(found[name], array)


def test_a_sequence_stays_a_sequence_with_its_twice_used_layer(tmp_path: Path) -> None:
    twice = layers.Dense(4, "tanh")
    model = cr.Sequential([twice, twice, layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m.chainrule")
    loaded = cr.load(tmp_path / "m.chainrule")
    assert isinstance(loaded, cr.Sequential)
    assert len(loaded.layers) == 3
    assert loaded.layers[0] is loaded.layers[1]
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_a_model_that_was_never_compiled_can_be_saved(tmp_path: Path) -> None:
    model = cr.Sequential([layers.Dense(2)])
    with pytest.raises(UsageError, match="has no weights yet"):
        model.save(tmp_path / "m.chainrule")
    model.build((4,))
    model.save(tmp_path / "m.chainrule")
    loaded = cr.load(tmp_path / "m.chainrule")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    with pytest.raises(UsageError, match=r"Call model\.compile"):
        loaded.fit(X, Y, verbose=0)


def test_labels_survive(tmp_path: Path) -> None:
    names = np.array(["no", "yes"])[LABELS]
    model = cr.Sequential([layers.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(X, names, epochs=3, verbose=0)
    model.save(tmp_path / "m.chainrule")
    loaded = cr.load(tmp_path / "m.chainrule")
    assert loaded.predict_classes(X).tolist() == model.predict_classes(X).tolist()
    assert loaded.evaluate(X, names) == model.evaluate(X, names)


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    model = plain()
    model.build((4,))
    for name in ("a", "b"):
        model.save(tmp_path / name, checkpoint=True)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# --- checkpoints ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "x", "y"), [(plain, X, Y), (rich, RICH_X, RICH_Y)])
def test_training_goes_on_from_a_checkpoint_as_if_never_interrupted(
    make: Callable[[], cr.Model], x: Any, y: Any, tmp_path: Path
) -> None:
    whole, first = make(), make()
    for model in (whole, first):
        model.fit(x, y, epochs=2, batch_size=16, verbose=0)
    first.save(tmp_path / "c.chainrule", checkpoint=True)
    first.save(tmp_path / "w.chainrule")
    second, without = cr.load(tmp_path / "c.chainrule"), cr.load(tmp_path / "w.chainrule")
    for model in (whole, second, without):
        model.fit(x, y, epochs=2, batch_size=16, verbose=0)
    for a, b in zip(whole.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(whole.get_weights()[0], without.get_weights()[0])
    assert whole.history is not None
    assert second.history is not None
    assert second.history.history["loss"] == whole.history.history["loss"]


def test_a_schedule_over_the_whole_training_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    def make() -> cr.Sequential:
        model = cr.Sequential([layers.Dense(1)], seed=1)
        model.compile(cr.optimizers.SGD(cr.schedules.Cosine(0.1), momentum=0.5), "mse")
        return model

    whole, part = make(), make()
    whole.fit(X, Y, epochs=6, verbose=0)
    for event in part.training(X, Y, epochs=6):
        if isinstance(event, cr.training.EpochEnd) and event.epoch == 4:
            part.save(tmp_path / "c.chainrule", checkpoint=True)
            break
    again = cr.load(tmp_path / "c.chainrule")
    again.fit(X, Y, epochs=2, verbose=0)
    np.testing.assert_array_equal(again.get_weights()[0], whole.get_weights()[0])


def test_without_its_state_a_loaded_optimizer_begins_anew(tmp_path: Path) -> None:
    model = cr.Sequential([layers.Dense(1)], seed=1)
    model.compile(cr.optimizers.Adam(0.5), "mse")
    model.fit(X, Y, epochs=3, verbose=0)
    model.save(tmp_path / "m.chainrule")
    again = cr.load(tmp_path / "m.chainrule")
    before = again.get_weights()
    again.fit(X, Y, epochs=1, batch_size=len(X), verbose=0)
    for old, new in zip(before, again.get_weights(), strict=True):
        np.testing.assert_allclose(np.abs(new - old), 0.5, rtol=1e-3)  # Adam's first step


def test_a_large_array_that_weights_began_with_stays_out_of_the_description(tmp_path: Path) -> None:
    start, few = RNG.normal(size=(4, 40)), np.array([0.25])
    wide = layers.Dense(40, kernel_initializer=start)
    model = cr.Sequential([wide, layers.Dense(1, bias_initializer=few)], seed=1)
    model.build((4,))
    model.save(tmp_path / "m.chainrule")
    again = cr.load(tmp_path / "m.chainrule")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(again.get_weights()[0], start)
    _, document = storage.load(tmp_path / "m.chainrule")
    assert len(json.dumps(document)) < 4000
    kept, noted = again.layers[1].bias_initializer, again.layers[0].kernel_initializer
    np.testing.assert_array_equal(kept.array, few)
    with pytest.raises(UsageError, match=r"array of shape \(4, 40\) .* was not saved"):
        noted((4, 40), seed=0, index=0)
    again.save(tmp_path / "again.chainrule")
    assert (tmp_path / "again.chainrule").read_bytes() == (tmp_path / "m.chainrule").read_bytes()


def test_a_listener_may_save_checkpoints_that_know_all_about_the_learning_rate(
    tmp_path: Path,
) -> None:
    def make() -> cr.Sequential:
        model = cr.Sequential([layers.Dense(1)], seed=1)
        rate = cr.schedules.ReduceOnPlateau(0.1, factor=0.5, patience=2, min_delta=10.0)
        model.compile(cr.optimizers.SGD(rate, momentum=0.5), "mse")
        return model

    whole, part = make(), make()
    whole.fit(X, Y, epochs=6, verbose=0)

    def save(event: cr.training.Event) -> None:
        if isinstance(event, cr.training.EpochEnd) and event.epoch == 3:
            part.save(tmp_path / "c.chainrule", checkpoint=True)

    part.fit(X, Y, epochs=5, callbacks=[save], verbose=0)
    again = cr.load(tmp_path / "c.chainrule")
    again.fit(X, Y, epochs=3, verbose=0)
    assert whole.history is not None
    assert again.history is not None
    rates = whole.history.history["learning_rate"]
    assert len(set(rates)) == 3
    assert again.history.history["learning_rate"] == rates[3:]
    np.testing.assert_array_equal(again.get_weights()[0], whole.get_weights()[0])


def test_layers_may_be_frozen_and_thawed_between_training_and_saving(tmp_path: Path) -> None:
    model, path = plain(), tmp_path / "m.chainrule"
    model.build((4,))
    for frozen, thawed in ((True, False), (False, True)):
        model.layers[0].trainable = not frozen
        model.fit(X, Y, verbose=0)
        model.layers[0].trainable = not thawed
        model.save(path, checkpoint=True)
        loaded = cr.load(path)
        assert loaded.layers[0].trainable is not thawed
        loaded.layers[0].trainable = True
        loaded.fit(X, Y, verbose=0)


def test_optimizer_state_stays_out_of_a_plain_file(tmp_path: Path) -> None:
    model = plain()
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "w")
    model.save(tmp_path / "c", checkpoint=True)
    names = {f: set(storage.load(tmp_path / f)[0]) for f in "wc"}
    assert names["w"] == {
        f"weight:dense{i}/{role}" for i in ("", "_1") for role in ("kernel", "bias")
    }
    slots = {f"slot:{n.removeprefix('weight:')}/{slot}" for n in names["w"] for slot in "mv"}
    assert names["c"] == names["w"] | slots


# --- bricks of one's own ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "compiled"),
    [
        (layers.Dense(1, activation=lambda x: x * 2.0), {"loss": "mse"}),
        (layers.Lambda(lambda x: ops.sum(x, -1, keepdims=True)), {"loss": "mse"}),
        (layers.Dense(1), {"loss": lambda t, p: ops.square(t - p)}),
        (layers.Dense(1), {"loss": "mse", "metrics": [lambda t, p: ops.square(t - p)]}),
        (layers.Dense(1), {"loss": "mse", "optimizer": cr.optimizers.SGD(lambda step: 0.1)}),
    ],
    ids=["activation", "layer", "loss", "metric", "schedule"],
)
def test_what_has_no_name_cannot_be_saved_and_is_told_how_to_get_one(
    layer: Any, compiled: Any, tmp_path: Path
) -> None:
    model = cr.Sequential([layers.Dense(3), layer])
    model.compile(**compiled)
    model.fit(X, Y, verbose=0)
    with pytest.raises(
        UsageError, match=r"cannot be saved: .* nor registered with @chainrule\.reg"
    ):
        model.save(tmp_path / "m.chainrule")
    assert not list(tmp_path.iterdir())


def test_a_registered_brick_is_found_again_and_missed_where_it_is_not_registered(
    tmp_path: Path,
) -> None:
    @cr.register("activation", "test_twice")
    def twice(x: Any) -> Any:
        return x * 2.0

    model = cr.Sequential([layers.Dense(1, activation="test_twice")])
    model.build((4,))
    model.save(tmp_path / "m.chainrule")
    np.testing.assert_array_equal(cr.load(tmp_path / "m.chainrule").predict(X), model.predict(X))
    script = "import sys, chainrule as cr\ntry: cr.load(sys.argv[1])\nexcept cr.ModelFileError as e: print(e)"
    command = [sys.executable, "-c", script, str(tmp_path / "m.chainrule")]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Unknown activation 'test_twice'" in told
    assert "run the code that registers it before cr.load" in told


# --- files that are refused -------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"gone\.chainrule cannot be read: it does not exist"):
        cr.load(tmp_path / "gone.chainrule")


def test_a_truncated_file_is_damaged_wherever_it_was_cut(tmp_path: Path) -> None:
    model = plain()
    model.build((4,))
    path = tmp_path / "m.chainrule"
    model.save(path)
    content = path.read_bytes()
    for kept in range(0, len(content), 97):
        path.write_bytes(content[:kept])
        with pytest.raises(ModelFileError, match="is damaged or not a chainrule model"):
            cr.load(path)


Change = Callable[[dict[str, Any], dict[str, Any]], object]
DAMAGES: dict[str, Change] = {
    "no network": lambda a, d: d.pop("network"),
    "no seed": lambda a, d: d.pop("seed"),
    "network of another type": lambda a, d: d.update(network=[]),
    "a layer too few": lambda a, d: d["network"]["layers"].pop(),
    "a node of no layer": lambda a, d: d["network"]["nodes"][0].update(layer=9),
    "an unknown kind": lambda a, d: d.update(kind="Parallel"),
    "another number of units": lambda a, d: d["network"]["layers"][0]["settings"].update(units=7),
    "a setting nobody knows": lambda a, d: d["network"]["layers"][0]["settings"].update(colour=1),
    "a weight missing": lambda a, d: a.pop("weight:dense/kernel"),
    "a weight of another shape": lambda a, d: a.update({"weight:dense/kernel": np.ones((2, 2))}),
    "half a recipe": lambda a, d: d.update(recipe={"optimizer": d["recipe"]["optimizer"]}),
    "half a clock": lambda a, d: d.update(clock={"hours": 3}),
    "half a history": lambda a, d: d.update(history={"colour": 1}),
    "half a preprocessing": lambda a, d: d.update(preprocessing={}),
    "half a target": lambda a, d: d.update(target={"task": "classification"}),
    "another precision": lambda a, d: d.update(precision="float8"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_description_that_makes_no_sense_is_a_sentence(name: str, tmp_path: Path) -> None:
    model = plain()
    model.fit(X, Y, verbose=0)
    path = tmp_path / "m.chainrule"
    model.save(path)
    arrays, document = storage.load(path)
    DAMAGES[name](arrays, document)
    storage.save(path, arrays, document)
    with pytest.raises(ModelFileError, match=r"damaged|needs something that is not registered"):
        cr.load(path)


def test_a_newer_format_is_named(tmp_path: Path) -> None:
    model = plain()
    model.build((4,))
    path = tmp_path / "m.chainrule"
    model.save(path)
    content = path.read_bytes()
    assert content.count(b'{\\"format\\": 1') == 1
    path.write_bytes(content.replace(b'{\\"format\\": 1', b'{\\"format\\": 2'))
    with pytest.raises(ModelFileError, match=r"has format 2, this version .* reads format 1"):
        cr.load(path)


def test_an_engine_that_is_not_here_is_replaced_by_the_best_that_is(tmp_path: Path) -> None:
    model = plain()
    model.build((4,))
    path = tmp_path / "m.chainrule"
    model.save(path)
    arrays, document = storage.load(path)
    storage.save(path, arrays, {**document, "engine": "abacus"})
    assert cr.load(path).engine_name == "auto"


def test_the_document_is_plain_json_that_others_can_read(tmp_path: Path) -> None:
    model = plain()
    model.fit(X, Y, verbose=0)
    path = tmp_path / "m.chainrule"
    model.save(path)
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    document = json.loads(header["__metadata__"]["chainrule"])
    assert document["network"]["layers"][0]["name"] == "dense"
    assert document["network"]["layers"][0]["settings"]["units"] == 6
    assert document["recipe"]["optimizer"]["name"] == "adam"
