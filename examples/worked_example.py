"""A network small enough for a pocket calculator, trained for one step (Koehn 2018, pp. 15-18).

Two inputs, two hidden sigmoid units, one sigmoid output; target 1, learning rate 10, E = ½(t − y)².
The same model, optimizer and engine as any other training: nothing here is special.
"""

import numpy as np

import chainrule as cr

model = cr.Sequential(
    [cr.layers.Dense(2, activation="sigmoid"), cr.layers.Dense(1, activation="sigmoid")]
)
model.build((2,))
model.set_weights(
    [
        [[3.7, 2.9], [3.7, 2.9]],  # kernel (fan_in, units): from A and B to D and E
        [-1.5, -4.5],  # biases of D and E
        [[4.5], [-5.2]],  # from D and E to G
        [-2.0],  # bias of G
    ]
)
model.compile(
    optimizer=cr.optimizers.SGD(learning_rate=10.0), loss="half_squared_error", precision="float64"
)

x, t = np.array([[1.0, 0.0]]), np.array([[1.0]])
before = model.get_weights()
print(f"before the step  y = {model.predict(x)[0, 0]:.6f}")
model.fit(x, t, epochs=1, verbose=0)
print(f"after the step   y = {model.predict(x)[0, 0]:.6f}")
for name, old, new in zip(("W1", "b1", "W2", "b2"), before, model.get_weights(), strict=True):
    print(f"Δ{name} = {np.array2string(new - old, precision=6, suppress_small=True)}")
