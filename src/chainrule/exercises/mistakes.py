"""Mistakes people make in back-propagation: what each line comes to if they are made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chainrule.exercises.working import FUNCTIONS, RIGHT, Array, Key, Numbers, Rule, Sheet


@dataclass(frozen=True)
class Mistake:
    """A wrong rule for one kind of line; `where` says in which layers it can be made."""

    id: str
    words: str
    line: str
    rule: Rule
    where: str = "any"  # any, output, hidden, inner (with a layer before it)

    def applies(self, sheet: Sheet, key: Key) -> bool:
        """Whether it can be made in this line."""
        what, layer = key
        fits = {
            "any": True,
            "output": layer == sheet.depth,
            "hidden": layer < sheet.depth,
            "inner": layer > 1,
        }
        return what == self.line and fits[self.where]


def _output_error(s: Sheet, n: Numbers) -> Array:
    return (n["a", s.depth] - s.target) / s.rows


def _handed_back(s: Sheet, n: Numbers, k: int) -> Array:
    return n["delta", k + 1] @ s.kernel(k + 1).T


def _updated(s: Sheet, n: Numbers, k: int) -> Array:
    """The next layer's weights after the step, which are known by then."""
    return s.kernel(k + 1) - s.rate * n["dL/dW", k + 1]


def _square(a: Array) -> Array:
    """The transpose, where it has the same shape; NaN elsewhere, which fits nothing."""
    return a.T if a.shape[0] == a.shape[1] else np.full(a.shape, np.nan)


def _wrong_slope(s: Sheet, n: Numbers, k: int) -> Array:
    """The slope taken at a instead of z."""
    f, slope = FUNCTIONS[s.activation(k)]
    a = n["a", k]
    return slope(a, f(a)) if s.activation(k) == "relu" else slope(n["z", k], n["z", k])


def _error(s: Sheet, n: Numbers, k: int) -> Array:
    return _output_error(s, n) if k == s.depth else _handed_back(s, n, k)


