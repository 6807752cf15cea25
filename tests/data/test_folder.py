"""A person's own images: what is read from files and folders, and what is said where that cannot work."""

import errno
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sslfast import load_dataset, make_split
from sslfast.data.decoding import decode
from sslfast.data.images import ImageData
from sslfast.data.listing import content_digest, scan
from sslfast.errors import ConfigError, DataError

ORIENTATION = 0x0112  # the EXIF tag
LOSSLESS = [".png", ".bmp", ".webp"]


@pytest.fixture
def load(tmp_path):
    """Loads a folder of digits at their own size, in grey."""

    def load(folder: Path, **changes) -> ImageData:
        options = {"image_size": 8, "channels": 1, "data_root": tmp_path / "data-root", **changes}
        return load_dataset("folder", folder=folder, **options)

    return load


@pytest.fixture
def picture(digit_images) -> np.ndarray:
    """A digit in colours, uint8 `[32, 24, 3]`: not symmetric in any way."""
    grey = np.kron(digit_images("four")[0], np.ones((4, 4), dtype=np.uint8))[:, :24]
    return np.stack([grey, 255 - grey // 2, np.broadcast_to(np.arange(24, dtype=np.uint8) * 9, grey.shape)], axis=-1)


def saved(image: Image.Image, path: Path, **options) -> Path:
    if path.suffix == ".webp":
        options["lossless"] = True
    image.save(path, **options)
    return path


def square(array: np.ndarray) -> np.ndarray:
    """The centre of `[32, 24, …]`, 24 × 24: what is left of it at its own scale."""
    return array[4:28]


# ── one image ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_colour_images_are_read_exactly(picture, tmp_path, suffix):
    path = saved(Image.fromarray(picture), tmp_path / f"image{suffix}")
    np.testing.assert_array_equal(decode(path, 24, 3), square(picture))


def test_jpeg_images_are_read_as_well_as_they_were_stored(digit_images, tmp_path):
    smooth = np.asarray(Image.fromarray(digit_images("four")[0]).resize((24, 24), Image.Resampling.BICUBIC))
    path = saved(Image.fromarray(smooth), tmp_path / "image.jpg", quality=95)
    assert abs(decode(path, 24, 1)[..., 0].astype(int) - smooth).mean() < 2


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_grey_images_are_the_same_in_every_channel(picture, tmp_path, suffix):
    grey = picture[..., 0].copy()
    path = saved(Image.fromarray(grey), tmp_path / f"image{suffix}")
    np.testing.assert_array_equal(decode(path, 24, 1)[..., 0], square(grey))
    np.testing.assert_array_equal(decode(path, 24, 3), np.repeat(square(grey)[..., None], 3, axis=-1))


def test_colour_images_become_grey_by_their_luminance(tmp_path):
    path = saved(Image.new("RGB", (8, 8), (255, 0, 0)), tmp_path / "red.png")
    assert decode(path, 8, 1).tolist() == np.full((8, 8, 1), 76).tolist()


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_transparent_pixels_are_shown_on_white(picture, tmp_path, suffix):
    alpha = np.zeros((32, 24), dtype=np.uint8)
    alpha[:, :12] = 255
    path = saved(Image.fromarray(np.dstack([picture, alpha])), tmp_path / f"image{suffix}")
    found = decode(path, 24, 3)
    np.testing.assert_array_equal(found[:, :12], square(picture)[:, :12])
    assert (found[:, 12:] == 255).all()


def test_half_transparent_grey_is_half_way_to_white(tmp_path):
    path = saved(Image.new("LA", (8, 8), (0, 128)), tmp_path / "image.png")
    assert abs(decode(path, 8, 1).astype(int) - 127).max() <= 1


def test_the_transparent_colour_of_a_palette_is_white(tmp_path):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (0, 0, 4, 8))
    found = decode(saved(image, tmp_path / "image.png", transparency=0), 8, 3)
    assert (found[:, :4] == (0, 0, 255)).all()
    assert (found[:, 4:] == 255).all()


def test_an_opaque_palette_is_its_colours(tmp_path):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([255, 0, 0, 0, 128, 255])
    assert (decode(saved(image, tmp_path / "image.png"), 8, 3) == (0, 128, 255)).all()


def test_black_and_white_images_are_0_and_255(picture, tmp_path):
    image = Image.fromarray(picture[..., 0] > 100)
    found = decode(saved(image, tmp_path / "image.png"), 24, 1)[..., 0]
    np.testing.assert_array_equal(found, np.where(square(picture[..., 0]) > 100, 255, 0))


def test_16_bit_grey_keeps_its_upper_8_bits(picture, tmp_path):
    grey = picture[..., 0].astype(np.uint16)
    path = saved(Image.fromarray(grey * 257), tmp_path / "image.png")
    np.testing.assert_array_equal(decode(path, 24, 1)[..., 0], square(grey))
    np.testing.assert_array_equal(decode(path, 24, 3)[..., 1], square(grey))


def test_a_16_bit_pixel_is_as_bright_in_a_dark_image_as_in_a_bright_one(tmp_path):
    dark, bright = np.full((2, 8, 8), 200, dtype=np.uint16)
    bright[0, 0] = 40_000
    dark, bright = (
        decode(saved(Image.fromarray(image), tmp_path / f"{name}.png"), 8, 1)[7, 7, 0]
        for name, image in (("dark", dark), ("bright", bright))
    )
    assert dark == bright


# how an upright image lies in a file that has this EXIF orientation
STORED = {
    1: lambda up: up,
    2: np.fliplr,
    3: lambda up: np.rot90(up, 2),
    4: np.flipud,
    5: lambda up: up.swapaxes(0, 1),
    6: lambda up: np.rot90(up, 1),
    7: lambda up: np.rot90(up, 2).swapaxes(0, 1),
    8: lambda up: np.rot90(up, -1),
}


@pytest.mark.parametrize("orientation", STORED)
def test_images_are_upright_whatever_their_exif_orientation(picture, tmp_path, orientation):
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](picture)))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = saved(stored, tmp_path / "image.png", exif=exif)
    np.testing.assert_array_equal(decode(path, 24, 3), square(picture))


