"""How much is unlabelled data worth? Studies and fastai Learners for frozen, pre-trained encoders.

Public names are imported when they are first used, so that reading results takes no GPU stack.
"""

import functools
import importlib
import sys

from . import _torchvision

__version__ = "0.2.0"

_PUBLIC = {
    "image_dls": "sslfast.data.loaders",
    "load_dataset": "sslfast.data.datasets",
    "Augment": "sslfast.data.augment",
    "make_split": "sslfast.data.splits",
    "classifier_learner": "sslfast.learners",
    "finetune_learner": "sslfast.learners",
    "supervised_learner": "sslfast.learners",
    "random_encoder": "sslfast.learners",
    "linear_probe": "sslfast.probes",
    "knn": "sslfast.probes",
    "label_curve": "sslfast.curves",
    "base_encoder": "sslfast.models",
    "create_encoder": "sslfast.models",
    "save_encoder": "sslfast.models",
    "load_encoder": "sslfast.models",
    "RMSELoss": "sslfast.training.losses",
    "RMSE": "sslfast.training.metrics",
    "MacroF1": "sslfast.training.metrics",
    "TimeToAccuracy": "sslfast.training.callbacks",
    "Checkpoint": "sslfast.training.checkpoints",
    "SslfastError": "sslfast.errors",
}


def __getattr__(name: str):
    if name == "__all__":
        return sorted(_public())
    if name in _PUBLIC or (not name.startswith("_") and name in _public()):
        found = getattr(importlib.import_module(_public()[name]), name)
        if "torch" in sys.modules:
            _torchvision.make_importable()
        return found
    raise AttributeError(f"module 'sslfast' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_public()])


@functools.cache
def _public() -> dict[str, str]:
    """Public names and the modules that they are in; the learner factories of methods are those that these declare."""
    from .study.methods import methods

    return {**_PUBLIC, **{kind.learner.attribute: kind.learner.place for kind in methods().values()}}
