"""Studies that share encoders: the second takes what the first trained, and only exactly that."""

import json
import os
import shutil
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hostile import Disk
from killing import in_a_process, kill_this_process, killed

from sslfast.data.splits import make_split
from sslfast.errors import ConfigError, RecordError
from sslfast.files import check_writable
from sslfast.models import load_encoder, save_encoder
from sslfast.stages import FitSettings, RunSettings, depends_on, encoder_header, pretrain
from sslfast.stages.encoder_store import NAMES, shared_encoder
from sslfast.study.arrays import write_arrays
from sslfast.study.records import read_record, write_record

RUN = RunSettings(study="first", budget="epochs", batch_size=128, precision="float32")
FIT = FitSettings(epochs=1, method="autoencoder", options={"denoise": None})
BOX = {"method": "autoencoder", "encoder": "conv", "u": "0.1", "pool": "all", "l": None}


@pytest.fixture(scope="module")
def trained(digits):
    """An encoder with its record and pictures, as `pretrain` makes them."""
    return pretrain(digits, make_split(digits, 0), RUN, FIT, **BOX)


@pytest.fixture
def job(digits, trained, tmp_path):
    """A job of rule `pretrain`, whose training is a copy of `trained`: (whether it was taken, what was said)."""

    def run(name="first", store=tmp_path / "store", during=lambda: None, identity=None, then=lambda: None, **options):
        outputs, said = outputs_of(tmp_path / name), []

        def say(line):
            said.append(line)
            then()

        about = identity or depends_on(digits, make_split(digits, 0), RUN, FIT, **BOX)
        with shared_encoder(store, about, outputs, name, say, **options) as taken:
            if not taken:
                during()
                write(trained, outputs, name)
        return taken, said

    return run


def outputs_of(folder: Path) -> dict[str, Path]:
    return {name: folder / file for name, file in NAMES.items()}


def write(trained, outputs, study):
    encoder, record, pictures = trained
    write_arrays(pictures, outputs["pictures"])
    save_encoder(encoder, outputs["encoder"], **encoder_header(record))
    write_record(replace(record, spec=replace(record.spec, study=study)), outputs["record"])


def entry_in(store: Path) -> Path:
    (place,) = store.iterdir()
    return place / "encoder"


def test_what_one_study_trained_the_other_takes_with_its_own_name(job, tmp_path, capsys):
    assert job("first") == (False, [])
    assert job("second", during=pytest.fail, asked={"autoencoder.epochs": 1}) == (True, [])
    assert "trained by study first: nothing is trained here" in capsys.readouterr().out
    first, second = outputs_of(tmp_path / "first"), outputs_of(tmp_path / "second")
    for name in ("encoder", "pictures"):
        assert first[name].read_bytes() == second[name].read_bytes()
        assert not os.path.samefile(first[name], second[name])
    made, taken = read_record(first["record"]), read_record(second["record"])
    assert taken.notes == {"trained_by": "first"}
    assert taken.asked == {"autoencoder.epochs": 1}
    assert replace(taken, notes={}, asked={}, spec=replace(taken.spec, study="first")) == made
    assert made.seconds["pretrain"] > 0  # those of the training that made it
    load_encoder(second["encoder"], **encoder_header(taken))


def test_without_a_store_every_study_trains(job, tmp_path):
    assert job("first", store=None) == job("second", store=None) == (False, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]


def test_nothing_in_the_store_is_a_pickle(job, tmp_path):
    job()
    entry = entry_in(tmp_path / "store")
    assert sorted(path.name for path in entry.iterdir()) == ["about.json", *sorted(NAMES.values())]
    with np.load(entry / NAMES["pictures"], allow_pickle=False) as stored:
        assert all(stored[name].dtype != object for name in stored.files)


OTHER = {  # what makes another encoder
    "seed": {"seed": 1},
    "validation share": {"valid_fraction": 0.2},
    "data": {"images": 1},
    "u": {"box": {"u": "0.2"}},
    "encoder": {"box": {"encoder": "original"}},
    "method's name": {"box": {"method": "mine"}},
    "pool and l": {"box": {"pool": "rest", "l": "0.5"}},
    "epochs": {"fit": {"epochs": 2}},
    "lr": {"fit": {"lr": 0.1}},
    "wd": {"fit": {"wd": 0.1}},
    "schedule": {"fit": {"schedule": "constant"}},
    "own batch size": {"fit": {"batch_size": 32}},
    "method": {"fit": {"method": "vae"}},
    "options": {"fit": {"options": {"denoise": 0.1}}},
    "batch size": {"run": {"batch_size": 64}},
    "augment": {"run": {"augment": {"noise": 0.3}}},
    "budget": {"run": {"budget": "updates"}, "fit": {"updates": 1}},
    "precision": {"run": {"precision": "bfloat16"}},
    "threads": {"run": {"threads": 2}},
    "device": {"run": {"device": "mps"}},
    "code": {"code": "another code"},
    "torch": {"versions": {"torch": "0"}},
}


def identity(digits, monkeypatch, seed=0, valid_fraction=0.1, images=0, box=None, fit=None, run=None, **more):
    if images:
        digits = replace(digits, fingerprint="of other images")
    if "code" in more:
        monkeypatch.setattr("sslfast.stages.run.code_version", lambda *_: more["code"])
    if "versions" in more:
        monkeypatch.setattr("sslfast.stages.pretraining.versions", lambda: more["versions"])
    split = make_split(digits, seed, valid_fraction)
    return depends_on(digits, split, replace(RUN, **(run or {})), replace(FIT, **(fit or {})), **{**BOX, **(box or {})})