def test_a_photo_taken_upright_with_a_camera_that_lay_on_its_side_is_upright(tmp_path):
    stored = Image.new("L", (400, 300), 0)
    stored.paste(255, (0, 0, 200, 300))  # white on the left, which is the top
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    found = decode(saved(stored, tmp_path / "photo.jpg", exif=exif), 16, 1)[..., 0]
    assert found[:6].min() > 250
    assert found[10:].max() < 5


def test_the_centre_of_a_wide_image_is_kept(tmp_path):
    image = Image.new("RGB", (48, 16), "red")
    image.paste("green", (16, 0, 32, 16))
    image.paste("blue", (32, 0, 48, 16))
    assert (decode(saved(image, tmp_path / "wide.png"), 16, 3) == (0, 128, 0)).all()
    tall = image.rotate(90, expand=True)
    assert (decode(saved(tall, tmp_path / "tall.png"), 16, 3) == (0, 128, 0)).all()


def test_a_large_image_is_scaled_not_cut(picture, tmp_path):
    large = Image.fromarray(square(picture)).resize((240, 240), Image.Resampling.NEAREST)
    found = decode(saved(large, tmp_path / "large.png"), 24, 3).astype(int)
    assert abs(found - square(picture)).mean() < 4


@given(
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"]),
    image_size=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
)
def test_an_image_of_any_size_and_mode_fits_and_white_stays_white(size, mode, image_size, channels):
    white = Image.new("L", size, 255)
    image = Image.new(mode, size, 65535) if mode == "I;16" else white.convert("RGB").convert(mode)
    found = decode(image, image_size, channels)
    assert found.dtype == np.uint8
    assert found.shape == (image_size, image_size, channels)
    assert (found == 255).all()


# ── layouts ─────────────────────────────────────────────────────────────────────────────────────


def images_by_class(images) -> dict[str, set[bytes]]:
    """Class name (`""` for unlabelled) → its 8 × 8 images."""
    names = (*images.classes, "")
    return {
        name: {image.numpy().tobytes() for image in images.x[images.y == (i if name else -1)]}
        for i, name in enumerate(names)
    }


def originals(digit_images, name: str, start: int, stop: int) -> set[bytes]:
    return {image.tobytes() for image in digit_images(name)[start:stop]}


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_train_test_and_unlabelled_hold_what_their_folders_do(load, image_folder, digit_images, suffix):
    data = load(image_folder(train=6, test=3, unlabelled=4, suffix=suffix))
    assert data.classes == data.test.classes == ("one", "two", "zero"), "in the order of the alphabet"
    train, test = images_by_class(data.train), images_by_class(data.test)
    for name in data.classes:
        assert train[name] == originals(digit_images, name, 0, 6)
        assert test[name] == originals(digit_images, name, 6, 9)
    assert train[""] == set().union(
        originals(digit_images, "zero", 9, 11),
        originals(digit_images, "one", 9, 10),
        originals(digit_images, "two", 9, 10),
    )
    assert not test[""]
    assert data.notes["test_split_off"] is False


