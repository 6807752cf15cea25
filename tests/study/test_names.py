"""What a study of a folder is called, if nobody says so."""

import re
from pathlib import Path

import pytest
from builders import SCHEMA
from hypothesis import given
from hypothesis import strategies as st

from sslfast.study.config import check_config
from sslfast.study.names import names_of_folder

GRID = {"dataset": "folder", "unlabelled": [0, 1], "labelled": [1]}


@pytest.mark.parametrize(
    ("folder", "study", "title"),
    [
        ("~/pictures", "pictures", "pictures"),
        ("/data/Meine Bilder (2)/", "Meine-Bilder-2", "Meine Bilder (2)"),
        ("/data/Küche", "Kuche", "Küche"),
        ("/data/猫", "images", "猫"),
        ("/data/<b>cats", "b-cats", "(b)cats"),
        ("/data/.hidden-", "hidden", ".hidden-"),
        ("/", "images", "images"),
    ],
)
def test_a_study_of_a_folder_is_called_after_it(folder, study, title):
    found = check_config({**GRID, "folder": folder}, SCHEMA)
    assert (found.name, found.title) == (study, title)


def test_dot_is_the_folder_that_one_stands_in(tmp_path, monkeypatch):
    (tmp_path / "pets").mkdir()
    monkeypatch.chdir(tmp_path / "pets")
    assert names_of_folder(".") == ("pets", "pets")


def test_a_name_or_title_that_is_given_stays():
    found = check_config({**GRID, "folder": "/data/pictures", "study": "pets"}, SCHEMA)
    assert (found.name, found.title) == ("pets", "pets")
    found = check_config({**GRID, "folder": "/data/pictures", "title": "Pets"}, SCHEMA)
    assert (found.name, found.title) == ("pictures", "Pets")


@given(st.text(min_size=1, max_size=80).filter(lambda name: not {"/", "\0"} & set(name)))
def test_any_folder_gives_a_name_and_a_title_that_a_config_takes(name):
    study, title = names_of_folder(Path("/data") / name)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", study)
    found = check_config({**GRID, "folder": "x", "study": study, "title": title}, SCHEMA)
    assert found.name == study and found.title == title
