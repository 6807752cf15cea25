"""What to get next is recommended only if curves that fit agree on it, and is then right nearly always."""

import math

import numpy as np
import pandas as pd
import pytest
from builders import noise, results_table
from hypothesis import given, settings
from hypothesis import strategies as st

from sslfast.analysis.decision import LABELS, UNLABELLED, Prices, decide, what_next
from sslfast.analysis.simulate.next import KINDS, any_curves, next_step
from sslfast.analysis.simulate.rates import rates
from sslfast.analysis.simulate.worlds import WORLDS
from sslfast.errors import ConfigError

LOTS = Prices(price_per_label=0.10, price_per_unlabelled_image=0.05, budget=2250)  # both are doubled


def study(of_labels: float, of_images: float, sd: float = 0.002, **table):
    """Each doubling of labels (images) gains so much; 22,500 labels and 45,000 unlabelled images are the most."""

    def score(method, u, l, seed, encoder):  # noqa: E741
        gain = of_labels * math.log2(l / 0.5) + of_images * math.log2(max(u or 0, 0.005))
        return 0.6 + gain + 0.05 * (encoder == "large") + noise(sd, method, u, l, seed, encoder)

    return results_table(score, **table)


def decided(*args, prices=LOTS, **settings):
    (found,) = what_next(study(*args, **settings), prices)
    return found


def option(decision, name):
    return decision.options[decision.options.option == name].iloc[0]


def test_labels_are_recommended_where_labels_help():
    found = decided(0.04, 0.001)
    assert found.action == LABELS
    labels = option(found, LABELS)
    assert (labels.factor, labels.amount, labels.cost) == pytest.approx((2, 22500, 2250))
    assert labels.gain == pytest.approx(0.04, abs=0.01)  # curves that flatten fit as well
    assert labels.gain < labels.upper < 0.08 and labels.share > 0.95
    assert found.run.empty
    assert found.sentence.startswith("Get more labels (22,500 for 2,250, 2 times what there is): in ")
    assert "not the probability of being right" in found.sentence
    assert f"more labels +{100 * labels.gain:.1f} points (at most +{100 * labels.upper:.1f} points)" in found.sentence


def test_unlabelled_images_are_recommended_where_they_help():
    assert decided(0.001, 0.04).action == UNLABELLED


def test_nothing_is_bought_where_nothing_helps():
    found = decided(0.001, 0.001)
    assert found.action == "buy nothing"
    assert "Buy nothing for 2,250: no option is likely to gain 1.5 points or more" in found.sentence


def test_what_noise_hides_is_not_settled_and_says_which_cells_to_run():
    found = decided(0.03, 0.03, sd=0.03)
    assert found.action == "not settled"
    assert found.run[["l", "u"]].values.tolist() == [[0.5, 1.0], [0.5, 0.3], [0.3, 1.0]]
    assert (found.run.n_more_seeds > 0).all()


def test_without_prices_it_tells_the_gain_of_doubling_and_recommends_nothing():
    found = decided(0.04, 0.001, prices=None)
    assert found.action == "not asked"
    assert option(found, LABELS).gain == pytest.approx(0.04, abs=0.01)
    assert found.sentence.startswith(
        "Without prices nothing is recommended. A guess at what doubling each would gain: more labels +"
    )


def test_a_budget_that_buys_more_than_four_times_is_refused_with_the_largest_that_would_do():
    prices = Prices(price_per_label=0.10, price_per_unlabelled_image=0.001, budget=2250)
    found = decided(0.04, 0.001, prices=prices)
    assert found.action == "not settled" and math.isnan(option(found, UNLABELLED).gain)
    assert (
        "51.0 times what was measured; beyond 4 times nothing is predicted: ask with a budget up to 135"
        in found.sentence
    )
    assert decided(0.04, 0.001, prices=Prices(0.10, 0.001, budget=135)).action != "not settled"


