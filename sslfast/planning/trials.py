"""A short trial of one kind of job, on a few of a study's images, by the code that does it in a study."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path

from fastai.learner import defaults

from ..data.images import ImageData
from ..data.splits import Split
from ..errors import SslfastError
from ..evaluation import encode
from ..models import BaseNet, create_encoder, save_encoder
from ..stages import (
    FitSettings,
    RunSettings,
    classify,
    encoder_header,
    pixels,
    pretrain,
    shuffle,
    supervised,
)
from ..study.arrays import write_arrays, write_predictions
from ..study.base_nets import base_of, learns, teacher_of
from ..study.depends import evaluation_settings, method_settings
from ..study.length import length_of
from ..study.names import BASE, PIXELS, RANDOM, SUPERVISED
from ..study.records import RunRecord, read_record, write_record
from ..study.stage_table import STAGES
from ..study.study import Study
from ..training.cached_views import resolve_views
from ..training.precision import resolve_precision
from .clock import FitClock, FitEnd
from .sizes import portion
from .speeds import Speed
from .work import cached_views

__all__ = ["look_at", "measure"]

EPOCHS = 1000  # more than a trial ever gets to: its clock ends it
LARGEST, SMALLEST = 2048, 64  # at most and at least so many images to validate on, and twice as many to train on
TAUGHT = 128  # images to validate on where a teacher, which is slow, sees all of them first
ENCODING = 0.5  # seconds, about, that encoding the images to validate on may take


def look_at(encoder: str, data: ImageData, split: Split, run: RunSettings, study: Study) -> dict:
    """What all trials with `encoder` need: `views` (what `classify.views` means), `values` of an image's features, and
    `images`, on how many to validate."""
    network = create_encoder(run.encoder(encoder), data.train.channels, data.train.image_size)
    shape, precision = network.out_shape, resolve_precision(run.precision, run.device)
    views = resolve_views(study.classify["views"], split.n_labelled, shape, precision)
    rows = split.valid[:SMALLEST]
    for _ in range(2):  # the first time is slower
        start = time.perf_counter()
        encode(network, data.train, rows, split, device=run.device, precision=precision)
    rate = len(rows) / (time.perf_counter() - start)
    return {"views": views, "values": prod(shape), "images": int(min(max(rate * ENCODING, SMALLEST), LARGEST))}


def measure(
    kind: str,
    data: ImageData,
    split: Split,
    run: RunSettings,
    study: Study,
    *,
    views: str | int,
    images: int,
    seconds: float,
    folder: Path,
) -> Speed:
    """The `Speed` of jobs of `kind`. A fit is ended after about `seconds`.

    `data` and `split`: those of the study, of which a part is used; `views` and `images`: see `look_at`; `folder`: for
    what a job writes, a new one.
    """
    stage, _, rest = kind.partition("/")
    method, _, encoder = rest.rpartition("/")
    folder.mkdir()
    most = len(split.labelled(study.labelled[-1]))
    length = length_of("classify", study.classify, study.budget, most, study.batch_size)
    cached = cached_views(study, length, most, views)
    if stage == "pretrain" and teacher_of(study, method):
        images = min(images, TAUGHT)
    data, split = portion(data, split, 2 * images, images)
    run = replace(run, budget="epochs", features=None)  # a trial trains for as long as its clock lets it
    trial = Trial(data, split, run, study, encoder, folder)
    if stage not in ("pretrain", SUPERVISED, PIXELS):
        trial.make_control(method)
    with own_memory() as memory, clocked(seconds) as clock:
        start = time.perf_counter()
        if stage == "pretrain":
            record = trial.pretrain(method)
        elif stage == "shuffle":
            record = trial.shuffle()
        elif stage == PIXELS:
            record = trial.keep(*pixels(data, split, run, l=1))
        elif stage == SUPERVISED:
            fit = replace(FitSettings(**study.supervised), epochs=EPOCHS)
            made = supervised(data, split, run, fit, encoder=encoder, l=1, checkpoint=trial.checkpoint)
            record = trial.keep(*made)
        else:
            record = trial.classify(stage, cached)
        whole = time.perf_counter() - start
    speed = _of_fit(record, clock, data, split) if clock.rows else _of_evaluation(record, data, split)
    known = sum(record.seconds.values())
    outside = max(0.0, whole - known) / len(split.valid)
    return replace(speed, outside=outside, memory=max(memory), **trial.sizes(stage))


class Trial:
    """A job of a study over `data` and `split`, and its files in `folder`."""

    def __init__(self, data, split, run, study, encoder, folder: Path):
        self.data, self.split, self.run, self.study, self.encoder = data, split, run, study, encoder
        self.weights, self.control_record = folder / "control.safetensors", folder / "control.json"
        self.checkpoint, self.record = folder / "checkpoint.safetensors", folder / "record.json"
        self.width = 0  # numbers of an image's features, where a base net makes them
        self.made, self.arrays, self.predictions = (folder / name for name in ("e.safetensors", "a.npz", "p.npy"))

    def make_control(self, name: str) -> None:
        """An encoder to stand on: a random one, or the base net that the method `name` is or goes on from."""
        method, fit = RANDOM, FitSettings()
        if name and (arm := base_of(self.study, name)):
            method, fit = BASE, FitSettings(method=BASE, options=arm)
        control, record, _ = pretrain(self.data, self.split, self.run, fit, method=method, encoder=self.encoder, u=0)
        save_encoder(control, self.weights, **encoder_header(record))
        write_record(record, self.control_record)

    def pretrain(self, method: str) -> RunRecord:
        fit = replace(FitSettings(**method_settings(self.study, method)), epochs=EPOCHS)
        made, record, pictures = pretrain(
            self.data, self.split, self.run, fit, method=method, encoder=self.encoder,
            u=0 if method == RANDOM or not learns(self.study, method) else 1, checkpoint=self.checkpoint,
        )  # fmt: skip
        write_arrays(pictures, self.arrays)
        return self._keep_encoder(made, record)

    def shuffle(self) -> RunRecord:
        # a random encoder has no settings of training, which a shuffled one takes over
        about = read_record(self.control_record)
        about = replace(about, settings={**about.settings, "batch_size": self.run.batch_size})
        write_record(about, self.control_record)
        made, record = shuffle(
            self.data, self.split, self.run, encoder_file=self.weights, pretrain_record=self.control_record
        )
        return self._keep_encoder(made, record)

    def classify(self, stage: str, cached: int) -> RunRecord:
        """`cached`: views of an image whose features a classifier computes beforehand; the trial computes one of
        them."""
        given = evaluation_settings(self.study, stage)
        if "views" in STAGES[stage].settings:
            given = {**given, "views": 1 if cached else "fresh"}
        fit = replace(FitSettings(**given), epochs=EPOCHS)
        made = classify(
            self.data, self.split, self.run, fit, encoder_file=self.weights, pretrain_record=self.control_record, l=1,
            evaluate=STAGES[stage].evaluate, checkpoint=self.checkpoint,
        )  # fmt: skip
        return self.keep(*made)

    def keep(self, predictions, record: RunRecord) -> RunRecord:
        write_predictions(predictions, self.predictions)
        write_record(record, self.record)
        return record

    def _keep_encoder(self, made, record: RunRecord) -> RunRecord:
        save_encoder(made, self.made, **encoder_header(record))
        write_record(record, self.record)
        self.width = made.out_shape[0] if isinstance(made, BaseNet) else 0
        return record

    def sizes(self, stage: str) -> dict[str, float]:
        """Bytes of what a job leaves, of an epoch's row in its record, of its checkpoint, and of an image's features
        that are kept."""
        history = read_record(self.record).history
        row = len(json.dumps(history[-1], indent=1)) if history else 0
        kept = sum(_bytes(path) for path in (self.made, self.record, self.arrays, self.predictions))
        own = {"files": kept - len(history) * row, "row": row, "checkpoint": _bytes(self.checkpoint)}
        return {**own, "features": 4 * self.width}


def _of_fit(record: RunRecord, clock: FitClock, data: ImageData, split: Split) -> Speed:
    if len(clock.rows) < 2:
        raise SslfastError(f"a short trial ended in its first epoch: {record.reason}")
    phase = "pretrain" if record.stage == "pretrain" else "classify"
    found = clock.measured(record.seconds[phase])
    n_valid = len(split.valid)
    taught = "teacher" in record.notes
    if record.stage != "classify" and not taught:
        found["once"] += found["prepared"]
    encoded = found["prepared"] / ((len(split.unlabelled(1)) if taught else split.n_labelled) + n_valid)
    tested = record.seconds["evaluate"] / len(data.test)
    times = {name: found[name] for name in ("once", "trained", "epoch")}
    return Speed(valid=found["valid"] / n_valid, encoded=encoded, tested=tested, data=record.seconds["data"], **times)


def _of_evaluation(record: RunRecord, data: ImageData, split: Split) -> Speed:
    n_labelled, n_looked_at = split.n_labelled, len(split.valid) + len(data.test)
    tested = record.seconds["evaluate"] / len(data.test)
    if record.stage == "pretrain":
        return Speed(data=record.seconds["data"])
    pairs = n_labelled * n_looked_at
    fitted = record.seconds["classify"] / (pairs if STAGES[record.stage].of_pairs else n_labelled)
    encoded = record.seconds["data"] / (n_labelled + n_looked_at)
    return Speed(encoded=encoded, fitted=fitted, tested=tested)


@contextmanager
def clocked(seconds: float) -> Iterator[FitClock]:
    """Every Learner that is made inside has the clock, also one that a stage makes; a fit ends after `seconds`."""
    clock, usual = FitClock(), defaults.callbacks
    defaults.callbacks = [*usual, clock, FitEnd(seconds)]
    try:
        yield clock
    finally:
        defaults.callbacks = usual


@contextmanager
def own_memory() -> Iterator[list[int]]:
    """A list that grows while the block runs: the bytes that this process holds for itself (nothing memory-mapped)."""
    found, done = [_own_memory()], threading.Event()

    def look() -> None:
        while not done.wait(0.02):
            found.append(_own_memory())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield found
    done.set()
    thread.join()


def _own_memory() -> int:
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon"))
    except (OSError, StopIteration):  # not Linux: all that it ever held
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
