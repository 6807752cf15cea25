"""Time to a threshold is the first evaluation that reaches it; what never does has no time."""

import math

import numpy as np
import pandas as pd
import pytest
from builders import BATCH, LOST, UPDATES, column, grid, run_record, tables

from sslfast.analysis.times import time_to_threshold


def times(curves: list[list[float]], threshold=0.4, lost=(), **settings) -> pd.Series:
    """The one row of `time_to_threshold` for runs with these validation curves, two seconds an epoch."""
    records = [
        run_record(seed=seed, curve=curve, problem=LOST if seed in lost else None, **settings)
        for seed, curve in enumerate(curves)
    ]
    found = time_to_threshold(*tables(records), "macro_f1", threshold)
    assert len(found) == 1
    return found.iloc[0]


def test_the_threshold_is_reached_at_the_first_epoch_at_or_above_it():
    row = times([[0.1, 0.3, 0.4, 0.2, 0.5]])
    assert (row.epochs, row.seconds, row.images) == (3, 6, 1500)
    assert (row.n_reached, row.n_seeds) == (1, 1)


def test_updates_are_counted_under_both_budgets():
    assert times([[0.1, 0.3, 0.4]]).updates == 3 * math.ceil(500 / BATCH)
    assert times([[0.1, 0.3, 0.4]], budget="updates").updates == 3 * UPDATES


def test_without_counted_updates_there_are_none_to_tell():
    cells, history = tables(run_record(seed=s, curve=[0.1, 0.5], budget="updates") for s in range(3))
    (row,) = time_to_threshold(cells, history.assign(updates=np.nan)).itertuples()
    assert math.isnan(row.updates) and math.isnan(row.restricted_updates) and math.isnan(row.budget_updates)
    assert "typically after 2 epochs and 4 s" in row.sentence


def test_a_run_that_never_reaches_it_has_no_time():
    row = times([[0.1, 0.39]] * 3)
    assert row[["epochs", "updates", "seconds", "seconds_with_pretrain", "images"]].isna().all()
    assert (row.n_reached, row.n_seeds) == (0, 3)


@pytest.mark.parametrize(
    "n_reached, n, epochs",
    [(1, 2, math.nan), (2, 4, math.nan), (1, 3, math.nan), (2, 3, 2), (3, 4, 2), (3, 3, 2), (1, 1, 2)],
)
def test_there_is_a_median_only_if_more_than_half_got_there(n_reached, n, epochs):
    row = times([[0.1, 0.5]] * n_reached + [[0.1, 0.2]] * (n - n_reached))
    assert (row.n_reached, row.n_seeds) == (n_reached, n)
    assert row.epochs == pytest.approx(epochs, nan_ok=True)


def test_never_counts_as_later_than_anything_in_the_median():
    early, late, never = [0.5, 0.5, 0.5], [0.1, 0.1, 0.5], [0.1, 0.1, 0.1]
    assert times([early, late, never]).epochs == 3  # the median of 1, 3 and never
    assert times([early, early, late, never]).epochs == 2  # of 1, 1, 3 and never


def test_a_median_of_five_is_the_last_of_three_that_got_there():
    row = times([[0.5], [0.1, 0.5], [0.1, 0.1, 0.5], [0.1], [0.1]])
    assert row.epochs == 3
    assert np.isfinite(row.seconds)


def test_a_run_that_stopped_before_it_got_there_counts_as_never():
    row = times([[0.1, 0.5, 0.6]] * 3, lost=[2])
    assert (row.n_reached, row.n_seeds) == (2, 3)
    assert row.epochs == 2


def test_pretraining_counts_where_asked_for():
    row = times([[0.5], [0.1, 0.5], [0.1, 0.1, 0.5]], seconds_pretrain=30)
    assert (row.seconds, row.seconds_with_pretrain) == (4, 34)
    control = times([[0.5]], method="random")
    assert control.seconds == control.seconds_with_pretrain == 2


def test_the_baseline_has_times_although_it_has_no_unlabelled_fraction():
    row = times([[0.1, 0.5]] * 3, method="supervised")
    assert math.isnan(row.u)
    assert (row.epochs, row.n_reached) == (2, 3)


def test_all_reach_a_low_threshold_in_the_first_epoch():
    found = time_to_threshold(*tables(grid(lambda **_: 0.9, epochs=1)), "macro_f1", 0.4)
    assert (found.epochs == 1).all()
    assert (found.n_reached == found.n_seeds).all()


def test_the_metric_decides_when():
    cells, history = tables([run_record(curve=[0.1, 0.5])])
    history["accuracy"] = [0.5, 0.6]
    assert column(time_to_threshold(cells, history, "accuracy", 0.4), "epochs") == [1]
    assert column(time_to_threshold(cells, history, "macro_f1", 0.4), "epochs") == [2]


def test_runs_without_a_single_epoch_never_reach_it():
    found = time_to_threshold(*tables(grid(lambda **_: "it broke", curve=[])), "macro_f1", 0.4)
    assert (found.n_reached == 0).all()
    assert found.epochs.isna().all()


