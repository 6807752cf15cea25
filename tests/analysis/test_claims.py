"""Each claim of the original study is judged as it deserves on results where the truth is known."""

import math

import pytest
from builders import UPDATES, grid, noise, realistic, results_table, tables

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
        (STOPS, {"gain": 0.05}, NOT),
        (STOPS, {"gain": 0.0, "sd": 0.1}, OPEN),
        (STOPS, {"gain": 0.03, "us": [1]}, OPEN),
        (WINS, {"gain": 0.01, "lead": 0.2}, HELD),
        (WINS, {"gain": 0.03, "lead": -0.1}, NOT),
        (WINS, {"gain": 0.0, "lead": 0.0}, OPEN),
        (WINS, {"gain": 0.03, "baseline": False}, OPEN),
        (CLOCK, {"gain": 0.0, "clock": 0.1}, HELD),
        (CLOCK, {"gain": 0.0, "clock": 100.0}, NOT),
        (FALLS, {"gain": 0.03}, OPEN),  # there is no history
    ],
)
def test_a_claim_is_judged_by_what_is_true(claim, settings, expected):
    assert outcomes(**settings)[claim] == expected


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


def test_time_is_open_if_nothing_got_there():
    outcome, evidence = judged(lambda *_: 13)
    assert outcome == OPEN and "no run reached it" in evidence


def test_time_that_is_the_same_in_the_first_epoch_does_not_fall():
    outcome, evidence = judged(lambda *_: 1)
    assert outcome == NOT and "+0.0 epochs [+0.0, +0.0]" in evidence
