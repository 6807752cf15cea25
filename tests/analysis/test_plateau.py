"""A plateau is named from the top downwards, and wrongly in no more studies than it says."""

import math

import numpy as np
import pytest
from builders import noise, results_table
from hypothesis import given
from hypothesis import strategies as st

from sslfast.analysis.plateau import Plateau, plateaus, plateaus_of

US = [0.01, 0.03, 0.1, 0.3, 1]


def curve(*means: float, n_seeds: int = 5, sd: float = 0.001, seed: int = 0) -> np.ndarray:
    """Scores `[seeds, u]` with these means, and noise around them."""
    return np.array(means) + np.random.default_rng(seed).normal(0, sd, (n_seeds, len(means)))


def plateau_of(scores: np.ndarray, **how) -> Plateau:
    """Of a single curve."""
    return plateaus_of(scores[:, None], **how)[0]


@pytest.mark.parametrize(
    "means, index",
    [
        ((0.30, 0.40, 0.50, 0.50, 0.50), 2),
        ((0.30, 0.35, 0.40, 0.45, 0.50), None),  # still rising
        ((0.50, 0.50, 0.50, 0.50, 0.50), 0),
        ((0.30, 0.35, 0.40, 0.495, 0.50), 3),
        ((0.50, 0.30, 0.50, 0.50, 0.50), 2),  # the 0.50 at the far end lies behind a failure
        ((0.50, 0.50, 0.50, 0.40, 0.50), None),  # the first test fails: nothing behind it counts
        ((0.50, 0.55, 0.55, 0.55, 0.50), 1),  # from the first to the last is no gain, but between them there is one
        ((0.50, 0.55, 0.50, 0.50, 0.50), 1),
    ],
)
def test_the_plateau_is_the_last_u_that_passes_on_the_way_down(means, index):
    assert plateau_of(curve(*means)).index == index


def test_the_limit_is_that_of_a_one_sided_t_test():
    scores = np.array([[0.45, 0.46], [0.45, 0.47], [0.45, 0.48]])
    found = plateau_of(scores, alpha=0.05)
    half = 2.919986 * 0.01 / math.sqrt(3)  # t of 2 degrees of freedom; the gains have a standard deviation of 0.01
    assert found.last_gain == pytest.approx(0.02)
    assert (found.last_gain_low, found.last_gain_high) == pytest.approx((0.02 - half, 0.02 + half), abs=1e-6)
    edge = found.last_gain_high
    assert plateau_of(scores, delta=edge + 1e-6).index == 0
    assert plateau_of(scores, delta=edge - 1e-6).index is None


def test_an_inner_u_that_beats_the_largest_is_named():
    found = plateau_of(curve(0.40, 0.45, 0.55, 0.50, 0.50))
    assert found.better_inside == 2
    assert found.inside_gain == pytest.approx(0.05, abs=0.005)
    assert plateau_of(curve(0.40, 0.45, 0.50, 0.50, 0.50, sd=0.01)).better_inside is None


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_one_or_two_seeds_show_no_plateau(n_seeds):
    found = plateau_of(np.full((n_seeds, 4), 0.5))
    assert found.index is None and found.better_inside is None
    assert found.last_gain == 0 and math.isnan(found.last_gain_high)


def test_identical_scores_in_all_seeds_show_no_plateau():
    assert plateau_of(np.full((3, 4), 0.5)).index is None


def test_several_numbers_of_labels_show_more_than_each_by_itself():
    means = np.array([0.30, 0.40, 0.50, 0.50, 0.50])
    scores = np.random.default_rng(3).normal(means, 0.006, (40, 3, 4, 5)).transpose(0, 1, 2, 3)
    together = [p.index == 2 for study in scores for p in plateaus_of(study, np.array([100, 1000, 5000, 20000]))]
    alone = [plateau_of(curve).index == 2 for study in scores for curve in study.transpose(1, 0, 2)]
    assert np.mean(together) > np.mean(alone) + 0.1


