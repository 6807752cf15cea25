"""Folders as people have them: each kind of layout, table, litter and link is read, or is one line that says why."""

import itertools
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from grids import checked
from hostile import is_one_line
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sslfast import load_dataset, make_split
from sslfast.data.found import found_lines, rare_lines
from sslfast.data.layout import part_of
from sslfast.data.listing import Listing, listing_of, scan
from sslfast.errors import DataError

_fresh = itertools.count(1)


def put(root: Path, *paths: str, n: int = 4) -> Path:
    """`n` images, no two alike, in each of the folders `paths` below `root`."""
    for path in paths:
        folder = root / path
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(n):
            pixels = np.random.default_rng(next(_fresh)).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{len(os.listdir(folder)) + i:03}.png")
    return root


def counts(listing: Listing) -> dict[str, dict[str, int] | int]:
    """Numbers of images by part and class, parts without any left out."""
    groups = {"train": listing.train, "valid": listing.valid, "test": listing.test}
    found = {part: {name: len(files) for name, files in of} for part, of in groups.items() if of}
    return {**found, **({"unlabelled": len(listing.unlabelled)} if listing.unlabelled else {})}


def refusal(root: Path, **options) -> str:
    with pytest.raises(DataError) as caught:
        scan(root, **options)
    assert is_one_line(caught.value)
    return str(caught.value)


def left_out(listing: Listing) -> dict[str, int]:
    return {entry["what"]: entry["n"] for entry in listing.notes["left_out"]}


BOTH = {"a": 4, "b": 4}

# ── layouts ─────────────────────────────────────────────────────────────────────────────────────

SPELLINGS = {
    "train": ["train", "Training", "TRAIN", "training_set", "train-images", "trainset", "Train Data", "train2017"],
    "test": ["test", "Testing", "TEST", "test_set", "test1", "testImages"],
    "valid": ["valid", "validation", "Val", "dev", "val_images", "Validation Set"],
    "unlabelled": ["unlabelled", "Unlabeled", "unsup", "extra", "un-labelled", "unlabeled_images", "unlabelled2"],
}


@pytest.mark.parametrize(("part", "name"), [(p, n) for p, names in SPELLINGS.items() for n in names])
def test_parts_are_known_in_any_usual_spelling(part, name):
    assert part_of(name) == part


@pytest.mark.parametrize("name", ["cat", "bullet train", "test tube", "train_station", "device", "valley", "1"])
def test_classes_are_not_taken_for_parts(name):
    assert part_of(name) is None


@given(**{part: st.sampled_from(names) for part, names in SPELLINGS.items()})
def test_all_parts_are_found_whatever_their_spelling(tmp_path_factory, train, test, valid, unlabelled):
    root = tmp_path_factory.mktemp("images")
    put(root, f"{train}/a", f"{train}/b", n=2)
    put(root, f"{test}/a", f"{valid}/b", f"{unlabelled}/deep/er", n=1)
    expected = {"train": {"a": 2, "b": 2}, "valid": {"b": 1}, "test": {"a": 1}, "unlabelled": 1}
    assert counts(scan(root)) == expected


def test_folders_within_folders_of_the_same_name_are_parts_as_zip_files_leave_them(tmp_path):
    put(tmp_path, *(f"seg_{part}/seg_{part}/{c}" for part in ("train", "test") for c in "ab"))
    listing = scan(put(tmp_path, "seg_pred/seg_pred"))
    assert counts(listing) == {"train": BOTH, "test": BOTH}
    assert left_out(listing) == {"images in seg_pred/": 4}


@pytest.mark.parametrize("top", ["archive", "archive/pictures", "data/data"])
def test_one_folder_around_everything_is_looked_through(tmp_path, top):
    put(tmp_path, f"{top}/Train/a", f"{top}/Train/b", f"{top}/Test/a")
    assert counts(scan(tmp_path)) == {"train": BOTH, "test": {"a": 4}}
    put(tmp_path / "tree", f"{top}/a", f"{top}/b")
    assert counts(scan(tmp_path / "tree")) == {"train": BOTH}


