"""A whole cell over an encoder of every kind of name: made, stored, read, classified over, and the baseline."""

import pytest

from sslfast import load_encoder, make_split, save_encoder
from sslfast.stages import FitSettings, RunSettings, classify, encoder_header, pretrain, supervised
from sslfast.study.records import read_record, write_record

RUN = RunSettings(budget="epochs", batch_size=64, precision="float32")
FIT = FitSettings(epochs=2, views=1)


@pytest.mark.parametrize("name", ["conv_x2", "original_x0.5", "resnet18"])
def test_a_cell_and_the_baseline_know_their_encoder_by_its_name(digits, tmp_path, name):
    split, l = make_split(digits, 0), 0.1  # noqa: E741
    files = {"encoder_file": tmp_path / f"random-{name}-u0-s0.safetensors", "pretrain_record": tmp_path / "record.json"}
    made, record, _ = pretrain(digits, split, RUN, FIT, method="random", encoder=name, u=0)
    save_encoder(made, files["encoder_file"], **encoder_header(record))
    write_record(record, files["pretrain_record"])
    _, cell = classify(digits, split, RUN, FIT, **files, l=l)
    _, baseline = supervised(digits, split, RUN, FIT, encoder=name, l=l)
    assert (cell.status, baseline.status) == ("ok", "ok")
    assert cell.spec.encoder == baseline.spec.encoder == read_record(files["pretrain_record"]).spec.encoder == name
    assert load_encoder(files["encoder_file"]).name == name
