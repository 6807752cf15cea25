"""Which GPUs a machine has, as nvidia-smi and CUDA_VISIBLE_DEVICES tell: whole ones, slices, named in any way."""

import pytest
from hostile import is_one_line
from nvidia import listing, machine_with

from sslfast.errors import DeviceError
from sslfast.runtime import gpu_discovery
from sslfast.runtime.gpu_discovery import gpus_to_share

SLICED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
  MIG 1c.3g.20gb  Device  1: (UUID: MIG-GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77/2/0)
Unable to determine the device handle for gpu 0000:41:00.0: GPU is lost.  Reboot the system to recover this GPU
GPU 2: Quadro P400 (UUID: GPU-0f9c2d1e-8c1b-4f4e-9d0a-6a8f6b1c2d3e)
"""
SLICES = ["MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "MIG-GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77/2/0"]
SMALL = "GPU-0f9c2d1e-8c1b-4f4e-9d0a-6a8f6b1c2d3e"


VISIBLE = {  # CUDA_VISIBLE_DEVICES on the machine `SLICED`: what there is to share
    None: [*SLICES, SMALL],
    "": [],
    "-1": [],
    "2": ["2"],
    " 2 , 0": ["2", *SLICES],
    "0": SLICES,
    "2,-1,0": ["2"],
    "2,2": ["2"],
    SMALL: [SMALL],
    "GPU-0f": [SMALL],
    "GPU-5d5": SLICES,
    SLICES[0]: SLICES[:1],
    ",".join(reversed(SLICES)): SLICES[::-1],
}


@pytest.mark.parametrize("value", VISIBLE)
def test_what_cuda_visible_devices_names_is_shared_out(monkeypatch, tmp_path, value):
    machine_with(monkeypatch, tmp_path, SLICED)
    if value is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert [gpu.visible for gpu in gpus_to_share()] == VISIBLE[value]


@pytest.mark.parametrize("value", ["7", "0,7", "1", "GPU-77", "MIG-77", "first"])
def test_a_gpu_that_does_not_exist_is_named_with_those_that_do(monkeypatch, tmp_path, value):
    machine_with(monkeypatch, tmp_path, SLICED)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    with pytest.raises(DeviceError) as caught:
        gpus_to_share()
    missing = value.rpartition(",")[2]
    assert str(caught.value).startswith(f"CUDA_VISIBLE_DEVICES: found '{missing}', expected some of 0 (")
    assert "2 (Quadro P400)" in str(caught.value)
    assert is_one_line(caught.value)


def test_a_driver_that_does_not_answer_is_not_waited_for(monkeypatch, tmp_path):
    machine_with(monkeypatch, tmp_path, listing(1))
    (tmp_path / "bin/nvidia-smi").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(gpu_discovery, "PATIENCE", 0.1)
    assert gpus_to_share() == []


def test_where_nvidia_smi_is_missing_what_the_user_names_is_shared_out(monkeypatch, tmp_path):
    machine_with(monkeypatch, tmp_path, "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus_to_share() == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert [gpu.visible for gpu in gpus_to_share()] == ["0", "1"]
