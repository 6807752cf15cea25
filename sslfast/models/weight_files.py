"""Read the weights of a net from somebody else's file: every weight has to fit, and what is not used is reported."""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import ConfigError, one_line

__all__ = ["load_weights"]

_AVERAGED = ("ema", "teacher")  # words in the names of averaged copies of a net, which its makers evaluate


def load_weights(net: nn.Module, path: Path, classifier: Sequence[str] = ()) -> dict[str, str]:
    """Fill `net` with the weights in the file at `path`; returns `wrapper` and `left_out`, the unused parts of it.

    The file: `.safetensors`, or written by `torch.save` (read without running pickles). The net may be in nested dicts
    and have a prefix (`state_dict.module.backbone.`, the `wrapper`); entries without this prefix are left out. With the
    prefix, names and shapes must be exactly those of the net, except for the layers named in `classifier`, which are
    left out. Of several copies of the net, the averaged one is read (`ema`, `teacher`). Raises `ConfigError` for
    anything else.
    """
    stored, own = dict(_flat(_read(path))), net.state_dict()
    if not stored:
        raise ConfigError(f"weights: {path} holds no tensors, expected those of a net")
    prefix = _prefix(stored, own, path)
    inside = {name.removeprefix(prefix): tensor for name, tensor in stored.items() if name.startswith(prefix)}
    of_head = [name for name in inside if name not in own and name.startswith(tuple(f"{c}." for c in classifier))]
    for name in of_head:
        del inside[name]
    counters = [name for name in own if name.endswith("num_batches_tracked") and name not in inside]
    inside |= {name: own[name] for name in counters}  # older files have no such counters, and a frozen net needs none
    if strange := sorted(set(inside) ^ set(own)):
        which = "has none of" if strange[0] in own else "has an entry"
        raise ConfigError(
            f"weights: {path} does not fit the net: it {which} {strange[0]} ({len(strange)} entries differ of"
            f" {len(own)}); name the net that these weights are of"
        )
    for name, tensor in own.items():
        if inside[name].shape != tensor.shape:
            raise ConfigError(
                f"weights: {path} does not fit the net: {name} is {list(inside[name].shape)}, expected"
                f" {list(tensor.shape)}; name the net that these weights are of"
            )
    net.load_state_dict(inside, strict=True)
    outside = len(stored) - sum(name.startswith(prefix) for name in stored)
    left = [f"its classifier ({', '.join(sorted(of_head))})"] * bool(of_head)
    left += [f"{outside} entries outside {prefix}"] * bool(outside)
    return {"wrapper": prefix, "left_out": " and ".join(left)}


def _read(path: Path) -> object:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ConfigError(f"weights: no file {path}; put it there, or name another") from None
    except (pickle.UnpicklingError, SafetensorError, OSError, RuntimeError, ValueError, EOFError, KeyError) as error:
        why = one_line(error)[:120]
        if isinstance(error, pickle.UnpicklingError):  # torch's own message advises running the code in it
            code = "allowlist" in str(error)
            why = "it holds code, which is never run" if code else "it is no file of torch.save"
        raise ConfigError(
            f"weights: {path} cannot be read as weights ({why}); save its state_dict, best as .safetensors"
        ) from None


def _flat(content: object, above: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        yield above, content
    elif isinstance(content, Mapping):
        for name, value in content.items():
            yield from _flat(value, f"{above}.{name}" if above else str(name))


def _prefix(stored: Mapping[str, Tensor], own: Mapping[str, Tensor], path: Path) -> str:
    """The text before the net's own names in the file."""
    needed = [name for name in own if not name.endswith("num_batches_tracked")]
    first = needed[0]
    ends = [name[: -len(first)] for name in stored if name == first or name.endswith(f".{first}")]
    whole = [prefix for prefix in ends if all(f"{prefix}{name}" in stored for name in needed)]
    if not whole:
        if not ends:
            known, there = ", ".join(needed[:2]), ", ".join(list(stored)[:2])
            raise ConfigError(
                f"weights: {path} does not fit the net: it has {there}, …, expected {known}, …; name the net that these"
                " weights are of, as its library calls it"
            )
        return max(ends, key=lambda prefix: sum(f"{prefix}{name}" in stored for name in needed))
    averaged = [prefix for prefix in whole if any(word in prefix for word in _AVERAGED)]
    return (averaged or whole)[0]
