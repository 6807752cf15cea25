"""Whether evaluations order methods alike, on tables whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from builders import column, noise, results_table
from hostile import trying
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from scipy import stats
from statsmodels.stats.multitest import multipletests

from sslfast.analysis.evaluations import (
    agreements,
    differences,
    evaluation_order,
    evaluation_scores,
    in_order,
    rank_correlations,
)
from sslfast.errors import ResultsError

METHODS = ["autoencoder", "byol", "simclr"]
ALIKE = {  # means by evaluation and method
    "head": {"autoencoder": 0.50, "byol": 0.55, "simclr": 0.60, "random": 0.40},
    "linear": {"autoencoder": 0.45, "byol": 0.52, "simclr": 0.56, "random": 0.35},
    "knn": {"autoencoder": 0.40, "byol": 0.45, "simclr": 0.52, "random": 0.30},
}
TURNED = {**ALIKE, "knn": {"autoencoder": 0.47, "byol": 0.40, "simclr": 0.52, "random": 0.30}}


def table(means, *, sd=0.003, us=(0, 1), ls=(0.1,), baseline=True, pixels=False, **options):
    """Cells of all evaluations; the baseline has 0.55, pixels 0.42 by the linear probe."""
    parts = []
    for evaluate, of in means.items():

        def score(method, l, seed, of=of, evaluate=evaluate, **_):  # noqa: E741
            mean = 0.55 if method == "supervised" else of[method]
            lucky = 0.02 * (seed % 3)  # seeds differ by far more than the noise
            return mean + lucky + noise(sd, method, "" if method == "supervised" else evaluate, l, seed)

        made = results_table(score, us=us, ls=ls, methods=METHODS, baseline=baseline, **options)
        parts.append(made.assign(evaluate=evaluate))
    cells = pd.concat(parts, ignore_index=True)
    cells = cells[(cells.method != "supervised") | (cells.evaluate == "head")]
    if pixels:
        own = cells[(cells.method == "random") & (cells.evaluate == "linear")]
        own = own.assign(method="pixels", u=np.nan, test_macro_f1=0.42 + 0.02 * (own.seed % 3))
        cells = pd.concat([cells, own], ignore_index=True)
    return cells


def test_scores_are_means_over_seeds_with_t_intervals_and_ranks():
    cells = table(ALIKE, pixels=True)
    found = evaluation_scores(cells)
    ours = cells[(cells.method == "byol") & (cells.evaluate == "knn")].test_macro_f1
    row = found[(found.method == "byol") & (found.evaluate == "knn")].iloc[0]
    low, high = stats.t.interval(0.95, 4, ours.mean(), stats.sem(ours))
    assert (row["mean"], row.low, row.high) == pytest.approx((ours.mean(), low, high), abs=2e-4)  # ends by logits
    linear = found[found.evaluate == "linear"].sort_values("rank")
    assert linear.method.tolist() == ["simclr", "supervised", "byol", "autoencoder", "pixels", "random"]
    assert linear["rank"].tolist() == [1, 2, 3, 4, 5, 6] and (linear.n_ranked == 6).all()
    assert "pixels" not in column(found, "method", evaluate="knn")


def test_what_uses_no_unlabelled_images_is_compared_at_every_u():
    found = evaluation_scores(table(ALIKE, us=(0, 0.1, 1), pixels=True))
    for u in (0.1, 1):
        here = found[(found.u == u) & (found.evaluate == "linear")]
        assert set(here.method) == {*METHODS, "random", "pixels", "supervised"}
    assert set(found.u) == {0.1, 1}


def test_the_baseline_stands_under_every_evaluation_unless_it_has_scores_of_its_own():
    cells = table(ALIKE)
    once = evaluation_scores(cells).query("method == 'supervised'")
    assert once.evaluate.tolist() == ["head", "linear", "knn"] and once["mean"].nunique() == 1
    empty = cells.assign(evaluate=cells.evaluate.where(cells.method != "supervised", np.nan))
    assert_frame_equal(evaluation_scores(empty), evaluation_scores(cells))
    own = cells[cells.method == "supervised"].assign(evaluate="linear", test_macro_f1=0.7)
    both = evaluation_scores(pd.concat([cells, own])).query("method == 'supervised'").set_index("evaluate")["mean"]
    assert both["linear"] == pytest.approx(0.7) and both["head"] == both["knn"] != both["linear"]


def test_differences_are_those_of_paired_t_tests_corrected_by_holm():
    cells = table(TURNED, us=(0, 1))
    found = differences(cells)
    values = cells.pivot_table(index="seed", columns=["evaluate", "method"], values="test_macro_f1")
    for row in found.query("first == 'byol' and second == 'simclr'").itertuples():
        a, b = values[row.evaluate, "byol"], values[row.evaluate, "simclr"]
        test = stats.ttest_rel(a, b)
        assert row.difference == pytest.approx((a - b).mean()) and row.p == pytest.approx(test.pvalue, abs=1e-9)
        assert (row.low, row.high) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert len(found) == 3 * 10  # five methods with the baseline
    assert found.p_holm.tolist() == pytest.approx(multipletests(found.p, method="holm")[1])


def test_a_seed_without_one_of_two_runs_is_dropped_from_their_difference():
    cells = table(ALIKE)
    lost = (cells.method == "byol") & (cells.seed == 0) & (cells.evaluate == "knn")
    cells.loc[lost, "test_macro_f1"] = np.nan
    found = differences(cells).query("evaluate == 'knn'").set_index(["first", "second"]).n_seeds
    assert found["byol", "simclr"] == 4 and found["autoencoder", "simclr"] == 5


def test_the_same_order_everywhere_is_said():
    (row,) = evaluation_order(table(ALIKE, baseline=False)).itertuples()
    assert (row.n_same, row.n_opposite, row.n_open, row.tau) == (6, 0, 0, 1)
    assert row.sentence == (
        "With 4,500 labels and 45,000 unlabelled images, the order of methods is the same under the head, a linear"
        " probe and nearest neighbours: 6 of 6 pairs of methods keep their sign (5 seeds)."
    )


def test_a_settled_change_of_order_is_said_with_both_differences():
    (row,) = evaluation_order(table(TURNED, baseline=False)).itertuples()
    assert (row.n_same, row.n_opposite, row.n_open) == (5, 1, 0)
    assert "the order of methods changes with the evaluation: autoencoder scores below byol by " in row.sentence
    assert "above it by nearest neighbours (+6.8 points [" in row.sentence
    assert row.sentence.endswith("; 1 of 6 pairs of methods changes sign, 5 keep it (5 seeds).")
    assert row.tau == pytest.approx(2 / 3)


def test_methods_come_before_the_baseline_as_the_example_of_a_change():
    found = evaluation_order(table({**TURNED, "finetune": {name: 0.3 + mean for name, mean in TURNED["head"].items()}}))
    assert (found.n_opposite > 3).all()  # all that are fine-tuned are above the baseline
    assert "autoencoder scores" in found.sentence[0] and "supervised" not in found.sentence[0]


def test_what_noise_turns_is_not_settled():
    close = {"head": dict.fromkeys(ALIKE["head"], 0.5), "knn": dict.fromkeys(ALIKE["head"], 0.5)}
    (row,) = evaluation_order(table(close, baseline=False)).itertuples()
    assert (row.n_same, row.n_opposite, row.n_open) == (0, 0, 6)
    assert "no change of order between the head and nearest neighbours is shown, nor that there is none" in row.sentence


@trying(20, 400)
def test_where_no_method_differs_few_studies_find_a_change_of_order(n):
    equal = {name: dict.fromkeys(ALIKE["head"], 0.5) for name in ("head", "knn")}
    wrong = 0
    for study in range(n):
        cells = table(equal, baseline=False, sd=0)
        rng = np.random.default_rng(study)
        cells["test_macro_f1"] += 0.01 * rng.standard_normal(len(cells))
        (row,) = evaluation_order(cells).itertuples()
        wrong += row.n_opposite > 0 or row.n_same > 0
    assert wrong <= n * 0.05 + 3 * (n * 0.05 * 0.95) ** 0.5


def test_outcomes_need_both_differences_to_be_settled():
    found = differences(table(TURNED)).query("first == 'autoencoder' and second == 'byol'")
    assert agreements(found).set_index(["evaluate", "other"]).outcome.to_dict() == {
        ("head", "linear"): "same",
        ("head", "knn"): "opposite",
        ("linear", "knn"): "opposite",
    }
    unsure = found.assign(p_holm=found.p_holm.where(found.evaluate != "knn", 0.2))
    judged = agreements(unsure).set_index(["evaluate", "other"])
    assert judged.outcome["head", "knn"] == "not settled" and judged.alone["head", "knn"] == "opposite"
    assert judged.outcome["head", "linear"] == "same"


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_seeds_settle_nothing(n):
    (row,) = evaluation_order(table(TURNED, baseline=False).query(f"seed < {n}")).itertuples()
    assert (row.n_same, row.n_opposite, row.n_open) == (0, 0, 6)
    assert f"({n} seed{'s' * (n > 1)}; exploratory)" in row.sentence


def test_encoders_labels_and_amounts_have_an_answer_each():
    found = evaluation_order(table(ALIKE, us=(0, 0.1, 1), ls=(0.1, 0.5), encoders=["conv", "original"]))
    assert len(found) == 2 * 2 * 2 and found.sentence.nunique() == 8
    assert found.sentence[0].startswith("With 4,500 labels and 4,500 unlabelled images (encoder conv), ")


def test_one_evaluation_or_one_method_cannot_be_compared():
    one = table({"head": ALIKE["head"]})
    assert evaluation_order(one).sentence.str.contains("cannot be compared: it takes two methods").all()
    alone = table(ALIKE, baseline=False).query("method == 'byol'")
    assert evaluation_order(alone).sentence.str.contains("cannot be compared").all()
    assert rank_correlations(evaluation_scores(alone)).tau.isna().all()


def test_a_method_without_a_result_has_no_rank_and_the_rest_is_compared():
    cells = table(ALIKE, baseline=False)
    cells.loc[cells.method == "byol", "test_macro_f1"] = np.nan
    found = evaluation_scores(cells)
    assert found[found.method == "byol"]["rank"].isna().all() and (found.n_ranked == 3).all()
    (row,) = evaluation_order(cells).itertuples()
    assert (row.n_same, row.n_open, row.n_seeds) == (3, 0, 5) and row.n_methods == 3


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=4))
def test_rank_correlation_is_kendalls(means):
    names = [*METHODS, "random"][: len(means)]
    levels = {"head": 0, "knn": 1}
    of = {e: {m: 0.3 + 0.1 * means[i][k] for i, m in enumerate(names)} for e, k in levels.items()}
    of = {e: {**dict.fromkeys(ALIKE["head"], 0.0), **found} for e, found in of.items()}
    cells = table(of, sd=0, baseline=False)
    (tau,) = rank_correlations(evaluation_scores(cells[cells.method.isin(names)])).tau
    expected = stats.kendalltau(*zip(*means, strict=True)).statistic
    assert tau == pytest.approx(expected, nan_ok=True)


@settings(max_examples=3)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(random):
    cells = table(TURNED, pixels=True)
    order = list(range(len(cells)))
    random.shuffle(order)
    assert_frame_equal(evaluation_order(cells.iloc[order]), evaluation_order(cells), rtol=1e-9)
    assert_frame_equal(evaluation_scores(cells.iloc[order]), evaluation_scores(cells), rtol=1e-9)


def test_tables_that_cannot_be_are_refused_in_one_line():
    cells = table(ALIKE)
    with pytest.raises(ResultsError, match="no column evaluate"):
        evaluation_scores(cells.drop(columns="evaluate"))
    with pytest.raises(ResultsError, match="stands twice, expected one row"):
        differences(pd.concat([cells, cells.iloc[:1]]))
    empty = cells.assign(evaluate=cells.evaluate.where(cells.method != "byol", None))
    with pytest.raises(ResultsError, match="column evaluate is empty for method byol"):
        evaluation_order(empty)


def test_evaluations_are_shown_in_a_fixed_order():
    assert in_order(["own", "knn", "attentive", "finetune", "head"]) == ["head", "knn", "finetune", "attentive", "own"]
