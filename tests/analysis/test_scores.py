"""Summaries agree with results worked out by hand, and say 'not known' where a study does not know."""

import math

import numpy as np
import pandas as pd
import pytest
from builders import column, grid, realistic, run_record, tables
from scipy import stats

from sslfast.analysis.contrasts import contrasts
from sslfast.analysis.data_needed import data_needed
from sslfast.analysis.scores import accuracy_targets, scores
from sslfast.analysis.times import time_to_threshold

LOST = "a loss was not finite in epoch 2"


def cells_of(score=realistic, **settings) -> pd.DataFrame:
    return tables(grid(score, **settings))[0]


def by_seed(**scores_of) -> pd.DataFrame:
    """Cells at u = 0.1, l = 0.5: a list of accuracies a method, a seed each, None for a run that diverged."""
    return tables(
        run_record(method, seed=seed, **({"problem": LOST} if score is None else {"accuracy": score}))
        for method, found in scores_of.items()
        for seed, score in enumerate(found)
    )[0]


def times(curves: list[list[float]], threshold=0.4, lost=(), **settings) -> pd.Series:
    """The one row of `time_to_threshold` for runs with these validation curves, two seconds an epoch."""
    records = [
        run_record(seed=seed, curve=curve, problem=LOST if seed in lost else None, **settings)
        for seed, curve in enumerate(curves)
    ]
    found = time_to_threshold(*tables(records), "macro_f1", threshold)
    assert len(found) == 1
    return found.iloc[0]


# scores


def test_a_score_is_the_mean_over_seeds_with_its_interval():
    row = scores(by_seed(autoencoder=[0.5, 0.6, 0.7])).iloc[0]
    half = stats.t.ppf(0.975, 2) * 0.1 / math.sqrt(3)
    assert (row["mean"], row.low, row.high) == pytest.approx((0.6, 0.6 - half, 0.6 + half))
    assert (row.n_seeds, row.n_missing, row.n_unlabelled, row.n_labelled) == (3, 0, 100, 500)


def test_scores_are_of_the_metric_asked_for():
    cells, _ = tables([run_record(accuracy=0.8, macro_f1=0.7)])
    assert column(scores(cells), "mean") == [0.7]
    assert column(scores(cells, "test_accuracy"), "mean") == [0.8]


def test_there_is_a_score_for_every_box_of_the_grid_and_the_baseline():
    found = scores(cells_of(us=["0", "0.1", "1"], ls=["0.05", "0.5"], encoders=["original", "conv"]))
    assert len(found) == 2 * 2 * (3 + 1)
    assert found.method.value_counts().to_dict() == {"autoencoder": 8, "random": 4, "supervised": 4}


def test_a_diverged_run_is_missing_from_the_mean_and_counted():
    row = scores(by_seed(autoencoder=[0.5, None, 0.7])).iloc[0]
    assert row["mean"] == pytest.approx(0.6)
    assert (row.n_seeds, row.n_missing) == (2, 1)
    assert math.isnan(row.low)


def test_a_run_that_stopped_early_does_not_make_training_look_fast():
    cells, _ = tables(
        [
            run_record(seed=0, epochs=10, seconds_an_epoch=3.0, seconds_pretrain=30),
            run_record(seed=1, problem=LOST, seconds_an_epoch=3.0, seconds_pretrain=1),
        ]
    )
    row = scores(cells).iloc[0]
    assert (row.seconds_classify, row.seconds_pretrain) == (30, 30)


def test_a_setting_without_any_result_has_no_score():
    row = scores(by_seed(autoencoder=[None, None, None])).iloc[0]
    assert math.isnan(row["mean"])
    assert (row.n_seeds, row.n_missing) == (0, 3)


# differences


def test_a_difference_is_paired_by_seed():
    # seeds differ by far more than the methods do: only pairing shows the difference
    found = contrasts(by_seed(autoencoder=[0.31, 0.52, 0.73], supervised=[0.30, 0.50, 0.70])).iloc[0]
    half = stats.t.ppf(0.975, 2) * 0.01 / math.sqrt(3)
    assert (found.difference, found.low, found.high) == pytest.approx((0.02, 0.02 - half, 0.02 + half))
    assert (found.n_seeds, found.n_dropped) == (3, 0)


def test_a_difference_is_that_of_a_paired_t_test():
    ours, theirs = [0.61, 0.66, 0.58, 0.64], [0.60, 0.61, 0.59, 0.60]
    found = contrasts(by_seed(autoencoder=ours, supervised=theirs)).iloc[0]
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(tuple(expected))


