"""Which NVIDIA GPUs there are for jobs to share out, found without torch."""

import os
import re
import subprocess
from typing import NamedTuple

from ..errors import DeviceError, shown

__all__ = ["VISIBLE", "Gpu", "gpus_to_share"]

VISIBLE = "CUDA_VISIBLE_DEVICES"
PATIENCE = 60  # seconds for nvidia-smi, which may have to wake GPUs up


class Gpu(NamedTuple):
    """A GPU, or a slice of one (MIG). `visible`: how CUDA_VISIBLE_DEVICES is to name it; `uuid`: its own name."""

    visible: str
    uuid: str
    name: str


def gpus_to_share() -> list[Gpu]:
    """The GPUs that jobs here share out: those that CUDA_VISIBLE_DEVICES names, or all.

    Empty if Slurm has chosen the GPU, or if CUDA_VISIBLE_DEVICES is unset and there is no nvidia-smi. Raises
    `DeviceError` if one is named that is not here.
    """
    if _slurm_has_chosen():
        return []
    installed, asked = _installed(), os.environ.get(VISIBLE)
    if asked is None:
        return [part for gpu in installed for part in gpu.parts]
    gpus: dict[str, Gpu] = {}
    for entry in map(str.strip, asked.split(",")):
        if entry in ("", "-1", "NoDevFiles"):  # CUDA looks no further, either
            break
        found = _named(entry, installed) if installed else [Gpu(entry, entry, "GPU")]
        if not found:
            here = ", ".join(f"{gpu.index} ({gpu.name})" for gpu in installed)
            raise DeviceError(f"{VISIBLE}: found {shown(entry)}, expected some of {here}; see nvidia-smi -L")
        gpus |= {gpu.uuid: gpu for gpu in found}
    return list(gpus.values())


def _slurm_has_chosen() -> bool:
    # Slurm tells a job which GPUs are its own. Of several (snakemake itself runs within an allocation) each of our jobs
    # takes one; with one alone there is no choice, and Slurm may mean it for several jobs. In Kubernetes nothing is to
    # be found out: nvidia-smi in a container shows the container's own GPUs.
    return "SLURM_JOB_ID" in os.environ and "," not in os.environ.get(VISIBLE, "")


class _Installed(NamedTuple):
    """What nvidia-smi lists as a GPU. `parts`: itself, or the slices that it is divided into."""

    index: str
    uuid: str
    name: str
    parts: list[Gpu]


def _installed() -> list[_Installed]:
    try:
        listing = subprocess.run(
            ["nvidia-smi", "-L"],  # noqa: S607 - where it lies differs between systems
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
            index, name, uuid = match.groups()
            found.append(_Installed(index, uuid, name, [Gpu(uuid, uuid, name)]))
        elif found and (match := re.match(r"\s+MIG (\S+) .*\(UUID: (MIG-[^)]+)\)", line)):
            gpu, (size, uuid) = found[-1], match.groups()
            slices = [part for part in gpu.parts if part.uuid != gpu.uuid]
            found[-1] = gpu._replace(parts=[*slices, Gpu(uuid, uuid, f"{gpu.name}, {size}")])
    return found


def _named(entry: str, installed: list[_Installed]) -> list[Gpu]:
    """What an entry of CUDA_VISIBLE_DEVICES means: an index, or the beginning of a UUID."""
    for gpu in installed:
        if entry == gpu.index:
            # By default CUDA counts from the fastest GPU on, nvidia-smi by place: what a person wrote stays as it is.
            return [part._replace(visible=entry) if part.uuid == gpu.uuid else part for part in gpu.parts]
        if entry.startswith("GPU-") and gpu.uuid.startswith(entry):
            return gpu.parts
    slices = [part for gpu in installed for part in gpu.parts]
    return [part for part in slices if entry.startswith("MIG-") and part.uuid.startswith(entry)]
