"""Pre-training methods, one a file, each giving `<method>_learner(dls, encoder=…)` with `.encoder`."""

from .autoencoder import autoencoder_learner

__all__ = ["METHODS"]

METHODS = {"autoencoder": autoencoder_learner}
