"""Label equivalence inverts the baseline's curve, and claims nothing beyond it."""

import math

import numpy as np
import pytest
from builders import column, noise, results_table
from hypothesis import assume, given
from hypothesis import strategies as st

from sslfast.analysis.contrasts import contrasts
from sslfast.analysis.curves import amount_bounds, amount_for, last_doubling, mean_draws, monotone
from sslfast.analysis.equivalence import label_equivalence
from sslfast.analysis.intervals import mean_interval
from sslfast.analysis.simulate.amounts import SHAPES, judge_worth
from sslfast.analysis.simulate.worlds import draw

AMOUNTS = np.array([900.0, 2250, 4500, 13500, 22500])


def law(amount, drop=0.25, exponent=0.25):
    return 0.7 - drop * (amount / 22500) ** -exponent


@given(st.floats(900, 22500), st.floats(0.05, 0.3), st.floats(0.1, 0.5))
def test_known_curves_are_inverted(amount, drop, exponent):
    found = amount_for(AMOUNTS, law(AMOUNTS, drop, exponent)[None], np.array([[law(amount, drop, exponent)]]))
    assert found[0, 0] == pytest.approx(amount, rel=0.03)  # what PCHIP leaves between five levels


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5), st.integers(0, 4))
def test_a_level_is_its_own_inverse(scores, k):
    curve = np.sort(scores)
    assume(np.diff(curve).min() > 1e-3)
    assert amount_for(AMOUNTS, curve[None], curve[None, k : k + 1])[0, 0] == pytest.approx(AMOUNTS[k], rel=1e-3)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_made_monotone_a_curve_rises_stays_within_its_range_and_a_rising_one_stays_as_it_is(scores):
    made = monotone(np.array(scores))
    assert (np.diff(made) >= 0).all()
    assert min(scores) <= made.min() and made.max() <= max(scores)
    assert monotone(np.sort(scores)) == pytest.approx(np.sort(scores))


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_higher_score_takes_no_fewer_labels(a, b):
    low, high = amount_for(AMOUNTS, np.array([[0.2, 0.5, 0.4, 0.6, 0.8]]), np.array([sorted([a, b])]))[0]
    assert low <= high


def test_two_levels_of_the_same_amount_are_one_of_their_mean_score():
    wanted = np.array([[0.3, 0.45, 0.6]])
    once = amount_for(np.array([4.0, 10.0, 40.0]), np.array([[0.2, 0.5, 0.7]]), wanted)
    twice = amount_for(np.array([4.0, 10.0, 10.0, 40.0]), np.array([[0.2, 0.4, 0.6, 0.7]]), wanted)
    assert np.array_equal(once, twice)


def test_the_last_doubling_of_a_logarithmic_curve_is_its_slope_wherever_the_levels_lie():
    for amounts in ([1, 2, 4], [1, 10, 100], [1, 90, 100], [50, 100]):
        logs = np.log2(np.array(amounts, float))
        assert last_doubling(logs, 0.03 * logs[None] + 0.2) == pytest.approx([0.03])


def test_draws_of_a_mean_with_missing_runs_spread_as_its_own_t_interval():
    scores = np.array([[0.41, 0.5], [0.43, np.nan], [0.42, 0.52], [0.44, 0.53], [0.40, 0.51]])
    draws = mean_draws(scores, 20_000)
    for k in range(2):
        expected = mean_interval(scores[:, k])
        assert np.quantile(draws[:, k], [0.025, 0.975]) == pytest.approx([expected.low, expected.high], abs=0.001)
    assert np.isnan(mean_draws(np.where(np.arange(5)[:, None] > 1, [np.nan, 1], scores))[:, 0]).all()


LS = [0.02, 0.05, 0.1, 0.3, 0.5]


def study(worth: float, sd: float = 0.003, **settings):
    """Pre-trained encoders that score as the baseline does with `worth` times the labels."""

    def score(method, u, l, seed, **_):  # noqa: E741
        amount = 45000 * l * (worth if method == "autoencoder" else 1)
        return law(amount) + noise(sd, method, u, l, seed)

    return results_table(score, **{"us": [0, 1], "ls": LS, **settings})


@pytest.mark.parametrize("worth", [0.5, 2.0])
def test_what_labels_are_worth_is_found_even_if_it_is_less_than_nothing(worth):
    found = label_equivalence(study(worth)).query("u == 1 and l == 0.1").iloc[0]
    assert found.ratio == pytest.approx(worth, rel=0.1)
    assert found.saved == pytest.approx((worth - 1) * 4500, rel=0.2)
    assert found.ratio_low < worth < found.ratio_high
    assert found.low < found.equivalent < found.high


def test_beyond_the_baseline_it_says_more_or_fewer_and_gives_no_number():
    best = label_equivalence(study(4.0)).query("u == 1 and l == 0.5").iloc[0]
    assert best.text.startswith("> 22,500") and math.isnan(best.ratio) and math.isnan(best.saved)
    worst = label_equivalence(study(0.2)).query("u == 1 and l == 0.02").iloc[0]
    assert worst.text.startswith("< 900") and math.isnan(worst.saved)