@pytest.mark.parametrize(
    "ours, theirs, difference, n, dropped",
    [
        ([0.6, None, 0.8, 0.7], [0.5, 0.1, 0.6, 0.4], 0.2, 3, 1),  # ours is missing
        ([0.6, 0.9, 0.8, 0.7], [0.5, None, 0.6, 0.4], 0.2, 3, 1),  # the baseline is missing
        ([0.6, None, 0.8, 0.7], [0.5, None, 0.6, 0.4], 0.2, 3, 1),  # both are
        ([0.6, None, 0.8, 0.7], [None, 0.1, 0.6, 0.4], 0.25, 2, 2),
        ([None, 0.5], [0.5, None], math.nan, 0, 2),
    ],
)
def test_a_seed_with_a_missing_side_is_dropped_and_counted(ours, theirs, difference, n, dropped):
    found = contrasts(by_seed(autoencoder=ours, supervised=theirs)).iloc[0]
    assert found.difference == pytest.approx(difference, nan_ok=True)
    assert (found.n_seeds, found.n_dropped) == (n, dropped)
    assert math.isnan(found.low) == (n < 3)


def test_a_seed_whose_baseline_has_no_record_at_all_is_dropped_and_counted():
    found = contrasts(by_seed(autoencoder=[0.6, 0.7, 0.8], supervised=[0.5, 0.5])).iloc[0]
    assert found.difference == pytest.approx(0.15)
    assert (found.n_seeds, found.n_dropped) == (2, 1)


def test_each_labelled_fraction_and_encoder_has_its_own_baseline():
    def score(method, l, encoder, **_):  # noqa: E741
        base = {0.05: 0.2, 0.5: 0.6}[l] + (0.1 if encoder == "conv" else 0)
        return base if method == "supervised" else 0.5

    found = contrasts(cells_of(score, us=["1"], encoders=["original", "conv"]))
    for label, encoder, expected in [(0.05, "original", 0.3), (0.05, "conv", 0.2), (0.5, "original", -0.1)]:
        assert column(found, "difference", l=label, encoder=encoder) == pytest.approx([expected])


def test_the_control_is_compared_too_and_the_baseline_not_with_itself():
    found = contrasts(cells_of())
    assert set(found.method) == {"autoencoder", "random"}


def test_without_a_baseline_every_difference_is_unknown():
    found = contrasts(cells_of(baseline=False))
    assert found.difference.isna().all()
    assert (found.n_seeds == 0).all()
    assert (found.n_dropped == 3).all()


def test_without_any_encoder_there_are_no_differences_but_their_columns():
    found = contrasts(cells_of(us=[]))
    assert found.empty
    assert {"difference", "low", "high", "n_seeds", "n_dropped"} <= set(found.columns)


def test_identical_scores_differ_by_0():
    found = contrasts(cells_of(lambda **_: 0.8))
    assert (found[["difference", "low", "high"]] == 0).all(axis=None)


# time to the threshold


def test_the_threshold_is_reached_at_the_first_epoch_at_or_above_it():
    row = times([[0.1, 0.3, 0.4, 0.2, 0.5]])
    assert (row.epochs, row.seconds, row.images) == (3, 6, 1500)
    assert (row.n_reached, row.n_seeds) == (1, 1)


def test_a_run_that_never_reaches_it_has_no_time():
    row = times([[0.1, 0.39]] * 3)
    assert row[["epochs", "seconds", "seconds_with_pretrain", "images"]].isna().all()
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


# data needed for an accuracy


def stairs(method, u, l, **_):  # noqa: E741
    """0.3 + 0.2 for each step of l (0.05, 0.2, 0.5) + 0.1 for each of u (0, 0.1, 1); the baseline is as u = 0."""
    return 0.3 + 0.2 * [0.05, 0.2, 0.5].index(l) + 0.1 * [0, 0.1, 1].index(u or 0)


STAIRS = {"us": ["0", "0.1", "1"], "ls": ["0.05", "0.2", "0.5"]}


@pytest.mark.parametrize(
    "target, method, u, needed, count, accuracy",
    [
        (0.3, "supervised", None, 0.05, 50, 0.3),
        (0.5, "supervised", None, 0.2, 200, 0.5),
        (0.5, "random", 0, 0.2, 200, 0.5),
        (0.5, "autoencoder", 1, 0.05, 50, 0.5),
        (0.6, "autoencoder", 0.1, 0.2, 200, 0.6),
        (0.61, "autoencoder", 0.1, 0.5, 500, 0.8),
        (0.9, "autoencoder", 1, 0.5, 500, 0.9),
        (0.9, "autoencoder", 0.1, math.nan, math.nan, math.nan),
        (0.9, "supervised", None, math.nan, math.nan, math.nan),
    ],
)
def test_the_fewest_labels_that_reach_an_accuracy(target, method, u, needed, count, accuracy):
    found = data_needed(cells_of(stairs, **STAIRS), [target])
    rows = found[(found.given == "u") & (found.method == method)]
    row = rows[rows.value.isna() if u is None else rows.value == u].iloc[0]
    assert row.of == "l"
    assert (row.needed, row.n_needed, row.accuracy) == pytest.approx((needed, count, accuracy), nan_ok=True)


