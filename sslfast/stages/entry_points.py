"""What the scripts of the rules that read images call: one function per rule, with a `RunningJob` as its argument.

Each reads the files that Snakemake names as inputs, calls the stage, and writes the outputs.
"""

import json
import sys
from contextlib import suppress
from dataclasses import replace

from .._torchvision import make_importable
from ..data.found import found_lines, rare_lines
from ..data.identity import known_by
from ..data.images import ImageData
from ..data.splits import Split, make_split, write_split
from ..files import CHECKSUM, replacing
from ..models import save_encoder
from ..runtime.jobs import RunningJob, say
from ..study.arrays import write_arrays, write_predictions
from ..study.datasets import SPLIT_OFF
from ..study.depends import job_settings
from ..study.grid import Box
from ..study.records import RunRecord, write_record
from ..study.stage_table import STAGES
from ..study.version import code_version, reading_version
from . import FitSettings, RunSettings, depends_on, encoder_header, run_settings
from .classifying import classify as train_classifier
from .classifying import supervised as train_supervised
from .encoder_store import shared_encoder
from .inputs import check_pool, study_images, study_split
from .pretraining import pretrain as train_encoder
from .pretraining import shuffle as shuffle_encoder
from .probing import pixels as probe_pixels

__all__ = ["classify", "images", "pixels", "prepare", "prepare_timm", "pretrain", "shuffle", "split", "supervised"]


def prepare() -> None:
    """Load what every job needs, so that forks of this process have it: the package's code, parsed for versions."""
    code_version("classify")  # both remember the files that they parse
    reading_version()


def prepare_timm() -> None:
    """The same for a study with nets of timm, if that is installed: to import it takes a job another second."""
    prepare()
    make_importable()
    with suppress(ImportError):  # a job that needs it says what to install
        import timm  # noqa: F401


def images(job: RunningJob) -> None:
    """Read the data set, store it decoded (once), and note what was found."""
    data = study_images(job.params.content, job.study, progress=sys.__stderr__, check=True)
    split_off = {key: value for key, value in job.params.content.items() if key in SPLIT_OFF}
    check_pool(data, job.study)
    summary = data.summary()
    for line in found_lines(summary) + rare_lines(summary, job.study):
        print(line)
    found = {**summary, "settings": {**job.params.asked, **split_off}, "known_by": known_by(job.study)}
    found["checksum"] = CHECKSUM
    with replacing(job.output[0], checksum=True) as scratch:
        scratch.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def split(job: RunningJob) -> None:
    """Write the split of one seed."""
    data = study_images(job.params.content, job.study)
    write_split(make_split(data, int(job.wildcards.seed), job.study.valid_fraction), job.output[0])


def pretrain(job: RunningJob) -> None:
    """Pre-train one encoder, or take it from where studies share them; write weights, pictures and record."""
    study, output, own = job.study, job.output, _box(job)
    data, of_seed, run = _started(job)
    fit = FitSettings(**job_settings(study, own))
    box = {name: getattr(own, name) for name in ("method", "encoder", "u", "l", "length")} | {"pool": study.pool}
    store = study.encoder_store if own.u != "0" else None  # what nothing trains costs nothing
    depends, file = depends_on(data, of_seed, run, fit, **box), run.own_file(own.encoder or "")
    taker = {"study": study.name, "asked": job.params.asked}
    with shared_encoder(store, depends, output, **taker, say=say, own=file) as taken:
        if not taken:
            encoder, record, pictures = train_encoder(data, of_seed, run, fit, **box, checkpoint=job.checkpoint)
            write_arrays(pictures, output.pictures)
            save_encoder(encoder, output.encoder, **encoder_header(record))
            _write_record(record, job)


def shuffle(job: RunningJob) -> None:
    """Make the control of one encoder, its weights shuffled; write its weights and record."""
    encoder, record = shuffle_encoder(*_started(job), encoder_file=job.input.encoder, pretrain_record=job.input.record)
    save_encoder(encoder, job.output.encoder, **encoder_header(record))
    _write_record(record, job)


def classify(job: RunningJob) -> None:
    """Find what an encoder is worth with some labels, by one evaluation; write its record and test predictions."""
    own = _box(job)
    predictions, record = train_classifier(
        *_started(job),
        FitSettings(**job_settings(job.study, own)),
        encoder_file=job.input.encoder,
        pretrain_record=job.input.pretrained,
        l=own.l,
        evaluate=STAGES[own.stage].evaluate,
        length=own.length,
        checkpoint=job.checkpoint,
    )
    _write(predictions, record, job)


def supervised(job: RunningJob) -> None:
    """Train one supervised baseline; write its record and test predictions."""
    own = _box(job)
    predictions, record = train_supervised(
        *_started(job),
        FitSettings(**job_settings(job.study, own)),
        encoder=own.encoder or "",
        l=own.l,
        length=own.length,
        checkpoint=job.checkpoint,
    )
    _write(predictions, record, job)


def pixels(job: RunningJob) -> None:
    """Logistic regression on raw pixels; write its test predictions and record."""
    predictions, record = probe_pixels(*_started(job, uses_device=False), l=_box(job).l)
    _write(predictions, record, job)


def _box(job: RunningJob) -> Box:
    """The box of the record that the job makes."""
    box = Box.at(job.output.record)
    if box is None:
        raise ValueError(f"{job.output.record} is no place of a record")
    return box


def _started(job: RunningJob, **options) -> tuple[ImageData, Split, RunSettings]:
    """What every training job starts from: the images, the split of its seed, how it runs."""
    data = study_images(job.params.content, job.study)
    of_seed = study_split(job.input.split, data, job.study, job.wildcards.seed)
    return data, of_seed, run_settings(job.study, threads=job.threads, **options)


def _write(predictions, record, job: RunningJob) -> None:
    write_predictions(predictions, job.output.predictions)
    _write_record(record, job)


def _write_record(record: RunRecord, job: RunningJob) -> None:
    write_record(replace(record, asked=job.params.asked), job.output.record)
