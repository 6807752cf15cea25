"""Intervals are Student's t over seeds, cover as often as they say, and are not given where they cannot be."""

import math

import numpy as np
import pytest
from scipy import stats

from sslfast.analysis.intervals import Estimate, mean_interval

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


def test_identical_scores_have_an_interval_of_no_width():
    found = mean_interval([0.25, 0.25, 0.25])
    assert (found.low, found.mean, found.high) == (0.25, 0.25, 0.25)


def test_the_text_shows_the_interval_only_where_there_is_one():
    assert Estimate(0.481, 0.472, 0.49, 5).text() == "0.481 [0.472, 0.490]"
    assert Estimate(0.481, math.nan, math.nan, 2).text() == "0.481"
    assert Estimate(0.02, -0.01, 0.05, 3).text(digits=2, sign=True) == "+0.02 [-0.01, +0.05]"
