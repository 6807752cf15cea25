"""`sslfast init`: what it says of folders as people have them, the config that it writes, and that it harms nothing."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pictures
import pytest
import yaml
from builders import SCHEMA
from studies import ROOT, Workflow, jobs_of

from sslfast.__main__ import main
from sslfast.planning.speeds import Speed, Speeds
from sslfast.proposal import fitting
from sslfast.study.config import check_config


@dataclass
class Said:
    """What a call said, and the config that it wrote."""

    code: int
    out: str
    err: str
    path: Path

    @property
    def config(self) -> dict:
        return yaml.safe_load(self.path.read_text(encoding="utf-8"))

    @property
    def error(self) -> str:
        """The one line with which it failed."""
        assert (self.code, self.out, self.err.count("\n")) == (1, "", 1), self.err
        return self.err.strip()


@pytest.fixture
def here(tmp_path, monkeypatch) -> Workflow:
    """A copy of the workflow, which the test stands in."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Workflow(tmp_path / "here")


@pytest.fixture
def init(here, monkeypatch, capsys) -> Callable[..., Said]:
    """Calls it on a machine of known speed."""
    monkeypatch.setattr(fitting, "speeds_here", speeds)

    def call(folder: str | Path, *arguments: str) -> Said:
        code = main(["init", str(folder), *arguments])
        written = re.search(r"--configfile (\S+)$", captured := (said := capsys.readouterr()).out, re.MULTILINE)
        return Said(code, captured, said.err, here.folder / written[1] if written else Path())

    return call


def speeds(study, kinds, side_by_side) -> Speeds:
    """Of a machine that trains with 2,000 images of 64 × 64 pixels a second, half as many with conv."""
    each = (2 if study.encoders == ("conv",) else 1) * (study.image_size / 64) ** 2 / 2000
    speed = Speed(once=0.3, trained=each, encoded=each / 3, valid=each / 3, tested=each / 3, epoch=0.02)
    return Speeds(side_by_side, 1.0, kinds=dict.fromkeys(kinds, speed), views=dict.fromkeys(study.encoders, 8))


# ── folders as people have them ─────────────────────────────────────────────────────────────────


def test_digits_as_png_files(init, image_folder, tmp_path):
    folder = image_folder(tmp_path / "My digits", train={"zero": 120, "one": 60, "two": 60}, test=20, unlabelled=50)
    said = init(folder)
    assert (said.code, said.err) == (0, "")
    assert "found 300 images of 3 classes (240 training, 60 test)" in said.out
    assert "looked at all 350 files: PNG 350; shorter side 8 pixels; grey\n" in said.out
    assert said.path == Path.cwd() / "config/My-digits.yaml"
    assert said.config == {
        "study": "My-digits", "title": "My digits", "dataset": "folder", "folder": str(folder),
        "image_size": 8, "channels": 1, "unlabelled": [0, 0.3, 1], "labelled": [0.1, 0.3, 1], "seeds": 5,
        "encoders": ["conv"], "augment": {"flip_horizontal": 0, "flip_vertical": 0, "noise": 0.1},
    }  # fmt: skip
    text = said.path.read_text(encoding="utf-8")
    assert "# 80 and 266 images to pre-train on; 0 is the control" in text
    assert "of the rarest class, one, about 5, 16 and 54" in text
    assert "a mirrored 2 is no 2" in text


def test_a_kaggle_folder_with_a_table_of_labels(init, digit_images, tmp_path):
    said = init(pictures.kaggle(tmp_path / "pets", digit_images))
    assert "found 40 images of 2 classes (40 training)" in said.out
    assert "classes are those of labels.csv (columns id and breed), for 40 images" in said.out
    assert "and 20 unlabelled images" in said.out
    assert (said.config["labels"], said.config["test_fraction"]) == ("labels.csv", 0.4)
    assert said.config["augment"]["flip_horizontal"] == 0.5 and said.config["augment"]["flip_vertical"] == 0


def test_a_messy_folder_of_a_phone(init, digit_images, tmp_path):
    said = init(pictures.phone(tmp_path / "pets", digit_images))
    assert "cat: 15 training" in said.out and "dog: 16 training" in said.out
    for line in (
        "  looked at all 60 files: JPEG 55, AVIF 4; shorter side 96 pixels; in colour",
        "  not square: 100 % of these, mostly 1.3 times as long as wide",
        "  left out: 1 files that are no images (cat/VID_0001.mov)",
        "  warning: 1 of these cannot be read (dog/IMG_7777.JPG: it is an HTML page)",
        "  warning: 1 image is in two classes, as cat/IMG_0001.JPG = dog/IMG_9999.JPG: keep it in one",
        "  warning: 1 image is there twice or more, as cat/IMG_0000 (1).JPG = cat/IMG_0000.JPG: test and training may"
        " share them; keep one of each",
        "  copies: 1 image is labelled and unlabelled, as dog/IMG_0000.JPG = unlabelled/again.jpg: the unlabelled ones"
        " will be left out",
    ):
        assert f"{line}\n" in said.out
    assert [said.config[key] for key in ("image_size", "channels", "fit", "on_bad_image")] == [64, 3, "crop", "skip"]


