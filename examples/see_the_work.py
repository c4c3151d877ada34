"""Every number of one training step, and the first mistake in somebody's homework."""

import chainrule as cr
from chainrule.exercises import check, exercise

model = cr.Sequential(
    [cr.layers.Dense(2, activation="tanh"), cr.layers.Dense(2, activation="softmax")], seed=1
)
model.compile(cr.optimizers.SGD(0.5), "sparse_categorical_crossentropy", precision="float64")

ledger = cr.explain(model, [[1.0, -1.0], [0.5, 2.0]], [0, 1])
print(ledger["dense"])
print(
    f"loss {ledger.loss:.6f}, after the step {ledger.loss_after:.6f}, then {ledger.next().loss_after:.6f}"
)
print("gradients that a finite difference contradicts:", ledger.check())

# A worksheet, answered by somebody who forgot the slope of the sigmoid in the last layer.
sheet = exercise("backprop", "2-2-1", seed=7)
answers = {name: sheet.key[key][index] for name, key, index in sheet.names()}
answers["delta2[0]"] = sheet.key["a", 2][0, 0] - sheet.sheet.target[0, 0]
print(check(sheet, answers))
