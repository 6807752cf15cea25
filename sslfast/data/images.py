"""Image sets: every image of a data set in one uint8 array, kept on disk and memory-mapped."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from ..errors import DataError
from ..files import CHECKSUM, put_in_place, replacing, user_path, verify
from ..study.arrays import load_array, save_array
from ..study.image_size import ImageSize, image_size_of
from ..study.version import reading_version
from .decoding import Decoding
from .row_sums import RowSums, row_sum
from .unfinished import forget_old

__all__ = ["ImageData", "ImageSet", "cached", "default_data_root", "digests", "from_arrays", "unfinished"]


UNFINISHED = "unfinished"


@dataclass(frozen=True)
class ImageSet:
    """Images and labels side by side.

    `x`: uint8 `[N, C, H, W]` (stored channels-last, so that whole batches reach the model in
    that layout without a copy); `y`: int64 `[N]`, −1 where unlabelled; `classes`: names in the
    order of the labels. `decoding`: how images of files became these; `sums`: those of stored images, by which whoever
    takes some out of `x` has them checked (see `RowSums`).
    """

    x: Tensor
    y: Tensor
    classes: tuple[str, ...]
    decoding: Decoding | None = None
    sums: RowSums | None = field(default=None, repr=False, compare=False)
    _copies: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.y)

    def check(self, rows: np.ndarray | None = None) -> None:
        """Raises `DataError` if one of the images, or of those at `rows`, is not what was stored."""
        if self.sums:
            self.sums.check(rows)

    def pixels(self, rows: np.ndarray | None = None) -> np.ndarray:
        """The images, or those at `rows`, as numpy shows them: uint8 `[N, H, W, C]`."""
        self.check(rows)
        whole = self.x.permute(0, 2, 3, 1).numpy()
        return whole if rows is None else whole[rows]

    def on(self, device: torch.device | None) -> "ImageSet":
        """The images on `device`, copied there once; unchanged if they would fill over half of its free memory."""
        if device is None or device == self.x.device:
            return self
        if device not in self._copies:
            fits = self.x.nbytes <= _free_memory(device) // 2
            if fits:
                self.check()
            there = replace(self, x=self.x.to(device), y=self.y.to(device), sums=None) if fits else self
            self._copies[device] = there
        return self._copies[device]

    def new(self, items: Sequence) -> "ImageSet":
        """New images without labels, decoded as these were: paths, open files, PIL images, arrays (see `Decoding`), or
        uint8 tensors `[C, H, W]` of their size, which stay as they are."""
        if items and all(isinstance(item, Tensor) for item in items):
            x = torch.stack(list(items))
        else:
            decoding = self.decoding or Decoding(self.image_size, self.channels)
            x = torch.from_numpy(decoding([_pixels(item) for item in items])).permute(0, 3, 1, 2)
        return replace(self, x=x, y=torch.full((len(x),), -1), sums=None)

    @property
    def channels(self) -> int:
        return self.x.shape[1]

    @property
    def image_size(self) -> ImageSize:
        return image_size_of(self.x.shape[2:])


@dataclass(frozen=True)
class ImageData:
    """A data set: training images (labelled or not), test images, and what identifies it.

    `fingerprint` is a digest of all pixels, labels and names of classes, in their order; `notes` say
    what was done while reading (images skipped, test images split off) and how many images are copies.
    """

    name: str
    train: ImageSet
    test: ImageSet
    fingerprint: str
    notes: dict = field(default_factory=dict)
    unlabelled_elsewhere: bool = False
    valid_rows: tuple[int, int] | None = None  # start and end of the validation images, if given

    @property
    def classes(self) -> tuple[str, ...]:
        return self.train.classes

    def summary(self) -> dict:
        """What was found, for a person and the report: counts, classes, notes."""
        train, test, valid = self.train.y, self.test.y, self.train.y[:0]
        if self.valid_rows:
            start, stop = self.valid_rows
            train, valid = torch.cat([train[:start], train[stop:]]), train[start:stop]
        by_class = {
            part: torch.bincount(y[y >= 0], minlength=len(self.classes)).tolist()
            for part, y in (("train", train), ("valid", valid), ("test", test))
        }
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "n_labelled": int((self.train.y >= 0).sum()),
            "n_unlabelled_only": int((self.train.y < 0).sum()),
            "n_test": len(self.test),
            "image_size": self.train.image_size,
            "channels": self.train.channels,
            "classes": list(self.classes),
            "by_class": by_class,
            "notes": self.notes,
        }


@dataclass(frozen=True)
class Arrays:
    """The result of reading a data set: images uint8 `[N, H, W, C]` and labels int64 `[N]`, as numpy arrays."""

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    classes: tuple[str, ...]
    notes: dict = field(default_factory=dict)
    unlabelled_elsewhere: bool = False
    valid_rows: tuple[int, int] | None = None


def default_data_root(data_root: str | Path | None = None) -> Path:
    """Where data sets live: `data_root`, else `$SSLFAST_DATA`, else `~/.cache/sslfast`."""
    return user_path(data_root or os.environ.get("SSLFAST_DATA") or "~/.cache/sslfast", "data_root")


def from_arrays(name: str, arrays: Arrays, fingerprint: str, sums: Mapping[str, RowSums] | None = None) -> ImageData:
    """An `ImageData` over arrays in memory (or memory-mapped), without copying them. `sums`: of `train` and `test`."""

    decoding, sums = (
        Decoding.of(arrays.notes, image_size_of(arrays.train_x.shape[1:3]), arrays.train_x.shape[3]),
        sums or {},
    )

    def image_set(x, y, part):
        x = torch.from_numpy(x).permute(0, 3, 1, 2)
        return ImageSet(x, torch.from_numpy(y), tuple(arrays.classes), decoding, sums.get(part))

    train = image_set(arrays.train_x, arrays.train_y, "train")
    test = image_set(arrays.test_x, arrays.test_y, "test")
    return ImageData(name, train, test, fingerprint, arrays.notes, arrays.unlabelled_elsewhere, arrays.valid_rows)


def cached(name: str, key: str, data_root: Path, read: Callable[[], Arrays], check: bool = False) -> ImageData:
    """The data set stored under `key`; if it is not stored yet, it is read with `read()` and stored first.

    Images that another version of the reading code stored are read again. Several processes may call this at once:
    one reads, the others wait for it. The store is complete or absent, never partial. Raises
    `DataError` if `data_root` cannot be written, or if the store is damaged: labels are looked at here, each image
    where it is first used (see `RowSums`); with `check`, every stored pixel is compared with the fingerprint, too.
    """
    folder = data_root / "cache" / f"{name}-{key}-{reading_version()}"
    if not (folder / "meta.json").exists():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{folder}.lock"):
                if not (folder / "meta.json").exists():
                    try:
                        arrays = read()
                    except DataError:  # these files make no data set, so what was decoded of them is of no use
                        shutil.rmtree(unfinished(name, key, data_root), ignore_errors=True)
                        raise
                    _store(folder, arrays)
        except OSError as error:
            raise DataError(
                f"data_root: cannot write to {data_root} ({error.strerror or error}); make room there, or set data_root"
                " in the config or SSLFAST_DATA to a folder that you may write to"
            ) from None
    return _load(name, folder, check)


def unfinished(name: str, key: str, data_root: Path) -> Path:
    """The folder for unfinished work on what will be stored as `key`; it goes when `cached` stores or refuses that."""
    folder = data_root / "cache" / f"{name}-{key}-{reading_version()}"
    return folder.with_name(f".{folder.name}-{UNFINISHED}")


def digests(x: np.ndarray) -> list[bytes]:
    """16 bytes for each image of `x` (uint8 `[N, H, W, C]`), the same for the same pixels."""
    return [hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest() for image in x]


def _pixels(item):
    """A tensor as the array that Pillow knows; anything else as it is."""
    if not isinstance(item, Tensor):
        return item
    pixels = item.permute(1, 2, 0).numpy()
    return np.ascontiguousarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def _free_memory(device: torch.device) -> int:
    """Free memory in bytes; 4 GB is assumed for GPUs that do not report it."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 2**32


