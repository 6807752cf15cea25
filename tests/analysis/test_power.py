"""The smallest detectable difference is found as often as it says."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from sslfast.analysis.power import detectable


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_detectable_difference_is_found_in_80_of_100_studies(n):
    """Of studies with the same true spread, of which each knows only its own."""
    rng, alpha, repeats = np.random.default_rng(0), 0.05, 4000
    said = detectable(rng.normal(0, 1, (repeats, n)).std(1, ddof=1) / math.sqrt(n), n - 1, alpha)
    again = said[:, None] + rng.normal(0, 1, (repeats, n))
    found = stats.ttest_1samp(again, 0, axis=1).pvalue < alpha
    assert found.mean() == pytest.approx(0.8, abs=0.03)


def test_with_a_known_spread_it_is_that_of_the_textbook():
    expected = TTestPower().solve_power(nobs=1001, alpha=0.05, power=0.8)
    assert detectable(1 / math.sqrt(1001), 1000) == pytest.approx(expected, rel=0.01)


def test_more_comparisons_detect_less_and_without_a_spread_nothing_is_known():
    assert detectable(0.01, 4, alpha=0.01) > detectable(0.01, 4)
    assert np.isnan(detectable(np.nan, 2))
