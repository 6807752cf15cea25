"""Each claim of the original study is judged as it deserves on results where the truth is known."""

import math

import pytest
from builders import UPDATES, grid, noise, realistic, results_table, tables

from sslfast.analysis.checks import check_cells
from sslfast.analysis.claims import HELD, NOT, OPEN, claims

RISES = "the score rises with unlabelled data"
GROWS = "the gain from unlabelled data grows with labelled data"
FALLS = "time to the threshold falls with unlabelled and with labelled data"
STOPS = "beyond some point more unlabelled data stops helping"
CLOCK = "wall-clock barely differs between amounts of unlabelled data"
WINS = "the supervised baseline wins at every number of labels"


def outcomes(gain: float, *, growth=0.0, knee=1.0, lead=0.0, sd=0.002, clock=1.0, **table) -> dict[str, str]:
    """Claims about cells that gain `gain` for each tenfold u up to `knee`, `growth` more at each larger l."""

    def score(method, u, l, seed, **_):  # noqa: E741
        steps = math.log10(min(u or 0.001, knee) / 0.001)
        base = 0.4 + lead if method == "supervised" else 0.4 + (gain + growth * math.log10(l / 0.02)) * steps
        return base + noise(sd, method, u, l, seed)

    cells = results_table(score, **table)
    cells["seconds_pretrain"] = (cells.seconds_pretrain > 0) * clock * (1 + cells.u.fillna(0))
    cells["seconds_classify"] = 10.0
    found = claims(cells)
    assert (found.n_seeds + found.n_dropped == cells.seed.nunique()).all()
    return dict(zip(found.claim, found.outcome, strict=True))


def test_the_claims_of_an_autoencoder_are_judged_of_no_other_method_beside_it():
    table = results_table(lambda **_: 0.4, methods=["autoencoder", "simclr"])
    assert set(claims(table).method) == {"autoencoder"}


def test_every_claim_is_judged_once_a_method_and_encoder():
    table = results_table(lambda **_: 0.4, methods=["vae", "simclr"], encoders=["small", "large"])
    found = claims(table)
    assert len(found) == 4 * 6
    assert set(found.claim) == {RISES, GROWS, FALLS, STOPS, CLOCK, WINS}


@pytest.mark.parametrize(
    "claim, settings, expected",
    [
        (RISES, {"gain": 0.03}, HELD),
        (RISES, {"gain": 0.0}, NOT),
        (RISES, {"gain": -0.03}, NOT),
        (RISES, {"gain": 0.01, "sd": 0.1}, OPEN),
        (RISES, {"gain": 0.03, "us": [0, 1]}, OPEN),
        (RISES, {"gain": 0.03, "seeds": [0, 1]}, OPEN),
        (GROWS, {"gain": 0.01, "growth": 0.03}, HELD),
        (GROWS, {"gain": 0.03}, NOT),
        (GROWS, {"gain": 0.03, "sd": 0.1}, OPEN),
        (GROWS, {"gain": 0.03, "ls": [0.1]}, OPEN),
        (STOPS, {"gain": 0.03, "knee": 0.1}, HELD),
        (STOPS, {"gain": 0.05}, OPEN),  # it may come beyond the grid
        (STOPS, {"gain": 0.0, "sd": 0.1}, OPEN),
        (STOPS, {"gain": 0.03, "us": [1]}, OPEN),
        (WINS, {"gain": 0.01, "lead": 0.2}, HELD),
        (WINS, {"gain": 0.03, "lead": -0.1}, NOT),
        (WINS, {"gain": 0.0, "lead": 0.0}, OPEN),
        (WINS, {"gain": 0.03, "baseline": False}, OPEN),
        (WINS, {"gain": 0.01, "lead": 0.2, "ls": [0.1]}, OPEN),  # one number of labels is not every number
        (WINS, {"gain": 0.03, "lead": -0.1, "ls": [0.1]}, NOT),
        (CLOCK, {"gain": 0.0, "clock": 0.1}, HELD),
        (CLOCK, {"gain": 0.0, "clock": 100.0}, NOT),
        (FALLS, {"gain": 0.03}, OPEN),  # there is no history
    ],
)
def test_a_claim_is_judged_by_what_is_true(claim, settings, expected):
    assert outcomes(**settings)[claim] == expected


def judged_by_u(scores: list[float], sd=0.002, **shape) -> dict[str, tuple[str, str]]:
    """Outcome and evidence of each claim about a curve over five amounts of unlabelled data."""
    us = (0.01, 0.03, 0.1, 0.3, 1)

    def score(method, u, l, seed, **_):  # noqa: E741
        base = scores[us.index(u)] if u else 0.4
        return base + noise(sd, method, u, l, seed)

    found = claims(results_table(score, us=us, **shape)).set_index("claim")
    return dict(zip(found.index, zip(found.outcome, found.evidence, strict=True), strict=True))