def test_class_folders_may_have_folders(tmp_path):
    assert counts(scan(put(tmp_path, "a/2023", "a/2024/may", "b/2023"))) == {"train": {"a": 8, "b": 4}}


@pytest.mark.parametrize("name", SPELLINGS["unlabelled"])
@pytest.mark.parametrize("where", ["", "train/"], ids=["beside train", "in train"])
def test_unlabelled_images_are_no_class_wherever_they_lie(tmp_path, where, name):
    put(tmp_path, "train/a", "train/b", f"{where}{name}")
    assert counts(scan(tmp_path)) == {"train": BOTH, "unlabelled": 4}


def test_unlabelled_images_beside_class_folders_are_no_class(tmp_path):
    assert counts(scan(put(tmp_path, "a", "b", "unlabeled"))) == {"train": BOTH, "unlabelled": 4}


def test_several_folders_of_unlabelled_images_are_one_pool(tmp_path):
    put(tmp_path, "train/a", "train/b", "unlabelled", "unsup/x/y", "Extra", "train/unlabeled")
    assert counts(scan(tmp_path)) == {"train": BOTH, "unlabelled": 16}


def test_test_images_without_classes_are_unlabelled_and_that_is_said(tmp_path):
    for case in ("train/a", "train/b", "test"), ("train/a", "train/b", "test/images"), ("a", "b", "test"):
        listing = scan(put(tmp_path / str(next(_fresh)), *case))
        assert counts(listing) == {"train": BOTH, "unlabelled": 4}
        assert "images in test/ have no classes, and are used as unlabelled ones" in found_lines(listing.summary())


def test_validation_images_are_the_validation_where_there_is_a_test_and_for_every_seed(tmp_path):
    put(tmp_path / "i", *(f"{part}/{c}" for part in ("train", "val", "test") for c in "ab"), "unlabelled")
    assert counts(scan(tmp_path / "i")) == {"train": BOTH, "valid": BOTH, "test": BOTH, "unlabelled": 4}
    data = load_dataset("folder", folder=tmp_path / "i", image_size=8, data_root=tmp_path / "data")
    given = {Image.open(path).tobytes() for path in (tmp_path / "i/val").rglob("*.png")}
    for seed in (0, 1):
        split = make_split(data, seed)
        assert {data.train.pixels()[i].tobytes() for i in split.valid} == given
        assert (len(split.labelled(1)), len(split.unlabelled(1))) == (8, 12)
        assert not {data.train.pixels()[i].tobytes() for i in split.unlabelled(1)} & given
    assert data.summary()["by_class"] == {"train": [4, 4], "valid": [4, 4], "test": [4, 4]}


def test_validation_images_stay_so_with_unlabelled_images_from_elsewhere(tmp_path):
    put(tmp_path / "i", *(f"{part}/{c}" for part in ("train", "val", "test") for c in "ab"), "unlabelled")
    options = {"folder": tmp_path / "i", "image_size": 8, "data_root": tmp_path / "data"}
    own = load_dataset("folder", **options)
    joined = load_dataset("folder", **options, unlabelled_from=put(tmp_path / "more", "x", n=5))
    one, other = ([data.train.pixels()[i].tobytes() for i in make_split(data, 0).valid] for data in (own, joined))
    assert one == other
    assert len(make_split(joined, 0).unlabelled(1)) == 5


def test_validation_images_are_the_test_where_there_is_no_other_and_that_is_said(tmp_path):
    for number, name in enumerate(("val", "validation", "dev")):
        listing = scan(put(tmp_path / str(number), "training/a", "training/b", f"{name}/a", f"{name}/b"))
        assert counts(listing) == {"train": BOTH, "test": BOTH}
        said = f"{name}/ is used to test, as there is no test/ with classes"
        assert said in found_lines(listing.summary())


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["train/a", "train/b", "Training/a", "Training/b"], "Training/ and train/ in .* both look like the training"),
        (["train/a", "train/b", "test/a", "tests/b"], "test/ and tests/ in .* both look like the test images"),
        (
            ["plane", "car", "train/steam", "train/electric"],
            "train/ in .* looks like the training images, but car/, pl",
        ),
        (["plane", "car", "train"], "train/ in .* looks like the training images, but car/, pl"),
        (["train"], "which holds 4 without; expected <class>/<image>, or name a table"),
        (["test/a", "test/b"], "has test/ but no train/"),
        (["a", "b", "val/a"], r"has val/ but no train/; .*\(if it is a class, give it another name\)"),
        (["train/a", "train/b", "val/c"], "val/c is a class that train/ does not have"),
        (["unlabelled"], "it has 4 unlabelled images only"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, list) else "",
)
def test_what_looks_like_a_split_and_is_none_is_one_line(tmp_path, paths, message):
    with pytest.raises(DataError, match=message):
        scan(put(tmp_path, *paths))


