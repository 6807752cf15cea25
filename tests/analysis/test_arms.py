"""Ways to spend the same labels, where an existing net is one of them."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from sslfast.analysis.best_arms import best_arms
from sslfast.analysis.image_noise import image_variance
from sslfast.analysis.multiple_testing import holm
from sslfast.analysis.results import Settings, analyse
from sslfast.analysis.summary import summary

NET = "timm.resnet18 timm 64"
LABELS = "labels alone"
RISES = {"supervised": 0.5, "rotation": 0.52, "imagenet": 0.6, "onwards": 0.6}


def table(n_seeds=5, encoders=("conv",), tuned=0.1, noise=0.003, labels=(0.1, 0.25, 0.5), **scores) -> pd.DataFrame:
    """A study of own pre-training, an existing net and what goes on from it; fine-tuning adds `tuned`."""
    rng, rows = np.random.default_rng(0), []
    scores = {**RISES, **scores}
    arms = [
        (m, e, u, s)
        for e in encoders
        for m, u, s in (
            ("supervised", np.nan, scores["supervised"]),
            ("random", 0.0, 0.3),
            ("rotation", 1.0, scores["rotation"]),
        )
    ]
    arms += [
        ("imagenet", "timm.resnet18", 0.0, scores["imagenet"]),
        ("onwards", "timm.resnet18", 1.0, scores["onwards"]),
    ]
    arms += [("shuffled_imagenet", "timm.resnet18", 0.0, 0.2)]
    for method, encoder, u, score in arms:
        for evaluate in ("head",) if method == "supervised" else ("linear", "finetune"):
            for label in labels:
                for seed in range(n_seeds):
                    value = (
                        score + (tuned if evaluate == "finetune" else 0) + 0.1 * label + noise * rng.standard_normal()
                    )
                    rows.append(
                        {"method": method, "encoder": encoder, "evaluate": evaluate, "u": u, "l": label, "seed": seed,
                         "n_unlabelled": 1000 * np.nan_to_num(u), "n_labelled": 1000 * label, "test_macro_f1": value,
                         "base_net": NET if encoder.startswith("timm") else None, "seconds_pretrain": 10.0 * (u > 0),
                         "seconds_data": 3.0, "seconds_classify": 5.0, "seconds_evaluate": 1.0}
                    )  # fmt: skip
    return pd.DataFrame(rows)


@cache
def found(judged_by="linear", **study):
    return analyse(table(**study), settings=Settings(judged_by=judged_by))


def test_each_method_is_an_arm_frozen_and_fine_tuned_beside_the_labels_alone():
    arms = found().tables["arms"]
    expected = [LABELS, "fine-tuned rotation", "frozen rotation", "fine-tuned imagenet", "frozen imagenet"]
    for _, here in arms.groupby("l"):
        assert here.arm.tolist() == [*expected, "fine-tuned onwards", "frozen onwards"]
    assert set(arms.kind) == {"labels", "own images", "existing net", "existing net and own images"}
    assert arms.pixels[arms.method.isin(["imagenet", "onwards"])].eq(64).all()
    assert (arms.difference[arms.arm == "frozen imagenet"] - 0.1).abs().max() < 0.01
    assert arms.worth[arms.arm == "frozen imagenet"].str.contains("> 500").all()


def test_features_of_a_net_are_told_once_and_not_in_each_seed():
    arms = found().tables["arms"].set_index("arm")
    frozen = arms.loc["frozen imagenet"]
    assert frozen.seconds.eq(6).all()
    assert frozen.seconds_once.eq(3 * 3 * 5).all()  # three numbers of labels, five seeds
    assert arms.loc["fine-tuned imagenet"].seconds.eq(9).all()
    assert arms.loc["frozen onwards"].seconds.eq(19).all()
    assert arms.seconds_once.drop("frozen imagenet").isna().all()


@pytest.mark.parametrize(("noise", "judged_by"), [(0.003, "linear"), (0.03, "finetune")])
def test_all_comparisons_are_one_family_which_the_verdict_against_the_labels_is_part_of(noise, judged_by):
    results = found(judged_by, noise=noise)
    pairs, contrasts = results.tables["arm_pairs"], results.tables["contrasts"]
    assert len(pairs) == 3 * 21
    assert np.allclose(pairs.p_holm, holm(pairs.p))
    primary = contrasts[contrasts.primary].sort_values(["method", "l"])
    mine = pairs[pairs.primary].sort_values(["first", "l"])
    assert len(primary) == len(mine) == 9
    for name in ("difference", "low", "high", "p", "p_holm"):
        assert np.allclose(primary[name], mine[name])
    assert primary.outcome.tolist() == mine.outcome.tolist()


@pytest.mark.parametrize(
    ("scores", "net", "best", "said"),
    [
        ({"imagenet": 0.6, "onwards": 0.5}, "enough", "fine-tuned imagenet", "makes the rest needless"),
        ({"imagenet": 0.6, "onwards": 0.7}, "not enough", "fine-tuned onwards", "alone is not enough"),
        (
            {"imagenet": 0.3, "onwards": 0.3, "rotation": 0.3},
            "no better than labels",
            LABELS,
            "no existing net is shown",
        ),
        ({"imagenet": 0.6, "onwards": 0.611, "noise": 0.006}, "not settled", None, "it is not settled"),
    ],
)
def test_the_verdict_says_whether_the_net_is_enough(scores, net, best, said):
    results = found("finetune", **scores)
    verdicts = results.tables["best_arms"]
    if best is None:
        assert "not settled" in set(verdicts.net)
    else:
        assert set(verdicts.net) == {net}
        assert set(verdicts.best) == {best}
    assert said in results.verdict.headline
    assert results.verdict.headline in summary(results)
    assert "a seed" in dict(results.verdict.answers)["What does each way cost?"]


def test_fine_tuned_networks_whose_training_is_not_checked_settle_nothing_about_the_net():
    results = found("linear", imagenet=0.6, onwards=0.5)
    verdicts = results.tables["best_arms"]
    assert set(verdicts.net) == {"not settled"}
    for text in (results.verdict.headline, *verdicts.sentence):
        assert "was not checked (judged_by: finetune checks it)" in text and "needless" not in text
    cells = table(imagenet=0.6, onwards=0.5)
    frozen = analyse(cells[cells.evaluate != "finetune"], settings=Settings(judged_by="linear"))
    assert set(frozen.tables["best_arms"].net) == {"enough"}


@pytest.mark.parametrize(
    ("scores", "arm", "moved", "net"),
    [
        ({"onwards": 0.5}, "fine-tuned rotation", 0.01, "enough"),  # 8 points behind: four such moves change nothing
        ({"onwards": 0.5}, "fine-tuned rotation", -0.03, "not settled"),
        ({"onwards": 0.5}, "fine-tuned rotation", np.inf, "not settled"),
        ({"onwards": 0.7}, "fine-tuned rotation", 0.1, "not enough"),  # another way shows it
        ({"onwards": 0.7}, "fine-tuned onwards", 0.01, "not enough"),
        ({"onwards": 0.7}, "fine-tuned onwards", -0.03, "not settled"),
        ({"onwards": 0.7}, "fine-tuned imagenet", 0.03, "not settled"),
    ],
)
def test_an_arm_that_may_come_to_matter_with_longer_training_leaves_the_net_open(scores, arm, moved, net):
    tables = found("finetune", imagenet=0.6, **scores).tables
    arms = tables["arms"]
    verdicts = best_arms(arms.assign(moved=arms.moved.mask(arms.arm == arm, moved)), tables["arm_pairs"], "finetune")
    assert set(verdicts.net) == {net}
    if net == "not settled":
        assert verdicts.sentence.str.contains("it still depends on how long one trains").all()


def test_a_net_whose_lead_over_the_labels_depends_on_how_long_one_trains_is_not_called_enough():
    tables = found("finetune", imagenet=0.6, onwards=0.5).tables
    arms = tables["arms"]
    arms = arms.assign(outcome=arms.outcome.mask(arms.arm == "fine-tuned imagenet", "length"))
    assert set(best_arms(arms, tables["arm_pairs"], "finetune").net) == {"not settled"}


def test_what_is_not_shown_to_be_worse_is_named_beside_the_best():
    verdicts = found(imagenet=0.6, onwards=0.6, noise=0.01).tables["best_arms"]
    assert all(row.ties for row in verdicts.itertuples())
    assert verdicts.sentence.str.contains("not shown to beat").all()


def test_a_gain_that_is_shown_and_too_small_leaves_the_net_enough():
    results = found("finetune", imagenet=0.6, onwards=0.606, noise=0.001)
    pairs = results.tables["arm_pairs"]
    mine = pairs[(pairs["first"] == "fine-tuned onwards") & (pairs.second == "fine-tuned imagenet")]
    assert set(mine.outcome) == {"better"}
    assert set(results.tables["best_arms"].net) == {"enough"}
    assert set(results.tables["best_arms"].best) == {"fine-tuned onwards"}


def test_two_seeds_settle_nothing():
    results = found(n_seeds=2)
    assert set(results.tables["best_arms"].net) == {"not settled"}
    frozen = analyse(table(n_seeds=2).query("evaluate != 'finetune'"), settings=Settings(judged_by="linear"))
    assert set(frozen.tables["best_arms"].net) == {"no better than labels"}  # none is shown to be
    assert results.tables["arm_pairs"].p_holm.isna().all()


@pytest.mark.parametrize("encoders", [("conv",), ("conv", "original")])
def test_every_encoder_of_the_study_has_its_own_answer(encoders):
    results = found(encoders=encoders)
    assert sorted(results.tables["best_arms"].encoder.unique()) == sorted(encoders)
    asked = [question for question, _ in results.verdict.answers]
    assert sum(question.startswith("Best with") for question in asked) == (len(encoders) if len(encoders) > 1 else 0)


def test_a_study_without_a_net_has_no_arms():
    cells = table()
    alone = cells[cells.base_net.isna()].drop(columns="base_net")
    assert not {"arms", "arm_pairs", "best_arms"} & set(analyse(alone, settings=Settings(judged_by="linear")).tables)


def test_test_images_widen_the_intervals_between_arms():
    cells = table(n_seeds=3)
    cells["record"] = [f"r{i}" for i in range(len(cells))]
    cells["status"] = "ok"
    rng, labels = np.random.default_rng(1), np.random.default_rng(0).integers(0, 3, 200)
    wrong = {name: rng.random(200) for name in cells.method.unique()}
    made = {r.record: np.where(wrong[r.method] < r.test_macro_f1, labels, (labels + 1) % 3) for r in cells.itertuples()}
    noise = image_variance(cells, made, labels)
    assert set(noise.other_evaluate.dropna()) == {"linear", "finetune"}
    settings_ = Settings(judged_by="linear")
    wide = analyse(cells, settings=settings_, image_noise=noise).tables["arm_pairs"]
    narrow = analyse(cells, settings=settings_).tables["arm_pairs"]
    assert wide.image_se.notna().all()
    assert (wide.high - wide.low >= narrow.high - narrow.low - 1e-12).all()
    plain = image_variance(cells.assign(base_net=None), made, labels)
    assert "other_evaluate" not in plain
