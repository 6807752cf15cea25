"""Existing nets in configs and grids."""

import pytest
from builders import SCHEMA
from grids import BASE, checked
from hypothesis import given, settings
from hypothesis import strategies as st

from sslfast.errors import ConfigError
from sslfast.study.base_nets import base_of, encoders_of, learns, leave_out, skippable
from sslfast.study.config import check_config
from sslfast.study.depends import method_settings
from sslfast.study.grid import jobs_of
from sslfast.study.study import Study

NET = {"method": "base", "net": "timm.resnet18.a1_in1k"}
ARMS = {
    "variants": {"net": NET, "onwards": {"method": "simclr", "start": "net"}, "cool": {"method": "simclr"}},
    "methods": ["autoencoder", "net", "onwards"],
}


def ways(study: Study, stage: str = "pretrain") -> set[tuple]:
    return {(job.method, job.encoder, job.u) for job in jobs_of(study) if job.stage == stage}


@given(
    unlabelled=st.sampled_from([[0], [0.5], [0, 0.5, 1]]),
    encoders=st.sampled_from([["conv"], ["conv", "original"]]),
    pool=st.sampled_from(["all", "rest"]),
    shuffled=st.booleans(),
)
@settings(max_examples=12, deadline=None)
def test_a_net_is_one_box_a_seed_and_what_goes_on_from_it_has_its_encoder(unlabelled, encoders, pool, shuffled):
    controls = ["shuffled"] if shuffled else []
    study = checked(**ARMS, unlabelled=unlabelled, encoders=encoders, pool=pool, controls=controls)
    net, us = NET["net"], [u for u in study.unlabelled if u != "0"]
    learned = {("net", net, "0")}
    learned |= {("onwards", net, u) for u in us} | {("autoencoder", e, u) for e in encoders for u in us}
    expected = learned | {("random", e, "0") for e in encoders if "0" in study.unlabelled}
    expected |= {(f"shuffled_{method}", e, u) for method, e, u in learned} if shuffled else set()
    assert ways(study) == ways(study, "classify") == expected
    names = [job.name for job in jobs_of(study)]
    assert len(set(names)) == len(names)
    known = set(names)
    assert all(need in known for job in jobs_of(study) for need in job.needs)
    assert sum(name.startswith("pretrain/net-") for name in names) == len(study.seeds)


def test_its_settings_are_its_own_and_none_of_training():
    study = checked(**ARMS, pretrain={"lr": 0.5})
    arm = {"net": NET["net"], "weights": "timm", "size": None}
    assert method_settings(study, "net") == {"method": "base", "options": arm}
    assert method_settings(study, "shuffled_net") == method_settings(study, "net")
    onwards = method_settings(study, "onwards")
    assert onwards["start"] == arm and "start" not in onwards["options"]
    assert onwards["method"] == "simclr"
    assert "start" not in method_settings(study, "cool")
    assert [learns(study, name) for name in ARMS["methods"]] == [True, False, True]
    assert base_of(study, "autoencoder") is None
    assert encoders_of(study, "autoencoder") == study.encoders


def test_the_plain_name_stands_for_the_section():
    study = checked(methods=["base"], base={"size": 64})
    assert ("base", "timm.tf_efficientnet_lite0", "0") in ways(study)
    assert method_settings(study, "base")["options"]["size"] == 64


