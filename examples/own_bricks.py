"""One's own activation, loss and optimizer, each a few lines of known operations.

They train on every engine, and a saved model finds them again by the names they were registered under.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule import ops


@cr.register("activation", "bent_identity")
def bent_identity(x):
    """(√(x² + 1) − 1)/2 + x."""
    return (ops.sqrt(ops.square(x) + 1.0) - 1.0) / 2.0 + x


@cr.register("loss", "quartic")
def quartic(targets, predictions):
    """(t − p)⁴ for every output."""
    return ops.square(ops.square(targets - predictions))


@cr.register("optimizer", "sign_descent")
@dataclass(frozen=True)
class SignDescent(cr.optimizers.Optimizer):
    """w ← w − α sgn(m), with m a moving average of the gradient."""

    learning_rate: float = 0.003
    decay: float = 0.9

    def slots(self):
        return {"m": 0.0}

    def update(self, weight, gradient, slots, scalars):
        m = self.decay * slots["m"] + (1.0 - self.decay) * gradient
        return weight - scalars["learning_rate"] * ops.sign(m), {"m": m}


rng = np.random.default_rng(0)
x = rng.normal(size=(500, 3))
y = np.sin(x[:, 0]) + x[:, 1] * x[:, 2]

model = cr.Sequential([cr.layers.Dense(32, activation="bent_identity"), cr.layers.Dense(1)], seed=1)
model.compile(optimizer="sign_descent", loss="quartic", metrics=["mse"])
history = model.fit(x, y, epochs=40, validation_split=0.2, verbose=0)
print(f"quartic loss: {history.history['loss'][0]:.3f} → {history.history['loss'][-1]:.3f}")

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "own.chainrule"
    model.save(file)
    same = np.array_equal(cr.load(file).predict(x), model.predict(x))
print(f"the saved model predicts the same: {same}")
assert same
assert history.history["loss"][-1] < history.history["loss"][0] / 2
