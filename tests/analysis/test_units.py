"""A study's training is told in what its budget counts, if that was counted."""

import numpy as np
import pytest
from builders import grid, realistic, results_table, tables

from sslfast.analysis.units import EPOCHS, UPDATES, unit_of

BY_EPOCHS, BY_UPDATES = (tables(grid(realistic, us=["1"], ls=["0.5"], budget=name)) for name in ("epochs", "updates"))


def test_the_budget_decides():
    assert unit_of(*BY_EPOCHS) == EPOCHS
    assert unit_of(*BY_UPDATES) == UPDATES


@pytest.mark.parametrize("change", [lambda h: h.drop(columns="updates"), lambda h: h.assign(updates=np.nan)])
def test_updates_that_nobody_counted_cannot_be_told(change):
    cells, history = BY_UPDATES
    assert unit_of(cells, change(history)) == EPOCHS


def test_without_a_history_or_a_budget_it_is_epochs():
    assert unit_of(BY_UPDATES[0], None) == EPOCHS
    assert unit_of(results_table(lambda **_: 0.5), BY_UPDATES[1]) == EPOCHS


@pytest.mark.parametrize(
    "unit, number, said",
    [
        (EPOCHS, 1, "1 epoch"),
        (EPOCHS, 2.5, "2.5 epochs"),
        (UPDATES, 1, "1 update"),
        (UPDATES, 12000.0, "12,000 updates"),
    ],
)
def test_numbers_have_their_word(unit, number, said):
    assert unit.said(number) == said