def test_a_file_is_known_by_its_content_and_not_by_its_place(tmp_path):
    made = []
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / f"{place}.pth").write_bytes(b"weights")
        variants = {"net": {**NET, "weights": f"{place}/{place}.pth"}}
        study = check_config({**BASE, "methods": ["net"], "variants": variants}, SCHEMA, tmp_path)
        made.append(method_settings(study, "net"))
        digest = made[-1]["options"]["weights"]
        assert study.weights_files == {digest: str(tmp_path / place / f"{place}.pth")}
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"net": "conv"}, r"variants\.net\.net: found 'conv', expected timm\.<model>"),
        ({"net": "torchvision.resnet18.tag"}, r"variants\.net\.net: found"),
        ({"weights": "torchvision"}, r"variants\.net\.weights: found torchvision, but the net is timm"),
        ({"weights": "weights.txt"}, r"variants\.net\.weights: found 'weights.txt', expected timm or a file"),
        ({"weights": "none.pth"}, r"variants\.net\.weights: no file .*none\.pth; put the weights of timm"),
        ({"size": 4}, r"variants\.net\.size: found 4, expected 8 or more"),
        ({"lr": 0.1}, r"variants\.net\.lr: unknown key"),
    ],
)
def test_what_cannot_be_is_one_line_that_names_the_key(changes, message):
    with pytest.raises(ConfigError, match=message):
        checked(variants={"net": {**NET, **changes}}, methods=["net"])


@pytest.mark.parametrize("start", ["autoencoder", "cool", "nothing"])
def test_a_start_that_is_no_net_is_one_line(start):
    variants = {**ARMS["variants"], "wrong": {"method": "simclr", "start": start}}
    with pytest.raises(ConfigError, match=r"variants\.wrong\.start: found .*, expected one of net, or base"):
        checked(variants=variants, methods=["wrong"])


def test_missing_weights_leave_out_what_stands_on_them_and_only_that():
    variants = {**ARMS["variants"], "net": {**NET, "weights": "none.pth", "on_missing": "skip"}}
    study = checked(**{**ARMS, "variants": variants})
    assert study.methods == ("autoencoder",)
    assert set(study.left_out) == {"net", "onwards"}
    with pytest.raises(ConfigError, match="no file"):
        checked(variants=variants, methods=["net"])
    whole = checked(**ARMS)
    assert leave_out(whole, {}) == whole
    assert leave_out(whole, {"net": "why"}).left_out == {"net": "why", "onwards": "why"}


def test_nets_that_a_library_may_not_have_are_looked_for_where_an_arm_needs_them():
    skip = {**NET, "on_missing": "skip"}
    variants = {**ARMS["variants"], "net": skip, "unused": {**skip, "net": "timm.resnet34"}}
    variants["small"] = {"method": "distill", "teacher": "net"}
    for methods in (["net"], ["onwards"], ["small"]):
        assert skippable(checked(variants=variants, methods=["autoencoder", *methods])) == ["net"]
    assert skippable(checked(variants=variants, methods=["autoencoder"])) == []


def test_length_is_checked_for_what_is_trained_only():
    for evaluation, trained in (("head", {"net"}), ("linear", set())):
        study = checked(**ARMS, seeds=3, unlabelled=[0.5, 1], evaluate=[evaluation])
        shorter = {job.method for job in jobs_of(study) if job.length != "full"}
        assert shorter == {"autoencoder", "onwards", "supervised"} | trained


def test_an_evaluation_may_be_for_some_encoders():
    only = {"finetune": ["net", "shuffled_net"], "knn": ["random"]}
    study = checked(**ARMS, evaluate=["head", "knn", "finetune"], controls=["shuffled"], evaluate_only=only)
    assert {method for method, _, _ in ways(study, "finetune")} == {"net", "shuffled_net"}
    assert {method for method, _, _ in ways(study, "knn")} == {"random"}
    assert ways(study, "classify") == ways(study)


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ({"linear": ["net"]}, r"evaluate_only\.linear: expected one of evaluate \(head, finetune\)"),
        ({"head": ["net"]}, r"evaluate_only\.head: given, but all encoders are judged by it; name another"),
        (
            {"finetune": ["cool"]},
            r"evaluate_only\.finetune: found 'cool', expected some of random, autoencoder, net, on",
        ),
        ({"finetune": ["shuffled_net"]}, r"evaluate_only\.finetune: found 'shuffled_net', expected some of"),
        ({"finetune": "net"}, r"evaluate_only\.finetune: found 'net', expected a list"),
    ],
)
def test_encoders_that_an_evaluation_cannot_be_for_are_one_line(only, message):
    with pytest.raises(ConfigError, match=message):
        checked(**ARMS, evaluate=["head", "finetune"], evaluate_only=only)