@pytest.mark.parametrize(
    "target, label, needed, count",
    [
        (0.3, 0.05, 0, 0),  # the random control is enough
        (0.35, 0.05, 0.1, 100),
        (0.5, 0.05, 1, 1000),
        (0.5, 0.2, 0, 0),
        (0.8, 0.2, math.nan, math.nan),
        (0.9, 0.5, 1, 1000),
    ],
)
def test_the_fewest_unlabelled_images_that_reach_an_accuracy(target, label, needed, count):
    found = data_needed(cells_of(stairs, **STAIRS), [target])
    row = found[(found.given == "l") & (found.value == label)].iloc[0]
    assert (row.method, row.of) == ("autoencoder", "u")
    assert (row.needed, row.n_needed) == pytest.approx((needed, count), nan_ok=True)


def test_data_needed_is_counted_in_the_images_of_pool_rest():
    found = data_needed(cells_of(stairs, pool="rest", **STAIRS), [0.9])
    assert column(found, "n_needed", given="l", value=0.5) == [500]


def test_without_targets_nothing_is_needed_but_the_columns():
    found = data_needed(cells_of(), [])
    assert found.empty
    assert {"target", "given", "value", "needed", "n_needed"} <= set(found.columns)


def test_a_diverged_run_does_not_count_towards_a_target():
    found = data_needed(by_seed(autoencoder=[0.9, None, 0.9], supervised=[None, None, None]), [0.8])
    assert column(found, "n_needed", method="autoencoder", given="u") == [500]
    assert math.isnan(column(found, "n_needed", method="supervised", given="u")[0])


# accuracy targets


def test_targets_that_are_given_are_kept():
    assert accuracy_targets(cells_of(), [0.99, 0.1]) == [0.99, 0.1]


@pytest.mark.parametrize("ls", [["0.5"], ["0.05", "0.5"], ["0.05", "0.2", "0.5"]])
@pytest.mark.parametrize("score", [realistic, lambda u, **_: 0.9 + 0.01 * (u or 0), lambda seed, **_: 0.5 + seed / 10])
def test_targets_are_round_and_within_what_the_study_reached(score, ls):
    cells = cells_of(score, ls=ls)
    targets = accuracy_targets(cells)
    means = scores(cells, "test_accuracy")["mean"]
    assert 1 <= len(targets) <= 3
    assert targets == sorted(set(targets))
    assert all(means.min() - 1e-9 <= target <= means.max() + 1e-9 for target in targets)
    assert all(round(target, 3) == target for target in targets)


def test_targets_by_hand():
    assert accuracy_targets(by_seed(random=[0.2], autoencoder=[0.7], supervised=[0.6])) == [0.4, 0.6, 0.7]


def test_a_highest_mean_that_is_round_is_itself_a_target():
    assert accuracy_targets(cells_of(lambda u, **_: 0.3 if u in (None, 0) else 0.6))[-1] == 0.6


def test_a_study_without_results_has_no_targets():
    assert accuracy_targets(by_seed(autoencoder=[None], supervised=[None])) == []


# grids at the edge of what a study can be


EDGES = {
    "one seed": grid(realistic, seeds=[0]),
    "two seeds": grid(realistic, seeds=[0, 1]),
    "a missing cell": grid(realistic)[1:],
    "a single unlabelled fraction": grid(realistic, us=["1"]),
    "only the control": grid(realistic, us=["0"]),
    "a single labelled fraction": grid(realistic, ls=["0.5"]),
    "no control": grid(realistic, us=["0.1", "1"]),
    "several encoders": grid(realistic, encoders=["original", "conv"]),
    "pool rest": grid(realistic, pool="rest"),
    "nothing finished": grid(lambda **_: LOST),
}


@pytest.mark.parametrize("records", EDGES.values(), ids=EDGES)
def test_every_summary_accounts_for_every_run_of_the_grid(records):
    cells, history = tables(records)
    found = scores(cells)
    assert (found.n_seeds + found.n_missing).sum() == len(cells)
    compared = contrasts(cells)
    assert (compared.n_seeds + compared.n_dropped).sum() == (cells.method != "supervised").sum()
    timed = time_to_threshold(cells, history)
    assert timed.n_seeds.sum() == len(cells)
    for table in (found, compared):
        assert (table.low.notna() == (table.n_seeds >= 3)).all()
        assert not np.isinf(table.select_dtypes("number")).any(axis=None)
    needed = data_needed(cells, [0.5, 0.6])
    n_pretrained = len(compared[compared.method == "autoencoder"].drop_duplicates(["encoder", "l"]))
    assert len(needed) == 2 * (len(found.drop_duplicates(["encoder", "method", "u"])) + n_pretrained)
