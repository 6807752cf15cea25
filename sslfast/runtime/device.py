"""Which processor a job uses, and whether there is a GPU to share out."""

import importlib.util
import os
import platform
import re
from pathlib import Path

from ..errors import DeviceError, shown

__all__ = ["gpu_here", "resolve_device"]


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


def resolve_device(device: str = "auto", used: bool = True):
    """The `torch.device` that `device` means here: for `auto`, CUDA, else Apple's MPS, else the CPU.

    Raises `DeviceError` where torch can use no such device and it is to be `used`.
    """
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    if used and ((device == "cuda" and not cuda) or (device == "mps" and not mps)):
        raise DeviceError(
            f"device: found {device}, but torch {torch.__version__} can use none on {platform.node()}"
            f"{_reason(device)}; mend that, or say device: auto for what there is"
        )
    return torch.device(device)


def _reason(device: str) -> str:
    if device == "cuda" and not _torch_has_gpu():
        return " (it is a build without CUDA)"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    return f" (CUDA_VISIBLE_DEVICES is {shown(hidden)})" if device == "cuda" and hidden is not None else ""


def _torch_has_gpu() -> bool:
    spec = importlib.util.find_spec("torch")
    if not spec or not spec.origin:
        return False
    text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    return bool(re.search(r"^(cuda|hip)\b[^=]*=\s*['\"]", text, re.MULTILINE))
