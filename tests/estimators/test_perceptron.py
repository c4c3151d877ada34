import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from chainrule.estimators import Perceptron

FLOWERS, SPECIES = load_iris(return_X_y=True)


def test_two_separable_species_are_told_apart_without_a_mistake():
    x, y = FLOWERS[:100], np.array(["setosa", "versicolor"])[SPECIES[:100]]
    model = Perceptron(random_state=0).fit(x, y)
    assert model.score(x, y) == 1.0
    assert model.separable_ == [True]
    assert model.mistakes_[0][-1] == 0
    assert len(model.mistakes_[0]) == model.n_iter_
    np.testing.assert_array_equal(model.predict(x) == "versicolor", model.decision_function(x) > 0)


def test_of_three_species_only_one_can_be_parted_from_the_others():
    model = Perceptron(max_iter=100, random_state=0).fit(FLOWERS, SPECIES)
    assert model.separable_ == [True, False, False]
    assert "not linearly separable" in model.statements_[1]
    assert model.coef_.shape == (3, 4)


def test_separable_classes_that_needed_more_epochs_warn():
    x = np.array([[1.0, 0.0], [1.0, 0.001], [1.0, 0.002], [1.0, 0.003]])
    with pytest.warns(ConvergenceWarning, match="Increase max_iter"):
        Perceptron(max_iter=2).fit(x, [0, 0, 1, 1])


def test_a_line_through_the_origin_has_no_intercept():
    model = Perceptron(fit_intercept=False, max_iter=20).fit([[1.0], [2.0]], [0, 1])
    assert model.intercept_ == [0.0]
    assert model.separable_ == [False]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_decision_line_is_drawn_for_two_features():
    x, y = FLOWERS[:100, :2], SPECIES[:100]
    model = Perceptron(random_state=0).fit(x, y)
    assert len(model.picture(x, y).axes) == 1
    with pytest.raises(ValueError, match="two classes"):
        Perceptron(max_iter=5).fit(FLOWERS[:, :2], SPECIES).picture(FLOWERS[:, :2], SPECIES)


def test_without_an_intercept_only_lines_through_the_origin_are_ruled_out():
    x, y = [[1.0, 1], [2, 2]], [0, 1]
    (said,) = Perceptron(fit_intercept=False, shuffle=False, max_iter=5).fit(x, y).statements_
    assert said.startswith("No line through the origin can avoid every mistake: 1 mistake in")
    with pytest.warns(ConvergenceWarning):
        assert Perceptron(max_iter=1).fit(x, y).separable_ == [True]


def test_a_warm_start_goes_on_with_the_same_features_alone():
    model = Perceptron(warm_start=True, random_state=0).fit(FLOWERS[:100], SPECIES[:100])
    weights = model.coef_.copy()
    np.testing.assert_array_equal(model.fit(FLOWERS[:100], SPECIES[:100]).coef_, weights)
    with pytest.raises(ValueError, match=r"X has 2 features, but Perceptron is expecting 4"):
        model.fit(FLOWERS[:100, :2], SPECIES[:100])
    model.set_params(warm_start=False).fit(FLOWERS[:100, :2], SPECIES[:100])
    assert model.coef_.shape == (1, 2)


def test_a_warm_start_without_an_intercept_has_none():
    model = Perceptron(warm_start=True, random_state=0).fit(FLOWERS[:100], SPECIES[:100])
    assert model.intercept_ != [0.0]
    model.set_params(fit_intercept=False).fit(FLOWERS[:100], SPECIES[:100])
    assert model.intercept_ == [0.0]


def test_a_picture_refuses_classes_that_were_not_learnt():
    x = [[0.0, 0], [1, 1]]
    model = Perceptron(random_state=0).fit(x, ["a", "b"])
    with pytest.raises(ValueError, match="the classes 'a' and 'b', but y holds 'x', too"):
        model.picture(x, ["a", "x"])


def test_a_single_class_is_named_plainly():
    with pytest.raises(ValueError, match=r"one class: 'a'\."):
        Perceptron().fit([[1.0], [2.0]], np.array(["a", "a"]))


def test_the_legend_hides_neither_rows_nor_the_line():
    x, y = FLOWERS[:100, :2], SPECIES[:100]
    figure = Perceptron(max_iter=5000, random_state=0).fit(x, y).picture(x, y)
    figure.draw_without_rendering()
    (axes,), (legend,) = figure.axes, figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["0", "1"]
    assert not legend.get_window_extent().overlaps(axes.get_tightbbox())
