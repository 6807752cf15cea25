"""The public names, for editors and type checkers: `__init__.py` imports them when they are first used."""

from .curves import label_curve as label_curve
from .data.augment import Augment as Augment
from .data.datasets import load_dataset as load_dataset
from .data.loaders import image_dls as image_dls
from .data.splits import make_split as make_split
from .errors import SslfastError as SslfastError
from .learners import classifier_learner as classifier_learner
from .learners import finetune_learner as finetune_learner
from .learners import random_encoder as random_encoder
from .learners import supervised_learner as supervised_learner
from .methods.autoencoder import autoencoder_learner as autoencoder_learner
from .methods.barlow import barlow_learner as barlow_learner
from .methods.byol import byol_learner as byol_learner
from .methods.distill import distill_learner as distill_learner
from .methods.gan import gan_learner as gan_learner
from .methods.mae import mae_learner as mae_learner
from .methods.rotation import rotation_learner as rotation_learner
from .methods.simclr import simclr_learner as simclr_learner
from .methods.vae import vae_learner as vae_learner
from .methods.vicreg import vicreg_learner as vicreg_learner
from .models import base_encoder as base_encoder
from .models import create_encoder as create_encoder
from .models import load_encoder as load_encoder
from .models import save_encoder as save_encoder
from .probes import knn as knn
from .probes import linear_probe as linear_probe
from .training.callbacks import TimeToAccuracy as TimeToAccuracy
from .training.checkpoints import Checkpoint as Checkpoint
from .training.losses import RMSELoss as RMSELoss
from .training.metrics import RMSE as RMSE
from .training.metrics import MacroF1 as MacroF1

__version__: str
__all__: list[str]
