"""A study keeps to the images that its results, its name and its title are of, wherever they lie."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from builders import SCHEMA

from sslfast.data.identity import check_names, check_results, known_by
from sslfast.errors import ConfigError
from sslfast.stages.inputs import study_images
from sslfast.study.config import check_config
from sslfast.study.study import Study

DIGITS = {"study": "pets", "dataset": "digits", "unlabelled": [0, 1], "labelled": [1]}
CLASSES = ("zero", "one", "two")


def study_of(**changes) -> Study:
    return check_config({**DIGITS, **changes}, SCHEMA)


def of_folder(folder: Path, **changes) -> Study:
    return study_of(dataset="folder", folder=str(folder), **{"image_size": 8, "channels": 1, **changes})


@pytest.fixture
def results(tmp_path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def done(results) -> Callable[[Study], Path]:
    """Makes what the first job of a study leaves, and gives its path."""

    def note(study: Study) -> Path:
        path = results / study.name / "images.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = study_images({}, study)
        path.write_text(json.dumps({**data.summary(), "known_by": known_by(study)}))
        return path

    return note


def refused(study: Study, results: Path) -> str:
    with pytest.raises(ConfigError) as error:
        check_results(study, results=results)
    return str(error.value)


@pytest.mark.parametrize("other", [{"dataset": "mnist"}, {"dataset": "cifar10"}, {"dataset": "stl10"}])
def test_another_data_set_under_the_name_of_a_study_is_refused(done, results, other):
    path = done(study_of())
    line = refused(study_of(**other), results)
    assert line.startswith(f"study: {path.parent} holds a study of digits (1,797 images), this config is of ")
    assert (
        f"this config is of {other['dataset']}; give it a name and a title of its own (--config study=… title=…)"
        in line
    )
    assert line.endswith(f", or delete {path.parent}")


def test_so_is_a_folder_and_under_the_name_of_a_folders_study_a_data_set(done, results, image_folder):
    folder = image_folder(classes=CLASSES)
    done(study_of())
    assert f"digits (1,797 images), this config is of folder '{folder}'; give" in refused(of_folder(folder), results)
    done(of_folder(folder))
    assert "holds a study of folder (31 images), this config is of digits; give" in refused(study_of(), results)


def test_a_study_goes_on_and_may_be_changed_in_whatever_leaves_its_images(done, results, image_folder):
    folder = image_folder()
    for study in (study_of(), of_folder(folder), of_folder(folder, unlabelled_from="digits")):
        done(study)
        changed = replace(study, methods=("vae",), seeds=(1, 2), labelled=("0.5",), title="x")
        for changes in ({}, {"test_fraction": 0.4, "test_seed": 7}, {"on_bad_image": "skip"}, {"data_root": "/else"}):
            check_results(replace(changed, **changes), results=results)


def test_without_results_nothing_is_refused(results, image_folder):
    check_results(study_of(), results=results)
    (results / "pets/records/classify").mkdir(parents=True)  # it failed before its first job was done
    check_results(of_folder(image_folder()), results=results)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"name": 1}', '{"known_by": 3}'])
def test_what_cannot_be_read_says_nothing(done, results, text):
    path = done(study_of())
    whole = json.loads(path.read_text())
    path.write_text(text if text != '{"known_by": 3}' else json.dumps({**whole, "known_by": 3}))
    check_results(study_of(dataset="mnist"), results=results)


@pytest.mark.parametrize("key, value", [("image_size", 16), ("channels", 3), ("unlabelled_from", "digits")])
def test_the_same_files_as_other_images_are_refused_with_the_key(done, results, image_folder, key, value):
    folder = image_folder()
    for before, after in (({}, {key: value}), ({key: value}, {})):
        done(of_folder(folder, **before))
        old, new = (of_folder(folder, **changes).values([key])[key] or "none" for changes in (before, after))
        line = refused(of_folder(folder, **after), results)
        assert f", {key} {old}), this config is of folder '" in line and f", {key} {new}; give it" in line


def test_stl10_of_another_size_is_refused(done, results):
    path = done(study_of())
    path.write_text(json.dumps({**json.loads(path.read_text()), "name": "stl10", "image_size": 32}))
    check_results(study_of(dataset="stl10"), results=results)
    assert ", image_size 32), this config is of stl10, image_size 96; " in refused(
        study_of(dataset="stl10", image_size=96), results
    )


def test_another_folder_is_refused_though_its_files_have_the_same_names(done, results, image_folder, tmp_path):
    done(of_folder(image_folder(classes=CLASSES)))
    for number, suffix in enumerate((".png", ".bmp")):  # bitmaps of one size are files of one size
        first, other = (tmp_path / f"{name}{number}" for name in ("first", "other"))
        done(of_folder(image_folder(first, classes=CLASSES, suffix=suffix)))
        image_folder(tmp_path / f"scratch{number}", classes=("three", "four", "five"), suffix=suffix)
        for path in (tmp_path / f"scratch{number}").rglob(f"*{suffix}"):
            names = dict(zip(("three", "four", "five"), CLASSES, strict=True))
            target = str(path.relative_to(tmp_path / f"scratch{number}"))
            for name, new in names.items():
                target = target.replace(name, new)
            (other / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, other / target)
        assert {p.relative_to(first) for p in first.rglob("*")} == {p.relative_to(other) for p in other.rglob("*")}
        line = refused(of_folder(other), results)
        assert f"holds a study of folder (31 images), this config is of other images: folder '{other}'; " in line


def test_a_folder_may_move_grow_shrink_and_be_put_in_order(done, results, image_folder, tmp_path):
    folder = image_folder(tmp_path / "a", classes=CLASSES, train=8, test=0, unlabelled=0, tree=True)
    done(of_folder(folder))
    moved = shutil.copytree(folder, tmp_path / "b", copy_function=shutil.copy)  # with dates of its own
    check_results(of_folder(moved), results=results)
    (moved / "train").mkdir()
    for name in CLASSES:
        (moved / name).rename(moved / "train" / name)
    check_results(of_folder(moved), results=results)
    more = image_folder(tmp_path / "c", classes=("seven", "eight"), train=20, test=0, unlabelled=30, tree=True)
    for part in more.iterdir():
        part.rename(folder / part.name)
    check_results(of_folder(folder), results=results)
    done(of_folder(folder))
    check_results(of_folder(moved), results=results)  # what there was of it before


def test_unlabelled_images_may_grow_but_not_become_others(done, results, image_folder, tmp_path):
    folder = image_folder(tmp_path / "study", classes=CLASSES)
    source = image_folder(tmp_path / "source", classes=("three",), train=10, test=0, unlabelled=0)
    done(of_folder(folder, unlabelled_from=str(source)))
    image_folder(source / "more", classes=("four",), train=30, test=0, unlabelled=0)
    check_results(of_folder(folder, unlabelled_from=str(source)), results=results)
    other = image_folder(tmp_path / "other", classes=("five",), train=10, test=0, unlabelled=0)
    line = refused(of_folder(folder, unlabelled_from=str(other)), results)
    assert f"this config is of other images: folder '{folder}', unlabelled_from '{other}'; " in line


def test_what_an_older_version_noted_of_a_folder_is_told_by_its_classes(done, results, image_folder, tmp_path):
    path = done(of_folder(image_folder(classes=CLASSES)))
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "known_by"}))
    check_results(of_folder(image_folder(tmp_path / "more", classes=("two", "three"))), results=results)
    others = of_folder(image_folder(tmp_path / "others", classes=("three", "four")))
    assert "this config is of other images: folder" in refused(others, results)


# names and titles

FILE = {**DIGITS, "study": "digits", "title": "Handwritten digits"}


def of_command(file: dict, **command) -> None:
    check_names(check_config({**file, **command}, SCHEMA), [file, command])


def test_a_name_and_a_title_written_for_other_images_are_refused(image_folder):
    folder = str(image_folder())
    with pytest.raises(ConfigError) as error:
        of_command(FILE, dataset="folder", folder=folder)
    assert str(error.value) == (
        f"study: found 'digits', written for digits, but this study is of folder '{folder}';"
        " give it a name and a title of its own (--config study=… title=…)"
    )
    with pytest.raises(
        ConfigError, match=r"^title: found 'Handwritten digits', written for digits, .* \(--config title=…\)$"
    ):
        of_command(FILE, dataset="mnist", study="mnist")
    with pytest.raises(ConfigError, match=r"^study: .* give it a name of its own \(--config study=…\)$"):
        of_command(FILE, dataset="mnist", title="MNIST")


def test_those_given_with_the_images_are_theirs():
    of_command(FILE, dataset="mnist", study="mnist", title="MNIST")
    of_command(FILE, seeds=5, study="more")
    of_command(FILE, dataset="digits")
    without = {key: value for key, value in DIGITS.items() if key != "study"}
    of_command(without, dataset="mnist")  # it is called after its data set


def test_every_file_counts_in_its_turn():
    mnist = {"dataset": "mnist", "study": "mnist", "title": "MNIST"}
    check_names(check_config({**FILE, **mnist}, SCHEMA), [FILE, mnist, {}])
    with pytest.raises(ConfigError, match=r"^study: found 'mnist', written for mnist, but this study is of digits"):
        check_names(check_config({**FILE, **mnist, "dataset": "digits"}, SCHEMA), [FILE, mnist, {"dataset": "digits"}])


def test_a_folder_may_be_said_to_lie_elsewhere_but_not_be_another(image_folder, tmp_path):
    folder = image_folder(tmp_path / "a", classes=CLASSES)
    file = {**FILE, "dataset": "folder", "folder": str(folder)}
    of_command(file, folder=str(shutil.copytree(folder, tmp_path / "b")))
    of_command({**file, "folder": "~/my-images-that-are-nowhere"}, folder=str(folder))
    with pytest.raises(
        ConfigError, match=r"^study: found 'digits', written for folder '.*', but this study is of folder '"
    ):
        of_command(file, folder=str(image_folder(tmp_path / "c", classes=("three", "four"))))
