"""scikit-learn's face: estimators to put in place of its own."""

from __future__ import annotations

from chainrule.estimators.classifier import MLPClassifier
from chainrule.estimators.perceptron import Perceptron
from chainrule.estimators.regressor import MLPRegressor
from chainrule.estimators.validation import cross_validate_many

__all__ = ["MLPClassifier", "MLPRegressor", "Perceptron", "cross_validate_many"]
