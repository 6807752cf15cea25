"""A person's own methods and encoders, named in a config: found, named and refused without importing them."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from builders import SCHEMA

from sslfast.errors import ConfigError
from sslfast.models import create_encoder, load_encoder, save_encoder
from sslfast.study.config import check_config
from sslfast.study.depends import method_settings
from sslfast.study.own import own_code, source_of
from sslfast.study.study import Study

SMALL = {"dataset": "digits", "unlabelled": [0, 1], "labelled": [0.1]}
NETS = """
from torch import nn
class Net(nn.Sequential):
    def __init__(self, channels, image_size, width=4):
        super().__init__(nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.BatchNorm2d(width))
class NoMap(nn.Sequential):
    def __init__(self, channels, image_size):
        super().__init__(nn.Flatten())
class Narrow(nn.Module):
    def __init__(self, channels):
        super().__init__()
def number(channels, image_size):
    return 3
"""
METHODS = """
def my_learner(dls, encoder, seed=None, precision="auto", strength=1.0, **kwargs):
    ...
def no_learner(one, other):
    ...
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "my_nets.py").write_text(NETS)
    (tmp_path / "my_methods.py").write_text(METHODS)
    return tmp_path


def checked(folder: Path, **changes) -> Study:
    return check_config({**SMALL, **changes}, SCHEMA, folder)


def test_own_code_is_in_the_grid_under_a_name_that_a_file_can_have(folder):
    variants = {"mine": {"method": "my_methods.py:my_learner"}}
    study = checked(folder, encoders=["conv", "my_nets.py:Net"], methods=["mine"], variants=variants)
    assert study.encoders == ("conv", "my_nets.Net")
    assert method_settings(study, "mine")["method"] == "my_methods.my_learner"
    assert set(study.own) == {"my_nets.Net", "my_methods.my_learner"}
    assert str(folder) not in str(replace(study, own={}))


def test_an_own_method_is_trained_as_pretrain_says_but_for_what_its_variant_says(folder):
    given = {"method": "my_methods.py:my_learner", "lr": "1e-2", "strength": "0.5"}
    study = checked(folder, methods=["mine"], variants={"mine": given}, pretrain={"wd": 0.2}, batch_size=64)
    assert method_settings(study, "mine") == {
        "method": "my_methods.my_learner", "updates": "auto", "lr": 0.01, "schedule": "one_cycle", "wd": 0.2,
        "batch_size": 64, "options": {"strength": 0.5},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"encoders": ["nowhere.py:Net"]}, "encoders: found 'nowhere.py:Net', but there is no file {}/nowhere.py"),
        ({"encoders": ["no_such_package.nets:Net"]}, "there is no module no_such_package.nets"),
        ({"encoders": ["my_nets.py:Big"]}, "my_nets.py has no Big; it has nn, Net, NoMap, Narrow, number"),
        ({"encoders": ["my_nets.Net"]}, "name one of your own by its file, as my_nets.py:Small"),
        ({"encoders": ["my-nets.py:Net"]}, "expected file.py:name or module:name, of letters, digits, _"),
        ({"encoders": ["broken.py:Net"]}, "broken.py cannot be read (SyntaxError"),
        ({"encoders": ["my_nets.py:Narrow"]}, "which takes (channels), expected a class or function"),
        ({"encoders": ["my_nets.py:Net", "./my_nets.py:Net"]}, "expected each once"),
        ({"encoders": ["my_nets.py:Net", "other/my_nets.py:Net"]}, "would both be called my_nets.Net; rename one"),
        ({"variants": {"mine": {"method": "my_methods.py:your_learner"}}}, "variants.mine.method: found"),
        (
            {"variants": {"mine": {"method": "my_methods.py:no_learner"}}},
            "which takes (one, other), expected a",
        ),
        (
            {"variants": {"mine": {"method": "my_methods.py:my_learner", "strenght": 1}}},
            "variants.mine.strenght: unknown key; did you mean strength?",
        ),
        ({"variants": {"mine": {"method": "my_methods.py:my_learner", "lr": -1}}}, "variants.mine.lr: found -1"),
    ],
)
def test_what_cannot_work_is_one_line_that_says_what_to_do(folder, changes, line):
    (folder / "broken.py").write_text("class Net(:")
    (folder / "other").mkdir()
    (folder / "other/my_nets.py").write_text(NETS)
    with pytest.raises(ConfigError) as caught:
        checked(folder, **changes)
    assert line.format(folder) in str(caught.value)


