"""Existing nets in tables of results."""

import numpy as np
import pandas as pd
import pytest

from sslfast.analysis.base_nets import frozen_nets, starts
from sslfast.analysis.checks import check_cells
from sslfast.analysis.contrasts import contrasts
from sslfast.analysis.results import analyse
from sslfast.analysis.score_grids import grids
from sslfast.analysis.summary import summary
from sslfast.errors import ResultsError

NET = "timm.resnet18 timm 64"


def table(encoders=("conv",), n_seeds=5) -> pd.DataFrame:
    """A study in which the net is ten points better than the labels alone, and what goes on from it five more."""
    rng, rows = np.random.default_rng(0), []
    arms = [("supervised", np.nan, 0.5), ("random", 0.0, 0.4), ("autoencoder", 0.5, 0.45), ("autoencoder", 1.0, 0.47)]
    nets = [("imagenet", 0.0, 0.6), ("onwards", 0.5, 0.63), ("onwards", 1.0, 0.65), ("shuffled_imagenet", 0.0, 0.2)]
    for encoder, group in [*((e, arms) for e in encoders), ("timm.resnet18", nets)]:
        for method, u, score in group:
            for label in (0.1, 0.5):
                for seed in range(n_seeds):
                    value = score + 0.1 * label + 0.003 * rng.standard_normal()
                    rows.append(
                        {"method": method, "encoder": encoder, "u": u, "l": label, "seed": seed, "n_unlabelled":
                         1000 * np.nan_to_num(u), "n_labelled": 1000 * label, "test_macro_f1": value,
                         "test_accuracy": value, "base_net": NET if group is nets else None}
                    )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("encoders", [("conv",), ("conv", "original")])
def test_it_stands_beside_each_encoder_and_is_compared_with_its_baseline(encoders):
    cells = check_cells(table(encoders))
    found = contrasts(cells[~cells.method.str.startswith("shuffled")])
    mine = found[found.method == "imagenet"]
    assert sorted(mine.encoder.unique()) == sorted(encoders)
    assert mine.primary.all() and (mine.outcome == "better").all()
    assert mine.difference.between(0.08, 0.12).all()
    assert mine.sentence.str.contains(r"the existing net \(imagenet\) scores better than").all()
    assert set(contrasts(cells, against="random").method) == {"autoencoder"}


def test_what_goes_on_from_it_starts_where_it_ends_and_the_rest_at_the_random_control():
    cells = check_cells(table())
    assert frozen_nets(cells) == ["imagenet"]
    assert starts(cells) == {"onwards": "imagenet"}
    made = {grid.method: grid for grid in grids(cells[~cells.method.str.startswith("shuffled")])}
    assert {name: grid.start for name, grid in made.items()} == {
        "autoencoder": "random", "imagenet": "imagenet", "onwards": "imagenet",
    }  # fmt: skip
    assert np.array_equal(made["onwards"].scores[:, :, 0], made["imagenet"].scores[:, :, 0])
    assert list(made["imagenet"].unlabelled) == [0]


def test_a_whole_analysis_names_it_as_what_it_is():
    results = analyse(table())
    tables = results.tables
    assert "imagenet" not in {*tables["plateau"].method, *tables["surface"].method, *tables["claims"].method}
    controls = tables["controls"]
    assert set(controls[controls.method.isin(["imagenet", "onwards"])].control) == {"shuffled"}
    next_of = tables["what_next"][tables["what_next"].method == "autoencoder"]
    net = next_of[next_of.option == "the existing net imagenet"].iloc[0]
    assert 0.1 < net.gain < 0.16
    worth = tables["label_equivalence"]
    assert worth[worth.method == "imagenet"].sentence.str.contains("the existing net imagenet").all()
    text = summary(results)
    assert "an existing net beats training on the labels alone" in text
    assert "1 existing net, 2 ways of pre-training" in text


@pytest.mark.parametrize("rise, outcome", [(0.0, "better"), (0.05, "length")])
def test_a_net_that_nothing_is_trained_over_is_checked_by_what_more_training_gives_the_baseline(rise, outcome):
    cells = table(n_seeds=5).assign(evaluate="linear")
    baseline = cells[(cells.method == "supervised") & (cells.seed < 3)]
    halves = baseline.assign(test_macro_f1=baseline.test_macro_f1 - rise, length="half")
    results = analyse(cells, shorter=halves)
    mine = results.tables["length_check"].query("method == 'imagenet'")
    assert sorted(mine.l) == [0.1, 0.5] and (mine.n_seeds == 3).all()
    assert mine.gain.abs().max() == 0 and mine.moved.round(6).eq(-rise).all()
    contrasts = results.tables["contrasts"].query("method == 'imagenet' and against == 'supervised'")
    assert set(contrasts.outcome) == {outcome} and set(contrasts.by_seeds) == {"better"}


def test_without_the_column_an_encoder_at_0_is_still_an_error():
    with pytest.raises(ResultsError, match="an encoder without pre-training is method random"):
        check_cells(table().drop(columns="base_net"))
