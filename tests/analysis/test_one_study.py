"""Runs of another study, config, code or data set are named, whichever way they came into the study's folder."""

from dataclasses import replace

import pytest
from builders import SCHEMA, grid, run_record, schema_keys, tables

from sslfast.analysis.code import code_now
from sslfast.analysis.one_study import check_one_study
from sslfast.analysis.tables import collect
from sslfast.errors import RecordError, ResultsError
from sslfast.study.config import check_config, method_settings
from sslfast.study.datasets import FOLDER_KEYS, WHICH_FILES
from sslfast.study.methods import methods
from sslfast.study.records import write_record

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


def check(records=RECORDS, images=IMAGES, **config) -> None:
    checked = check_config({**CONFIG, **config}, SCHEMA)
    check_one_study(tables(records)[0], images, checked, "results/made-up")


def refusal(records=RECORDS, images=IMAGES, **config) -> str:
    with pytest.raises(ResultsError) as found:
        check(records, images, **config)
    message = str(found.value)
    assert "\n" not in message
    assert message.startswith("results/made-up/")
    assert "delete" in message and "run again" in message
    return message


def test_runs_of_the_study_that_the_config_describes_pass():
    check()
    check(grid(pool="rest"), pool="rest")
    check(grid(us=["0"]), unlabelled=[0])
    check(grid(encoders=["original", "conv"]), encoders=["conv", "original"])


ANOTHER = {  # key: another value
    "study": "mine",
    "valid_fraction": 0.2,
    "pool": "rest",
    "batch_size": 64,
    "precision": "bfloat16",
    "augment.noise": 0.2,
    "augment.flip_horizontal": 0.5,
    "augment.flip_vertical": 0.5,
    **{f"{stage}.epochs": 7 for stage in ("pretrain", "classify", "supervised")},
    **{f"{stage}.updates": 7 for stage in ("pretrain", "classify", "supervised")},
    **{f"{stage}.lr": 0.1 for stage in ("pretrain", "classify", "supervised")},
    **{f"{stage}.wd": 0.1 for stage in ("pretrain", "classify", "supervised")},
    **{f"{stage}.schedule": "one_cycle" for stage in ("pretrain", "classify", "supervised")},
    **{f"{stage}.dropout": 0.1 for stage in ("classify", "supervised")},
    "classify.views": "fresh",
}
IN_IMAGES = {"dataset", *WHICH_FILES, *FOLDER_KEYS, "test_fraction", "test_seed", "unlabelled_from"}
GRID = {"unlabelled", "labelled", "seeds", "methods", "variants", "encoders", "evaluate", "controls"}
GRID |= {"check_length", "judged_by"}
OF_METHODS = {  # what is none of `pretrain`'s: another value
    "batch_size": 7, "denoise": 0.3, "mask": 0.3, "patch": 2, "loss_on": "hidden", "beta": 3, "latent": 7,
    "temperature": 0.3, "projector": [7], "views": {"crop": 0.3}, "invariance": 3, "variance": 3, "covariance": 3,
    "r1": 3,
}  # fmt: skip
OF_METHODS |= {key.partition(".")[2]: ANOTHER[key] for key in ANOTHER if key.startswith("pretrain.")}
OF_EVALUATIONS = {
    **{
        f"finetune.{key}": ANOTHER[f"classify.{key}"]
        for key in ("epochs", "updates", "lr", "wd", "schedule", "dropout")
    },
    "linear.pooling": "mean",
    "knn.pooling": "mean",
    "knn.k": 7,
    "knn.temperature": 0.3,
}
OF_NETS = {
    "base.net": {"net": "timm.resnet18", "size": 32},
    "base.weights": {"weights": "x", "size": 32},
    "base.size": {},
}
METHOD_KEYS = [key for key in schema_keys() if key.split(".")[0] in methods()]


def test_every_key_that_training_depends_on_is_looked_at():
    rules = {"classify", "supervised", "evaluate"}
    trains = {key for key, entry in schema_keys().items() if rules & set(entry["x-reruns"])}
    assert trains - IN_IMAGES - GRID == {*ANOTHER, *METHOD_KEYS, *OF_EVALUATIONS, *OF_NETS, "budget"}


@pytest.mark.parametrize("key", OF_NETS)
def test_existing_nets_of_other_weights_or_another_size_are_named(key):
    config = check_config({**CONFIG, "methods": ["base"]}, SCHEMA)
    made = method_settings(config, "base")
    net = {"method": "base", "encoder": made["options"]["net"], "u": "0", "n_unlabelled": 0}
    records = [
        replace(r, spec=replace(r.spec, **net), settings={**r.settings, "pretrain": made})
        for r in RECORDS
        if r.spec.method == "autoencoder" and r.spec.u == "1"
    ]
    records += [r for r in RECORDS if r.spec.method != "autoencoder"]
    check(records, **config)
    other = {**made, "options": {**made["options"], "size": 64, **OF_NETS[key]}}
    changed = [
        replace(r, settings={**r.settings, "pretrain": other}) if r.spec.method == "base" else r for r in records
    ]
    said = {**config, "base": {**config["base"], "size": 32, "weights": "timm"}}
    assert f"made with {key} " in refusal(changed, **said)


