"""Trees of values and tensors in one safetensors file, which shows whether it is whole. Never a pickle."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..errors import RecordError
from ..files import replacing

__all__ = ["read_state", "write_state"]

FORMAT = "sslfast-state-1"
_TENSOR = "tensor"  # {"tensor": name} stands for the tensor of that name


def write_state(path: str | Path, about: Mapping, state: Mapping) -> None:
    """Store `state`, and in `about` what it belongs to, whole or not at all.

    Both are mappings and lists of text, numbers, None and, in `state`, tensors (of any device, which is forgotten).
    """
    tensors: dict[str, Tensor] = {}
    text = json.dumps({"about": about, "state": _set_aside(state, tensors)}, default=lambda number: number.item())
    with replacing(path) as scratch:
        # written here: safetensors' own way makes a file beside it, which a process that is killed leaves
        scratch.write_bytes(save(tensors, metadata={FORMAT: _digest(text, tensors) + text}))


def read_state(path: str | Path) -> tuple[dict, dict]:
    """`(about, state)` as they were stored, tensors on the CPU; `RecordError` if the file is not just that.

    Every byte is checked: a file that was cut, or changed in one bit, is an error, never another state.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {})[FORMAT]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        digest, text = header[:64], header[64:]
        if digest != _digest(text, tensors):
            raise ValueError("its content is not what was written")
        content = json.loads(text, object_hook=lambda d: tensors[d[_TENSOR]] if d.keys() == {_TENSOR} else d)
        return content["about"], content["state"]
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise RecordError(f"{path}: not a readable checkpoint ({error})") from None


def _set_aside(value, tensors: dict[str, Tensor]):
    """`value` with a name in place of each tensor, which goes to `tensors`."""
    if isinstance(value, Tensor):
        name = f"{len(tensors):06}"
        # a copy, for safetensors does not take tensors that share memory
        tensors[name] = value.detach().as_subclass(Tensor).to("cpu", copy=True).contiguous()
        return {_TENSOR: name}
    if isinstance(value, Mapping):
        return {key: _set_aside(part, tensors) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_set_aside(part, tensors) for part in value]
    return value


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\0{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
