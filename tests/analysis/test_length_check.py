"""A verdict that half the training would have turned is taken back, and what was not checked is said."""

import numpy as np
import pandas as pd
import pytest
from builders import LOST, grid, noise, results_table, tables

from sslfast.analysis.checks import check_cells
from sslfast.analysis.claims import claims
from sslfast.analysis.contrasts import contrasts
from sslfast.analysis.length_check import equal_passes, length_check, take_back
from sslfast.analysis.results import Results, analyse
from sslfast.analysis.summary import findings, main_table, summary
from sslfast.errors import ResultsError
from sslfast.report.trust import facts

LABELS = (0.02, 0.1, 0.5)  # of which the ends are checked
ENDS = (0.02, 0.5)
SEEDS = {s: 0.004 * (s - 2) for s in range(5)}  # what is easy for both arms
FULL = {"autoencoder": 0.70, "supervised": 0.60, "random": 0.40}


def score(method, seed, l, rise=(), **_):  # noqa: E741
    """Of a run that is `rise[method, l]` (or `rise[method]`) below its score after the full training."""
    own = 0.001 * ((7 * seed + len(method)) % 3)
    rise = dict(rise)
    return FULL[method] + SEEDS[seed] + own - rise.get((method, l), rise.get(method, 0))


CELLS = results_table(score, us=(0, 0.1, 1), ls=LABELS)


def halves(rise: dict, ls=ENDS, seeds=(0, 1)) -> pd.DataFrame:
    found = results_table(lambda **run: score(**run, rise=rise), us=(1,), ls=ls, seeds=seeds)
    return found.assign(length="half")


def checked(rise: dict, **which) -> Results:
    return analyse(CELLS, shorter=halves(rise, **which))


def primary(results: Results) -> pd.Series:
    found = results.tables["contrasts"]
    return found[found.primary & (found.against == "supervised")].set_index("l").outcome


def outcomes(results: Results) -> list[str]:
    return results.tables["length_check"].sort_values("l").outcome.tolist()


def test_a_verdict_stands_where_both_arms_have_learned_what_they_will():
    results = checked({"autoencoder": 0.004, "supervised": 0.01})
    assert outcomes(results) == ["holds", "holds"]
    assert (primary(results) == "better").all()
    assert results.verdict.headline.startswith("Yes: ")
    assert results.length.startswith(
        "half the training gives the same verdict: differences moved by 0.6 points at most (2 seeds"
    )
    assert f"- length of training: {results.length}" in summary(results)
    assert dict(results.verdict.answers)["Would longer training change it?"].lower() == f"{results.length}.".lower()


LATE = {"supervised": 0.05}  # the baseline was still learning: pre-training led by 15 points, and leads by 10


@pytest.mark.parametrize(
    "rise, outcome",
    [
        (LATE, "moves"),
        ({"autoencoder": 0.05}, "moves"),
        ({"autoencoder": 0.05, "supervised": 0.05}, "both rise"),
    ],
)
def test_a_verdict_that_moves_or_of_arms_that_both_still_rise_is_taken_back_everywhere(rise, outcome):
    results = checked(rise)
    assert outcomes(results) == [outcome, outcome]
    assert (primary(results) == "length").all()
    assert (results.tables["contrasts"].query("primary and against == 'supervised'").by_seeds == "better").all()
    assert results.verdict.headline.startswith("Not settled: it still depends on how long one trains")
    assert findings(results)[0] == results.verdict.headline
    assert "not settled: it still depends on how long one trains (with 900 labels" in findings(results)[1]
    assert results.length.startswith("it depends on the length of training: with 900 labels the difference went from")
    assert ("both arms still rise (by 5.0 points and 5.0 points)" in results.length) == (outcome == "both rise")
    shown = main_table(results)
    assert shown.difference.str.endswith("(depends on training length)").sum() == len(LABELS)
    text = summary(results)
    assert "**Not settled" in text and f"- length of training: {results.length}" in text
    answers = dict(results.verdict.answers)
    for question in ("More unlabelled images?", "What to get next?"):  # of such scores nothing else is concluded
        assert answers[question] == "Not settled: it still depends on how long one trains."


def test_the_trust_table_says_what_was_found_by_how_many_runs_and_at_what_cost():
    cells, history = tables(grid(lambda method, seed, **_: FULL[method] + SEEDS[seed], us=["1"]))

    def half(method, seed, l, **_):  # noqa: E741
        return LOST if (seed, l) == (1, 0.05) else FULL[method] + SEEDS[seed] - 0.05 * (method == "supervised")

    shorter = tables(grid(half, us=["1"], seeds=(0, 1)))[0].assign(length="half")
    results = analyse(cells, history, shorter=shorter)
    trust = facts(results, "Photos", {})
    assert trust["length of training"] == results.length
    assert trust["length of training"].startswith("it depends on the length of training: with 50 labels")

    assert trust["runs that check it"].startswith("8, 2 of them without result, with their encoders ")
    assert "runs that check it" not in facts(analyse(cells, history), "Photos", {})


