"""Names and paths of boxes: each box has one, and is found again from it."""

from pathlib import Path

import pytest
from builders import SCHEMA
from hypothesis import given
from hypothesis import strategies as st

from sslfast.study.config import check_config
from sslfast.study.grid import Box, jobs_of, pattern

AXES = {
    "unlabelled": [0, 0.1, 0.25, 1],
    "labelled": [0.05, 0.2, 0.5],
    "encoders": ["original", "conv", "conv_x2", "original_x0.5", "timm.resnet10t"],
    "methods": ["autoencoder", "vae", "cool"],
    "evaluate": ["head", "linear", "knn", "finetune"],
}
STUDIES = st.fixed_dictionaries(
    {
        "dataset": st.just("digits"),
        "seeds": st.sampled_from([1, 3, [7, 2**32 - 1]]),
        "pool": st.sampled_from(["all", "rest"]),
        "variants": st.just({"cool": {"method": "simclr", "temperature": 0.1}}),
        "controls": st.sampled_from([[], ["pixels"], ["shuffled"], ["pixels", "shuffled"]]),
        "budget": st.sampled_from(["updates", "epochs"]),
        **{key: st.lists(st.sampled_from(v), min_size=1, max_size=3, unique=True) for key, v in AXES.items()},
    }
).map(lambda config: check_config(config, SCHEMA))


@given(STUDIES)
def test_every_box_has_a_name_of_its_own_and_is_found_again_from_it(study):
    jobs = jobs_of(study)
    assert len({job.name for job in jobs}) == len(jobs)
    for job in jobs:
        assert Box.parse(job.name) == job.box
        assert Box.of(job.stage, vars(job)) == job.box


@given(STUDIES)
def test_every_file_has_a_path_of_its_own_and_records_tell_their_box(study):
    paths = {}
    for job in jobs_of(study):
        for kind in job.outputs:
            path = Path("results/study", job.path(kind, dataset="digits"))
            assert paths.setdefault(path, job) is job
            assert Box.at(path) == (job.box if kind in ("record", "predictions") else None)


@given(STUDIES)
def test_every_job_needs_jobs_that_come_before_it(study):
    before = set()
    for job in jobs_of(study):
        assert before.issuperset(job.needs)
        before.add(job.name)


def test_names_on_disk_are_those_that_studies_have():
    cell = Box("classify", "autoencoder", "conv", "0.2", "0.1", 0)
    assert cell.path("record") == "records/classify/autoencoder-conv-u0.2-l0.1-s0.json"
    assert cell.made_from("all").path("encoder") == "encoders/autoencoder-conv-u0.2-s0.safetensors"
    assert cell.made_from("rest").path("pictures") == "pictures/autoencoder-conv-u0.2-l0.1-s0.npz"
    assert Box("classify", "random", "conv", "0", "0.1", 0).made_from("rest").name == "pretrain/random-conv-u0-s0"
    assert Box("supervised", "supervised", "conv", None, "1", 3, "half").name == "supervised/conv-l1-s3-half"
    assert Box("pixels", "pixels", l="0.5", seed=1).path("predictions") == "records/pixels/l0.5-s1.npy"
    assert pattern("log", "split") == "logs/split/{dataset}-s{seed}.log"
    assert pattern("record", "pretrain", of="") == "records/pretrain/{method}-{encoder}-u{u}-s{seed}{length}.json"


@pytest.mark.parametrize(
    "name", ["", "classify", "classify/", "classify/conv-l0.1-s0", "pretrain/a-b-u0.1-s0-third", "../a-b-u1-l1-s0"]
)
def test_what_is_no_name_of_a_run_is_refused(name):
    with pytest.raises(ValueError, match="no name of a run"):
        Box.parse(name)
