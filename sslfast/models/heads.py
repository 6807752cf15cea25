"""Heads, and the two-part models that learners train: `model[0]` the encoder, `model[1]` the head."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from ..errors import ConfigError, shown
from .dropout import Dropout
from .winograd import Conv2d

__all__ = ["AutoEncoder", "Classifier", "Features", "create_head", "dropout_of"]

# (labels, rate): between these two numbers of labels, the rate of `dropout_of` falls (benchmarks/README.md).
FEW, MANY = (5_000, 0.35), (20_000, 0.2)


def dropout_of(dropout: float | str, n_labelled: int) -> float:
    """The dropout rate of a network that is trained on `n_labelled` images; `dropout`: a rate, or `auto`.

    `auto` is 0.35 up to 5,000 labels and 0.2 from 20,000 labels; in between it is linear in the logarithm of their
    number: the more labels, the less overfitting there is to prevent. The baseline and heads over frozen encoders were
    measured to need the same rates (benchmarks/README.md). Raises `ConfigError` for anything but `auto` or
    0 ≤ rate < 1.
    """
    if dropout == "auto":
        (few, most), (many, least) = FEW, MANY
        share = math.log(max(n_labelled, few) / few) / math.log(many / few)
        return round(most + (least - most) * min(1.0, share), 4)
    if not (isinstance(dropout, int | float) and 0 <= dropout < 1):
        raise ConfigError(f"dropout: found {shown(dropout)}, expected auto or a number from 0 and below 1")
    return float(dropout)


def create_head(in_shape: tuple[int, int, int], n_classes: int, dropout: float = FEW[1]) -> nn.Sequential:
    """The original study's classifier: features `[N, C, h, w]` → class scores `[N, n_classes]`.

    Two 3 × 3 convolutions (32 and 16 channels) with ReLU and dropout, and one fully connected layer.
    """
    channels, height, width = in_shape
    return nn.Sequential(
        Conv2d(channels, 32, 3, padding=1),
        nn.ReLU(),
        Dropout(dropout),
        Conv2d(32, 16, 3, padding=1),
        nn.ReLU(),
        Dropout(dropout),
        nn.Flatten(),
        nn.Linear(16 * height * width, n_classes),
    )


class Features(Tensor):
    """Feature maps `[N, C, h, w]` of a frozen encoder, given to a `Classifier` in place of their images."""


@contextmanager
def at_rest(model: nn.Module) -> Iterator[None]:
    """Inside the block `model` is in eval mode and keeps no gradients; afterwards it is as it was."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


class _TwoParts(nn.Sequential):
    """Base of models of an encoder and a head.

    `precision`: `float32`, or `bfloat16` for the operations that torch's autocast considers safe. Weights and outputs
    are float32 in both cases.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module, precision: str = "float32"):
        super().__init__(encoder, head)
        self.precision = precision

    @property
    def encoder(self) -> nn.Module:
        return self[0]

    @property
    def head(self) -> nn.Module:
        return self[1]

    def autocast(self, device: torch.device) -> AbstractContextManager:
        """The context in which `precision` holds. (fastai's `to_bf16` is for CUDA only.)

        For float32 it changes nothing, so that a user's own autocast or `to_fp16` stays in effect.
        """
        return torch.autocast(device.type, torch.bfloat16) if self.precision == "bfloat16" else nullcontext()


class AutoEncoder(_TwoParts):
    """Encoder and decoder: image `[N, C, H, W]` (normalised) → image in [0, 1], float32."""

    def forward(self, x: Tensor) -> Tensor:
        # fastai's tensor types carry meaning for transforms; inside the model they only cost time
        with self.autocast(x.device):
            return super().forward(x.as_subclass(Tensor)).float()

    def pictures(self, x: Tensor) -> dict[str, Tensor]:
        """`reconstructions` `[K, C, H, W]` in [0, 1] of images `x` `[K, C, H, W]` (normalised)."""
        with at_rest(self):
            return {"reconstructions": self(x)}


class Classifier(_TwoParts):
    """Encoder and head: image `[N, C, H, W]` (normalised) → class scores `[N, n_classes]`, float32.

    Works with fastai's `freeze` and `unfreeze`: while no parameter of the encoder requires gradients, the encoder is
    *frozen*, that is, it is in eval mode (BatchNorm statistics do not change) and runs without gradients. If the input
    is `Features` instead of images, only the head runs.
    """

    @property
    def frozen(self) -> bool:
        """Whether no parameter of the encoder requires gradients."""
        return not any(p.requires_grad for p in self.encoder.parameters())

    def train(self, mode: bool = True) -> "Classifier":
        super().train(mode)
        if mode and self.frozen:
            self.encoder.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        plain = x.as_subclass(Tensor)
        with self.autocast(plain.device):
            return self.head(plain if isinstance(x, Features) else self.features(plain)).float()

    def features(self, x: Tensor) -> Tensor:
        """The encoder's feature maps `[N, C, h, w]`, in the precision that the head gets them in."""
        with self.autocast(x.device), torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self.encoder(x)
