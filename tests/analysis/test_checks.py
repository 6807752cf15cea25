"""Tables from anywhere are taken if they say what they must, and refused in one line that says what is wrong."""

import numpy as np
import pandas as pd
import pytest
from builders import cells_of, grid, realistic, results_table, tables
from hypothesis import given, settings
from hypothesis import strategies as st

from sslfast.analysis.checks import REQUIRED, check_cells
from sslfast.analysis.history_checks import check_history
from sslfast.analysis.table_checks import check_number
from sslfast.errors import ConfigError, ResultsError

GOOD = results_table(lambda **_: 0.5, us=[0, 0.1, 1], ls=[0.1, 0.5], seeds=range(3))


def refusal(table: pd.DataFrame) -> str:
    with pytest.raises(ResultsError) as found:
        check_cells(table, "mine.csv")
    message = str(found.value)
    assert message.startswith("mine.csv: ")
    assert "\n" not in message
    return message


def at(column: str, value, row: int = 4) -> pd.DataFrame:
    """The good table with another value of `column` in a row that stands for a pre-trained encoder."""
    table = GOOD.astype({column: object})
    table.loc[GOOD.index[GOOD.method == "autoencoder"][row], column] = value
    return table


def test_the_columns_that_have_to_be_there_are_enough():
    checked = check_cells(GOOD[[*REQUIRED, "test_accuracy"]])
    assert (checked.status == "ok").all()
    assert {"study", "dataset", "encoder"} <= set(checked)


def test_without_a_status_a_run_without_score_is_a_run_without_result():
    table = GOOD[[*REQUIRED, "test_accuracy"]].copy()
    table.loc[2, "test_accuracy"] = np.nan
    assert check_cells(table).status.tolist()[:4] == ["ok", "ok", "no result", "ok"]


def test_tables_of_a_study_pass_unchanged():
    cells = cells_of(encoders=["original", "conv"], pool="rest")
    checked = check_cells(cells)
    pd.testing.assert_frame_equal(checked[cells.columns.tolist()], cells, check_dtype=False)


def test_other_columns_are_fine_and_the_table_given_stays_as_it_was():
    table = GOOD.assign(colour="blue")
    before = table.copy()
    assert (check_cells(table).colour == "blue").all()
    pd.testing.assert_frame_equal(table, before)


def test_a_fraction_given_to_the_baseline_is_no_fraction():
    table = GOOD.copy()
    table.loc[table.method == "supervised", "u"] = 0
    assert check_cells(table).u[table.method == "supervised"].isna().all()


def test_scores_of_runs_that_did_not_finish_do_not_count():
    checked = check_cells(GOOD.assign(status=["diverged", *GOOD.status[1:]]))
    assert np.isnan(checked.test_accuracy[0])
    assert checked.test_accuracy[1:].notna().all()


BAD = {
    "no rows": (GOOD.iloc[:0], "no rows"),
    "a missing column": (GOOD.drop(columns="seed"), "no column seed; expected method, u, l, seed"),
    "a misspelt column": (GOOD.rename(columns={"n_labelled": "n_labeled"}), "did you mean column n_labeled? rename it"),
    "no score at all": (GOOD.drop(columns=["test_macro_f1", "test_accuracy"]), "no column test_macro_f1"),
    "a NaN score": (at("test_macro_f1", np.nan), "column test_macro_f1: found nothing in row"),
    "a percentage": (at("test_accuracy", 48.1), "found 48.1 in row 17, expected a score from 0 to 1 (divide"),
    "a decimal comma": (at("test_accuracy", "0,481"), "found '0,481' in row 17, expected a number (decimals with"),
    "an infinite score": (at("test_accuracy", np.inf), "found inf in row 17, expected a number"),
    "a fraction above 1": (at("u", 10.0), "column u: found 10 in row 17, expected a fraction from 0 to 1"),
    "a negative fraction": (at("l", -0.1), "column l: found -0.1 in row 17, expected a fraction above 0"),
    "no fraction": (at("u", np.nan), "column u: found nothing in row 17"),
    "half a seed": (at("seed", 0.5), "column seed: found 0.5 in row 17, expected a whole number"),
    "no method": (at("method", None), "column method is empty in row 17"),
    "a method at u = 0": (at("u", 0.0), "an encoder without pre-training is method random"),
    "a random encoder that saw images": (GOOD.replace({"u": {0.0: 0.05}}), "since method random is an encoder"),
    "negative images": (at("n_labelled", -5), "column n_labelled: found -5 in row 17, expected 0 or more"),
    "negative seconds": (at("seconds_pretrain", -1.0), "column seconds_pretrain: found -1 in row 17"),
    "a duplicated cell": (pd.concat([GOOD, GOOD.iloc[[20]]]), "stands in 2 rows, expected one"),
    "two studies": (GOOD.assign(study=["a"] * 5 + ["b"] * (len(GOOD) - 5)), "column study: found 2 values (a, b)"),
    "two data sets": (at("dataset", "faces"), "column dataset: found 2 values (faces, photos), expected one"),
    "two schema versions": (GOOD.assign(schema_version=[1, *[2] * (len(GOOD) - 1)]), "column schema_version: found 2"),
    "two precisions": (
        GOOD.assign(precision=["bfloat16"] + ["float32"] * (len(GOOD) - 1)),
        "column precision: found 2",
    ),
    "two codes": (
        GOOD.assign(code_version=["a"] * 9 + ["b"] * (len(GOOD) - 9)),
        "column code_version: found 2 values (a",
    ),
    "two kinds of images": (GOOD.assign(fingerprint=range(len(GOOD))), f"column fingerprint: found {len(GOOD)} values"),
    "two pools": (at("pool", "rest"), "column pool: found 2 values (all, rest)"),
    "two counts of one fraction": (at("n_labelled", 9000), "n_labelled: found 9000 and 22500 where l is 0.5"),
    "images where u is 0": (GOOD.assign(n_unlabelled=7), "column n_unlabelled: found 7 where u is 0"),
    "fewer images at a larger fraction": (
        GOOD.assign(n_labelled=np.where(GOOD.l == 0.5, 100, GOOD.n_labelled)),
        "column n_labelled: fewer images where l is 0.5 than at a smaller fraction",
    ),
}


