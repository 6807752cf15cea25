"""The report's first screen says what a study is made of, and shows the person's own images as networks see them."""

import json
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
import torch
from builders import examples_of, grid, realistic, tables
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from grids import checked
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import font_manager
from PIL import Image

from sslfast import load_dataset, make_split
from sslfast.analysis.image_summary import read_summary
from sslfast.data.augment import Augment
from sslfast.data.splits import split_off
from sslfast.errors import ResultsError
from sslfast.report.drawing.letters import Letters
from sslfast.report.drawing.pictures import GAP, sheet
from sslfast.report.figures import images_as_seen
from sslfast.report.made_of import made_of
from sslfast.report.page import write_report
from sslfast.stages.examples import SHOWN_SIDE, as_seen
from sslfast.study.examples import Examples, Seen
from sslfast.study.fractions import set_aside

STUDY = checked(title="Photographs")
SMALL = {"us": ["0", "1"], "ls": ["0.5"]}


def photographs(root, classes, *, n=6, size=(48, 32), parts=("train",), unlabelled=0):
    """Coloured noise, no two images alike."""
    rng = np.random.default_rng(0)
    folders = [root / part / name for part in parts for name in classes for _ in range(n)]
    for i, folder in enumerate([*folders, *[root / "unlabelled"] * unlabelled]):
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return root


def loaded(root, **options):
    return load_dataset("folder", folder=root, data_root=root.parent / "data", **options)


def reported(folder, images=None, examples=None):
    cells, history = tables(grid(realistic, **SMALL))
    write_report(cells, history, STUDY, folder, images, examples)
    return unescape((folder / "report.html").read_text(encoding="utf-8"))


# ── what it is made of ──────────────────────────────────────────────────────────────────────────


def test_the_page_says_what_was_found_and_how_networks_see_it_before_any_result(tmp_path, draw_only):
    draw_only()
    root = photographs(tmp_path / "i", ["cat", "dog"], parts=("train", "val", "test"), unlabelled=5)
    (root / "train/notes.txt").write_text("a good one")
    page = reported(tmp_path / "report", loaded(root, image_size=16, fit="pad").summary())
    first = page[: page.index("labels</th>")]
    assert "36 images of 2 classes (12 training, 12 validation, 12 test) and 5 unlabelled images" in first
    assert "seen as 16 × 16 pixels in colour; those that are not square stand between black bars (fit: pad)" in first
    assert "cat: 6 training, 6 validation, 6 test; dog: 6 training" in first
    assert "left out: 1 files that are no images (train/notes.txt)" in first


def test_the_range_of_grey_is_told(tmp_path, draw_only):
    draw_only()
    for name in ("a", "b"):
        (tmp_path / "i" / name).mkdir(parents=True)
        for i in range(4):
            pixels = np.random.default_rng(i).integers(1000, 2000, (16, 16)).astype(np.uint16)
            Image.fromarray(pixels + (name == "b")).save(tmp_path / "i" / name / f"{i}.png")
    data = loaded(tmp_path / "i", image_size=16, channels=1)
    low, high = data.notes["grey_range"]
    page = reported(tmp_path / "report", data.summary())
    line = f"grey of more than 8 bits: values from {low:g} (black) to {high:g} (white), for all images alike"
    assert page.count(line) == 2  # there, and among what it takes to trust it
    assert "seen as 16 × 16 pixels in grey" in page


def test_a_data_set_that_is_no_folder_has_no_fit_and_nothing_left_out(digits):
    found = made_of(digits.summary())
    assert found.first == "1,797 images of 10 classes (1,438 training, 359 test), seen as 8 × 8 pixels in grey"
    assert found.others == []


def test_validation_images_are_counted_where_they_are_given_and_where_they_are_split_off(tmp_path, digits, draw_only):
    draw_only()
    root = photographs(tmp_path / "i", ["cat", "dog"], parts=("train", "val", "test"))
    assert "12 of validation images" in reported(tmp_path / "given", loaded(root).summary())
    n_split_off = len(make_split(digits, 0, 0.1).valid)
    assert f"{n_split_off} of validation images" in reported(tmp_path / "split", digits.summary())


@given(st.lists(st.integers(2, 50), min_size=1, max_size=5), st.floats(0.01, 0.99))
def test_as_many_are_set_aside_as_a_split_sets_aside(counts, fraction):
    y = np.repeat(np.arange(len(counts)), counts)
    assert len(split_off(y, fraction, 0)) == sum(set_aside(n, fraction) for n in counts)