def test_images_may_lie_at_any_depth_below_their_class(load, image_folder):
    folder = image_folder()
    shallow = load(folder)
    for part in ("train/one", "test/two", "unlabelled"):
        deep = folder / part / "2024" / "may"
        deep.mkdir(parents=True)
        for path in list((folder / part).glob("*.png"))[1:]:
            path.rename(deep / path.name)
    deep = load(folder)
    assert deep.fingerprint != shallow.fingerprint
    for one, other in ((shallow.train, deep.train), (shallow.test, deep.test)):
        assert images_by_class(one) == images_by_class(other)


@pytest.mark.parametrize("tree", [False, True], ids=["train folder", "one tree"])
def test_without_a_test_folder_test_images_are_split_off_class_by_class(load, image_folder, digit_images, tree):
    data = load(image_folder(train=10, test=0, unlabelled=5, tree=tree), test_fraction=0.3)
    train, test = images_by_class(data.train), images_by_class(data.test)
    for name in ("zero", "one", "two"):
        assert len(test[name]) == 3
        assert train[name].isdisjoint(test[name])
        assert train[name] | test[name] == originals(digit_images, name, 0, 10)
    assert len(train[""]) == 5
    assert not test[""]
    assert data.notes["test_split_off"] is True


def test_which_images_are_split_off_depends_on_the_test_seed(load, image_folder):
    folder = image_folder(train=20, test=0)
    one, again, other = (images_by_class(load(folder, test_seed=seed).test) for seed in (0, 0, 1))
    assert one == again
    assert one != other


def test_unequal_classes_are_read_whole(load, image_folder):
    data = load(image_folder(train={"zero": 30, "one": 2, "two": 7}, test={"zero": 1}, unlabelled=0))
    assert {name: len(found) for name, found in images_by_class(data.train).items()} == {
        "zero": 30,
        "one": 2,
        "two": 7,
        "": 0,
    }
    assert len(data.test) == 1


def test_files_that_are_no_images_are_passed_over_and_counted(load, image_folder):
    folder = image_folder(train=6, test=3, unlabelled=4)
    (folder / "train" / "zero" / "notes.txt").write_text("a good one")
    (folder / "unlabelled" / "movie.mp4").write_bytes(b"\0")
    (folder / "test" / "one" / ".hidden.png").write_bytes(b"\0")
    data = load(folder)
    assert (len(data.train), len(data.test)) == (22, 9)
    assert data.notes["files_ignored"] == 2, "hidden files are nobody's loss"


def test_images_that_lie_beside_class_folders_are_counted_as_passed_over(load, image_folder, digit_images):
    folder = image_folder(train=6)
    for part in ("", "train", "test"):
        Image.fromarray(digit_images("one")[-1]).save(folder / part / "loose.png")
    data = load(folder)
    assert (len(data.train), len(data.test)) == (22, 9)
    assert data.notes["files_ignored"] == 3


def test_suffixes_may_be_in_capitals(load, image_folder):
    folder = image_folder()
    n = len(load(folder).train)
    for path in (folder / "train" / "one").iterdir():
        path.rename(path.with_suffix(".PNG"))
    assert len(load(folder).train) == n


def test_size_and_channels_are_those_asked_for(load, image_folder):
    data = load(image_folder(), image_size=12, channels=3)
    assert data.train.x.shape[1:] == data.test.x.shape[1:] == (3, 12, 12)


def test_images_are_32_pixels_in_colour_unless_asked_otherwise(image_folder, tmp_path):
    data = load_dataset("folder", folder=image_folder(), data_root=tmp_path / "data-root")
    assert data.train.x.shape[1:] == (3, 32, 32)


def test_the_home_folder_may_be_written_as_a_tilde(load, image_folder, monkeypatch, tmp_path):
    image_folder(tmp_path / "home" / "digits")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    assert len(load("~/digits").test) == 9