def test_an_empty_folder_beside_the_one_with_images_is_no_contradiction(tmp_path):
    put(tmp_path, "train/a", "train/b", "Test/a")
    (tmp_path / "testing").mkdir()
    assert counts(scan(tmp_path)) == {"train": BOTH, "test": {"a": 4}}


def test_one_name_in_two_forms_of_unicode_is_one_class(tmp_path):
    put(tmp_path, *(f"train/{unicodedata.normalize(form, 'café')}" for form in ("NFC", "NFD")), "train/b")
    put(tmp_path, f"test/{unicodedata.normalize('NFD', 'café')}")
    assert counts(scan(tmp_path)) == {"train": {"b": 4, "café": 8}, "test": {"café": 4}}


# ── tables ──────────────────────────────────────────────────────────────────────────────────────


def table(root: Path, rows: list[str], name: str = "labels.csv", **options) -> Path:
    (root / name).write_text("\n".join(rows) + "\n", **options)
    return root


def four(root: Path, folder: str = "images") -> Path:
    put(root, folder, n=0)
    for i in range(8):
        put(root, "new", n=1)
        (root / "new/000.png").rename(root / folder / f"p{i}.png")
    (root / "new").rmdir()
    return root


ROWS = {
    "names": ["file,label", *(f"p{i}.png,{'ab'[i % 2]}" for i in range(8))],
    "stems": ["id,breed", *(f"p{i},{'ab'[i % 2]}" for i in range(8))],
    "paths": ["path;species", *(f"images/p{i}.png;{'ab'[i % 2]}" for i in range(8))],
    "longer paths": ["path\tclass", *(f"/home/me/images/p{i}.png\t{'ab'[i % 2]}" for i in range(8))],
    "of Windows": ["path,class", *(f"images\\p{i}.png,{'ab'[i % 2]}" for i in range(8))],
    "no known column": ["what,kind of thing", *(f"p{i},{'ab'[i % 2]}" for i in range(8))],
    "more columns": ["age,id,sex,dx", *(f"{i + 20},p{i},{'mf'[i // 4]},{'ab'[i % 2]}" for i in range(8))],
    "number and name": ["id,class_id,class", *(f"p{i},{i % 2},{'ab'[i % 2]}" for i in range(8))],
    "0 and 1": ["image,a,b", *(f"p{i},{1 - i % 2}.0,{i % 2}.0" for i in range(8))],
}


@pytest.mark.parametrize("kind", ROWS)
def test_classes_come_from_a_table_whose_columns_are_found(tmp_path, kind):
    listing = scan(table(four(tmp_path), ROWS[kind]), labels="labels.csv")
    assert counts(listing) == {"train": BOTH}
    assert [Path(path).stem for path, _, _ in dict(listing.train)["a"]] == ["p0", "p2", "p4", "p6"]


def test_columns_of_a_table_may_be_named(tmp_path):
    table(four(tmp_path), ["id,one,two", *(f"p{i},{'xyx'[i % 3]},{'ab'[i % 2]}" for i in range(8))])
    assert "which column of labels.csv has the classes? Found id, one, two; name it (class_column" in refusal(
        tmp_path, labels="labels.csv"
    )
    study = checked(dataset="folder", folder=str(tmp_path), labels="labels.csv", class_column="two", image_column="id")
    assert counts(listing_of(study)) == {"train": BOTH}
    message = refusal(tmp_path, labels={"labels": "labels.csv", "class_column": "three"})
    assert message == "class_column: found 'three', expected a column of labels.csv (id, one, two)"


