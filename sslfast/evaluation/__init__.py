"""Evaluations of a frozen encoder beside the study's head.

One file per evaluation: `linear` (logistic regression), `neighbours` (nearest neighbours), `clustering` (without
labels), `embedding` (a map of images in two dimensions), `shuffle` (the control with shuffled weights). They work on
the features of images without augmentation, computed once by `encoding`. Fine-tuning is
`sslfast.learners.finetune_learner`.
"""

from .clustering import Clustering, cluster
from .embedding import embed_2d
from .encoding import Encoded, Scores, clean_batches, encode, encode_cell, encode_pixels
from .features import StoredFeatures
from .linear import linear_probe
from .neighbours import knn
from .shuffle import shuffled

__all__ = [
    "Clustering",
    "Encoded",
    "Scores",
    "StoredFeatures",
    "clean_batches",
    "cluster",
    "embed_2d",
    "encode",
    "encode_cell",
    "encode_pixels",
    "knn",
    "linear_probe",
    "shuffled",
]
