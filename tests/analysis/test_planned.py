"""What a plan expected, beside what records tell."""

import json

import pandas as pd
import pytest
from builders import SCHEMA, examples_of, grid, run_record, tables

from sslfast.analysis.planned import planned_and_measured, read_plan, time_digest
from sslfast.report.page import write_report
from sslfast.study.config import check_config
from sslfast.study.grid import Box
from sslfast.study.study import Study

BASE = {"dataset": "digits", "unlabelled": [0, 0.1], "labelled": [0.5], "budget": "epochs", "pretrain": {"epochs": 3}}

NO_TIMES = ("[1, 2]", '["1", 2, 3]', "[-1, 2, 3]", "[NaN, 2, 3]")


def config(**changes) -> Study:
    return check_config({**BASE, **changes}, SCHEMA)


def plan_of(estimates: dict, **changes) -> dict:
    digests = {name: time_digest(config(), Box.parse(name)) for name in estimates}
    return {"settings": digests, "estimates": estimates, "made": "2026-11-25 12:00:00", **changes}


def by_stage(planned: pd.DataFrame) -> dict:
    return {row.stage: (row.jobs, row.planned, row.measured) for row in planned.itertuples()}


def test_planned_and_measured_minutes_add_up_by_stage():
    records = [run_record(seed=seed, seconds_an_epoch=10.0, seconds_pretrain=120.0) for seed in (0, 1)]
    cells = tables([*records, run_record("supervised", seed=0, seconds_an_epoch=20.0)])[0]
    estimates = {f"classify/autoencoder-original-u0.1-l0.5-s{seed}": (90.0, 60.0, 300) for seed in (0, 1)}
    estimates |= {f"pretrain/autoencoder-original-u0.1-s{seed}": (130.0, 90.0, 300) for seed in (0, 1)}
    estimates |= {"supervised/original-l0.5-s0": (40.0, 30.0, 300)}
    found = by_stage(planned_and_measured(cells, plan_of(estimates)))
    # of a classifier, loading (0.1 s) and evaluating (0.2 s) count, too
    assert found["classify"] == (2, pytest.approx(2.0), pytest.approx(2 * 30.3 / 60))
    assert found["pretrain"] == (2, pytest.approx(3.0), pytest.approx(4.0))
    assert found["supervised"] == (1, pytest.approx(0.5), pytest.approx(60.3 / 60))
    assert found["all"] == (5, pytest.approx(5.5), pytest.approx(sum(found[s][2] for s in found if s != "all")))


def test_an_encoder_that_serves_several_cells_counts_once():
    cells = tables([run_record(l=label, seconds_pretrain=60.0) for label in ("0.1", "0.5")])[0]
    found = planned_and_measured(cells, plan_of({"pretrain/autoencoder-original-u0.1-s0": (1.0, 30.0, 300)}))
    assert by_stage(found)["pretrain"] == (1, pytest.approx(0.5), pytest.approx(1.0))
    assert found.ratio.tolist() == pytest.approx([2.0, 2.0])


def test_an_encoder_of_the_rest_belongs_to_its_cell():
    cells = tables([run_record(l=label, pool="rest", seconds_pretrain=60.0) for label in ("0.1", "0.5")])[0]
    estimates = {f"pretrain/autoencoder-original-u0.1-l{label}-s0": (1.0, 30.0, 300) for label in ("0.1", "0.5")}
    assert by_stage(planned_and_measured(cells, plan_of(estimates)))["pretrain"][0] == 2


def test_runs_without_a_result_or_an_estimate_are_in_neither():
    cells = tables([run_record(seed=0), run_record(seed=1, problem="a loss was not finite in epoch 2")])[0]
    names = [f"classify/autoencoder-original-u0.1-l0.5-s{seed}" for seed in (0, 1, 2)]
    found = planned_and_measured(cells, plan_of(dict.fromkeys(names, (5.0, 6.0, 300))))
    assert by_stage(found)["all"][:2] == (1, pytest.approx(0.1))
    assert planned_and_measured(cells, plan_of({names[0]: (None, None, 0)})).empty
    assert planned_and_measured(cells, None).empty


@pytest.mark.parametrize(
    "change, same",
    [
        ({"labelled": [0.1, 0.5], "seeds": 5, "methods": ["vae"]}, True),  # another grid
        ({"title": "Other", "delta": 0.1}, True),
        ({"pretrain": {"epochs": 4}}, True),  # of the encoders, not of the baseline
        ({"supervised": {"epochs": 4}}, False),
        ({"batch_size": 32}, False),
        ({"threads": 2}, False),
    ],
)
def test_an_estimate_counts_where_its_job_has_the_same_settings(change, same, tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan_of({"supervised/original-l0.5-s0": [2, 1, 300]})))
    found = read_plan(path, config(**change))
    assert found["estimates"] == ({"supervised/original-l0.5-s0": (2, 1, 300)} if same else {})


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"settings": "x"}', '{"settings": "x", "estimates": {}}', "[" * 100_000]
    + [f'{{"settings": {{"a": "x"}}, "estimates": {{"a": {entry}}}}}' for entry in NO_TIMES]
    + ['{"settings": {"collect": "x"}, "estimates": {"no job": [1, 2, 3]}}']
    + ['{"settings": {}, "estimates": {"collect": [1, 2, 3]}}'],
)  # fmt: skip
def test_a_file_that_is_no_plan_is_left_out_in_one_line(text, tmp_path, capsys):
    path = tmp_path / "plan.json"
    assert read_plan(path, config()) is None
    path.write_text(text)
    assert read_plan(path, config()) is None
    assert [line.startswith(f"{path}: not a readable plan") for line in capsys.readouterr().out.splitlines()] == [True]


@pytest.mark.parametrize("planned", [True, False])
def test_the_report_compares_where_there_is_a_plan(planned, tmp_path, digits, draw_only):
    draw_only()
    records = grid()
    cells, history = tables(records)
    settings = config(threshold={"value": 0.5})
    examples = examples_of(records, digits.test.pixels())
    plan = plan_of({"supervised/original-l0.5-s0": (9.0, 3.0, 300)}) if planned else None
    write_report(cells, history, settings, tmp_path, None, examples, plan)
    page = (tmp_path / "report.html").read_text()
    assert ("Planned and measured time" in page) == planned
    assert not planned or "<td>2.10</td>" in page  # 6.3 s instead of 3