def test_what_has_no_price_is_not_on_offer():
    found = decided(0.04, 0.001, prices=Prices(price_per_label=0.10, budget=2250))
    assert found.options.option.tolist() == [LABELS] and found.action == LABELS
    nothing = decided(0.04, 0.001, prices=Prices(budget=100))
    assert nothing.action == "not settled" and "nothing is on offer" in nothing.sentence


def test_computing_is_paid_from_the_same_budget():
    free, dear = (
        option(decided(0.04, 0.001, prices=Prices(0.10, 0.05, price_per_gpu_hour=price, budget=2250)), UNLABELLED)
        for price in (None, 3600.0)
    )
    # 300 s for 45,000 images at 1 a second: 0.0067 an image beside its price of 0.05
    assert dear.amount == pytest.approx(2250 / (0.05 + 300 / 45000))
    assert dear.amount < free.amount


def test_a_bigger_model_is_an_option_for_the_smaller_one():
    table = study(0.001, 0.001, encoders=["small", "large"])
    table.loc[table.encoder == "large", "seconds_classify"] *= 10
    prices = Prices(0.10, 0.05, price_per_gpu_hour=1.0, budget=2250)
    small = next(d for d in what_next(table, prices) if d.encoder == "small")
    large = next(d for d in what_next(table, prices) if d.encoder == "large")
    assert small.action == "encoder large"
    assert option(small, "encoder large").gain == pytest.approx(0.05, abs=0.005)
    assert option(small, "encoder large").cost == pytest.approx(9 * 31 / 3600)
    assert "encoder small" not in large.options.option.tolist()
    assert large.sentence.startswith("large: Buy nothing")


def test_a_bigger_model_that_the_budget_does_not_reach_keeps_nothing_else_from_being_recommended():
    table = study(0.04, 0.001, encoders=["small", "large"])
    table.loc[table.encoder == "large", "seconds_classify"] *= 10
    prices = Prices(price_per_label=0.10, price_per_gpu_hour=1e5, budget=2250)
    small = next(d for d in what_next(table, prices) if d.encoder == "small")
    assert option(small, "encoder large").reason == "the budget is too small"
    assert small.action == LABELS


def test_where_the_baseline_is_ahead_of_the_frozen_encoder_it_says_so():
    table = study(0.04, 0.001)
    table.loc[table.method == "supervised", "test_macro_f1"] += 0.1
    (found,) = what_next(table, LOTS)
    assert "All this is about the frozen encoder: the supervised baseline, with the same labels, is" in found.sentence
    assert "All this" not in decided(0.04, 0.01).sentence


@pytest.mark.parametrize("name", ["price_per_label", "price_per_unlabelled_image", "price_per_gpu_hour", "budget"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "ten"])
def test_prices_that_cannot_be_are_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=rf"{name}: found .*, expected a number"):
        Prices(**{name: value})


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"budget: found 0, expected a number of more than 0"):
        Prices(budget=0)


@settings(max_examples=8)
@given(st.floats(1e-3, 1e3))
def test_another_currency_changes_nothing(rate):
    table = study(0.03, 0.01, seeds=range(4))
    prices = Prices(0.10, 0.05, 1.0, 2250)
    (ours,), (theirs,) = what_next(table, prices), what_next(table, Prices(*(rate * p for p in vars(prices).values())))
    assert ours.action == theirs.action
    numbers = ["factor", "amount", "gain", "upper", "share"]
    assert np.allclose(ours.options[numbers], theirs.options[numbers])


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_seeds_settle_nothing(n):
    found = decided(0.04, 0.001, seeds=range(n))
    assert found.action == "not settled" and "fewer than three seeds have a result" in found.sentence
    assert found.options.gain.notna().all() and found.options[["upper", "share"]].isna().all(axis=None)


def test_a_single_amount_of_unlabelled_data_cannot_be_predicted():
    found = decided(0.04, 0.001, us=[0, 1])
    assert option(found, UNLABELLED).reason == "only one amount was measured"
    assert found.action == "not settled"


