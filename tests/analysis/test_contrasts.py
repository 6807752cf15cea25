"""Paired contrasts are t tests of differences by seed, corrected where they have to be, and said in words."""

import math

import numpy as np
import pandas as pd
import pytest
from builders import by_seed, cells_of, column, noise, results_table
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from sslfast.analysis.contrasts import contrasts


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


def test_identical_scores_in_all_seeds_are_no_certainty():
    found = contrasts(cells_of(lambda **_: 0.8))
    assert (found.difference == 0).all() and found[["low", "high", "p"]].isna().all(axis=None)
    assert (found.outcome == "unknown").all() and found.sentence.str.contains("chance is not known").all()


# more than one comparison


def lead(**by_label):
    """Cells whose autoencoder leads the baseline by so much at l = 0.1, 0.3, 0.5, with noise of 0.5 points."""
    leads = dict(zip((0.1, 0.3, 0.5), by_label.values(), strict=True))

    def score(method, u, l, seed, **_):  # noqa: E741
        return 0.5 + leads[l] * (method == "autoencoder") * (u or 0) + noise(0.005, method, u, l, seed)

    return results_table(score, us=[0, 0.1, 1], ls=list(leads), seeds=range(6))


def test_only_the_largest_u_of_each_method_is_primary_and_corrected_for_the_number_of_l():
    found = contrasts(lead(a=0.02, b=0.005, c=0.0))
    primary = found[found.primary]
    assert primary[["method", "u", "l"]].values.tolist() == [["autoencoder", 1, label] for label in (0.1, 0.3, 0.5)]
    assert found.p_holm[~found.primary].isna().all()
    assert primary.p_holm.tolist() == pytest.approx(multipletests(primary.p, method="holm")[1])


def test_all_encoders_methods_and_numbers_of_labels_are_one_family():
    def score(method, u, l, seed, encoder, **_):  # noqa: E741
        return 0.5 + noise(0.005, method, u, l, seed, encoder)

    ways = {"encoders": ["small", "large"], "methods": ["autoencoder", "simclr"]}
    found = contrasts(results_table(score, us=[0.1, 1], ls=[0.1, 0.5], **ways)).query("primary")
    assert len(found) == 8
    assert found.p_holm.tolist() == pytest.approx(multipletests(found.p, method="holm")[1])


def test_equality_is_corrected_for_the_family_too():
    table = lead(a=0.001, b=0.001, c=0.001)
    alone = contrasts(table[table.l == 0.1], delta=0.012).query("primary")
    assert alone.outcome.tolist() == ["equal"]
    many = pd.concat([table[table.l == 0.1].assign(encoder=f"e{i}") for i in range(30)])
    assert set(contrasts(many, delta=0.012).query("primary").outcome) == {"open"}


def test_what_is_better_worse_and_open_is_said():
    found = contrasts(lead(a=0.05, b=-0.05, c=0.003), delta=0.005)
    assert column(found, "outcome", primary=True) == ["better", "worse", "open"]
    better, worse, unsettled = column(found, "sentence", primary=True)
    assert "With 4,500 labels, the pre-trained encoder on 45,000 unlabelled images scores better than" in better
    assert "scores worse than the supervised baseline (-" in worse
    assert "is not shown to differ from" in unsettled and "would often go unseen" in unsettled


def test_a_difference_that_is_sure_but_too_small_to_matter_says_so():
    table = lead(a=0.05, b=0.05, c=0.05)
    ours, theirs = (table.method == m for m in ("autoencoder", "supervised"))
    for label in (0.1, 0.3, 0.5):
        there = table.l == label
        base = table[theirs & there].test_macro_f1.to_numpy()
        table.loc[ours & there & (table.u == 1), "test_macro_f1"] = base + np.array([4, 5, 6, 5, 4, 6]) / 1000
    found = contrasts(table).query("primary")
    assert (found.outcome == "better").all()
    assert found.sentence.str.contains("scores better (but by less than 1.5 points) than", regex=False).all()


