"""Names of encoders, checked without torch, so that a config with a wrong one stops before anything starts.

A name is the same everywhere: in configs, file names and tables. So one encoder has one name only. The encoders of this
package are those that files of `sslfast/models/` declare, by `@register("conv", …)`, which is read as text.
"""

import re
from dataclasses import dataclass

from ..errors import ConfigError, shown
from .source import Source, declared

__all__ = ["EncoderKind", "EncoderName", "check_encoder", "encoders"]

PACKAGE = "sslfast.models"
TIMM = "timm."
NARROWEST, WIDEST = 0.1, 16


@dataclass(frozen=True)
class EncoderKind:
    """An encoder of this package: `source`, its class, called with channels, image size and, if `widened`, a width.

    `cost`: time an image, as a multiple of what `conv` takes; `kilobytes`: memory in training for each pixel of a
    batch; None where they were not measured.
    """

    source: Source
    widened: bool
    cost: float | None
    kilobytes: float | None


@dataclass(frozen=True)
class EncoderName:
    """A name in its parts: `base`, one of `encoders()`, and `width`, the factor of its channels.

    Or `base` is `timm`, and `model` what timm calls it; or `own`, and `model` the name of a person's own (see
    `Source`).
    """

    base: str
    width: float = 1.0
    model: str | None = None


def encoders() -> dict[str, EncoderKind]:
    """The encoders of this package, by name."""
    return {
        name: EncoderKind(
            source, "width" in (definition.parameters or ()), *(marks.get(key) for key in ("cost", "kilobytes"))
        )
        for name, (source, definition) in declared(PACKAGE, "register").items()
        for marks in [definition.marks["register"]]
    }


def check_encoder(name: object) -> EncoderName:
    """The parts of an encoder's name: `conv`, `conv_x2`, `original_x0.5`, `timm.resnet10t`, `my_nets.Small`.

    Raises `ConfigError` for any other text, and for a second way to write a name (`conv_x1` is `conv`). Whether timm
    has such a model, or a person such a net, shows when it is made.
    """
    if not isinstance(name, str):
        raise ConfigError(_unknown(name))
    if name.startswith(TIMM):
        return EncoderName("timm", model=_model(name))
    if _OWN.fullmatch(name):
        return EncoderName("own", model=name)
    if not (match := _PATTERN.fullmatch(name)) or match["base"] not in encoders():
        raise ConfigError(_unknown(name))
    base, factor = match["base"], match["factor"]
    if factor is None:
        return EncoderName(base)
    if base not in (widened := _widened()):
        raise ConfigError(f"encoders: found {shown(name)}, but only {' and '.join(widened)} have a width; use {base}")
    width = float(factor)
    if not NARROWEST <= width <= WIDEST:
        raise ConfigError(f"encoders: found {shown(name)}, expected a width from {NARROWEST} to {WIDEST} after _x")
    if name != (canonical := base if width == 1 else f"{base}_x{width:g}"):
        raise ConfigError(f"encoders: found {shown(name)}, expected it as {canonical} (an encoder has one name)")
    return EncoderName(base, width)


def _model(name: str) -> str:
    model = name.removeprefix(TIMM)
    if _MODEL.fullmatch(model):
        return model
    bare = model.split(".")[0]
    if "." in model and _MODEL.fullmatch(bare):
        raise ConfigError(
            f"encoders: found {shown(name)}, expected {TIMM}{bare}: what follows the second dot names trained weights,"
            " which are never used here"
        )
    raise ConfigError(f"encoders: found {shown(name)}, expected letters, digits and _ after {TIMM}")


def _unknown(name: object) -> str:
    widths = " or ".join(f"{base}_x2" for base in _widened())
    expected = f"expected one of {', '.join(encoders())}, a width as in {widths}, timm.<model>, or my_nets.py:MyNet"
    return f"encoders: found {shown(name)}, {expected}"


def _widened() -> list[str]:
    return [name for name, kind in encoders().items() if kind.widened]


_PATTERN = re.compile(r"(?P<base>[a-z0-9]+)(_x(?P<factor>[0-9]{1,9}(\.[0-9]{1,9})?))?", re.ASCII)
_OWN = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
_MODEL = re.compile(r"\w{1,80}", re.ASCII)