def test_medical_images_of_16_bits(init, digit_images, tmp_path):
    said = init(pictures.medical(tmp_path / "scans", digit_images))
    assert "looked at all 42 files: PNG 42; shorter side 48 pixels; grey, 16 bits" in said.out
    assert "classes are uneven: normal has 4 times as many training images as lesion (24 and 6)" in said.out
    assert (said.config["image_size"], said.config["channels"]) == (48, 1)
    assert "fit" not in said.config and "test_fraction" not in said.config


def test_long_images_are_padded(init, image_folder):
    folder = image_folder(train=8)
    for path in folder.glob("train/*/*.png"):
        with pictures.Image.open(path) as image:
            image.resize((200, 40)).save(path)
    assert init(folder).config["fit"] == "pad"


@pytest.mark.parametrize("where", ["", "train", "unlabelled"])
def test_without_a_class_it_says_what_is_missing_and_writes_nothing(init, digit_images, tmp_path, where):
    folder = tmp_path / "scans"
    pictures.unlabelled_only(folder / where, digit_images)
    said = init(folder)
    assert (said.code, said.err) == (1, "")
    assert said.out.startswith(f"Found 12 images in {folder}, and no classes. A study needs a few labels")
    assert f"  {folder}/train/<class>/…\n  {folder}/unlabelled/…\n" in said.out
    assert "  image,class\n" in said.out
    assert sorted(os.listdir("config")) == sorted(os.listdir(ROOT / "config"))


@pytest.mark.parametrize(
    ("classes", "flip"), [(("eye left", "eye right", "none"), 0), (("bright", "leftover"), 0.5), (("a", "b", "c"), 0)]
)
def test_names_that_a_mirror_would_make_wrong_switch_it_off(init, image_folder, tmp_path, classes, flip):
    folder = image_folder(classes=("zero", "one", "two")[: len(classes)], train=8, test=0)
    for old, new in zip(("zero", "one", "two"), classes, strict=False):
        (folder / "train" / old).rename(folder / "train" / new)
    assert init(folder).config["augment"]["flip_horizontal"] == flip


# ── the config that it writes ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("make", [pictures.kaggle, pictures.phone, pictures.medical])
def test_the_command_that_it_prints_runs_the_study(here, init, digit_images, tmp_path, make):
    said = init(make(tmp_path / "Meine Bilder, %s", digit_images))
    check_config(said.config, SCHEMA)
    command = shlex.split(said.out.strip().splitlines()[-1])
    assert command == ["snakemake", "--cores", "all", "--configfile", "config/Meine-Bilder-s.yaml"]
    planned = here.ask("-n", *command[3:])
    assert planned.returncode == 0, planned.stderr
    jobs = jobs_of(planned.stdout + planned.stderr)
    assert jobs["split"] == 5 and jobs["supervised"] >= 10


def test_what_one_chooses_wins_and_is_not_given_up_for_time(init, image_folder):
    said = init(
        image_folder(train=30), "image_size=40", "seeds=7", "encoders=[resnet18]", "labelled=[0.5]", "--time", "10min"
    )
    chosen = {key: said.config[key] for key in ("image_size", "seeds", "encoders", "labelled")}
    assert chosen == {"image_size": 40, "seeds": 7, "encoders": ["resnet18"], "labelled": [0.5]}
    assert "as you chose" in said.out


def test_a_shorter_time_gives_a_smaller_study_with_the_reason(init, digit_images, tmp_path):
    folder = pictures.phone(tmp_path / "pets", digit_images)
    day, hour = init(folder, "--time", "1d"), init(folder, "--time", "20 min", "--output", "config/short.yaml")
    assert (day.config["image_size"], day.config["encoders"]) == (64, ["conv"])
    assert hour.config["image_size"] < 64
    assert "# 64 did not fit into 20 min here" in hour.out
    least = init(folder, "--time", "1s", "--output", "config/least.yaml")
    assert least.config["classify"] == {"updates": "0.25x"} and least.config["seeds"] == 3
    assert "No study that can tell anything fits into 1 s: this is the smallest." in least.out


# ── what it harms: nothing ──────────────────────────────────────────────────────────────────────