def test_a_table_may_say_the_parts_and_leaves_images_without_a_class_unlabelled(tmp_path):
    rows = [f"p{i},{'ab'[i % 2]},{'test' if i > 5 else 'train'}" for i in range(8)]
    put(four(tmp_path), "images", n=2)
    listing = scan(table(tmp_path, ["id,label,split", *rows, "p9,a,train"]), labels="labels.csv")
    assert counts(listing) == {"train": {"a": 3, "b": 3}, "test": {"a": 1, "b": 1}, "unlabelled": 2}
    assert left_out(listing)["rows of labels.csv"] == 1


def test_folders_say_the_parts_of_images_in_a_table(tmp_path):
    put(four(tmp_path, "train"), "test")
    listing = scan(table(tmp_path, ROWS["stems"], "train.csv"), labels="train.csv")
    assert counts(listing) == {"train": BOTH, "unlabelled": 4}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "nothing at"),
        (["id,label"], "has 1 rows, expected a header and one row per image"),
        (["id,label", "q1,a", "q2,b"], "no column of labels.csv (id, label) names images here"),
        (["id,label", "p1,a", "p1,b", "p2,b"], "labels.csv gives p1 two classes, 'a' and 'b'"),
        (["id,label", *(f"p{i},a" for i in range(8))], "found one class only (a)"),
        (["id,label", "p0,a", *(f"p{i},b" for i in range(1, 8))], "a has a single image, expected at least 3"),
    ],
    ids=lambda value: "" if isinstance(value, list) else value[:20],
)
def test_a_table_that_cannot_work_is_one_line(tmp_path, rows, message):
    four(tmp_path)
    if rows:
        table(tmp_path, rows)
    assert message in refusal(tmp_path, labels="labels.csv")


def test_an_image_that_a_table_may_mean_twice_is_named(tmp_path):
    put(tmp_path, "x", "y", n=1)
    table(tmp_path, ["id,label", "000,a"])
    assert "calls an image 000, which may be x/000.png or y/000.png" in refusal(tmp_path, labels="labels.csv")


def test_a_folder_without_classes_names_the_table_that_may_have_them(tmp_path):
    table(four(tmp_path), ROWS["names"])
    assert "found one class only (images)" in refusal(tmp_path)
    assert "if labels.csv has the classes, set labels: labels.csv" in refusal(tmp_path)


# ── litter, links, what is left out ─────────────────────────────────────────────────────────────

LITTER = ["__MACOSX", "lost+found", "$RECYCLE.BIN", "System Volume Information", "@eaDir", ".git", "__pycache__"]


@pytest.mark.parametrize("name", LITTER)
@pytest.mark.parametrize("where", ["", "train/", "train/a/", "test/", "unlabelled/"])
def test_litter_is_passed_over_wherever_it_lies(tmp_path, where, name):
    put(tmp_path, "train/a", "train/b", "test/a", "unlabelled", f"{where}{name}/{name}")
    listing = scan(tmp_path)
    assert counts(listing) == {"train": BOTH, "test": {"a": 4}, "unlabelled": 4}
    assert listing.notes["files_ignored"] == 0


@pytest.mark.parametrize("name", [*LITTER, "models", "logs", "runs"])
def test_folders_of_tools_without_images_are_no_classes(tmp_path, name):
    put(tmp_path, "a", "b")
    (tmp_path / name).mkdir()
    (tmp_path / name / "weights.pth").write_bytes(b"\0\1")
    assert counts(scan(tmp_path)) == {"train": BOTH}


def test_a_class_may_be_called_as_a_folder_of_a_tool(tmp_path):
    assert counts(scan(put(tmp_path, "models", "actors"))) == {"train": {"actors": 4, "models": 4}}