def _store(folder: Path, arrays: Arrays) -> None:
    prefix = f".{folder.name}-"
    decoded = folder.with_name(f"{prefix}{UNFINISHED}")
    for left in folder.parent.glob(f"{prefix}*"):  # left by a killed process, since this one holds the lock
        if left != decoded:
            shutil.rmtree(left, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        fingerprint, copies = _content(arrays)
        meta = {**vars(arrays), "fingerprint": fingerprint, "notes": {**arrays.notes, **copies}, "checksum": CHECKSUM}
        for part in ("train", "test"):
            x, y = meta.pop(f"{part}_x"), meta.pop(f"{part}_y")
            np.save(scratch / f"{part}_x.npy", np.ascontiguousarray(x))
            save_array(np.ascontiguousarray(y), scratch / f"{part}_y.npy")
            save_array(np.array([row_sum(image) for image in x], np.uint32), scratch / f"{part}_sums.npy")
        with replacing(scratch / "meta.json", checksum=True) as file:
            file.write_text(json.dumps(meta))
        shutil.rmtree(folder, ignore_errors=True)
        put_in_place(scratch, folder)
        shutil.rmtree(decoded, ignore_errors=True)
        forget_old(folder.parent, UNFINISHED)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _load(name: str, folder: Path, check: bool) -> ImageData:
    try:
        verify(folder / "meta.json")
        meta = json.loads((folder / "meta.json").read_text())
        parts, sums = {}, {}
        for part in ("train", "test"):
            path = folder / f"{part}_x.npy"
            # 'c' (copy on write) gives torch the writable array it wants without ever touching the file
            parts[f"{part}_x"] = x = np.load(path, mmap_mode="c", allow_pickle=False)
            parts[f"{part}_y"] = load_array(folder / f"{part}_y.npy")
            sums[part] = RowSums(x, found := load_array(folder / f"{part}_sums.npy"), f"the {part} images in {folder}")
            if x.offset + x.nbytes != path.stat().st_size or found.shape != x.shape[:1] or found.dtype != np.uint32:
                raise ValueError(f"images {x.dtype} {x.shape}, checksums {found.dtype} {found.shape}")
        elsewhere = bool(meta.get("unlabelled_elsewhere"))
        valid = meta.get("valid_rows")
        arrays = Arrays(
            **parts,
            classes=tuple(meta["classes"]),
            notes=dict(meta["notes"]),
            unlabelled_elsewhere=elsewhere,
            valid_rows=valid and tuple(map(int, valid)),
        )
        _check(arrays)
        if check and _content(arrays)[0] != meta["fingerprint"]:
            raise ValueError("its pixels are not those that were stored")
        return from_arrays(name, arrays, str(meta["fingerprint"]), sums)
    except Exception as error:  # numpy raises nearly anything on damaged files
        if isinstance(error, OSError) and error.errno in (errno.ENOMEM, errno.EMFILE, errno.EACCES):
            raise DataError(f"data_root: cannot open the images stored in {folder} ({error.strerror})") from None
        raise DataError(
            f"data_root: the images stored in {folder} are damaged ({error}); delete that folder and run again"
        ) from None


def _content(arrays: Arrays) -> tuple[str, dict[str, int]]:
    """The fingerprint, and how many images are copies of others, pixel by pixel."""
    train, test = (digests(x) for x in (arrays.train_x, arrays.test_x))
    about = [list(arrays.classes), arrays.train_x.shape, arrays.test_x.shape]
    if arrays.unlabelled_elsewhere:  # the same images make other splits
        about.append("unlabelled elsewhere")
    if arrays.valid_rows:
        about.append(["validation images", *arrays.valid_rows])
    labels = (np.ascontiguousarray(y, dtype=np.int64).tobytes() for y in (arrays.train_y, arrays.test_y))
    whole = b"".join((json.dumps(about).encode(), *train, *test, *labels))
    known = set(train)
    copies = {
        "test_images_also_in_training": sum(image in known for image in test),
        "training_images_repeated": len(train) - len(known),
    }
    return hashlib.sha256(whole).hexdigest()[:16], copies


def _check(arrays: Arrays) -> None:
    """Raises `ValueError` for arrays that no reader could have made."""
    for x, y, least in ((arrays.train_x, arrays.train_y, -1), (arrays.test_x, arrays.test_y, 0)):
        good = x.dtype == np.uint8 and y.dtype == np.int64 and x.ndim == 4 and y.shape == x.shape[:1]
        if not good or not x.size or x.shape[1:] != arrays.train_x.shape[1:]:
            raise ValueError(f"images {x.dtype} {x.shape}, labels {y.dtype} {y.shape}")
        if y.min() < least or y.max() >= len(arrays.classes):
            raise ValueError(f"labels from {y.min()} to {y.max()} for {len(arrays.classes)} classes")
    if arrays.valid_rows is not None:
        start, stop = arrays.valid_rows
        if not 0 <= start < stop <= len(arrays.train_y) or arrays.train_y[start:stop].min() < 0:
            raise ValueError(f"validation images from {start} to {stop} of {len(arrays.train_y)}")
