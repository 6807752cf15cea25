"""What a reader needs to trust a study, or not: how it was made, and which runs have no result and why."""

from collections.abc import Mapping

import pandas as pd

from ..analysis.checks import SUPERVISED

__all__ = ["devices", "facts", "missing"]


def facts(cells: pd.DataFrame, config: Mapping, images: Mapping) -> dict[str, str]:
    ok = int((cells.status == "ok").sum())
    rounded_up = int(cells.classes_rounded_up.max()) if "classes_rounded_up" in cells else 0
    notes = images.get("notes", {})
    found = {
        "data set": f"{config['title']} ({cells.dataset.iloc[0]})",
        "runs": f"{len(cells)}, of which {ok} ok, {len(cells) - ok} failed or diverged",
        "seeds": ", ".join(str(s) for s in sorted(cells.seed.unique())),
        "pool": ", ".join(sorted(cells[cells.method != SUPERVISED].pool.unique())),
        "budget": ", ".join(sorted(cells.budget.dropna().unique())),
        "test images": f"{int(cells.n_test.max()):,}, used once a cell, at the end",
        "device": f"{devices(cells)}, {int(cells.threads.max())} thread(s) a job, {cells.precision.iloc[0]}",
        "training time": f"{(cells.seconds_classify.sum() + _pretrain_seconds(cells)) / 60:.0f} minutes of job time",
        "code": ", ".join(sorted(cells.code_version.unique())),
        "versions": ", ".join(
            f"{c.removeprefix('version_')} {' and '.join(sorted(cells[c].dropna().unique()))}"
            for c in cells
            if c.startswith("version_")
        ),
    }
    if images:
        found["images"] = (
            f"{images['n_labelled']:,} with labels, for training and validation, {images['n_unlabelled_only']:,}"
            f" without; {len(images['classes'])} classes; {images['image_size']} × {images['image_size']} pixels,"
            f" {images['channels']} channel(s)"
        )
    if notes.get("images_skipped"):
        some = ", ".join(notes.get("skipped", [])[:5])
        found["images skipped"] = f"{notes['images_skipped']:,} could not be read and were left out ({some}, …)"
    if notes.get("files_ignored"):
        found["files passed over"] = f"{notes['files_ignored']:,} that are no images in a class folder"
    if rounded_up:
        found["rounded up"] = f"up to {rounded_up} classes got one labelled image more than their share"
    return found


def devices(cells: pd.DataFrame) -> str:
    return ", ".join(sorted(cells.device.unique()))


def missing(cells: pd.DataFrame) -> list[dict]:
    rows = cells[cells.status != "ok"][["method", "encoder", "u", "l", "seed", "status", "reason"]]
    return rows.assign(u=rows.u.map("{:g}".format).replace("nan", "–"), l=rows.l.map("{:g}".format)).to_dict("records")


def _pretrain_seconds(cells: pd.DataFrame) -> float:
    key = ["encoder", "method", "u", "seed"] + (["l"] if (cells.pool == "rest").any() else [])
    return float(cells.drop_duplicates(key).seconds_pretrain.sum())
