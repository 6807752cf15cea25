"""Base nets in tables of results: arms that no unlabelled image made, and those that went on from one.

A method at u = 0 that is not the random control is an existing net. Column `base_net`, where a table has it, says on
which net runs stand; empty for those that stand on none.
"""

import pandas as pd

from ..study.names import RANDOM, SHUFFLED, WITHOUT_ENCODER
from ..study.stage_table import evaluations

__all__ = ["BASE_NET", "arm_runs", "beside_each", "frozen_nets", "is_frozen", "keeps_encoder", "on_net", "starts"]

BASE_NET = "base_net"


def is_frozen(table: pd.DataFrame) -> pd.Series:
    """Which rows (columns `method` and `u`) are of an existing net as it is, or of its shuffled control."""
    return (table.u == 0) & ~table.method.isin([RANDOM, *WITHOUT_ENCODER])


def on_net(cells: pd.DataFrame) -> pd.Series:
    """Which runs stand on an existing net, as it is or trained further."""
    return cells[BASE_NET].notna() if BASE_NET in cells else pd.Series(False, cells.index)


def frozen_nets(table: pd.DataFrame) -> list[str]:
    """Names of the existing nets that the rows use as they are, without shuffled controls."""
    names = table.method[is_frozen(table)].unique()
    return sorted(name for name in names if not name.startswith(SHUFFLED))


def starts(cells: pd.DataFrame) -> dict[str, str]:
    """By method, which other one is its u = 0: the net that it went on from, where the study has that as an arm.

    Of methods that are not here it is the random control; of an existing net there is none.
    """
    if BASE_NET not in cells:
        return {}
    arms = cells.loc[cells[BASE_NET].notna(), ["method", "u", BASE_NET]].drop_duplicates()
    nets = {row.base_net: row.method for row in arms.itertuples() if row.u == 0 and not row.method.startswith(SHUFFLED)}
    return {row.method: nets.get(row.base_net, "") for row in arms.itertuples() if row.u > 0}


def beside_each(cells: pd.DataFrame) -> pd.DataFrame:
    """`cells` with what stands on a base net beside each encoder of the study, under that encoder's name.

    Such a net is an encoder of its own: there is no baseline of its architecture, and what it is compared with is
    training on the same labels with the study's. A study without encoders of its own is left as it is.
    """
    if BASE_NET not in cells:
        return cells
    of_net = cells[BASE_NET].notna()
    encoders = [name for name in sorted(cells.encoder[~of_net].unique()) if name not in WITHOUT_ENCODER]
    if not encoders or not of_net.any():
        return cells
    beside = [cells[of_net].assign(encoder=name) for name in encoders]
    return pd.concat([cells[~of_net], *beside], ignore_index=True)


def arm_runs(cells: pd.DataFrame) -> pd.DataFrame:
    """The runs of each method's largest u, without controls and baseline; none in a study without an existing net."""
    learned = cells[~cells.method.isin([*WITHOUT_ENCODER, RANDOM]) & ~cells.method.str.startswith(SHUFFLED)]
    if not on_net(cells).any():
        return learned[:0]
    return learned[learned.u == learned.groupby(["encoder", "l", "method"]).u.transform("max")]


def keeps_encoder(evaluation: str) -> bool:
    """Whether an evaluation leaves the encoder as it is; one that nobody knows is taken for one that does."""
    known = evaluations()
    return evaluation not in known or known[evaluation].frozen
