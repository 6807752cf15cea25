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
from fastai.callback.mixup import MixHandler
from fastai.learner import AvgSmoothLoss, Learner, Recorder
from fastcore.foundation import L
from fastcore.meta import delegates
from torch import Tensor

from ..errors import ConfigError
from . import interpretation  # noqa: F401 - how fastai's Interpretation draws what these learners make
from .callbacks import SeededFits
from .optimizer import fused_adam

__all__ = ["LeanLearner", "hears", "learner_of"]


def learner_of(
    dls, model, given: Mapping, *, loss_func, metrics, cbs=(), shows=None, seed: int | None = None, **usual
) -> Learner:
    """The `LeanLearner` of `dls` and `model`, as a learner factory returns it.

    `given`: further arguments from the caller of the factory. They override the factory's `loss_func`, `metrics` and
    `usual` arguments; the caller's callbacks are added to the factory's `cbs`. `shows`: see `LeanLearner`; `seed`: see
    `SeededFits`.
    """
    given = dict(given)
    loss_func = given.pop("loss_func", None) or loss_func
    given_metrics = given.pop("metrics", None)
    learn = LeanLearner(
        dls,
        model,
        loss_func=loss_func,
        metrics=metrics if given_metrics is None else given_metrics,
        cbs=L(given.pop("cbs", None)) + L(cbs) + SeededFits(seed),
        **{**usual, **given},
    )
    learn.shows = shows
    return learn


class LeanLearner(Learner):
    """fastai's `Learner`, with the same events and results, and less work per batch.

    It calls only the callbacks that can hear an event, where fastai calls all of them at every event. It optimises
    with `fused_adam` unless `opt_func` is given. It keeps the running loss on the device, where fastai copies it to the
    CPU after every batch, which a GPU has to wait for. `benchmarks/learners.py` compares it with a plain torch loop.

    `shows`: for a method whose predictions are no classes of the loaders, a function that draws results,
    `(learn, batch, max_n, **kwargs) -> axes`; `kwargs` are those of `show_images`. `show_results` and fastai's
    `Interpretation` call it, and `predict` then gives (decoded prediction,
    the same, prediction) of an image.
    """

    shows: Callable | None = None

    @delegates(Learner.__init__)
    def __init__(self, dls, model, loss_func=None, opt_func: Callable = fused_adam, **kwargs):
        self._ordered: tuple[list[tuple[Callback, float]], list[Callback]] = ([], [])
        super().__init__(dls, model, loss_func=loss_func, opt_func=opt_func, **kwargs)
        for recorder in self.cbs.filter(lambda cb: type(cb) is Recorder):  # a user's subclass stays
            self.remove_cb(recorder)
            self.add_cb(_LeanRecorder(recorder))

    def __call__(self, event_name: str | Iterable[str]) -> None:
        for name in (event_name,) if isinstance(event_name, str) else event_name:
            if not hasattr(event, name):
                raise ValueError(f"missing {name}")
            for callback in self._in_order():
                if hears(callback, name):
                    callback(name)

    def _in_order(self) -> list[Callback]:
        """The callbacks by `order`, sorted again only after a change."""
        present = [(callback, callback.order) for callback in self.cbs.items]
        if self._ordered[0] != present:  # callbacks compare by identity
            self._ordered = present, list(self.cbs.sorted("order"))
        return self._ordered[1]

    def show_results(self, ds_idx=1, dl=None, max_n=9, shuffle=True, **kwargs):
        if self.shows is None:
            return super().show_results(ds_idx, dl, max_n, shuffle, **kwargs)
        dl = self.dls[ds_idx].new(shuffle=shuffle) if dl is None else dl
        return self.shows(self, dl.one_batch(), max_n, **kwargs)

    def predict(self, item, rm_type_tfms=None, with_input=False):
        if self.shows is None:
            return super().predict(item, rm_type_tfms, with_input)
        dl = self.dls.test_dl([item], rm_type_tfms=rm_type_tfms, num_workers=0)
        x, predictions, _, decoded = self.get_preds(dl=dl, with_input=True, with_decoded=True)
        first = predictions[0] if isinstance(predictions, Tensor) else tuple(part[0] for part in predictions)
        shown = decoded[0]
        return (*((x[0],) if with_input else ()), shown, shown, first)

    def tta(self, *args, **kwargs):
        if self.shows is not None:
            raise ConfigError(
                "tta: found a learner that pre-trains; it averages scores of classes (classifier_learner)"
            )
        return super().tta(*args, **kwargs)

    def _do_fit(self):
        # callbacks with a true `makes_input` give the model something else than the loader's images, or the loss more
        # than its targets: none may mix images after them
        makers = [type(callback).__name__ for callback in self.cbs if getattr(callback, "makes_input", False)]
        mixers = [type(callback).__name__ for callback in self.cbs if isinstance(callback, MixHandler)]
        if makers and mixers:
            text = (
                f"cbs: found {mixers[0]}, but what {makers[0]} makes of images cannot be mixed; leave {mixers[0]} out"
            )
            raise ConfigError(text)
        super()._do_fit()

    def _set_device(self, b):
        device = next(self.model.parameters()).device
        there = isinstance(b, tuple) and all(isinstance(t, Tensor) and t.device == device for t in b)
        return b if there else super()._set_device(b)

    def __getstate__(self):
        return {**super().__getstate__(), "_ordered": ([], [])}


def hears(callback: Callback, event_name: str) -> bool:
    """Whether to call `callback` at an event can have any effect.

    Asked at every event, so that methods may be set at any time; by class and instance, as fastai's own look-up goes on
    to the learner, which takes ten times as long. All hear of `after_fit`: fastai then switches callbacks on again that
    switched themselves off.
    """
    kind = type(callback)
    return (
        hasattr(kind, event_name)
        or event_name in callback.__dict__
        or event_name == "after_fit"
        or kind.__call__ is not Callback.__call__
        or kind.__getattr__ is not Callback.__getattr__
    )


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
