"""torchvision imports beside any torch once a name of sslfast was taken, and nothing else about imports changes.

Each import runs in a process of its own: what is imported once stays imported.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from sslfast._torchvision import operators_load

REAL = Path(importlib.util.find_spec("torchvision").origin).parent  # tests import sslfast, whose guard is done by now


def python(code: str, path: Path | None = None) -> str:
    """What `code` prints in a fresh interpreter, with `path` the first place where packages are looked for."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(path or ""), *_PATH]))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


_PATH = [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")]

# at the end: torchvision works, operators are declared only where the compiled ones do not load, imports are as ever
CHECK = """
import sys, torch, torchvision.models, torchvision.transforms
from sslfast import _torchvision as guard
assert torchvision.models.resnet18(num_classes=3).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
assert not [finder for finder in sys.meta_path if "sslfast" in type(finder).__module__]
print(len(guard._libraries))
"""


ORDERS = [
    "from sslfast import image_dls; import torchvision",
    "import torch, sslfast; sslfast.RMSE; from torchvision import datasets",
    "from sslfast import autoencoder_learner; from fastai.vision.all import *",
    "from fastai.basics import *; from sslfast import image_dls, classifier_learner",
    "from dataclasses import replace; from pathlib import Path; from types import SimpleNamespace\n"
    "from sslfast.data.torchvision_sets import mnist\n"
    "replace(mnist, read=lambda *_: None)(Path(), SimpleNamespace(image_size=28), None)",
    "from sslfast.models.timm_models import _creator; _creator('resnet18')",
    "from contextlib import suppress\nwith suppress(RuntimeError): import torchvision\nfrom sslfast import image_dls",
]


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[str, Future]]:
    """What each order of imports prints, two processes at a time."""
    with ThreadPoolExecutor(2) as pool:
        yield {first: pool.submit(python, first + CHECK) for first in ORDERS}


@pytest.mark.parametrize("first", ORDERS)
def test_torchvision_imports_where_a_name_of_sslfast_or_its_own_need_of_it_came_first(outcomes, first):
    assert outcomes[first].result() == str(int(not operators_load(REAL)))


def test_importing_the_package_or_reading_results_imports_no_torch_and_changes_no_import():
    code = """
import sys
finders = list(sys.meta_path)
import sslfast
assert sys.meta_path == finders
import sslfast.analysis.tables, sslfast.analysis.__main__, sslfast.study.fractions, sslfast.data.listing
sslfast.SslfastError
print(sorted({"torch", "torchvision", "fastai"} & set(sys.modules)), "image_dls" in dir(sslfast))
"""
    assert python(code) == "[] True"


def fake_torchvision(folder: Path, *libraries: bytes | Path) -> Path:
    """A package called torchvision with these compiled operators (a library to copy, or what stands in the file)."""
    package = folder / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("version = 'fake'\n")
    for i, library in enumerate(libraries):
        target = package / f"_C{i or ''}.so"
        if isinstance(library, Path):
            shutil.copy(library, target)
        else:
            target.write_bytes(library)
    return package


@pytest.fixture(scope="module")
def loadable() -> Path:
    """A compiled extension that loads wherever Python does."""
    return Path(importlib.util.find_spec("safetensors._safetensors_rust").origin)


DECLARED = """
from sslfast import RMSE, MacroF1
import torchvision, torch
from sslfast import _torchvision as guard
assert torchvision.version == "fake"
print(len(guard._libraries), hasattr(torch.ops.torchvision, "nms"), hasattr(torch.ops.torchvision, "qnms"))
"""


def test_where_the_compiled_operators_load_nothing_is_declared(tmp_path, loadable):
    fake_torchvision(tmp_path, loadable)
    assert python(DECLARED, tmp_path) == "0 False False"


def test_where_they_do_not_load_the_operators_are_declared_once(tmp_path):
    fake_torchvision(tmp_path, b"compiled for another torch")
    assert python(DECLARED, tmp_path) == "1 True True"


def test_operators_load_if_any_of_the_libraries_does(tmp_path, loadable):
    assert operators_load(fake_torchvision(tmp_path, b"not this one", loadable))


def test_operators_do_not_load_from_a_folder_without_libraries_that_load(tmp_path):
    assert not operators_load(fake_torchvision(tmp_path))
    (tmp_path / "torchvision" / "_C.so").write_bytes(b"damaged")
    assert not operators_load(tmp_path / "torchvision")
    assert not operators_load(tmp_path / "nowhere")


def test_without_torchvision_its_import_fails_as_it_always_does():
    code = """
import sys, torch
from sslfast import _torchvision
sys.path[:] = [p for p in sys.path if "site-packages" not in p]
_torchvision.make_importable()
try:
    import torchvision
except ModuleNotFoundError as error:
    print(error.name)
"""
    assert python(code) == "torchvision"
