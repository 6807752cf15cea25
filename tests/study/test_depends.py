"""A change of the config runs again the jobs that it affects and no others: every key of the schema."""

import shutil
from pathlib import Path

import pytest
from builders import SCHEMA, schema_keys
from hypothesis import given
from hypothesis import strategies as st
from reruns import END, changed, runs_again

from sslfast.study.config import check_config
from sslfast.study.depends import asked_by, asked_of
from sslfast.study.grid import Box, jobs_of
from sslfast.study.methods import methods

TINY = {
    "study": "tiny", "dataset": "digits", "unlabelled": [0, 0.2], "labelled": [0.1, 0.5], "seeds": 1,
    "encoders": ["conv"], "batch_size": 64, "budget": "epochs", "pretrain": {"epochs": 1}, "classify": {"epochs": 2},
    "device": "cpu",
}  # fmt: skip
ALL = {"images": 1, "split": 1, "pretrain": 2, "classify": 4, "supervised": 2, **END}
CHANGES = {  # key: another value than that of the tiny study
    "study": "other",
    "title": "Other",
    "dataset": "mnist",
    "data_root": "elsewhere",
    "checkpoints": "elsewhere",
    "encoder_store": "shared",
    "test_fraction": 0.3,
    "test_seed": 1,
    "valid_fraction": 0.2,
    "unlabelled": [0, 0.2, 1],
    "labelled": [0.1, 0.3, "0.50"],
    "seeds": 2,
    "pool": "rest",
    "methods": ["autoencoder", "vae"],
    "evaluate": ["head", "knn"],
    "controls": ["pixels"],
    "unlabelled_from": "mnist",
    "encoders": ["conv", "original"],
    "batch_size": 32,
    "augment.flip_horizontal": 0.5,
    "augment.flip_vertical": 0.5,
    "augment.noise": 0.2,
    "pretrain.epochs": 2,
    "classify.epochs": 3,
    "supervised.epochs": 3,
    **{f"{stage}.lr": 0.01 for stage in ("pretrain", "classify", "supervised")},
    **{f"{stage}.schedule": "constant" for stage in ("pretrain", "classify", "supervised")},
    **{f"{stage}.wd": 0.2 for stage in ("pretrain", "classify", "supervised")},
    "classify.dropout": 0.1,
    "supervised.dropout": 0.1,
    "classify.views": 2,
    "threshold.metric": "accuracy",
    "threshold.value": 0.9,
    "accuracy_targets": [0.5],
    "delta": 0.01,
    "judged_by": "head",
    "check_length": False,
    "prices.price_per_label": 0.1,
    "prices.price_per_unlabelled_image": 0.1,
    "prices.price_per_gpu_hour": 1,
    "prices.budget": 100,
    "device": "auto",
    "jobs_per_gpu": 2,
    "precision": "float32",
    "threads": 2,
}
OF_FOLDERS = {  # the same for a folder of images without test/
    "folder": "other images",
    "image_size": 16,
    "channels": 3,
    "test_fraction": 0.3,
    "test_seed": 1,
    "on_bad_image": "skip",
    "fit": "squash",
    "max_megapixels": 100,
}
OF_NETS = {"base.net": "timm.resnet18", "base.weights": "other.pth", "base.size": 64, "base.on_missing": "skip"}
OF_TABLES = ("labels", "image_column", "class_column", "follow_links")  # these lead to the images, as `folder` does
NEW_BOXES = {  # what the larger grids above have more than the tiny one; the two pools have encoders of other names
    "unlabelled": {"pretrain": 1, "classify": 2, **END},
    "labelled": {"classify": 2, "supervised": 1, **END},
    "seeds": {"split": 1, "pretrain": 2, "classify": 4, "supervised": 2, **END},
    "encoders": {"pretrain": 2, "classify": 4, "supervised": 2, **END},
    "pool": {"pretrain": 3, "classify": 4, **END},
    "methods": {"pretrain": 1, "classify": 2, **END},
    # a random encoder does not depend on how others are trained
    **{f"pretrain.{key}": {"pretrain": 1, "classify": 2, **END} for key in ("epochs", "lr", "schedule", "wd")},
    "evaluate": {"classify": 4, **END},
    "controls": {"pixels": 2, **END},
    # a study of one seed has no runs of less length; why, its report says
    "check_length": {"report": 1},
    "judged_by": {"examples": 1, "report": 1},
}
RICH = {  # everything that a study may have
    **TINY,
    "methods": [*(name for name in methods() if name != "mae"), "cool"],
    "variants": {"cool": {"method": "simclr", "temperature": 0.1}, "net": {"method": "base", "net": "timm.resnet18"}},
    "evaluate": ["head", "linear", "knn", "finetune"],
    "controls": ["pixels", "shuffled"],
}
UPDATES = {"budget": "updates", "pretrain": {"updates": 60}, "classify": {"updates": 60}}
ONE_METHOD = {"pretrain": 1, "shuffle": 1, "classify": 16, **END}
N_LEARNED = len(RICH["methods"])
# of a random and of the learned encoders with their shuffled ones, 2 labels
ONE_EVALUATION = {"classify": 2 * (1 + 2 * N_LEARNED), **END}
EVERY_METHOD = {rule: n if rule in END else N_LEARNED * n for rule, n in ONE_METHOD.items()}
OF_METHODS = {
    "epochs": 3, "updates": 30, "lr": 0.01, "wd": 0.2, "schedule": "constant", "batch_size": 16, "denoise": 0.3,
    "mask": 0.3, "patch": 2, "loss_on": "hidden", "beta": 3, "latent": 7, "temperature": 0.3, "projector": [7],
    "views": {"crop": 0.3}, "invariance": 3, "variance": 3, "covariance": 3, "r1": 3,
    "teacher": "net", "redundancy": 0.3, "momentum": 0.3, "predictor": 7,
}  # fmt: skip
OF_EVALUATIONS = {
    "epochs": 3, "updates": 30, "lr": 0.01, "wd": 0.2, "schedule": "constant", "dropout": 0.1, "k": 7,
    "pooling": "mean", "temperature": 0.3,
}  # fmt: skip


