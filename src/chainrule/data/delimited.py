"""Tables in text files: the separator, the header and the types are found by looking."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.data.values import holds_booleans, holds_numbers, text
from chainrule.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_SEPARATORS = (",", ";", "\t", "|")
_FRACTION = re.compile(r"^[+-]?\d*\.\d+$")
_DECIMAL_COMMA = r"^[+-]?\d+(,\d+)?$"


def read_delimited(path: Path) -> tuple[pl.DataFrame, str]:
    """The table in a .csv or .tsv file, and what was out of the ordinary about it, if anything.

    Blanks around values are cut off; empty fields, ?, NA, N/A, NaN and null are missing; a column
    of numbers or of true and false is one if every row allows it. Separators other than the
    comma, decimal commas, other encodings than UTF-8 and absent headers are recognised.
    Raises DataError for files that are empty or damaged.
    """
    content, how = _as_utf8(path)
    if not content.strip():
        raise DataError(f"{path} is empty: there is nothing to read.")
    import polars as pl  # not before: with its own handler of Ctrl-C, a read that waits goes on

    first = content.lstrip().split(b"\n", 1)[0].decode()
    separator = "\t" if path.suffix.lower() == ".tsv" else _separator(first)
    if separator not in (",", "\t"):
        how += f", separated by '{separator}'"
    try:
        cells = pl.read_csv(
            io.BytesIO(content), separator=separator, has_header=False, infer_schema=False
        )
    except pl.exceptions.PolarsError as trouble:
        reason = _uneven(content, separator) or str(trouble).strip().splitlines()[0]
        raise DataError(
            f"{path} cannot be read as a table ({reason}): every row needs the same number of "
            "fields, and every opened quote its end."
        ) from None
    if cells.width > 1:
        cells = cells.filter(~pl.all_horizontal(pl.all().is_null()))
    comma = separator == ";"
    frame = pl.DataFrame([_typed(column, comma) for column in cells[1:].get_columns()])
    names = [(name or "").strip() for name in cells.row(0)]
    if _is_data(names, frame):
        frame = pl.DataFrame([_typed(column, comma) for column in cells.get_columns()])
        frame.columns = [f"column_{j + 1}" for j in range(frame.width)]
        return frame, f"{how}, no header line: called column_1 to column_{frame.width}"
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise DataError(
            f"{path} has more than one column called {', '.join(map(repr, twice))}: "
            "rename them so that every name occurs once."
        )
    named = [name or (f"column_{j + 1}" if j else "") for j, name in enumerate(names)]
    frame.columns = named
    return frame, how


def _uneven(content: bytes, separator: str) -> str:
    """The first line with more fields than the first one, if there is one."""
    rows = csv.reader(io.StringIO(content.decode()), delimiter=separator)
    width = len(next(rows, []))
    try:
        for row in rows:
            if len(row) > width:
                return f"line {rows.line_num} has {len(row)} fields, the first {width}"
    except csv.Error:
        pass
    return ""


def _as_utf8(path: Path) -> tuple[bytes, str]:
    """The file's bytes as UTF-8, and a word about the encoding it had."""
    try:
        content = path.read_bytes()
    except OSError as trouble:
        raise DataError(f"{path} cannot be read ({trouble.strerror}).") from None
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace").encode(), ", from UTF-16"
    content = content.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in content[:4096]:
        raise DataError(f"{path} is not a text file: it holds zero bytes.")
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace").encode(), ", read as Windows-1252"
    return content, ""


def _separator(line: str) -> str:
    """The separator that occurs most often in a line, outside quotes."""
    bare = re.sub(r'"[^"]*"', "", line)
    return max(_SEPARATORS, key=bare.count)


def _typed(column: pl.Series, decimal_comma: bool) -> pl.Series:
    """A column of text as whole numbers, numbers or booleans where every value allows it."""
    import polars as pl

    words = text(column)
    if words.null_count() == words.len():
        return words
    if decimal_comma and words.str.contains(_DECIMAL_COMMA).all():
        words = words.str.replace(",", ".", literal=True)
    if holds_numbers(words):
        whole = words.cast(pl.Int64, strict=False)
        return whole if whole.null_count() == words.null_count() else words.cast(pl.Float64)
    if holds_booleans(words):
        return words.str.to_lowercase() == "true"
    return words


def _is_data(names: list[str], frame: pl.DataFrame) -> bool:
    """Whether the first line is no header but a row like the others.

    It is one if each of its fields could stand in its column, and one of them shows that it does:
    a text that occurs again further down, or a number with a fraction.
    """
    import polars as pl

    if frame.height == 0 or not all(names):
        return False
    evidence = False
    for name, column in zip(names, frame.get_columns(), strict=True):
        if column.dtype == pl.String:
            if name not in column:
                return False
            evidence = True
        elif not column.dtype.is_numeric() or not holds_numbers(pl.Series([name])):
            return False
        else:
            evidence = evidence or bool(_FRACTION.match(name))
    return evidence
