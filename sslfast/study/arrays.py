"""Arrays on disk, as .npy and .npz with a checksum, so that a changed bit is noticed. No pickles."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RecordError
from ..files import CHECKSUM, replacing, verify

__all__ = ["load_array", "read_arrays", "read_predictions", "save_array", "write_arrays", "write_predictions"]


def save_array(array: np.ndarray, path: str | Path) -> None:
    """Store `array` as .npy, whole or not at all. The checksum follows the values, where NumPy does not look."""
    with replacing(path, checksum=True) as scratch, scratch.open("wb") as file:
        np.save(file, array)
        file.write(CHECKSUM.encode())


def load_array(path: str | Path) -> np.ndarray:
    """The array that `save_array` stored. Raises `ValueError`, `OSError` or `EOFError` for any other file."""
    verify(path)
    return np.load(path, allow_pickle=False)


def write_predictions(predictions: np.ndarray | None, path: str | Path) -> None:
    """Store the predicted class of every test image, `[N]` uint8 or uint16; an empty array for a run without any."""
    save_array(np.empty(0, dtype=np.uint8) if predictions is None else predictions, path)


def read_predictions(path: str | Path) -> np.ndarray:
    """The predicted class of every test image, `[N]`, as a run stored it beside its record; empty for a run without.

    Raises `RecordError` for a file that holds no predictions.
    """
    try:
        found = load_array(path)
        if found.ndim != 1 or found.dtype.kind != "u":
            raise ValueError(f"{found.dtype} of shape {found.shape}")
        return found
    except (OSError, ValueError, EOFError) as error:
        raise RecordError(f"{path}: no readable predictions ({error}); delete it and run again") from None


def write_arrays(arrays: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Store `arrays` by name as .npz, whole or not at all."""
    stored: dict[str, Any] = dict(arrays)
    with replacing(path, checksum=True) as scratch:
        np.savez(scratch, **stored)
        with zipfile.ZipFile(scratch, "a") as file:
            file.comment = CHECKSUM.encode()


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays that `write_arrays` stored, by name. Raises `RecordError` for any other file."""
    try:
        verify(path)
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise RecordError(f"{path}: not readable as arrays ({error}); delete it and run again") from None
