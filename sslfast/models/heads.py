"""Heads, and the two-part models that learners train: `model[0]` the encoder, `model[1]` the head."""

import torch
from torch import Tensor, nn

__all__ = ["AutoEncoder", "Classifier", "create_head"]


def create_head(in_shape: tuple[int, int, int], n_classes: int, dropout: float = 0.4) -> nn.Sequential:
    """The original study's classifier: features `[N, C, h, w]` → class scores `[N, n_classes]`.

    Two 3 × 3 convolutions (32 and 16 channels) with ReLU and dropout, and one fully connected layer.
    """
    channels, height, width = in_shape
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Conv2d(32, 16, 3, padding=1),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Flatten(),
        nn.Linear(16 * height * width, n_classes),
    )


class _TwoParts(nn.Sequential):
    @property
    def encoder(self) -> nn.Module:
        return self[0]

    @property
    def head(self) -> nn.Module:
        return self[1]


class AutoEncoder(_TwoParts):
    """Encoder and decoder: image `[N, C, S, S]` (normalised) → image in [0, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        # fastai's tensor types carry meaning for transforms; inside the model they only cost time
        return super().forward(x.as_subclass(torch.Tensor))


class Classifier(_TwoParts):
    """Encoder and head: image `[N, C, S, S]` (normalised) → class scores `[N, n_classes]`.

    Follows fastai's `freeze` and `unfreeze`: while no parameter of the encoder requires gradients it
    is *frozen*, that is in eval mode (BatchNorm statistics stand still) and run without gradients.
    """

    @property
    def frozen(self) -> bool:
        """Whether the encoder stands still."""
        return not any(p.requires_grad for p in self.encoder.parameters())

    def train(self, mode: bool = True) -> "Classifier":
        super().train(mode)
        if mode and self.frozen:
            self.encoder.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        x = x.as_subclass(torch.Tensor)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            features = self.encoder(x)
        return self.head(features)
