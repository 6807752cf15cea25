"""Records become one row a cell and one row an epoch, with nothing lost and nothing made up."""

from dataclasses import replace

import pandas as pd
import pytest
from builders import column, grid, realistic, run_record, tables

from sslfast.analysis.tables import CELL_KEY, collect, collect_shorter, write_tables
from sslfast.errors import RecordError
from sslfast.study.records import write_record


def test_there_is_a_row_a_run_and_a_row_a_run_and_epoch():
    cells, history = tables(grid(us=["0", "0.1", "1"], ls=["0.05", "0.5"], seeds=range(3), epochs=4))
    assert len(cells) == (3 + 1) * 2 * 3
    assert len(history) == len(cells) * 4
    assert not cells.duplicated(CELL_KEY).any()
    assert not history.duplicated([*CELL_KEY, "epoch"]).any()


def test_a_cell_holds_what_its_record_says():
    record = run_record(u="0.1", l="0.5", seed=7, accuracy=0.8, macro_f1=0.79, seconds_pretrain=12.5)
    cells, _ = tables([record])
    cell = cells.iloc[0]
    assert (cell.u, cell.l, cell.n_unlabelled, cell.n_labelled, cell.seed) == (0.1, 0.5, 100, 500, 7)
    assert (cell.test_accuracy, cell.test_macro_f1, cell.n_test) == (0.8, 0.79, 1000)
    assert (cell.status, cell.pool, cell.budget, cell.device) == ("ok", "all", "epochs", "cpu")
    assert (cell.seconds_pretrain, cell.version_torch) == (12.5, "2.6.0")


def test_runs_of_less_length_are_in_a_table_of_their_own(tmp_path):
    whole, base = run_record(), run_record("supervised")
    half, passes = (replace(whole, spec=replace(whole.spec, length=length)) for length in ("half", "passes"))
    paths = [tmp_path / f"{record.box.name}.json" for record in (whole, half, passes, base)]
    for record, path in zip((whole, half, passes, base), paths, strict=True):
        write_record(record, path)
    cells, history = collect(paths)
    assert set(cells.record) == set(collect(paths[::3])[0].record) == {whole.box.name, base.box.name}
    assert len(history) == 2 * 3
    found = collect_shorter(paths).set_index("record")
    assert found.length.to_dict() == {f"{whole.box.name}-half": "half", f"{whole.box.name}-passes": "passes"}
    assert set(cells) <= {*found, "record"}
    assert collect_shorter(paths[::3]).empty


def test_the_history_is_that_of_the_record():
    record = run_record(curve=[0.1, 0.6, 0.5])
    _, history = tables([record])
    assert history.epoch.tolist() == [1, 2, 3]
    assert history.macro_f1.tolist() == [0.1, 0.6, 0.5]
    assert history.seconds.tolist() == [2.0, 4.0, 6.0]
    assert history.images.tolist() == [500, 1000, 1500]


def test_the_baseline_has_no_unlabelled_fraction_and_the_control_has_0():
    cells, history = tables([run_record("supervised"), run_record("random")])
    for table in (cells, history):
        assert table[table.method == "supervised"].u.isna().all()
        assert (table[table.method == "random"].u == 0).all()


def test_a_run_that_diverged_keeps_its_reason_and_has_no_score():
    cells, history = tables([run_record(problem="a loss was not finite in epoch 2"), run_record(seed=1)])
    lost = cells[cells.seed == 0].iloc[0]
    assert (lost.status, lost.reason) == ("diverged", "a loss was not finite in epoch 2")
    assert pd.isna(lost.test_accuracy) and pd.isna(lost.test_macro_f1)
    assert lost.n_test == 0
    assert column(history, "epoch", seed=0) == [1]


def test_the_order_of_the_records_does_not_matter():
    records = grid(realistic, encoders=["original", "conv"])
    forwards, backwards = tables(records)[0], tables(records[::-1])[0]
    pd.testing.assert_frame_equal(forwards, backwards)


def test_notes_of_all_runs_are_kept():
    cells, _ = tables([run_record(notes={"classes_rounded_up": 3, "images_skipped": 2}), run_record(seed=1, notes={})])
    assert column(cells, "classes_rounded_up", seed=0) == [3]
    assert column(cells, "images_skipped", seed=0) == [2]
    assert column(cells, "classes_rounded_up", seed=1) == [0]


def test_keys_of_both_tables_fit_even_if_no_run_lasted_an_epoch():
    cells, history = tables(grid(lambda **_: "it broke", curve=[]))
    assert len(history) == 0
    assert len(cells.merge(history, on=CELL_KEY, how="left")) == len(cells)


def test_a_damaged_record_is_named(tmp_path):
    write_record(run_record(), tmp_path / "good.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(RecordError, match=r"bad\.json"):
        collect([tmp_path / "good.json", tmp_path / "bad.json"])


def test_tables_are_written_in_every_folder_and_kind(tmp_path):
    cells, history = tables(grid(realistic))
    write_tables({"cells": cells, "history": history}, [tmp_path / "a", tmp_path / "b"])
    names = ["cells.csv", "cells.parquet", "history.csv", "history.parquet"]
    for folder in ("a", "b"):
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == names
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a" / "cells.parquet"), cells)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "b" / "history.csv"), history)


def test_a_setting_that_is_a_word_here_and_a_number_there_is_stored(tmp_path):
    """As `views` is where an encoder diverged, so that `auto` was never looked up."""
    made = [run_record(l=label) for label in ("0.1", "0.5")]
    records = [replace(r, settings={**r.settings, "views": v}) for r, v in zip(made, (8, "auto"), strict=True)]
    cells, history = tables([*records, run_record("supervised")])
    write_tables({"cells": cells, "history": history}, [tmp_path])
    stored = pd.read_parquet(tmp_path / "cells.parquet")
    assert column(stored, "setting_views", method="autoencoder") == ["8", "auto"]
    assert stored.setting_views.isna().sum() == 1
