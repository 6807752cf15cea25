"""The autoencoder: an encoder learns what it takes to rebuild a clean image from a noisy one."""

from fastai.learner import Learner
from fastcore.foundation import L
from fastcore.meta import delegates
from torch import nn

from ..callbacks import ReconstructInput
from ..data.augment import TensorTarget
from ..lean import LeanLearner
from ..metrics import RMSE, RMSELoss
from ..models import AutoEncoder, as_encoder, create_decoder, image_shape, initialised_with
from ..precision import resolve_precision

__all__ = ["autoencoder_learner"]


@delegates(Learner.__init__)
def autoencoder_learner(
    dls,
    encoder: str | nn.Module = "original",
    decoder: nn.Module | None = None,
    seed: int | None = None,
    loss_func=None,
    metrics=None,
    cbs=None,
    precision: str = "auto",
    **kwargs,
) -> Learner:
    """A Learner that trains an encoder and a mirrored decoder to rebuild images; `.encoder` is the encoder.

    `dls`: `image_dls(…).pretrain`, or any fastai image DataLoaders (their input, as augmented, is
    then the target too). `encoder`: a name, or a module to a feature map `[N, C, h, w]`, which needs
    a `decoder` from there to images in [0, 1]. `seed` fixes the initial weights. Loss: RMSE in
    pixel units over the batch; metric: RMSE over the whole validation set. `precision`: see
    `resolve_precision`.

    Source: Vincent et al. 2008, denoising autoencoders (noise on the input, clean target).
    """
    encoder = as_encoder(encoder, image_shape(dls), seed)
    if decoder is None:
        with initialised_with(seed, "decoder"):
            decoder = create_decoder(encoder)
    if not isinstance(dls.valid.one_batch()[-1], TensorTarget):
        cbs = L(cbs) + ReconstructInput()
    loss_func, metrics = loss_func or RMSELoss(), [RMSE()] if metrics is None else metrics
    model = AutoEncoder(encoder, decoder, resolve_precision(precision, dls.device))
    return LeanLearner(dls, model, loss_func=loss_func, metrics=metrics, cbs=cbs, **kwargs)
