"""Were runs made by the code as it is now?"""

import pandas as pd

from ..study.grid import Box
from ..study.version import code_version

__all__ = ["code_now"]


def code_now(cells: pd.DataFrame) -> pd.Series:
    """What `code_version` gives today for each run in `cells` (see `collect`); empty text where that is unknown."""
    if "record" not in cells:
        return pd.Series("", cells.index)
    kinds = cells.get("setting_pretrain_method", cells.method)
    methods = kinds.where(kinds.notna() & (kinds != "None"), cells.method)  # for a variant, its underlying method
    return pd.Series(list(map(_code, cells.record, methods)), cells.index)


def _code(record: str, method: str) -> str:
    try:
        box = Box.parse(record)
    except ValueError:
        return ""
    return code_version(box.stage, method if box.u is not None else None, box.encoder)