# ── the cache ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def readings(monkeypatch) -> list:
    """What was really read from image files, a path a time."""
    import sslfast.data.datasets as datasets

    found, read = [], datasets.read_folder

    def noted(path, *rest, **where):
        found.append(path)
        return read(path, *rest, **where)

    monkeypatch.setattr(datasets, "read_folder", noted)
    return found


def test_images_are_decoded_once(load, image_folder, readings):
    folder = image_folder()
    first, second = load(folder), load(folder)
    assert readings == [folder]
    assert first.fingerprint == second.fingerprint
    assert first.notes == second.notes
    assert images_by_class(first.train) == images_by_class(second.train)


def test_a_changed_image_is_read_again(load, image_folder, digit_images, readings):
    folder = image_folder()
    before = load(folder)
    path = folder / "train" / "one" / "one-000.png"
    Image.fromarray(digit_images("one")[-1]).save(path)
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000_000))
    after = load(folder)
    assert len(readings) == 2
    assert after.fingerprint != before.fingerprint
    assert originals(digit_images, "one", -1, None) <= images_by_class(after.train)["one"]


@pytest.mark.parametrize("part", ["train/one", "test/one", "unlabelled"])
def test_an_added_image_is_read_too(load, image_folder, digit_images, part):
    folder = image_folder()
    before = load(folder)
    Image.fromarray(digit_images("one")[-1]).save(folder / part / "new.png")
    after = load(folder)
    assert after.fingerprint != before.fingerprint
    assert len(after.train) + len(after.test) == len(before.train) + len(before.test) + 1


def test_a_removed_or_moved_image_makes_other_data(load, image_folder):
    folder = image_folder()
    found = [load(folder).fingerprint]
    (folder / "train" / "one" / "one-000.png").rename(folder / "train" / "two" / "one-000.png")
    found.append(load(folder).fingerprint)
    (folder / "train" / "two" / "one-000.png").unlink()
    found.append(load(folder).fingerprint)
    assert len(set(found)) == 3


@pytest.mark.parametrize(
    "changes", [{"image_size": 9}, {"channels": 3}, {"test_fraction": 0.5}, {"test_seed": 1}], ids=str
)
def test_the_same_images_prepared_another_way_are_other_data(load, image_folder, changes):
    folder = image_folder(train=10, test=0)
    assert load(folder, **changes).fingerprint != load(folder).fingerprint


def test_two_folders_of_the_same_images_are_the_same_data(load, image_folder, readings, tmp_path):
    folder = image_folder()
    moved = tmp_path / "elsewhere" / "images"
    first = load(folder)
    moved.parent.mkdir()
    folder.rename(moved)
    assert load(moved).fingerprint == first.fingerprint
    assert readings == [folder]


def test_an_image_that_was_only_touched_makes_the_same_data(load, image_folder, readings):
    folder = image_folder()
    before = load(folder)
    os.utime(folder / "train" / "one" / "one-000.png", ns=(1, 1))
    assert load(folder).fingerprint == before.fingerprint
    assert len(readings) == 2


def test_an_image_edited_under_its_size_and_date_is_seen_wherever_images_are_read_anew(image_folder, tmp_path):
    folder = image_folder(suffix=".bmp")
    options = {"folder": folder, "image_size": 8, "channels": 1}
    before = load_dataset("folder", **options, data_root=tmp_path / "a")
    path = folder / "train" / "one" / "one-000.bmp"
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 255]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    # nobody looks into a file of the same name, size and date: what is stored goes on being used, under its fingerprint
    assert load_dataset("folder", **options, data_root=tmp_path / "a").fingerprint == before.fingerprint
    assert load_dataset("folder", **options, data_root=tmp_path / "b").fingerprint != before.fingerprint


def test_what_other_code_stored_is_read_anew(load, image_folder, readings, monkeypatch):
    folder = image_folder()
    before = load(folder)
    monkeypatch.setattr("sslfast.data.images.reading_version", lambda: "another")
    assert load(folder).fingerprint == before.fingerprint
    assert len(readings) == 2


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux to see what is mapped")
def test_images_are_memory_mapped(load, image_folder, tmp_path):
    data = load(image_folder())
    mapped = Path("/proc/self/maps").read_text()
    assert re.search(rf"{re.escape(str(tmp_path))}/data-root/cache/folder-\S+/train_x\.npy", mapped)
    assert len(data.train) == 18 + 4


def test_writing_to_images_in_memory_leaves_the_store_alone(load, image_folder):
    folder = image_folder()
    data = load(folder)
    before = images_by_class(data.train)
    data.train.x.zero_()
    assert images_by_class(load(folder).train) == before


