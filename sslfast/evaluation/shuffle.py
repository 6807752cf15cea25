"""The shuffled control: an encoder whose weights keep their sizes, but not what was learned."""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import ConfigError
from ..seeds import derive_seed

__all__ = ["shuffled"]


def shuffled(encoder: nn.Module, seed: int, batches: Iterable[Tensor] = ()) -> nn.Module:
    """A copy of `encoder` with every weight tensor randomly permuted, drawn from `seed`.

    A weight tensor is permuted over all its entries. Parameters with one value per channel (bias, and scale and shift
    of BatchNorm) are permuted over the channels, all of a layer in the same way. A tensor whose values are all equal
    stays as it is. The running statistics of BatchNorm are computed anew from `batches` of normalised training images
    `[B, C, H, W]` (see `clean_batches`), as means over batches: the old statistics would scale the features wrongly,
    and the control would be too weak. Raises `ConfigError` if the encoder has BatchNorm and there are no batches.

    The control shows whether the sizes of the weights explain a gain, rather than what was learned. Source: Raghu et
    al. 2019, Transfusion, whose control draws weights anew with the same mean and variance.
    """
    control = copy.deepcopy(encoder)
    with torch.no_grad():
        for name, layer in control.named_modules():
            for part, tensors in _together(layer).items():
                generator = torch.Generator().manual_seed(derive_seed(seed, "shuffle", name, part))
                _permute(tensors, generator)
        _renew_statistics(control, batches)
    return control


def _together(layer: nn.Module) -> dict[str, list[Tensor]]:
    """A layer's own parameters, grouped by the permutation that they share."""
    groups: dict[str, list[Tensor]] = {}
    for name, parameter in layer.named_parameters(recurse=False):
        part = f"{len(parameter)} channels" if parameter.ndim == 1 else name
        groups.setdefault(part, []).append(parameter)
    return groups


def _permute(tensors: list[Tensor], generator: torch.Generator) -> None:
    flat = [t.flatten() for t in tensors]
    changing = [t for t in flat if bool((t != t[:1]).any())]  # without tensors whose values are all equal
    order = torch.randperm(len(flat[0]), generator=generator)
    while any(torch.equal(t[order.to(t.device)], t) for t in changing):  # a tensor of few values may stay unchanged
        order = torch.randperm(len(order), generator=generator)
    for tensor, values in zip(tensors, flat, strict=True):
        tensor.copy_(values[order.to(values.device)].view_as(tensor))


def _renew_statistics(network: nn.Module, batches: Iterable[Tensor]) -> None:
    layers = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
    if not layers:
        return
    modes = {m: m.training for m in network.modules()}
    momenta = [layer.momentum for layer in layers]
    network.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the mean over all batches
        layer.train()
    n = 0
    for x in batches:
        network(x)
        n += 1
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    for module, mode in modes.items():
        module.training = mode
    if not n:
        raise ConfigError("batches: found none, expected batches of training images, which BatchNorm needs here")
