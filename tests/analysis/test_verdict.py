"""The verdict claims no more than the tests behind it."""

import pandas as pd
import pytest
from builders import cells_of, noise, realistic, results_table

from sslfast.analysis.decision import Prices
from sslfast.analysis.results import Settings, analyse
from sslfast.analysis.simulate.claims import looking_again
from sslfast.analysis.summary import main_table
from sslfast.analysis.verdict import LOOK_ONCE, verdict_of
from sslfast.analysis.words import LOOKING_AGAIN, p_value
from sslfast.report.pieces import table_html


def study_verdict(cells: pd.DataFrame, **settings):
    results = analyse(cells, settings=Settings(**settings))
    return verdict_of(results.cells, results.tables, results.settings.delta)


def with_gain(gains: dict[float, list[float]]) -> pd.DataFrame:
    """Cells at one u where pre-training gains this much at each labelled fraction, a number a seed."""
    n_seeds = len(next(iter(gains.values())))

    def score(method, l, seed, **_):  # noqa: E741
        return 0.5 + 0.001 * seed + (gains[l][seed] if method == "autoencoder" else 0)

    return results_table(score, us=(1,), ls=list(gains), seeds=range(n_seeds))


@pytest.mark.parametrize(
    "gains, start, part",
    [
        ({0.1: [0.10, 0.11, 0.12, 0.11, 0.1]}, "Yes: ", "with 4,500 labels, by 10.8 points."),
        ({0.1: [-0.10, -0.11, -0.12, -0.11, -0.1]}, "No: training on the labels alone", "by 10.8 points"),
        ({0.1: [0.10, -0.11, 0.02, 0.05, -0.04]}, "Not settled: 5 seeds do not show", ""),
        ({0.1: [0.10, 0.11]}, "Not settled: 2 seeds do not show", ""),
        ({0.1: [0.10]}, "Not settled: 1 seed does not show", ""),
        ({0.1: [0.001, -0.001, 0.0, 0.001, 0.0]}, "It makes no difference", "within 1.5 points"),
        ({0.1: [0.008, 0.009, 0.008, 0.009, 0.008]}, "Hardly: ", "less than is worth having"),
        (
            {0.1: [0.10, 0.11, 0.12, 0.11, 0.1], 0.5: [-0.10, -0.11, -0.12, -0.11, -0.1]},
            "It depends on the number of labels",
            "pre-training on unlabelled images wins with 4,500 labels (by 10.8 points); training on the labels alone"
            " wins with 22,500 labels",
        ),
        (
            {0.1: [0.10, 0.11, 0.12, 0.11, 0.1], 0.5: [0.1, -0.1, 0.1, -0.1, 0.0]},
            "Partly settled",
            "not settled with 22,500 labels",
        ),
    ],
)
def test_the_headline_says_who_wins_and_by_how_much(gains, start, part):
    head = study_verdict(with_gain(gains)).headline
    assert head.startswith(start)
    assert part in head


def test_without_a_baseline_or_pretraining_the_headline_says_what_is_missing():
    assert study_verdict(cells_of(baseline=False)).headline == (
        "Not known: no seed has both a pre-trained and a supervised run."
    )
    alone = study_verdict(cells_of(us=["0"]))
    assert alone.headline.startswith("Not known")
    assert ("What to get next?", "Nothing was pre-trained, so there is nothing to compare.") in alone.answers


def test_several_ways_of_pretraining_each_get_their_line():
    made = study_verdict(cells_of(encoders=["original", "conv"]))
    assert made.headline.startswith("Over 2 ways of pre-training")
    assert {"autoencoder, original", "autoencoder, conv"} <= {question for question, _ in made.answers}


def test_where_ways_of_pretraining_differ_each_says_whether_more_images_help_it():
    def flat_and_rising(encoder, u, seed, **_):
        return 0.5 + noise(0.001, encoder, u, seed) + (0.2 * float(u or 0) if encoder == "conv" else 0)

    shape = {"us": ["0.1", "0.5", "1"], "ls": ["0.1"], "seeds": range(5)}
    made = study_verdict(cells_of(flat_and_rising, encoders=["original", "conv"], **shape))
    conv, original = sorted(text for question, text in made.answers if question == "More unlabelled images?")
    assert conv.startswith(
        "autoencoder, conv: They may still help; no amount is shown beyond which they stop helping: the last step may"
        " still have gained up to 10."
    )
    assert original == (
        "autoencoder, original: At every number of labels, more than 100 of them gain less than 1.5 points."
    )
    alike = study_verdict(cells_of(lambda encoder, **run: flat_and_rising("conv", **run), encoders=["a", "b"], **shape))
    assert [question for question, _ in alike.answers].count("More unlabelled images?") == 1


def test_what_to_get_next_asks_for_prices_or_answers():
    cells = cells_of(us=["0.1", "0.3", "1"], ls=["0.05", "0.2", "0.5"], seeds=range(5))
    answer = dict(study_verdict(cells).answers)["What to get next?"]
    assert answer.startswith("Give prices ('prices' in the config) to get a recommendation.")
    answer = dict(study_verdict(cells, prices=Prices(price_per_label=0.001, budget=1)).answers)["What to get next?"]
    assert answer.startswith(("Get more labels (1,000): a guess is +", "Not settled", "Nothing: "))


def test_lost_runs_and_few_seeds_are_told():
    made = study_verdict(cells_of(lambda seed, **run: "diverged" if seed == 2 else realistic(seed=seed, **run)))
    sure = dict(made.answers)["How sure is this?"]
    assert made.exploratory
    assert sure.startswith("3 seeds, where a conclusion takes 5")
    assert "8 of 24 runs have no result" in sure


def test_what_adding_seeds_does_to_error_rates_is_told_where_that_is_advised():
    made = dict(study_verdict(cells_of(seeds=[0, 1]), prices=Prices(price_per_label=0.001, budget=1)).answers)
    assert "before adding seeds, see 'How sure is this?'" in made["What to get next?"]
    assert made["How sure is this?"].endswith(LOOK_ONCE)


def test_the_rates_that_are_told_of_looking_again_are_those_of_the_simulation():
    assert "9 % (3 seeds, then 5) or 14 % (3, 5, 7, 10)" in LOOKING_AGAIN
    assert looking_again((3,)) < 0.055
    assert round(looking_again((3, 5)), 2) == 0.09
    assert round(looking_again((3, 5, 7, 10)), 2) == 0.14
    for steps in ((3, 5), (3, 5, 7, 10)):  # and what is advised holds
        assert looking_again(steps, alpha=0.05 / len(steps)) < 0.055


def test_a_p_value_is_never_printed_as_0():
    assert [p_value(p) for p in (0, 1e-12, 0.00099, 0.001, 0.0324, 1)] == [
        *["< 0.001"] * 3, "0.001", "0.032", "1"]  # fmt: skip
    assert p_value(float("nan")) == "–"
    results = analyse(with_gain({key: [0.1, 0.1001, 0.0999, 0.1002, 0.0998] for key in (0.1, 0.5)}))
    assert set(main_table(results).p) == {"< 0.001"}
    assert "&lt; 0.001" in table_html(pd.DataFrame({"p": [0.0]}))
