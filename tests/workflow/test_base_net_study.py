"""A study with an existing net as an arm, alone and as a start: from its weights to the report."""

import json

import pandas as pd
import pytest
from base_weights import LITE0, write_lite0
from studies import TINY, Workflow, error_line

NET = {"method": "base", "net": LITE0, "weights": "lite0.safetensors", "size": 32}
STUDY = {
    **TINY, "labelled": [0.1], "seeds": 2, "methods": ["imagenet", "onwards"],
    "evaluate": ["head", "linear", "finetune"], "finetune": {"epochs": 1},
    "evaluate_only": {"linear": ["imagenet", "shuffled_imagenet"], "finetune": ["imagenet", "onwards"]},
    "variants": {"imagenet": NET, "onwards": {"method": "autoencoder", "start": "imagenet"}}, "controls": ["shuffled"],
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workflow:
    workflow = Workflow(tmp_path_factory.mktemp("nets"))
    write_lite0(workflow.folder / "config/lite0.safetensors")
    result = workflow.run("--cores", "2", config=STUDY)
    assert result.returncode == 0, result.stderr[-3000:]
    return workflow


def records(workflow: Workflow, stage: str) -> dict[str, dict]:
    found = (workflow.folder / "results/tiny/records" / stage).glob("*.json")
    return {path.stem: json.loads(path.read_text()) for path in found}


def test_a_net_has_no_u_is_no_arm_of_every_encoder_and_has_a_control(finished):
    made = records(finished, "pretrain")
    ways = {name.removesuffix("-s0") for name in made if name.endswith("-s0")}
    net = LITE0
    assert ways == {
        "random-conv-u0", f"imagenet-{net}-u0", f"shuffled_imagenet-{net}-u0", f"onwards-{net}-u0.2",
        f"shuffled_onwards-{net}-u0.2",
    }  # fmt: skip
    assert {record["status"] for record in made.values()} == {"ok"}
    about = made[f"imagenet-{net}-u0-s1"]["notes"]["base_net"]
    assert about["source"] == "file lite0.safetensors"
    assert str(finished.folder) not in json.dumps([*made.values()])


def test_its_features_are_computed_once_for_all_seeds_labels_and_evaluations(finished):
    logs = [path.read_text() for path in (finished.folder / "results/tiny/logs").rglob(f"imagenet-{LITE0}-*.log")]
    through = [line for text in logs for line in text.splitlines() if "go through" in line]
    n = sum(int(line.split(" ")[0].replace(",", "")) for line in through)
    assert len(logs) == 10  # of two seeds: two encoders, their controls, three evaluations
    assert 359 < n <= 359 + 2 * (143 + 130) + 128 * len(through)  # test images once, others once a seed at most


def test_the_report_compares_it_with_labels_alone(finished):
    reports = finished.folder / "reports/tiny"
    table = pd.read_csv(reports / "tables/contrasts.csv")
    mine = table[(table.method == "imagenet") & (table.against == "supervised")]
    assert list(mine.encoder.unique()) == ["conv"]
    assert mine.primary.all() and (mine.u == 0).all() and (mine.n_seeds == 2).all()
    assert not ((table.method == "imagenet") & (table.against == "random")).any()
    page = (reports / "report.html").read_text()
    assert "imagenet (existing net)" in page
    assert "file lite0.safetensors" in page
    controls = pd.read_csv(reports / "tables/controls.csv")
    assert set(controls.control[controls.method == "imagenet"]) == {"shuffled"}
    arms = pd.read_csv(reports / "tables/arms.csv")
    frozen, tuned = "frozen", "fine-tuned"
    assert arms.arm.tolist() == [
        "labels alone",
        *(f"{how} {m}" for m in ("imagenet", "onwards") for how in (tuned, frozen)),
    ]
    assert (arms.seconds > 0).all() and (arms.pixels.dropna() == 32).all()
    assert "Ways to spend the labels" in page
    assert "fine-tuned imagenet" in (reports / "summary.md").read_text()
    over = {stage: {name.partition("-")[0] for name in records(finished, stage)} for stage in ("linear", "finetune")}
    assert over == {"linear": {"imagenet", "shuffled_imagenet"}, "finetune": {"imagenet", "onwards"}}
    plateau = pd.read_csv(reports / "tables/plateau.csv")
    assert "imagenet" not in set(plateau.method)


def test_nothing_runs_again_where_weights_move_and_all_of_it_where_they_change(finished):
    assert finished.planned(config=STUDY) == {}
    (finished.folder / "weights").mkdir()
    (finished.folder / "config/lite0.safetensors").rename(finished.folder / "weights/net.safetensors")
    moved = {**STUDY, "variants": {**STUDY["variants"], "imagenet": {**NET, "weights": "../weights/net.safetensors"}}}
    assert finished.planned(config=moved) == {}
    path = finished.folder / "weights/net.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    planned = finished.planned(config=moved)
    assert (
        planned["pretrain"] == 4
        and planned["shuffle"] == 4
        and planned["classify"] == 16
        and "supervised" not in planned
    )


def test_what_is_trained_over_a_net_is_trained_for_half_as_long_too(workflow):
    """The net itself is the same at every length, so the shorter run stands on the same encoder."""
    write_lite0(workflow.folder / "config/lite0.safetensors")
    study = {**STUDY, "seeds": 3, "methods": ["imagenet"], "evaluate": ["finetune"], "evaluate_only": {}}
    study = {**study, "variants": {"imagenet": NET}, "controls": [], "finetune": {"epochs": 2}}
    half = f"results/tiny/records/finetune/imagenet-{LITE0}-u0-l0.1-s0-half.json"
    result = workflow.run("--cores", "1", half, config=study)
    assert result.returncode == 0, result.stderr[-3000:]
    record = json.loads((workflow.folder / half).read_text())
    assert (record["status"], record["spec"]["length"], record["settings"]["epochs"]) == ("ok", "half", 1)
    assert list(records(workflow, "pretrain")) == [f"imagenet-{LITE0}-u0-s0"]


def test_missing_weights_are_one_line_or_leave_the_arm_out(workflow):
    result = workflow.ask("-n", config=STUDY)
    assert result.returncode and "variants.imagenet.weights: no file" in error_line(result)
    skip = {
        **STUDY,
        "methods": [*STUDY["methods"], "autoencoder"],
        "variants": {**STUDY["variants"], "imagenet": {**NET, "on_missing": "skip"}},
    }
    result = workflow.ask("-n", config=skip)
    assert result.returncode == 0, result.stderr
    assert "imagenet is left out: variants.imagenet.weights: no file" in result.stdout + result.stderr
    without = {**STUDY, "methods": ["autoencoder"], "variants": {}, "evaluate": ["head"], "evaluate_only": {}}
    assert workflow.planned(config=skip) == workflow.planned(config=without)


def test_weights_that_do_not_fit_stop_before_anything_trains(workflow):
    write_lite0(workflow.folder / "config/lite0.safetensors")
    wrong = {**STUDY, "variants": {**STUDY["variants"], "imagenet": {**NET, "net": "timm.resnet18"}}}
    result = workflow.run("--cores", "1", config=wrong)
    assert result.returncode and "does not fit the net" in error_line(result)
    assert not (workflow.folder / "results/tiny/records").exists()


def test_a_library_without_weights_here_is_the_same(workflow, tmp_path):
    net = {"method": "base", "net": LITE0, "on_missing": "skip"}
    skip = {**STUDY, "methods": ["autoencoder", "imagenet"], "variants": {"imagenet": net}, "evaluate_only": {}}
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "empty")}
    result = workflow.ask("-n", config=skip, **offline)
    assert result.returncode == 0, result.stderr
    assert "imagenet is left out: imagenet: weights: timm has none of tf_efficientnet_lite0 here" in result.stdout
    assert "pretrain/imagenet" not in result.stdout + result.stderr
