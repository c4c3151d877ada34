"""Data by name or path: built-in sets, tables, arrays and folders of images."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chainrule.data.delimited import read_delimited
from chainrule.data.download import CHECKSUMS, image_folder
from chainrule.data.frames import as_values
from chainrule.data.idx import read_idx_folder
from chainrule.errors import DataError

if TYPE_CHECKING:
    import polars as pl

ENDINGS = (".csv", ".tsv", ".parquet", ".npz")


@dataclass(frozen=True)
class Source:
    """Data as it was read, before anything is learnt from it.

    `features` is a whole table with its target column (`target` is None, `target_name` is known
    for built-in sets), or an array of rows with its labels in `target`. `test` holds an official
    test set. Images are rows of pixels; `image_shape` is (height, width) or with channels.
    """

    name: str
    features: pl.DataFrame | np.ndarray
    target: np.ndarray | None
    target_name: str | None
    test: tuple[np.ndarray, np.ndarray] | None
    image_shape: tuple[int, ...] | None
    origin: str

    @property
    def is_table(self) -> bool:
        """Whether the features are a table with named columns."""
        return not isinstance(self.features, np.ndarray)


def load_source(source: str | Path, *, data_dir: str | Path | None = None) -> Source:
    """Read a built-in set, a .csv, .tsv, .parquet or .npz file, or a folder of IDX files.

    `data_dir` is where the files of mnist and fashion-mnist are looked for first.
    Raises DataError with one sentence for what is missing, empty, damaged or unknown.
    """
    name = str(source)
    if isinstance(source, str) and name in _TABLES:
        return _built_in_table(name)
    if isinstance(source, str) and name == "digits":
        return _digits()
    if isinstance(source, str) and name in CHECKSUMS:
        folder = image_folder(name, data_dir)
        return _images(name, folder, f"{name}, its official training and test images in {folder}")
    path = Path(source).expanduser()
    if path.is_dir():
        return _images(path.resolve().name, path, f"the four IDX files in {path}")
    if not path.exists():
        raise _nothing_there(name, path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path} is of no known kind: give a file ending in {', '.join(ENDINGS)}, a folder "
            f"with the four IDX files, or a built-in name ({', '.join(built_in_names())})."
        )
    return reader(path)


def built_in_names() -> tuple[str, ...]:
    """The data sets that need no file."""
    return ("digits", *_TABLES, *CHECKSUMS)


def _nothing_there(name: str, path: Path) -> DataError:
    names = built_in_names()
    beside: list[str] = []
    if path.parent.is_dir():
        beside = [str(path.parent / file.name) for file in path.parent.iterdir()]
    near = difflib.get_close_matches(name, [*names, *beside], n=1, cutoff=0.6)
    hint = f": did you mean '{near[0]}'?" if near else "."
    return DataError(
        f"'{name}' is neither a file or folder here nor a built-in data set{hint} "
        f"Built-in: {', '.join(names)}."
    )


def _built_in_table(name: str) -> Source:
    """One of scikit-learn's tables with its column names, and its classes as text."""
    import polars as pl
    from sklearn import datasets

    loader, words = _TABLES[name]
    bunch = getattr(datasets, loader)(**({"scaled": False} if name == "diabetes" else {}))
    names = [str(column) for column in bunch.feature_names]
    target = bunch.target
    if "target_names" in bunch:
        target = np.asarray(bunch.target_names, dtype=str)[target]
    frame = pl.DataFrame(
        {**{n: bunch.data[:, j] for j, n in enumerate(names)}, "target": target.tolist()}
    )
    origin = f"{words}, from scikit-learn ({frame.height:,} rows, {len(names)} features)"
    return Source(name, frame, None, "target", None, None, origin)


def _digits() -> Source:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    origin = "8x8 images of handwritten digits, from scikit-learn (1,797 rows)"
    return Source(
        "digits", np.array(bunch.data), np.array(bunch.target), None, None, (8, 8), origin
    )