def test_images_that_memory_has_no_room_for_are_not_called_damaged(load, image_folder, monkeypatch):
    folder = image_folder()
    load(folder)

    def no_room(*_, **__):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr("sslfast.data.images.np.load", no_room)
    with pytest.raises(DataError, match=r"cannot open the images stored in .* \(Cannot allocate memory\)"):
        load(folder)


def test_a_store_holds_nothing_half_written(load, image_folder, tmp_path):
    folder = image_folder()
    (folder / "train" / "zero" / "broken.png").write_bytes(b"not an image")
    with pytest.raises(DataError):
        load(folder)
    assert not [path for path in (tmp_path / "data-root" / "cache").iterdir() if path.is_dir()]


# ── what cannot work ────────────────────────────────────────────────────────────────────────────


def refusal(load, folder: Path, **options) -> str:
    """The message, of one line, with which a folder is refused."""
    with pytest.raises(DataError) as caught:
        load(folder, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_missing_folder_is_named(load, tmp_path):
    assert f"nothing at {tmp_path / 'nowhere'}," in refusal(load, tmp_path / "nowhere")


def test_a_file_in_place_of_the_folder_is_named(load, tmp_path):
    (tmp_path / "images.zip").write_bytes(b"")
    assert f"a file at {tmp_path / 'images.zip'}," in refusal(load, tmp_path / "images.zip")


@pytest.mark.parametrize("inside", [(), ("train",), ("train", "test"), ("cat", "dog")], ids=str)
def test_an_empty_folder_is_named(load, tmp_path, inside):
    for name in inside:
        (tmp_path / "images" / name).mkdir(parents=True)
    (tmp_path / "images").mkdir(exist_ok=True)
    message = refusal(load, tmp_path / "images")
    assert "no images" in message
    assert str(tmp_path / "images") in message


@pytest.mark.parametrize("tree", [False, True], ids=["train folder", "one tree"])
def test_a_folder_of_one_class_is_refused_by_its_name(load, image_folder, tree):
    folder = image_folder(classes=("seven",), tree=tree)
    message = refusal(load, folder)
    assert "one class only (seven)" in message
    assert str(folder) in message


def test_a_class_folder_without_images_is_named(load, image_folder):
    folder = image_folder()
    (folder / "train" / "three").mkdir()
    assert f"{folder / 'train' / 'three'} has no images" in refusal(load, folder)


@pytest.mark.parametrize("tree", [False, True], ids=["train folder", "one tree"])
def test_a_class_with_a_single_image_is_named_with_how_many_it_needs(load, image_folder, tree):
    folder = image_folder(train={"zero": 5, "one": 1}, test={"zero": 2}, tree=tree)
    path = folder / "one" if tree else folder / "train" / "one"
    assert f"{path} has a single image, expected at least {3 if tree else 2}" in refusal(load, folder)


def test_two_images_a_class_are_enough_beside_a_test_folder_and_three_without(load, image_folder, tmp_path):
    with_test = load(image_folder(tmp_path / "a", train=2, test=1))
    assert len(make_split(with_test, 0).labelled(1)) == 3
    without = load(image_folder(tmp_path / "b", train=3, test=0))
    assert (len(without.test), len(make_split(without, 0).labelled(1))) == (3, 3)
    assert "has 2 images, expected at least 3" in refusal(load, image_folder(tmp_path / "c", train=2, test=0))


def test_a_test_class_that_training_does_not_know_is_named(load, image_folder):
    folder = image_folder(test={"zero": 2, "nine": 2})
    message = refusal(load, folder)
    assert "test/nine" in message
    assert "one, two, zero" in message


def test_a_test_folder_without_images_is_named(load, image_folder):
    folder = image_folder(test=0)
    (folder / "test" / "zero").mkdir(parents=True)
    assert f"{folder / 'test'} has no images" in refusal(load, folder)


def test_a_test_folder_without_a_train_folder_is_refused(load, image_folder):
    folder = image_folder()
    shutil.rmtree(folder / "train")
    message = refusal(load, folder)
    assert f"{folder} has test/ but no train/" in message


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def text(path: Path) -> None:
    path.write_text("this is a shopping list")


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncated, text, empty])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
def test_an_unreadable_image_is_named_with_what_to_do(load, image_folder, damage, suffix):
    folder = image_folder(suffix=suffix)
    path = folder / "train" / "one" / f"one-003{suffix}"
    damage(path)
    message = refusal(load, folder)
    assert f"cannot read the image {path} (" in message
    assert "on_bad_image: skip" in message


