"""How many images each job processes, and what follows for its time."""

import subprocess
import sys
from collections import Counter

import pytest
from grids import CONFIGS, checked, sizes, speeds
from hypothesis import given

from sslfast.planning.estimate import Estimator
from sslfast.planning.plan import plan_of
from sslfast.planning.speeds import Speed, Speeds, merged
from sslfast.planning.text import duration, plan_text
from sslfast.planning.work import work_of
from sslfast.study.config import check_config
from sslfast.study.grid import jobs_of
from sslfast.study.length import Length
from sslfast.study.study import Study


def works(study: Study, stage: str, **options) -> dict:
    return {job.name: work_of(job, study, sizes(study), **options) for job in jobs_of(study) if job.stage == stage}


def test_pretraining_sees_its_share_once_an_epoch():
    found = works(
        checked(budget="epochs", pretrain={"epochs": 3}, vae={"epochs": 5}, methods=["autoencoder", "vae"]), "pretrain"
    )
    assert found["pretrain/autoencoder-original-u0.2-s0"].trained == 3 * 200
    assert found["pretrain/vae-original-u1-s1"].trained == 5 * 1000
    assert found["pretrain/random-original-u0-s0"].trained == 0


def test_a_pool_of_the_rest_is_what_is_not_labelled():
    found = works(checked(budget="epochs", pool="rest", pretrain={"epochs": 1}), "pretrain")
    assert found["pretrain/autoencoder-original-u1-l0.5-s0"].trained == 500
    assert found["pretrain/autoencoder-original-u0.2-l0.1-s0"].trained == 180


def test_variants_have_epochs_of_their_own():
    own = {"methods": ["long"], "variants": {"long": {"method": "vae", "epochs": 7}}}
    assert works(checked(budget="epochs", **own), "pretrain")["pretrain/long-original-u0.2-s0"].trained == 7 * 200


def test_a_classifier_sees_views_once_and_its_features_every_epoch():
    found = works(checked(budget="epochs", classify={"epochs": 20}), "classify", views=8)[
        "classify/autoencoder-original-u1-l0.5-s0"
    ]
    assert (found.trained, found.encoded, found.valid, found.test) == (20 * 500, 8 * 500 + 100, 100, 100)


@pytest.mark.parametrize("classify, views", [({"epochs": 8}, 8), ({"views": "fresh"}, "fresh")])
def test_a_classifier_that_sees_new_images_every_epoch_computes_no_features_before(classify, views):
    found = works(checked(budget="epochs", classify=classify), "classify", views=views)
    assert {work.encoded for work in found.values()} == {0}


def test_by_updates_encoders_see_as_many_images_whatever_their_number_and_validate_forty_times():
    found = works(checked(batch_size=128, pretrain={"updates": 80}), "pretrain")
    trained = [work for name, work in found.items() if "random" not in name]
    assert {(work.trained, work.valid, work.epochs) for work in trained} == {(80 * 128, 100, 40)}


def test_by_updates_a_batch_is_no_larger_than_the_images_that_there_are():
    found = works(checked(batch_size=128, supervised={"updates": 80}), "supervised")
    trained = {name: work.trained for name, work in found.items() if name.endswith("-s0")}
    assert trained == {"supervised/original-l0.1-s0": 80 * 100, "supervised/original-l0.5-s0": 80 * 128}


def test_by_updates_a_classifier_computes_views_that_it_sees_more_than_once():
    few, many = (works(checked(classify={"updates": n}, batch_size=100), "classify", views=8) for n in (20, 80))
    assert few["classify/autoencoder-original-u1-l0.5-s0"].encoded == 0  # 2,000 images of 500 different ones
    assert many["classify/autoencoder-original-u1-l0.5-s0"].encoded == 8 * 500 + 100


def test_a_run_of_half_the_length_is_half_the_work():
    study = checked(seeds=3, batch_size=50, pretrain={"updates": 160}, classify={"updates": 80})
    jobs, works_of = jobs_of(study), {job.name: work_of(job, study, sizes(study)) for job in jobs_of(study)}
    halves = [job.name for job in jobs if job.name.endswith("-half")]
    assert {name.partition("/")[0] for name in halves} == {"pretrain", "classify", "supervised"}
    for name in halves:
        assert works_of[name].trained == works_of[name.removesuffix("-half")].trained / 2
    passes = works_of["pretrain/autoencoder-original-u0.2-s0-passes"].trained
    assert passes == works_of["pretrain/autoencoder-original-u1-s0"].trained / 5


@pytest.mark.parametrize("n, expected", [(129, 128), (128, 128), (1, 1), (257, 256), (130, 130)])
def test_a_last_batch_of_one_image_is_left_out(n, expected):
    assert Length(3, None, 128, 3).images(n) == 3 * expected


@given(CONFIGS)
def test_every_job_stands_after_those_it_needs_and_has_a_name_of_its_own(given_config):
    from builders import SCHEMA

    before = set()
    for job in jobs_of(check_config(given_config, SCHEMA)):
        assert set(job.needs) <= before
        assert job.name not in before
        before.add(job.name)


