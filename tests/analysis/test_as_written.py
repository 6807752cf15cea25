"""A table as a person writes or exports it is read as what it means, or refused in one line that says what to write."""

import gzip

import numpy as np
import pandas as pd
import pytest
from builders import noise, results_table
from hypothesis import given, settings
from hypothesis import strategies as st

from sslfast.analysis import table_files
from sslfast.analysis.__main__ import main
from sslfast.analysis.as_written import numbers
from sslfast.analysis.checks import REQUIRED, check_cells, check_shorter
from sslfast.analysis.history_checks import check_history
from sslfast.analysis.table_files import read_table
from sslfast.errors import ResultsError


def score(method, u, l, seed, **_):  # noqa: E741
    return 0.5 + 0.1 * l + 0.02 * (u or 0) + noise(0.003, method, u, l, seed)


GOOD = results_table(score, us=[0, 0.1, 1], ls=[0.1, 0.5], seeds=range(3))[[*REQUIRED, "test_accuracy"]]
READ = check_cells(GOOD)
OURS = GOOD.method == "autoencoder"


def same(table: pd.DataFrame) -> None:
    """`table` is read as the good one is, column by column."""
    found = check_cells(table)
    pd.testing.assert_frame_equal(found[list(READ)], READ, check_dtype=False)


def refusal(table: pd.DataFrame, **options) -> str:
    with pytest.raises(ResultsError) as found:
        check_cells(table, **options)
    assert "\n" not in str(found.value)
    return str(found.value)


def called(method: str, name: str) -> pd.DataFrame:
    return GOOD.replace({"method": {method: name}})


def as_text(form: str, *columns: str, scale: float = 1) -> pd.DataFrame:
    text = {name: (scale * GOOD[name]).map(form.format).where(GOOD[name].notna()) for name in columns}
    return GOOD.assign(**text)


SHARES = ("u", "l", "test_accuracy")
UNDERSTOOD = {
    "columns in other case and with blanks": GOOD.rename(columns=lambda name: f" {name.replace('_', ' ').title()} "),
    "columns of wandb": GOOD.rename(columns={"method": "config.method", "test_accuracy": "summary/test_accuracy"}),
    "an accuracy of the test images": GOOD.rename(columns={"test_accuracy": "Test acc"}),
    "an index of pandas": GOOD.reset_index(names="Unnamed: 0"),
    "categories": GOOD.assign(method=GOOD.method.astype("category")),
    "percent signs": as_text("{:.12g} %", *SHARES, scale=100),
    "numbers as text": as_text("{}", *SHARES, "seed"),
    "commas for thousands": as_text("{:,.0f}", "n_labelled", "n_unlabelled"),
    "decimal commas": GOOD.assign(**{n: as_text("{}", n)[n].str.replace(".", ",", regex=False) for n in SHARES}),
    "seeds with a name": as_text("seed_{}", "seed"),
    "no u nor images where none are used": GOOD.assign(
        u=GOOD.u.where(OURS), n_unlabelled=GOOD.n_unlabelled.where(OURS)
    ),
    "an empty column of the other score": GOOD.assign(test_macro_f1=np.nan),
    **{f"the baseline {name!r}": called("supervised", name) for name in (
        "Supervised", "supervised ", "baseline", "from scratch", "From-Scratch", "labels only", "labels_only")},
    **{f"the control {name!r}": called("random", name) for name in (
        "Random", "untrained", "random encoder", "random-init")},
    **{f"the status {word!r}": GOOD.assign(status=word) for word in (
        "OK", "Ok ", "finished", "done", "success", "completed", "True", True, 1, 1.0)},
    "a state of wandb": GOOD.assign(State="finished"),
}  # fmt: skip