@pytest.mark.parametrize("table, expected", BAD.values(), ids=BAD)
def test_what_cannot_be_is_refused_in_one_line(table, expected):
    assert expected in refusal(table)


@settings(max_examples=10)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(random):
    order = list(range(len(GOOD)))
    random.shuffle(order)
    shuffled = check_cells(GOOD.iloc[order].reset_index(drop=True))
    pd.testing.assert_frame_equal(shuffled, check_cells(GOOD).iloc[order].reset_index(drop=True))


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "3", None, True])
def test_a_number_that_cannot_be_is_refused_by_name(value):
    with pytest.raises(ConfigError, match=r"price_per_label: found .*, expected a number of at least 0"):
        check_number("price_per_label", value, 0)


CELLS, HISTORY = tables(grid(realistic))


def test_a_history_of_the_same_runs_passes():
    pd.testing.assert_frame_equal(check_history(HISTORY, CELLS, "macro_f1"), HISTORY, check_dtype=False)


@pytest.mark.parametrize(
    "history, expected",
    [
        (HISTORY.drop(columns="epoch"), "history: no column epoch"),
        *(
            (HISTORY.assign(**{name: np.nan}), f"history: column {name} is empty in row 1; fill it in")
            for name in ("method", "dataset", "encoder", "evaluate")
        ),
        (HISTORY.assign(method=HISTORY.method.where(HISTORY.index > 0)), "column method is empty in row 1; fill it in"),
        (HISTORY.assign(macro_f1=40.0), "history: column macro_f1: found 40 in row 1, expected 0 to 1"),
        (pd.concat([HISTORY, HISTORY.iloc[:1]]), "stands in 2 rows"),
        (HISTORY[HISTORY.seed == 0].assign(seed=77), "holds a run that cells does not"),
        (HISTORY.assign(updates=-1), "history: column updates: found -1 in row 1, expected a whole number from 0"),
        (HISTORY.assign(updates=HISTORY.updates + 0.5), "column updates: found 2.5 in row 1, expected a whole number"),
        (HISTORY.assign(updates=HISTORY.updates.where(HISTORY.index > 0)), "updates: found nothing in row 1"),
        (HISTORY.assign(updates=HISTORY.updates.max() - HISTORY.updates), "in epoch 2 are fewer than before"),
    ],
)
def test_a_history_that_cannot_belong_to_the_cells_is_refused(history, expected):
    with pytest.raises(ResultsError) as found:
        check_history(history, CELLS, "macro_f1")
    assert expected in str(found.value)


def test_what_a_history_does_not_count_is_not_known():
    found = check_history(HISTORY.drop(columns=["updates", "images"]), CELLS, "macro_f1")
    assert found[["updates", "images"]].isna().all(axis=None)


def test_updates_are_compared_by_epoch_and_not_by_row():
    backwards = HISTORY.iloc[::-1]
    pd.testing.assert_frame_equal(check_history(backwards, CELLS, "macro_f1"), backwards, check_dtype=False)


@pytest.mark.parametrize("column", ["dataset", "encoder"])
def test_names_that_are_numbers_are_the_same_in_both_tables(column):
    cells, history = tables(grid(realistic, us=["0", "1"], ls=["0.5"]))
    found = check_history(history.assign(**{column: 2012}), check_cells(cells.assign(**{column: 2012})), "macro_f1")
    assert found[column].unique().tolist() == ["2012"]