@given(CONFIGS)
def test_a_plan_adds_up_and_what_is_done_is_subtracted(given_config):
    from builders import SCHEMA

    study = check_config(given_config, SCHEMA)
    jobs = jobs_of(study)
    speed = Speed(trained=0.001, encoded=0.0001, valid=0.0005, tested=0.0002, fitted=0.001, once=0.5, files=100)
    estimator = Estimator(study, sizes(study), speeds(study, speed))
    whole = plan_of(jobs, jobs, estimator, slots=2)
    assert whole["seconds"] == pytest.approx(
        sum(entry[0] for entry in whole["estimates"].values()), abs=0.01 * len(jobs)
    )
    numbers = {(row["rule"], row["stage"]): row["jobs"] for row in whole["stages"]}
    assert numbers == Counter((job.rule, job.stage) for job in jobs)
    assert whole["seconds"] / 2 <= whole["wall_clock"] <= whole["seconds"]
    left = [job for job in jobs if job.stage != "pretrain" and job.rule not in ("images", "split")]
    rest = plan_of(jobs, left, estimator, slots=2)
    assert rest["seconds"] < whole["seconds"]
    assert rest["wall_clock"] <= whole["wall_clock"]
    finished = Counter((job.rule, job.stage) for job in jobs if job not in left)
    assert {(row["rule"], row["stage"]): row["done"] for row in rest["stages"] if row["done"]} == finished
    assert set(rest["estimates"]) == {job.name for job in left}


def test_a_time_is_images_times_seconds_an_image():
    study = checked(budget="epochs", pretrain={"epochs": 3}, classify={"epochs": 10})
    speed = Speed(trained=0.01, encoded=0.002, valid=0.001, epoch=0.5, once=2, tested=0.003, data=0.25, outside=0.004)
    estimator = Estimator(study, sizes(study), speeds(study, speed, views={"original": 8}))
    by_name = {job.name: estimator.estimate(job) for job in jobs_of(study)}
    fit = 2 + 600 * 0.01 + 3 * (100 * 0.001 + 0.5)
    encoder = by_name["pretrain/autoencoder-original-u0.2-s0"]
    assert encoder.recorded == pytest.approx(fit)
    assert encoder.seconds == pytest.approx(1 + 0.25 + fit + 100 * 0.004)
    fit = 2 + 1000 * 0.01 + (8 * 100 + 100) * 0.002 + 10 * (100 * 0.001 + 0.5)
    cell = by_name["classify/autoencoder-original-u0.2-l0.1-s0"]
    assert cell.recorded == pytest.approx(0.25 + fit + 100 * 0.003)
    assert cell.seconds == pytest.approx(1 + cell.recorded + 100 * 0.004)
    assert by_name["split/s0"].seconds == 1


def test_a_kind_without_a_measurement_is_named_and_hides_no_other():
    study = checked(methods=["autoencoder", "vae"])
    jobs = jobs_of(study)
    known = speeds(study, Speed(trained=0.001, memory=2e8))
    kinds = {kind: speed for kind, speed in known.kinds.items() if kind != "pretrain/vae/original"}
    problems = {"pretrain/vae/original": "ValueError: no"}
    estimator = Estimator(study, sizes(study), Speeds(2, 1.0, kinds=kinds, problems=problems))
    plan = plan_of(jobs, jobs, estimator, slots=2)
    machine = {
        "machine": {"cores": 2, "gpus": 0, "threads": 1, "device": "cpu", "load": None, "memory": None, "disk": 1e12}
    }
    text = plan_text({**plan, **machine, "images_in_memory": 1e6})
    assert "Not measured, and not in these sums: pretrain/vae/original (ValueError: no)." in text
    assert "at least" in text
    row = next(row for row in plan["stages"] if row["stage"] == "pretrain")
    assert (row["jobs"], row["unknown"]) == (2 * 5, 2 * 2)
    assert plan["estimates"]["pretrain/vae-original-u1-s0"] == [None, None, 0]
    assert plan["estimates"]["pretrain/autoencoder-original-u1-s0"][0] > 1


def test_more_memory_than_there_is_is_said():
    study = checked()
    jobs = jobs_of(study)
    estimator = Estimator(study, sizes(study), speeds(study, Speed(memory=3e9, files=1e6)))
    plan = plan_of(jobs, jobs, estimator, slots=4)
    machine = {"cores": 4, "gpus": 0, "threads": 1, "device": "cpu", "load": 9.0, "memory": 8e9, "disk": 1e6}
    text = plan_text({**plan, "machine": machine, "images_in_memory": 1e6})
    assert "Memory: 12.0 GB for 4 at once" in text
    assert "This machine has 8.0 GB: run fewer at once (--cores)." in text
    assert "make room first" in text
    assert "Other work was going on meanwhile (load 9.0)" in text


def test_what_processes_side_by_side_measured_is_averaged_and_their_largest_memory_counts():
    found = merged([Speed(trained=1, memory=10), Speed(trained=3, memory=20)])
    assert (found.trained, found.memory) == (2, 20)


@pytest.mark.parametrize(
    "seconds, text",
    [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (5000, "83 min"), (7200, "2.0 h"), (259200, "3.0 days")],
)
def test_durations_are_said_as_people_say_them(seconds, text):
    assert duration(seconds) == text


def test_the_arithmetic_imports_no_torch():
    modules = ("study.grid", "planning.work", "planning.schedule", "planning.speeds", "planning.estimate")
    modules += ("planning.text",)
    code = f"import sys; {'; '.join(f'import sslfast.{name}' for name in modules)}; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_images_go_through_an_existing_net_once_whatever_is_built_over_it():
    def encoded(evaluate, labelled):
        net = {"method": "base", "net": "timm.resnet18"}
        study = checked(
            methods=["net"], variants={"net": net}, evaluate=evaluate, labelled=labelled, controls=["shuffled"], seeds=3
        )
        jobs = [job for job in jobs_of(study) if (job.method or "").endswith("net") and job.rule != "shuffle"]
        return sum(work_of(job, study, sizes(study)).encoded for job in jobs)

    assert encoded(["linear"], [0.5]) == encoded(["knn", "linear"], [0.1, 0.5])
    assert encoded(["linear"], [0.5]) > encoded(["linear"], [0.1])
