"""scikit-learn's tests of its multi-layer perceptrons, with ours in their place.

The tests come from the scikit-learn installed; none of their code is kept here. `LEFT_OUT` says which are not
run, and why.
"""

import importlib.util
import sys
from pathlib import Path
from unittest import mock

import pytest
import sklearn
import sklearn.neural_network

from chainrule import estimators

LEFT_OUT = {
    "test_gradient": "calls the private _loss_grad_lbfgs with arrays of its own for activations and slopes",
}
SOURCE = Path(sklearn.__file__).parent / "neural_network" / "tests" / "test_mlp.py"

pytestmark = pytest.mark.filterwarnings("default")  # as where they come from


@pytest.fixture
def global_random_seed():
    """The seed their tests ask for."""
    return 42


def _their_tests():
    spec = importlib.util.spec_from_file_location("scikit_learns_test_mlp", SOURCE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    ours = {name: getattr(estimators, name) for name in ("MLPClassifier", "MLPRegressor")}
    with mock.patch.multiple(sklearn.neural_network, **ours):
        spec.loader.exec_module(module)
    found = {name: f for name, f in vars(module).items() if name.startswith("test_")}
    assert set(LEFT_OUT) <= set(found), "a test that is left out is no longer there"
    return {name: f for name, f in found.items() if name not in LEFT_OUT}


globals().update(_their_tests())
