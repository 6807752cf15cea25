"""An image that comes after training is seen as those of training were, whichever way it comes in."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from fastai.learner import Learner, load_learner
from hostile import is_one_line
from PIL import Image
from torch import nn

from sslfast import image_dls
from sslfast.errors import DataError


@pytest.fixture
def deep_wide_images(tmp_path):
    """Twelve-bit grey, 24 × 16, brighter to the right, of two classes, with `test/`."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 5), ("test", 3)):
        for at, name in enumerate(("left", "right")):
            folder = tmp_path / "images" / part / name
            folder.mkdir(parents=True)
            for i in range(n):
                pixels = 1000 + 4 * np.arange(24) + 20 * at + rng.integers(0, 20, (16, 24))
                Image.fromarray(pixels.astype(np.uint16)).save(folder / f"{i}.png")
    return tmp_path / "images"


def loaded(root, **options):
    return image_dls(root, image_size=8, channels=1, data_root=root.parent / "data", bs=4, device="cpu", **options)


def pixels(batch) -> torch.Tensor:
    return batch[0].as_subclass(torch.Tensor)


def of_test(root) -> list:
    return [path for name in ("left", "right") for path in sorted((root / "test" / name).iterdir())]


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_files_become_what_test_images_are_by_every_fit_and_by_the_range_of_grey(deep_wide_images, fit):
    dls = loaded(deep_wide_images, fit=fit)
    expected = pixels(dls.test.one_batch())
    files = of_test(deep_wide_images)
    opened = [Image.open(path) for path in files]
    arrays = [np.asarray(image) for image in opened]
    for loaders in (dls.classify, dls.pretrain):
        for items in (files, [str(path) for path in files], opened, arrays):
            assert torch.equal(pixels(loaders.test_dl(items).one_batch()), expected)
    assert expected.std() > 0.5, "by the range of all 16 bits, these images are of one grey"


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_learner_that_was_exported_sees_files_so_too(deep_wide_images, fit, tmp_path):
    dls = loaded(deep_wide_images, fit=fit)
    learn = Learner(dls.classify, nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), path=tmp_path)
    learn.export("learner.pkl")
    again = load_learner(tmp_path / "learner.pkl")
    expected = learn.model(pixels(dls.test.one_batch())).softmax(1)
    for i, path in enumerate(of_test(deep_wide_images)):
        for one in (learn, again):
            torch.testing.assert_close(one.predict(path)[2], expected[i].detach())


def test_the_largest_image_that_is_read_is_that_of_the_data_set(deep_wide_images):
    large = deep_wide_images.parent / "large.png"
    Image.new("L", (1500, 1000)).save(large)
    assert len(loaded(deep_wide_images).classify.test_dl([large]).dataset) == 1
    with pytest.raises(DataError, match="it has 2 megapixels, more than max_megapixels: 1"):
        loaded(deep_wide_images, max_megapixels=1).classify.test_dl([large])


def test_a_file_that_is_no_image_is_one_line_with_its_name(deep_wide_images):
    bad = deep_wide_images.parent / "page.jpg"
    bad.write_text("<!doctype html><html>not found</html>")
    with pytest.raises(DataError, match=r"cannot read the image .*page\.jpg \(it is an HTML page\)") as caught:
        loaded(deep_wide_images).classify.test_dl([*of_test(deep_wide_images), bad])
    assert is_one_line(caught.value)


PEAK = """
import sys
from pathlib import Path
from sslfast.data.decoding import Decoding

def most():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024

read = Decoding(32, 3, grey=(0, 4095), max_megapixels=1000)
read([sys.argv[1]])
before = most()
read([sys.argv[2]])
print(most() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16", "P"])
def test_a_large_image_takes_no_more_than_eight_bytes_a_pixel(tmp_path, mode):
    side = 5000
    if mode == "I;16":
        image = Image.fromarray(np.full((side, side), 2000, np.uint16))
    else:
        image = Image.new(mode, (side, side), {"RGB": "teal", "RGBA": (0, 90, 90, 128), "P": 1}[mode])
    image.save(tmp_path / "large.png", compress_level=1, **({"transparency": 0} if mode == "P" else {}))
    image.resize((64, 64)).save(tmp_path / "small.png")
    paths = [tmp_path / "small.png", tmp_path / "large.png"]
    done = subprocess.run([sys.executable, "-c", PEAK, *paths], capture_output=True, text=True, check=True)
    assert side**2 < int(done.stdout) < 8 * side**2 + 30e6  # these, for strips of it
