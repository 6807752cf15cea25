"""A folder where studies share encoders: what one has trained, another of exactly the same kind takes.

An entry is a folder that is named after all that an encoder depends on; `encoder/` in it is there as a whole or not at
all: the weights (safetensors), pictures (.npz) and record (JSON), with what they are of and their digests in
`about.json`. Nothing in it is a pickle, and nothing is taken that is not what was put there.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from ..errors import RecordError, one_line
from ..files import put_in_place, replacing, user_path
from ..models import load_encoder
from ..runtime.attempts import alone, digest_of, sum_of
from ..study.records import read_record, write_record
from . import encoder_header

__all__ = ["shared_encoder"]

NAMES = {"encoder": "encoder.safetensors", "pictures": "pictures.npz", "record": "record.json"}


@contextmanager
def shared_encoder(
    store: str | Path | None,
    depends_on: Mapping,
    outputs: Mapping[str, str | Path],
    study: str,
    say: Callable = print,
    own: str | None = None,
    asked: Mapping | None = None,
) -> Iterator[bool]:
    """The block trains an encoder and writes `outputs` (encoder, pictures, record); then they are put into `store`.

    Yields True where they were there already, and are now in place: the block has nothing to do. `depends_on`: all that
    the encoder depends on (see `sslfast.stages.depends_on`). A record that is taken gets the `study` and `asked` of
    the study that takes it; its seconds stay those of the study that trained, which its notes name (`trained_by`).
    `own`: see `load_encoder`. Of two processes that want the same encoder the second waits. An entry that is damaged,
    or of another encoder, is named by `say` and made anew; a store that is full costs the entry, not the training.
    Without a store the block is left alone.
    """
    if store is None:
        yield False
        return
    wanted = json.loads(json.dumps(depends_on, default=str))
    place = user_path(store, "encoder_store") / digest_of(wanted, [])
    place.mkdir(parents=True, exist_ok=True)
    with alone(place / "lock", say):
        taken = _take(place / "encoder", wanted, outputs, {"study": study, "asked": asked or {}}, say, own)
        yield taken
        if not taken:
            try:
                _put(place / "encoder", wanted, outputs)
            except OSError as error:
                say(f"{one_line(error)}; this encoder is not shared, the study goes on")


def _take(entry: Path, wanted: Mapping, outputs: Mapping, taker: Mapping, say: Callable, own: str | None) -> bool:
    if not entry.exists():
        return False
    try:
        record = _checked(entry, wanted, own)
    except (RecordError, OSError, ValueError, TypeError, KeyError) as error:
        say(f"{entry}: not used ({one_line(error)}); it is removed, and the encoder trained")
        shutil.rmtree(entry)
        return False
    note = {"trained_by": record.spec.study}
    for name in ("pictures", "encoder"):
        with replacing(outputs[name]) as scratch:  # a copy: what becomes of one is nothing to the other
            shutil.copyfile(entry / NAMES[name], scratch)
    spec = replace(record.spec, study=taker["study"])
    write_record(
        replace(record, spec=spec, asked=dict(taker["asked"]), notes={**record.notes, **note}), outputs["record"]
    )
    print(f"taken from {entry}, trained by study {record.spec.study}: nothing is trained here", flush=True)
    return True


def _checked(entry: Path, wanted: Mapping, own: str | None):
    """The record of the `entry`, all of which is as it was put there, and what is `wanted`."""
    about = json.loads((entry / "about.json").read_text(encoding="utf-8"))
    found = about["depends_on"]
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key):
            raise RecordError(f"of another encoder, {key} is {found.get(key)!r}, expected {wanted.get(key)!r}")
    for name, file in NAMES.items():
        if about["sums"][name] != sum_of(entry / file):
            raise RecordError(f"{file} is not what was stored")
    record = read_record(entry / NAMES["record"])
    spec = {key: value for key, value in asdict(record.spec).items() if key != "study"}
    if spec != wanted["spec"]:
        raise RecordError(f"{NAMES['record']} is of another encoder")
    load_encoder(entry / NAMES["encoder"], own=own, **encoder_header(record))
    return record


def _put(entry: Path, depends_on: Mapping, outputs: Mapping) -> None:
    scratch = entry.with_name("storing")
    shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed here
    try:
        scratch.mkdir()
        for name, file in NAMES.items():
            shutil.copyfile(outputs[name], scratch / file)
        sums = {name: sum_of(scratch / file) for name, file in NAMES.items()}
        about = json.dumps({"depends_on": depends_on, "sums": sums}, indent=1)
        (scratch / "about.json").write_text(about, encoding="utf-8")
        put_in_place(scratch, entry)
    except OSError as error:
        error.filename, error.filename2 = str(entry), None
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
