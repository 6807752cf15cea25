"""Which processor a job uses, and whether there is a GPU to share out."""

import importlib.util
import os
import platform
import re
from pathlib import Path

__all__ = ["gpu_here", "resolve_device"]

DEVICES = ("auto", "cpu", "cuda", "mps")


def gpu_here(device: str = "auto") -> bool:
    """Whether jobs on `device` would use a GPU on this machine; found out without importing torch."""
    if device != "auto":
        return device != "cpu"
    if platform.system() == "Darwin":
        return platform.machine() == "arm64"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    # the drivers of NVIDIA, of WSL2 and of AMD
    drivers = (Path(name) for name in ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd"))
    return any(driver.exists() for driver in drivers) and _torch_has_gpu()


def resolve_device(device: str = "auto"):
    """The `torch.device` that `device` means here: for `auto`, CUDA, else Apple's MPS, else the CPU."""
    import torch

    if device != "auto":
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _torch_has_gpu() -> bool:
    spec = importlib.util.find_spec("torch")
    if not spec or not spec.origin:
        return False
    text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    return bool(re.search(r"^(cuda|hip)\b[^=]*=\s*['\"]", text, re.MULTILINE))
