"""Arrays and one JSON document in one safetensors file, written whole or not at all."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.errors import ModelFileError

FORMAT = 1
_KEY = "chainrule"

Array = np.ndarray[Any, Any]


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file beside its final place, flush it to disk and rename it: readers see old or new, never half."""
    target = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def versions() -> dict[str, str]:
    """The versions that made a result."""
    from importlib import metadata

    return {
        "chainrule": metadata.version("chainrule"),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def save(
    path: str | os.PathLike[str], arrays: Mapping[str, Array], document: Mapping[str, Any]
) -> None:
    """Write arrays and a JSON document as one file."""
    from safetensors.numpy import save as to_bytes

    text = json.dumps(
        {"format": FORMAT, "versions": versions(), **document}, ensure_ascii=False, allow_nan=True
    )
    if not Path(path).parent.is_dir():
        raise ModelFileError(
            f"The folder {Path(path).parent} does not exist: make it, or choose another place."
        )
    write_bytes(
        path, to_bytes({k: np.ascontiguousarray(a) for k, a in arrays.items()}, {_KEY: text})
    )


def load(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the document of a file; `ModelFileError` where it is missing, damaged or something else."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise ModelFileError(f"There is no model file {path}.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        if _KEY not in metadata:
            raise ModelFileError(f"{path} is a safetensors file, but not one that chainrule wrote.")
        document = json.loads(metadata[_KEY])
    except (SafetensorError, ValueError, OSError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{path} is damaged or not a chainrule model: {error}.") from error
    if document.get("format") != FORMAT:
        raise ModelFileError(
            f"{path} has format {document.get('format')}, this version of chainrule reads format {FORMAT}: "
            "use the version that wrote it."
        )
    return arrays, document


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
