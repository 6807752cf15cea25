"""Tables as files: read in many formats, and written so that spreadsheets take no text in them for a formula."""

import csv
import json
import warnings
from functools import lru_cache
from pathlib import Path
from typing import overload

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import ResultsError, one_line, printable
from ..files import CHECKSUM, replacing, verify
from .as_written import squashed

__all__ = ["read_table", "to_csv", "to_parquet"]


PACKED = (".gz", ".bz2", ".zip", ".xz", ".zst")
EXCEL = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
LINES = (".jsonl", ".ndjson")
COUNTS = ("nlabelled", "nunlabelled", "ntest")  # read as text: 45.000 may be 45, or 45,000
EXPECTED = "expected CSV with a header (separated by commas, semicolons or tabs), Parquet or JSON"


def read_table(path: str | Path) -> pd.DataFrame:
    """The table in a file of CSV (separated by comma, semicolon, tab or bar, in UTF-8 or UTF-16), Parquet or JSON.

    Raises `ResultsError`, one line on what to do, for any other file.
    """
    path = Path(path)
    if path.is_dir():
        raise ResultsError(f"{path}: found a folder; {EXPECTED}")
    try:
        table = _read(path)
    except ResultsError:
        raise
    except ImportError as error:
        why = one_line(error).partition(": ")[2]
        raise ResultsError(f"{path}: cannot be read here ({why}); install that, or save it as CSV") from None
    except Exception as error:  # pandas and pyarrow raise nearly anything on damaged files
        raise ResultsError(f"{path}: not a readable table ({error}); {EXPECTED}") from None
    named = [name for name in table.index.names if name is not None and name not in table]
    table = table.reset_index(level=named) if named else table
    return table.rename(columns=str).reset_index(drop=True)


def _read(path: Path) -> pd.DataFrame:
    with path.open("rb") as file:
        start = file.read(4)
    ending = path.suffix.lower()
    if start == b"PAR1" or ending in (".parquet", ".pq"):
        try:
            verify(path)
        except ValueError as error:
            raise ResultsError(f"{path}: not a readable table ({error}); delete it and run again") from None
        table = pq.read_table(path)
        table.validate(full=True)  # or text that is none would be found where it is first used
        return table.to_pandas()
    if ending in EXCEL or (start == b"PK\x03\x04" and ending != ".zip") or start == b"\xd0\xcf\x11\xe0":
        raise ResultsError(f"{path}: found a spreadsheet; save its sheet as CSV (File, Save as), and give that")
    if ending in PACKED:
        return pd.read_csv(path)
    if ending in LINES:
        return pd.read_json(path, lines=True)
    utf16 = start[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = path.read_text(encoding="utf-16" if utf16 else "utf-8-sig")
    except UnicodeError:
        raise ResultsError(f"{path}: not a readable table (its text is not UTF-8); save it as CSV UTF-8") from None
    problem = "it is empty" if not text.strip() else "it holds bytes of 0" if "\0" in text else ""
    problem = problem or ("it is a web page" if text.lstrip().startswith("<") else "")
    if problem:
        raise ResultsError(f"{path}: not a readable table ({problem}); {EXPECTED}")
    if ending == ".json" or text.lstrip()[0] in "{[":
        held = json.loads(text)
        split = isinstance(held, dict) and isinstance(held.get("data"), list)  # as pandas and wandb write tables
        return pd.DataFrame(held["data"], columns=held.get("columns")) if split else pd.DataFrame(held)
    return _read_csv(path, text, "utf-16" if utf16 else "utf-8-sig")


def _read_csv(path: Path, text: str, encoding: str) -> pd.DataFrame:
    lines = text.lstrip().splitlines()
    said = lines[0].removeprefix("sep=") if lines and lines[0].startswith("sep=") else None  # Excel's own
    skip = 0 if said is None else 1
    header = lines[skip] if len(lines) > skip else ""
    separator = said or _separator(header)
    names = next(csv.reader([header], delimiter=separator), []) if len(separator) == 1 else header.split()
    counts = {name: str for name in names if squashed(name) in COUNTS}
    options = {"sep": separator, "skiprows": skip, "encoding": encoding, "dtype": counts}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.ParserWarning)
        table = pd.read_csv(path, **options)
        if not isinstance(table.index, pd.RangeIndex) and len(table) and table.iloc[:, -1].isna().all():
            table = pd.read_csv(
                path, index_col=False, **options
            )  # a separator at the end of each row, not of the header
    return table


def to_parquet(table: pd.DataFrame, path: str | Path) -> None:
    """Store `table` as Parquet, as pandas does, and a checksum in the file's metadata; whole or not at all."""
    stored = pa.Table.from_pandas(table)
    with replacing(path, checksum=True) as scratch:
        pq.write_table(stored.replace_schema_metadata({**stored.schema.metadata, "checksum": CHECKSUM}), scratch)


def _separator(header: str) -> str:
    """The character that splits `header` most often; if none does, a pattern for blanks."""
    found = {mark: len(next(csv.reader([header], delimiter=mark), [])) for mark in ",;\t|"}
    most = max(found, key=found.__getitem__)
    return most if found[most] > 1 or " " not in header.strip() else r"\s+"


@overload
def to_csv(table: pd.DataFrame, path: None = None, **options) -> str: ...
@overload
def to_csv(table: pd.DataFrame, path: str | Path, **options) -> None: ...
def to_csv(table: pd.DataFrame, path: str | Path | None = None, **options) -> str | None:
    """`table` as CSV, written to `path` or returned as text; no text in it can be taken for a formula.

    Text that begins with =, +, − or @ gets an apostrophe before it
    (https://owasp.org/www-community/attacks/CSV_Injection); characters that cannot be printed become escapes. Numbers
    stay numbers.
    """
    text = {name: table[name].map(_harmless) for name in table.select_dtypes(exclude=["number", "bool"])}
    return table.assign(**text).to_csv(path, index=False, **options)


def _harmless(value: object) -> object:
    return _harmless_text(value) if isinstance(value, str) else value


@lru_cache(10_000)  # a few names occur in hundreds of thousands of rows
def _harmless_text(value: str) -> str:
    try:
        float(value)  # -0.5 is a number, no formula
    except ValueError:
        value = printable(value)
        return f"'{value}" if value.startswith(("=", "+", "-", "@")) else value
    return value
