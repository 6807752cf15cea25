"""A config is completed and made canonical, or refused with one line that names the key."""

import copy
import json
import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sslfast.errors import ConfigError
from sslfast.study.config import check_config, read_schema
from sslfast.study.datasets import image_shape_of
from sslfast.study.image_size import sides_of
from sslfast.study.study import Study

ROOT = Path(__file__).parents[2]
SCHEMA = read_schema(ROOT / "workflow" / "schemas" / "config.schema.yaml")
SMALL = {"dataset": "digits", "unlabelled": [0, 0.1, 1], "labelled": [0.05, 0.2]}
FOLDER = {"dataset": "folder", "folder": "somewhere"}


def checked(**changes) -> Study:
    return check_config({**SMALL, **changes}, SCHEMA)


def refusal(config: dict) -> str:
    with pytest.raises(ConfigError) as error:
        check_config(config, SCHEMA)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_what_is_left_out_is_filled_in():
    study = checked()
    assert study.name == study.title == "digits"
    assert study.pool == "all"
    assert study.seeds == (0, 1, 2)
    assert (study.budget, study.check_length) == ("updates", True)
    assert study.pretrain == {"updates": "auto", "lr": 0.003, "schedule": "one_cycle", "wd": 0}
    assert study.supervised == {"updates": "auto", "lr": 0.003, "schedule": "one_cycle", "wd": 0.1, "dropout": "auto"}
    assert study.threshold == {"metric": "macro_f1", "value": 0.4}
    assert study.accuracy_targets is None


def test_what_is_given_is_kept_beside_defaults():
    study = checked(pretrain={"updates": 300}, title="My digits", study="mine")
    assert study.pretrain == {"updates": 300, "lr": 0.003, "schedule": "one_cycle", "wd": 0}
    assert (study.name, study.title) == ("mine", "My digits")


def test_the_title_is_the_study_where_only_that_is_named():
    assert checked(study="mine").title == "mine"


def test_the_baseline_is_trained_as_the_classifiers_unless_told_otherwise():
    study = checked(classify={"updates": 700, "lr": 0.01}, supervised={"lr": 0.1})
    shared = {key: value for key, value in study.classify.items() if key != "views"}
    assert study.supervised == {**shared, "lr": 0.1}
    assert study.supervised["updates"] == 700


def test_a_study_knows_its_length_in_the_unit_of_its_budget_alone():
    own = {"cool": {"method": "simclr"}}
    for budget, other in (("updates", "epochs"), ("epochs", "updates")):
        study = checked(budget=budget, variants=own)
        sections = [study.section(name) for name in ("pretrain", "classify", "supervised", "finetune", "vae")]
        assert all(budget in section and other not in section for section in [*sections, study.variants["cool"]])
    assert checked(budget="epochs").classify["epochs"] == 20


@pytest.mark.parametrize("section", ["pretrain", "classify", "supervised", "finetune", "gan", "variants.cool"])
@pytest.mark.parametrize("budget, unit", [("updates", "epochs"), ("epochs", "updates"), (None, "epochs")])
def test_a_length_in_another_unit_than_that_of_the_budget_is_refused(section, budget, unit):
    outer, _, name = section.partition(".")
    given_one = {name: {"method": "simclr", unit: 7}} if name else {unit: 7}
    message = refusal({**SMALL, "budget": budget, outer: given_one} if budget else {**SMALL, outer: given_one})
    assert message == (
        f"{section}.{unit}: given, but budget is {budget or 'updates'};"
        f" give {section}.{budget or 'updates'}, leave it out, or say budget: {unit}"
    )


@pytest.mark.parametrize("updates", [0, -1, 1.5, "many", "10%", True])
@pytest.mark.parametrize("section", ["pretrain", "supervised", "variants.cool"])
def test_updates_that_make_no_sense_are_named(section, updates):
    outer, _, name = section.partition(".")
    given_one = {name: {"method": "simclr", "updates": updates}} if name else {"updates": updates}
    message = refusal({**SMALL, outer: given_one})
    assert message.startswith(f"{section}.updates: found ")
    assert ", expected auto" in message and message.endswith(" a number of updates from 1")


@pytest.mark.parametrize("updates", [1, 700, "700", "auto"])
def test_updates_are_a_number_or_left_to_the_labels(updates):
    assert checked(classify={"updates": updates}).classify["updates"] == (700 if updates == "700" else updates)


@pytest.mark.parametrize("views", ["auto", "fresh", 1, 8, "8"])
def test_views_may_be_words_or_a_number(views):
    assert checked(classify={"views": views}).classify["views"] == (8 if views == "8" else views)


