"""Whatever lies in a folder, it becomes arrays or one line that names what is wrong; nothing else is ever opened."""

import io
import os
import shutil
import struct
import tempfile
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile import NAMES, Trap, damaged, is_one_line, trap, try_all, trying
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits

from sslfast import load_dataset, make_split
from sslfast.data.augment import Augment
from sslfast.data.decoding import decode
from sslfast.data.images import ImageData
from sslfast.data.loaders import classify_dls, pretrain_dls
from sslfast.errors import ConfigError, DataError

DIGITS = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)


def digit(i: int, mode: str = "L") -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(DIGITS[i].astype(np.uint16) * 257)
    return Image.fromarray(DIGITS[i]).convert(mode)


def stored(image: Image.Image, kind: str, **options) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises so many pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


OTHERS = [digit(i) for i in range(3)]
FILES = {
    **{f"png {mode}": stored(digit(1, mode), "PNG") for mode in ("L", "RGB", "RGBA", "LA", "P", "1", "I;16")},
    **{f"jpeg {mode}": stored(digit(2, mode), "JPEG") for mode in ("L", "RGB", "CMYK")},
    "bmp": stored(digit(3), "BMP"),
    "webp": stored(digit(4, "RGB"), "WEBP"),
    "gif": stored(digit(5), "GIF"),
    "animated gif": stored(digit(5), "GIF", save_all=True, append_images=OTHERS),
    "animated webp": stored(digit(5, "RGB"), "WEBP", save_all=True, append_images=OTHERS),
    "animated png": stored(digit(5), "PNG", save_all=True, append_images=OTHERS),
    "one pixel": stored(Image.new("RGB", (1, 1)), "PNG"),
    "a line": stored(Image.new("L", (3000, 1)), "PNG"),
    "a column": stored(Image.new("RGB", (1, 3000)), "JPEG"),
    "a bomb": png_that_claims(100_000, 100_000),
    "no width": png_that_claims(0, 8),
    "more than there is": png_that_claims(500, 500),
    "tiff": stored(digit(6), "TIFF"),
    "eps": stored(digit(6), "EPS"),
    "pdf": stored(digit(6), "PDF"),
    "empty": b"",
    "text": b"a shopping list",
    "page": b"<!doctype html><title>404</title>",
    "zeros": bytes(3000),
    "exif": stored(digit(7), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff"),
}
SUFFIXES = [".png", ".jpg", ".jpeg", ".bmp", ".webp", ".PNG", ".JpG", ".gif", ".txt", ".png.txt", ""]
SPECIAL = [
    "link in",
    "link out",
    "link to nowhere",
    "link to itself",
    "folder link",
    "circle",
    "pipe",
    "folder",
    "closed",
]
CLASSES = ["zero", "one", "two"]

# mostly where images belong, so that a good share of the folders can be read
PLACES = st.sampled_from(
    ["zero", "one", "train/zero", "train/one", "train/zero/deeper/still"] * 3 + ["", "train", "test"]
)
PLACES |= st.sampled_from(["unlabelled", "unlabelled/deeper", "test/one", "train/.hidden", ".hidden"])
PLACES |= st.tuples(st.sampled_from(["train", "test", "."]), st.sampled_from(NAMES)).map("/".join)
CONTENTS = st.sampled_from(sorted(FILES)).map(FILES.get)
ODD = st.tuples(
    PLACES,
    st.sampled_from([*NAMES, "image", ".hidden"]),
    st.sampled_from(SUFFIXES),
    CONTENTS | CONTENTS.flatmap(damaged) | st.sampled_from(SPECIAL),
)
LAYOUTS = st.tuples(
    st.sampled_from(["", "train"]),  # where class folders stand
    st.sampled_from([2, 3, 2, 3, 2, 3, 1, 0]),  # classes
    st.sampled_from([4, 3, 4, 3, 4, 3, 2, 1, 0]),  # images a class
    st.booleans(),  # with test/
    st.booleans(),  # with unlabelled/
)
OPTIONS = st.fixed_dictionaries(
    {
        "image_size": st.sampled_from([8, 9, 16]),
        "channels": st.sampled_from([1, 3]),
        "on_bad_image": st.sampled_from(["error", "skip", "skip"]),
        "test_fraction": st.sampled_from([0.2, 0.5, 1e-9, 1 - 1e-9]),
    }
)


def build(root: Path, layout: tuple, odd: list[tuple]) -> None:
    top, n_classes, n_images, with_test, with_unlabelled = layout
    root.mkdir()
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(FILES["png L"])
    parts = [(top, n_images)] + [("test", 2)] * (with_test and top == "train")
    for part, n in parts:
        for name in CLASSES[:n_classes]:
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(n):
                (folder / f"{i}.png").write_bytes(stored(digit(10 * i + len(name)), "PNG"))
    if with_unlabelled:
        (root / "unlabelled").mkdir()
        (root / "unlabelled/u.png").write_bytes(FILES["png L"])
    for place, name, suffix, content in odd:
        try:
            folder = root / place
            folder.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(path := folder / f"{name}{suffix}"):  # to write to a pipe would never end
                put(path, content, root, outside)
        except OSError:  # a file is where a folder should be, or the name is too long
            continue


def put(path: Path, content: bytes | str, root: Path, outside: Path) -> None:
    match content:
        case bytes():
            path.write_bytes(content)
        case "link in":
            inside = [p for p in root.rglob("*.png") if p.is_file()]
            path.symlink_to(inside[0] if inside else root / "none.png")
        case "link out":
            path.symlink_to(outside / "secret.png")
        case "link to nowhere":
            path.symlink_to(root / "nowhere.png")
        case "link to itself":
            path.symlink_to(path)
        case "folder link":
            path.symlink_to(outside)
        case "circle":
            path.symlink_to(root)
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()


def arrays_or_one_line(layout: tuple, odd: list[tuple], options: dict) -> str:
    scratch = Path(tempfile.mkdtemp())
    try:
        build(scratch / "images", layout, odd)
        cache = scratch / "data/cache"
        try:
            data = load_dataset("folder", folder=scratch / "images", data_root=scratch / "data", **options)
            split = make_split(data, seed=0)
        except (DataError, ConfigError) as error:
            assert is_one_line(error)
            outcome = "one line"
        else:
            check(data, split, options)
            outcome = "arrays"
        whole = [path for path in cache.iterdir() if path.is_dir()] if cache.exists() else []
        assert all((path / "meta.json").exists() and not path.name.startswith(".") for path in whole), "a part is left"
        return outcome
    finally:
        shutil.rmtree(scratch)


def check(data: ImageData, split, options: dict) -> None:
    shape = (options["channels"], options["image_size"], options["image_size"])
    for part in (data.train, data.test):
        assert part.x.shape == (len(part.y), *shape)
        assert part.x.dtype == torch.uint8
    assert len(data.classes) > 1
    for dls, rows in ((classify_dls, split.labelled(1)), (pretrain_dls, split.unlabelled(1))):
        assert torch.isfinite(dls(data, split, rows, bs=4, augment=Augment()).one_batch()[0]).all()


@trying(40, 4_000)
def test_any_folder_becomes_arrays_or_one_line(n):
    try_all(n, arrays_or_one_line, LAYOUTS, st.lists(ODD, max_size=4), OPTIONS)


# ── what must not happen, one by one ────────────────────────────────────────────────────────────


@pytest.fixture
def load(tmp_path):
    def load(folder: Path, **options) -> ImageData:
        return load_dataset("folder", folder=folder, image_size=8, data_root=tmp_path / "data-root", **options)

    return load


def refusal(load, folder: Path, **options) -> str:
    with pytest.raises(DataError) as caught:
        load(folder, **options)
    assert is_one_line(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("target", ["a file", "a folder", "a folder in between", "the folder itself"])
def test_a_link_out_of_the_folder_or_in_a_circle_is_named_and_not_followed(load, image_folder, tmp_path, target):
    root, outside = image_folder(), tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(FILES["png L"])
    link = root / "train/one" / ("link.png" if target == "a file" else "link")
    if target == "a folder in between":
        link = root / "train/three"
    link.symlink_to({"a file": outside / "secret.png", "the folder itself": root}.get(target, outside))
    assert f"folder: {link} is a link" in refusal(load, root, on_bad_image="skip")


def test_a_link_within_the_folder_is_an_image_like_any_other(load, image_folder):
    root = image_folder()
    n = len(load(root).train)
    (root / "train/one/again.png").symlink_to(root / "train/one/one-000.png")
    assert len(load(root).train) == n + 1


def test_the_folder_itself_may_be_a_link(load, image_folder, tmp_path):
    (tmp_path / "here").symlink_to(image_folder())
    assert len(load(tmp_path / "here").test) == 9


def test_a_pipe_is_passed_over_and_counted(load, image_folder):
    root = image_folder()
    os.mkfifo(root / "train/one/pipe.png")  # to read it would never end
    assert load(root).notes["files_ignored"] == 1


def test_a_tiny_file_that_claims_ten_thousand_million_pixels_is_unreadable(load, image_folder):
    root = image_folder()
    (root / "train/one/bomb.png").write_bytes(FILES["a bomb"])
    message = refusal(load, root)
    assert "bomb.png" in message and "pixels" in message
    assert load(root, on_bad_image="skip").notes["skipped"] == ["train/one/bomb.png"]


@pytest.mark.parametrize("kind", ["eps", "pdf"])
def test_what_a_file_is_its_content_says_and_formats_that_start_programs_are_not_opened(tmp_path, kind, monkeypatch):
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("a program was started"))
    path = tmp_path / "image.png"
    path.write_bytes(FILES[kind])
    with pytest.raises(OSError, match="cannot identify"):
        decode(path, 8, 1)


@pytest.mark.parametrize(("kind", "i"), [("gif", 5), ("tiff", 6)])
def test_a_file_of_another_kind_in_png_s_clothing_is_read(tmp_path, kind, i):
    path = tmp_path / "image.png"
    path.write_bytes(FILES[kind])
    np.testing.assert_array_equal(decode(path, 8, 1)[..., 0], DIGITS[i])


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith(".") and n != "unlabelled"], ids=repr)
def test_any_name_of_a_class_or_file_is_carried_as_it_is(load, tmp_path, name):
    for label in ("another", name):
        folder = tmp_path / "images/train" / label
        folder.mkdir(parents=True)
        for i in range(3):
            (folder / f"{name}{i}.png").write_bytes(stored(digit(i), "PNG"))
        (folder / f"{name}.jpg").write_bytes(b"broken")
    data = load(tmp_path / "images", on_bad_image="skip")
    assert unicodedata.normalize("NFC", name) in data.classes
    assert make_split(data, 0, 0.5).classes == data.classes
    assert all(is_one_line(skipped) for skipped in data.notes["skipped"])
    assert is_one_line(refusal(load, tmp_path / "images"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data-root", "images"]


def test_a_path_longer_than_the_system_takes_is_one_line(load, image_folder):
    root = image_folder()
    here = os.open(root / "train/one", os.O_RDONLY)
    for _ in range(25):  # 25 × 200 letters; only relative paths get there
        os.mkdir("x" * 200, dir_fd=here)
        below = os.open("x" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert "File name too long" in refusal(load, root)
    assert "File name too long" in refusal(load, Path("y" * 300))


@pytest.mark.parametrize("part", ["train_x.npy", "train_y.npy", "test_x.npy", "test_y.npy", "meta.json"])
@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "a trap"])
def test_a_damaged_store_is_named_with_what_to_do_and_never_unpickled(load, image_folder, tmp_path, part, damage):
    root = image_folder()
    load(root)
    (path,) = tmp_path.glob(f"data-root/cache/folder-*/{part}")
    if damage == "gone":
        path.unlink()
        if part == "meta.json":  # then there is no store, and the images are read again
            assert len(load(root).test) == 9
            return
    elif damage == "a trap":
        held = io.BytesIO()
        if part.endswith("npy"):
            np.save(held, np.array([Trap(tmp_path / "sprung")], dtype=object), allow_pickle=True)
        path.write_bytes(held.getvalue() or trap(tmp_path / "sprung"))
    else:
        path.write_bytes(b"" if damage == "empty" else path.read_bytes()[: path.stat().st_size // 2])
    message = refusal(load, root)
    assert message.startswith(f"data_root: the images stored in {path.parent} are damaged")
    assert not (tmp_path / "sprung").exists()
    shutil.rmtree(path.parent)
    assert len(load(root).test) == 9


def test_what_a_killed_process_left_of_a_store_goes_with_the_next(load, image_folder, tmp_path):
    root = image_folder()
    load(root)
    (store,) = (path for path in (tmp_path / "data-root/cache").iterdir() if path.is_dir())
    shutil.rmtree(store)
    left = store.with_name(f".{store.name}-abcdef")
    left.mkdir()
    load(root)
    assert not left.exists()


def test_a_store_that_cannot_be_written_any_more_is_still_read(load, image_folder, tmp_path, monkeypatch):
    root = image_folder()
    before = load(root)
    monkeypatch.setattr("filelock.FileLock.acquire", lambda *_, **__: pytest.fail("nothing is to be written"))
    assert torch.equal(load(root).train.x, before.train.x)
