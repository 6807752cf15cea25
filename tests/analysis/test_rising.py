"""What still rose when its training ended is told, where a rise at the end means anything."""

import math

import numpy as np
import pandas as pd
import pytest
from builders import LOST, UPDATES, grid, realistic, run_record, tables
from scipy import stats

from sslfast.analysis.results import analyse
from sslfast.analysis.rising import rising_sentence, still_rising
from sslfast.analysis.summary import summary
from sslfast.analysis.verdict import verdict_of

FLAT, STEEP = [0.1, 0.5, 0.5, 0.5], [0.1, 0.3, 0.5, 0.7]


def rising_of(*curves: list[float], **settings) -> pd.Series:
    """The one row of `still_rising` for runs with these validation curves."""
    found = still_rising(*tables(run_record(seed=s, curve=curve, **settings) for s, curve in enumerate(curves)))
    assert len(found) == 1
    return found.iloc[0]


@pytest.mark.parametrize("budget", ["epochs", "updates"])
def test_what_gained_in_its_second_half_was_still_rising(budget):
    row = rising_of(STEEP, STEEP, STEEP, budget=budget)
    assert row.gain == pytest.approx(0.4) and row.rising and row.known
    row = rising_of(FLAT, FLAT, FLAT, budget=budget)
    assert row.gain == 0 and not row.rising and row.known


def test_half_of_the_training_may_lie_between_two_validations():
    assert rising_of([0.1, 0.3, 0.4]).gain == pytest.approx(0.4 - 0.2)


def test_half_of_the_training_is_half_of_the_updates():
    cells, history = tables([run_record(curve=[0.1, 0.2, 0.6], budget="updates")])
    uneven = history.assign(updates=[UPDATES, 5 * UPDATES, 6 * UPDATES])
    assert still_rising(cells, uneven).gain.item() == pytest.approx(0.6 - 0.15)


def test_the_order_of_the_rows_does_not_matter():
    cells, history = tables(grid(realistic))
    pd.testing.assert_frame_equal(still_rising(cells, history), still_rising(cells, history.iloc[::-1]))


def test_a_gain_that_is_not_worth_having_is_no_rise():
    assert not rising_of([0.1, 0.5, 0.51, 0.514]).rising
    assert rising_of([0.1, 0.5, 0.51, 0.516]).rising


def test_the_gain_has_its_interval_over_seeds_from_three_up():
    gains = [0.1, 0.2, 0.4]
    row = rising_of(*([0.1, 0.5, 0.5, 0.5 + gain] for gain in gains))
    low, high = stats.t.interval(0.95, 2, np.mean(gains), stats.sem(gains))
    assert (row.gain, row.low, row.high) == pytest.approx((np.mean(gains), low, high))
    row = rising_of(FLAT, STEEP)
    assert math.isnan(row.low) and math.isnan(row.high) and row.n_seeds == 2


@pytest.mark.parametrize("budget", ["epochs", "updates"])
def test_a_decaying_rate_rises_at_its_end_by_construction_and_tells_nothing(budget):
    cells, history = tables(run_record(seed=s, curve=STEEP, budget=budget) for s in range(3))
    (row,) = still_rising(cells.assign(setting_schedule="one_cycle"), history).itertuples()
    assert not row.known and not row.rising
    assert "only a longer training shows whether it was long enough" in row.sentence
    assert still_rising(cells.drop(columns="setting_schedule"), history).rising.all()


def test_a_run_that_did_not_finish_or_was_validated_once_shows_nothing():
    cells, history = tables([run_record(seed=0, curve=STEEP), run_record(seed=1, problem=LOST)])
    assert still_rising(cells, history).n_seeds.tolist() == [1]
    row = rising_of([0.5], [0.6])
    assert not row.known and not row.rising and math.isnan(row.gain) and row.n_seeds == 0


def test_it_is_said_in_words():
    assert rising_of(STEEP, STEEP, STEEP, method="supervised").sentence == (
        "With 500 labels, the supervised baseline was still rising at the end: validation macro-F1 +40.0 points"
        " [+40.0, +40.0] in the second half of its training (3 seeds; exploratory)."
    )
    assert "was not seen to rise any more at the end" in rising_of(FLAT).sentence
    assert "no run shows what the second half" in rising_of([0.5]).sentence


# in the verdict


def study(curves: dict[tuple, list[float]], **settings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of runs with these curves by (method, u, l), three seeds each."""
    return tables(
        run_record(method, u, label, seed, curve=curve, **settings)
        for (method, u, label), curve in curves.items()
        for seed in range(3)
    )


SOME = {
    ("supervised", None, "0.05"): STEEP,
    ("supervised", None, "0.5"): FLAT,
    ("autoencoder", "1", "0.05"): [0.1, 0.5, 0.6, 0.7],
    ("autoencoder", "1", "0.5"): [0.1, 0.5, 0.6, 0.65],
    ("random", "0", "0.05"): FLAT,
    ("random", "0", "0.5"): FLAT,
}


def test_the_verdict_names_what_was_still_rising_before_anything_else():
    results = analyse(*study(SOME))
    question, answer = verdict_of(results.cells, results.tables, 0.015).answers[0]
    assert question == "Trained long enough?"
    assert answer == (
        "Still rising at the end: the supervised baseline with 50 labels (+40.0 points in the second half of its"
        " training) and autoencoder (original) on 1,000 unlabelled images with 50 and 500 labels (+20.0 and +15.0"
        " points); longer training may change the verdict."
    )
    assert f"- *{question}* {answer}" in summary(results)


def test_the_verdict_is_silent_where_nothing_rises_or_updates_are_the_budget():
    for tables_ in (study(dict.fromkeys(SOME, FLAT)), study(SOME, budget="updates")):
        results = analyse(*tables_)
        assert "Trained long enough?" not in dict(verdict_of(results.cells, results.tables, 0.015).answers)
        assert "Still rising" not in summary(results)
    assert "Trained long enough?" not in summary(analyse(study(SOME)[0]))  # without a history


def test_of_many_ways_of_training_only_the_most_telling_are_named():
    us = ["0", "0.1", "0.2", "0.3", "0.5", "1"]
    ls = ["0.02", "0.05", "0.1", "0.2", "0.5"]
    cells, history = tables(grid(realistic, us=us, ls=ls, encoders=["original", "conv"]))
    sentence = rising_sentence(cells, still_rising(cells, history))
    assert sentence.startswith("Still rising at the end: the supervised baseline (conv) with 20 to 500 labels (+")
    assert "the supervised baseline (original)" in sentence and "on 1,000 unlabelled images" in sentence
    assert sentence.endswith(" and 11 more ways of training; longer training may change the verdict.")
