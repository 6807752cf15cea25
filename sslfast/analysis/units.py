"""The unit in which a study gives the length of training: updates of the weights, or epochs."""

from dataclasses import dataclass

import pandas as pd

__all__ = ["EPOCHS", "UPDATES", "Unit", "unit_of"]


@dataclass(frozen=True)
class Unit:
    """A unit: its `column` in a history, its name (`one`, `many`), and the `decimals` that a mean is shown with."""

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
    """`UPDATES` if the budget of `cells` is in updates and `history` counts them, else `EPOCHS`.

    With a budget of updates, the column `epoch` only numbers the validations.
    """
    by_updates = "budget" in cells and bool((cells.budget == "updates").any())
    counted = history is not None and "updates" in history and bool(history.updates.notna().all())
    return UPDATES if by_updates and counted else EPOCHS
