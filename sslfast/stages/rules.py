"""The work of the workflow's rules that read images: from the files that Snakemake names to those that it wants.

One function a rule; each takes a `RunningJob`.
"""

import json
import sys

from ..data.found import found_lines, rare_lines
from ..data.identity import known_by
from ..data.splits import make_split, write_split
from ..files import replacing
from ..models import save_encoder
from ..runtime.jobs import RunningJob, say
from ..study.grid import Box
from ..study.records import write_arrays, write_predictions, write_record
from ..study.stages import STAGES
from ..study.version import code_version, reading_version
from . import FitSettings, depends_on, encoder_header, run_settings, settings_of
from .classifying import classify as train_classifier
from .classifying import supervised as train_supervised
from .encoder_store import shared_encoder
from .inputs import check_pool, study_images, study_split
from .pretraining import pretrain as train_encoder
from .pretraining import shuffle as shuffle_encoder
from .probing import pixels as probe_pixels

__all__ = ["classify", "images", "pixels", "prepare", "pretrain", "shuffle", "split", "supervised"]


def prepare() -> None:
    """Look up what every job looks up, so that forks of this process have it."""
    code_version("classify")  # what both read of the package is remembered
    reading_version()


def images(job: RunningJob) -> None:
    """Read the data set, store it decoded (once), and note what was found."""
    of = {key: value for key, value in job.params.data.items() if key not in ("content", "unlabelled_content")}
    data = study_images(job.params.data, job.config, progress=sys.__stderr__, check=True)
    check_pool(data, job.config)
    summary = data.summary()
    for line in found_lines(summary) + rare_lines(summary, job.config):
        print(line)
    with replacing(job.output[0]) as scratch:
        found = {**summary, "settings": of, "known_by": known_by(job.config)}
        scratch.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def split(job: RunningJob) -> None:
    """Write the split of one seed."""
    data = study_images(job.params.data, job.config)
    write_split(make_split(data, int(job.wildcards.seed), job.params.valid_fraction), job.output[0])


def pretrain(job: RunningJob) -> None:
    """Pre-train one encoder, or take it from where studies share them; write weights, pictures and record."""
    config, output, own = job.config, job.output, Box.at(job.output.record)
    data, of_seed, run = _started(job)
    fit = settings_of(FitSettings, job.params.fit)
    box = {name: getattr(own, name) for name in ("method", "encoder", "u", "l", "length")} | {"pool": job.params.pool}
    store = config["encoder_store"] if own.u != "0" else None  # what nothing trains costs nothing
    depends, file = depends_on(data, of_seed, run, fit, **box), run.own_file(own.encoder)
    with shared_encoder(store, depends, output, config["study"], say, file) as taken:
        if not taken:
            encoder, record, pictures = train_encoder(data, of_seed, run, fit, **box, checkpoint=job.checkpoint)
            write_arrays(pictures, output.pictures)
            save_encoder(encoder, output.encoder, **encoder_header(record))
            write_record(record, output.record)


def shuffle(job: RunningJob) -> None:
    """Make the control of one encoder, its weights shuffled; write its weights and record."""
    encoder, record = shuffle_encoder(*_started(job), encoder_file=job.input.encoder, pretrain_record=job.input.record)
    save_encoder(encoder, job.output.encoder, **encoder_header(record))
    write_record(record, job.output.record)


def classify(job: RunningJob) -> None:
    """Find what an encoder is worth with some labels, by one evaluation; write its record and test predictions."""
    predictions, record = train_classifier(
        *_started(job),
        settings_of(FitSettings, job.params.fit),
        encoder_file=job.input.encoder,
        pretrain_record=job.input.pretrained,
        l=job.wildcards.l,
        evaluate=STAGES[job.wildcards.stage].evaluate,
        length=Box.at(job.output.record).length,
        checkpoint=job.checkpoint,
    )
    _write(predictions, record, job)


def supervised(job: RunningJob) -> None:
    """Train one supervised baseline; write its record and test predictions."""
    predictions, record = train_supervised(
        *_started(job),
        settings_of(FitSettings, job.params.fit),
        encoder=job.wildcards.encoder,
        l=job.wildcards.l,
        length=Box.at(job.output.record).length,
        checkpoint=job.checkpoint,
    )
    _write(predictions, record, job)


def pixels(job: RunningJob) -> None:
    """Logistic regression on raw pixels; write its test predictions and record."""
    predictions, record = probe_pixels(*_started(job, uses_device=False), l=job.wildcards.l)
    _write(predictions, record, job)


def _started(job: RunningJob, **options):
    """What every training job starts from: the images, the split of its seed, how it runs."""
    data = study_images(job.params.data, job.config)
    of_seed = study_split(job.input.split, data, job.config, job.wildcards.seed)
    return data, of_seed, run_settings(job.config, threads=job.threads, **options)


def _write(predictions, record, job: RunningJob) -> None:
    write_predictions(predictions, job.output.predictions)
    write_record(record, job.output.record)
