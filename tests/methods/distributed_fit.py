"""`python distributed_fit.py LEARNER…`: fits by one of two processes, as `accelerate launch` starts them.

Prints what the test compares, a line of JSON a learner.
"""

import json
import sys

import fastai.distributed  # noqa: F401 - adds distrib_ctx to Learners
import torch
from fastai.callback.core import Callback
from fastai.distributed import DistributedDL

import sslfast
from sslfast import image_dls
from sslfast.data.augment import Augment

# fastai sends indices through CUDA. Here they are the same in both processes as it is: they depend on seed and epoch.
DistributedDL._broadcast = lambda self, indices, rank: torch.LongTensor(indices).tolist()


class Seen(Callback):
    def __init__(self):
        self.images: list[float] = []

    def after_pred(self):
        if self.training:
            self.images += self.xb[0].flatten(1).sum(1).tolist()


def fit(name: str) -> dict:
    dls = image_dls("digits", unlabelled=0.2, labelled=0.2, seed=0, bs=16, device="cpu", augment=Augment())
    classifies = name in ("classifier_learner", "supervised_learner")
    learn = getattr(sslfast, name)(dls.classify if classifies else dls.pretrain, "original", seed=0)
    learn.add_cb(seen := Seen())
    with learn.distrib_ctx(sync_bn=False, cpu=True), learn.no_bar(), learn.no_logging():
        learn.fit(2, 1e-3)
    weights = {key: value.double().sum().item() for key, value in learn.model.state_dict().items()}
    rows = [list(map(float, row)) for row in learn.recorder.values]
    return {"weights": weights, "seen": len(seen.images), "first": seen.images[:5], "rows": rows}


for name in sys.argv[1:]:
    print(json.dumps(fit(name)))