@pytest.mark.parametrize("views", [0, -3, "many", 1.5, True])
def test_views_that_make_no_sense_are_named(views):
    with pytest.raises(
        ConfigError, match=r"^classify.views: found .*, expected auto, fresh or a number of views from 1$"
    ):
        checked(classify={"views": views})


def test_the_baseline_has_no_views():
    with pytest.raises(ConfigError, match=r"^supervised.views: unknown key"):
        checked(supervised={"views": 4})


def test_filling_in_does_not_touch_the_schema_or_the_config_given():
    given_config, schema = copy.deepcopy(SMALL), copy.deepcopy(SCHEMA)
    check_config(given_config, schema).pretrain["updates"] = 99
    assert given_config == SMALL
    assert schema == SCHEMA


def test_a_checked_config_is_valid_and_stays_the_same():
    study = checked(seeds=2, unlabelled=["1.0", ".10"])
    assert check_config(study.as_config(), SCHEMA) == study


def test_fractions_become_canonical_and_increase():
    study = checked(unlabelled=[1.0, "0.10", 0, ".03"], labelled=["1", 0.5, "5e-2"])
    assert study.unlabelled == ("0", "0.03", "0.1", "1")
    assert study.labelled == ("0.05", "0.5", "1")


def test_a_number_of_seeds_becomes_their_list():
    assert checked(seeds=1).seeds == (0,)
    assert checked(seeds=4).seeds == (0, 1, 2, 3)
    assert checked(seeds=[7, 3]).seeds == (7, 3)


@pytest.mark.parametrize("text", ["1e-3", "0.001", "1E-3"])
def test_a_number_that_yaml_reads_as_text_is_a_number(text):
    assert checked(classify=yaml.safe_load(f"lr: {text}")).classify["lr"] == 0.001


def test_numbers_as_text_from_the_command_line_are_numbers():
    study = checked(
        seeds="2", batch_size="64", channels="1", pretrain={"updates": "3"}, threshold={"value": ".5"},
        accuracy_targets=["0.9"], **FOLDER,
    )  # fmt: skip
    assert (study.seeds, study.batch_size, study.channels) == ((0, 1), 64, 1)
    assert (study.pretrain["updates"], study.threshold["value"]) == (3, 0.5)
    assert study.accuracy_targets == (0.9,)


@pytest.mark.parametrize("key, value", [("seeds", 2.0), ("batch_size", 64.0), ("threads", 2.0)])
def test_a_whole_number_written_with_a_point_is_whole(key, value):
    found = checked(**{key: value}).values([key])[key]
    assert found == ([0, 1] if key == "seeds" else int(value))
    assert not isinstance(found, float)


