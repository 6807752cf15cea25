"""What others wrote (names of methods, files and classes, reasons, titles) is shown in reports, and never obeyed."""

import csv
import io
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from builders import examples_of, grid, realistic, results_table, tables
from grids import checked
from hostile import NAMES, is_one_line

from sslfast.analysis.results import analyse
from sslfast.analysis.summary import summary
from sslfast.analysis.table_files import to_csv
from sslfast.errors import ResultsError
from sslfast.report.page import write_report

SMALL = {"us": ["0", "1"], "ls": ["0.5"]}
STUDY = checked(title="Digits")
MARKUP = "<script>alert(1)</script>\"' onload=alert(1) \x1b[31m\u202e\udcff"
FORMULAS = ["=cmd|'/c calc'!A0", "+1+1", "-1+cmd()", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", "=1,2", '="a"']


class Tags(HTMLParser):
    """Tags, attributes that run programs, and addresses that lead elsewhere."""

    def __init__(self, source: str):
        super().__init__()
        self.tags, self.runs, self.links = [], [], []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.runs += [name for name, _ in attrs if name.startswith("on")]
        self.links += [
            value for name, value in attrs if name in ("href", "src") and not value.startswith(("#", "data:"))
        ]


def cells_of_csv(text: str) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(text)) for cell in row]


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """A report of runs that failed for hostile reasons, with a hostile title, over images with hostile names."""
    folder = tmp_path_factory.mktemp("report")
    reasons = [MARKUP, *FORMULAS]
    records = grid(lambda seed, u, **_: reasons[seed] if u == 1 else 0.8, seeds=range(10), **SMALL)
    cells, history = tables(records)
    images = {"n_labelled": 10, "n_unlabelled_only": 0, "classes": [MARKUP, "b"], "image_size": 8, "channels": 1}
    images["notes"] = {"images_skipped": 7, "skipped": [MARKUP, *NAMES], "files_ignored": 3}
    images["notes"]["left_out"] = [{"n": 3, "what": "files that are no images", "example": MARKUP, "why": ""}]
    examples = examples_of(records, np.zeros((4, 8, 8, 1), np.uint8), images["classes"])
    write_report(cells, history, replace(STUDY, title=MARKUP), folder, images, examples)
    return folder


def test_the_page_and_its_tables_hold_no_tag_that_others_wrote(report):
    for path in report.rglob("*.html"):
        found = Tags(path.read_text(encoding="utf-8"))
        assert found.tags.count("script") == (1 if path.name == "report.html" else 0), path
        assert found.runs == found.links == []
    assert "&lt;script&gt;alert(1)" in (report / "report.html").read_text(encoding="utf-8")


def test_what_was_left_out_is_told_by_kind_number_and_example(report):
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "3 files that are no images, such as &lt;script&gt;alert(1)" in page


def test_everything_that_was_written_is_text_that_is_shown_and_not_obeyed(report):
    for path in report.rglob("*.*"):
        if path.suffix in (".html", ".md", ".csv", ".svg"):
            text = unquote(path.read_text(encoding="utf-8"))
            assert not set(text) & {*"\x1b\u202e\udcff\t"}, path
            assert r"\x1b[31m\u202e\udcff" in text or path.name not in ("report.html", "cells.csv", "missing.html")


def test_no_cell_of_a_csv_file_is_a_formula_and_numbers_stay_numbers(report):
    page = (report / "report.html").read_text(encoding="utf-8")
    embedded = [unquote(part.split('"')[0]) for part in page.split("data:text/csv;charset=utf-8,")[1:]]
    assert len(embedded) == len(list(report.glob("figures/*.svg"))) > 5
    for text in [*embedded, *(path.read_text(encoding="utf-8") for path in report.rglob("*.csv"))]:
        for cell in cells_of_csv(text):
            assert not cell.startswith(("=", "+", "@", "\t", "\r", "\n"))
            assert not cell.startswith("-") or float(cell) <= 0
    stored = pd.read_csv(report / "tables/contrasts.csv")
    assert stored.difference.dtype == stored.low.dtype == float


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_text_and_nothing_else_changes(text):
    table = pd.DataFrame(
        {"text": [text, "plain", None], "number": [-1.5, 2, float("nan")], "mixed": ["-0.5", -3, text]}
    )
    rows = list(csv.reader(io.StringIO(to_csv(table))))
    assert rows[0] == ["text", "number", "mixed"]
    assert rows[2] == ["plain", "2.0", "-3"]
    assert rows[3][:2] == ["", ""]
    assert rows[1][1:] == ["-1.5", "-0.5"]
    assert rows[1][0] == rows[3][2]
    assert rows[1][0].startswith(("'", "\\"))
    assert table.text[0] == text, "the table itself stays as it was"


def test_tables_of_ordinary_results_are_written_as_pandas_writes_them():
    for table in analyse(*tables(grid(realistic, **SMALL))).tables.values():
        assert to_csv(table) == table.to_csv(index=False)


EVERY = [name.strip(" ") for name in (*NAMES, *FORMULAS, MARKUP)]  # blanks around a name are not part of it
REFUSED = [name for name in EVERY if name and not (name[0].isalnum() and not set(name) & set("|\n\t\\"))]


@pytest.mark.parametrize("column", ["method", "encoder", "study", "dataset"])
@pytest.mark.parametrize("name", [name for name in REFUSED if name.strip()], ids=repr)
def test_names_that_would_be_markup_or_formulas_are_refused_by_row_and_column(column, name):
    cells = results_table(realistic, us=(0, 1), ls=(0.5,), seeds=range(2))
    cells["encoder"] = "one"
    ours = cells.method == "autoencoder" if column == "method" else cells.method != ""
    cells[column] = cells[column].astype(object).mask(ours, name)
    expected = rf"^cells: column {column}: found .*, expected at most 100 characters"
    with pytest.raises(ResultsError, match=expected) as caught:
        analyse(cells)
    assert is_one_line(caught.value)


@pytest.mark.parametrize("name", [name for name in NAMES if name != name.strip(" ") and name.strip(" ").isalnum()])
def test_blanks_around_a_name_stand_nowhere(name):
    cells = results_table(realistic, us=(0, 1), ls=(0.5,), seeds=range(2)).replace({"method": {"autoencoder": name}})
    assert set(analyse(cells).cells.method) == {"random", "supervised", name.strip(" ")}


ORDINARY = ["SimCLR (ResNet-18, 200 epochs)", "byol/v2", "naïve", "方法", "MAE+ft", "β-VAE", "2.0", "a_b"]


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_names_are_carried_as_they_are(name):
    cells = results_table(realistic, us=(0, 1), ls=(0.5,), seeds=range(3)).replace("autoencoder", name)
    assert name in summary(analyse(cells))
