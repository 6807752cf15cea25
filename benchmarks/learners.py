"""How close our Learners come to a plain torch loop, and how much faster than ordinary fastai code they are.

    python benchmarks/learners.py --data ~/.cache/sslfast/cifar10

Prints for each encoder the median and range of ratios; in each round both sides take turns in one process:
(a) training speed of `autoencoder_learner` against a plain torch loop over the same tensor, with the same
    model, precision, augmentation and batch size; and of `classifier_learner` over cached features, where a study
    spends most of its time, against such a loop over the same features;
(b) training speed of `autoencoder_learner` against an ordinary fastai pipeline from image files (DataBlock, batch
    transforms). With `--photographs 256` the files have 256 × 256 pixels, like people's own images: the same images
    enlarged, which the pipeline scales down again in every epoch;
(c) time of a full cell, 100 epochs at l = 0.5, of `classifier_learner` with cached views against fastai's own
    Learner over the same frozen encoder, which sees newly augmented images every epoch, and against ours with
    fresh views (measured on fewer epochs: t = once + epochs x each, printed).
Ordinary fastai code in (b) and (c) uses torch's own layers; the plain loops of (a) and fresh views use ours.
"""

import argparse
import copy
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from timing import TrainingClock, quiet, ratio_text, side_by_side, with_torchs_layers
from torch import nn
from torch.nn import functional as F

from sslfast import autoencoder_learner, classifier_learner, image_dls
from sslfast.data.augment import GaussianNoise, NormalizeImages
from sslfast.models import create_decoder
from sslfast.models.dropout import Dropout
from sslfast.models.winograd import Conv2d, ConvTranspose2d
from sslfast.study.limits import AUTO_VIEWS
from sslfast.training.cached_views import CachedViews
from sslfast.training.callbacks import History
from sslfast.training.precision import resolve_precision

CELL_EPOCHS = 100


def bare_loop(dls, encoder: nn.Module, precision: str, batches: int):
    """A function that trains `encoder` and a decoder on `batches` batches in a plain loop: images per second."""
    model = nn.Sequential(encoder, create_decoder(encoder)).to(dls.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.99), eps=1e-5, fused=True)
    source = dls.train_ds.on(dls.device)
    x, rows, bs = source.images.x.permute(0, 2, 3, 1), source.rows, dls.train.bs
    normalize = next(t for t in dls.train.after_batch.fs if isinstance(t, NormalizeImages))
    noise = GaussianNoise()
    bank = noise._numbers(dls.device)

    def one(positions):
        # the transforms of the Learner's loader, by hand: the fastest way we know on both sides
        images = x.index_select(0, rows.index_select(0, positions))
        n, h, w, c = images.shape
        for dim in (2, 1):
            chosen = torch.rand(n, device=images.device) < 0.5
            mirrored = images.index_select(0, chosen.nonzero().squeeze(1)).flip(dim)
            place = torch.where(chosen, n - 1 + chosen.cumsum(0), torch.arange(n, device=images.device))
            images = torch.cat([images, mirrored]).index_select(0, place)
        target = images.permute(0, 3, 1, 2).float().div_(255)
        start = int(torch.randint(len(bank) - target.numel(), ()))
        window = bank[start : start + target.numel()].view(n, h, w, c).permute(0, 3, 1, 2)
        noisy = torch.addcmul(normalize.shift, torch.add(target, window, alpha=noise.std), normalize.scale)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            out = model(noisy)
        F.mse_loss(out.float(), target).add(1e-12).sqrt().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return n

    def run() -> float:
        order = torch.randperm(len(rows), device=rows.device)
        while len(order) < batches * bs:
            order = torch.cat([order, torch.randperm(len(rows), device=rows.device)])
        synchronize(dls.device)
        start = time.perf_counter()
        images = sum(one(positions) for positions in order[: batches * bs].split(bs))
        synchronize(dls.device)
        return images / (time.perf_counter() - start)

    return run


