"""What the analysis says of made-up studies is wrong no more often than it claims (for more, run `simulate`)."""

import pytest

from sslfast.analysis.simulate.differences import differences, plateau_claims, score_intervals_cover
from sslfast.analysis.simulate.nets import NET_WORLDS, judge_nets
from sslfast.analysis.simulate.rates import Rate, rates
from sslfast.analysis.simulate.worlds import WORLDS

REPEATS = 60
NAMES = ["hill in u", "nothing true, 6 methods", "all exactly δ", "louder with few labels", "missing runs"]
SOME = {name: WORLDS[name] for name in [*NAMES, "1,000 test images"]}


@pytest.mark.parametrize("n_seeds", [3, 5])
def test_no_claim_is_wrong_more_often_than_its_bound(n_seeds):
    found = rates([differences, plateau_claims, score_intervals_cover], n_seeds, REPEATS, worlds=SOME)
    assert {rate.claim for rate in found} >= {
        "covers: score",
        "covers: difference",
        "false: plateau",
        "false: better, worse or equal",
    }
    assert [rate for rate in found if rate.beyond] == []


def test_a_rule_that_errs_is_beyond_its_bound():
    def always_wrong(study):
        yield "false: everything", True

    (found,) = rates([always_wrong], 3, 20, worlds={"w": WORLDS["power laws"]})
    assert found.beyond and found.rate == 1


def test_little_is_given_away():
    by_claim = {r.claim: r for r in rates([differences], 3, REPEATS, worlds={"w": WORLDS["nothing true"]})}
    assert by_claim["settled: rightly"].rate > by_claim["settled: rightly (plain t)"].rate + 0.1


def test_nor_is_it_too_shy_to_say_anything():
    nothing = {"w": WORLDS["nothing true"]}
    five, three = (
        {r.claim: r.rate for r in rates([differences, plateau_claims], n, 200, worlds=nothing)} for n in (5, 3)
    )
    assert five["false: better, worse or equal"] > 0.01  # what is allowed is used
    assert five["settled: plateau"] > 0.8 and five["settled: plateau"] > three["settled: plateau"] + 0.2
    assert five["settled: rightly"] > 0.6


def test_verdicts_on_existing_nets_are_right_where_they_should_be_and_cautious_where_they_cannot():
    names = ["a net far ahead", "going on adds 5 points", "going on adds exactly δ"]
    found = rates([judge_nets], 3, 4, worlds={name: NET_WORLDS[name] for name in names})
    assert [rate for rate in found if rate.beyond] == []
    settled = {rate.world: rate.rate for rate in found if rate.claim == "settled: a net is enough, or is not"}
    assert settled["a net far ahead"] == settled["going on adds 5 points"] == 1
    assert settled["going on adds exactly δ"] < 1


def test_the_error_of_a_rate_is_that_of_its_number_of_studies():
    assert Rate("w", 3, "false: x", 5, 100).error == pytest.approx(0.0218, abs=1e-4)
    assert Rate("w", 3, "false: x", 0, 100).error > 0
