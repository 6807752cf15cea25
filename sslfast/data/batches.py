"""A loader that makes a batch by one index operation."""

from collections.abc import Iterator

import torch
from fastai.data.core import TfmdDL
from fastai.torch_core import rank_distrib, to_device
from fastcore.basics import detuplify

from ..errors import ConfigError
from ..seeds import derive_seed
from .augment import Stream
from .show import show_images

__all__ = ["BatchDL", "undistributed"]


class BatchDL(TfmdDL):
    """A fastai DataLoader over `ImageRows`: one index operation a batch, no workers.

    Order and augmentation of epoch `epoch` depend only on (`seed`, `epoch`); each pass over a
    shuffled loader is the next epoch. With `n_batches`, an epoch is that many batches, drawn by going
    through the images again and again, each time in a new order and without what fills no batch.
    """

    def __init__(self, dataset, bs=128, shuffle=False, seed=None, n_batches=None, epoch=0, num_workers=0, **kwargs):
        self.seed = int(torch.randint(2**31, ())) if seed is None else seed
        self.n_batches, self.epoch = n_batches, epoch
        if not hasattr(dataset, "batch"):
            found = type(dataset).__name__
            raise ConfigError(
                f"dataset: found {found}, expected rows of images (ImageRows); image_dls(…, labelled=…) takes some"
            )
        super().__init__(dataset, bs=bs, shuffle=shuffle, num_workers=0, **kwargs)

    def new(self, dataset=None, cls=None, **kwargs):
        same = dataset is None or len(dataset) == len(self.dataset)
        kwargs = {"seed": self.seed, "epoch": self.epoch, "n_batches": self.n_batches if same else None, **kwargs}
        if not kwargs.get("shuffle", self.shuffle):
            kwargs["n_batches"] = None
        return super().new(dataset, cls, **kwargs)

    def __len__(self) -> int:
        return self.n_batches or max(1, -(-self.n // self.bs) - self._leaves_one()) if self.n else 0

    def get_idxs(self) -> torch.Tensor:
        if not self.shuffle:
            return torch.arange(self.n)
        g = torch.Generator().manual_seed(derive_seed(self.seed, "batches", self.epoch))
        if self.n_batches is None:
            return torch.randperm(self.n, generator=g)[: self.n - self._leaves_one()]
        wanted, whole = self.n_batches * self.bs, max(self.n // self.bs, 1) * self.bs
        passes = [torch.randperm(self.n, generator=g)[:whole] for _ in range(-(-wanted // min(whole, self.n)))]
        return torch.cat(passes)[:wanted]  # whole batches of each order, so that none holds an image twice

    # What begins and ends a pass stands in before_iter and after_iter, which fastai's DistributedDL calls, too.
    def before_iter(self):
        super().before_iter()
        if self.shuffle:
            self._augment_as(self.epoch)

    def after_iter(self):
        super().after_iter()
        if self.shuffle:
            self.epoch += 1

    def __iter__(self):
        self.before_iter()
        yield from self._batches(torch.as_tensor(self.get_idxs()))
        self.after_iter()

    def batches(self, positions: torch.Tensor, epoch: int | None = None) -> Iterator[tuple]:
        """The images at `positions` in batches; training images are augmented as epoch `epoch` augments them."""
        super().before_iter()
        if epoch is not None:
            self._augment_as(epoch)
        yield from self._batches(positions)

    def _augment_as(self, epoch: int) -> None:
        among = [rank] if (rank := rank_distrib()) else []  # processes that train together draw each their own
        for tfm in self.after_batch.fs:
            if isinstance(getattr(tfm, "stream", None), Stream):
                tfm.stream.restart(self.seed, epoch, *among)

    def _batches(self, positions: torch.Tensor) -> Iterator[tuple]:
        source = self.dataset.on(self.device)
        here, there = source.device, self.device
        elsewhere = there is not None and (here.type != there.type or there.index not in (None, here.index))
        for part in positions.to(source.device).split(self.bs):
            batch = source.batch(part)
            if elsewhere:
                batch = to_device(batch, self.device)
            yield self.after_batch(batch)

    def one_batch(self):
        if not len(self):
            raise ValueError("this DataLoader has no images")
        return next(iter(self))

    def do_item(self, i):
        return i or 0

    def do_batch(self, positions):
        return self.create_batch(positions)

    def create_batch(self, positions):
        return self.dataset.batch(torch.as_tensor(positions))

    def show_batch(self, b=None, max_n=9, ctxs=None, show=True, unique=False, **kwargs):
        """Draw images of a batch as the model gets them, each with its class or beside its target.

        `unique`: one image, augmented anew each time. `kwargs`: `nrows`, `ncols`, `figsize`. Returns the axes; without
        `show`, what fastai's own loaders do.
        """
        if b is None:
            b = next(self.batches(torch.zeros(max_n, dtype=torch.int64), self.epoch)) if unique else self.one_batch()
        if not show:
            return self._pre_show_batch(b, max_n)
        batch = self.decode(b)
        return show_images(batch[0], batch[1:], vocab=self.dataset.vocab, max_n=max_n, axes=ctxs, **kwargs)

    def show_results(self, b, out, max_n=9, ctxs=None, show=True, **kwargs):
        """Draw images with true and predicted class, or beside their reconstruction (`kwargs`: as in `show_batch`)."""
        x, *y = self.decode(b)
        out = detuplify(out)
        others = (*y[:1], out) if self.dataset.labels else (out,)
        return show_images(
            x, others, vocab=self.dataset.vocab, beside="reconstruction", max_n=max_n, axes=ctxs, **kwargs
        )

    def _pre_show_batch(self, b, max_n=9):
        import fastai.vision.learner  # noqa: F401 - tells fastai's `plot_top_losses` how images are drawn

        from . import top_losses  # noqa: F401 - and reconstructions

        return super()._pre_show_batch(b, max_n)

    def _leaves_one(self) -> int:
        """1 if the last training batch would hold one image, which BatchNorm cannot normalise."""
        return int(bool(self.shuffle) and self.n > self.bs and self.n % self.bs == 1)


def undistributed(loader):
    """The loader that fastai's `DistributedDL` deals out to several processes; any other loader itself."""
    return getattr(loader, "dl", loader)
