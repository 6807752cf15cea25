"""Pre-training methods, one a file, each giving `<method>_learner(dls, encoder=…)` with `.encoder`."""

from .autoencoder import autoencoder_learner
from .gan import gan_learner
from .rotation import rotation_learner
from .simclr import simclr_learner
from .vae import vae_learner
from .vicreg import vicreg_learner

__all__ = ["COMPARE_VIEWS", "METHODS", "OWN_VIEWS"]

METHODS = {
    "autoencoder": autoencoder_learner,
    "vae": vae_learner,
    "simclr": simclr_learner,
    "vicreg": vicreg_learner,
    "gan": gan_learner,
    "rotation": rotation_learner,
}
# These make views of their own out of clean images, so that loaders need not augment.
OWN_VIEWS = {"simclr", "vicreg", "rotation"}
# These compare views after a projector, where all images can become alike.
COMPARE_VIEWS = {"simclr", "vicreg"}
