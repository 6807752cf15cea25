"""Which processor a job uses, and whether this machine has a GPU."""

import importlib.util
import os
import platform
import re
from pathlib import Path

from ..errors import DeviceError, shown

__all__ = ["gpu_here", "resolve_device"]


def gpu_here(device: str = "auto") -> bool:
    """Whether jobs with the config's `device` would use a GPU of this machine. Does not import torch."""
    if device != "auto":
        return device != "cpu"
    if platform.system() == "Darwin":
        return platform.machine() == "arm64"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    # drivers of NVIDIA, WSL2 and AMD
    drivers = (Path(name) for name in ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd"))
    return any(driver.exists() for driver in drivers) and _torch_has_gpu()


def resolve_device(device: str = "auto", used: bool = True):
    """The `torch.device` for the config's `device`; `auto` takes CUDA, else Apple's MPS, else the CPU.

    Raises `DeviceError` if torch cannot use this device here, unless nothing will be computed on it (`used` is False).
    """
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    if used and ((device == "cuda" and not cuda) or (device == "mps" and not mps)):
        raise DeviceError(
            f"device: found {device}, but torch {torch.__version__} can use none on {platform.node()}"
            f"{_reason(device)}; make it usable, or set device: auto to take the best device of this machine"
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