def test_a_digest_follows_the_code_and_not_its_comments(folder):
    def digest() -> str:
        return checked(folder, encoders=["my_nets.py:Net"]).own["my_nets.Net"]["code"]

    before = digest()
    (folder / "my_nets.py").write_text(NETS + "# a comment\n")
    assert digest() == before
    (folder / "my_nets.py").write_text(NETS.replace("width=4", "width=5"))
    assert digest() != before


def test_a_job_depends_on_the_own_code_that_it_uses_and_no_other(folder):
    study = checked(
        folder, encoders=["my_nets.py:Net", "conv"], methods=["mine", "autoencoder"],
        variants={"mine": {"method": "my_methods.py:my_learner"}},
    )  # fmt: skip
    assert set(own_code(study, "my_nets.Net", "mine")) == {"my_nets.Net", "my_methods.my_learner"}
    assert set(own_code(study, "conv", "shuffled_mine")) == {"my_methods.my_learner"}
    assert set(own_code(study, "my_nets.Net", None)) == {"my_nets.Net"}
    assert own_code(study, "conv", "autoencoder") == {} == own_code(checked(folder), "original", "autoencoder")


def test_code_that_changed_since_the_config_was_checked_is_not_used(folder):
    study = checked(folder, encoders=["my_nets.py:Net"])
    assert source_of(study.own, "my_nets.Net").path == folder / "my_nets.py"
    (folder / "my_nets.py").write_text(NETS + "x = 1\n")
    with pytest.raises(ConfigError, match=r"my_nets.py: changed since the study looked; run it again"):
        source_of(study.own, "my_nets.Net")


def test_checking_a_config_imports_neither_own_code_nor_torch(folder):
    (folder / "my_nets.py").write_text("raise SystemExit(3)\nclass Net: ...\n")
    code = (
        "import sys; from sslfast.study.config import check_config, read_schema;"
        f"check_config({SMALL | {'encoders': ['my_nets.py:Net']}}, read_schema(sys.argv[1]), sys.argv[2]);"
        "assert not {'torch', 'fastai'} & set(sys.modules)"
    )
    schema = Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml"
    subprocess.run([sys.executable, "-c", code, schema, folder], check=True)


def test_an_installed_module_is_found_by_its_name_and_a_change_anywhere_in_its_package_counts(tmp_path, monkeypatch):
    package = tmp_path / "my_package_of_nets"
    package.mkdir()
    for name, text in (("__init__", "raise SystemExit(3)"), ("nets", NETS), ("helpers", "x = 1")):
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    def own() -> dict:
        return checked(tmp_path, encoders=["my_package_of_nets.nets:Net"]).own["my_package_of_nets.nets.Net"]

    before = own()
    assert before["source"] == "my_package_of_nets.nets:Net"
    (package / "helpers.py").write_text("x = 22")
    assert own()["code"] != before["code"]


def test_an_encoder_of_own_code_is_stored_and_loaded_again_by_naming_its_file(folder, tmp_path):
    source = f"{folder}/my_nets.py:Net"
    encoder = create_encoder(source, 1, 8)
    assert (encoder.name, encoder.out_shape) == ("my_nets.Net", (4, 4, 4))
    save_encoder(encoder, tmp_path / "e.safetensors")
    loaded = load_encoder(tmp_path / "e.safetensors", own=source)
    assert all((a == b).all() for a, b in zip(encoder.state_dict().values(), loaded.state_dict().values(), strict=True))
    with pytest.raises(ConfigError.__base__, match=r"say where that is: own='my_nets.py:Net'"):
        load_encoder(tmp_path / "e.safetensors")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("NoMap", r"expected a feature map \[N, C, h, w\]"), ("number", "it makes a int, expected a torch module")],
)
def test_what_makes_no_feature_map_is_no_encoder(folder, name, reason):
    with pytest.raises(ConfigError, match=rf"my_nets.py:{name} is no encoder of images of 8 pixels .*{reason}"):
        create_encoder(f"{folder}/my_nets.py:{name}", 1, 8)