def test_images_of_one_colour_are_warned_of(tmp_path, draw_only):
    draw_only()
    root = photographs(tmp_path / "i", ["cat", "dog"])
    Image.new("RGB", (40, 40)).save(root / "train/cat/black.png")
    data = loaded(root)
    assert data.notes["warnings"] == ["1 image (cat/black.png) is of one colour all over"]
    assert "warning: 1 image (cat/black.png) is of one colour all over" in reported(tmp_path / "report", data.summary())


@pytest.mark.parametrize("wrong", [{"train": [1], "valid": [0, 0], "test": [1, 1]}, {"train": [1, 1]}, [1]])
def test_counts_that_are_none_are_one_line(tmp_path, wrong):
    path = tmp_path / "images.json"
    whole = {"fingerprint": "f", "n_labelled": 2, "n_unlabelled_only": 0, "classes": ["a", "b"], "image_size": 8}
    path.write_text(json.dumps({**whole, "channels": 1, "notes": {}, "by_class": wrong}))
    with pytest.raises(ResultsError, match="not what the study noted of its images"):
        read_summary(path)


@pytest.mark.parametrize("size", [[], [8], [8, 9, 10], [8, "9"], 4, True])
def test_a_size_of_images_that_is_none_is_one_line(tmp_path, size):
    path = tmp_path / "images.json"
    whole = {"fingerprint": "f", "n_labelled": 2, "n_unlabelled_only": 0, "classes": ["a", "b"], "channels": 1}
    path.write_text(json.dumps({**whole, "notes": {}, "image_size": size}))
    with pytest.raises(ResultsError, match=r"not what the study noted of its images .*image_size"):
        read_summary(path)


# ── images as networks see them ─────────────────────────────────────────────────────────────────


def test_every_class_is_shown_plain_and_as_training_augments_it(tmp_path):
    data = loaded(photographs(tmp_path / "i", ["a", "b", "c"], n=8, unlabelled=6), image_size=16)
    split = make_split(data, 0)
    seen = as_seen(data, split, Augment(flip_horizontal=1))
    assert seen.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [-1] * 4
    assert seen.side == 16
    pixels = {image.tobytes(): int(y) for image, y in zip(data.train.pixels(), data.train.y, strict=True)}
    assert [pixels[image.tobytes()] for image in seen.images[0]] == seen.labels.tolist()
    for changed in seen.images[1:]:
        assert abs(changed.astype(int) - seen.images[0][:, :, ::-1]).max() <= 1, "mirrored, and no more"
    valid = {image.tobytes() for image in data.train.pixels(split.valid)}
    assert not valid & {image.tobytes() for image in seen.images[0]}


def test_without_augmentation_images_are_shown_once(digits):
    assert len(as_seen(digits, make_split(digits, 0), Augment()).images) == 1
    assert len(as_seen(digits, make_split(digits, 0), Augment(noise=0.1)).images) == 3


def test_of_many_classes_the_first_and_the_extremes_are_shown_and_large_images_are_made_smaller(tmp_path):
    root = photographs(tmp_path / "i", [f"c{i:02}" for i in range(30)], n=3)
    for i in range(2):
        photographs(tmp_path / "more", ["x"], n=2 + i)
        for number, path in enumerate((tmp_path / "more").rglob("*.png")):
            path.rename(root / f"train/c{20 + i}/more{number}.png")
    data = loaded(root, image_size=150)
    seen = as_seen(data, make_split(data, 0), Augment(noise=0.1))
    assert len(seen.labels) == 12
    assert {0, 1, 2, 3, 20, 21} <= set(seen.labels.tolist())
    assert seen.images.shape[2] == 50 <= SHOWN_SIDE
    assert seen.side == 150


def test_what_is_shown_changes_no_result(digits):
    torch.manual_seed(3)
    first = torch.rand(3)
    torch.manual_seed(3)
    seen = [as_seen(digits, make_split(digits, 0), Augment(0.5, 0.5, 0.1)) for _ in range(2)]
    assert torch.equal(torch.rand(3), first), "nor is a number drawn that others would have drawn"
    assert np.array_equal(seen[0].images, seen[1].images)


@pytest.mark.parametrize(("size", "shown"), [(8, 8), (128, 128), (129, 65), (512, 128)])
@pytest.mark.parametrize("channels", [1, 3])
def test_sheets_show_large_images_smaller(size, shown, channels):
    image = np.full((1, size, size, channels), 7, np.uint8)
    drawn, (down, across) = sheet([image, image])
    assert (down - GAP, across - GAP, drawn.shape) == (shown, shown, (2 * shown + GAP, shown, 3))
    assert (drawn[:shown] == 7).all()