def test_a_missing_run_costs_only_the_comparisons_that_need_it():
    scores = curve(0.3, 0.5, 0.5, n_seeds=6)
    whole = plateau_of(scores)
    scores[4, 0] = np.nan
    found = plateau_of(scores)
    assert (found.n_seeds, found.n_dropped) == (5, 1)
    assert (found.index, found.last_gain, found.last_gain_high) == (whole.index, whole.last_gain, whole.last_gain_high)


@given(st.floats(-0.2, 0.2), st.permutations(range(5)))
def test_neither_a_constant_nor_the_order_of_seeds_moves_a_plateau(shift, order):
    scores = curve(0.30, 0.40, 0.488, 0.50, 0.50, sd=0.004)
    assert plateau_of(scores[order] + shift).index == plateau_of(scores).index


def kneed(u, l, method, seed, **_):  # noqa: E741
    """Rises up to u = 0.1, then is flat."""
    return 0.4 + 0.05 * math.log10(min(u or 0.001, 0.1) / 0.001) + noise(0.002, u, l, method, seed)


def test_the_table_has_a_row_a_labelled_fraction_and_says_where_more_stops_helping():
    found = plateaus(results_table(kneed, us=[0, *US], ls=[0.1, 0.5]))
    assert found[["l", "shown", "u", "n_unlabelled"]].values.tolist() == [
        [0.1, True, 0.1, 4500],
        [0.5, True, 0.1, 4500],
    ]
    assert found.sentence[0] == (
        "With 4,500 labels, beyond 4,500 unlabelled images (10 %), more of them are worth less than 1.5 points"
        " up to 45,000 (5 seeds)."
    )


def test_alpha_is_shared_among_the_labelled_fractions():
    table = results_table(kneed, us=[0.1, 1], ls=[0.1, 0.5])
    last = plateaus(table, alpha=0.05).last_gain_high
    alone = plateaus(table[table.l == 0.1], alpha=0.025).last_gain_high
    assert last[0] == pytest.approx(alone[0])


def test_where_none_is_shown_it_says_what_more_may_give():
    rising = lambda u, seed, **_: 0.5 + 0.05 * math.log10(u or 0.001) + noise(0.0001, u, seed)  # noqa: E731
    found = plateaus(results_table(rising, us=US, ls=[0.1]))
    assert not found.shown[0]
    assert (
        "no plateau is shown: the last step, from 13,500 to 45,000 unlabelled images, gained +2.6" in found.sentence[0]
    )


def test_a_single_amount_has_no_plateau_and_the_control_alone_counts_as_an_amount():
    single = plateaus(results_table(kneed, us=[1], ls=[0.1]))
    assert not single.shown[0] and "fewer than two amounts" in single.sentence[0]
    two = plateaus(results_table(lambda u, seed, **_: 0.4 + noise(0.001, u, seed), us=[0, 1], ls=[0.1]))
    assert two.u[0] == 0 and "beyond an encoder that learned nothing" in two.sentence[0]


def test_a_cell_that_diverged_drops_its_seed_and_one_that_always_diverged_drops_the_amount():
    table = results_table(lambda u, seed, **k: None if (u, seed) == (0.3, 1) else kneed(u, seed=seed, **k), us=US)
    assert plateaus(table)[["n_seeds", "n_dropped"]].drop_duplicates().values.tolist() == [[4, 1]]
    table = results_table(lambda u, **k: None if u == 1 else kneed(u, **k), us=US)
    found = plateaus(table)
    assert (found.n_seeds == 5).all() and found.sentence.str.contains("up to 13,500").all()


def test_without_a_common_seed_nothing_is_said():
    table = results_table(lambda u, seed, **_: 0.5 if (u == 1) == (seed > 1) else None, us=[0.1, 1], ls=[0.1])
    assert "two amounts have no seed in common" in plateaus(table).sentence[0]


def test_scores_that_are_alike_in_all_seeds_say_so():
    found = plateaus(results_table(lambda **_: 0.5, us=[0.1, 1], ls=[0.1]))
    assert not found.shown[0] and "alike in all seeds" in found.sentence[0]
