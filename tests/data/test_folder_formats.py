"""Files as people have them: each format that Pillow reads is read by its content; of others it is said what it is."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hostile import is_one_line
from PIL import Image, features

from sslfast import load_dataset
from sslfast.data.decoding import decode, grey_range
from sslfast.data.formats import kind_of
from sslfast.data.images import ImageData
from sslfast.data.listing import scan
from sslfast.errors import ConfigError, DataError

FORMATS = {
    "PNG": ".png", "JPEG": ".jfif", "GIF": ".gif", "TIFF": ".tif", "BMP": ".bmp", "WEBP": ".webp", "PPM": ".ppm",
    "JPEG2000": ".jp2", "TGA": ".tga", "PCX": ".pcx", "ICO": ".ico", "AVIF": ".avif",
}  # fmt: skip
TOLD_BY_CONTENT = ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM", "JPEG2000", "AVIF"]


def picture(i: int, size: tuple[int, int] = (32, 32)) -> Image.Image:
    """Two shades of blue that only the image `i` has, left and right."""
    image = Image.new("RGB", size, (0, 0, 20 + 3 * i))
    image.paste((0, 0, 120 + 3 * i), (size[0] // 2, 0, *size))
    return image


def stored(image: Image.Image, kind: str, **options) -> bytes:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def folder_of(root: Path, contents: dict[str, bytes], suffix: str = ".png", n: int = 4) -> Path:
    """Classes `a` and `b` of `n` PNGs each, with `contents` (names to bytes) beside those of `a`."""
    for at, name in enumerate("ab"):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            (root / name / f"{i}{suffix}").write_bytes(stored(picture(10 * at + i), "PNG"))
    for name, content in contents.items():
        (root / "a" / name).write_bytes(content)
    return root


def load(root: Path, **changes) -> ImageData:
    options = {"image_size": 8, "channels": 1, "data_root": root.parent / "data", **changes}
    return load_dataset("folder", folder=root, **options)


def refusal(root: Path, **changes) -> str:
    with pytest.raises(DataError) as caught:
        load(root, **changes)
    assert is_one_line(caught.value)
    return str(caught.value)


def n_images(data: ImageData) -> int:
    return len(data.train) + len(data.test)


@pytest.mark.parametrize("kind", FORMATS)
def test_whatever_pillow_reads_is_read(tmp_path, kind):
    path = tmp_path / f"image{FORMATS[kind]}"
    path.write_bytes(stored(picture(5), kind))
    found = decode(path, 8, 3).astype(int)
    assert abs(found[:, :3] - (0, 0, 35)).max() < 12
    assert abs(found[:, 5:] - (0, 0, 135)).max() < 12


@pytest.mark.parametrize("kind", FORMATS)
def test_files_of_any_format_are_listed_by_their_suffix(tmp_path, kind):
    root = folder_of(tmp_path / "i", {f"more{FORMATS[kind].upper()}": stored(picture(9), kind)})
    assert n_images(load(root)) == 9


@pytest.mark.parametrize("name", ["IMG_0001", "photo.backup", "photo.jpg_large", "photo.png.1", "photo.txt"])
@pytest.mark.parametrize("kind", TOLD_BY_CONTENT)
def test_files_without_a_suffix_or_with_an_unknown_one_are_judged_by_content(tmp_path, kind, name):
    root = folder_of(tmp_path / "i", {name: stored(picture(9), kind), "notes": b"a list", "data.json": b"{}"})
    data = load(root)
    assert n_images(data) == 9
    assert data.notes["files_ignored"] == 2


def test_known_suffixes_are_listed_without_a_look_into_the_files(tmp_path, monkeypatch):
    root = folder_of(tmp_path / "i", {"more.TIFF": b"?", "x.heic": b"?"})
    monkeypatch.setattr("builtins.open", lambda *_, **__: pytest.fail("a file was opened"))
    assert sum(len(files) for _, files in scan(root).train) == 10


def heic(i: int) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    target = io.BytesIO()
    pillow_heif.from_pillow(picture(i, (64, 64))).save(target, quality=100)
    return target.getvalue()


@pytest.mark.parametrize("name", ["photo.HEIC", "photo.jpg", "photo"])
def test_heic_is_read_where_its_plugin_is(tmp_path, name):
    root = folder_of(tmp_path / "i", {name: heic(9)})
    assert n_images(load(root)) == 9
    found = decode(root / "a" / name, 8, 3).astype(int)
    assert abs(found[:, :3] - (0, 0, 47)).max() < 12


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(range(1, 99))
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
WHAT = {
    "HTML page": b"\n<!DOCTYPE html><title>404</title>",
    "Git LFS pointer": LFS,
    "empty file": b"",
    "file of zeros": bytes(99),
    "text file": "eine Einkaufsliste für später".encode(),
    "PDF file": b"%PDF-1.7 ...",
    "ZIP archive": b"PK\x03\x04....",
    "DICOM file": bytes(127) + b"\1DICM",
}


@pytest.mark.parametrize("kind", WHAT)
def test_an_unreadable_file_is_told_by_what_it_is_and_how_many_there_are(tmp_path, kind):
    contents = {f"{i}.jpg": WHAT[kind] for i in range(3)}
    message = refusal(folder_of(tmp_path / "i", contents))
    article = "an" if kind[0] in "He" else "a"
    assert f"cannot read the image {tmp_path}/i/a/0.jpg (it is {article} {kind}); of 11 files, 3 " in message
    assert "on_bad_image: skip" in message


def test_unreadable_files_of_several_kinds_are_counted_by_kind(tmp_path):
    contents = {"x0.jpg": LFS, "x1.jpg": LFS, "x2.jpg": LFS, "x3.jpg": b"", "x4.jpg": b"<html>"}
    assert "; of 13 files, 3 Git LFS pointers, 1 empty file, 1 HTML page;" in refusal(
        folder_of(tmp_path / "i", contents)
    )


def test_skipped_files_are_told_by_what_they_are(tmp_path):
    contents = {"x0.jpg": LFS, "x1.jpg": LFS, "x2.jpg": b"", "x3.png": stored(picture(1), "PNG")[:60]}
    notes = load(folder_of(tmp_path / "i", contents), on_bad_image="skip").notes
    assert {entry["what"]: (entry["n"], entry["example"]) for entry in notes["left_out"]} == {
        "unreadable files (Git LFS pointer)": (2, "a/x0.jpg"),
        "unreadable files (empty file)": (1, "a/x2.jpg"),
        "unreadable files (PNG)": (1, "a/x3.png"),
    }
    assert notes["images_skipped"] == 4


def test_heic_without_its_plugin_is_told_what_to_install(tmp_path, monkeypatch):
    import sslfast.data.readable as readable

    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    readable.formats.cache_clear()
    message = refusal(folder_of(tmp_path / "i", {"a.heic": HEIC, "b.jpg": HEIC}))
    readable.formats.cache_clear()
    assert "pip install 'sslfast[heic]'" in message
    assert "of 10 files, 2 HEIC files;" in message


@pytest.mark.parametrize(
    ("brands", "kind"),
    [(b"heic\0\0\0\0mif1heic", "HEIC"), (b"mif1\0\0\0\0mif1heic", "HEIC"), (b"mif1\0\0\0\0mif1avif", "AVIF"),
     (b"avif\0\0\0\0avifmif1", "AVIF"), (b"isom\0\0\0\0isommp41", "video")],
)  # fmt: skip
def test_boxes_of_one_kind_are_told_apart_by_their_brands(brands, kind):
    assert kind_of(b"\0\0\0\x18ftyp" + brands + b"\1" * 50) == kind


# ── grey of more than 8 bits ────────────────────────────────────────────────────────────────────


def deep_folder(root: Path, low: int, high: int, suffix: str = ".png", n: int = 10) -> Path:
    """16-bit grey: class `a` is flat with noise, class `b` has stripes from `low` to `high`."""
    rng = np.random.default_rng(0)
    for name in "ab":
        (root / name).mkdir(parents=True)
        for i in range(n):
            pixels = rng.normal((low + high) / 2, (high - low) / 20, (16, 16))
            if name == "b":
                pixels[:, ::4] = low
                pixels[:, 1::4] = high
            Image.fromarray(pixels.round().astype(np.uint16)).save(root / name / f"{i}{suffix}")
    return root


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(("low", "high"), [(968, 1088), (0, 4095), (30_000, 31_000), (0, 65_535)])
def test_deep_grey_is_scaled_by_the_range_of_the_data_set(tmp_path, low, high, suffix):
    data = load(deep_folder(tmp_path / "i", low, high, suffix), image_size=16)
    x, y = data.train.x, data.train.y
    assert abs(np.array(data.notes["grey_range"]) - (low, high)).max() <= (high - low) / 20
    for i, name in enumerate(data.classes):
        images = x[y == i].float()
        spread = images.max() - images.min()
        assert spread > 240 if name == "b" else 30 < spread < 150
        assert abs(images.mean() - 127) < 12


def test_one_range_holds_for_all_deep_images_so_that_brightness_stays_what_it_is(tmp_path):
    root = deep_folder(tmp_path / "i", 1000, 2000)
    for i, value in enumerate((1250, 1750)):
        Image.fromarray(np.full((16, 16), value, dtype=np.uint16)).save(root / "a" / f"flat{i}.png")
    data = load(root, image_size=16, test_fraction=0.01)
    low, high = data.notes["grey_range"]
    flat = {round(float(x.float().mean())) for x in (*data.train.x, *data.test.x) if x.min() == x.max()}
    assert flat == {round((value - low) / (high - low) * 255) for value in (1250, 1750)}


def test_test_images_have_no_say_in_the_range(tmp_path):
    root = tmp_path / "i"
    deep_folder(root / "train", 1000, 2000)
    deep_folder(root / "test", 1000, 60_000)
    low, high = load(root).notes["grey_range"]
    assert 900 < low < 1100 and 1900 < high < 2100


def test_images_of_8_bits_have_no_range(tmp_path):
    assert load(folder_of(tmp_path / "i", {})).notes["grey_range"] is None


def test_whole_numbers_that_fit_into_8_bits_stay_as_they_are_in_a_deep_file(tmp_path):
    Image.fromarray(np.arange(200, dtype=np.uint16).reshape(10, 20)).save(tmp_path / "x.png")
    assert grey_range([str(tmp_path / "x.png")]) == (0, 255)


def test_float_images_from_0_to_1_are_no_longer_black(tmp_path):
    root = folder_of(tmp_path / "i", {}, n=0)
    for at, name in enumerate("ab"):
        for i in range(4):
            ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8) ** (1 + at + i / 9)
            Image.fromarray(ramp).save(root / name / f"{i}.tiff")
    x = load(root).train.x
    assert (x.amin((1, 2, 3)) <= 1).all() and (x.amax((1, 2, 3)) >= 254).all()


def deep_colour(high: int) -> bytes:
    """A PNG, 16 × 16, of 16 bits a channel with values from 0 to `high`; Pillow writes none."""
    rows = np.random.default_rng(high).integers(0, high + 1, (16, 48)).astype(">u2")
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0)), (b"IDAT", pixels), (b"IEND", b"")]
    whole = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(whole)


def test_colours_of_16_bits_keep_their_upper_8_and_those_that_do_not_reach_them_are_warned_of(tmp_path):
    black = stored(Image.new("L", (9, 9), 3), "PNG")
    contents = {"x.png": deep_colour(65_535), "y.png": deep_colour(4095), "black.png": black}
    assert load(folder_of(tmp_path / "good", {"x.png": contents["x.png"]}), channels=3).notes["warnings"] == []
    one_colour, nearly_black = load(folder_of(tmp_path / "i", contents), channels=3).notes["warnings"]
    assert one_colour == "1 image (a/black.png) is of one colour all over"
    assert nearly_black.startswith("1 image (a/y.png) is nearly black: of 16 bits per colour channel only the upper 8")


# ── shapes and sizes ────────────────────────────────────────────────────────────────────────────


def wide() -> Image.Image:
    """48 × 16: red, green, blue, from left to right."""
    image = Image.new("RGB", (48, 16), (255, 0, 0))
    image.paste((0, 255, 0), (16, 0, 32, 16))
    image.paste((0, 0, 255), (32, 0, 48, 16))
    return image


def test_fit_keeps_the_centre_or_the_whole_image(tmp_path):
    assert (decode(wide(), 16, 3, "crop") == (0, 255, 0)).all()
    padded, squashed = decode(wide(), 12, 3, "pad"), decode(wide(), 12, 3, "squash")
    assert (padded[:4] == 0).all() and (padded[8:] == 0).all()
    for row in (padded[6], squashed[0], squashed[6], squashed[11]):
        assert row.argmax(-1).tolist() == [0] * 4 + [1] * 4 + [2] * 4


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
@pytest.mark.parametrize("size", [(2000, 20), (20, 2000), (3, 2), (1, 1)])
def test_any_shape_fits_and_square_images_are_the_same_each_way(size, fit):
    assert decode(picture(1, size), 16, 3, fit).shape == (16, 16, 3)
    np.testing.assert_array_equal(decode(picture(1), 16, 3, fit), decode(picture(1), 16, 3))


def test_fit_makes_other_data_and_is_noted_and_a_strange_one_is_named(tmp_path):
    root = folder_of(tmp_path / "i", {"w.png": stored(wide(), "PNG")})
    by_fit = {fit: load(root, fit=fit, channels=3) for fit in ("crop", "pad", "squash")}
    assert len({data.fingerprint for data in by_fit.values()}) == 3
    assert [data.notes["fit"] for data in by_fit.values()] == list(by_fit)
    with pytest.raises(ConfigError, match="fit: found 'stretch', expected crop, pad or squash"):
        load(root, fit="stretch")


def test_a_very_large_image_is_refused_by_the_key_and_read_by_permission(tmp_path):
    large = Image.new("L", (14_000, 13_600), 200)  # 190 megapixels
    root = folder_of(tmp_path / "i", {"x.jpg": stored(large, "JPEG", quality=20)})
    message = refusal(root)
    assert (
        "(it has 190 megapixels, more than max_megapixels: 179; set that key higher if you trust the file)" in message
    )
    assert n_images(load(root, max_megapixels=200)) == 9


def test_the_limit_may_be_lower_and_pillow_s_own_is_left_as_it_was(tmp_path):
    before = Image.MAX_IMAGE_PIXELS
    root = folder_of(tmp_path / "i", {"x.png": stored(Image.new("L", (1500, 1000)), "PNG")})
    assert "it has 2 megapixels, more than max_megapixels: 1" in refusal(root, max_megapixels=1)
    assert n_images(load(root)) == 9
    assert before == Image.MAX_IMAGE_PIXELS


# ── copies ──────────────────────────────────────────────────────────────────────────────────────


def test_unlabelled_copies_of_labelled_images_are_left_out_so_that_no_test_image_is_pre_trained_on(tmp_path):
    root = folder_of(tmp_path / "i", {}, n=8)
    (root / "unlabelled").mkdir()
    for path in [*(root / "a").iterdir(), *(root / "b").iterdir()]:
        (root / "unlabelled" / f"{path.parent.name}{path.name}").write_bytes(path.read_bytes())
    (root / "unlabelled/other.png").write_bytes(stored(picture(40), "PNG"))
    data = load(root, channels=3)
    assert (data.train.y < 0).sum() == 1
    (entry,) = data.notes["left_out"]
    assert (entry["what"], entry["n"]) == ("copies of labelled images among the unlabelled ones", 16)
    assert data.notes["test_images_also_in_training"] == 0
