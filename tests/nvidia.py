"""A machine with GPUs, as far as `nvidia-smi -L` and the environment tell of them."""

import tempfile
from pathlib import Path

__all__ = ["listing", "machine_with", "uuid"]


def uuid(index: int) -> str:
    return f"GPU-{index}d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"


def listing(n: int) -> str:
    return "".join(f"GPU {i}: NVIDIA A100-SXM4-40GB (UUID: {uuid(i)})\n" for i in range(n))


def machine_with(monkeypatch, folder: Path, output: str, code: int = 0) -> Path:
    """From now on `nvidia-smi` prints `output`, and temporary files go to the folder that is returned."""
    (program := folder / "bin/nvidia-smi").parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n[ \"$*\" = -L ] || exit 2\ncat <<'END'\n{output}END\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    (tmp := folder / "leases").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp))
    monkeypatch.setattr(tempfile, "tempdir", None)  # which Python looks up once
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    return tmp