def test_small_grids_are_asked_for_levels_between_the_largest():
    found = decided(0.0, 0.0, sd=0.1, us=[0.1, 1], ls=[0.05, 0.5])
    assert {(0.5, 0.32), (0.16, 1.0)} <= set(zip(found.run.l, found.run.u, strict=True))


def test_a_run_without_result_costs_its_seed_nothing_else():
    table = study(0.04, 0.001)
    holes = [(0.5, 1, 0), (0.5, 0.3, 1), (0.3, 1, 2), (0.1, 1, 3), (0.5, 0.1, 4)]  # each seed lacks a cell
    at = pd.MultiIndex.from_frame(table[["l", "u", "seed"]]).isin(holes) & (table.method == "autoencoder")
    table.loc[at, "test_macro_f1"] = np.nan
    (found,), whole = what_next(table, LOTS), decided(0.04, 0.001)
    assert at.sum() == 5 and (found.n_seeds, found.n_dropped) == (5, 0)
    assert found.action == whole.action == LABELS
    assert option(found, LABELS).gain == pytest.approx(option(whole, LABELS).gain, abs=0.003)


def test_a_study_without_a_result_settles_nothing():
    table = study(0.04, 0.001, us=[0.1, 1], ls=[0.1, 0.5])
    table.loc[table.method == "autoencoder", "test_macro_f1"] = np.nan
    (found,) = what_next(table, LOTS)
    assert (found.action, found.n_seeds) == ("not settled", 0)
    assert found.sentence == "Not settled: no run with an encoder has a result."


def test_where_the_score_fell_with_more_data_none_is_said_to_gain():
    found = decided(-0.04, -0.02)
    assert found.action == "buy nothing"
    assert (found.options.gain < 0).all() and (found.options.upper >= 0).all()


def test_amounts_that_were_never_run_together_predict_nothing():
    table = study(0.04, 0.001, us=[0.1, 0.3, 1], ls=[0.1, 0.3, 0.5])
    (found,) = what_next(table[~((table.l == 0.5) & (table.u == 1))], LOTS)
    assert found.action == "not settled"
    assert "the most labels and the most unlabelled images were not run together" in found.sentence


def test_identical_scores_buy_nothing():
    assert decided(0.0, 0.0, sd=0.0).action == "buy nothing"


def test_the_rule_of_deciding():
    rng = np.random.default_rng(0)
    clear, near, even, small = (rng.normal(mean, 0.001, 300) for mean in (0.04, 0.038, 0.025, 0.001))
    assert decide({LABELS: clear, UNLABELLED: small})[0] == LABELS
    assert decide({LABELS: near, UNLABELLED: clear})[0] == UNLABELLED  # the first of two that are as good
    assert decide({LABELS: even, UNLABELLED: even + rng.normal(0, 0.02, 300)})[0] == "not settled"
    assert decide({LABELS: rng.normal(0.015, 0.01, 300)})[0] == "not settled"
    assert decide({LABELS: small, UNLABELLED: small - 0.001})[0] == "buy nothing"
    assert decide({LABELS: clear, UNLABELLED: clear - 0.01})[1] == {LABELS: 1.0, UNLABELLED: 0.0}


def test_when_it_acts_it_is_right():
    names = ("nothing true", "missing runs", "exponential", "hill in u", "ceiling")
    found = rates([next_step], 5, 25, worlds={name: WORLDS[name] for name in names})
    assert not [r for r in found if r.beyond]
    acts = {r.world: r.rate for r in found if r.claim == "acts (5 levels)"}
    assert acts["ceiling"] > 0.9 and acts["exponential"] > 0.5
    assert abs(acts["missing runs"] - acts["nothing true"]) < 0.3


def test_only_a_curve_that_ends_where_its_levels_end_deceives_it():
    found = any_curves(5, 20)
    *known, ends = KINDS
    assert {r.world for r in found if r.beyond and "5 levels" in r.claim} == {ends}
    acts = [r for r in found if r.claim == "acts (5 levels)" and r.world in known]
    assert sum(r.hits for r in acts) > 0.5 * sum(r.n for r in acts)
