"""Runs of another study, config, code or data set are named, whichever way they came into the study's folder."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from builders import SCHEMA, grid, run_record, tables

from sslfast.analysis.against_config import check_against_config
from sslfast.analysis.code import code_now
from sslfast.analysis.tables import collect, collect_shorter
from sslfast.errors import RecordError, ResultsError
from sslfast.study.config import check_config
from sslfast.study.depends import asked_of
from sslfast.study.records import write_record
from sslfast.study.stage_table import STAGES

CONFIG = {
    "study": "made-up",
    "dataset": "digits",
    "unlabelled": [0, 0.1, 1],
    "labelled": [0.05, 0.5],
    "seeds": 3,
    "batch_size": 32,
    "budget": "epochs",
    "augment": {"noise": 0.1},
    "pretrain": {"epochs": 2, "lr": 0.001, "schedule": "constant"},
    "classify": {"epochs": 3, "lr": 0.001, "schedule": "constant", "wd": 0},
}
CONSTANT = {"lr": 0.001, "schedule": "constant", "wd": 0}
UPDATES = {"budget": "updates", "pretrain": {"updates": 2, **CONSTANT}, "classify": {"updates": 150, **CONSTANT}}
RECORDS, BY_UPDATES = grid(), grid(budget="updates")
IMAGES = {
    "fingerprint": RECORDS[0].spec.fingerprint,
    "settings": {"dataset": "digits", "test_fraction": 0.2, "test_seed": 0},
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def check(records=RECORDS, images=IMAGES, made=(), **config) -> None:
    """`records`, written as made with `made` (changes of `CONFIG`), before a config with the changes `config`."""
    then, now = (check_config({**CONFIG, **dict(changes)}, SCHEMA) for changes in (made or config, config))
    paths = [Path(f"results/made-up/records/{record.box.name}.json") for record in records]
    for record, path in zip(records, paths, strict=True):
        write_record(replace(record, asked=asked_of(then, record.box)), path)
    check_against_config(collect(paths)[0], images, now, "results/made-up", collect_shorter(paths))


def refusal(records=RECORDS, images=IMAGES, made=(), **config) -> str:
    with pytest.raises(ResultsError) as found:
        check(records, images, made, **config)
    message = str(found.value)
    assert "\n" not in message
    assert message.startswith("results/made-up/")
    assert "delete" in message and "run again" in message
    return message


def other_stage(stage: str) -> list:
    """`RECORDS`, evaluated by `stage`."""
    history = {} if STAGES[stage].trains else {"history": []}
    return [replace(r, stage=stage, **history) if r.stage == "classify" else r for r in RECORDS]


def test_runs_of_the_study_that_the_config_describes_pass():
    check()
    check(grid(pool="rest"), pool="rest")
    check(grid(us=["0"]), unlabelled=[0])
    check(grid(encoders=["original", "conv"]), encoders=["conv", "original"])
    check(other_stage("knn"), evaluate=["knn"])


ANOTHER = {  # key as the message has it: what was found and expected; the change, the first run of which it is told
    "valid_fraction": ("0.1", "0.2", {"valid_fraction": 0.2}, "classify/autoencoder-original-u0.1-l0.05-s0"),
    "pool": ("all", "rest", {"pool": "rest", "labelled": [0.05, 0.5]}, "classify/autoencoder"),
    "batch_size": ("32", "64", {"batch_size": 64}, "classify/autoencoder"),
    "precision": ("auto", "bfloat16", {"precision": "bfloat16"}, "classify/autoencoder"),
    "augment.noise": ("0.1", "0.2", {"augment": {"noise": 0.2}}, "classify/autoencoder"),
    "augment.flip_vertical": ("nothing", "0.5", {"augment": {"noise": 0.1, "flip_vertical": 0.5}}, "classify/"),
    "budget": ("epochs", "updates", UPDATES, "classify/autoencoder"),
    "autoencoder.lr": ("0.001", "0.1", {"autoencoder": {"lr": 0.1}}, "classify/autoencoder"),
    "autoencoder.denoise": ("None", "0.3", {"autoencoder": {"denoise": 0.3}}, "classify/autoencoder"),
    "classify.views": ("auto", "fresh", {"classify": {**CONFIG["classify"], "views": "fresh"}}, "classify/autoencoder"),
    "supervised.epochs": ("3", "7", {"supervised": {"epochs": 7}}, "supervised/original-l0.05-s0"),
}


@pytest.mark.parametrize("key", ANOTHER)
def test_runs_made_with_another_value_of_a_key_are_named_with_both_values(key):
    found, expected, changes, first = ANOTHER[key]
    message = refusal(made=CONFIG, **changes)
    assert f"made with {key} {found}, the config says {expected}; delete the file(s)" in message
    assert message.startswith(f"results/made-up/records/{first}")


def test_a_key_of_another_evaluation_is_told_of_its_runs():
    for stage, key, value in (("knn", "k", 7), ("finetune", "lr", 0.1), ("linear", "pooling", "mean")):
        changes = {"evaluate": [stage], stage: {key: value}}
        message = refusal(other_stage(stage), made={"evaluate": [stage]}, **changes)
        assert f"made with {stage}.{key} " in message and f"the config says {value};" in message
        assert message.startswith(f"results/made-up/records/{stage}/")


def made_by(method: str) -> list:
    """`RECORDS`, with another method's name."""
    return [replace(r, spec=replace(r.spec, method=method)) if r.spec.method == "autoencoder" else r for r in RECORDS]


