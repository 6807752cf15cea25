"""Which rows of a table conclusions rest on: those of one evaluation, and the baseline."""

import pandas as pd

from ..errors import ResultsError
from ..study.names import SHUFFLED, SUPERVISED, WITHOUT_ENCODER
from ..study.stage_table import first_to_judge
from .checks import HEAD

__all__ = ["main_cells", "main_evaluation"]


def main_cells(cells: pd.DataFrame, judged_by: str | None = None) -> pd.DataFrame:
    """The rows of checked `cells` (or of their history) that conclusions rest on.

    These are pre-trained encoders and the random control under the evaluation `judged_by` (None: see
    `main_evaluation`), and the baseline.
    """
    ours = ~cells.method.isin(WITHOUT_ENCODER)
    shown = (ours & (cells.evaluate == (judged_by or main_evaluation(cells)))) | (cells.method == SUPERVISED)
    return cells[shown & ~cells.method.str.startswith(SHUFFLED)].reset_index(drop=True)


def main_evaluation(cells: pd.DataFrame, judged_by: str | None = None) -> str:
    """The evaluation that conclusions rest on: `judged_by`, or else the `first_to_judge` among those in `cells`.

    Raises `ResultsError` if `cells` has no rows of the evaluation `judged_by`.
    """
    found = set(cells.evaluate[~cells.method.isin(WITHOUT_ENCODER)])
    if judged_by is not None:
        if judged_by not in found:
            there = ", ".join(sorted(found)) or "none"
            raise ResultsError(f"judged_by: found {judged_by!r}, expected an evaluation of these cells ({there})")
        return judged_by
    return first_to_judge(found) or min(found, default=HEAD)
