"""The folder of a run: made empty, filled with files, read again."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import storage
from chainrule.errors import ModelFileError, UsageError

MODEL, RESULT, HISTORY = "model.chainrule", "result.json", "history.csv"
PREDICTIONS, REPORT = "predictions.parquet", "report.html"

_NEEDED = {"task": str, "rows": dict, "epochs": int, "settings": dict, "network": list}
"""What every result has, and of which type."""


def check_free(out: Path | None) -> None:
    """Raise where a run's folder would overwrite something."""
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        what = "is not empty" if out.is_dir() else "is a file"
        raise UsageError(f"--out {out} {what}: choose another folder, nothing is overwritten.")


@contextmanager
def new_folder(out: Path | None, source: str) -> Iterator[Path]:
    """A new, empty folder: `out`, else `runs/SOURCE-NUMBER`; gone again if an error leaves it empty."""
    folder, made = _made(out, source)
    try:
        yield folder
    except BaseException:
        for place in made:
            try:
                place.rmdir()
            except OSError:  # not empty: what was written is kept
                break
        raise


def _made(out: Path | None, source: str) -> tuple[Path, list[Path]]:
    """The folder, and all folders that had to be made for it, the innermost first."""
    stem = re.sub(r"[^\w.-]+", "-", source).strip("-.")[:80] or "run"
    base = Path("runs") if out is None else out
    made = [place for place in (base, *base.parents) if not place.exists()]
    try:
        base.mkdir(parents=True, exist_ok=True)
        if out is not None:
            check_free(out)
            return out, made
        number = 1
        while True:
            folder = base / f"{stem}-{number}"
            try:
                folder.mkdir()
            except FileExistsError:
                number += 1
            else:
                return folder, [folder, *made]
    except OSError as error:
        where = "--out" if out is not None else "the folder"
        raise UsageError(
            f"{where} {base} cannot be made or written ({error.strerror}): choose another --out."
        ) from error


def write_history(folder: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """history.csv: one line an epoch."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    storage.write_bytes(folder / HISTORY, text.getvalue().encode())


def read_history(run: str) -> dict[str, list[float]]:
    """The columns of a run's history.csv."""
    file = Path(run) / HISTORY
    try:
        with file.open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        names = list(rows[0]) if rows else []
        return {name: [float(row[name]) for row in rows] for name in names}
    except OSError as error:
        raise ModelFileError(
            f"{file} cannot be read ({error.strerror}): nothing can be drawn."
        ) from error
    except (ValueError, TypeError, csv.Error) as error:
        raise ModelFileError(f"{file} is damaged ({error}): nothing can be drawn.") from error


def write_result(folder: Path, result: Mapping[str, Any]) -> None:
    """result.json."""
    storage.write_bytes(folder / RESULT, to_json(result).encode(errors="replace"))


def read_result(run: str) -> dict[str, Any]:
    """The result.json of a run's folder."""
    file = Path(run) / RESULT
    if not file.is_file():
        raise ModelFileError(f"{run} is not the folder of a run: it has no {RESULT}.")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelFileError(f"{file} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise ModelFileError(f"{file} is damaged ({error}).") from error
    lacking = [
        name
        for name, kind in _NEEDED.items()
        if not isinstance(found, dict) or not isinstance(found.get(name), kind)
    ]
    if lacking:
        raise ModelFileError(
            f"{file} is damaged, or of another version of chainrule: it lacks {', '.join(lacking)}."
        )
    return dict(found)


def to_json(document: Any) -> str:
    """JSON text in which what is not a finite number is null."""

    def clean(item: Any) -> Any:
        if isinstance(item, Mapping):
            return {str(k): clean(v) for k, v in item.items()}
        if isinstance(item, (list, tuple)):
            return [clean(v) for v in item]
        if isinstance(item, np.generic):
            item = item.item()
        if isinstance(item, float) and not np.isfinite(item):
            return None
        return item

    return json.dumps(clean(document), indent=1, ensure_ascii=False)
