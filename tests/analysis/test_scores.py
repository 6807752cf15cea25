"""Scores by setting agree with results worked out by hand, and count what is missing."""

import math

import numpy as np
import pandas as pd
import pytest
from builders import LOST, by_seed, cells_of, column, realistic, run_record, tables
from scipy import stats

from sslfast.analysis.scores import accuracy_targets, best_setting, scores
from sslfast.errors import ConfigError


def test_a_score_is_the_mean_over_seeds_with_its_interval():
    row = scores(by_seed(autoencoder=[0.5, 0.6, 0.7])).iloc[0]
    half = stats.t.ppf(0.975, 2) * 0.1 / math.sqrt(3) / (0.6 * 0.4)  # on the logit scale, where 0.6 is log 1.5
    ends = [1 / (1 + math.exp(-math.log(1.5) - side * half)) for side in (-1, 1)]
    assert (row["mean"], row.low, row.high) == pytest.approx((0.6, *ends))
    assert (row.n_seeds, row.n_missing, row.n_unlabelled, row.n_labelled) == (3, 0, 100, 500)


def test_scores_are_of_the_metric_asked_for():
    cells, _ = tables([run_record(accuracy=0.8, macro_f1=0.7)])
    assert column(scores(cells), "mean") == [0.7]
    assert column(scores(cells, "test_accuracy"), "mean") == [0.8]


def test_there_is_a_score_for_every_box_of_the_grid_and_the_baseline():
    found = scores(cells_of(us=["0", "0.1", "1"], ls=["0.05", "0.5"], encoders=["original", "conv"]))
    assert len(found) == 2 * 2 * (3 + 1)
    assert found.method.value_counts().to_dict() == {"autoencoder": 8, "random": 4, "supervised": 4}


def test_a_diverged_run_is_missing_from_the_mean_and_counted():
    row = scores(by_seed(autoencoder=[0.5, None, 0.7])).iloc[0]
    assert row["mean"] == pytest.approx(0.6)
    assert (row.n_seeds, row.n_missing) == (2, 1)
    assert math.isnan(row.low)


def test_a_run_that_stopped_early_does_not_make_training_look_fast():
    cells, _ = tables(
        [
            run_record(seed=0, epochs=10, seconds_an_epoch=3.0, seconds_pretrain=30),
            run_record(seed=1, problem=LOST, seconds_an_epoch=3.0, seconds_pretrain=1),
        ]
    )
    row = scores(cells).iloc[0]
    assert (row.seconds_classify, row.seconds_pretrain) == (30, 30)


def test_a_setting_without_any_result_has_no_score():
    row = scores(by_seed(autoencoder=[None, None, None])).iloc[0]
    assert math.isnan(row["mean"])
    assert (row.n_seeds, row.n_missing) == (0, 3)


# accuracy targets


def test_targets_that_are_given_are_kept():
    assert accuracy_targets(cells_of(), [0.99, 0.1]) == [0.99, 0.1]


@pytest.mark.parametrize("ls", [["0.5"], ["0.05", "0.5"], ["0.05", "0.2", "0.5"]])
@pytest.mark.parametrize("score", [realistic, lambda u, **_: 0.9 + 0.01 * (u or 0), lambda seed, **_: 0.5 + seed / 10])
def test_targets_are_round_and_within_what_the_study_reached(score, ls):
    cells = cells_of(score, ls=ls)
    targets = accuracy_targets(cells)
    means = scores(cells, "test_accuracy")["mean"]
    assert 1 <= len(targets) <= 3
    assert targets == sorted(set(targets))
    assert all(means.min() - 1e-9 <= target <= means.max() + 1e-9 for target in targets)
    assert all(round(target, 3) == target for target in targets)


def test_targets_by_hand():
    assert accuracy_targets(by_seed(random=[0.2], autoencoder=[0.7], supervised=[0.6])) == [0.4, 0.6, 0.7]


def test_a_highest_mean_that_is_round_is_itself_a_target():
    assert accuracy_targets(cells_of(lambda u, **_: 0.3 if u in (None, 0) else 0.6))[-1] == 0.6


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize(
    "score, expected",
    [
        (lambda **_: 0.0, []),
        (lambda **_: 1.0, [1.0]),
        (lambda u, **_: float(u == 1), [0.1, 0.5, 1.0]),
        (lambda u, **_: 0.001 * (u == 1), []),
    ],
)
def test_no_data_is_needed_for_an_accuracy_of_0_which_is_no_target(score, expected, seeds):
    assert accuracy_targets(cells_of(score, seeds=range(seeds))) == expected


def test_a_study_without_results_has_no_targets():
    assert accuracy_targets(by_seed(autoencoder=[None], supervised=[None])) == []


@pytest.mark.parametrize("target", [0, -0.1, 1.2, math.nan, True, "0.5"])
def test_a_target_that_is_no_accuracy_is_refused(target):
    with pytest.raises(ConfigError, match=r"accuracy target: found .*, expected a number of more than 0 and at most 1"):
        accuracy_targets(by_seed(autoencoder=[0.5]), [target])


def test_the_error_of_the_test_images_is_that_of_a_share():
    row = scores(by_seed(autoencoder=[0.36, 0.36, 0.36]), "test_accuracy").iloc[0]
    assert row.test_error == pytest.approx(math.sqrt(0.36 * 0.64 / 1000))


def test_identical_scores_have_no_interval():
    row = scores(by_seed(autoencoder=[0.3, 0.3, 0.3])).iloc[0]
    assert row["mean"] == 0.3 and math.isnan(row.low) and math.isnan(row.high)


def test_the_best_of_many_is_told_without_the_luck_of_its_choice():
    rng = np.random.default_rng(0)
    luck = []
    for _ in range(200):
        rows = [
            {"encoder": "e", "l": 0.1, "method": f"m{i}", "u": 1.0, "seed": seed, "test_macro_f1": 0.5 + noise}
            for i in range(20)
            for seed, noise in enumerate(rng.normal(0, 0.02, 3))
        ]
        table = pd.DataFrame(rows)
        _, score = best_setting(table)
        luck.append((table.groupby("method").test_macro_f1.mean().max() - 0.5, score - 0.5))
    highest, told = np.mean(luck, axis=0)
    assert highest > 0.015 and abs(told) < 0.003


def test_the_best_of_one_seed_has_no_such_score():
    (encoder, *_), score = best_setting(by_seed(autoencoder=[0.5], supervised=[0.6]))
    assert encoder and math.isnan(score)
    assert best_setting(by_seed(autoencoder=[None])) is None