@pytest.mark.parametrize("table", UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_what_can_only_mean_one_thing_is_read(table):
    same(table)


REFUSED = {
    **{f"a score called {name}": (
        GOOD.rename(columns={"test_accuracy": name}),
        f"is it column {name!r}? rename that test_accuracy if it is the accuracy on the test images, test_macro_f1 if"
        f" it is their macro-F1, or judge by it as it is: --metric {name}",
    ) for name in ("accuracy", "acc", "f1", "macro_f1", "f1_macro", "score")},
    "a status that nobody knows": (GOOD.assign(status="fertig"), "found 'fertig' in 24 rows with a score; write ok"),
    "a status of 0": (GOOD.assign(status=0), "column status: found '0' in 24 rows with a score; write ok (or fini"),
    "a method that is none": (called("supervised", "none"), "call training on the labels alone supervised"),
    "no name for the baseline": (called("supervised", None), "empty in row 1; fill it in; call training on the labels"),
    "a baseline of another name": (called("supervised", "resnet"), "u: found nothing in row 1, expected a fraction from"
                                   " 0 to 1 (resnet is taken for a way of pre-training; call training on the labels"),
    "two baselines": (pd.concat([GOOD, called("supervised", "baseline")]), "'baseline' and 'supervised', which may"),
    "one method twice": (GOOD.assign(method=GOOD.method.where(GOOD.seed > 0, GOOD.method.str.replace("auto", "Auto-")
                                     ).replace({"autoencoder": "SimCLR", "Auto-encoder": "simclr"})), "write one of"),
    "fractions in percent": (GOOD.assign(l=100 * GOOD.l), "found 10 in row 1, expected a fraction above 0 and up to 1"
                             " (10 % is 0.1)"),
    "fractions as counts": (GOOD.assign(l=GOOD.n_labelled), "up to 1 of all images; how many they are is told in"),
    "counts as fractions": (GOOD.assign(n_labelled=GOOD.l), "found 0.1 in row 1, expected a whole number of images"),
    "points for thousands": (as_text("{:,.0f}", "n_labelled").assign(n_labelled=lambda t: t.n_labelled.str.replace(
        ",", ".")), "column n_labelled: found '4.500' in row 1, expected a number of images, without points"),
    "seeds that are no numbers": (as_text("fold{}a", "seed"), "found 'fold0a' in row 1, expected a whole number (0, 1"),
    "seeds of two kinds": (GOOD.assign(seed=["run 0", *GOOD.seed[1:].map("seed {}".format)]), "found 'run 0' in row 1"),
    "two columns of seeds": (GOOD.rename(columns={"seed": "Seed"}).assign(SEED=1), "'Seed' and 'SEED' may both be"),
    "one column twice": (pd.concat([GOOD, GOOD[["seed"]]], axis=1), "column 'seed' is there twice; remove one"),
    "the same row twice": (pd.concat([GOOD, GOOD.head(1)]), "stands in 2 rows, expected one; remove the others"),
}  # fmt: skip


@pytest.mark.parametrize("table, expected", REFUSED.values(), ids=REFUSED)
def test_what_may_mean_two_things_is_refused_with_what_to_write(table, expected):
    assert expected in refusal(table)


def test_a_status_that_nobody_knows_is_a_reason_where_there_is_no_score():
    table = GOOD.assign(status="ok")
    table.loc[0, ["status", "test_accuracy"]] = ["disk full", np.nan]
    assert check_cells(table).status.tolist()[:2] == ["disk full", "ok"]


def test_another_score_is_checked_as_the_usual_ones_are():
    named = GOOD.rename(columns={"test_accuracy": "auc"})
    assert check_cells(named, metric="auc").auc.equals(READ.test_accuracy)
    assert "column auc: found 48 in row 1, expected a score from 0 to 1" in refusal(named.assign(auc=48), metric="auc")
    assert "no column f1; judge by test_accuracy (--metric test_accuracy)" in refusal(GOOD, metric="f1")


@given(st.sampled_from(REQUIRED[1:]), st.data())
@settings(max_examples=40)
def test_however_a_name_is_written_it_is_found(column, data):
    mark = data.draw(st.sampled_from(["_", " ", "-", ".", ""]))
    name = "".join(data.draw(st.sampled_from([c.lower(), c.upper()])) for c in column).replace("_", mark)
    same(GOOD.rename(columns={column: name}))


@given(st.floats(0, 1), st.sampled_from(["{:.6f}", "{:.4f} %", " {:.6f}", "{:.6f}\u00a0"]), st.booleans())
def test_a_share_is_never_read_as_another_number(value, form, comma):
    percent = "%" in form
    text = form.format(100 * value if percent else value)
    text = text.replace(".", ",") if comma else text
    found = numbers(pd.Series([text]), "x", "share")[0]
    assert found == pytest.approx(value, abs=1e-6)


@given(st.integers(0, 10**7), st.sampled_from([",", "'", " ", "."]))
def test_a_count_is_never_read_as_another_number(value, mark):
    text = f"{value:,}".replace(",", mark)
    try:
        assert numbers(pd.Series([text]), "x", "count")[0] == value
    except ResultsError:
        assert mark == "."


def test_a_history_and_shorter_runs_are_read_alike():
    history = READ[["method", "u", "l", "seed"]].assign(Epoch=1, Seconds="1.5", macro_f1="40 %")
    history = history.replace({"method": {"supervised": "baseline"}}).assign(u=history.u.where(history.u > 0))
    found = check_history(history, READ, "macro_f1")
    assert set(found.method) == set(READ.method)
    assert (found.macro_f1 == 0.4).all()
    assert (check_shorter(GOOD.assign(Length=" Half")).length == "half").all()


# files

HEADER, *ROWS = GOOD.to_csv(index=False).splitlines()
FILES = {
    "a semicolon": ("csv", GOOD.to_csv(index=False, sep=";")),
    "a semicolon, and decimal commas": ("csv", GOOD.to_csv(index=False, sep=";", decimal=",")),
    "a line for Excel": ("csv", "sep=;\n" + GOOD.to_csv(index=False, sep=";")),
    "a tab": ("tsv", GOOD.to_csv(index=False, sep="\t")),
    "a tab, in a file called CSV": ("csv", GOOD.to_csv(index=False, sep="\t")),
    "blanks": ("txt", GOOD.to_csv(index=False, sep=" ", na_rep="NA")),
    "a mark of the order of bytes": ("csv", GOOD.to_csv(index=False).encode("utf-8-sig")),
    "UTF-16": ("csv", GOOD.to_csv(index=False, sep="\t").encode("utf-16")),
    "gzip": ("csv.gz", gzip.compress(GOOD.to_csv(index=False).encode())),
    "names of rows, as R writes them": ("csv", "\n".join([HEADER, *(f"{i},{row}" for i, row in enumerate(ROWS, 1))])),
    "a comma at the end of each row": ("csv", "\n".join([HEADER, *(f"{row}," for row in ROWS)])),
    "JSON, a row an object": ("json", GOOD.to_json(orient="records")),
    "JSON, as pandas writes it": ("json", GOOD.to_json()),
    "JSON, as wandb writes it": ("json", GOOD.to_json(orient="split", index=False)),
    "JSON, a row a line": ("jsonl", GOOD.to_json(orient="records", lines=True)),
}


def file(folder, ending: str, content: str | bytes):
    path = folder / f"cells.{ending}"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("ending, content", FILES.values(), ids=FILES)
def test_tables_are_read_however_they_were_exported(tmp_path, ending, content):
    same(read_table(file(tmp_path, ending, content)))


def test_columns_that_pandas_keeps_in_an_index_are_columns(tmp_path):
    GOOD.set_index(["method", "u", "l", "seed"]).to_parquet(tmp_path / "cells.pq")
    same(read_table(tmp_path / "cells.pq"))


NO_FILES = {
    "nothing": ("csv", "", r"not a readable table \(it is empty\); expected CSV with a header \(separated by commas"),
    "a web page": ("csv", "<html>", r"\(it is a web page\)"),
    "bytes of 0": ("csv", GOOD.to_csv().encode("utf-16-le"), r"\(it holds bytes of 0\)"),
    "Latin letters": ("csv", "é".encode("latin-1"), "its text is not UTF-8.*save it as CSV UTF-8"),
    "a workbook": ("xlsx", b"PK\x03\x04", r"found a spreadsheet; save its sheet as CSV \(File, Save as\)"),
    "a workbook called CSV": ("csv", b"PK\x03\x04", "found a spreadsheet"),
    "broken Parquet": ("parquet", b"PAR1", "not a readable table"),
    "broken JSON": ("json", "[{", "not a readable table"),
}


@pytest.mark.parametrize("ending, content, expected", NO_FILES.values(), ids=NO_FILES)
def test_a_file_that_holds_no_table_is_refused_with_what_to_do(tmp_path, ending, content, expected):
    with pytest.raises(ResultsError, match=expected):
        read_table(file(tmp_path, ending, content))


def test_text_in_a_parquet_table_that_is_none_is_refused_where_it_is_read(tmp_path):
    GOOD.to_parquet(path := tmp_path / "cells.parquet", compression="none")
    content = path.read_bytes()
    assert b"autoencoder" in content
    path.write_bytes(content.replace(b"autoencoder", b"autoenc\xf3der"))
    with pytest.raises(ResultsError, match="not a readable table"):
        read_table(path)


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(ResultsError, match="found a folder; expected CSV"):
        read_table(tmp_path)


def test_without_what_reads_parquet_the_line_says_so(tmp_path, monkeypatch):
    def absent(*_):
        raise ImportError("Unable to find a usable engine; tried using: 'pyarrow'")

    monkeypatch.setattr(table_files.pq, "read_table", absent)
    with pytest.raises(ResultsError, match=r"cannot be read here .*pyarrow.*install that, or save it as CSV"):
        read_table(file(tmp_path, "parquet", b"PAR1"))


# the command line


def answer(tmp_path, capsys, table: pd.DataFrame, *options: str) -> tuple[int, str, str]:
    table.to_csv(tmp_path / "cells.csv", index=False)
    status = main([str(tmp_path / "cells.csv"), "--out", str(tmp_path / "out"), *options])
    return status, *capsys.readouterr()


def test_accuracy_is_judged_by_and_called_accuracy_where_it_is_the_only_score(tmp_path, capsys):
    status, out, _ = answer(tmp_path, capsys, GOOD)
    assert status == 0 and "Judged by test_accuracy, as the table has no test_macro_f1." in out
    text = (tmp_path / "out/summary.md").read_text(encoding="utf-8")
    assert "Test accuracy as mean" in text and "F1" not in text
    status, _, error = answer(tmp_path, capsys, GOOD, "--metric", "test_macro_f1")
    assert status == 1 and "no column test_macro_f1; judge by test_accuracy (--metric test_accuracy)" in error


def test_a_table_of_which_no_row_counts_is_an_error(tmp_path, capsys):
    status, _, error = answer(tmp_path, capsys, GOOD.assign(status="failed"))
    assert status == 1 and error.count("\n") == 1
    assert "no row counts: column status has 'failed' 24 times" in error
    assert not (tmp_path / "out").exists()


def test_without_a_baseline_the_names_that_were_found_are_told(tmp_path, capsys):
    _, out, _ = answer(tmp_path, capsys, GOOD[GOOD.method != "supervised"])
    assert "No row has the method supervised" in out and "(found: random, autoencoder)" in out


@pytest.mark.parametrize(
    "option, value", [("target", 45), ("delta", 1.5), ("delta", 1), ("threshold", 40), ("alpha", 5)]
)
def test_percent_for_a_fraction_is_refused_with_the_fraction(tmp_path, capsys, option, value):
    status, _, error = answer(tmp_path, capsys, GOOD, f"--{option}", str(value))
    assert status == 1 and error.count("\n") == 1
    assert f"{option}: found {value:.1f}, expected a number" in error
    assert f"(a fraction: {value:g} % is {value / 100:g})" in error


def test_a_percent_sign_says_what_is_meant(tmp_path, capsys):
    assert answer(tmp_path, capsys, GOOD, "--target", "55 %", "--delta", "2%")[0] == 0
    assert pd.read_csv(tmp_path / "out/data_needed.csv").target.unique().tolist() == [0.55]


def test_a_target_without_accuracies_is_told(tmp_path, capsys):
    table = GOOD.rename(columns={"test_accuracy": "test_macro_f1"})
    status, _, error = answer(tmp_path, capsys, table, "--target", "0.5")
    assert status == 1 and "accuracy target: the cells have no column test_accuracy" in error
