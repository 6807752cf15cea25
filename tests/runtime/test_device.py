"""Which processor a study uses: what there is, or what was asked for, or one line that says why not."""

import sys

import pytest
import torch
from grids import checked
from hostile import is_one_line

from sslfast.errors import DeviceError
from sslfast.runtime.device import gpu_here, resolve_device
from sslfast.stages import run_settings


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_auto_takes_what_there_is(no_gpu, monkeypatch):
    assert resolve_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == torch.device("cuda")  # the first that CUDA sees: no index


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_here_is_one_line(no_gpu, device):
    with pytest.raises(DeviceError, match=f"device: found {device}, but torch .* can use none on ") as caught:
        resolve_device(device)
    assert "device: auto" in str(caught.value)
    assert is_one_line(caught.value)


def test_a_job_that_does_not_use_the_device_needs_none(no_gpu):
    study = checked(device="cuda")
    assert run_settings(study, threads=1, uses_device=False).device == "cuda"
    with pytest.raises(DeviceError):
        run_settings(study, threads=1)


def test_it_says_that_torch_was_built_without_cuda(no_gpu, monkeypatch, tmp_path):
    package = tmp_path / "torch"
    package.mkdir()
    for text, said in (("cuda: Optional[str] = None", True), ("cuda: Optional[str] = '12.8'", False)):
        (package / "version.py").write_text(text)
        monkeypatch.setattr("importlib.util.find_spec", lambda _: type("Spec", (), {"origin": package / "__init__.py"}))
        with pytest.raises(DeviceError) as caught:
            resolve_device("cuda")
        assert ("a build without CUDA" in str(caught.value)) == said


def test_it_says_what_hides_a_gpu(no_gpu, monkeypatch):
    monkeypatch.setattr("sslfast.runtime.device._torch_has_gpu", lambda: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(DeviceError, match=r"\(CUDA_VISIBLE_DEVICES is ''\)"):
        resolve_device("cuda")


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_gpu_that_is_hidden_is_none_to_share_out(monkeypatch, hidden):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert gpu_here("auto") is False or sys.platform == "darwin"
    assert gpu_here("cpu") is False
    assert gpu_here("cuda") is True
