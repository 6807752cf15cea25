"""Tables as files: read from anywhere, and written so that a spreadsheet runs nothing that stands in them."""

from functools import lru_cache
from pathlib import Path

import pandas as pd

from ..errors import ResultsError, printable

__all__ = ["read_table", "to_csv"]


def read_table(path: str | Path) -> pd.DataFrame:
    """The table in a CSV or Parquet file. Raises `ResultsError` for a file that holds none."""
    path = Path(path)
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except Exception as error:  # pandas and pyarrow raise nearly anything on damaged files
        raise ResultsError(f"{path}: not a readable table ({error}); expected CSV with a header, or Parquet") from None


def to_csv(table: pd.DataFrame, path: str | Path | None = None, **options) -> str | None:
    """`table` as CSV, in `path` or returned; no text in it is one that a spreadsheet takes for a formula.

    Text that begins with =, +, − or @ gets an apostrophe before it (https://owasp.org/www-community/attacks/CSV_Injection);
    characters that cannot be printed become escapes. Numbers stay numbers.
    """
    text = {name: table[name].map(_harmless) for name in table.select_dtypes(exclude=["number", "bool"])}
    return table.assign(**text).to_csv(path, index=False, **options)


def _harmless(value: object) -> object:
    return _harmless_text(value) if isinstance(value, str) else value


@lru_cache(10_000)  # the same names stand in hundreds of thousands of rows
def _harmless_text(value: str) -> str:
    try:
        float(value)  # -0.5 is no formula
    except ValueError:
        value = printable(value)
        return f"'{value}" if value.startswith(("=", "+", "-", "@")) else value
    return value