def _images(name: str, folder: Path, origin: str) -> Source:
    images, labels, test_images, test_labels = read_idx_folder(folder)
    if len(images) == 0:
        raise DataError(f"The folder {folder} holds no training images: give a folder with some.")
    test = (test_images.reshape(len(test_images), -1), test_labels)
    return Source(
        name,
        images.reshape(len(images), -1),
        labels,
        None,
        test if len(test_labels) else None,
        images.shape[1:],
        origin,
    )


def _delimited(path: Path) -> Source:
    frame, how = read_delimited(path)
    return _table(path, frame, how)


def _parquet(path: Path) -> Source:
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as trouble:
        raise _unreadable(path, "Parquet", trouble) from None
    return _table(path, frame, "")


def _table(path: Path, frame: pl.DataFrame, how: str) -> Source:
    if frame.width == 0 or frame.height == 0:
        raise DataError(
            f"{path} holds a table of {frame.height} rows and {frame.width} columns: "
            "there is nothing to read."
        )
    origin = f"{path} ({frame.height:,} rows, {frame.width} columns{how})"
    return Source(path.stem, frame, None, None, None, None, origin)


_FEATURES = ("x", "features", "x_train")
_LABELS = ("y", "target", "labels", "y_train")


def _npz(path: Path) -> Source:
    """Arrays called x (or features), y (or target, labels), and perhaps x_test and y_test."""
    import zipfile
    import zlib

    if not zipfile.is_zipfile(path):
        raise _unreadable(path, "NPZ", ValueError("it is no archive of arrays"))
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name.lower(): archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as trouble:
        raise _unreadable(path, "NPZ", trouble) from None
    features = next((arrays[name] for name in _FEATURES if name in arrays), None)
    target = next((arrays[name] for name in _LABELS if name in arrays), None)
    if features is None:
        raise DataError(
            f"{path} holds no array called {' or '.join(_FEATURES)} (but "
            f"{', '.join(arrays) or 'nothing'}): name the features x and the target y."
        )
    if features.ndim < 2 or features.size == 0:
        raise DataError(
            f"The features in {path} have shape {features.shape}: (rows, columns) or "
            "(rows, height, width) is expected, with at least one row."
        )
    _check_rows(path, features, target)
    test = None
    if "x_test" in arrays and "y_test" in arrays:
        held_features, held_target = arrays["x_test"], arrays["y_test"]
        _check_rows(path, held_features, held_target)
        if held_features.shape[1:] != features.shape[1:]:
            raise DataError(
                f"In {path}, x_test has shape {held_features.shape} and the training features "
                f"{features.shape}: all but the number of rows must be equal."
            )
        test = (held_features.reshape(len(held_features), -1), as_values(held_target))
    return Source(
        path.stem,
        features.reshape(len(features), -1),
        None if target is None else as_values(target),
        None,
        test,
        features.shape[1:] if features.ndim > 2 else None,
        f"{path} ({len(features):,} rows of shape {features.shape[1:]})",
    )


def _check_rows(path: Path, features: np.ndarray, target: np.ndarray | None) -> None:
    if target is not None and (target.ndim == 0 or len(target) != len(features)):
        raise DataError(
            f"In {path}, features of shape {features.shape} do not go with a target of shape "
            f"{target.shape}: one target for each row is expected."
        )


def _unreadable(path: Path, kind: str, trouble: Exception) -> DataError:
    reason = (str(trouble).strip() or type(trouble).__name__).splitlines()[0]
    return DataError(f"{path} cannot be read as {kind} ({reason}): the file may be damaged.")


_TABLES: dict[str, tuple[str, str]] = {
    "iris": ("load_iris", "Fisher's iris flowers, 3 species"),
    "wine": ("load_wine", "chemical analyses of wine, 3 growers"),
    "breast-cancer": ("load_breast_cancer", "Wisconsin breast cancer, 2 diagnoses"),
    "diabetes": ("load_diabetes", "diabetes progression after one year"),
}
_READERS: dict[str, Callable[[Path], Source]] = {
    ".csv": _delimited,
    ".tsv": _delimited,
    ".parquet": _parquet,
    ".npz": _npz,
}