def test_it_never_overwrites(init, image_folder):
    folder = image_folder(train=8)
    said = init(folder)
    said.path.write_text("mine")
    assert init(folder).error == (
        "error: config/images.yaml is there already, and is not overwritten; run it (snakemake --cores all --configfile"
        " config/images.yaml), give the new one another name (--output config/….yaml), or delete it"
    )
    assert said.path.read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--time", "soon"], "--time: found 'soon', expected a time as 40min, 2h or 1d"),
        (["--time", "0h"], "--time: found '0h', expected a time as 40min, 2h or 1d"),
        (["seeds"], "found 'seeds', expected key=value, as seeds=3"),
        (["seeds=[1"], "seeds: found '[1', which is no value of YAML"),
        (["pool=rest"], "pool: given, but init knows one folder's images alone; leave it out, or add it later"),
        (["test_fraction=half"], "test_fraction: found 'half', expected a number"),
        (["seed=3"], "seed: unknown key; did you mean seeds?"),
        (
            ["image_column=x"],
            "image_column: given, but no labels; say which table has this column (labels: labels.csv)",
        ),
    ],
)
def test_a_wrong_argument_is_one_line(init, image_folder, arguments, line, capsys):
    said = init(image_folder(train=8), *arguments)
    assert said.code == 1 and said.err == f"error: {line}\n"
    assert not Path("config/images.yaml").exists()


def test_what_is_no_folder_of_images_is_one_line(init, tmp_path, image_folder):
    assert init(tmp_path / "none").error.endswith("none, expected a folder of images")
    (tmp_path / "empty").mkdir()
    assert init(tmp_path / "empty").error.startswith("error: folder: found no images in class folders under ")
    one = image_folder(tmp_path / "one", classes=("zero",))
    assert "found one class only (zero)" in init(one).error


def test_a_folder_of_which_much_cannot_be_read_is_one_line_with_the_reason(init, image_folder):
    folder = image_folder(train=8, test=0, unlabelled=0)
    for i in range(3):
        (folder / f"train/zero/IMG_{i}.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    line = init(folder).error
    assert line.startswith("error: folder: 3 of 27 images looked at cannot be read (train/zero/IMG_0.heic: ")
    assert line.endswith("; mend that first, as a study would leave them all out")


def test_two_tables_with_classes_are_not_guessed_between(init, digit_images, tmp_path):
    folder = pictures.kaggle(tmp_path / "pets", digit_images)
    shutil.copy(folder / "labels.csv", folder / "breeds.csv")
    assert init(folder).error == (
        "error: labels: breeds.csv and labels.csv both have classes of these images; say which: labels=breeds.csv"
    )
    assert init(folder, "labels=labels.csv").config["labels"] == "labels.csv"


def test_a_name_whose_results_are_of_other_images_is_one_line(init, image_folder, here, tmp_path):
    results = here.folder / "results/pets"
    results.mkdir(parents=True)
    (results / "images.json").write_text(
        '{"name": "digits", "n_labelled": 5, "n_unlabelled_only": 0, "n_test": 5, "notes": {}, "classes": []}'
    )
    said = init(image_folder(tmp_path / "pets", train=8))
    assert said.code == 1 and "study: results/pets holds a study of digits (10 images)" in said.err
    assert not Path("config/pets.yaml").exists()
    assert init(tmp_path / "pets", "study=mine").path.name == "mine.yaml"


# ── where it is called from ─────────────────────────────────────────────────────────────────────


def test_elsewhere_the_command_names_the_workflow(init, image_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = init(image_folder(train=8))
    assert (tmp_path / "config/images.yaml").exists()
    assert f"snakemake --cores all --snakefile {ROOT}/Snakefile --configfile config/images.yaml" in said.out


def test_the_package_alone_says_that_it_needs_the_repository(image_folder, tmp_path):
    shutil.copytree(ROOT / "sslfast", tmp_path / "site/sslfast")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-m", "sslfast", "init", str(image_folder(train=8))]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == (
        f"error: found no workflow in {tmp_path} (Snakefile and workflow/), which runs studies and is not in the"
        " package; run this in a copy of sslfast's repository\n"
    )


def test_the_console_script_is_this_command():
    script = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["sslfast"]
    module, _, name = script.partition(":")
    assert getattr(import_module(module), name) is main


def test_help_needs_none_of_the_heavy_imports():
    code = (
        "import sys; from sslfast.__main__ import main\n"
        "try: main(['init', '--help'])\n"
        "except SystemExit: print({'torch', 'fastai', 'numpy', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: sslfast init FOLDER [KEY=VALUE ...]") and done.stdout.endswith("set()\n")
