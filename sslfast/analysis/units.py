"""The unit in which a study's training is told: updates of the weights, or epochs."""

from dataclasses import dataclass

import pandas as pd

__all__ = ["EPOCHS", "UPDATES", "Unit", "unit_of"]


@dataclass(frozen=True)
class Unit:
    """`column`: where a history has it; `one`, `many`: its name; `decimals`: those that a mean of it is worth."""

    column: str
    one: str
    many: str
    decimals: int

    def said(self, number: float) -> str:
        """`1 epoch`, `1,200 updates`."""
        return f"{number:,.10g} {self.one if number == 1 else self.many}"


EPOCHS = Unit("epoch", "epoch", "epochs", 1)
UPDATES = Unit("updates", "update", "updates", 0)


def unit_of(cells: pd.DataFrame, history: pd.DataFrame | None) -> Unit:
    """`UPDATES` where `cells` were trained by a budget of them and `history` counts them, else `EPOCHS`.

    With that budget the column `epoch` only numbers the moments of validation.
    """
    by_updates = "budget" in cells and bool((cells.budget == "updates").any())
    counted = history is not None and "updates" in history and bool(history.updates.notna().all())
    return UPDATES if by_updates and counted else EPOCHS
