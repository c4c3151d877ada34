"""scikit-learn's face: estimators to put in place of its own."""

from __future__ import annotations

from chainrule.estimators.classifier import MLPClassifier
from chainrule.estimators.perceptron import Perceptron
from chainrule.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "Perceptron"]
