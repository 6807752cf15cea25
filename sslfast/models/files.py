"""Encoders on disk: safetensors files, whose header describes the encoder. Pickles are never read or written."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..errors import ConfigError, RecordError
from ..files import CHECKSUM, replacing, verify
from ..study.image_size import checked_size
from .base import Encoder
from .base_nets import BaseNet, blank_net
from .encoders import create_encoder

__all__ = ["load_encoder", "read_spec", "save_encoder"]

FORMAT, SUFFIX = "sslfast-encoder-1", ".safetensors"


def save_encoder(encoder: Encoder | nn.Module, path: str | Path, /, **spec: object) -> None:
    """Write the weights of `encoder` to `path`, and its architecture and `spec` to the header of that file.

    `encoder`: an `Encoder`, or a learner that has one. `path`: `….safetensors`. Raises `ConfigError` for another
    suffix, and for a module that is no `Encoder`, since `load_encoder` could not make it again.
    """
    if not isinstance(encoder, Encoder):  # a learner holds its model, which holds the encoder
        encoder = getattr(getattr(encoder, "model", encoder), "encoder", encoder)
    if Path(path).suffix != SUFFIX:
        raise ConfigError(f"path: found {path}, expected a name that ends in {SUFFIX}")
    if not isinstance(encoder, Encoder) or not hasattr(encoder, "name"):
        raise ConfigError(
            f"encoder: found {type(encoder).__name__}, expected an encoder that can be made again by its name: one of"
            " sslfast's, or a class of your own below @register (docs/own-method.md); for weights alone see torch.save"
        )
    about = {
        "format": FORMAT,
        "encoder": encoder.name,
        "channels": encoder.channels,
        "image_size": encoder.image_size,
        **({"source": encoder.source} if hasattr(encoder, "source") else {}),
        **({"base_net": encoder.about} if isinstance(encoder, BaseNet) else {}),
        **spec,
        "checksum": CHECKSUM,
    }
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    with replacing(path, checksum=True) as scratch:
        # one entry: safetensors writes several in an order that changes from run to run; and written here,
        # since files that safetensors writes are their owner's only
        scratch.write_bytes(save(weights, metadata={"sslfast": json.dumps(about)}))


def read_spec(path: str | Path) -> dict:
    """What the encoder at `path` is; `RecordError` if the file is not one of `save_encoder`'s, as it wrote it."""
    try:
        verify(path)
        with safe_open(path, framework="pt") as file:
            spec = json.loads((file.metadata() or {}).get("sslfast", "{}"))
        if not isinstance(spec, dict) or spec.pop("format", None) != FORMAT:
            raise ValueError(f"no header of format {FORMAT}")
        spec.pop("checksum", None)
        return spec
    except FileNotFoundError:
        raise RecordError(f"{path}: no such file; expected an encoder written by save_encoder") from None
    except (SafetensorError, ValueError, KeyError, OSError, RecursionError) as error:
        raise RecordError(
            f"{path}: not an encoder written by save_encoder ({error}); delete it and make it anew"
        ) from None


def load_encoder(path: str | Path, /, own: str | None = None, **expected: object) -> Encoder:
    """The encoder at `path`; its header must match every entry of `expected`, its weights the architecture.

    `own`: the place of your own code, `my_nets.py:Small`, if the encoder was made by it. (The header names this place,
    too, but no file is imported because a header names it.) Raises `RecordError` for any mismatch; weights are never
    loaded in part.

    Example: `load_encoder("encoder.safetensors", encoder="conv", image_size=32)`.
    """
    spec = read_spec(path)
    for key, value in expected.items():
        value = list(value) if isinstance(value, tuple) else value  # as JSON has it
        if spec.get(key) != value:
            raise RecordError(f"{path}: {key} is {spec.get(key)!r}, expected {value!r}; delete it and make it anew")
    try:
        spec["image_size"] = checked_size(spec["image_size"])
        if "source" in spec and own is None:
            raise RecordError(f"{path}: an encoder of your own code; say where that is: own={spec['source']!r}")
        if "base_net" in spec:
            encoder: Encoder = blank_net(spec)
        else:
            encoder = create_encoder(own or spec["encoder"], spec["channels"], spec["image_size"])
        if encoder.name != spec["encoder"]:
            raise RecordError(f"{path}: encoder is {spec['encoder']!r}, expected {encoder.name!r}")
    except (KeyError, TypeError, ConfigError) as error:
        raise RecordError(f"{path}: its header describes no known encoder ({error}); make it anew") from None
    _fill(encoder, path)
    return encoder


def _fill(encoder: nn.Module, path: str | Path) -> None:
    own = encoder.state_dict()
    with safe_open(path, framework="pt") as file:
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    differing = sorted(set(own) ^ set(stored)) or [n for n in own if _kind(own[n]) != _kind(stored[n])]
    if differing:
        raise RecordError(f"{path}: weights do not fit the architecture in its header ({differing[0]}); make it anew")
    encoder.load_state_dict(stored, strict=True)


def _kind(tensor: Tensor) -> tuple:
    return tensor.shape, tensor.dtype
