"""What scikit-learn's multi-layer perceptrons descend and what they report, as a training step's graph.

On a batch with weights vᵢ (1 where none are given) the objective is (Σ vᵢ lᵢ + ½ α Σ W²) / Σ vᵢ, over kernels
W but not biases. A short last batch is divided by its own Σ vᵢ, so that the penalty weighs more in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from chainrule.backprop import gradients
from chainrule.caching import cached_property
from chainrule.engines.program import Program
from chainrule.graph import Value
from chainrule.layers.base import Assignment, Mode, Weight
from chainrule.layers.network import Network
from chainrule.losses import Loss, Poisson, SparseCategoricalCrossentropy
from chainrule.ops.activation import Sigmoid
from chainrule.ops.arithmetic import add, clip, greater, where
from chainrule.ops.elementary import exp, log, square
from chainrule.ops.lookup import one_hot
from chainrule.ops.loss import sigmoid_cross_entropy, squared_error
from chainrule.ops.reductions import batch_size
from chainrule.ops.shapes import sum as sum_over
from chainrule.ops.update import descend
from chainrule.training.step import Recipe, Step


@dataclass(frozen=True)
class ReportedLoss(Loss):
    """A loss whose curve shows something else than what is descended."""

    def reported(self, targets: Value, predictions: Value) -> Value:
        """What the curve shows of each example."""
        raise NotImplementedError


@dataclass(frozen=True)
class ClassLogLoss(SparseCategoricalCrossentropy, ReportedLoss):
    """−ln p of the right class; the curve holds p between ε and 1 − ε."""

    epsilon: float = 2.0**-52

    def reported(self, targets: Value, predictions: Value) -> Value:
        rows = one_hot(targets, int(predictions.shape[-1]))  # type: ignore[arg-type]
        right = sum_over(rows * predictions, -1)
        return -log(clip(right, self.epsilon, 1.0 - self.epsilon))


@dataclass(frozen=True)
class LabelLogLoss(ReportedLoss):
    """−t ln p − (1 − t) ln(1 − p), summed over the labels; the curve holds p between ε and 1 − ε."""

    link = Sigmoid
    epsilon: float = 2.0**-52

    def on_logits(self, targets: Value, logits: Value) -> Value:
        return sum_over(sigmoid_cross_entropy(logits, targets), -1)

    def reported(self, targets: Value, predictions: Value) -> Value:
        p = clip(predictions, self.epsilon, 1.0 - self.epsilon)
        return -sum_over(targets * log(p) + (1.0 - targets) * log(1.0 - p), -1)


@dataclass(frozen=True)
class HalfSquaredLoss(ReportedLoss):
    """½ Σ (t − p)² over the outputs; the curve shows its mean over them."""

    def on_predictions(self, targets: Value, predictions: Value) -> Value:
        return 0.5 * sum_over(squared_error(predictions, targets), -1)

    def reported(self, targets: Value, predictions: Value) -> Value:
        outputs = int(predictions.shape[-1])  # type: ignore[arg-type]
        return (0.5 / outputs) * sum_over(squared_error(predictions, targets), -1)


@dataclass(frozen=True)
class HalfPoissonDeviance(Poisson, ReportedLoss):
    """Σ (t ln(t/p) − t + p) over the outputs, 0 ln 0 = 0, for p = eᶻ."""

    def on_logits(self, targets: Value, logits: Value) -> Value:
        return sum_over(exp(logits) - targets * logits, -1)

    def reported(self, targets: Value, predictions: Value) -> Value:
        (logits,) = predictions.inputs
        entropy = targets * log(where(greater(targets, 0.0), targets, 1.0))
        return sum_over(entropy - targets * logits - targets + predictions, -1)


class Objective(Step):
    """A training step towards the minimum of scikit-learn's objective."""

    def __init__(
        self, network: Network, recipe: Recipe, alpha: float, *, weighted: bool = False
    ) -> None:
        super().__init__(network, recipe, weighted=weighted)
        self.alpha = alpha

    @property
    def _divisor(self) -> Value:
        return sum_over(self.weight) if self.weighted else batch_size()

    def _judged(self, outputs: Sequence[Value]) -> tuple[Value, dict[str, Value]]:
        """Sums over the rows, with their weights: what is descended, and what the curve shows."""
        (target,), (output,), (loss,) = self.targets, outputs, self.recipe.losses
        descended = self._weighed(loss(target, output))
        told = isinstance(loss, ReportedLoss)
        shown = self._weighed(loss.reported(target, output)) if told else descended  # type: ignore[attr-defined]
        return descended, {"loss": shown}

    def _weighed(self, each: Value) -> Value:
        return sum_over(each * self.weight if self.weighted else each)

    @cached_property
    def _objective(self) -> tuple[Value, dict[str, Value], list[Assignment]]:
        """The curve's sum is the batch's objective times its rows, so that an epoch's is a mean over rows."""
        outputs, assignments = self.network.apply(self.inputs, Mode(training=True, key=self.key))
        descended, sums = self._judged(outputs)
        total = sums["loss"]
        if self.alpha:
            squares = [sum_over(square(w.parameter)) for w in self._kernels]
            total = total + (0.5 * self.alpha) * reduce(add, squares)
        shown = total * batch_size() / self._divisor if self.weighted else total
        return descended, {"loss": shown}, assignments

    def _slopes(self, objective: Value) -> list[Value | None]:
        """(∂Σ vᵢ lᵢ/∂w + α w) / Σ vᵢ, in this order, which lets all of it be done where ∂W is made."""
        share = 1.0 / self._divisor
        found = gradients(objective, [w.parameter for w in self.trained])
        kernels = self._kernels if self.alpha else []
        return [
            None
            if g is None
            else share * (descend(g, w.parameter, -self.alpha) if w in kernels else g)
            for w, g in zip(self.trained, found, strict=True)
        ]

    @cached_property
    def _kernels(self) -> list[Weight]:
        return [w for w in self.network.weights if w.role == "kernel"]

    @cached_property
    def sums(self) -> Program:
        """Σ vᵢ lᵢ as the curve shows it, and its slopes, without penalty: for L-BFGS, rows in blocks."""
        outputs, _ = self.network.apply(self.inputs, Mode(training=True, key=self.key))
        total, shown = self._judged(outputs)
        found = gradients(total, [w.parameter for w in self.trained])
        slopes = {
            str(w.parameter.name): g
            for w, g in zip(self.trained, found, strict=True)
            if g is not None
        }
        return self._program({**shown, **slopes}, [])