@pytest.mark.parametrize("what", ["an image", "a class", "train"])
def test_links_are_followed_for_who_says_so_and_the_refusal_names_the_key(tmp_path, what):
    pool = put(tmp_path / "pool", "train/a", "train/b")
    root = tmp_path / "images"
    if what == "train":
        root.mkdir()
        (root / "train").symlink_to(pool / "train")
    elif what == "a class":
        (root / "train").mkdir(parents=True)
        for name in "ab":
            (root / "train" / name).symlink_to(pool / "train" / name)
    else:
        for path in pool.rglob("*.png"):
            link = root / path.relative_to(pool)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    assert "set follow_links: true if you trust the folder" in refusal(root)
    assert counts(scan(root, follow_links=True)) == {"train": BOTH}


def test_links_in_a_circle_end(tmp_path):
    put(tmp_path, "a/deep", "b")
    (tmp_path / "a/deep/up").symlink_to(tmp_path / "a")
    (tmp_path / "a/again").symlink_to(tmp_path / "a/deep")
    (tmp_path / "b/self").symlink_to(tmp_path / "b")
    assert counts(scan(tmp_path, follow_links=True)) == {"train": BOTH}


def test_what_is_left_out_is_told_by_kind_number_and_example(tmp_path):
    put(tmp_path, "train", n=3)
    put(tmp_path, "train/a", "train/b", "test/a", "other/x")
    (tmp_path / "train/a/notes.txt").write_text("a good one")
    (tmp_path / "train/b/movie.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    listing = scan(tmp_path)
    assert left_out(listing) == {
        "images beside class folders": 3,
        "images in other/": 4,
        "files that are no images": 2,
    }
    lines = found_lines(listing.summary())
    assert "left out: 3 images beside class folders (train/000.png): they belong to no class" in lines
    assert listing.notes["files_ignored"] == 9


def test_masks_among_images_and_classes_that_differ_by_case_are_warned_of(tmp_path):
    put(tmp_path, "Cat", "cat", "masks")
    (tmp_path / "cat/000.png").rename(tmp_path / "cat/001_mask.png")
    listing = scan(tmp_path)
    assert listing.classes == ["Cat", "cat", "masks"]
    assert listing.notes["warnings"] == [
        "classes Cat and cat differ only in case; they are used as two classes",
        "1 files have names that are usual for masks (001_mask.png); they are used as images",
        "the folder masks/ has a name that is usual for masks; its files are used as images",
    ]


def test_nothing_is_warned_of_where_nothing_looks_wrong(tmp_path):
    assert scan(put(tmp_path, "unmasked", "b")).notes["warnings"] == []


# ── what is said before training ────────────────────────────────────────────────────────────────


def test_the_run_says_one_line_a_class_and_the_same_before_and_after_decoding(tmp_path):
    root = put(tmp_path / "i", "train/a", "train/b", "test/a", "test/b", "unlabelled")
    lines = found_lines(scan(root).summary())
    assert lines == [
        "found 16 images of 2 classes (8 training, 8 test)",
        "  a: 4 training, 4 test",
        "  b: 4 training, 4 test",
        "and 4 unlabelled images",
    ]
    data = load_dataset("folder", folder=root, image_size=8, data_root=tmp_path / "data")
    assert found_lines(data.summary()) == lines


def test_of_many_classes_the_largest_and_smallest_are_told(tmp_path):
    for i in range(20):
        put(tmp_path, f"c{i:02}", n=3 + i)
    lines = found_lines(scan(tmp_path).summary())
    assert [line.split(":")[0].strip() for line in lines[1:8]] == [
        *("c19", "c18", "c17", "… 14 more classes …", "c02", "c01", "c00"),
    ]


def test_a_class_with_fewer_images_than_a_cell_needs_is_told_with_what_will_happen(tmp_path):
    put(tmp_path, "train/many", "train/more", n=30)
    put(tmp_path, "train/few", n=3)
    put(tmp_path, "test/many", "test/more")
    study = checked(labelled=[0.1, 1])
    assert rare_lines(scan(tmp_path).summary(), study) == [
        "warning: at labelled 0.1, class few would get no image: each gets one, more than its share",
        "warning: class few has no test images: no score says anything about them",
    ]
    put(tmp_path, "train/few", "test/few", n=30)
    assert rare_lines(scan(tmp_path).summary(), study) == []
