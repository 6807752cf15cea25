"""Nested values and tensors in one safetensors file with a checksum, so that damage is detected. Never a pickle."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..errors import RecordError
from ..files import CHECKSUM, replacing, verify

__all__ = ["read_state", "write_state"]

FORMAT = "sslfast-state-2"
_TENSOR = "tensor"  # in the JSON text, {"tensor": name} stands for the tensor of that name


def write_state(path: str | Path, about: Mapping, state: Mapping) -> None:
    """Store `state`, and `about`, which says what it belongs to; the file appears whole or not at all. A power failure
    may take it.

    Both hold mappings, lists, text, numbers and None; `state` may hold tensors of any device, which is not stored.
    """
    tensors: dict[str, Tensor] = {}
    text = json.dumps({"about": about, "state": _set_aside(state, tensors)}, default=lambda number: number.item())
    # a checkpoint is written dozens of times in a fit: to wait for the disk each time would take a tenth of a short one
    with replacing(path, checksum=True, lasting=False) as scratch:
        # not by safetensors' own function: its temporary file would stay if the process is killed
        scratch.write_bytes(save(tensors, metadata={FORMAT: text + CHECKSUM}))


def read_state(path: str | Path) -> tuple[dict, dict]:
    """`(about, state)` as they were stored, with tensors on the CPU.

    Every byte is checked. Raises `RecordError` for any other file, and for one that was cut or changed in a single bit.
    """
    try:
        if not verify(path):
            raise ValueError("it has no checksum")
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {})[FORMAT][: -len(CHECKSUM)]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        content = json.loads(text, object_hook=lambda d: tensors[d[_TENSOR]] if d.keys() == {_TENSOR} else d)
        return content["about"], content["state"]
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise RecordError(f"{path}: not a readable checkpoint ({error})") from None


def _set_aside(value, tensors: dict[str, Tensor]):
    """`value` with each tensor replaced by a name, under which it is put into `tensors`."""
    if isinstance(value, Tensor):
        name = f"{len(tensors):06}"
        # a copy, since safetensors refuses tensors that share memory
        tensors[name] = value.detach().as_subclass(Tensor).to("cpu", copy=True).contiguous()
        return {_TENSOR: name}
    if isinstance(value, Mapping):
        return {key: _set_aside(part, tensors) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_set_aside(part, tensors) for part in value]
    return value