@pytest.mark.parametrize(
    "scores, expected, said",
    [
        ([0.40, 0.42, 0.44, 0.46, 0.48], HELD, "and no larger amount is 1.5 points below a smaller one"),
        ([0.40, 0.45, 0.45, 0.45, 0.45], HELD, "+5.0 points"),
        ([0.40, 0.42, 0.45, 0.45, 0.42], NOT, "but from 30 % of it to 100 % of it it falls by"),
        ([0.40, 0.45, 0.45, 0.45, 0.40], NOT, "it falls by 5.0 points"),
        ([0.40, 0.40, 0.40, 0.40, 0.40], NOT, "0.0 points"),
    ],
)
def test_a_score_rises_only_if_no_step_falls(scores, expected, said):
    outcome, evidence = judged_by_u(scores)[RISES]
    assert outcome == expected
    assert said in evidence


def test_a_finite_grid_does_not_refute_that_more_data_stops_helping_somewhere():
    outcome, evidence = judged_by_u([0.40, 0.43, 0.46, 0.49, 0.52])[STOPS]
    assert outcome == OPEN and "not decidable here: it may come beyond what was tried" in evidence
    outcome, evidence = judged_by_u([0.40, 0.45, 0.45, 0.45, 0.45])[STOPS]
    assert outcome == HELD and "a plateau is shown at 5 of 5 numbers of labels" in evidence


def test_the_gain_grows_only_if_it_falls_at_no_number_of_labels():
    def judge(gains):
        def score(method, u, l, seed, **_):  # noqa: E741
            return 0.4 + (gains[l] if u == 1 else 0) + noise(0.002, method, u, l, seed)

        return claims(results_table(score)).set_index("claim").loc[GROWS]

    assert judge({0.02: 0, 0.05: 0.02, 0.1: 0.04, 0.3: 0.06, 0.5: 0.08}).outcome == HELD
    found = judge({0.02: 0, 0.05: 0.08, 0.1: 0.08, 0.3: 0.08, 0.5: 0.04})
    assert found.outcome == NOT and "from 13,500 labels to 22,500 labels it falls by" in found.evidence


def test_all_claims_of_a_study_share_one_error_rate():
    rising = [0.40, 0.42, 0.44, 0.46, 0.48]
    assert "(98 %)" in judged_by_u(rising)[RISES][1]  # five can be judged: there is no history
    assert "(97.5 %)" in judged_by_u(rising, ls=[0.1])[RISES][1]  # a gain cannot grow along one number of labels
    assert "(99 %)" in judged_by_u(rising, encoders=["small", "large"])[RISES][1]


def judged(epochs_to_threshold, **settings) -> tuple[str, str]:
    """The claim about time on runs that reach 0.4 in so many epochs, by (u, l, seed), of 12."""
    records = []
    for record in grid(realistic, us=["0.1", "1"], ls=["0.1", "0.5"], seeds=range(4), epochs=12, **settings):
        spec = record.spec
        at = 12 if spec.u is None else epochs_to_threshold(float(spec.u), float(spec.l), spec.seed)
        for row in record.history:
            row["macro_f1"] = 0.5 if row["epoch"] >= at else 0.1
        records.append(record)
    found = claims(*tables(records)).set_index("claim").loc[FALLS]
    return found.outcome, found.evidence


def test_time_falls_with_both():
    outcome, evidence = judged(lambda u, label, seed: round(10 - 4 * u - 6 * label) + seed % 2)
    assert outcome == HELD
    assert "epochs [" in evidence and "4 seeds; exploratory" in evidence


def test_time_is_judged_in_updates_where_those_are_counted():
    outcome, evidence = judged(lambda u, label, seed: round(10 - 4 * u - 6 * label) + seed % 2, budget="updates")
    assert outcome == HELD
    assert "updates [" in evidence and "counts as 600 updates" in evidence and "epoch" not in evidence
    assert f"+{4 * UPDATES} updates [" in evidence  # four validations earlier


def test_time_does_not_fall_if_one_of_them_does_not():
    assert judged(lambda u, label, seed: round(4 + 4 * u - 6 * label) + seed % 2)[0] == NOT


def test_where_runs_never_got_there_a_small_saving_refutes_nothing():
    outcome, evidence = judged(lambda u, label, seed: 13 if label < 0.5 else 4)
    assert outcome == OPEN and "8 of 16 runs never got there" in evidence


def test_time_is_open_if_nothing_got_there():
    outcome, evidence = judged(lambda *_: 13)
    assert outcome == OPEN and "no run reached it" in evidence


def test_time_that_is_the_same_in_the_first_epoch_does_not_fall():
    outcome, evidence = judged(lambda *_: 1)
    assert outcome == NOT and "+0.0 epochs [+0.0, +0.0]" in evidence


def test_a_missing_run_costs_rises_only_its_number_of_labels():
    def score(method, u, l, seed, **_):  # noqa: E741
        gone = (method, u, l, seed) == ("autoencoder", 0.1, 0.1, 0)
        return None if gone else 0.4 + 0.05 * (u or 0) + noise(0.002, method, u, l, seed)

    found = claims(check_cells(results_table(score, us=[0.1, 1], ls=[0.1, 0.5], seeds=range(3))))
    by_claim = found.set_index("claim")
    assert by_claim.n_seeds["the score rises with unlabelled data"] == 3
    assert by_claim.n_seeds["the gain from unlabelled data grows with labelled data"] == 2