def counted_in(key: str) -> tuple[list, dict]:
    """Runs of which `key` is a setting, and the config that made them."""
    return (BY_UPDATES, {**CONFIG, **UPDATES}) if key.endswith(".updates") else (RECORDS, CONFIG)


@pytest.mark.parametrize("key", METHOD_KEYS)
def test_encoders_made_with_another_setting_of_their_method_are_named(key):
    method, _, name = key.partition(".")
    all_records, config = counted_in(key)
    config = {**config, "methods": [method]}
    checked = check_config(config, SCHEMA)
    made = {**all_records[-1].settings, **method_settings(checked, method)}
    records = []
    for record in all_records:
        if record.spec.method == "autoencoder":
            settings = {**record.settings, "pretrain": made}
            record = replace(record, spec=replace(record.spec, method=method), settings=settings)
        records.append(record)
    check(records, **config)
    value = OF_METHODS[name]
    if value == checked[method][name]:  # that is another schedule's default
        value = "constant"
    message = refusal(records, **{**config, method: {name: value}})
    told = f"{method}.{name}{'_crop' if name == 'views' else ''} "
    assert f"made with {told}" in message
    assert f"the config says {value['crop'] if name == 'views' else value}" in message


@pytest.mark.parametrize("key", OF_EVALUATIONS)
def test_other_evaluations_made_with_another_setting_are_named(key):
    stage, _, name = key.partition(".")
    all_records, config = counted_in(key)
    config = {**config, "evaluate": [stage]}
    checked = check_config(config, SCHEMA)
    how = checked["finetune"] if stage == "finetune" else {"options": checked[stage]}
    records = [
        replace(
            r,
            stage=stage,
            history=r.history if stage == "finetune" else [],
            settings={**{k: v for k, v in r.settings.items() if k not in checked["classify"]}, **how},
        )
        if r.stage == "classify"
        else r
        for r in all_records
    ]
    check(records, **config)
    message = refusal(records, **{**config, stage: {name: OF_EVALUATIONS[key]}})
    assert f"made with {key} " in message and f"results/made-up/records/{stage}/" in message


@pytest.mark.parametrize("key", ANOTHER)
def test_runs_made_with_another_value_of_a_key_are_named_with_both_values(key):
    outer, _, inner = key.partition(".")
    value, (records, config) = ANOTHER[key], counted_in(key)
    check(records, **config)
    message = refusal(records, **{**config, outer: {**config.get(outer, {}), inner: value} if inner else value})
    assert f"made with {key.replace('pretrain', 'autoencoder')} " in message
    assert f"the config says {value}" in message
    stage = "supervised" if outer == "supervised" else "classify"
    assert f"results/made-up/records/{stage}/" in message


def test_runs_whose_length_was_counted_otherwise_are_named():
    assert "made with budget epochs, the config says updates" in refusal(**UPDATES)
    assert "made with budget updates, the config says epochs" in refusal(BY_UPDATES)


def test_by_updates_runs_with_more_labels_may_be_trained_for_longer_where_that_is_automatic():
    auto = {**UPDATES, "pretrain": {**CONSTANT}, "classify": {**CONSTANT}}
    records = [replace(r, settings={**r.settings, "updates": 2000 if r.spec.l == "0.05" else 8000}) for r in BY_UPDATES]
    check(records, **auto)


def test_shorter_runs_may_differ_in_their_length_and_in_nothing_else():
    cells, config = tables(RECORDS)[0], check_config(CONFIG, SCHEMA)
    shorter = cells[cells.u == 1].assign(length="half", setting_epochs=1)
    check_one_study(cells, IMAGES, config, "results/made-up", shorter)
    with pytest.raises(ResultsError, match="code_version other, but 0123456789ab in the other"):
        check_one_study(cells, IMAGES, config, "results/made-up", shorter.assign(code_version="other"))
    with pytest.raises(ResultsError, match=r"-u1-l0\.05-s0\.json.*made with classify\.lr 0\.1, the config says 0\.001"):
        check_one_study(cells, IMAGES, config, "results/made-up", shorter.assign(setting_lr=0.1))


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
        check_one_study(cells, IMAGES, check_config(CONFIG, SCHEMA), "results/mine")


def test_a_record_under_the_name_of_another_run_is_named(tmp_path):
    record = run_record(u="0.1", seed=0)
    for name in ("autoencoder-original-u0.1-l0.5-s0", "autoencoder-original-u0.1-l0.5-s1"):
        write_record(record, tmp_path / f"classify/{name}.json")
    collect([tmp_path / "classify/autoencoder-original-u0.1-l0.5-s0.json"])
    with pytest.raises(RecordError, match=r"-s1\.json: holds classify/autoencoder-.*-s0, so it was copied or renamed"):
        collect([tmp_path / "classify/autoencoder-original-u0.1-l0.5-s1.json"])
