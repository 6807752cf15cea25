"""What to get next, as tables that a person reads: the options and their gains, and the runs that would settle it."""

import numpy as np
import pandas as pd

from ..analysis.results import Results
from ..analysis.words import count, fraction

__all__ = ["options_table", "runs_table"]


def options_table(options: pd.DataFrame) -> pd.DataFrame:
    """A row an option: how much of it the budget buys (without a budget: twice as much), a guess at the gain in points,
    with its upper bound, and the share of curves in which it is the one to take."""
    known = options[options.option.notna()]
    several = len(known.drop_duplicates(["encoder", "method"])) > 1
    rows = []
    for row in known.itertuples():
        gain, most = (f"{100 * value:+z.1f}" if np.isfinite(value) else "–" for value in (row.gain, row.upper))
        rows.append(
            ({"for": f"{row.method}, {row.encoder}"} if several else {})
            | {"option": row.option, "amount": count(row.amount) if np.isfinite(row.amount) else "–"}
            | {"cost": f"{row.cost:,.4g}" if np.isfinite(row.cost) else "–", "points, a guess": gain, "at most": most}
            | {
                "worth it in": fraction(round(row.share, 2)) if np.isfinite(row.share) else "–",
                "note": row.reason or "",
            }
        )
    table = pd.DataFrame(rows)
    return table.drop(columns="note") if len(table) and not table.note.any() else table


def runs_table(results: Results) -> pd.DataFrame:
    """The cells that would help most, for the config's keys."""
    runs = results.tables["cells_to_run"]
    names = {"l": "labelled", "u": "unlabelled", "n_more_seeds": "seeds more"}
    return runs.rename(columns=names).astype(object)
