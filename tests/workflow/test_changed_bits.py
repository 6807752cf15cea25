"""A bit that changes in a file of a study is found and named before the file is used, whichever bit it is."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import is_one_line
from hypothesis import given
from hypothesis import strategies as st

from sslfast import load_dataset
from sslfast.analysis.image_summary import read_summary
from sslfast.analysis.table_files import read_table
from sslfast.data.splits import read_split
from sslfast.errors import SslfastError
from sslfast.files import verify
from sslfast.models import load_encoder
from sslfast.study.arrays import read_arrays, read_predictions
from sslfast.study.examples import read_examples
from sslfast.study.records import read_record

READERS: dict[str, tuple[str, Callable]] = {  # of each kind of file that a later job reads: where those are, by whom
    "record": ("results/tiny/records/*/*.json", read_record),
    "predictions": ("results/tiny/records/*/*.npy", read_predictions),
    "encoder": ("results/tiny/encoders/*.safetensors", load_encoder),
    "pictures": ("results/tiny/pictures/*.npz", read_arrays),
    "split": ("results/tiny/splits/*.parquet", read_split),
    "table": ("results/tiny/tables/*.parquet", read_table),
    "examples": ("results/tiny/examples.npz", read_examples),
    "what was found of the images": ("results/tiny/images.json", read_summary),
}


def with_another_bit(draw, whole: bytes) -> bytes:
    at = draw(st.integers(0, len(whole) - 1))
    return whole[:at] + bytes([whole[at] ^ 1 << draw(st.integers(0, 7))]) + whole[at + 1 :]


@pytest.mark.parametrize("kind", READERS)
def test_any_bit_of_any_file_that_changes_is_named_with_what_to_do(finished, tmp_path, kind):
    pattern, read = READERS[kind]
    files = sorted(finished.folder.glob(pattern))
    for path in files:
        assert verify(path)
        read(path)

    @given(st.data())
    def changed(data):
        path = data.draw(st.sampled_from(files))
        place = tmp_path / path.relative_to(finished.folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(with_another_bit(data.draw, path.read_bytes()))
        with pytest.raises(SslfastError) as caught:
            read(place)
        assert is_one_line(caught.value)
        assert str(caught.value).startswith(f"{place}: ") and "delete" in str(caught.value)

    changed()


def test_any_bit_of_stored_images_that_changes_is_named_before_the_image_is_used(finished, tmp_path):
    root = Path(shutil.copytree(finished.folder / "data", tmp_path / "data"))
    (folder,) = (path for path in (root / "cache").iterdir() if path.is_dir())
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}

    def used() -> None:
        data = load_dataset("digits", data_root=root)
        for images in (data.train, data.test):
            images.pixels()

    used()

    @given(st.data())
    def changed(data):
        name = data.draw(st.sampled_from(sorted(whole)))
        (folder / name).write_bytes(with_another_bit(data.draw, whole[name]))
        with pytest.raises(SslfastError) as caught:
            used()
        (folder / name).write_bytes(whole[name])
        assert is_one_line(caught.value)
        assert str(folder) in str(caught.value) and "delete that folder and run again" in str(caught.value)

    changed()