@pytest.mark.parametrize("what", OTHER)
def test_another_setting_is_another_encoder(job, digits, what, tmp_path, monkeypatch):
    job("first")
    assert job("second", identity=identity(digits, monkeypatch, **OTHER[what])) == (False, [])
    assert len(list((tmp_path / "store").iterdir())) == 2


def test_the_name_of_the_study_is_none_of_them(digits, monkeypatch):
    assert identity(digits, monkeypatch) == identity(digits, monkeypatch, run={"study": "second"})


def cut(entry: Path, name: str) -> None:
    content = (entry / name).read_bytes()
    (entry / name).write_bytes(content[: len(content) // 2])


def turn_a_bit(entry: Path) -> None:
    content = bytearray((entry / NAMES["encoder"]).read_bytes())
    content[-5] ^= 1
    (entry / NAMES["encoder"]).write_bytes(content)


def of_another_seed(entry: Path) -> None:
    about = json.loads((entry / "about.json").read_text())
    about["depends_on"]["spec"]["seed"] = 7
    (entry / "about.json").write_text(json.dumps(about))


HARM = {
    "weights cut": (lambda entry: cut(entry, NAMES["encoder"]), "encoder.safetensors is not what was stored"),
    "a bit of the weights": (turn_a_bit, "encoder.safetensors is not what was stored"),
    "pictures cut": (lambda entry: cut(entry, NAMES["pictures"]), "pictures.npz is not what was stored"),
    "record cut": (lambda entry: cut(entry, NAMES["record"]), "record.json is not what was stored"),
    "about cut": (lambda entry: cut(entry, "about.json"), "not used"),
    "about no map": (lambda entry: (entry / "about.json").write_text("[1]"), "not used"),
    "record gone": (lambda entry: (entry / NAMES["record"]).unlink(), "No such file"),
    "of another encoder": (of_another_seed, "of another encoder, spec is"),
}


@pytest.mark.parametrize("harm", HARM)
def test_an_entry_that_is_damaged_or_of_another_encoder_is_named_and_made_anew(job, harm, tmp_path):
    job("first")
    spoil, message = HARM[harm]
    spoil(entry_in(tmp_path / "store"))
    taken, (line,) = job("second")
    assert not taken
    assert str(entry_in(tmp_path / "store")) in line
    assert message in line
    assert "\n" not in line
    assert job("third", during=pytest.fail) == (True, [])


def test_of_two_at_once_one_trains_and_the_other_waits_and_takes(job, tmp_path):
    busy, go_on = get_context("fork").Event(), get_context("fork").Event()

    def slowly():
        busy.set()
        go_on.wait(30)

    process = in_a_process(lambda: job("first", during=slowly))
    assert busy.wait(30)
    taken, (line,) = job("second", during=pytest.fail, then=go_on.set)
    process.join()
    assert process.exitcode == 0
    assert taken
    assert line.startswith(f"waits for process {process.pid} on ")


@pytest.mark.parametrize(
    "moment", ["shutil.copyfile", "sslfast.stages.encoder_store.sum_of", "sslfast.stages.encoder_store.put_in_place"]
)
def test_killed_while_it_stores_it_leaves_no_entry_and_the_next_one_clears_up(job, moment, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(moment, kill_this_process)
        assert killed(lambda: job("first"))
    (place,) = (tmp_path / "store").iterdir()
    assert not (place / "encoder").exists()
    assert job("second") == (False, [])
    assert sorted(path.name for path in place.iterdir()) == ["encoder", "lock"]


def test_training_that_fails_puts_nothing_there(job, tmp_path):
    def fail():
        raise RecordError("broken")

    with pytest.raises(RecordError, match="broken"):
        job(during=fail)
    (place,) = (tmp_path / "store").iterdir()
    assert [path.name for path in place.iterdir()] == ["lock"]
    assert job() == (False, [])


def test_a_full_disk_costs_the_entry_and_not_the_training(job, tmp_path):
    with Disk.of(tmp_path / "disk", "256k") as disk:
        taken, (line,) = job("first", store=disk.path / "store")
        assert not taken
        assert "no space left on the disk" in line
        assert "this encoder is not shared, the study goes on" in line
        (place,) = (disk.path / "store").iterdir()
        assert [path.name for path in place.iterdir()] == ["lock"]
    assert read_record(outputs_of(tmp_path / "first")["record"]).status == "ok"


def test_a_store_that_cannot_be_written_is_one_line_that_names_the_key(tmp_path):
    check_writable(str(tmp_path / "to be/made"), "encoder_store")
    with Disk.of(tmp_path / "disk", "2m") as disk:
        disk.fill()
        with pytest.raises(ConfigError, match=r"^encoder_store: .*/disk: no space left on the disk"):
            check_writable(str(disk.path / "store"), "encoder_store")
        disk.empty()
        disk.mount("-o", "remount,ro")
        with pytest.raises(ConfigError, match=r"^encoder_store: .*/disk: not allowed to write here"):
            check_writable(str(disk.path / "store"), "encoder_store")


def test_entries_that_were_copied_to_another_place_are_taken(job, tmp_path):
    job("first")
    shutil.move(tmp_path / "store", tmp_path / "moved")
    assert job("second", store=tmp_path / "moved", during=pytest.fail) == (True, [])
