"""A program written for scikit-learn, with the import changed; and what can be added to it then."""

import warnings

import numpy as np
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import chainrule as cr
from chainrule.estimators import MLPClassifier, Perceptron, cross_validate_many

warnings.simplefilter("ignore", ConvergenceWarning)
x, y = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)

# the same random_state gives scikit-learn's run again: its weights, its order of rows, its curve
ours = make_pipeline(StandardScaler(), MLPClassifier(random_state=0, max_iter=20))
theirs = make_pipeline(StandardScaler(), TheirClassifier(random_state=0, max_iter=20))
ours.fit(x_train, y_train)
theirs.fit(x_train, y_train)
np.testing.assert_allclose(ours[-1].loss_curve_, theirs[-1].loss_curve_, rtol=1e-6)
np.testing.assert_array_equal(ours.predict(x_test), theirs.predict(x_test))
print(f"accuracy {ours.score(x_test, y_test):.3f}, as scikit-learn's")

# beyond it: dropout, batch normalisation, any activation, loss, optimizer and schedule, early stopping by any
# scorer, and the network underneath
model = MLPClassifier(
    (100, 50),
    activation=["gelu", "relu"],
    dropout=0.1,
    solver=cr.optimizers.AdamW(1e-3, weight_decay=0.01),
    loss=cr.losses.CategoricalCrossentropy(label_smoothing=0.05),
    early_stopping=True,
    scoring="balanced_accuracy",
    max_iter=40,
    random_state=0,
)
model.fit(x_train / 16, y_train)
print(f"with more: {model.score(x_test / 16, y_test):.3f}")
model.model_.summary()

# many settings on all folds at once
for found in cross_validate_many(
    MLPClassifier(max_iter=20, random_state=0), x / 16, y, {"alpha": [1e-4, 1.0]}, cv=3
):
    print(found["params"], found["test_score"].mean().round(3))

# Rosenblatt's perceptron, which says whether a line can part the classes
flowers, species = load_iris(return_X_y=True)
for chosen in ([0, 1], [1, 2]):
    rows = np.isin(species, chosen)
    perceptron = Perceptron(max_iter=100, random_state=0).fit(flowers[rows], species[rows])
    print(perceptron.statements_[0])

# the network beside other models on the same splits

print(cr.compare(flowers, species, models={"logistic regression": LogisticRegression()}, splits=5))
