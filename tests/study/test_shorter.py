"""Which runs a study makes shorter, to see whether its verdict depends on the length of training."""

import pytest
from builders import SCHEMA
from grids import CONFIGS, checked
from hypothesis import given
from hypothesis import strategies as st

from sslfast.study.config import check_config
from sslfast.study.depends import job_settings
from sslfast.study.grid import jobs_of
from sslfast.study.shorter import AT_MOST, FEWEST_SEEDS, HEAD, PRETRAIN, share_of, shorter_runs, why_not

COSTS = {"supervised": 1.0, "classify": HEAD, "pretrain": PRETRAIN}  # of all of their length
BASE = {"seeds": 3, "labelled": [0.1, 0.3, 0.5], "unlabelled": [0, 0.2, 0.5, 1]}


def shorter_names(**changes) -> set[str]:
    return {job.name for job in jobs_of(checked(**{**BASE, **changes})) if job.name.endswith(("-half", "-passes"))}


def test_half_of_the_training_is_tried_at_both_ends_of_the_labels_and_equal_passes_at_the_fewest():
    boxes = {f"autoencoder-original-u{u}" for u in ("0.2", "0.5")}
    assert shorter_names() == {
        "pretrain/autoencoder-original-u1-s0-half",
        *(f"classify/autoencoder-original-u1-l{label}-s0-half" for label in ("0.1", "0.5")),
        *(f"supervised/original-l{label}-s0-half" for label in ("0.1", "0.5")),
        *(f"pretrain/{box}-s0-passes" for box in boxes),
        *(f"classify/{box}-l0.1-s0-passes" for box in boxes),
    }


def test_with_a_pool_of_the_rest_each_number_of_labels_has_its_own_shorter_encoder():
    names = {name for name in shorter_names(pool="rest") if name.startswith("pretrain")}
    halves = {f"pretrain/autoencoder-original-u1-l{label}-s0-half" for label in ("0.1", "0.5")}
    assert names == halves | {f"pretrain/autoencoder-original-u{u}-l0.1-s0-passes" for u in ("0.2", "0.5")}


def test_by_epochs_passes_are_equal_already():
    assert {name.rpartition("-")[2] for name in shorter_names(budget="epochs")} == {"half"}


@pytest.mark.parametrize(
    "changes, stage",
    [
        ({"evaluate": ["linear", "knn"]}, "linear"),
        ({"evaluate": ["linear", "finetune"]}, "finetune"),
        ({"evaluate": ["head", "knn"], "judged_by": "knn"}, "knn"),
    ],
)
def test_what_is_built_over_shorter_encoders_is_what_the_study_is_judged_by(changes, stage):
    assert {name.partition("/")[0] for name in shorter_names(**changes)} == {"pretrain", "supervised", stage}


@given(CONFIGS, st.integers(3, 30), st.floats(0.01, 0.99))
def test_shorter_runs_take_a_fifth_of_the_cost_at_most_or_one_seed(config, seeds, middle):
    """Every run of the same length, and so one number of labels: what takes the longest, by the module's reckoning."""
    one_label = {"labelled": [0.5], "evaluate": ["head"], "controls": [], "pool": "all"}
    study = check_config({**config, **one_label, "seeds": seeds, "unlabelled": [0, round(middle, 2), 1]}, SCHEMA)
    jobs = [job for job in jobs_of(study) if job.stage in COSTS and (job.stage, job.u) != ("pretrain", "0")]
    cost = {
        shorter: sum(
            job_settings(study, job)["share"] * COSTS[job.stage]
            for job in jobs
            if (job.name.endswith(("half", "passes"))) == shorter
        )
        for shorter in (True, False)
    }
    n = len(shorter_runs(study).seeds)
    assert n == 1 or cost[True] <= AT_MOST * (cost[True] + cost[False]) + 1e-9
    assert n == seeds or (more := cost[True] * (n + 1) / n) > AT_MOST * (more + cost[False])