@pytest.mark.parametrize("part", ["test/one/one-001.png", "unlabelled/002.png"])
def test_an_unreadable_image_is_named_wherever_it_lies(load, image_folder, part):
    folder = image_folder()
    text(folder / part)
    assert str(folder / part) in refusal(load, folder)


def test_a_link_to_an_image_that_is_gone_is_named(load, image_folder):
    folder = image_folder()
    link = folder / "train" / "one" / "gone.png"
    link.symlink_to(folder / "nowhere.png")
    assert str(link) in refusal(load, folder)


def test_unreadable_images_are_skipped_counted_and_listed_where_that_is_asked_for(load, image_folder, digit_images):
    folder = image_folder()
    bad = ["train/one/one-003.png", "test/two/two-000.png", "unlabelled/000.png"]
    for path in bad:
        truncated(folder / path)
    data = load(folder, on_bad_image="skip")
    assert data.notes["images_skipped"] == 3
    assert sorted(data.notes["skipped"]) == sorted(bad)
    train, test = images_by_class(data.train), images_by_class(data.test)
    assert [len(train[name]) for name in ("zero", "one", "two", "")] == [6, 5, 6, 3]
    assert [len(test[name]) for name in ("zero", "one", "two")] == [3, 3, 2]
    assert train["one"] == originals(digit_images, "one", 0, 6) - originals(digit_images, "one", 3, 4)


def test_nothing_is_counted_as_skipped_where_all_can_be_read(load, image_folder):
    notes = load(image_folder(), on_bad_image="skip").notes
    assert (notes["images_skipped"], notes["skipped"]) == (0, [])


@pytest.mark.parametrize("tree", [False, True], ids=["train folder", "one tree"])
def test_a_class_of_which_too_few_can_be_read_is_named(load, image_folder, tree):
    folder = image_folder(train={"zero": 5, "one": 3}, test={"zero": 2}, tree=tree)
    path = folder / "one" if tree else folder / "train" / "one"
    for i in range(2):
        text(path / f"one-{i:03}.png")
    message = refusal(load, folder, on_bad_image="skip")
    assert f"{path} has a single image" in message
    assert "2 unreadable ones were skipped" in message


def test_test_images_of_which_none_can_be_read_are_named(load, image_folder):
    folder = image_folder(test={"zero": 1})
    text(folder / "test" / "zero" / "zero-000.png")
    assert f"none of the test images under {folder} could be read" in refusal(load, folder, on_bad_image="skip")


def test_a_data_root_that_cannot_be_written_is_named_with_what_to_do(load, image_folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    message = refusal(load, image_folder(), data_root=tmp_path / "file")
    assert f"data_root: cannot write to {tmp_path / 'file'}" in message
    assert "SSLFAST_DATA" in message


def test_a_dataset_folder_without_a_path_is_an_error_that_names_the_key():
    with pytest.raises(ConfigError, match=r"folder: missing"):
        load_dataset("folder")


@pytest.mark.parametrize(
    ("changes", "key"),
    [({"channels": 2}, "channels"), ({"image_size": -4}, "image_size"), ({"on_bad_image": "ignore"}, "on_bad_image")],
    ids=str,
)
def test_an_option_that_cannot_work_is_named(load, image_folder, changes, key):
    with pytest.raises(ConfigError, match=f"{key}: found"):
        load(image_folder(), **changes)


def test_a_digest_known_already_spares_looking_and_is_not_believed_where_images_are_read(image_folder, tmp_path):
    root = image_folder()
    content = content_digest(root, scan(root))
    first = load_dataset("folder", folder=root, content=content, data_root=tmp_path / "a")
    assert first.fingerprint == load_dataset("folder", folder=root, data_root=tmp_path / "a").fingerprint
    next(root.rglob("train/*/*.png")).unlink()
    # what was stored under the digest is what it was
    again = load_dataset("folder", folder=root, content=content, data_root=tmp_path / "a")
    assert torch.equal(again.train.x, first.train.x)
    with pytest.raises(DataError, match=r"^folder: the images under .* changed since the study looked; run it again$"):
        load_dataset("folder", folder=root, content=content, data_root=tmp_path / "b")
