"""The IDX format of the MNIST files: a magic number, the sizes, the bytes.

Layout (LeCun, Cortes, Burges, 1998): two zero bytes, one byte for the type, one for the number of
dimensions; one big-endian uint32 for each dimension; the values in C order, big-endian.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from chainrule.errors import DataError

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

PARTS = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
"""The four files of a data set, by the stems of their names."""


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file, gzipped or not. Raises DataError for a damaged one."""
    import gzip
    import zlib

    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as trouble:
        raise DataError(
            f"The IDX file {path} cannot be read ({trouble}): fetch it again."
        ) from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise DataError(
            f"{path} is no IDX file (it starts with {content[:4].hex(' ') or 'nothing'}, "
            "not with 00 00, a type and a number of dimensions): fetch it again."
        )
    dtype = np.dtype(_TYPES[content[2]])
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(f"The IDX file {path} ends within its header: fetch it again.")
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise DataError(
            f"The IDX file {path} has {len(content):,} bytes, but {expected:,} are expected for "
            f"an array of shape {shape}: fetch it again."
        )
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def find_idx_files(folder: Path) -> list[Path | None]:
    """The four files of a folder in the order of PARTS, None where one is absent."""
    found: list[Path | None] = []
    for part in PARTS:
        dotted = part.replace("-idx", ".idx")
        names = [f"{stem}-ubyte{end}" for stem in (part, dotted) for end in ("", ".gz")]
        found.append(next((folder / name for name in names if (folder / name).is_file()), None))
    return found


def read_idx_folder(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training images and labels, test images and labels of a folder with the four files.

    Images (rows, height, width), labels (rows,). Raises DataError for what is absent, damaged or
    does not fit together.
    """
    files = find_idx_files(folder)
    absent = [f"{part}-ubyte[.gz]" for part, file in zip(PARTS, files, strict=True) if not file]
    if absent:
        raise DataError(
            f"The folder {folder} lacks {', '.join(absent)}: a folder of images holds the four "
            "IDX files of MNIST's format."
        )
    arrays = [read_idx(file) for file in files if file]
    for images, labels, file in ((0, 1, files[1]), (2, 3, files[3])):
        shapes = arrays[images].shape, arrays[labels].shape
        if len(shapes[0]) != 3 or len(shapes[1]) != 1 or shapes[0][0] != shapes[1][0]:
            raise DataError(
                f"The images of shape {shapes[0]} do not go with the labels of shape {shapes[1]} "
                f"in {file}: one label for each image is expected."
            )
    if arrays[0].shape[1:] != arrays[2].shape[1:]:
        raise DataError(
            f"The training images in {folder} have shape {arrays[0].shape[1:]}, the test images "
            f"{arrays[2].shape[1:]}: they must be equal."
        )
    return arrays[0], arrays[1], arrays[2], arrays[3]
