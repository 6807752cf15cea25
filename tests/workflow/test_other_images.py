"""A finished study is safe from a config of other images, whatever it is called, before anything is touched."""

import shutil

import pytest
import yaml
from studies import TINY, Workflow, error_line, jobs_of

OF_IMAGES = ("results", "reports", ".snakemake/metadata")


@pytest.fixture
def study(workflow) -> Workflow:
    """What the first job of a study of digits left, made by real Snakemake."""
    result = workflow.run("--cores", "1", "results/tiny/images.json", config={**TINY, "title": "Digits"})
    assert result.returncode == 0, result.stderr
    return workflow


def test_other_images_under_a_studys_name_stop_at_once_with_the_key_to_change(study, image_folder):
    before = files(study)
    folder, own = image_folder(train=8), ["--config", "study=pictures", "title=Pictures"]
    config = {**TINY, "title": "Digits"}
    file = ["--configfile", "config/config.yaml", "--config"]
    for arguments in (["-n"], ["-n", "report"], ["--cores", "1"]):
        line = error_line(study.ask(*arguments, *file, "dataset=folder", f"folder={folder}", config=config))
        assert line == (
            "error: config: study: results/tiny holds a study of digits (1,797 images), this config is of folder"
            f" '{folder}'; give it a name and a title of its own (--config study=… title=…), or delete results/tiny"
        )
    line = error_line(study.ask("-n", *file, "dataset=folder", f"folder={folder}", "study=pictures"))
    assert line.startswith("error: config: title: found 'Digits', written for digits, but this study is of folder '")
    assert study.ask("-n", *file[:2], *own, "dataset=folder", f"folder={folder}").returncode == 0
    line = error_line(study.ask("-n", config={**config, "dataset": "mnist"}))
    assert "results/tiny holds a study of digits (1,797 images), this config is of mnist; " in line
    assert files(study) == before
    assert study.ask("-n", config=config).returncode == 0


def test_a_folder_that_moved_and_grew_goes_on(workflow, image_folder, tmp_path):
    folder = image_folder(tmp_path / "a", classes=("zero", "one"), train=8)
    config = {**TINY, "dataset": "folder", "folder": str(folder), "image_size": 8}
    result = workflow.run("--cores", "1", "results/tiny/images.json", config=config)
    assert result.returncode == 0, result.stderr
    image_folder(folder, classes=("two",), train=20, test=0, unlabelled=0)
    folder = folder.rename(tmp_path / "b")
    jobs = workflow.planned(config={**config, "folder": str(folder)})
    assert jobs["images"] == 1
    other = image_folder(tmp_path / "c", classes=("seven", "eight"), train=9)
    line = error_line(workflow.ask("-n", config={**config, "folder": str(other)}))
    assert line.startswith("error: config: study: results/tiny holds a study of folder (")
    assert f"this config is of other images: folder '{other}'; " in line
    shutil.rmtree(workflow.folder / "results/tiny")
    assert workflow.ask("-n", config={**config, "folder": str(other)}).returncode == 0


def test_a_folder_alone_has_its_own_name_and_settings_and_keys_beside_it_win(study, image_folder, tmp_path):
    folder, before = image_folder(tmp_path / "My pets", train=20), files(study)
    plain = study.ask("-n", "--config", f"folder={folder}")
    assert plain.returncode == 0, plain.stderr
    text = plain.stdout + plain.stderr
    assert "report on My-pets" in text and "tiny" not in text
    assert jobs_of(text)["split"] == 5  # folder.yaml's seeds, not the one of the digits here
    few = study.ask(
        "-n", "--config", f"folder={folder}", "seeds=2", "study=pets", "unlabelled=[0.5]", "encoders=[conv]"
    )
    assert jobs_of(few.stdout + few.stderr)["split"] == 2
    assert "report on pets" in few.stdout + few.stderr and "u 0.3" not in few.stdout + few.stderr
    assert files(study) == before


def test_a_folder_alone_never_replaces_a_study_of_its_name(study, image_folder, tmp_path):
    before = files(study)
    line = error_line(study.ask("-n", "--config", f"folder={image_folder(tmp_path / 'tiny', train=8)}"))
    assert line.startswith(
        "error: config: study: results/tiny holds a study of digits (1,797 images), this config is of"
    )
    assert "; give it a name and a title of its own (--config study=… title=…)" in line
    assert files(study) == before


def test_a_config_of_other_pictures_is_not_run_for_a_folder_by_mistake(study, image_folder, tmp_path):
    own, other = (
        image_folder(tmp_path / "pets", train=8),
        image_folder(tmp_path / "c", classes=("seven", "two"), train=9),
    )
    config = {**TINY, "study": "pets", "title": "Pets", "dataset": "folder", "folder": str(own)}
    (study.folder / "config/pets.yaml").write_text(yaml.safe_dump(config))
    run = ["-n", "--configfile", "config/pets.yaml", "--config", f"folder={other}"]
    assert error_line(study.ask(*run)).startswith("error: config: study: found 'pets', written for folder '")
    assert error_line(study.ask(*run, "study=c")).startswith("error: config: title: found 'Pets', written for folder '")
    assert study.ask(*run, "study=c", "title=C").returncode == 0


def test_a_config_file_of_its_own_is_no_override(study, image_folder):
    own = {**TINY, "study": "pictures", "title": "Pictures", "dataset": "folder", "folder": str(image_folder(train=8))}
    (study.folder / "config/own.yaml").write_text(yaml.safe_dump(own))
    assert study.ask("-n", "--configfile", "config/own.yaml").returncode == 0


def files(study: Workflow) -> dict:
    places = [path for name in OF_IMAGES for path in (study.folder / name).rglob("*") if path.is_file()]
    return {path: path.stat().st_mtime_ns for path in places}
