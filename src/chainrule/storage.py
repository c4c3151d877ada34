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
    """Write a file beside its final place, flush it to disk and rename it there.

    A reader sees the old file or the new one, never half of one. Raises `ModelFileError` where the
    place cannot be written to; what was there before is then still there.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise ModelFileError(
            f"The folder {target.parent} does not exist: make it, or choose another place."
        )
    try:
        _write(target, content)
    except IsADirectoryError as error:
        raise ModelFileError(f"{target} is a folder: give the name of a file in it.") from error
    except OSError as error:
        raise ModelFileError(
            f"{target} could not be written ({error.strerror}): choose another place."
        ) from error


def _write(target: Path, content: bytes) -> None:
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
    if os.name == "posix":  # elsewhere a folder cannot be opened to flush its new entry
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def versions() -> dict[str, str]:
    """The versions that made a result."""
    from importlib import metadata

    try:
        own = metadata.version("chainrule")
    except metadata.PackageNotFoundError:  # run from its sources
        own = "not installed"
    return {
        "chainrule": own,
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
    # order="C" and not ascontiguousarray, which would make a vector of a single number
    rows = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    write_bytes(path, to_bytes(rows, {_KEY: text}))


def load(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the document of a file that `save` wrote.

    Raises `ModelFileError` where it is missing, damaged, something else or of another format.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        what = "is a folder, not a model file" if Path(path).is_dir() else "does not exist"
        raise ModelFileError(f"The model file {path} cannot be read: it {what}.")
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(_KEY)
            if text is None:
                raise ModelFileError(
                    f"{path} is a safetensors file, but not one that chainrule wrote."
                )
            document = json.loads(text)
            _check_format(path, document)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except ModelFileError:
        raise
    except (SafetensorError, ValueError, OSError) as error:
        raise ModelFileError(f"{path} is damaged or not a chainrule model: {error}.") from error
    return arrays, document


def _check_format(path: str | os.PathLike[str], document: Any) -> None:
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise ModelFileError(
            f"{path} has format {found}, this version of chainrule reads format {FORMAT}: "
            "use the version that wrote it."
        )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
