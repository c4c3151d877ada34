"""A network's layers as a table."""

from __future__ import annotations

import math
from typing import Any

from chainrule.graph import shape_text
from chainrule.layers.network import Network


def describe(network: Network) -> list[dict[str, Any]]:
    """For each layer its name, type, output shape, number of parameters and the layers it reads."""
    rows = []
    for layer in network.layers:
        symbols = [s for s in network.symbols if s.layer is layer]
        sources = [x.layer.name if x.layer else x.name or "input" for x in symbols[0].inputs]
        rows.append(
            {
                "layer": f"{layer.name} ({type(layer).__name__})",
                "output_shape": shape_text(symbols[0].shape),
                "parameters": sum(math.prod(_sizes(w.parameter.shape)) for w in layer.weights),
                "trainable": sum(
                    math.prod(_sizes(w.parameter.shape))
                    for w in layer.weights
                    if w.trainable and layer.trainable
                ),
                "inputs": sources,
            }
        )
    return rows


def table(network: Network, name: str | None = None) -> str:
    """The layers as text, with totals."""
    rows = describe(network)
    straight = all(len(row["inputs"]) == 1 for row in rows) and len(network.inputs) == 1
    head = ["Layer", "Output shape", "Parameters", *([] if straight else ["Reads"])]
    body = [
        [
            r["layer"],
            r["output_shape"],
            f"{r['parameters']:,}",
            *([] if straight else [", ".join(r["inputs"])]),
        ]
        for r in rows
    ]
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in [head, *body]
    ]
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    total, trainable = (sum(r[key] for r in rows) for key in ("parameters", "trainable"))
    frozen = f" ({trainable:,} trained)" if trainable != total else ""
    return "\n".join(
        [
            *([name] if name else []),
            lines[0],
            rule,
            *lines[1:],
            rule,
            f"Parameters: {total:,}{frozen}",
        ]
    )


def _sizes(shape: Any) -> tuple[int, ...]:
    return tuple(shape)
