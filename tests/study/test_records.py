"""Run records are checked on the way out and on the way in, and files appear whole or not at all."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from builders import pretrain_record, run_record
from hypothesis import given, settings
from hypothesis import strategies as st

from sslfast.errors import RecordError
from sslfast.files import replacing
from sslfast.study.arrays import write_predictions
from sslfast.study.records import read_record, write_record

RECORDS = {
    "classifier": run_record(),
    "control": run_record("random"),
    "baseline": run_record("supervised"),
    "encoder": pretrain_record(),
    "diverged": run_record(problem="a loss was not finite in epoch 2"),
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_a_record_is_read_as_it_was_written(record, tmp_path):
    write_record(record, tmp_path / "a" / "run.json")
    assert read_record(tmp_path / "a" / "run.json") == record


def in_test(**changes):
    record = run_record()
    return replace(record, test={**record.test, **changes})


def in_history(row: int, **changes):
    record = run_record(epochs=3)
    history = [dict(r) for r in record.history]
    history[row] |= changes
    return replace(record, history=history)


def without(record, field: str, name: str):
    return replace(record, **{field: {k: v for k, v in getattr(record, field).items() if k != name}})


BROKEN = {  # what is wrong: (record, a word that the message must contain)
    "another version": (replace(run_record(), schema_version=1), "schema_version 1, not 5"),
    "an unknown stage": (replace(run_record(), stage="collect"), "collect"),
    "an unknown status": (replace(run_record(), status="fine"), "fine"),
    "ok with a reason": (replace(run_record(), reason="but"), "but"),
    "failed without a reason": (replace(run_record(), status="failed", test=None), "reason None"),
    "a phase missing": (without(run_record(), "seconds", "evaluate"), "evaluate"),
    "a phase too many": (replace(run_record(), seconds={**run_record().seconds, "lunch": 1.0}), "seconds not for"),
    "time running backwards": (replace(run_record(), seconds=dict.fromkeys(run_record().seconds, -1.0)), "negative"),
    "epochs out of order": (replace(run_record(), history=run_record().history[::-1]), "epoch 3"),
    "an epoch left out": (replace(run_record(), history=run_record().history[1:]), "epoch 2"),
    "a history row with another key": (in_history(1, rmse=0.1), "rmse"),
    "a history of another stage": (replace(run_record(), history=pretrain_record().history), "rmse"),
    "an accuracy above 1": (in_history(2, accuracy=80.0), "accuracy 80.0 in epoch 3"),
    "a macro-F1 below 0": (in_history(0, macro_f1=-0.1), "macro_f1 -0.1 in epoch 1"),
    "a score that is not a number": (in_history(0, macro_f1=float("nan")), "macro_f1 nan in epoch 1"),
    "an accuracy that its confusion matrix denies": (in_test(accuracy=0.9), "confusion"),
    "a confusion matrix that is not square": (in_test(confusion=[[400, 100, 0], [100, 400, 0]]), "confusion"),
    "a confusion matrix of nothing": (in_test(confusion=[[0, 0], [0, 0]]), "confusion"),
    "per-class F1 of too few classes": (in_test(f1_by_class=[0.8]), "per-class F1"),
    "a diverged run with test results": (
        replace(run_record(), status="diverged", reason="a loss was not finite in epoch 1"),
        "test results in a run that was not tested",
    ),
    "a score above 1": (replace(run_record(), test={**run_record().test, "macro_f1": 7.0}), "an F1 outside"),
    "a test result left out": (without(run_record(), "test", "macro_f1"), "macro_f1"),
    "a fraction in another form": (replace(run_record(), spec=replace(run_record().spec, u="0.10")), "canonical"),
    "a fraction that is none": (replace(run_record(), spec=replace(run_record().spec, l="half")), "canonical"),
    "a clock that runs backwards": (in_history(1, seconds=0.0), "time runs backwards"),
    "updates that run backwards": (in_history(1, updates=0), "updates run backwards in epoch 2"),
    "updates that are no number": (in_history(1, updates="many"), "updates run backwards in epoch 2"),
    "a length that no study has": (
        replace(run_record(), spec=replace(run_record().spec, length="quarter")),
        "length 'quarter' is none of full, half, passes",
    ),
    "a trained run without history": (replace(run_record(), history=[]), "no history"),
    "a classifier without test results": (replace(run_record(), test=None), "test results missing"),
    "a baseline without test results": (replace(run_record("supervised"), test=None), "test results missing"),
}


@pytest.mark.parametrize("record, word", BROKEN.values(), ids=BROKEN)
def test_a_record_that_cannot_be_is_neither_written_nor_read(record, word, tmp_path):
    path = tmp_path / "broken.json"
    with pytest.raises(RecordError, match=r"broken\.json") as on_write:
        write_record(record, path)
    assert list(tmp_path.iterdir()) == []
    path.write_text(json.dumps(asdict(record)), encoding="utf-8")
    with pytest.raises(RecordError, match=r"broken\.json") as on_read:
        read_record(path)
    for error in (on_write, on_read):
        assert word in str(error.value)
        assert "\n" not in str(error.value)


def test_an_encoder_needs_no_test_results(tmp_path):
    assert pretrain_record().check().test is None


def test_a_truncated_file_is_named(tmp_path):
    path = tmp_path / "run.json"
    write_record(run_record(), path)
    whole = path.read_text(encoding="utf-8")
    for length in (0, 1, len(whole) // 2, len(whole) - 3):
        path.write_text(whole[:length], encoding="utf-8")
        with pytest.raises(RecordError, match=r"run\.json: not a readable run record .* delete the file"):
            read_record(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecordError, match=r"gone\.json"):
        read_record(tmp_path / "gone.json")


@pytest.mark.parametrize("content", ["[]", "null", "3", '"text"', "{}", "\xff"])
def test_a_file_of_something_else_is_named(content, tmp_path):
    path = tmp_path / "run.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(RecordError, match=r"run\.json"):
        read_record(path)


@pytest.mark.parametrize("where", ["record", "spec"])
@pytest.mark.parametrize("change", ["extra", "missing"])
def test_an_unknown_or_missing_key_is_refused(where, change, tmp_path):
    content = asdict(run_record())
    part = content if where == "record" else content["spec"]
    if change == "extra":
        part["colour"] = "blue"
    else:
        del part["device" if where == "record" else "seed"]
    path = tmp_path / "run.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RecordError, match=r"run\.json.*(colour|device|seed)"):
        read_record(path)


@settings(max_examples=60)
@given(
    key=st.sampled_from(sorted(set(asdict(run_record())) - {"schema_version"})),
    value=st.none() | st.integers(-2, 2) | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
)
def test_a_field_of_any_other_kind_is_read_or_refused_by_name(key, value, tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**asdict(run_record()), key: value}), encoding="utf-8")
    try:
        assert getattr(read_record(path), key) == value
    except RecordError as error:
        assert "run.json" in str(error)


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_becomes_null(loss, tmp_path):
    path = tmp_path / "run.json"
    write_record(in_history(1, train_loss=loss, valid_loss=loss), path)
    assert [row["train_loss"] for row in json.loads(path.read_text())["history"]] == [2.0, None, pytest.approx(2 / 3)]
    assert read_record(path).history[1]["valid_loss"] is None


def test_nothing_half_written_is_left_when_writing_fails(tmp_path):
    path = tmp_path / "run.json"
    write_record(run_record(accuracy=0.5), path)
    with pytest.raises(TypeError):
        write_record(replace(run_record(accuracy=0.9), notes={"cannot": object()}), path)
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]
    assert read_record(path).test["accuracy"] == 0.5


def test_a_file_being_replaced_stays_whole_until_the_new_one_is_done(tmp_path):
    path = tmp_path / "kept.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as scratch:
        scratch.write_text("half of the n")
        assert path.read_text() == "old"
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["kept.txt"]
    assert path.read_text() == "old"
    with replacing(path) as scratch:
        scratch.write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["kept.txt"]
    assert path.read_text() == "new"


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_predictions_keep_their_classes_and_type(kind, tmp_path):
    predictions = np.array([0, 3, np.iinfo(kind).max], dtype=kind)
    write_predictions(predictions, tmp_path / "p.npy")
    stored = np.load(tmp_path / "p.npy", allow_pickle=False)
    assert stored.dtype == kind
    assert stored.tolist() == predictions.tolist()


def test_a_run_without_predictions_stores_an_empty_array(tmp_path):
    write_predictions(None, tmp_path / "p.npy")
    stored = np.load(tmp_path / "p.npy", allow_pickle=False)
    assert stored.shape == (0,)
    assert stored.dtype == np.uint8