# restricted means, shared pre-training, and when it pays


def test_the_restricted_mean_counts_never_as_the_whole_budget():
    row = times([[0.1, 0.5, 0.5, 0.5], [0.1, 0.1, 0.1, 0.1], [0.5, 0.5, 0.5, 0.5]])
    assert row.restricted_epochs == pytest.approx((2 + 4 + 1) / 3)
    assert row.restricted_seconds == pytest.approx((4 + 8 + 2) / 3)
    assert row.restricted_updates == pytest.approx(row.restricted_epochs * math.ceil(500 / BATCH))


def test_the_budget_is_common_to_all_runs_with_the_same_labels():
    runs = [run_record(seed=s, curve=[0.1] * 5 + [0.5], epochs=6) for s in range(3)]
    runs += [run_record("supervised", seed=s, curve=[0.1, 0.1, 0.1]) for s in range(3)]
    found = time_to_threshold(*tables(runs))
    assert (found.budget_epochs == 3).all()
    assert (found.budget_updates == 3 * math.ceil(500 / BATCH)).all()
    assert column(found, "restricted_epochs", method="autoencoder") == [3]  # 6 epochs are beyond what both had
    assert column(found, "epochs", method="autoencoder") == [6]


def test_a_run_that_stopped_early_counts_as_never_whatever_it_had_reached():
    row = times([[0.5, 0.6, 0.6]] * 3, lost=[1])
    assert (row.n_reached, row.n_seeds) == (2, 3)


def test_cells_that_share_an_encoder_share_its_time():
    runs = [run_record(l=label, curve=[0.5], seconds_pretrain=30) for label in ("0.05", "0.1", "0.5")]
    found = time_to_threshold(*tables(runs))
    assert found.seconds_shared.tolist() == [2 + 30 / 3] * 3
    runs = [run_record(l=label, curve=[0.5], seconds_pretrain=30, pool="rest") for label in ("0.05", "0.1", "0.5")]
    assert time_to_threshold(*tables(runs)).seconds_shared.tolist() == [32] * 3


@pytest.mark.parametrize(
    "ours, theirs, break_even",
    [
        ([0.5], [0.1] * 9 + [0.5], 2),  # saves 18 s a cell, costs 30 s: two cells pay for it
        ([0.5], [0.1] * 19 + [0.5], 1),
        ([0.5], [0.1] * 9, 1),  # the baseline never gets there
        ([0.1, 0.5], [0.5], math.inf),
        ([0.1], [0.5], math.inf),
        ([0.1], [0.1], math.inf),
        ([0.5], None, math.nan),  # no baseline
    ],
)
def test_pre_training_pays_from_the_cells_that_make_up_for_its_time(ours, theirs, break_even):
    runs = [run_record(seed=s, curve=ours, seconds_pretrain=30) for s in range(3)]
    runs += [run_record("supervised", seed=s, curve=theirs) for s in range(3) if theirs]
    found = time_to_threshold(*tables(runs))
    assert column(found, "break_even", method="autoencoder") == pytest.approx([break_even], nan_ok=True)
    assert column(found, "break_even", method="supervised") in ([], [pytest.approx(math.nan, nan_ok=True)])


def test_it_is_said_how_many_got_there_and_when_it_pays():
    runs = [run_record(seed=s, curve=[0.1, 0.5], seconds_pretrain=30) for s in range(3)]
    runs += [run_record("supervised", seed=s, curve=[0.1] * 9 + [0.5]) for s in range(3)]
    ours, theirs = time_to_threshold(*tables(runs)).sentence
    assert ours == (
        "500 labels, autoencoder (original) on 100 unlabelled images: 3 of 3 seeds reached macro-F1 0.4, typically"
        " after 2 epochs and 4 s (34 s with pre-training); pre-training pays back its time from 2 cells that share the"
        " encoder on (exploratory)."
    )
    assert theirs.startswith(
        "500 labels, the supervised baseline: 3 of 3 seeds reached macro-F1 0.4, typically after 10"
    )
    assert "0 of 3 seeds reached macro-F1 0.4, so it has no typical time" in times([[0.1]] * 3).sentence


@pytest.mark.parametrize(
    "l, n, told",
    [
        ("0.02", 24, "after 1,200 updates (1,200 passes over the labels) and 48 s"),  # all 20 labels are a batch
        ("0.5", 24, "after 1,200 updates (77 passes over the labels) and 48 s"),
        ("1", 1, "after 50 updates (1.6 passes over the labels) and 2 s"),
    ],
)
def test_a_study_of_updates_tells_those_and_how_often_the_labels_were_seen(l, n, told):  # noqa: E741
    row = times([[0.1] * (n - 1) + [0.5]] * 3, l=l, budget="updates")
    assert told in row.sentence
    assert "epoch" not in row.sentence


def test_a_single_update_and_pass_are_one():
    cells, history = tables(run_record(seed=s, curve=[0.5], budget="updates") for s in range(3))
    (sentence,) = time_to_threshold(cells, history.assign(updates=1, images=500)).sentence
    assert "after 1 update (1 pass over the labels) and" in sentence
