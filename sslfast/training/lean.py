"""A fastai Learner with little overhead per batch, which matters for small networks."""

from collections.abc import Callable, Iterable, Mapping

# these imports add methods to Learners: fit_one_cycle, lr_find, progress bars, to_fp16, to_channelslast, summary
import fastai.callback.channelslast
import fastai.callback.fp16
import fastai.callback.hook
import fastai.callback.progress
import fastai.callback.schedule  # noqa: F401
import torch
from fastai.callback.core import Callback, event
from fastai.learner import AvgSmoothLoss, Learner, Recorder
from fastcore.foundation import L
from torch import Tensor

from .optimizer import fused_adam

__all__ = ["LeanLearner", "learner_of"]


def learner_of(dls, model, given: Mapping, *, loss_func, metrics, cbs=(), **usual) -> Learner:
    """The `LeanLearner` of `dls` and `model`, as a learner factory returns it.

    `given`: further arguments from the caller of the factory. They override the factory's `loss_func`, `metrics` and
    `usual` arguments; the caller's callbacks are added to the factory's `cbs`.
    """
    given = dict(given)
    loss_func = given.pop("loss_func", None) or loss_func
    given_metrics = given.pop("metrics", None)
    return LeanLearner(
        dls,
        model,
        loss_func=loss_func,
        metrics=metrics if given_metrics is None else given_metrics,
        cbs=L(given.pop("cbs", None)) + L(cbs),
        **{**usual, **given},
    )


class LeanLearner(Learner):
    """fastai's `Learner`, with the same events and results, and less work per batch.

    It remembers which callbacks listen to which event, where fastai asks every callback at every event. It optimises
    with `fused_adam` unless `opt_func` is given. It keeps the running loss on the device, where fastai copies it to the
    CPU after every batch, which a GPU has to wait for. `benchmarks/learners.py` compares it with a plain torch loop.
    """

    def __init__(self, dls, model, loss_func=None, opt_func: Callable = fused_adam, **kwargs):
        self._listeners: dict[str, tuple[list[Callback], list[Callback]]] = {}
        super().__init__(dls, model, loss_func=loss_func, opt_func=opt_func, **kwargs)
        for recorder in self.cbs.filter(lambda cb: type(cb) is Recorder):  # a user's subclass stays
            self.remove_cb(recorder)
            self.add_cb(_LeanRecorder(recorder))

    def __call__(self, event_name: str | Iterable[str]) -> None:
        for name in (event_name,) if isinstance(event_name, str) else event_name:
            for callback in self._listening(name):
                callback(name)

    def _listening(self, event_name: str) -> list[Callback]:
        present = list(self.cbs)
        known, listeners = self._listeners.get(event_name, (None, []))
        if known != present:  # callbacks compare by identity
            if not hasattr(event, event_name):
                raise ValueError(f"missing {event_name}")
            # after_fit goes to every callback, since fastai switches callbacks on again there
            ordered = self.cbs.sorted("order")
            listeners = [cb for cb in ordered if event_name == "after_fit" or hasattr(cb, event_name)]
            self._listeners[event_name] = present, listeners
        return listeners

    def _set_device(self, b):
        device = next(self.model.parameters()).device
        there = isinstance(b, tuple) and all(isinstance(t, Tensor) and t.device == device for t in b)
        return b if there else super()._set_device(b)

    def __getstate__(self):
        return {**super().__getstate__(), "_listeners": {}}


class _LeanRecorder(Recorder):
    """fastai's `Recorder`, but losses are copied to the CPU once per epoch, so that a GPU need not wait."""

    name = "recorder"

    def __init__(self, stock: Recorder):
        super().__init__(stock.add_time, stock.train_metrics, stock.valid_metrics)
        self.smooth_loss = _SmoothLoss(stock.smooth_loss.beta)

    def after_batch(self):
        learn = self.learn
        if not learn.training or self.train_metrics or not len(learn.yb):
            super().after_batch()
            return
        self.smooth_loss.accumulate(learn)
        learn.smooth_loss = self.smooth_loss.value
        self.losses.append(learn.smooth_loss)
        self.lrs.append(learn.opt.hypers[-1]["lr"])

    def after_train(self):
        super().after_train()
        fresh = [loss for loss in self.losses if loss.device.type != "cpu"]
        if fresh:
            self.losses[-len(fresh) :] = torch.stack(fresh).cpu()


class _SmoothLoss(AvgSmoothLoss):
    val: Tensor

    def accumulate(self, learn):
        self.count += 1
        loss = learn.loss.detach().mean()
        self.val = torch.lerp(loss, self.val.to(loss.device), self.beta)
