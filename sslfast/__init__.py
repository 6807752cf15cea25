"""How much is unlabelled data worth? Studies and fastai Learners for frozen, pre-trained encoders.

Public names are imported when they are first used, so that reading results takes no GPU stack.
"""

import importlib

from . import _torchvision

__version__ = "0.1.0"

_PUBLIC = {
    "image_dls": "sslfast.data.loaders",
    "load_dataset": "sslfast.data.datasets",
    "Augment": "sslfast.data.augment",
    "make_split": "sslfast.data.splits",
    "autoencoder_learner": "sslfast.methods.autoencoder",
    "vae_learner": "sslfast.methods.vae",
    "simclr_learner": "sslfast.methods.simclr",
    "vicreg_learner": "sslfast.methods.vicreg",
    "gan_learner": "sslfast.methods.gan",
    "rotation_learner": "sslfast.methods.rotation",
    "classifier_learner": "sslfast.learners",
    "finetune_learner": "sslfast.learners",
    "supervised_learner": "sslfast.learners",
    "random_encoder": "sslfast.learners",
    "create_encoder": "sslfast.models",
    "save_encoder": "sslfast.models",
    "load_encoder": "sslfast.models",
    "RMSELoss": "sslfast.training.metrics",
    "RMSE": "sslfast.training.metrics",
    "MacroF1": "sslfast.training.metrics",
    "TimeToAccuracy": "sslfast.training.callbacks",
    "Checkpoint": "sslfast.training.checkpoints",
    "SslfastError": "sslfast.errors",
}
__all__ = sorted(_PUBLIC)

_torchvision.install()


def __getattr__(name: str):
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'sslfast' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_PUBLIC])
