"""Reads the summary of a study's images, `images.json`."""

import json
from pathlib import Path

from ..errors import ConfigError, ResultsError, shown
from ..files import verify
from ..study.image_size import checked_size

__all__ = ["read_summary"]


def read_summary(path: str | Path) -> dict:
    """`ImageData.summary` as it was stored in `path`. Raises `ResultsError` if the file holds anything else."""
    try:
        verify(path)
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        for name, kind in _NOTED.items():
            if not isinstance(found[name], kind):
                raise ValueError(f"{name} is {shown(found[name])}")
        checked_size(found["image_size"])
        for name in ("skipped", "said", "warnings"):
            if not isinstance(found["notes"].get(name, []), list):
                raise ValueError(f"{name} is {shown(found['notes'][name])}")
        if "by_class" in found:
            n_classes = len(found["classes"])
            found["by_class"] = {part: [int(n) for n in found["by_class"][part]] for part in ("train", "valid", "test")}
            if any(len(counts) != n_classes for counts in found["by_class"].values()):
                raise ValueError(f"by_class does not count {n_classes} classes")
        found["notes"] |= {n: int(found["notes"].get(n) or 0) for n in ("images_skipped", "files_ignored")}
        left_out = found["notes"].get("left_out", [])
        found["notes"]["left_out"] = [
            {"n": int(e["n"])} | {name: str(e.get(name, "")) for name in ("what", "example", "why")} for e in left_out
        ]
    except (ConfigError, OSError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        raise ResultsError(
            f"{path}: not what the study noted of its images ({error}); delete it and run again"
        ) from None
    return found


_NOTED: dict[str, type | tuple[type, ...]] = {
    "fingerprint": str,
    "n_labelled": int,
    "n_unlabelled_only": int,
    "classes": list,
    "image_size": (int, list),
    "channels": int,
    "notes": dict,
}
