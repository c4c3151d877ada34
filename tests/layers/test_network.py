"""Layers put together: names, order, sharing, and the way to JSON and back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import layers, ops
from chainrule.errors import ShapeError, UnknownNameError, UsageError
from chainrule.families import decode, encode
from chainrule.layers.base import LAYERS
from chainrule.layers.network import network_from_config

# some operations run on the reference engine alone
pytestmark = pytest.mark.filterwarnings("ignore:.*no native kernel")

RNG = np.random.default_rng(10)
D = layers.Dense


# --- a layer as JSON data ---------------------------------------------------------------------------

EVERY_LAYER: list[Any] = [
    D(
        3,
        activation=cr.activations.LeakyReLU(0.1),
        kernel_initializer=cr.initializers.RandomUniform(-0.5, 0.5),
        kernel_regularizer=cr.regularizers.L1L2(0.1, 0.2),
        bias_regularizer=0.3,
        kernel_constraint=cr.constraints.MaxNorm(1.5),
        name="first",
        trainable=False,
    ),
    D(2, use_bias=False, kernel_initializer=np.arange(6.0).reshape(3, 2)),
    layers.Embedding(4, 2, embeddings_initializer="he_normal", embeddings_regularizer="l2"),
    layers.Dropout(0.25),
    layers.CycledDropout(0.5, masks=7),
    layers.GaussianNoise(0.125),
    layers.RandomShift(2, 3),
    layers.RandomFlip("vertical"),
    layers.BatchNormalization(momentum=0.9, epsilon=1e-5, center=False),
    layers.LayerNormalization(scale=False, beta_initializer="ones"),
    layers.Activation("gelu"),
    layers.Rescaling(0.5, -1.0),
    layers.Flatten(),
    layers.Reshape((2, -1)),
    layers.Add(),
    layers.Subtract(),
    layers.Multiply(),
    layers.Average(),
    layers.Maximum(),
    layers.Minimum(),
    layers.Concatenate(axis=1),
]


@pytest.mark.parametrize("layer", EVERY_LAYER, ids=lambda layer: type(layer).__name__)
def test_a_layer_survives_the_way_to_json_and_back(layer: Any) -> None:
    config = layer.config()
    again: Any = LAYERS.from_config(json.loads(json.dumps(config)))
    assert type(again) is type(layer)
    assert again.config() == config
    assert again.trainable == layer.trainable


def test_every_layer_is_tried_above() -> None:
    tried = {type(layer).__name__ for layer in EVERY_LAYER} | {"Lambda", "TiedDense", "Layer"}
    assert tried == set(layers.__all__)


def test_a_registered_function_makes_a_lambda_layer_survive() -> None:
    @cr.register("function", "test_half")
    def half(x: Any) -> Any:
        return x * 0.5

    again = LAYERS.from_config(layers.Lambda(half).config())
    assert again.function is half  # type: ignore[attr-defined]
    with pytest.raises(
        UsageError, match=r"cannot be saved: .* registered with @chainrule\.register"
    ):
        layers.Lambda(lambda x: x).config()


def test_a_layer_of_one_s_own_survives_when_it_is_registered() -> None:
    from dataclasses import dataclass

    @cr.register("layer", "test_scale")
    @dataclass(eq=False)
    class Scale(layers.Layer):
        start: float = 1.0

        def build(self, *shapes: Any) -> None:
            self.factor = self.add_weight("factor", (), cr.initializers.Constant(self.start))

        def compute(self, *inputs: Any, mode: Any) -> Any:
            return inputs[0] * self.factor

    model = cr.Sequential([Scale(2.0)])
    model.compile(cr.optimizers.SGD(0.1), "mse", precision="float64")
    x = RNG.normal(size=(8, 2))
    np.testing.assert_allclose(model.evaluate(x, x)["loss"] if model.network else 0.0, 0.0)
    model.fit(x, 3 * x, epochs=50, verbose=0)
    assert model.get_weights()[0] == pytest.approx(3.0, abs=0.05)
    assert decode(encode(model.layers[0])).start == 2.0


# --- names ------------------------------------------------------------------------------------------


def test_layers_without_a_name_are_numbered_by_kind() -> None:
    model = cr.Sequential([D(2), D(2), layers.BatchNormalization(), D(2, name="dense_1"), D(2)])
    model.build((3,))
    names = [layer.name for layer in model.layers]
    assert names == ["dense", "dense_2", "batch_normalization", "dense_1", "dense_3"]
    assert model.get_layer("dense_3") is model.layers[-1]
    with pytest.raises(UnknownNameError, match="Unknown layer 'dens': did you mean 'dense'"):
        model.get_layer("dens")


def test_two_layers_or_inputs_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="Two layers are called 'a'"):
        cr.Sequential([D(2, name="a"), D(2, name="a")]).build((3,))
    inputs = [cr.Input((2,), name="x"), cr.Input((2,), name="x")]
    with pytest.raises(UsageError, match="Two inputs are called 'x'"):
        cr.Model(inputs, layers.Add()(inputs))


def test_no_two_layers_of_a_network_share_a_random_stream() -> None:
    inputs = cr.Input((4,))
    first, second = layers.Dropout(0.5), layers.Dropout(0.5)
    hidden = D(4)(inputs)
    cr.Model(inputs, first(hidden))
    both = cr.Model(inputs, second(first(inputs)))  # where `first` comes first, and was second
    numbers = [layer.number for layer in both.layers]
    assert len(set(numbers)) == 2
    assert both.network is not None
    again = network_from_config(json.loads(json.dumps(both.network.config())))
    assert [layer.number for layer in again.layers] == numbers != sorted(numbers)


# --- graphs -----------------------------------------------------------------------------------------


def test_layers_are_in_order_whichever_way_the_graph_was_made() -> None:
    a, b = cr.Input((2,), name="a"), cr.Input((3,), name="b")
    late = D(2, name="late")
    early = D(2, name="early")
    h = early(a)
    model = cr.Model([a, b], layers.Concatenate(name="both")([late(b), h, h]))
    assert [k.name for k in model.layers] == ["late", "early", "both"]
    xa, xb = RNG.normal(size=(5, 2)), RNG.normal(size=(5, 3))
    w1, b1, w2, b2 = model.get_weights()
    expected = np.hstack([xb @ w1 + b1, xa @ w2 + b2, xa @ w2 + b2])
    np.testing.assert_allclose(model.predict({"a": xa, "b": xb}), expected)


def test_a_thousand_layers_are_not_too_deep() -> None:
    inputs = symbol = cr.Input((1,))
    for _ in range(1000):
        symbol = layers.Rescaling(1.0, 0.001)(symbol)
    assert cr.Model(inputs, symbol).predict([[1.0]])[0, 0] == pytest.approx(2.0)


def test_an_input_that_was_forgotten_is_named() -> None:
    a, b = cr.Input((2,)), cr.Input((2,), name="forgotten")
    with pytest.raises(UsageError, match="needs the input forgotten, which is not among"):
        cr.Model(a, layers.Add()([a, b]))


@pytest.mark.parametrize("shape", [0, (0,), (-1, 2), (2.5,), "ab", (None, 3), None])
def test_an_input_has_the_shape_of_one_example(shape: Any) -> None:
    with pytest.raises(UsageError, match=r"cr\.Input takes one example's shape"):
        cr.Input(shape)


def test_an_input_holds_real_or_whole_numbers() -> None:
    with pytest.raises(UsageError, match="kind is 'float' or 'int', not 'text'"):
        cr.Input((2,), kind="text")  # type: ignore[arg-type]
    assert cr.Input(3).shape == cr.Input((np.int64(3),)).shape


def test_a_wrong_shape_deep_in_a_sequence_does_not_spoil_the_layers_before_it() -> None:
    model = cr.Sequential([D(3), layers.Reshape((1, 3)), layers.Flatten(), D(2)])
    model.add(layers.Lambda(lambda x: x + np.ones(5)))
    with pytest.raises(ShapeError, match=r"Lambda: .*\(batch, 2\)"):
        model.build((7,))
    with pytest.raises(ShapeError, match="Lambda: "):  # and not: was built for 7 features
        model.build((8,))


def test_a_wrong_shape_leaves_the_weights_of_layers_that_a_model_holds() -> None:
    model = cr.Sequential([D(3)])
    model.build((2,))
    wrong = cr.Sequential([model.layers[0], layers.Reshape((7,))])
    with pytest.raises(ShapeError, match="cannot become"):
        wrong.build((2,))
    assert len(model.layers[0].weights) == 2
    model.compile("sgd", "mse")
    before = model.get_weights()[0]
    model.fit(np.ones((4, 2)), np.ones((4, 3)), verbose=0)
    assert not np.array_equal(model.get_weights()[0], before)


def network() -> cr.Model:
    """Two inputs, a layer used twice, tied weights, a skip connection, two outputs."""
    a, b = cr.Input((3,), name="a"), cr.Input((2,), kind="int")
    shared = D(3, activation="tanh", name="shared")
    h = shared(shared(a))
    e = layers.Flatten()(layers.Embedding(4, 2)(b))
    skip = layers.Add()([h, layers.TiedDense(shared)(h)])
    joined = layers.Concatenate()([skip, e])
    return cr.Model(
        [a, b], {"mean": D(1)(joined), "kind": D(2, activation="softmax")(joined)}, seed=4
    )


def test_a_network_survives_the_way_to_json_and_back() -> None:
    model = network()
    assert model.network is not None
    config = json.loads(json.dumps(model.network.config()))
    again = network_from_config(config)
    assert again.config() == model.network.config()
    assert again.input_names == ["a", "input_2"]
    assert again.output_names == ["mean", "kind"]
    assert [w.parameter.name for w in again.weights] == [
        w.parameter.name for w in model.network.weights
    ]
    (tied,) = (layer for layer in again.layers if isinstance(layer, layers.TiedDense))
    assert tied.tied_to.name == "shared"
    assert tied.tied_to in again.layers


def test_a_tied_layer_may_stand_before_the_one_it_is_tied_to() -> None:
    x, z = cr.Input((3,)), cr.Input((2,))
    encoder = D(2, name="encoder")
    code = encoder(x)
    model = cr.Model([x, z], [layers.TiedDense(encoder, name="decoder")(z), code])
    assert [layer.name for layer in model.layers] == ["decoder", "encoder"]
    assert model.network is not None
    again = network_from_config(json.loads(json.dumps(model.network.config())))
    assert again.config() == model.network.config()


def test_outputs_of_a_dict_come_as_a_dict() -> None:
    x = {"a": RNG.normal(size=(5, 3)), "input_2": RNG.integers(0, 4, size=(5, 2))}
    predicted = network().predict(x)
    assert {name: array.shape for name, array in predicted.items()} == {
        "mean": (5, 1),
        "kind": (5, 2),
    }


def test_numbers_that_a_function_makes_whole_may_be_looked_up() -> None:
    inputs = cr.Input((4,))
    best = layers.Lambda(lambda x: ops.argmax(x))(inputs)
    model = cr.Model(inputs, layers.Embedding(4, 2)(best))
    (table,) = model.get_weights()
    np.testing.assert_allclose(model.predict(np.eye(4)[[2, 0]]), table[[2, 0]])
