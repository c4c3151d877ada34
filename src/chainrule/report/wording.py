"""Numbers and names as people write them."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

SHARES = frozenset({"accuracy", "balanced_accuracy", "binary_accuracy", "categorical_accuracy"})
_LOWER_IS_BETTER = (
    *("loss", "error", "rmse", "mae", "mse", "huber", "crossentropy", "divergence", "hinge"),
    *("euclidean", "poisson"),
)
_NAMES = {
    "rmse": "RMSE",
    "mae": "mean absolute error",
    "mse": "mean squared error",
    "r2": "R²",
    "log_loss": "log loss",
    "roc_auc": "ROC AUC",
    "f1_macro": "F1 (macro)",
    "f1_micro": "F1 (micro)",
    "f1": "F1",
    "precision_macro": "precision (macro)",
    "recall_macro": "recall (macro)",
}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def metric_name(key: str) -> str:
    """`balanced_accuracy` → balanced accuracy, `rmse` → RMSE."""
    return _NAMES.get(key, key.replace("_", " "))


def lower_is_better(key: str) -> bool:
    """Whether the metric counts errors."""
    return any(part in key for part in _LOWER_IS_BETTER)


def number(value: Any) -> str:
    """Four significant digits, thousands separated; whole numbers in full; – for nothing."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    try:
        real = float(value)
    except (TypeError, ValueError):
        return str(value)
    if math.isnan(real):
        return "not a number"
    if math.isinf(real):
        return "infinite" if real > 0 else "−infinite"
    if isinstance(value, Integral) or (real.is_integer() and abs(real) >= 1000):
        plain = f"{int(real):,}" if abs(real) < 1e15 else _scientific(real)
    elif real != 0 and not 1e-4 <= abs(real) < 1e7:
        plain = _scientific(real)
    elif abs(real) >= 1000:
        plain = f"{real:,.0f}"
    else:
        plain = f"{real:#.4g}" if real else "0"
    return plain.removesuffix(".").replace("-", "−", 1)


def percent(value: float, digits: int = 2) -> str:
    """A share as a percentage; 100% and 0% only where nothing is rounded away."""
    if not math.isfinite(value):
        return number(value)
    if value in (0, 1):
        return f"{value:.0%}"
    text = f"{100 * value:.{digits}f}"
    if 0 < value < 1 and float(text) in (0.0, 100.0):
        edge = 10.0**-digits
        return f"> {100 - edge:.{digits}f}%" if value > 0.5 else f"< {edge:.{digits}f}%"
    return f"{text}%".replace("-", "−", 1)


def metric_value(key: str, value: Any) -> str:
    """A metric's value; shares of rows as percentages."""
    if value is None or key.removeprefix("val_") not in SHARES:
        return number(value)
    return percent(float(value))


def setting(value: Any) -> str:
    """A setting as one would type it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, list | tuple):
        return ", ".join(setting(item) for item in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {setting(item)}" for name, item in value.items()) or "none"
    return str(value)


def duration(seconds: float) -> str:
    """12.3 s, 4 min 5 s, 2 h 3 min."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def counted(n: int, noun: str) -> str:
    """1 row, 2 rows, 1,000 rows."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def stopping(reason: str) -> str:
    """Why training stopped, with what was watched in words."""
    return reason.replace("val_loss", "the validation loss")


def sentence(text: Any) -> str:
    """Text with a capital at its start and a full stop at its end."""
    words = str(text).strip()
    if not words:
        return ""
    words = words[0].upper() + words[1:]
    return words if words[-1] in ".!?…" else f"{words}."


def _scientific(real: float) -> str:
    digits, power = f"{real:.3e}".split("e")
    return f"{digits} × 10{str(int(power)).translate(_SUPERSCRIPTS)}"
