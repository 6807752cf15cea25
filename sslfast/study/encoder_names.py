"""Names of encoders, checked without torch, so that a config with a wrong one stops before anything starts.

A name is the same everywhere: in configs, file names and tables. So one encoder has one name only.
"""

import re
from dataclasses import dataclass

from ..errors import ConfigError, shown

__all__ = ["NAMES", "WIDENED", "EncoderName", "check_encoder"]

NAMES = ("conv", "original", "resnet18")
WIDENED = ("conv", "original")  # of which `_x2` has twice the channels
TIMM = "timm."
NARROWEST, WIDEST = 0.1, 16


@dataclass(frozen=True)
class EncoderName:
    """A name in its parts: `base` of `NAMES` and the factor of its channels, or `timm` and the name of timm's model."""

    base: str
    width: float = 1.0
    model: str | None = None


def check_encoder(name: object) -> EncoderName:
    """The parts of an encoder's name: `conv`, `conv_x2`, `original_x0.5`, `resnet18`, `timm.resnet10t`.

    Raises `ConfigError` for a name that is none, or not the one way to write it (`conv_x1` is `conv`). Whether
    timm has such a model is seen when it is made.
    """
    if not isinstance(name, str):
        raise ConfigError(_unknown(name))
    if name.startswith(TIMM):
        return EncoderName("timm", model=_model(name))
    if not (match := _PATTERN.fullmatch(name)) or match["base"] not in NAMES:
        raise ConfigError(_unknown(name))
    base, factor = match["base"], match["factor"]
    if factor is None:
        return EncoderName(base)
    if base not in WIDENED:
        raise ConfigError(f"encoders: found {shown(name)}, but only {' and '.join(WIDENED)} have a width; use {base}")
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
    widths = " or ".join(f"{base}_x2" for base in WIDENED)
    return f"encoders: found {shown(name)}, expected one of {', '.join(NAMES)}, a width as in {widths}, or timm.<model>"


_PATTERN = re.compile(r"(?P<base>[a-z0-9]+)(_x(?P<factor>[0-9]{1,9}(\.[0-9]{1,9})?))?", re.ASCII)
_MODEL = re.compile(r"\w{1,80}", re.ASCII)
