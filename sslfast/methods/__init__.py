"""Pre-training methods, one a file, each giving `<method>_learner(dls, encoder=…)` with `.encoder`."""

from .autoencoder import autoencoder_learner

__all__ = ["METHODS", "OWN_VIEWS"]

METHODS = {"autoencoder": autoencoder_learner}
# These make views of their own out of clean images, so that loaders need not augment.
OWN_VIEWS: set[str] = set()