MISTAKES: tuple[Mistake, ...] = (
    # --- forward ---
    Mistake("forgot-bias", "the bias is left out", "z",
            lambda s, n, k: s.before(n, k) @ s.kernel(k)),
    Mistake("bias-sign", "the bias is subtracted", "z",
            lambda s, n, k: s.before(n, k) @ s.kernel(k) - s.bias(k)),
    Mistake("transposed-forward", "W is transposed: the weights that leave a unit were taken, not those that enter it",
            "z", lambda s, n, k: s.before(n, k) @ _square(s.kernel(k)) + s.bias(k)),
    Mistake("sum-before-activation", "z of the layer before was used, before its activation", "z",
            lambda s, n, k: n["z", k - 1] @ s.kernel(k) + s.bias(k), "inner"),
    Mistake("forgot-activation", "the activation is left out: a is z", "a",
            lambda s, n, k: n["z", k]),
    Mistake("activation-sign", "the activation was taken of −z", "a",
            lambda s, n, k: FUNCTIONS[s.activation(k)][0](-n["z", k])),
    Mistake("tanh-activation", "tanh was taken instead of the layer's activation", "a",
            lambda s, n, k: np.tanh(n["z", k])),
    Mistake("forgot-half", "the ½ of the loss is left out", "L",
            lambda s, n, k: 2 * RIGHT["L"](s, n, k)),
    Mistake("forgot-square", "the error is not squared", "L",
            lambda s, n, k: np.asarray(0.5 * np.sum(np.abs(s.target - n["a", s.depth])) / s.rows)),
    Mistake("summed-loss", "summed over the rows instead of averaged", "L",
            lambda s, n, k: s.rows * RIGHT["L"](s, n, k)),
    # --- δ ---
    Mistake("forgot-slope", "the activation's slope g′(z) is left out", "delta", _error),
    Mistake("delta-sign", "the sign is wrong: δ is ∂L/∂z, with y − t and not t − y", "delta",
            lambda s, n, k: -RIGHT["delta"](s, n, k)),
    Mistake("activation-as-slope", "g(z) was taken instead of its slope g′(z)", "delta",
            lambda s, n, k: _error(s, n, k) * n["a", k]),
    Mistake("slope-at-wrong-place", "the slope was taken at the wrong number: z and a were confused", "delta",
            lambda s, n, k: _error(s, n, k) * _wrong_slope(s, n, k)),
    Mistake("summed-delta", "summed over the rows instead of averaged: δ is not divided by their number", "delta",
            lambda s, n, k: s.rows * RIGHT["delta"](s, n, k), "output"),
    Mistake("updated-weights", "the weights after their update were used; δ needs those before it", "delta",
            lambda s, n, k: n["delta", k + 1] @ _updated(s, n, k).T * s.slope(n, k), "hidden"),
    Mistake("transposed-backward", "W is transposed: going back, the weights that leave the unit count", "delta",
            lambda s, n, k: n["delta", k + 1] @ _square(s.kernel(k + 1).T) * s.slope(n, k), "hidden"),
    Mistake("forgot-weights", "the weights to the next layer are left out", "delta",
            lambda s, n, k: n["delta", k + 1].sum(axis=1, keepdims=True) * s.slope(n, k), "hidden"),
    Mistake("first-path-only", "only the way through the next layer's first unit was counted", "delta",
            lambda s, n, k: n["delta", k + 1][:, :1] @ s.kernel(k + 1)[:, :1].T * s.slope(n, k), "hidden"),
    # --- gradients of the weights ---
    Mistake("own-activation", "the unit's own activation was used, not what enters it", "dL/dW",
            lambda s, n, k: n["a", k].sum(axis=0) * n["delta", k].sum(axis=0)
            + np.zeros(s.kernel(k).shape)),
    Mistake("sum-as-input", "z of the layer before was used, before its activation", "dL/dW",
            lambda s, n, k: n["z", k - 1].T @ n["delta", k], "inner"),
    Mistake("transposed-gradient", "∂L/∂W is transposed: from and to were confused", "dL/dW",
            lambda s, n, k: _square(RIGHT["dL/dW"](s, n, k))),
    Mistake("gradient-sign", "the sign is wrong", "dL/dW",
            lambda s, n, k: -RIGHT["dL/dW"](s, n, k)),
    Mistake("forgot-input", "δ was not multiplied with what enters the weight", "dL/dW",
            lambda s, n, k: n["delta", k].sum(axis=0) + np.zeros(s.kernel(k).shape)),
    Mistake("averaged-again", "divided by the number of rows again: δ is averaged already", "dL/dW",
            lambda s, n, k: RIGHT["dL/dW"](s, n, k) / s.rows),
    Mistake("bias-gradient-sign", "the sign is wrong", "dL/db",
            lambda s, n, k: -RIGHT["dL/db"](s, n, k)),
    Mistake("no-bias-gradient", "the bias has a gradient too: it is δ, not 0", "dL/db",
            lambda s, n, k: np.zeros(s.bias(k).shape)),
    Mistake("bias-averaged-again", "divided by the number of rows again: δ is averaged already", "dL/db",
            lambda s, n, k: RIGHT["dL/db"](s, n, k) / s.rows),
    Mistake("bias-times-bias", "the gradient was multiplied with the bias; what enters a bias is 1", "dL/db",
            lambda s, n, k: RIGHT["dL/db"](s, n, k) * s.bias(k)),
    # --- update ---
    Mistake("uphill", "the gradient was added: that goes uphill", "W'",
            lambda s, n, k: s.kernel(k) + s.rate * n["dL/dW", k]),
    Mistake("forgot-rate", "the learning rate is left out", "W'",
            lambda s, n, k: s.kernel(k) - n["dL/dW", k]),
    Mistake("only-change", "this is the change, not the new weight", "W'",
            lambda s, n, k: -s.rate * n["dL/dW", k]),
    Mistake("not-updated", "the weight was not changed", "W'", lambda s, n, k: s.kernel(k)),
    Mistake("bias-uphill", "the gradient was added: that goes uphill", "b'",
            lambda s, n, k: s.bias(k) + s.rate * n["dL/db", k]),
    Mistake("bias-forgot-rate", "the learning rate is left out", "b'",
            lambda s, n, k: s.bias(k) - n["dL/db", k]),
    Mistake("bias-not-updated", "the bias was not changed: it learns too", "b'",
            lambda s, n, k: s.bias(k)),
    # --- anywhere ---
    *(
        Mistake(f"{line}-point", "the decimal point slipped", line,
                lambda s, n, k, line=line: 10 * RIGHT[line](s, n, k))  # type: ignore[misc]
        for line in RIGHT
    ),
    *(
        Mistake(f"{line}-point-left", "the decimal point slipped", line,
                lambda s, n, k, line=line: RIGHT[line](s, n, k) / 10)  # type: ignore[misc]
        for line in RIGHT
    ),
    *(
        Mistake(f"{line}-opposite", "the sign is wrong", line,
                lambda s, n, k, line=line: -RIGHT[line](s, n, k))  # type: ignore[misc]
        for line in ("z", "a", "W'", "b'")
    ),
)  # fmt: skip


def possible(sheet: Sheet, key: Key) -> Iterator[Mistake]:
    """The mistakes that can be made in a line."""
    return (mistake for mistake in MISTAKES if mistake.applies(sheet, key))
