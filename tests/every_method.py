"""What some methods need beside images, so that tests can go through all of them."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sslfast import base_encoder
from sslfast._torchvision import make_importable
from sslfast.study.methods import methods

__all__ = ["TEACHER", "encoder_for", "learner_options", "options_of", "teacher_file"]

TEACHER = "timm.mobilenetv3_small_050"


@functools.cache
def teacher_file() -> Path:
    """Weights of `TEACHER` as training begins: what a teacher is good for is tested elsewhere."""
    make_importable()
    timm = pytest.importorskip("timm")
    folder = Path(tempfile.mkdtemp(prefix="sslfast-teacher-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = timm.create_model(TEACHER.removeprefix("timm."), num_classes=0)
    save_file({name: value.contiguous() for name, value in net.state_dict().items()}, folder / "teacher.safetensors")
    return folder / "teacher.safetensors"


def encoder_for(method: str, usual: str = "conv") -> str:
    """An encoder that the method can train."""
    return (methods()[method].encoders or (usual,))[0]


def options_of(method: str) -> dict:
    """Options of `FitSettings` without which the method cannot be."""
    taught = methods()[method].teacher
    return {"teacher": {"net": TEACHER, "weights": str(teacher_file()), "size": 32}} if taught else {}


def learner_options(method: str) -> dict:
    """The same for its learner factory."""
    return {"teacher": base_encoder(TEACHER, teacher_file(), size=32)} if methods()[method].teacher else {}