REASONS = {
    "too few seeds": ({"seeds": FEWEST_SEEDS - 1}, "it takes 3 seeds"),
    "no encoder": ({"unlabelled": [0]}, "nothing is pre-trained, so there is one arm only"),
    "switched off": ({"check_length": False}, "it was switched off (check_length in the config)"),
    "one epoch": (
        {"budget": "epochs", "supervised": {"epochs": 1}},
        "supervised is trained for one epoch, of which there is no half",
    ),
    "one update": ({"pretrain": {"updates": 1}}, "autoencoder is trained for one update, of which there is no half"),
    "one update of a variant": (
        {"methods": ["cool"], "variants": {"cool": {"method": "vae", "updates": 1}}},
        "cool is trained for one update, of which there is no half",
    ),
    "one update of what judges": (
        {"evaluate": ["finetune"], "finetune": {"updates": 1}},
        "finetune is trained for one update, of which there is no half",
    ),
}


@pytest.mark.parametrize("case", REASONS)
def test_a_study_without_shorter_runs_has_a_reason(case):
    changes, reason = REASONS[case]
    study = checked(**{**BASE, **changes})
    assert shorter_runs(study) is None
    assert why_not(study) == reason
    assert not shorter_names(**changes)


NET = {"method": "base", "net": "timm.resnet18.a1_in1k"}
NETS = {"variants": {"net": NET, "onwards": {"method": "simclr", "start": "net"}}, "methods": ["net", "onwards"]}


def test_what_is_trained_over_a_net_as_it_is_is_tried_for_half_as_long_too():
    """Of what is not, the baseline alone can change."""
    net, onwards = (f"{name}-{NET['net']}-u{u}" for name, u in (("net", 0), ("onwards", 1)))
    ends = ("0.1", "0.5")
    baseline = {f"supervised/original-l{label}-s0-half" for label in ends}
    for evaluation, stage in (("head", "classify"), ("finetune", "finetune")):
        names = {name for name in shorter_names(**NETS, evaluate=[evaluation]) if name.endswith("half")}
        tuned = {f"{stage}/{box}-l{label}-s0-half" for box in (net, onwards) for label in ends}
        assert names == baseline | tuned | {f"pretrain/{onwards}-s0-half"}
    linear = {name for name in shorter_names(**NETS, evaluate=["linear"]) if name.endswith("half")}
    assert linear == baseline | {f"linear/{onwards}-l{label}-s0-half" for label in ends} | {
        f"pretrain/{onwards}-s0-half"
    }
    alone = {**NETS, "methods": ["net"], "unlabelled": [0], "evaluate": ["linear"]}
    assert {name for name in shorter_names(**alone) if "-s0-" in name} == baseline


def test_what_is_not_trained_in_a_study_is_no_reason():
    study = checked(**BASE, evaluate=["linear"], classify={"updates": 1}, supervised={"updates": 80})
    assert why_not(study) == "" and shorter_runs(study).evaluation == "linear"


@given(CONFIGS, st.booleans(), st.sampled_from(["updates", "epochs"]))
def test_a_study_has_shorter_runs_of_its_own_boxes_or_a_reason_for_none(config, check, budget):
    study = check_config({**config, "check_length": check, "budget": budget}, SCHEMA)
    jobs = {job.name: job for job in jobs_of(study)}
    shorter = [job for job in jobs.values() if job.name.endswith(("-half", "-passes"))]
    assert bool(shorter) != bool(why_not(study))
    for job in shorter:
        name, _, length = job.name.rpartition("-")
        own = jobs[name]
        assert (own.rule, own.method, own.encoder, own.u, own.l, own.seed) == (
            job.rule, job.method, job.encoder, job.u, job.l, job.seed,
        )  # fmt: skip
        share = job_settings(study, job)["share"]
        assert share == share_of(length, job.stage, job.u, study.unlabelled[-1])
        assert share < 1 or (length == "passes" and job.stage != "pretrain")
        assert job_settings(study, own)["share"] == 1


def test_passes_shrink_with_the_images_and_what_is_built_over_them_does_not():
    assert share_of("passes", "pretrain", "0.1", "0.5") == pytest.approx(0.2)
    assert share_of("passes", "classify", "0.1", "0.5") == 1
    assert share_of("half", "pretrain", "0.1", "0.5") == share_of("half", "supervised", None, "0.5") == 0.5
    assert share_of("", "pretrain", "0.1", "0.5") == 1