def expected(key: str) -> dict[str, int]:
    rules = schema_keys()[key]["x-reruns"]
    jobs = NEW_BOXES.get(key, {rule: ALL[rule] for rule in rules if rule in ALL})
    assert set(jobs) <= set(rules)
    return jobs


def of_rich() -> dict[str, tuple[object, dict[str, int]]]:
    """The keys of methods and evaluations, and of updates: another value, and the jobs that it reruns in `RICH`."""
    found = {"variants": ({**RICH["variants"], "cool": {"method": "simclr", "temperature": 0.2}}, ONE_METHOD)}
    for key in schema_keys():
        section, _, name = key.partition(".")
        if section in RICH["methods"]:
            value = OF_METHODS[name]
            # a variant follows what its method says
            twice = {rule: n if rule in END else 2 * n for rule, n in ONE_METHOD.items()}
            found[key] = value, twice if section == "simclr" and name != "temperature" else ONE_METHOD
        elif section in ("finetune", "linear", "knn"):
            found[key] = OF_EVALUATIONS[name], ONE_EVALUATION
    found["pretrain.updates"] = 30, EVERY_METHOD
    found["classify.updates"] = (
        30,
        {"classify": 2 * ONE_EVALUATION["classify"], "supervised": 2, **END},
    )  # head and fine-tuning
    found["supervised.updates"] = 30, {"supervised": 2, **END}
    return found


def of_mae() -> dict[str, object]:
    """The same of the method that trains one encoder only, whose study has another."""
    own = {**OF_METHODS, "mask": 0.5, "decoder": 8}
    return {key: own[key.partition(".")[2]] for key in schema_keys() if key.startswith("mae.")}


def test_every_key_is_tried():
    others = {"budget", "evaluate_only"}
    known = {*CHANGES, *OF_FOLDERS, *OF_TABLES, *OF_NETS, *of_rich(), *of_mae(), *others}
    assert known == set(schema_keys())


