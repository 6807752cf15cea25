"""What people of fastai write runs as they write it: the scripts of docs/examples, and the examples in docstrings."""

import inspect
import re
import runpy
import sys
from pathlib import Path

import pytest
from fastai.optimizer import Adam
from fastai.torch_core import trainable_params

import sslfast
from sslfast import curves
from sslfast.data.splits import read_split, write_split
from sslfast.evaluation import encode_cell, linear_probe
from sslfast.models import build, library_nets
from sslfast.seeds import derive_seed
from sslfast.training.lean import LeanLearner

SCRIPTS = sorted((Path(__file__).parents[1] / "docs/examples").glob("*.py"))
ENDS = {
    "image_dls.py": ["nearest neighbours: ", "test images: ", "one image in four forms: ", "labels alone: ["],
    "from_folder.py": ["linear probe: ", "hardest: [", "classes of the test images: [", "averaged over views: "],
    "data_block.py": ["autoencoder_learner", "rotation_learner", "labels alone", "can be loaded: "],
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_as_fastais_users_write_them_runs_over_each_kind_of_loaders(script, image_folder, monkeypatch, capsys):
    folder = image_folder(train=16, test=3, unlabelled=12)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [script.name, str(folder)])
    runpy.run_path(str(script))
    said = capsys.readouterr().out
    for text in ENDS[script.name]:
        assert text in said
    if script.stem == "image_dls":
        classes = re.search(r"one image in four forms: \['(\w+)', '(\w+)', '(\w+)', '(\w+)'\]", said).groups()
        assert len(set(classes)) == 1


PACKAGE = Path(sslfast.__file__).parent
EXAMPLES = [
    pytest.param(" ".join(code.split()), id=f"{path.stem}: {' '.join(code.split())[:40]}")
    for path in sorted(PACKAGE.rglob("*.py"))
    for code in re.findall(r"Example:\s+`([^`]+)`", path.read_text(encoding="utf-8"))
]


@pytest.fixture(scope="module")
def names(digits, tmp_path_factory):
    """What examples in docstrings speak of: loaders, a learner, files in the current folder, all that sslfast has."""
    folder = tmp_path_factory.mktemp("examples")
    dls = sslfast.image_dls(digits, unlabelled=0.1, labelled=0.1, seed=0, bs=32, device="cpu")
    learn = sslfast.autoencoder_learner(dls.pretrain, "original", seed=0)
    encoder = sslfast.create_encoder("conv", 3, 32)
    sslfast.save_encoder(encoder, folder / "encoder.safetensors")
    write_split(dls.split, folder / "digits-s0.parquet")
    public = {name: getattr(sslfast, name) for name in sslfast.__all__}
    ours = {"dls": dls, "learn": learn, "encoder": learn.encoder, "data": digits, "split": dls.split}
    inner = {"derive_seed": derive_seed, "encode_cell": encode_cell, "read_split": read_split}
    return folder, {**public, **inner, **ours}


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_in_a_docstring_runs(code, names, monkeypatch):
    folder, known = names
    monkeypatch.chdir(folder)
    monkeypatch.setattr(
        library_nets, "library_net", lambda name, pretrained, real=library_nets.library_net: real(name, False)
    )
    monkeypatch.setattr(build, "library_net", library_nets.library_net)  # as there is no network
    monkeypatch.setattr(curves, "enough_updates", lambda n: 20)
    if code.startswith("linear_probe(encode"):  # that of sslfast.evaluation, to which sslfast's own leads
        known = {**known, "linear_probe": linear_probe}
    eval(code, known)  # an example is an expression


def test_there_are_examples():
    assert len(EXAMPLES) >= 8


@pytest.mark.parametrize("name", sslfast.__all__)
def test_each_parameter_of_what_is_public_is_explained(name):
    thing = getattr(sslfast, name)
    delegated = inspect.signature(LeanLearner.__init__).parameters if name.endswith("_learner") else {}
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name in delegated:
            continue  # of fastai's Learner, which explains it
        assert re.search(rf"`{parameter.name}[`=:]", inspect.getdoc(thing)), f"{name}: {parameter.name}"


@pytest.mark.parametrize("name", [name for name in sslfast.__all__ if name.endswith("_learner")])
def test_a_signature_promises_what_holds(name, names):
    dls, make = names[1]["dls"], getattr(sslfast, name)
    part = dls.classify if name.split("_")[0] in ("classifier", "finetune", "supervised") else dls.pretrain
    shown = inspect.signature(make).parameters
    attributes = ("opt_func", "lr", "splitter", "model_dir", "wd", "wd_bn_bias", "train_bn", "moms")
    options = {"teacher": "conv"} if "teacher" in shown else {}  # whose own is downloaded
    encoder = "original" if shown["encoder"].default is shown["encoder"].empty else shown["encoder"].default
    learn = make(part, encoder, **options)
    for key in attributes:
        assert getattr(learn, key) == shown[key].default, key
    given = {
        "opt_func": Adam, "lr": 0.5, "splitter": trainable_params, "model_dir": "elsewhere", "wd": 0.25,
        "wd_bn_bias": True, "train_bn": not shown["train_bn"].default, "moms": (0.8, 0.7, 0.8),
    }  # fmt: skip
    learn = make(part, encoder, **options, **given)
    for key in attributes:
        assert getattr(learn, key) == given[key], key