@pytest.mark.parametrize(
    "method, config, changes, told",
    [
        ("vicreg", {}, {"vicreg": {"views": {"crop": 0.3}}}, "vicreg.views.crop nothing, the config says 0.3"),
        (
            "mine",
            {"variants": {"mine": {"method": "simclr", "temperature": 0.2}}},
            {"variants": {"mine": {"method": "simclr", "temperature": 0.3}}},
            "variants.mine.temperature 0.2, the config says 0.3",
        ),
    ],
)
def test_of_another_method_or_a_variant_the_setting_is_named_as_a_person_writes_it(method, config, changes, told):
    records, config = made_by(method), {**config, "methods": [method]}
    check(records, **config)
    assert f"made with {told}" in refusal(records, made=config, **{**config, **changes})


def test_runs_of_a_study_of_another_name_are_named():
    assert "made with study made-up, the config says mine" in refusal(made=CONFIG, study="mine")


def test_runs_that_no_study_asked_for_are_named():
    with pytest.raises(ResultsError, match="made with dataset nothing, the config says digits"):
        check_against_config(*unasked(), "results/made-up")


def unasked() -> tuple:
    paths = [Path(f"results/made-up/records/{record.box.name}.json") for record in RECORDS]
    for record, path in zip(RECORDS, paths, strict=True):
        write_record(record, path)
    return collect(paths)[0], IMAGES, check_config(CONFIG, SCHEMA)


def test_tables_whose_records_are_others_or_not_here_are_named():
    cells, images, config = unasked()
    shutil.rmtree("results/made-up/records")
    with pytest.raises(ResultsError, match="made with settings of another config, the config says others; delete"):
        check_against_config(cells, images, config, "results/made-up")
    check()
    with pytest.raises(ResultsError, match=r"^results/made-up/tables: made of older records; delete the folder"):
        check_against_config(cells, images, config, "results/made-up")


def test_runs_with_more_labels_may_be_trained_otherwise_where_that_is_automatic():
    """For longer, with less dropout (a seed with a label less has a little more), with fewer views in memory."""
    auto = {**UPDATES, "pretrain": {**CONSTANT}, "classify": {**CONSTANT}}
    few, many = {"updates": 2000, "dropout": 0.35, "views": 8}, {"updates": 8000, "dropout": 0.2841, "views": 4}

    def made(record, **changes):
        own = {name: value for name, value in changes.items() if name in record.settings}
        return replace(record, settings={**record.settings, **own})

    records = [made(r, **(few if r.spec.l == "0.05" else many)) for r in BY_UPDATES]
    assert {r.settings.get("dropout") for r in records} == {0.35, 0.2841}
    check(records, **auto)
    check([made(r, dropout=0.2842) if r.spec.l == "0.5" and r.spec.seed == 1 else r for r in records], **auto)
    assert "views 3, but 4 in the other" in refusal(
        [made(r, views=3) if r.spec.l == "0.5" and r.spec.seed == 1 else r for r in records], **auto
    )


def test_shorter_runs_may_differ_in_their_length_and_in_nothing_else():
    half = [
        replace(r, spec=replace(r.spec, length="half"), settings={**r.settings, "epochs": 1})
        for r in RECORDS
        if r.spec.u == "1"
    ]
    check([*RECORDS, *half])
    other = [replace(record, code_version="other") for record in half]
    assert "code_version other, but 0123456789ab in the other" in refusal([*RECORDS, *other])
    checked = check_config(CONFIG, SCHEMA)
    asked = {**asked_of(checked, half[0].box), "classify.lr": 0.1}
    path = Path(f"results/made-up/records/{half[0].box.name}.json")
    write_record(replace(half[0], asked=asked), path)
    cells = collect([f"results/made-up/records/{record.box.name}.json" for record in RECORDS])[0]
    with pytest.raises(ResultsError, match=r"-half\.json: made with classify\.lr 0\.1, the config says 0\.001"):
        check_against_config(cells, IMAGES, checked, "results/made-up", collect_shorter([path]))


@pytest.mark.parametrize("key, value", [("test_fraction", 0.3), ("test_seed", 1)])
def test_images_read_another_way_are_named(key, value):
    assert f"images.json: images were read with {key} " in refusal(**{key: value})


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"seeds": 2}, "made for seeds 0, 1, 2, the config says 0, 1;"),
        ({"seeds": 4}, "made for seeds 0, 1, 2, the config says 0, 1, 2, 3;"),
        ({"labelled": [0.05]}, "made for labelled 0.05, 0.5, the config says 0.05;"),
        ({"unlabelled": [0, 0.1, 0.3, 1]}, "made for unlabelled 0, 0.1, 1, the config says 0, 0.1, 0.3, 1;"),
        ({"encoders": ["conv"]}, "made for encoders original, the config says conv;"),
    ],
)
def test_tables_of_another_grid_are_named(changes, expected):
    assert expected in refusal(**changes)