@pytest.mark.parametrize("budget", ["epochs", "updates"])
def test_every_setting_of_a_method_or_an_evaluation_reruns_that_alone(budget):
    """All of them by epochs; by updates, those that count."""
    base = RICH if budget == "epochs" else {**RICH, **UPDATES}
    tried = {key: what for key, what in of_rich().items() if key.endswith(".updates") == (budget == "updates")}
    assert runs_again(base, base) == {}
    found = {key: runs_again(base, changed(base, key, value)) for key, (value, _) in tried.items()}
    assert found == {key: jobs for key, (_, jobs) in tried.items()}
    for key, (_, jobs) in tried.items():
        assert set(jobs) == set(schema_keys()[key]["x-reruns"])


def test_every_setting_of_a_method_of_one_encoder_reruns_what_it_makes():
    base = {**TINY, "methods": ["simclr", "mae"], "encoders": ["conv", "vit"]}
    made = {"pretrain": 1, "classify": 2, **END}
    for key, value in of_mae().items():
        counted = {**base, **UPDATES} if key == "mae.updates" else base
        assert runs_again(counted, changed(counted, key, value)) == made, key


def test_every_setting_of_an_existing_net_reruns_what_stands_on_it_alone(tmp_path):
    (tmp_path / "one.safetensors").write_bytes(b"some")
    (tmp_path / "other.pth").write_bytes(b"others")
    given = {"weights": str(tmp_path / "one.safetensors")}
    base = {**TINY, "methods": ["autoencoder", "base"], "controls": ["shuffled"], "base": given}
    values = {**OF_NETS, "base.weights": str(tmp_path / "other.pth")}
    assert runs_again(base, base) == {}
    plans = [runs_again(base, changed(base, key, value)) for key, value in values.items()]
    standing = {"pretrain": 1, "shuffle": 1, "classify": 4, **END}
    assert plans == [standing, standing, standing, {}]
    for key, plan in zip(OF_NETS, plans, strict=True):
        assert set(plan) == set(schema_keys()[key]["x-reruns"])


def test_an_evaluation_of_more_encoders_runs_those_alone_and_of_fewer_leaves_the_rest_out():
    fewer = {**RICH, "evaluate_only": {"finetune": ["vae", "shuffled_vae"]}}
    assert runs_again(fewer, RICH) == {**ONE_EVALUATION, "classify": ONE_EVALUATION["classify"] - 2 * 2}
    assert runs_again(RICH, fewer) == END
    assert {"classify", *END} == set(schema_keys()["evaluate_only"]["x-reruns"])


CHECKED = {
    **TINY,
    **UPDATES,
    "seeds": 3,
    "unlabelled": [0, 0.2, 1],
    "evaluate": ["head", "knn"],
    "controls": ["pixels"],
}


def test_what_counts_the_length_of_training_reruns_what_trains_and_a_check_of_it_adds_shorter_runs():
    """With three seeds, the runs of one are checked: an encoder of half the length, one of equal passes, and so on."""
    alone = {**CHECKED, "check_length": False}
    added = {"pretrain": 2, "supervised": 2}
    checked = {**added, "classify": 3, **END}
    assert runs_again(alone, CHECKED) == runs_again(alone, {**CHECKED, "judged_by": "knn"}) == checked
    by_epochs = runs_again(alone, {**alone, **{key: TINY[key] for key in UPDATES}})
    assert by_epochs == {"pretrain": 9, "classify": 36, "supervised": 6, "pixels": 6, **END}
    assert runs_again(CHECKED, alone) == END  # what was trained stays on disk, and leaves the tables
    # another encoder has the most images: its half, and the same passes as it has
    other = runs_again(CHECKED, {**CHECKED, "unlabelled": [0, 0.2, 0.5]})
    assert other == {"pretrain": 3 + 1 + 1, "classify": 6 + 2 + 1 + 6, **END}
    judged = runs_again(CHECKED, {**CHECKED, "judged_by": "knn"})
    assert judged == {"classify": 3, **END}
    for key, plan in (("budget", by_epochs), ("check_length", checked), ("judged_by", judged)):
        rules = set(schema_keys()[key]["x-reruns"])
        assert set(plan) <= rules
        assert rules - set(plan) <= {"shuffle", "classify"}


