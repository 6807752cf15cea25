"""Masked autoencoder: a transformer sees a quarter of an image's patches, and what it makes of them tells the rest."""

import math

import torch
from fastai.learner import Learner
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.corrupt import CorruptInput, hidden_patches, normalisation
from ..errors import ConfigError
from ..models import as_encoder, initialised_with
from ..models.heads import at_rest
from ..models.vit import Block, ViT, positions
from ..seeds import derive_seed
from ..training.lean import learner_of
from ..training.metrics import RMSE
from ..training.precision import resolve_precision
from .autoencoder import HiddenRMSELoss
from .base import method, show_rebuilt, with_target

__all__ = ["MaskedAutoEncoder", "mae_learner"]


@method(encoders=("vit",))
def mae_learner(
    dls,
    encoder: str | nn.Module = "vit",
    mask: float = 0.75,
    decoder: int = 64,
    seed: int | None = None,
    precision: str = "auto",
    **kwargs,
) -> Learner:
    """A Learner that trains a vision transformer to tell hidden patches from visible ones; `.encoder` is the encoder.

    `dls`: `image_dls(…).pretrain`, or any fastai image DataLoaders. `encoder`: `vit`, `vit_x2`, …, or one that was
    trained. The encoder is given the visible patches alone, which convolutions, that need whole images, cannot be (for
    those see `mask` of `autoencoder_learner`). `mask`: the share of patches that is hidden, others each time.
    `decoder`: features of the two blocks that tell them, a multiple of 4; they serve training only. `seed` fixes the
    initial weights and all that fits draw. Loss: RMSE over the hidden pixels, in [0, 1]; metric: RMSE over whole
    images, whose visible pixels are as they were. `precision`: see `resolve_precision`. Raises `ConfigError` for
    another encoder, and for values that cannot be.

    Source: He et al. 2022, Masked Autoencoders Are Scalable Vision Learners (with pixels as they are for targets).
    """
    if isinstance(mask, bool) or not isinstance(mask, int | float) or not 0 < mask < 1:
        raise ConfigError(f"mask: found {mask!r}, expected a share of the patches, between 0 and 1")
    if isinstance(decoder, bool) or not isinstance(decoder, int) or decoder < 4 or decoder % 4:
        raise ConfigError(f"decoder: found {decoder!r}, expected a number of features, a multiple of 4")
    encoder = as_encoder(encoder, dls, seed)
    if not isinstance(encoder, ViT):
        name = getattr(encoder, "name", type(encoder).__name__)
        raise ConfigError(
            f"encoder: found {name}, expected vit, which can leave out patches of an image; for others hide patches by"
            " autoencoder_learner(…, mask=0.5, loss_on='hidden')"
        )
    with initialised_with(seed, "decoder"):
        precision = resolve_precision(precision, dls.device)
        model = MaskedAutoEncoder(encoder, decoder, mask, *normalisation(dls), precision)
    draws = int(torch.randint(2**31, ())) if seed is None else seed
    hide = CorruptInput(0.0, mask, encoder.patch, draws, give_hidden=True, fill=math.nan)
    cbs = [*with_target(dls), hide]
    return learner_of(
        dls, model, kwargs, loss_func=HiddenRMSELoss(), metrics=[RMSE()], cbs=cbs, shows=show_rebuilt, seed=seed
    )


class MaskedAutoEncoder(nn.Module):
    """Images `[N, C, H, W]`, normalised, NaN where patches are hidden → whole images in [0, 1], float32.

    The encoder sees the other patches, as many of each image. A decoder of two blocks gets what it makes of them, and
    one learned token in place of each of those that are hidden. Pixels that are not hidden come as they were. In
    training those told may also be out of range.

    `mask`: the share of patches to hide in `pictures`; `mean` and `std`, `[1, C, 1, 1]`, normalise pixels in [0, 1].
    """

    places: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, encoder: ViT, width: int, mask: float, mean: Tensor, std: Tensor, precision: str = "float32"):
        super().__init__()
        features, *along = encoder.out_shape
        self.encoder, self.mask, self.precision = encoder, mask, precision
        self.into, self.hidden = nn.Linear(features, width), nn.Parameter(torch.randn(width) * 0.02)
        self.decoder = nn.Sequential(Block(width), Block(width), nn.LayerNorm(width))
        self.pixels = nn.Linear(width, encoder.channels * encoder.patch**2)
        self.register_buffer("places", positions((along[0], along[1]), width), persistent=False)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, x: Tensor) -> Tensor:
        x, patch = x.as_subclass(Tensor), self.encoder.patch
        gone = x[:, 0, ::patch, ::patch].isnan().flatten(1)
        order = gone.byte().argsort(stable=True)  # visible ones first
        n_hidden = int(gone[:1].sum())
        given = x.nan_to_num()
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            seen = self.into(self.encoder.tokens(given, order[:, : order.shape[1] - n_hidden]))
            tokens = torch.cat([seen, self.hidden.to(seen.dtype).expand(len(x), n_hidden, -1)], 1)
            tokens = tokens.gather(1, order.argsort(1)[..., None].expand_as(tokens)) + self.places
            patches = self.pixels(self.decoder(tokens)).float()
        whole = tuple(patch * n for n in self.encoder.out_shape[1:])
        rebuilt = F.fold(patches.mT, whole, patch, stride=patch)[..., : x.shape[-2], : x.shape[-1]]
        if not self.training:  # else what is out of range would get no gradient
            rebuilt = rebuilt.clamp(0, 1)
        return torch.where(x.isnan(), rebuilt, given * self.std + self.mean)

    def pictures(self, x: Tensor) -> dict[str, Tensor]:
        """What it makes of images `x` `[K, C, H, W]` (normalised): `reconstructions` `[K, C, H, W]` in [0, 1], of
        patches that are always the same."""
        generator = torch.Generator().manual_seed(derive_seed(0, "patches"))
        hidden = hidden_patches(len(x), x.shape[2:], self.mask, self.encoder.patch, generator).to(x.device)
        with at_rest(self):
            return {"reconstructions": self(x.masked_fill(hidden, math.nan))}
