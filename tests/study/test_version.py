"""The code version of a run changes when what its code does changes, and only then."""

import importlib.util
import shutil
from pathlib import Path

import pytest

import sslfast
from sslfast.study import version as real
from sslfast.study.methods import methods

RUNS = {  # some of a study
    "split": ("split",),
    "autoencoder": ("pretrain", "autoencoder", "conv"),
    "gan": ("pretrain", "gan", "conv"),
    "shuffled gan": ("pretrain", "shuffled_gan", "conv"),
    "a gan of resnet18": ("pretrain", "gan", "resnet18"),
    "random": ("pretrain", "random", "conv"),
    "a head over autoencoder": ("classify", "autoencoder", "conv"),
    "neighbours over a gan": ("knn", "gan", "conv"),
    "supervised": ("supervised", None, "conv"),
    "pixels": ("pixels",),
}
OF_GAN = {"gan", "shuffled gan", "a gan of resnet18", "neighbours over a gan"}
ENCODERS = set(RUNS) - {"split", "pixels"}
EDITS = {  # file, what stands there, what is to stand there; whose version changes
    "a method": ("methods/gan.py", "latent: int = 64", "latent: int = 65", OF_GAN),
    "an encoder": ("models/resnet.py", "MaxPool2d(3", "MaxPool2d(5", {"a gan of resnet18"}),
    "a line of the log": ("runtime/jobs.py", "'done'", "'ready'", set()),
    "an error's words": ("errors.py", "def one_line", "def in_one_line", set()),
    "which jobs there are": ("study/grid.py", 'Job("images")', 'Job("pictures")', set()),
    "the report": ("report/page.py", "LONGEST = 100", "LONGEST = 200", set()),
    "what all runs share": (
        "stages/run.py",
        "torch.set_num_threads(",
        "print(); torch.set_num_threads(",
        set(RUNS) - {"split"},
    ),
    "splits": ("data/splits.py", "import numpy as np", "import numpy as np; import math", set(RUNS)),
    "what a function imports": ("models/timm_models.py", "class TimmEncoder", "class Timm", ENCODERS),
    "a comment": ("stages/classifying.py", "# by all labelled", "# from all labelled", set()),
    "a docstring": ("methods/gan.py", '"""', '"""More. ', set()),
    "layout": ("methods/gan.py", "\n\n\n", "\n\n\n\n", set()),
}


@pytest.fixture
def package(tmp_path) -> Path:
    """A copy of the package."""
    here = Path(sslfast.__file__).parent
    return Path(shutil.copytree(here, tmp_path / "sslfast", ignore=shutil.ignore_patterns("__pycache__")))


def version_module(package: Path):
    """`study/version.py`, looking at the code in `package`."""
    spec = importlib.util.spec_from_file_location("sslfast.study.copied_version", package / "study/version.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def versions_in(package: Path) -> dict[str, str]:
    module = version_module(package)
    return {name: module.code_version(*run) for name, run in RUNS.items()}


def test_it_is_twelve_hexadecimal_digits_and_stays_the_same(package):
    found = versions_in(package)
    assert found == versions_in(package) == {name: real.code_version(*run) for name, run in RUNS.items()}
    assert all(len(text) == 12 and set(text) <= set("0123456789abcdef") for text in found.values())


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_changes_the_version_of_what_depends_on_it_and_of_nothing_else(package, what):
    name, old, new, expected = EDITS[what]
    before, path = versions_in(package), package / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    after = versions_in(package)
    assert {run for run in RUNS if before[run] != after[run]} == expected


def test_every_method_and_every_encoder_has_code_of_its_own():
    names = set(methods())
    assert len({real.code_version("pretrain", method, "conv") for method in names}) == len(names)
    assert real.code_version("pretrain", "gan", "resnet18") != real.code_version("pretrain", "gan", "conv")
    assert real.code_version("pretrain", "gan", "conv") == real.code_version("pretrain", "gan", "conv_x2")


@pytest.mark.parametrize(
    "name, changes", [("report/page.py", True), ("analysis/tables.py", True), ("data/folder.py", False)]
)
def test_the_report_has_a_version_of_its_own(package, name, changes):
    before = version_module(package)
    old = before.report_version(), before.reading_version()
    (package / name).write_text((package / name).read_text() + "\nMORE = 1\n")
    after = version_module(package)
    assert (after.report_version() != old[0], after.reading_version() != old[1]) == (changes, not changes)


def test_versions_name_the_libraries_that_decide_a_result():
    found = real.versions()
    assert {"python", "torch", "fastai", "torchvision", "numpy", "scikit-learn", "snakemake"} <= set(found)
    assert found["torch"] != "not installed"
