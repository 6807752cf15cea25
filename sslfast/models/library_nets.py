"""Nets of timm and torchvision without classifiers, the images they need, and what is known about their weights."""

import difflib
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlparse
from urllib.request import getproxies

import torch
from torch import nn

from .._torchvision import make_importable
from ..errors import ConfigError, one_line
from ..study.base_nets import NetName

__all__ = ["Net", "library_net"]

# Parts of the tags of weights, and what they mean: the data set that a net was trained on, and its number of labels.
_DATA = {
    "in1k": ("ImageNet-1k", 1_281_167),
    "in12k": ("ImageNet-12k", 11_800_000),
    "in21k": ("ImageNet-21k", 14_197_122),
    "in22k": ("ImageNet-22k", 14_197_122),
    "laion2b": ("LAION-2B (captions)", 0),
    "openai": ("OpenAI's CLIP data (captions)", 0),
    "lvd142m": ("LVD-142M (no labels)", 0),
    "lvd1689m": ("LVD-1689M (no labels)", 0),
}


@dataclass(frozen=True)
class Net:
    """A net of a library without its classifier, and how it has to be used.

    `net`: images `[N, 3, H, W]` → features `[N, D]`, which were the input of its `classifier` (names of the removed
    layers). `mean`, `std`, `interpolation` and `side` (pixels): how the images that it was trained on were prepared;
    `fixed`: whether it takes only images of `side` pixels. `about`: `net`, `source`, `trained_on`, `n_labels` and
    `licence` of the weights; None if unknown.
    """

    name: str
    net: nn.Module
    classifier: tuple[str, ...]
    mean: Sequence[float]
    std: Sequence[float]
    interpolation: str
    side: int
    fixed: bool
    about: dict


def library_net(name: NetName, pretrained: bool) -> Net:
    """The net called `name`, with its library's weights or with random ones. Raises `ConfigError`."""
    make_importable()
    return (_timm if name.library == "timm" else _torchvision)(name, pretrained)


def _timm(name: NetName, pretrained: bool) -> Net:
    try:
        import timm
    except ImportError as error:
        raise ConfigError(
            f"net: timm.{name.model} needs the package timm ({error}); pip install 'sslfast[timm]'"
        ) from None
    if not timm.is_model(name.model):
        close = difflib.get_close_matches(name.model, timm.list_models(), n=1)
        hint = f"did you mean timm.{close[0]}?" if close else "timm.list_models() lists them"
        raise ConfigError(f"net: timm {timm.__version__} has no model {name.model}; {hint}")
    try:
        with torch.random.fork_rng(devices=[]), _without_retries():
            net = timm.create_model(name.tagged, pretrained=pretrained, num_classes=0)
    except Exception as error:  # no network, no such tag, or any error of the library that downloads
        place = _hub_of(name)
        raise ConfigError(
            f"weights: timm has none of {name.tagged} here ({one_line(error)[:160]}); run once with a network, or"
            f" download model.safetensors of {place} and name it (weights: path/to/model.safetensors)"
        ) from None
    cfg: Any = net.pretrained_cfg
    classifier = cfg.get("classifier") or ()
    tag = cfg.get("tag") or ""
    trained_on, n_labels = _trained_on(tag)
    return Net(
        f"timm.{name.tagged}", net, (classifier,) if isinstance(classifier, str) else tuple(classifier),
        cfg["mean"], cfg["std"], _smooth(cfg["interpolation"]), cfg["input_size"][-1],
        bool(cfg.get("fixed_input_size")),
        {
            "net": f"timm.{name.model}", "source": f"timm, {cfg.get('hf_hub_id') or cfg.get('url') or tag}",
            "trained_on": trained_on, "n_labels": n_labels, "licence": cfg.get("license"),
        },
    )  # fmt: skip


def _torchvision(name: NetName, pretrained: bool) -> Net:
    from torchvision import models

    if name.model not in (known := models.list_models(module=models)):
        close = difflib.get_close_matches(name.model, known, n=1)
        hint = f"did you mean torchvision.{close[0]}?" if close else "torchvision.models.list_models() lists them"
        raise ConfigError(f"net: torchvision has no model {name.model}; {hint}")
    chosen = models.get_model_weights(name.model).DEFAULT
    try:
        with torch.random.fork_rng(devices=[]):
            net = models.get_model(name.model, weights=chosen if pretrained else None)
    except Exception as error:  # no network, or anything that a download raises
        raise ConfigError(
            f"weights: torchvision has none of {name.model} here ({one_line(error)[:160]}); run once with a network, or"
            f" download {chosen.url} and name it (weights: path/to/weights.pth)"
        ) from None
    last = [layer for layer, module in net.named_modules() if isinstance(module, nn.Linear)][-1]
    above, _, own = last.rpartition(".")
    setattr(net.get_submodule(above), own, nn.Identity())
    wants, on = chosen.transforms(), "imagenet" in chosen.name.lower()
    return Net(
        f"torchvision.{name.model}", net, (last,), wants.mean, wants.std, _smooth(wants.interpolation.value),
        wants.crop_size[0], "image_size" in vars(net),
        {
            "net": f"torchvision.{name.model}", "source": f"torchvision, {chosen}",
            "trained_on": _DATA["in1k"][0] if on else None, "n_labels": _DATA["in1k"][1] if on else None,
            "licence": None,
        },
    )  # fmt: skip


@contextmanager
def _without_retries() -> Iterator[None]:
    """Inside the block, a download without a network fails at once, instead of after a minute of retries."""
    from huggingface_hub import constants

    usual = constants.HF_HUB_OFFLINE
    try:
        if not getproxies():
            socket.getaddrinfo(urlparse(constants.ENDPOINT).hostname, 443)
    except OSError:
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = usual


def _hub_of(name: NetName) -> str:
    import timm

    try:
        cfg: Any = timm.get_pretrained_cfg(name.tagged)
        return cfg.hf_hub_id or name.tagged
    except Exception:  # a tag that timm does not know
        return name.tagged


def _trained_on(tag: str) -> tuple[str | None, int | None]:
    """The data sets that a tag names, in order, and the largest number of labels among them.

    `augreg_in21k_ft_in1k`: ImageNet-21k, then ImageNet-1k.
    """
    found = [_DATA[part] for part in tag.split("_") if part in _DATA]
    return (", then ".join(data for data, _ in found), max(n for _, n in found)) if found else (None, None)


def _smooth(interpolation: str) -> str:
    """The nearest interpolation that torch has for batches."""
    return "bicubic" if interpolation in ("bicubic", "lanczos", "random") else "bilinear"