def test_a_difference_that_only_the_correction_hides_says_so():
    table = lead(a=0.0, b=0.0, c=0.0)
    gains = {0: 0.004, 1: 0.011, 2: 0.013, 3: 0.002, 4: 0.009, 5: 0.001}  # p = 0.025 by itself
    ours = (table.method == "autoencoder") & (table.u == 1) & (table.l == 0.1)
    table.loc[ours, "test_macro_f1"] = table[(table.method == "supervised") & (table.l == 0.1)].test_macro_f1.to_numpy()
    table.loc[ours, "test_macro_f1"] += table.seed[ours].map(gains)
    row = contrasts(table, delta=0.005).query("primary and l == 0.1").iloc[0]
    assert row.p < 0.05 < row.p_holm
    assert row.outcome == "open" and "not after correction" in row.sentence


def test_equal_is_two_one_sided_tests():
    table = lead(a=0.001, b=0.001, c=0.001).query("l == 0.1")  # of one number of labels: plain paired t
    ours, theirs = (table[table.method == m] for m in ("autoencoder", "supervised"))
    pair = ours[ours.u == 1].test_macro_f1.to_numpy(), theirs.test_macro_f1.to_numpy()
    p = {delta: ttost_paired(*pair, -delta, delta)[0] for delta in (0.002, 0.03)}
    assert p[0.002] > 0.05 > p[0.03]
    assert contrasts(table, delta=0.03).query("primary and l == 0.1").outcome.tolist() == ["equal"]
    assert contrasts(table, delta=0.002).query("primary and l == 0.1").outcome.tolist() == ["open"]


def test_against_the_control_nothing_is_primary():
    found = contrasts(lead(a=0.05, b=0.05, c=0.05), against="random")
    assert set(found.method) == {"autoencoder"}
    assert not found.primary.any()
    assert found.sentence.str.contains("an encoder that learned nothing").all()
    assert found.sentence.str.contains("exploratory, not corrected").all()


def test_fewer_than_five_seeds_are_badged():
    table = lead(a=0.05, b=0.05, c=0.05)
    assert not contrasts(table).query("primary").sentence.str.contains("exploratory").any()
    assert contrasts(table[table.seed < 4]).query("primary").sentence.str.contains("4 seeds; exploratory").all()


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_seeds_have_a_difference_without_judgement(n):
    found = contrasts(lead(a=0.05, b=0.05, c=0.05).query(f"seed < {n}")).query("primary")
    assert (found.outcome == "unknown").all()
    assert found.difference.notna().all() and found[["low", "p", "p_holm", "detectable"]].isna().all(axis=None)
    assert found.sentence.str.contains("too few for an interval").all()


def test_several_methods_and_encoders_are_named_and_compared_each_with_its_own_baseline():
    def score(method, encoder, seed, **_):
        base = {"small": 0.3, "large": 0.5}[encoder]
        return base + {"autoencoder": 0.02, "simclr": 0.06}.get(method, 0) + noise(0.001, method, encoder, seed)

    table = results_table(score, us=[1], ls=[0.1], encoders=["small", "large"], methods=["autoencoder", "simclr"])
    found = contrasts(table)
    assert found.primary.all() and len(found) == 4
    for row in found.itertuples():
        assert row.difference == pytest.approx({"autoencoder": 0.02, "simclr": 0.06}[row.method], abs=0.003)
        assert f"(encoder {row.encoder})" in row.sentence and f"({row.method})" in row.sentence


@settings(max_examples=10)
@given(st.floats(-0.3, 0.3))
def test_a_constant_added_to_every_score_changes_no_contrast(shift):
    table = lead(a=0.05, b=0.01, c=-0.02)
    shifted = table.assign(test_macro_f1=table.test_macro_f1 + shift)
    numbers = ["difference", "low", "high", "p", "p_holm"]
    assert_frame_equal(contrasts(table)[numbers], contrasts(shifted)[numbers], rtol=1e-6, atol=1e-9)


@settings(max_examples=10)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_no_contrast(random):
    table = lead(a=0.05, b=0.01, c=-0.02)
    order = list(range(len(table)))
    random.shuffle(order)
    assert_frame_equal(contrasts(table.iloc[order]), contrasts(table), rtol=1e-9)