def test_a_movement_or_a_rise_that_is_not_worth_having_takes_nothing_back():
    assert (primary(checked({"supervised": 0.014})) == "better").all()
    assert (primary(checked({"supervised": 0.014, "autoencoder": 0.014})) == "better").all()
    assert (primary(checked({"supervised": -0.05, "autoencoder": -0.05})) == "better").all()  # both fell
    strict = analyse(CELLS, shorter=halves({"supervised": 0.014}), settings=None)
    assert outcomes(strict) == ["holds", "holds"]
    assert length_check(CELLS, halves({"supervised": 0.014}), delta=0.01).outcome.tolist() == ["moves", "moves"]


def test_numbers_of_labels_in_between_stand_only_if_both_ends_do():
    results = checked({("supervised", 0.02): 0.05})
    assert outcomes(results) == ["moves", "holds"]
    assert primary(results).to_dict() == {0.02: "length", 0.1: "length", 0.5: "better"}
    head = results.verdict.headline
    assert head.startswith("Partly settled: pre-training on unlabelled images wins with 22,500 labels")
    assert "not settled with 900 and 4,500 labels: it still depends on how long one trains" in head


def test_only_the_way_that_moved_is_taken_back():
    both = results_table(lambda method, **run: score(**run, method=FULL_NAME[method]), us=(1,), ls=ENDS, methods=WAYS)
    rise = {"vae": 0.05}

    def half(method, **run):
        return score(**run, method=FULL_NAME[method]) - rise.get(method, 0)

    shorter = results_table(half, us=(1,), ls=ENDS, seeds=(0, 1), methods=WAYS).assign(length="half")
    found = analyse(both, shorter=shorter).tables["contrasts"].query("primary and against == 'supervised'")
    assert found.groupby("method").outcome.unique().map(list).to_dict() == {
        "autoencoder": ["better"],
        "vae": ["length"],
    }


WAYS = ("autoencoder", "vae")
FULL_NAME = {"autoencoder": "autoencoder", "vae": "autoencoder", "supervised": "supervised"}


def test_what_is_unknown_to_the_seeds_stays_unknown():
    few = CELLS[CELLS.seed < 2]
    assert (primary(analyse(few, shorter=halves(LATE))) == "unknown").all()


@pytest.mark.parametrize(
    "lost, missing",
    [
        (lambda t: t.method == "supervised", "the baseline's run of half the length"),
        (lambda t: t.method == "autoencoder", "the encoder's run of half the length"),
    ],
)
def test_a_check_whose_runs_have_no_result_takes_nothing_back_and_says_so(lost, missing):
    shorter = halves(LATE)
    gone = lost(shorter) & (shorter.l == 0.02)
    shorter.loc[gone, ["status", "test_macro_f1", "test_accuracy"]] = ["diverged", np.nan, np.nan]
    results = analyse(CELLS, shorter=shorter)
    assert outcomes(results) == ["unknown", "moves"]
    sentence = f"with 900 labels it cannot be told, as {missing} has no result"
    assert results.tables["length_check"].sentence.tolist()[0] == sentence
    assert primary(results)[0.02] == "better" and primary(results)[0.5] == "length"
    holds = halves({})
    holds.loc[gone, ["status", "test_macro_f1", "test_accuracy"]] = ["diverged", np.nan, np.nan]
    assert analyse(CELLS, shorter=holds).length.endswith(f"; {sentence}")
    alone = analyse(CELLS, shorter=holds[holds.l == 0.02])
    assert alone.length == f"whether longer training changes the verdict was not checked: {sentence}"


def test_without_shorter_runs_the_reason_is_said():
    results = analyse(CELLS, unchecked="it takes 3 seeds")
    assert results.length == "whether longer training changes the verdict was not checked: it takes 3 seeds"
    assert (primary(results) == "better").all()
    assert "there are no runs of half the length" in analyse(CELLS).length


@pytest.mark.parametrize("n_seeds, n_checked", [(3, 1), pytest.param(5, 1, marks=pytest.mark.long), (5, 2)])
def test_noise_alone_rarely_takes_a_verdict_back(n_seeds, n_checked):
    """The same scores at both lengths but for chance, half of which two lengths of a seed share: a tenth at most."""
    rng = np.random.default_rng(0)
    cells = results_table(score, us=(1,), ls=ENDS, seeds=range(n_seeds))
    shorter = halves({}, seeds=range(n_checked))
    bad = []
    for _ in range(100):
        of_seed, of_run = rng.normal(0, 0.005, (n_seeds, 2)), rng.normal(0, 0.0062, (n_seeds, 2, 2))
        for table in (cells, shorter):
            place = table.seed, (table.l == 0.5).astype(int)
            shared = of_seed[place] + of_run[(*place, (table.method == "supervised").astype(int))]
            table["test_macro_f1"] = 0.5 + shared + rng.normal(0, 0.0062, len(table))
        bad += length_check(cells, shorter, delta=0.015).outcome.isin(["moves", "both rise"]).tolist()
    assert len(bad) == 200 and np.mean(bad) < 0.13  # a tenth, and the standard error of that is 2 %


