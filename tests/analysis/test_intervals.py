"""Intervals are Student's t over seeds, cover as often as they say, and are not given where they cannot be."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sslfast.analysis.intervals import Estimate, draw_means, mean_interval, quantile, score_intervals

SCORES = [0.481, 0.472, 0.490, 0.466, 0.479]


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [3, 4, 5])
def test_it_is_the_interval_of_scipy(n, level):
    found = mean_interval(SCORES[:n], level)
    expected = stats.ttest_1samp(SCORES[:n], 0).confidence_interval(level)
    assert (found.low, found.high) == pytest.approx(tuple(expected))
    assert found.mean == pytest.approx(np.mean(SCORES[:n]))
    assert found.n == n


def test_three_seeds_by_hand():
    found = mean_interval([1, 2, 3])
    half = 4.302653 / math.sqrt(3)  # t of 2 degrees of freedom; the standard deviation is 1
    assert (found.mean, found.low, found.high) == pytest.approx((2, 2 - half, 2 + half), abs=1e-6)


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("n", [3, 5, 10])
def test_it_covers_the_true_mean_as_often_as_it_says(n, level):
    repeats, truth = 2000, 0.45
    samples = np.random.default_rng(0).normal(truth, 0.01, (repeats, n))
    found = [mean_interval(sample, level) for sample in samples]
    covered = np.mean([e.low <= truth <= e.high for e in found])
    assert abs(covered - level) < 4 * math.sqrt(level * (1 - level) / repeats)


@pytest.mark.parametrize("values, mean", [([0.5], 0.5), ([0.4, 0.6], 0.5)])
def test_fewer_than_three_seeds_have_a_mean_but_no_interval(values, mean):
    found = mean_interval(values)
    assert found.mean == pytest.approx(mean)
    assert math.isnan(found.low) and math.isnan(found.high)
    assert found.n == len(values)


@pytest.mark.parametrize("values", [[], [math.nan], [math.nan, math.nan, math.nan]])
def test_no_runs_have_no_mean(values):
    found = mean_interval(values)
    assert found.n == 0
    assert math.isnan(found.mean)
    assert found.text() == "no runs"


def test_missing_values_are_dropped_and_not_counted():
    assert mean_interval([math.nan, *SCORES, math.nan]) == mean_interval(SCORES)
    too_few = mean_interval([math.nan, 0.4, 0.6, math.nan])
    assert too_few.n == 2
    assert math.isnan(too_few.low)


def test_identical_values_have_an_interval_of_no_width_but_identical_scores_say_nothing_of_chance():
    found = mean_interval([0.25, 0.25, 0.25])
    assert (found.low, found.mean, found.high) == (0.25, 0.25, 0.25)
    assert np.isnan(score_intervals(np.array([0.25]), np.array([0.0]), np.array([3]))).all()


@given(st.lists(st.floats(0, 1), min_size=3, max_size=10))
def test_intervals_of_scores_stay_among_scores_and_hold_their_mean(values):
    mean, se = np.mean(values), np.std(values, ddof=1) / math.sqrt(len(values))
    low, high = score_intervals(np.array([mean]), np.array([se]), np.array([len(values)]))
    if np.isfinite(low[0]):
        assert 0 <= low[0] <= mean + 1e-9 and mean - 1e-9 <= high[0] <= 1


@pytest.mark.parametrize("mean, sd", [(0.45, 0.01), (0.81, 0.04), (0.97, 0.01)])
@pytest.mark.parametrize("n", [3, 5, 10])
def test_intervals_of_scores_cover_as_often_as_they_say(n, mean, sd):
    samples = np.random.default_rng(0).normal(mean, sd, (2000, n))
    low, high = score_intervals(samples.mean(1), samples.std(1, ddof=1) / math.sqrt(n), np.full(2000, n))
    assert 0.93 < np.mean((low <= mean) & (mean <= high)) < 0.97


def test_the_text_shows_the_interval_only_where_there_is_one():
    assert Estimate(0.481, 0.472, 0.49, 5).text() == "0.481 [0.472, 0.490]"
    assert Estimate(0.481, math.nan, math.nan, 2).text() == "0.481"
    assert Estimate(0.02, -0.01, 0.05, 3).text(digits=2, sign=True) == "+0.02 [-0.01, +0.05]"


# draws, p-values and power


@pytest.mark.parametrize("n", [3, 5, 10])
def test_quantiles_of_draws_of_a_mean_are_its_t_interval(n):
    scores = np.random.default_rng(1).normal(0.45, 0.01, (n, 2))
    drawn = draw_means(scores, 40_000)
    for k in range(2):
        expected = mean_interval(scores[:, k])
        width = expected.high - expected.low
        # the standard error of such a quantile of 40,000 draws is about 1 % of the width at 3 seeds, less above
        assert np.quantile(drawn[:, k], [0.025, 0.975]) == pytest.approx(
            [expected.low, expected.high], abs=0.06 * width
        )


def test_what_seeds_have_in_common_stays_in_common_in_the_draws():
    seeds = np.array([0.40, 0.45, 0.55])
    drawn = draw_means(np.stack([seeds, seeds + 0.02], axis=1))
    assert drawn[:, 1] - drawn[:, 0] == pytest.approx(np.full(len(drawn), 0.02))


@pytest.mark.parametrize("n", [1, 2])
def test_below_three_seeds_there_are_no_draws_and_no_quantiles(n):
    drawn = draw_means(np.full((n, 4), 0.5))
    assert drawn.shape == (0, 4)
    assert np.isnan(quantile(drawn, 0.5)).all()


@pytest.mark.parametrize("n_seeds", [3, 5, 10])
def test_functionals_of_draws_cover_the_truth_as_often_as_they_say(n_seeds):
    """The ratio of a difference and a slope, how many doublings two scores lie apart; seeds share noise."""
    rng, true, repeats, hits = np.random.default_rng(0), np.array([0.30, 0.36, 0.42, 0.39]), 400, 0
    for number in range(repeats):
        runs = true + rng.normal(0, 0.005, (n_seeds, 4)) + rng.normal(0, 0.005, (n_seeds, 1))
        drawn = draw_means(runs, seed=number)
        doublings = (drawn[:, 3] - drawn[:, 0]) / ((drawn[:, 2] - drawn[:, 0]) / 2)
        hits += quantile(doublings, 0.025) <= 1.5 <= quantile(doublings, 0.975)
    error = math.sqrt(0.95 * 0.05 / repeats)
    assert abs(hits / repeats - 0.95) < 0.01 + 3 * error  # nominal, ± 1 % where not linear


def test_quantiles_of_draws_may_be_infinite():
    assert quantile(np.array([1.0, 2.0, 3.0, np.inf]), 0.8) == np.inf
    assert quantile(np.array([1.0, 2.0, 3.0, np.inf]), 0.5) == 2
