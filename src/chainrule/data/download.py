"""MNIST and Fashion-MNIST: where they lie on this machine, or from where they are fetched."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from chainrule.data.idx import PARTS, find_idx_files
from chainrule.errors import DataError

# SHA-256 of the unzipped files: the same whichever mirror zipped them, and however.
CHECKSUMS = {
    "mnist": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    "fashion-mnist": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}
MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
    ),
    "fashion-mnist": (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
    ),
}
# Where Debian's package dataset-fashion-mnist puts its files.
_SYSTEM = {"fashion-mnist": Path("/usr/share/datasets/fashion-mnist")}
_PATIENCE = 30  # seconds without a byte


def image_folder(name: str, data_dir: str | Path | None = None) -> Path:
    """The folder with the four IDX files of a built-in name, fetched into the cache if need be.

    Looked for in `data_dir`, `data_dir`/NAME, $CHAINRULE_DATA/NAME, the cache and the system's
    folder. Raises DataError that says where to put the files where they cannot be fetched.
    """
    places: list[Path] = []
    if data_dir is not None:
        places += [Path(data_dir), Path(data_dir) / name]
    if os.environ.get("CHAINRULE_DATA"):
        places.append(Path(os.environ["CHAINRULE_DATA"]) / name)
    cache = cache_folder() / name
    places += [cache, *([_SYSTEM[name]] if name in _SYSTEM else [])]
    for place in places:
        if all(find_idx_files(place)):
            return place
    try:
        for part, checksum in zip(PARTS, CHECKSUMS[name], strict=True):
            file = f"{part}-ubyte.gz"
            fetch([f"{mirror}/{file}" for mirror in MIRRORS[name]], cache / file, checksum)
    except DataError as trouble:
        files = ", ".join(f"{part}-ubyte.gz" for part in PARTS)
        raise DataError(
            f"'{name}' is not on this machine and could not be fetched ({trouble}): put {files} "
            f"into {cache}, or name the folder that holds them (--data-dir, data_dir=)."
        ) from None
    return cache


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/chainrule, else ~/.cache/chainrule."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "chainrule"


def fetch(addresses: Sequence[str], destination: Path, checksum: str) -> None:
    """Fetch a .gz file whose unzipped content has the SHA-256 `checksum`; keep it if it is there.

    The addresses are tried in turn. Written under another name and renamed, so that
    `destination` is the whole file or none. Raises DataError with what went wrong at each.
    """
    import urllib.request
    from http.client import HTTPException

    if destination.is_file() and _checksum(destination.read_bytes()) == checksum:
        return
    troubles = []
    for address in addresses:
        part = destination.with_name(f"{destination.name}.{os.getpid()}.part")
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            with urllib.request.urlopen(address, timeout=_PATIENCE) as reply:
                content = reply.read()
            if _checksum(content) != checksum:
                troubles.append(f"{address}: not the expected content")
                continue
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(destination)
            return
        except (OSError, ValueError, HTTPException) as trouble:
            troubles.append(f"{address}: {trouble}")
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
    raise DataError("; ".join(troubles))


def _checksum(content: bytes) -> str | None:
    """SHA-256 of the unzipped content, None if it cannot be unzipped."""
    import gzip
    import hashlib
    import zlib

    try:
        return hashlib.sha256(gzip.decompress(content)).hexdigest()
    except (OSError, EOFError, zlib.error):
        return None
