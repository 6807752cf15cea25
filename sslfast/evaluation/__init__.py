"""What a frozen encoder is worth, asked in other ways than by the study's head.

One file a question: `linear` (logistic regression), `neighbours` (their votes), `clustering` (without labels),
`embedding` (a map to look at), `shuffle` (a control with the encoder's weights in random places). All work on
`features`: what the encoder makes of clean images, computed once. Fine-tuning is `sslfast.learners.finetune_learner`.
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