def bare_head_loop(learn, precision: str):
    """A function that trains a copy of `learn`'s head for an epoch over cached features in a plain loop: images/s."""
    cached = next(callback for callback in learn.cbs if isinstance(callback, CachedViews))
    rows = cached._features(learn.dls.train, cached.views).dataset
    head, device = copy.deepcopy(learn.model.head).train(), learn.dls.device
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-3, betas=(0.9, 0.99), eps=1e-5, fused=True)

    def run() -> float:
        synchronize(device)
        start = time.perf_counter()
        views = torch.randint(rows.views, (len(rows),), device=device)
        positions = torch.randperm(len(rows), device=device) + len(rows) * views
        for part in positions.split(learn.dls.train.bs):
            features, classes = rows.batch(part)
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                scores = head(features)
            F.cross_entropy(scores.float(), classes).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        synchronize(device)
        return len(rows) / (time.perf_counter() - start)

    return run


def synchronize(device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def fit_rate(learn, epochs: int = 1):
    """A function that fits so many epochs; returns training images per second."""
    clock = TrainingClock()
    quiet(learn).add_cb(clock)

    def run() -> float:
        learn.fit(epochs, 1e-3, wd=0)
        return clock.rate

    return run


def files_of(folder: Path) -> list[Path]:
    """A part of the training images, evenly spaced, so that an epoch takes some seconds."""
    from fastai.data.transforms import get_image_files

    files = sorted(get_image_files(folder / "train"))
    return files[:: max(1, len(files) // 8000)]


def enlarged(files: list[Path], pixels: int, folder: Path) -> list[Path]:
    """The images of `files`, scaled to so many pixels per side, as JPEG files in `folder`."""
    from PIL import Image

    paths = [folder / f"{i}.jpg" for i in range(len(files))]
    for file, path in zip(files, paths, strict=True):
        with Image.open(file) as image:
            image.convert("RGB").resize((pixels, pixels), Image.Resampling.BICUBIC).save(path, quality=90)
    return paths


def ordinary_learner(files: list[Path], resize: int | None, encoder: nn.Module, workers: int, device):
    """An autoencoder in ordinary fastai code: a DataBlock over files, fastai's transforms and Learner, float32."""
    from fastai.data.block import DataBlock
    from fastai.data.transforms import Normalize, RandomSplitter
    from fastai.learner import Learner
    from fastai.vision.augment import Flip, Resize
    from fastai.vision.data import ImageBlock

    from sslfast import RMSE, RMSELoss
    from sslfast.training.callbacks import ReconstructInput

    block = DataBlock(
        blocks=(ImageBlock,),
        splitter=RandomSplitter(0.05, seed=0),
        item_tfms=Resize(resize) if resize else None,
        batch_tfms=[Flip(), Normalize.from_stats([0.5] * 3, [0.25] * 3, cuda=False)],
        n_inp=1,
    )
    dls = block.dataloaders(files, bs=128, num_workers=workers, device=device)
    model = nn.Sequential(encoder, create_decoder(encoder))
    return Learner(
        dls,
        with_torchs_layers(model, Conv2d, ConvTranspose2d),
        loss_func=RMSELoss(),
        metrics=[RMSE()],
        cbs=[ReconstructInput()],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10", help="a folder of images, or the name of a data set")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--parts", default="abc")
    parser.add_argument("--encoders", default="original,conv")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="of the ordinary pipeline, for (b)")
    parser.add_argument("--photographs", type=int, default=0, metavar="PIXELS", help="(b) from larger files, too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device, precision = torch.device(options.device), resolve_precision(options.precision, options.device)
    print(f"{device}, {precision}, {options.threads} thread(s), batch 128")
    data = image_dls(options.data, device=device).data
    for encoder in options.encoders.split(","):
        n_train = len(image_dls(data, device=device).classify.train_ds)
        share = min(1.0, options.batches * 128 / n_train)
        dls = image_dls(data, unlabelled=share, labelled=0.5, device=device)
        learn = autoencoder_learner(dls.pretrain, encoder, seed=0, precision=precision)
        if "a" in options.parts:
            rates = side_by_side(
                {
                    "learner": fit_rate(learn),
                    "bare": bare_loop(dls.pretrain, copy.deepcopy(learn.encoder), precision, options.batches),
                },
                options.rounds,
            )
            print(f"(a) {encoder}: {ratio_text(rates['learner'], rates['bare'])} of a bare loop; {medians(rates)}")
            learn_head = classifier_learner(dls.classify, learn, seed=0, precision=precision, views=1)
            ways = {"learner": fit_rate(learn_head, epochs=2), "bare": bare_head_loop(learn_head, precision)}
            rates = side_by_side(ways, options.rounds)
            print(f"(a) {encoder}, head: {ratio_text(rates['learner'], rates['bare'])}; {medians(rates)}")
        if "b" in options.parts and Path(options.data).expanduser().is_dir():
            files = files_of(Path(options.data).expanduser())
            print(f"(b) {encoder}: {against_files(learn, files, options)}")
            if options.photographs:
                with tempfile.TemporaryDirectory() as folder:
                    files = enlarged(files[: len(files) // 2], options.photographs, Path(folder))
                    text = against_files(learn, files, options, resize=learn.encoder.image_size)
                print(f"(b) {encoder}, files of {options.photographs} pixels: {text}")
        if "c" in options.parts:
            print(f"(c) {encoder}: {full_cell(dls.classify, learn, precision, max(2, options.rounds // 2))}")


def against_files(learn, files: list[Path], options, resize: int | None = None) -> str:
    """Training speed of `learn` against the ordinary pipeline over `files`, with its best number of workers."""
    ways = {"ours": fit_rate(learn)}
    for workers in options.workers:
        ordinary = ordinary_learner(files, resize, copy.deepcopy(learn.encoder), workers, learn.dls.device)
        ways[f"{workers} workers"] = fit_rate(ordinary)
    rates = side_by_side(ways, max(1, options.rounds // 3))
    best = max((r for name, r in rates.items() if name != "ours"), key=np.median)
    return f"{ratio_text(rates['ours'], best)} of an ordinary pipeline; {medians(rates)}"


def medians(rates: dict) -> str:
    return "images/s " + ", ".join(f"{name} {np.median(r):,.0f}" for name, r in rates.items())


def full_cell(dls, pretrained, precision: str, rounds: int) -> str:
    """Time of 100 epochs with cached views, against fastai's own Learner, and against ours with fresh views."""
    ways = {
        # enough epochs that features are kept
        "cached": (AUTO_VIEWS + 6, classifier_learner(dls, pretrained, seed=0, precision=precision, views=AUTO_VIEWS)),
        "fresh": (4, classifier_learner(dls, pretrained, seed=0, precision=precision, views="fresh")),
        "stock": (4, stock_classifier(dls, pretrained, precision)),
    }
    parts: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}

    def cell(name: str):
        epochs, learn = ways[name]
        history = History()
        quiet(learn).add_cb(history)

        def run() -> float:
            learn.fit(epochs, 1e-3, wd=0)
            ends = [row["seconds"] for row in history.rows]
            each = float(np.median(np.diff(ends)))
            parts[name].append((max(0.0, ends[-1] - epochs * each), each))
            return parts[name][-1][0] + CELL_EPOCHS * each

        return run

    whole = side_by_side({name: cell(name) for name in ways}, rounds)
    halves = {name: np.median(both[1:], axis=0) for name, both in parts.items()}  # the first round is to warm up
    return (
        f"{ratio_text(whole['stock'], whole['cached'])} times as fast as a stock Learner, "
        f"{ratio_text(whole['fresh'], whole['cached'])} as with fresh views; "
        + ", ".join(f"{name} {once:.1f} + {each:.2f} s an epoch" for name, (once, each) in halves.items())
    )


def stock_classifier(dls, pretrained, precision: str):
    """The same model and batches with fastai's own Learner, optimiser and loss, and torch's own layers."""
    from fastai.learner import Learner
    from fastai.losses import CrossEntropyLossFlat
    from fastai.metrics import accuracy
    from fastai.optimizer import Adam

    from sslfast import MacroF1
    from sslfast.models import Classifier, create_head

    encoder = copy.deepcopy(pretrained.encoder).requires_grad_(False)
    head = create_head(encoder.out_shape, len(dls.vocab))
    model = with_torchs_layers(Classifier(encoder, head, precision), Conv2d, ConvTranspose2d, Dropout)
    return Learner(
        dls, model, loss_func=CrossEntropyLossFlat(), opt_func=Adam, metrics=[accuracy, MacroF1()],
        splitter=lambda m: [p for p in m.parameters() if p.requires_grad],
    )  # fmt: skip


if __name__ == "__main__":
    main()