def test_every_key_reruns_what_the_table_of_keys_says_and_nothing_else():
    assert runs_again(TINY, TINY) == {}
    found = {key: runs_again(TINY, changed(TINY, key, value)) for key, value in CHANGES.items()}
    assert found == {key: expected(key) for key in CHANGES}


@pytest.fixture
def base(image_folder) -> dict:
    """A study of a folder without test images."""
    root = image_folder(train=8, test=0)
    return {**TINY, "dataset": "folder", "folder": str(root), "image_size": 8, "channels": 1}


def test_keys_of_folders_rerun_what_the_table_of_keys_says_and_nothing_else(base, image_folder, tmp_path):
    other = {**OF_FOLDERS, "folder": str(image_folder(tmp_path / "others", train=9, test=0))}
    found = {key: runs_again(base, changed(base, key, value)) for key, value in other.items()}
    assert found == {key: expected(key) for key in other}
    moved = shutil.copytree(base["folder"], tmp_path / "moved", copy_function=shutil.copy2)
    assert runs_again(base, {**base, "folder": str(moved)}) == {}


def test_other_classes_of_the_same_images_rerun_everything_and_another_way_to_the_same_ones_nothing(base):
    root = Path(base["folder"])
    names = [path.stem for path in sorted(root.glob("train/*/*"))]
    rows = [f"{name},{name.partition('-')[0]},{'odd' if i % 2 else 'even'}" for i, name in enumerate(names)]
    (root / "labels.csv").write_text("\n".join(["picture,digit,parity", *rows]) + "\n")
    table = {**base, "labels": "labels.csv", "image_column": "picture", "class_column": "digit"}
    assert runs_again(base, {**base, "follow_links": True}) == runs_again(base, table) == {}
    assert runs_again(base, {**table, "class_column": "parity"}) == ALL


def test_how_test_images_are_split_off_matters_only_where_they_are(image_folder):
    base = {**TINY, "dataset": "folder", "folder": str(image_folder(train=8, test=3))}
    assert runs_again(base, {**base, "test_fraction": 0.3}) == runs_again(base, {**base, "test_seed": 1}) == {}


def test_a_baseline_with_settings_of_its_own_does_not_follow_the_classifier():
    base = {**TINY, "supervised": {"lr": 0.01}}
    assert runs_again(base, changed(base, "classify.lr", 0.1)) == {"classify": 4, **END}
    assert runs_again(base, changed(base, "classify.wd", 0.2)) == {"classify": 4, "supervised": 2, **END}


STUDIES = [check_config(config, SCHEMA) for config in (TINY, RICH, CHECKED, {**RICH, **UPDATES})]


@given(st.sampled_from(STUDIES), st.data())
def test_what_a_job_is_asked_is_what_the_config_says_under_each_key(study, data):
    job = data.draw(st.sampled_from([job for job in jobs_of(study) if job.stage not in END]))
    asked = asked_of(study, job)
    assert asked == asked_by(study)(job)
    for key, value in asked.items():
        if key != "share":
            said = study.as_config()
            for part in key.split("."):
                said = said.get(part)  # None is left out
            assert value == said


@given(st.sampled_from(STUDIES), st.data())
def test_a_cell_is_asked_all_that_its_encoder_is_but_for_the_length_of_a_shorter_run(study, data):
    job = data.draw(st.sampled_from([job for job in jobs_of(study) if job.stage != "pretrain" and job.u]))
    asked, made = asked_of(study, job), asked_of(study, job.made_from(study.pool))
    assert made.items() <= asked.items()


@pytest.mark.parametrize("length, u, share", [("half", "1", 0.5), ("half", None, 0.5), ("passes", "0.2", 0.2)])
def test_a_shorter_run_is_asked_for_its_share(length, u, share):
    study = check_config(CHECKED, SCHEMA)
    stage = "classify" if u else "supervised"
    asked = asked_of(study, Box(stage, "autoencoder" if u else stage, "conv", u, "0.1", 0, length))
    assert asked["share"] == share