REFUSED = {  # what is wrong: (changes, the key, what else the message says)
    "a misspelt key": ({"unlabeled": [0.1]}, "unlabeled", "did you mean unlabelled?"),
    "a key of one section": ({"beta": 2}, "beta", "did you mean vae.beta?"),
    "a key of several sections": ({"dropout": 0.2}, "dropout", "did you mean classify.dropout or another section?"),
    "a misspelt key within another": ({"pretrain": {"epoch": 3}}, "pretrain.epoch", "did you mean epochs?"),
    "a key like no other": ({"xyz": 1}, "xyz", "config/README.md lists all keys"),
    "a key that is a number": ({7: 1}, "7", "unknown key"),
    "a fraction above 1": ({"unlabelled": [0.1, 1.5]}, "unlabelled", "1.5"),
    "a fraction below 0": ({"labelled": [-0.1]}, "labelled", "-0.1"),
    "a fraction in percent": ({"labelled": [10]}, "labelled", "10 % is 0.1"),
    "a fraction with a percent sign": ({"unlabelled": ["10%"]}, "unlabelled", "write 10 % as 0.1"),
    "a word as a fraction": ({"unlabelled": ["half"]}, "unlabelled", "half"),
    "nothing as a fraction": ({"unlabelled": [None]}, "unlabelled", "None"),
    "a truth as a fraction": ({"unlabelled": [True]}, "unlabelled", "True"),
    "a list as a fraction": ({"unlabelled": [[0.1]]}, "unlabelled", "[0.1]"),
    "one fraction twice": ({"unlabelled": [1, 1.0]}, "unlabelled", "1 and 1.0 are the same"),
    "one fraction in two spellings": ({"labelled": ["0.10", 0.1]}, "labelled", "0.10 and 0.1 are the same"),
    "no labelled fractions": ({"labelled": []}, "labelled", "empty"),
    "no unlabelled fractions": ({"unlabelled": []}, "unlabelled", "empty"),
    "a fraction that is no list": ({"labelled": 0.1}, "labelled", "a list"),
    "labelled without labels": ({"labelled": [0, 0.5]}, "labelled", "above 0"),
    "an unknown data set": ({"dataset": "imagenet"}, "dataset", "cifar10"),
    "an unknown method": ({"methods": ["simclr2"]}, "methods", "autoencoder"),
    "an unknown encoder": ({"encoders": ["resnet"]}, "encoders", "conv, original, resnet18"),
    "an encoder twice": ({"encoders": ["conv", "conv"]}, "encoders", "once"),
    "an unknown schedule": ({"classify": {"schedule": "cosine"}}, "classify.schedule", "one_cycle"),
    "nothing left for the pool": ({"pool": "rest", "labelled": [0.5, 1]}, "labelled", "pool"),
    "a data set folder without a folder": ({"dataset": "folder"}, "folder", "path of your images"),
    "an empty folder": ({"dataset": "folder", "folder": ""}, "folder", "path of your images"),
    "a folder beside another data set": ({"folder": "my-images"}, "folder", "dataset: folder"),
    "a word as a number": ({"batch_size": "many"}, "batch_size", "many"),
    "a list as a number": ({"batch_size": [32]}, "batch_size", "[32]"),
    "half an epoch": ({"budget": "epochs", "pretrain": {"epochs": 0.5}}, "pretrain.epochs", "whole number"),
    "a budget of another unit": ({"budget": "steps"}, "budget", "updates, epochs"),
    "a check of some length": ({"check_length": 0.5}, "check_length", "true or false"),
    "a section that is a number": ({"pretrain": 3}, "pretrain", "3"),
    "a section that is empty": ({"pretrain": None}, "pretrain", "None"),
    "a batch of one": ({"batch_size": 1}, "batch_size", "2 or more"),
    "no learning rate": ({"classify": {"lr": 0}}, "classify.lr", "more than 0"),
    "a learning rate that is not a number": ({"classify": {"lr": math.nan}}, "classify.lr", "nan"),
    "an infinite learning rate": ({"classify": {"lr": "1e999"}}, "classify.lr", "inf"),
    "a dropout of everything": ({"classify": {"dropout": 1}}, "classify.dropout", "below 1"),
    "a dropout in words": ({"finetune": {"dropout": "some"}}, "finetune.dropout", "auto or a number"),
    "a threshold in percent": ({"threshold": {"value": 40}}, "threshold.value", "1 or less"),
    "judged by what is not evaluated": ({"judged_by": "linear"}, "judged_by", "head"),
    "no seeds": ({"seeds": []}, "seeds", "empty"),
    "a negative seed": ({"seeds": [0, -1]}, "seeds", "-1"),
    "a seed twice": ({"seeds": [1, 2, 1]}, "seeds", "once"),
    "more seeds than anyone has time for": ({"seeds": 10**9}, "seeds", "1000 or less"),
    "a study that is a path": ({"study": "../mine"}, "study", "letters, digits"),
    "a study without a name": ({"study": ""}, "study", "letters, digits"),
    "no accuracy targets": ({"accuracy_targets": []}, "accuracy_targets", "empty"),
    "an accuracy target of 1": ({"accuracy_targets": [0.9, 1]}, "accuracy_targets", "less than 1"),
}


@pytest.mark.parametrize("changes, key, word", REFUSED.values(), ids=REFUSED)
def test_an_error_is_one_line_that_begins_with_the_key(changes, key, word):
    message = refusal({**SMALL, **changes})
    assert message.startswith(f"{key}: ")
    assert word in message


@pytest.mark.parametrize("key", ["dataset", "unlabelled", "labelled"])
def test_a_missing_key_is_named_with_what_it_means(key):
    config = {k: v for k, v in SMALL.items() if k != key}
    message = refusal(config)
    assert message.startswith(f"{key}: missing; ")
    meaning = SCHEMA["properties"][key]["description"]
    assert meaning[1:20] in message


def test_a_misspelt_key_is_named_rather_than_the_key_that_it_should_have_been():
    assert refusal({"dataset": "digits", "unlabelled": [0], "labeled": [0.5]}).startswith("labeled: ")


def test_pool_rest_may_use_every_label_where_nothing_is_pretrained():
    assert checked(pool="rest", labelled=[1], unlabelled=[0]).labelled == ("1",)


def configs_of_the_project():
    return sorted((ROOT / "config").glob("*.yaml"))