def test_a_page_of_large_images_of_many_classes_stays_light(tmp_path, draw_only):
    draw_only("images_as_seen")
    noise = np.random.default_rng(0).integers(0, 256, (3, 12, SHOWN_SIDE, SHOWN_SIDE, 3), np.uint8)
    classes = tuple(f"class {i}" for i in range(1000))
    seen = Seen(noise, np.arange(12), 512)
    nothing = Examples(classes, noise[0, :0], [], {}, [])
    with_images, without = (
        len(reported(tmp_path / name, examples=examples))
        for name, examples in (("a", replace(nothing, seen=seen)), ("b", nothing))
    )
    assert with_images - without < 2e6


def test_what_is_taken_for_what_takes_as_many_rows_as_there_are_test_images(tmp_path, draw_only):
    draw_only("confusion")
    n = 300
    confusion = [[int(column in (row, 0)) for column in range(n)] for row in range(n)]
    records = grid(realistic, **SMALL)
    examples = examples_of(records, np.zeros((4, 8, 8, 1), np.uint8), classes=[f"class {i}" for i in range(n)])
    outcomes = {name: replace(outcome, confusion=confusion) for name, outcome in examples.outcomes.items()}
    page = reported(tmp_path, examples=replace(examples, outcomes=outcomes))
    n_bytes = len(page.split('download="confusion.csv"')[0].rsplit('href="', 1)[1])
    assert n_bytes < 40 * 2 * (2 * n)


# ── names in any script ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
def font_of_cats(tmp_path, monkeypatch):
    """The file of a font that has 猫 and no other letter; matplotlib knows its own fonts alone for this test."""
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for point in ((100, 700), (800, 700), (800, 0)):
        pen.lineTo(point)
    pen.closePath()
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", "cat"])
    builder.setupCharacterMap({ord("猫"): "cat"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "cat": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (900, 0), "cat": (900, 100)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Cats Only", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "cats.ttf")
    own = [font for font in font_manager.fontManager.ttflist if "matplotlib" in font.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])
    yield str(tmp_path / "cats.ttf")
    font_manager.fontManager._findfont_cached.cache_clear()


def test_names_that_matplotlib_can_write_look_for_no_font(monkeypatch):
    monkeypatch.setattr("sslfast.report.drawing.letters._others", lambda: pytest.fail("looked for fonts"))
    found = Letters.of(["Süß", "naïve", "β-VAE", "a b\u00a0c", "кот"])
    assert (found.fonts, found.lacking, found.said()) == ((), frozenset(), {})


@pytest.mark.parametrize("known", [True, False], ids=["known", "installed since matplotlib made its list"])
def test_a_font_of_the_machine_is_used_where_it_has_the_letters(known, font_of_cats, monkeypatch, recwarn):
    assert Letters.of(["dog", "猫"]).lacking == {"猫"}
    if known:
        font_manager.fontManager.addfont(font_of_cats)
    else:
        monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [font_of_cats, "/no/such/font.ttf"])
    found = Letters.of(["dog", "猫"])
    assert (found.fonts, found.lacking, found.said()) == (("Cats Only",), frozenset(), {})
    pixels = np.random.default_rng(0).integers(0, 256, (1, 2, 8, 8, 1), np.uint8)
    examples = Examples(("dog", "猫"), pixels[0], [], {}, [], Seen(pixels, np.arange(2), 8))
    with found.drawn():
        images_as_seen.draw(examples).savefig("/dev/null", format="png")
    assert not [w for w in recwarn if "missing from" in str(w.message)]


def test_names_that_no_font_has_are_numbers_in_pictures_and_that_is_said_once(tmp_path, monkeypatch, draw_only):
    draw_only(*(names := ("images_as_seen", "confusion", "mistakes")))
    monkeypatch.setattr("sslfast.report.drawing.letters._others", list)
    records = grid(realistic, **SMALL)
    digits = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), np.uint8)
    examples = examples_of(records, digits, classes=("dog", "\U0001f63f猫"))
    page = reported(tmp_path, examples=examples)
    assert page.count("in pictures (PNG) class 2 is \U0001f63f猫: no font here has their letters; install one") == 1
    drawing = (tmp_path / "figures/images_as_seen.svg").read_text(encoding="utf-8")
    assert "猫" in drawing and "class 2" not in drawing, "a browser may have the font"
    numbered = replace(examples, classes=("dog", "class 2"))
    page = reported(tmp_path / "numbered", examples=numbered)
    for name in names:
        pictures = [(folder / f"figures/{name}.png").read_bytes() for folder in (tmp_path, tmp_path / "numbered")]
        assert pictures[0] == pictures[1], name
