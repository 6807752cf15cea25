"""Whether training leaves tensors behind that only the garbage collector would free."""

import gc

import torch


def tensors_left_by(learn) -> list[str]:
    """What of an epoch's batches waits for the collector after a fit; the learner must have fitted before."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        learn.dl = learn.dls.train
        for i, batch in enumerate(learn.dl):
            learn.one_batch(i, batch)
        gc.collect()
        return [type(x).__name__ for x in gc.garbage if isinstance(x, torch.Tensor)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