def test_tables_without_the_methods_of_the_config_are_named():
    without = [record for record in RECORDS if record.spec.method != "autoencoder"]
    with_one = [*without, *grid(us=["0.1", "1"], ls=["0.05"], seeds=[0], baseline=False)]
    check([*without, *grid(us=["0.1", "1"], baseline=False)])
    assert "unlabelled" in refusal(without)
    renamed = [replace(r, spec=replace(r.spec, method="other")) for r in with_one if r.spec.method == "autoencoder"]
    assert "made for methods other, the config says autoencoder" in refusal([*without, *renamed])


def with_one(change, n: int = 1):
    """The study's records, the first `n` of its pre-trained ones changed."""
    first = [i for i, record in enumerate(RECORDS) if record.spec.method == "autoencoder"][:n]
    return [change(record) if i in first else record for i, record in enumerate(RECORDS)]


def settings(**changes):
    return lambda record: replace(record, settings={**record.settings, **changes})


MIXED = {
    "code": (lambda r: replace(r, code_version="ba9876543210"), "code_version ba9876543210, but 0123456789ab in"),
    "precision": (lambda r: replace(r, precision="bfloat16"), "precision bfloat16, but float32 in the other"),
    "images": (lambda r: replace(r, spec=replace(r.spec, fingerprint="0")), "fingerprint 0, but fedcba9876543210 in"),
    "augmentation that the config leaves to the data set": (
        settings(augment={"flip_horizontal": 0.5, "flip_vertical": 0, "noise": 0.1}),
        "augment_flip_horizontal 0.5, but 0 in the other",
    ),
    "views that the config leaves to the machine": (settings(views=4), "views 4, but 8 in the other"),
    "encoders": (
        lambda r: replace(r, settings={**r.settings, "pretrain": {**r.settings["pretrain"], "dropout": 0.1}}),
        "pretrain_dropout 0.1, but 0.35 in the other",
    ),
}


@pytest.mark.parametrize("case", MIXED)
def test_a_run_that_differs_from_the_others_is_named(case):
    change, expected = MIXED[case]
    message = refusal(with_one(change))
    assert expected in message
    assert "records/classify/autoencoder-original-u0.1-l0.05-s0.json: " in message
    assert ("set precision in the config" in message) == (case == "precision")


def test_of_many_runs_that_differ_three_are_named_and_the_rest_counted():
    assert "-s2.json and 1 more: " in refusal(with_one(MIXED["precision"][0], n=4))


def test_among_two_versions_of_the_code_the_one_in_use_is_the_right_one():
    current = {**CONFIG, "seeds": 1, "unlabelled": [1], "labelled": [0.5]}
    old, new = grid(us=["1"], ls=["0.5"], seeds=[0])
    first, second = code_now(tables([old, new])[0].sort_values("method", key=lambda m: m != old.spec.method))
    message = refusal([old, replace(new, code_version=second)], **current)
    assert "records/classify/" in message and "supervised" not in message
    message = refusal([replace(old, code_version=first), new], **current)
    assert "records/supervised/" in message and "classify" not in message


def test_devices_and_threads_may_differ():
    check(with_one(lambda r: replace(r, device="cuda", threads=4)))


def test_a_run_without_a_usable_encoder_needs_no_number_of_views():
    def failed(record):
        left = {"history": [], "test": None, "settings": {**record.settings, "views": "auto"}}
        return replace(record, status="failed", reason="its encoder is not usable", **left)

    check(with_one(failed))


def test_runs_of_other_images_than_the_studys_are_named():
    message = refusal(images={**IMAGES, "fingerprint": "0123"})
    assert "of other images than results/made-up/images.json speaks of" in message


def test_tables_of_an_older_version_are_named():
    cells = tables(RECORDS)[0].drop(columns="fingerprint")
    with pytest.raises(
        ResultsError, match=r"results/mine/tables: made by another version .*no column fingerprint.*delete"
    ):
        check_against_config(cells, IMAGES, check_config(CONFIG, SCHEMA), "results/mine")


def test_a_record_under_the_name_of_another_run_is_named(tmp_path):
    record = run_record(u="0.1", seed=0)
    for name in ("autoencoder-original-u0.1-l0.5-s0", "autoencoder-original-u0.1-l0.5-s1"):
        write_record(record, tmp_path / f"classify/{name}.json")
    collect([tmp_path / "classify/autoencoder-original-u0.1-l0.5-s0.json"])
    with pytest.raises(RecordError, match=r"-s1\.json: holds classify/autoencoder-.*-s0, so it was copied or renamed"):
        collect([tmp_path / "classify/autoencoder-original-u0.1-l0.5-s1.json"])