def test_what_chance_may_do_is_told_by_one_seed_too():
    for seeds in ((0,), (0, 1), (0, 1, 2)):
        found = length_check(CELLS, halves(LATE, seeds=seeds))
        assert (found.n_seeds == len(seeds)).all() and (found.outcome == "moves").all()
        assert (found.noise > 0).all() == (len(seeds) == 1)  # here, nothing but length moves a difference


def test_differences_are_of_the_same_seeds():
    found = length_check(CELLS, halves(LATE)).set_index("l").loc[0.5]
    full = CELLS[(CELLS.l == 0.5) & (CELLS.seed < 2) & (CELLS.u != 0.1)].groupby("method").test_macro_f1.mean()
    difference = full["autoencoder"] - full["supervised"]
    assert found.difference == pytest.approx(difference)
    assert found.difference_half == pytest.approx(difference + 0.05)
    assert (found.moved, found.gain, found.gain_baseline) == pytest.approx((-0.05, 0, 0.05))


def test_equal_passes_tell_what_more_images_gain_with_and_without_more_training():
    """0.7 with all images; with a tenth of them 0.68, and 0.6 if they are also trained on for a tenth of the time."""

    def at(u, **run):
        return score(**run) - {0.1: 0.02}.get(u, 0)

    cells = results_table(at, us=(0, 0.1, 1), ls=LABELS)
    passes = results_table(lambda u, **run: at(u, **run) - 0.08, us=(0.1,), ls=(0.02,), seeds=(0, 1), baseline=False)
    results = analyse(cells, shorter=passes.assign(length="passes"))
    (row,) = results.tables["equal_passes"].itertuples()
    assert (row.l, row.u, row.n_labelled, row.n_unlabelled, row.n_seeds) == (0.02, 0.1, 900, 4500, 2)
    assert (row.gain, row.gain_passes) == pytest.approx((0.02, 0.10))
    assert row.score - row.score_passes == pytest.approx(0.08)
    assert row.sentence in findings(results)
    assert "+2.0 points with equal updates, +10.0 points with equal passes" in row.sentence
    lost = passes.assign(length="passes", status="diverged", test_macro_f1=np.nan, test_accuracy=np.nan)
    assert equal_passes(cells, lost).empty and analyse(cells, shorter=lost).tables["equal_passes"].empty


def test_shorter_runs_of_a_length_that_nobody_knows_are_named():
    with pytest.raises(ResultsError, match="column length: found 'quarter', expected half or passes"):
        analyse(CELLS, shorter=halves({}).assign(length="quarter"))
    with pytest.raises(ResultsError, match=r"shorter.*length"):
        analyse(CELLS, shorter=halves({}).drop(columns="length"))


@pytest.mark.parametrize("way", [1, -1])
def test_a_move_that_chance_may_explain_takes_back_what_one_of_its_size_would_overturn_either_way(way):
    before = ["worse", "better", "equal", "better", "worse"]
    primary = pd.DataFrame(
        {"encoder": "e", "method": "m", "u": 1.0, "l": [0.1, 0.2, 0.3, 0.4, 0.5], "primary": True,
         "sentence": "It is so.", "outcome": before, "difference": [-0.08, 0.03, 0.002, 0.036, -0.03]}
    )  # fmt: skip
    moved = primary[["encoder", "method", "u", "l"]].assign(moved=way * 0.02, outcome="unsure", sentence="it moved")
    found = take_back(primary, moved)
    assert found.outcome.tolist() == ["worse", "length", "length", "better", "length"]
    assert found.by_seeds.tolist() == before
    assert found.sentence[1] == "It is so; not settled: it may still depend on how long one trains (it moved)."


def test_of_scores_that_depend_on_the_length_no_claim_is_decided():
    table = results_table(lambda u, method, l, seed, **_: 0.4 + 0.1 * (u or 0) + noise(0.002, u, method, l, seed))  # noqa: E741
    decided = claims(check_cells(table)).set_index("claim").outcome
    against = contrasts(check_cells(table))
    against.loc[against.primary, "outcome"] = "length"
    found = claims(check_cells(table), against=against).set_index("claim")
    assert decided["the score rises with unlabelled data"] == "held"
    assert found.outcome["the score rises with unlabelled data"] == "not settled"
    assert "still depend on how long one trains" in found.evidence["the score rises with unlabelled data"]
