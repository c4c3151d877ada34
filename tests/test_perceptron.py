import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import perceptron
from chainrule.errors import DataError, ShapeError

# two groups that a line can part, and four corners that none can
APART = (
    np.array([[0.0, 2], [1, 3], [2, 2], [-1, 0], [-2, -1], [0, -3]]),
    np.array([1, 1, 1, -1, -1, -1]),
)
CORNERS = np.array([[0.0, 0], [1, 1], [0, 1], [1, 0]]), np.array([-1, -1, 1, 1])


def test_the_decks_example_is_computed():
    np.testing.assert_array_equal(perceptron.net([[0, 2], [-1, 0]], [2, 2], 0), [4, -2])


def test_a_mistake_moves_the_weights_towards_the_row():
    learnt = perceptron.train([[3.0, -1.0]], [-1], max_epochs=1)
    np.testing.assert_array_equal(learnt.weights, [-3.0, 1.0])
    assert learnt.bias == -1.0
    assert learnt.mistakes == (1,)


def test_separable_classes_are_learnt_and_said_to_be_so():
    x, y = APART
    learnt = perceptron.train(x, y)
    assert learnt.converged
    assert learnt.separable
    assert np.all(y * perceptron.net(x, learnt.weights, learnt.bias) > 0)
    assert learnt.statement == (
        f"The classes are linearly separable: epoch {len(learnt.mistakes)} was without mistakes."
    )


def test_the_corners_of_a_square_are_said_not_to_be_separable():
    learnt = perceptron.train(*CORNERS, max_epochs=20)
    assert len(learnt.mistakes) == 20
    assert min(learnt.mistakes) > 0
    assert learnt.separable is False
    assert "not linearly separable" in learnt.statement


def test_too_few_epochs_are_not_taken_for_a_proof():
    x = np.array([[1.0, 0], [1.0, 0.001], [1.0, 0.002], [1.0, 0.003]])
    learnt = perceptron.train(x, [-1, -1, 1, 1], max_epochs=3)
    assert not learnt.converged
    assert learnt.separable
    assert "did not suffice" in learnt.statement


@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(2, 40))
def test_blocks_of_rows_make_no_difference(seed, features, rows):
    rng = np.random.default_rng(seed)
    x = rng.integers(-5, 6, (rows, features)).astype(float)
    y = rng.choice([-1.0, 1.0], rows)
    learnt = perceptron.train(x, y, max_epochs=4, shuffle=False)
    w, b, counts = np.zeros(features), 0.0, []
    for _ in range(4):
        counts.append(0)
        for row, label in zip(x, y, strict=True):
            if label * (w @ row + b) <= 0:
                w, b, counts[-1] = w + label * row, b + label, counts[-1] + 1
        if not counts[-1]:
            break
    assert learnt.mistakes == tuple(counts)
    np.testing.assert_array_equal(learnt.weights, w)
    assert learnt.bias == b


@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(2, 30))
def test_what_a_plane_has_parted_is_found_separable(seed, features, rows):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features)) * rng.choice([1e-3, 1.0, 1e3], features)
    margin = x @ (rng.normal(size=features) / x.std(axis=0)) + rng.normal()
    kept = np.abs(margin) > 1e-3
    if kept.any():
        assert perceptron.separable(x[kept], np.sign(margin[kept]))
    doubled = np.vstack([x, x])  # every row in both classes
    assert perceptron.separable(doubled, np.repeat([-1.0, 1.0], rows)) is False


def test_the_picture_shows_rows_line_and_equation():
    figure = perceptron.picture(*APART, [2.0, 2.0], 0.0)
    (axes,) = figure.axes
    assert axes.get_title() == "2 f1 +2 f2 +0 = 0"
    assert [len(c.get_offsets()) for c in axes.collections[-2:]] == [3, 3]


@pytest.mark.parametrize(
    ("x", "y", "error", "sentence"),
    [
        ([[1.0, 2.0]], [0], DataError, "−1 and \\+1"),
        ([1.0, 2.0], [1, -1], ShapeError, "\\(rows, features\\)"),
        ([[np.nan]], [1], DataError, "finite"),
    ],
)
def test_wrong_data_are_named(x, y, error, sentence):
    with pytest.raises(error, match=sentence):
        perceptron.train(x, y)