@pytest.mark.parametrize("worth, outcome, said", [(2.0, "better", "worth more: "), (0.5, "worse", "worth fewer: ")])
def test_more_or_fewer_is_said_where_the_comparison_with_the_baseline_has_it_so(worth, outcome, said):
    table = study(worth)
    verdicts = contrasts(table)
    found = label_equivalence(table, contrasts=verdicts).merge(verdicts, on=["encoder", "method", "l", "u"])
    assert (found[found.primary].outcome == outcome).all()
    assert found[found.primary].sentence_x.str.contains(said).all()
    assert not found[~found.primary].sentence_x.str.contains("more|fewer").any()
    assert not label_equivalence(table).sentence.str.contains("more|fewer").any()


def test_a_verdict_that_the_interval_does_not_share_is_not_said():
    table = study(1.0)
    verdicts = contrasts(table).assign(outcome="better")
    assert not label_equivalence(table, contrasts=verdicts).sentence.str.contains("more|fewer").any()
    unsure = label_equivalence(table, contrasts=verdicts.assign(outcome="open")).query("u == 1")
    assert unsure.sentence.str.contains("whether that is more or fewer is not settled").all()


@pytest.mark.parametrize("n_seeds", [3, 5, 10])
@pytest.mark.parametrize("world", ["power with offset, 5 levels", "exponential, 3 levels", "S-shaped, 5 levels"])
def test_its_intervals_cover_curves_that_bend_differently_between_levels_far_apart(world, n_seeds):
    rng, covered = np.random.default_rng(0), []
    for _ in range(10):
        judged = judge_worth(draw(SHAPES[f"{world} five times apart"], n_seeds, rng))
        covered += [so for claim, so in judged if claim.startswith("covers")]
    assert np.mean(covered) >= 0.93


@given(st.floats(0.05, 1), st.floats(0, 0.6), st.floats(900, 22500))
def test_the_bounds_hold_every_power_law_without_noise(exponent, offset, amount):
    def score(n):
        return 0.8 - 0.2 * (((n + offset * 900) / 22500) ** -exponent - 1)

    low, high = amount_bounds(AMOUNTS, score(AMOUNTS)[None], np.array([[score(amount)]]))
    assert low[0, 0] * (1 - 1e-9) <= amount <= high[0, 0] * (1 + 1e-9)


def test_one_or_two_seeds_have_a_number_without_interval():
    found = label_equivalence(study(2.0, seeds=[0, 1]))
    assert found.equivalent.notna().all() and found[["low", "high"]].isna().all(axis=None)
    assert found.sentence.str.contains("2 seeds; exploratory").all()


def test_without_a_baseline_or_with_one_that_does_not_rise_it_says_why():
    assert label_equivalence(study(2.0, baseline=False)).sentence.str.contains("no supervised baseline").all()
    flat = label_equivalence(results_table(lambda **_: 0.4, us=[0, 1], ls=LS))
    assert flat.sentence.str.contains("does not rise").all() and flat.equivalent.isna().all()


def test_a_single_labelled_fraction_tells_only_the_side():
    assert column(label_equivalence(study(2.0, ls=[0.1], sd=0.001)), "text", u=1) == ["> 4,500 [> 4,500, > 4,500]"]
    assert column(label_equivalence(study(0.5, ls=[0.1], sd=0.001)), "text", u=1) == ["< 4,500 [< 4,500, < 4,500]"]


def test_a_baseline_that_dips_is_inverted_without_fuss():
    def score(method, l, seed, **_):  # noqa: E741
        return {0.02: 0.2, 0.05: 0.4, 0.1: 0.36, 0.3: 0.5, 0.5: 0.6}[l] + noise(0.001, method, l, seed)

    found = label_equivalence(results_table(score, us=[1], ls=LS))
    by_label = dict(zip(found.l, found.equivalent, strict=True))
    assert by_label[0.3] == pytest.approx(13500, rel=0.02) and by_label[0.5] == pytest.approx(22500, rel=0.02)
    assert 900 < by_label[0.1] < by_label[0.05] < 13500  # 0.36 and 0.40, on a curve that is 0.38 at both


def test_a_missing_baseline_run_costs_its_own_number_of_labels_a_seed():
    table = study(2.0)
    base = table.method == "supervised"
    lost = base & ((table.seed == 3) & (table.l == 0.3) | (table.seed == 1) & (table.l == 0.02))
    table.loc[lost, "test_macro_f1"] = np.nan
    found = label_equivalence(table)
    assert (found.n_seeds == 4).all() and (found.n_dropped == 1).all()
    assert found.query("l == 0.1 and u == 1").iloc[0].ratio == pytest.approx(2, rel=0.1)


def test_a_number_of_labels_with_too_few_baseline_runs_is_left_out():
    table = study(2.0, seeds=[0, 1, 2])
    table.loc[(table.method == "supervised") & (table.seed == 0) & (table.l == 0.5), "test_macro_f1"] = np.nan
    found = label_equivalence(table)
    assert (found.n_seeds == 3).all() and found.low.notna().all()
    assert column(found, "text", l=0.5, u=1)[0].startswith("> 13,500")
