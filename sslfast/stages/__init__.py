"""The training stages of a study: pre-train an encoder, classify over it frozen, and the baseline.

Each takes data, a split and settings, and returns what it made with its run record. The workflow's
scripts call these; so may a script of yours. With `checkpoint`, a file, a stage that was killed goes on
from its last whole epoch when it is called again (see `Checkpoint`); remove the file when you have stored
what the stage returned.
"""

from .classifying import classify, supervised
from .outcome import N_MISTAKES
from .pretraining import N_EMBEDDED, N_PICTURES, depends_on, encoder_header, pretrain, shuffle
from .probing import pixels
from .settings import FitSettings, RunSettings, run_settings

__all__ = [
    "N_EMBEDDED",
    "N_MISTAKES",
    "N_PICTURES",
    "FitSettings",
    "RunSettings",
    "classify",
    "depends_on",
    "encoder_header",
    "pixels",
    "pretrain",
    "run_settings",
    "shuffle",
    "supervised",
]
