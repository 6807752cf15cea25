"""Data needed is the least that reaches an accuracy, between the fractions too, and never far beyond them."""

import math

import numpy as np
import pytest
from builders import by_seed, cells_of, column, noise, results_table

from sslfast.analysis.data_needed import data_needed
from sslfast.analysis.simulate.amounts import SHAPES, judge_needed
from sslfast.analysis.simulate.worlds import draw


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


# between the fractions, and beyond them


def logarithmic(method, u, l, seed, **_):  # noqa: E741
    """0.05 more for each doubling of l from 0.40 at 0.1, 0.02 for each tenfold u."""
    return 0.4 + 0.05 * math.log2(l / 0.1) + 0.02 * math.log10(max(u or 0, 0.001) / 0.001) + noise(0.002, u, l, seed)


def asked(target: float, given="u", value=1.0, score=logarithmic, n_test=10**9, **settings):
    table = results_table(score, **{"us": [0, 0.1, 1], "ls": [0.05, 0.1, 0.2, 0.4], "seeds": range(8), **settings})
    found = data_needed(table.assign(n_test=n_test), [target], extrapolate=True)  # by default more than chance notices
    return found[(found.given == given) & (found.value == value)].iloc[0]


def test_between_fractions_it_is_read_off_the_curve():
    row = asked(0.485)  # 0.46 at l = 0.1, so half a doubling more
    assert row.n_mean == pytest.approx(4500 * math.sqrt(2), rel=0.03)
    assert row.n_needed == 9000  # of the grid
    assert row.n_mean < row.n_assured < 1.2 * row.n_mean
    assert "about 6,4" in row.sentence and "labels, 6,8" in row.sentence  # the cautious side of what was not measured
    assert "for at least 80 % assurance that the mean of many runs gets there" in row.sentence


def test_enough_with_80_percent_assurance_is_enough_in_80_of_100_studies():
    hits, repeats = 0, 100
    for number in range(repeats):  # 0.46 is the score of 4,500 labels, a level: nothing is interpolated
        row = asked(0.46, value=1, us=[1], seeds=range(number * 5, number * 5 + 5), baseline=False)
        hits += row.n_assured >= 4499
    assert abs(hits / repeats - 0.8) < 0.02 + 3 * math.sqrt(0.8 * 0.2 / repeats)


@pytest.mark.parametrize("world", ["exponential, 3 levels five times apart", "S-shaped, 5 levels five times apart"])
def test_what_is_enough_is_so_however_the_curve_bends_between_levels(world):
    rng, held = np.random.default_rng(0), []
    for _ in range(10):
        held += [so for claim, so in judge_needed(draw(SHAPES[world], 5, rng)) if claim == "holds enough along l"]
    assert np.mean(held) >= 0.78


def test_beyond_the_grid_it_goes_no_further_than_twice_and_says_so():
    near = asked(0.58)  # 0.56 at 18,000; a doubling, damped, brings 0.04
    assert 18000 < near.n_mean < 36000 and near.beyond
    assert "beyond what was measured" in near.sentence
    far = asked(0.62)
    assert far.n_mean == math.inf and not far.beyond
    assert "not reached within twice the labels that were tried (the highest mean is 0.56" in far.sentence


def test_without_extrapolation_it_ends_with_the_grid():
    table = results_table(logarithmic, us=[1], ls=[0.05, 0.1, 0.2, 0.4])
    found = data_needed(table, [0.58]).query("given == 'u'")
    assert (found.n_mean == math.inf).all()
    assert found.sentence.str.contains(
        "not reached with the labels that were tried (the highest mean is", regex=False
    ).all()


def test_where_the_control_is_enough_no_unlabelled_images_are_needed():
    row = asked(0.38, given="l", value=0.1)
    assert (row.needed, row.n_mean, row.n_assured) == (0, 0, 0)


def test_a_target_below_all_that_was_measured_is_answered_with_the_least_that_was_tried():
    row = asked(0.2)
    assert row.n_mean == row.n_assured == 2250
    assert "the least that was tried, 2,250 labels, is enough for at least 80 % assurance" in row.sentence
    assert "a target above 0.41" in row.sentence


def test_the_least_is_not_enough_where_only_chance_lifts_its_mean_over_the_target():
    row = asked(asked(0.2).accuracy - 1e-4)
    assert row.n_needed == row.n_mean == 2250 < row.n_assured
    assert "is enough" not in row.sentence
    assert "2,250 labels by the mean, the least that was tried, 2,2" in row.sentence


def test_a_mean_that_got_there_and_fell_back_is_told_as_such_but_assures_nothing():
    def score(method, u, l, seed, **_):  # noqa: E741
        return {0.05: 0.4, 0.1: 0.5, 0.2: 0.45, 0.4: 0.46}[l] + noise(0.002, u, l, seed)

    row = asked(0.48, score=score)
    assert 2250 < row.n_mean <= row.n_needed == 4500 and row.n_assured == math.inf
    assert "labels, more than 18,000 for at least 80 % assurance" in row.sentence


def test_a_missing_run_costs_its_own_mean_a_seed_and_no_other():
    def score(method, u, l, seed, **_):  # noqa: E741
        lost = (l, seed) in [(0.05, 0), (0.1, 1), (0.2, 2)]
        return None if lost else logarithmic(method, u, l, seed)

    row = asked(0.485, score=score, seeds=range(4))
    assert (row.n_seeds, row.n_dropped) == (3, 1)
    assert row.n_mean == pytest.approx(6364, rel=0.05) and row.n_assured < 9000


def test_a_target_that_guessing_reaches_has_no_answer():
    table = results_table(logarithmic, us=[1], ls=[0.05, 0.1]).assign(n_classes=10)
    assert data_needed(table, [0.1]).sentence.str.contains("guessing is right 10 % of the time").all()


def test_fewer_than_three_seeds_give_no_assurance():
    row = asked(0.485, seeds=[0, 1])
    assert math.isnan(row.n_assured) and row.n_mean > 0
    assert "assurance" not in row.sentence and "2 seeds; exploratory" in row.sentence


def test_the_baseline_of_an_encoder_is_told_once_for_all_methods():
    table = results_table(logarithmic, methods=["autoencoder", "simclr"], us=[1])
    found = data_needed(table, [0.45])
    assert (found.method == "supervised").sum() == 1
    assert not found.duplicated(["target", "encoder", "method", "given", "value"]).any()


def test_few_test_images_assure_less():
    few, many = asked(0.485, n_test=500), asked(0.485)
    assert few.n_mean == many.n_mean and few.n_assured > many.n_assured
