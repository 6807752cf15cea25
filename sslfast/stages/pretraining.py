"""Pre-training: an encoder from a fraction of the unlabelled images, or the control that learned nothing."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from fastai.learner import Learner
from torch import nn

from ..data.augment import Augment
from ..data.images import ImageData
from ..data.loaders import pretrain_dls
from ..data.splits import Split
from ..errors import ConfigError
from ..evaluation import clean_batches, cluster, encode, shuffled
from ..models import BaseNet, Encoder, base_encoder, create_encoder, initialised_with, load_encoder
from ..study.length import FULL
from ..study.limits import N_STATISTICS
from ..study.names import BASE, RANDOM, SHUFFLED
from ..study.records import FEATURES, RunRecord, read_record
from ..study.version import versions
from ..training.collapse import EffectiveRank, EmbeddingStd, FeatureStd
from .run import StageRun, expected_of, nets_of, spec_of
from .settings import FitSettings, RunSettings

__all__ = ["N_EMBEDDED", "N_PICTURES", "depends_on", "encoder_header", "pretrain", "shuffle"]

N_PICTURES = 8  # validation images of which an encoder's reconstructions are kept, the same for every u of a seed
N_EMBEDDED = 500  # of which the features are kept


def pretrain(
    data: ImageData,
    split: Split,
    run: RunSettings,
    fit: FitSettings,
    *,
    method: str = "autoencoder",
    encoder: str = "original",
    u: object = 1,
    pool: str = "all",
    l: object = None,  # noqa: E741
    length: str = FULL,
    checkpoint: str | Path | None = None,
) -> tuple[Encoder, RunRecord, dict[str, np.ndarray]]:
    """An encoder pre-trained by `method` on fraction `u` of the pool, its record, and pictures by name.

    Pictures, uint8 `[K, H, W, C]` or `[R, K, H, W, C]`: what the network makes of some validation images
    (`reconstructions`), or out of nothing (`samples`, `traversals`), none of a network that makes no images; and
    `features`, float16 `[N, D]`, of more of them (see `split.samples`), each image's scaled to ±1 at most. Method
    `random` (the control, u = 0) trains nothing, nor does `base` (u = 0), an existing net that `options` of `fit`
    name. `l` is for pool `rest`, and needed there. `length`: as in `classify`.
    Raises `ConfigError` for an unknown method or encoder.
    """
    stage, rows = _planned(data, split, run, fit, method, encoder, u, pool, l, length)
    if method == RANDOM:
        with initialised_with(split.seed, "encoder"):
            control = create_encoder(run.encoder(encoder), data.train.channels, data.train.image_size)
        return control, stage.record(), _measure(stage, control)
    if fit.method == BASE:
        net = _base_net(fit.options, run, data, split)
        stage.notes["base_net"] = net.about
        return net, stage.record(), _measure(stage, net)
    kind = run.method(fit.method or method)
    with stage.phase("data"):
        loading = stage.loading(Augment() if kind.own_views else None)
        dls = pretrain_dls(data, split, rows, **loading)
        begun: str | BaseNet = run.encoder(encoder)
        if fit.start:
            begun = net = _base_net(fit.start, run, data, split)
            stage.notes["base_net"] = net.about
        options = dict(fit.options)
        if kind.teacher:
            teacher = _base_net(options["teacher"], run, data, split)
            stage.notes["teacher"] = teacher.about
            options |= {"teacher": teacher, "features": stage.stored(teacher).filled}
        learn = kind.load()(dls, begun, seed=split.seed, precision=run.precision, **options)
        compares = [EmbeddingStd()] if kind.compare_views else []
        learn.metrics = [*learn.metrics, FeatureStd(), EffectiveRank(), *compares]
    well = stage.train(learn, checkpoint)
    made = {**_pictures(learn, split), **_measure(stage, learn.encoder)} if well else {}
    return learn.encoder.cpu(), stage.record(), made


def depends_on(
    data: ImageData,
    split: Split,
    run: RunSettings,
    fit: FitSettings,
    *,
    method: str = "autoencoder",
    encoder: str = "original",
    u: object = 1,
    pool: str = "all",
    l: object = None,  # noqa: E741
    length: str = FULL,
) -> dict:
    """Everything that determines the encoder that `pretrain` would return, except the study's name.

    Equal dicts mean equal encoders. They hold its spec and settings, images, split (so which images, in which order),
    precision, kind of device, threads, code and versions.
    """
    stage, _ = _planned(data, split, run, fit, method, encoder, u, pool, l, length)
    made = stage.about()
    made["spec"].pop("study")
    machine = {"device": torch.device(run.device).type, "threads": run.threads}
    return {**made, **machine, "versions": versions()}


def shuffle(
    data: ImageData,
    split: Split,
    run: RunSettings,
    *,
    encoder_file: str | Path,
    pretrain_record: str | Path,
) -> tuple[nn.Module, RunRecord]:
    """The control of Transfusion: the encoder in `encoder_file` with its weights in other places, and its record.

    See `shuffled`. It took no training: its record has no history and no seconds. That of an encoder without a result
    has none either.
    """
    made = read_record(pretrain_record)
    encoder = load_encoder(encoder_file, own=run.own_file(made.spec.encoder), **expected_of(made, data, split))
    spec = replace(made.spec, method=f"{SHUFFLED}{made.spec.method}")
    kept = {name: made.settings[name] for name in (run.budget, "lr", "wd", "schedule", "method", "options")}
    kept |= {"start": made.settings.get("start")}
    fit = FitSettings(**kept, batch_size=made.settings["batch_size"])
    stage = StageRun("pretrain", spec, data, split, run, fit, nets_of(made))
    if made.status != "ok":
        stage.end("failed", f"its encoder is not usable: {made.reason}")
        return encoder, stage.record()
    # of a base net, which knows none of them: any that an encoder of this study could learn from
    rows = split.unlabelled(*((spec.u, spec.pool, spec.l or 0) if spec.u != "0" else (1, "all", 0)))[:N_STATISTICS]
    control = shuffled(encoder, split.seed, clean_batches(data.train, rows, split))
    _measure(stage, control)
    return control, stage.record()


def encoder_header(record: RunRecord) -> dict:
    """What `save_encoder` should store with an encoder, so that `classify` can tell it from any other."""
    keep = ["dataset", "fingerprint", "valid_fraction", "method", "encoder", "u", "l", "pool", "seed", "n_unlabelled"]
    keep += ["length"]
    own = {"own_code": record.settings["own_code"]} if "own_code" in record.settings else {}
    return {name: getattr(record.spec, name) for name in keep} | {"code_version": record.code_version, **own}


def _planned(data, split, run, fit, method, encoder, u, pool, l, length) -> tuple[StageRun, np.ndarray]:  # noqa: E741
    """The stage, and the rows of the images that it trains on."""
    if pool == "rest" and l is None and method != RANDOM and fit.method != BASE:
        raise ConfigError("l: missing; with pool: rest an encoder belongs to one labelled fraction")
    rows = split.unlabelled(u, pool, l if l is not None else 0)
    spec = spec_of(data, split, run, method, encoder, u=u, n_unlabelled=len(rows), l=l, pool=pool, length=length)
    return StageRun("pretrain", spec, data, split, run, fit), rows


def _base_net(arm: Mapping, run: RunSettings, data: ImageData, split: Split) -> BaseNet:
    """The net that `arm` names (`net`, `weights`, `size`), for the images of `data` as `split` normalises them."""
    weights = run.weights_files.get(arm["weights"], arm["weights"])
    channels, size = data.train.channels, data.train.image_size
    net = base_encoder(arm["net"], weights, arm["size"], image_size=size)
    return net.for_images(channels, size, split.mean, split.std)


def _pictures(learn: Learner, split: Split) -> dict[str, np.ndarray]:
    if not hasattr(learn.model, "pictures"):
        return {}
    x = next(learn.dls.valid.batches(torch.from_numpy(split.samples(N_PICTURES))))[0]
    found = learn.model.pictures(x.as_subclass(torch.Tensor))
    return {name: _as_bytes(images) for name, images in found.items()}


def _as_bytes(images: torch.Tensor) -> np.ndarray:
    """Images in [0, 1], `[…, C, H, W]` → uint8 `[…, H, W, C]`."""
    whole = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    return whole.movedim(-3, -1).contiguous().cpu().numpy()


def _measure(stage: StageRun, encoder: nn.Module) -> dict[str, np.ndarray]:
    """Note how well classes show in the features of validation images, and keep those of some, `[N, D]`, to draw.

    Labels only measure here: nothing that is trained or chosen depends on it.
    """
    data, split = stage.data, stage.split
    if stored := stage.features_of(encoder):
        features = stored(data.train, split.valid)
    else:
        features = encode(encoder, data.train, split.valid, split, device=stage.run.device, precision=stage.precision)
    found = cluster(features, data.train.y.numpy()[split.valid], len(data.classes), split.seed)
    stage.features |= {"cluster_accuracy": found.accuracy, "cluster_nmi": found.nmi}
    kept = features[split.samples(N_EMBEDDED)]
    # a map shows directions only, and float16 ends at 65,504: BatchNorm that has seen a few images goes beyond
    largest = np.abs(kept).max(axis=1, keepdims=True)
    return {FEATURES: (kept / np.where(largest > 0, largest, 1)).astype(np.float16)}