@pytest.mark.parametrize("path", configs_of_the_project(), ids=lambda path: path.name)
def test_the_configs_of_the_project_are_valid(path):
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    found = check_config(config, SCHEMA)
    assert set(config) <= set(found.as_config())
    assert found.name == config.get("study", "my-images")  # of a folder, its name


def keys_of(schema: dict, prefix: str = ""):
    for key, entry in schema["properties"].items():
        yield f"{prefix}{key}", entry
        if "properties" in entry:
            yield from keys_of(entry, f"{prefix}{key}.")


@pytest.mark.parametrize("key, entry", list(keys_of(SCHEMA)), ids=lambda value: value if isinstance(value, str) else "")
def test_every_key_of_the_schema_is_described(key, entry):
    assert len(entry["description"].split()) >= 2
    assert entry["description"].endswith(".")


def test_every_default_of_the_schema_is_valid():
    defaults = {key: entry["default"] for key, entry in SCHEMA["properties"].items() if "default" in entry}
    assert checked(**{**defaults, **FOLDER}) == checked(**FOLDER)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["1e-3", "10%", "digits", "conv", "nan", "1e999", "0.5", "-1", ".5", "a\nb"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
KEYS = [key for key, _ in keys_of(SCHEMA)]


def changed(config: dict, key: str, value) -> dict:
    outer, _, inner = key.partition(".")
    if not inner:
        return {**config, outer: value}
    section = config.get(outer)
    return {**config, outer: {**(section if isinstance(section, dict) else {}), inner: value}}


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(KEYS) | st.text(max_size=8), ANYTHING), min_size=1, max_size=3))
def test_any_change_to_a_valid_config_passes_or_is_refused_in_one_line(changes):
    config = SMALL
    for key, value in changes:
        config = changed(config, key, value)
    try:
        found = check_config(config, SCHEMA)
    except ConfigError as error:
        assert len(str(error).splitlines()) == 1
        assert ": " in str(error)
    else:
        assert check_config(found.as_config(), SCHEMA) == found
        assert all(isinstance(fraction, str) for fraction in found.unlabelled + found.labelled)
        assert all(isinstance(seed, int) for seed in found.seeds)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_left_out_of_the_full_config_is_filled_in_or_named(key):
    config = checked(**FOLDER).as_config()
    outer, _, inner = key.partition(".")
    (config[outer] if inner else config).pop(inner or outer, None)
    if key in (*SCHEMA["required"], "folder"):
        assert refusal(config).startswith(f"{key}: missing")
    else:
        assert check_config(config, SCHEMA).dataset == "folder"


@pytest.mark.parametrize(
    ("given", "size"), [([24, 32], (24, 32)), (["24", 32.0], (24, 32)), ([32, 32], 32), ("32", 32)]
)
def test_images_may_have_a_height_and_a_width(given, size):
    study = check_config({**SMALL, **FOLDER, "image_size": given}, SCHEMA)
    assert study.image_size == size
    assert Study.of(json.loads(json.dumps(study.as_config()))) == study
    assert image_shape_of(study) == (3, *sides_of(size))


@pytest.mark.parametrize("size", [[24], [24, 32, 3], [4, 32], [24, 1000], [], [24, [32]], [24, None], "24x32"])
def test_a_height_and_width_that_cannot_be_are_refused(size):
    assert refusal({**SMALL, **FOLDER, "image_size": size}).startswith("image_size: found")


def test_what_needs_squares_is_refused_for_other_images():
    config = {**SMALL, **FOLDER, "image_size": [24, 32], "methods": ["rotation"]}
    assert refusal(config).startswith("image_size: found [24, 32], but rotation needs squares")
    variants = {"turned": {"method": "rotation"}}
    assert "but turned needs squares" in refusal({**config, "methods": ["turned"], "variants": variants})
    assert "expected 96 or less for stl10" in refusal({**SMALL, "dataset": "stl10", "image_size": [24, 128]})


@pytest.mark.parametrize("change", [{"image_size": 64}, {"channels": 1}, {"on_bad_image": "skip"}, {"folder": "mine"}])
def test_a_key_for_folders_is_refused_where_it_would_be_ignored(change):
    (key,) = change
    assert refusal({**SMALL, **change}).startswith(f"{key}: given, but dataset is digits")


@pytest.mark.parametrize("amount", ["0x", "00x", "0.0x", "0.000x"])
def test_no_multiple_of_the_updates_is_none(amount):
    with pytest.raises(ConfigError, match=r"updates: found '0.*x', expected auto, a multiple of it such as 2x"):
        check_config({**SMALL, "classify": {"updates": amount}}, SCHEMA)
