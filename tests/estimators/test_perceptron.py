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
