"""Finds the NVIDIA GPUs that jobs may use, without torch. `gpu_lease` assigns them to jobs."""

import os
import re
import subprocess
from typing import NamedTuple

from ..errors import DeviceError, shown

__all__ = ["VISIBLE", "Gpu", "gpus_to_share"]

VISIBLE = "CUDA_VISIBLE_DEVICES"
PATIENCE = 60  # seconds for nvidia-smi, which may have to wake GPUs up


class Gpu(NamedTuple):
    """A GPU, or a slice of one (MIG).

    `visible`: its entry in CUDA_VISIBLE_DEVICES; `uuid`: its unique identifier; `name`: its model.
    """

    visible: str
    uuid: str
    name: str


def gpus_to_share() -> list[Gpu]:
    """The GPUs that the jobs on this machine share: the ones in CUDA_VISIBLE_DEVICES, or all if that is unset.

    Empty if Slurm has already assigned a single GPU, or if CUDA_VISIBLE_DEVICES is unset and there is no nvidia-smi.
    Raises `DeviceError` if CUDA_VISIBLE_DEVICES names a GPU that is not on this machine.
    """
    if _slurm_has_chosen():
        return []
    installed, asked = _installed(), os.environ.get(VISIBLE)
    if asked is None:
        return [part for gpu in installed for part in gpu.parts]
    gpus: dict[str, Gpu] = {}
    for entry in map(str.strip, asked.split(",")):
        if entry in ("", "-1", "NoDevFiles"):  # CUDA, too, ignores the entries after such a one
            break
        found = _named(entry, installed) if installed else [Gpu(entry, entry, "GPU")]
        if not found:
            here = ", ".join(f"{gpu.number} ({gpu.name})" for gpu in installed)
            raise DeviceError(f"{VISIBLE}: found {shown(entry)}, expected some of {here}; see nvidia-smi -L")
        gpus |= {gpu.uuid: gpu for gpu in found}
    return list(gpus.values())


def _slurm_has_chosen() -> bool:
    # Slurm tells a job which GPUs it may use. If there are several (snakemake itself runs inside an allocation), each
    # of our jobs takes one. If there is one, nothing is left to choose, and Slurm may have assigned it to several jobs.
    # Kubernetes needs no such check: nvidia-smi in a container lists the container's own GPUs.
    return "SLURM_JOB_ID" in os.environ and "," not in os.environ.get(VISIBLE, "")


class _Installed(NamedTuple):
    """A GPU as nvidia-smi lists it. `parts`: the GPU itself or, if it is divided (MIG), its slices."""

    number: str
    uuid: str
    name: str
    parts: list[Gpu]


def _installed() -> list[_Installed]:
    try:
        listing = subprocess.run(
            ["nvidia-smi", "-L"],  # noqa: S607 - its folder differs between systems
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    found: list[_Installed] = []
    for line in listing.splitlines():
        if match := re.match(r"GPU (\d+): (.*) \(UUID: (GPU-[^)]+)\)", line):
            number, name, uuid = match.groups()
            found.append(_Installed(number, uuid, name, [Gpu(uuid, uuid, name)]))
        elif found and (match := re.match(r"\s+MIG (\S+) .*\(UUID: (MIG-[^)]+)\)", line)):
            gpu, (size, uuid) = found[-1], match.groups()
            slices = [part for part in gpu.parts if part.uuid != gpu.uuid]
            found[-1] = gpu._replace(parts=[*slices, Gpu(uuid, uuid, f"{gpu.name}, {size}")])
    return found


def _named(entry: str, installed: list[_Installed]) -> list[Gpu]:
    """The GPUs that one entry of CUDA_VISIBLE_DEVICES names: by a number, or by the beginning of a UUID."""
    for gpu in installed:
        if entry == gpu.number:
            # CUDA numbers GPUs by speed, nvidia-smi by slot: so the entry is passed on as the person wrote it.
            return [part._replace(visible=entry) if part.uuid == gpu.uuid else part for part in gpu.parts]
        if entry.startswith("GPU-") and gpu.uuid.startswith(entry):
            return gpu.parts
    slices = [part for gpu in installed for part in gpu.parts]
    return [part for part in slices if entry.startswith("MIG-") and part.uuid.startswith(entry)]
