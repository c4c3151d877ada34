"""MNIST's images, from the folder named by CHAINRULE_DATA or from ../shared/data."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(os.environ.get("CHAINRULE_DATA", Path(__file__).parents[2] / "shared" / "data"))


def there() -> bool:
    """Whether the files are there."""
    return (FOLDER / "mnist" / "train-images-idx3-ubyte.gz").exists()


def images(part: str) -> tuple[Any, Any]:
    """Images as rows of 784 float32 numbers from 0 to 1, and the digits shown; `part` is train or t10k."""
    x = _bytes(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 784)
    y = _bytes(f"{part}-labels-idx1-ubyte.gz", 8)
    return x.astype(np.float32) / np.float32(255), y.astype(np.int64)


def _bytes(name: str, header: int) -> Any:
    with gzip.open(FOLDER / "mnist" / name) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)
