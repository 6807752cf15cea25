"""What a reader needs to trust a study, or not: how it was made, and which runs have no result and why."""

from collections.abc import Mapping

import pandas as pd

from ..analysis.code import code_now
from ..analysis.reach import reach
from ..analysis.results import Results
from ..analysis.words import plural
from ..data.found import grey_line
from ..errors import printable
from ..study import fractions
from ..study.names import SHUFFLED, WITHOUT_ENCODER
from ..study.stage_table import evaluations
from .made_of import seen_as

__all__ = ["devices", "facts", "missing", "planned_table"]

SHOWN = 3  # versions of the code that are written out


def facts(results: Results, title: str, images: Mapping) -> dict[str, str]:
    """How the study called `title` was made, and how far its numbers reach: name and text, most telling first."""
    cells = results.every
    if "record" in cells:  # what stands on a base net is beside each encoder
        cells = cells.drop_duplicates("record")
    ok = int((cells.status == "ok").sum())
    rounded_up = int(cells.classes_rounded_up.max()) if "classes_rounded_up" in cells else 0
    notes = images.get("notes", {})
    found = {
        "data set": f"{printable(title)} ({cells.dataset.iloc[0]})",
        "runs": f"{len(cells)}, of which {ok} ok, {len(cells) - ok} failed or diverged"
        + (f"; {n_absent} more of the grid have no record" if (n_absent := len(_absent(cells))) else ""),
        "seeds": ", ".join(str(s) for s in sorted(cells.seed.unique())),
        "length of training": results.length,
        **_shorter(results),
        **_labels(results, images),
        **reach(results.tables),
        "pool": ", ".join(sorted(cells[~cells.method.isin(WITHOUT_ENCODER)].pool.unique())),
        "budget": ", ".join(sorted(cells.budget.dropna().unique())),
        "test images": f"{int(cells.n_test.max()):,}, used once per cell, at the end",
        "device": f"{devices(cells)}; threads per job: {', '.join(map(str, sorted(cells.threads.unique())))}",
        **_nets(cells),
        "precision": " and ".join(sorted(cells.precision.dropna().unique())),
        "training time": f"{(cells.seconds_classify.sum() + _pretrain_seconds(cells)) / 60:.0f} minutes of job time",
        "code": _code(cells),
        "versions": ", ".join(
            f"{c.removeprefix('version_')} {' and '.join(sorted(map(str, cells[c].dropna().unique())))}"
            for c in cells
            if c.startswith("version_")
        ),
    }
    if images:
        found["images"] = (
            f"{images['n_labelled']:,} with labels, for training and validation, {images['n_unlabelled_only']:,}"
            f" without; {len(images['classes'])} classes; {seen_as(images)}"
        )
    if grey := grey_line(notes):
        found["grey"] = grey[0]
    if notes.get("images_skipped"):
        some = ", ".join(printable(str(name)) for name in notes.get("skipped", [])[:5])
        found["images skipped"] = f"{notes['images_skipped']:,} could not be read and were left out ({some}, …)"
    if n := notes.get("test_images_also_in_training"):
        found["test images seen"] = f"{n:,} test images are training images, too, pixel for pixel: scores flatter"
    if n := notes.get("training_images_repeated"):
        found["repeated images"] = f"{n:,} training images are copies; a copy may be validation, its original training"
    if notes.get("unlabelled_from"):
        left_out = int(notes.get("unlabelled_copies_left_out") or 0)
        found["unlabelled images from"] = f"{printable(str(notes['unlabelled_from']))}, in place of the study's own"
        found["unlabelled images from"] += f"; {left_out:,} copies of its images were left out" if left_out else ""
    if notes.get("files_ignored"):
        kinds = [f"{e['n']:,} {e['what']}, such as {e['example']}" for e in notes.get("left_out", [])]
        found["files left out"] = printable("; ".join(kinds)) or f"{notes['files_ignored']:,}"
    if rounded_up:
        found["rounded up"] = (
            f"up to {plural(rounded_up, 'class', 'classes')} got one labelled image more than their share"
        )
    return found


def _nets(cells: pd.DataFrame) -> dict[str, str]:
    """What existing nets are, what they have seen, and which arms stand on them or learned from them."""
    named: dict[str, list[str]] = {}
    for column, role in (("base_net_about", ""), ("teacher_about", "teacher of ")):
        known = cells.reindex(columns=["method", column]).dropna().drop_duplicates()
        for row in known[~known.method.str.startswith(SHUFFLED)].itertuples(index=False):
            named.setdefault(row[1], []).append(role + row.method)
    told = [printable(f"{', '.join(names)}: {about}") for about, names in named.items()]
    return {"existing nets": "; ".join(told)} if told else {}


def _shorter(results: Results) -> dict[str, str]:
    """The runs that check the length of training, and what they took."""
    runs = results.shorter
    if runs is None or runs.empty:
        return {}
    shorter = runs.seconds_classify.sum() + _pretrain_seconds(runs)
    share = shorter / (shorter + results.every.seconds_classify.sum() + _pretrain_seconds(results.every))
    lost = int((runs.status != "ok").sum())
    failed = f", {lost} of them without result" if lost else ""
    return {"runs that check it": f"{len(runs)}{failed}, with their encoders {100 * share:.0f} % of the training time"}


def _labels(results: Results, images: Mapping) -> dict[str, str]:
    """Which labels were looked at beyond those that a cell trains on, and what for."""
    cells = results.every
    of = images.get("by_class", {"train": [], "valid": []})
    n = sum(of["valid"]) or sum(fractions.set_aside(n, cells.valid_fraction.iloc[0]) for n in of["train"])
    text = f"{n:,} of validation images, " if n else "those of validation images, "
    text += "for the curves and the time to the threshold; how long a network trains does not depend on any label"
    used = [stage for name, stage in evaluations().items() if (cells.evaluate == name).any()]
    if chosen := [stage.chooses for stage in used if stage.chooses]:
        text += f"; for {' and '.join(chosen)}, as many of them as there are labels to train on"
    return {"labels to choose by": text}


def _code(cells: pd.DataFrame) -> str:
    found = sorted(cells.code_version.unique())
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    other = (cells.code_version != code_now(cells)).any()
    return ", ".join(found[:SHOWN]) + more + (" (the report was made by other code)" if other else "")


def devices(cells: pd.DataFrame) -> str:
    """The kinds of machine that the runs used."""
    return ", ".join(sorted(cells.device.unique()))


def missing(cells: pd.DataFrame) -> list[dict]:
    """The runs without a result, each with its reason: those that failed, then those that the table does not hold."""
    columns = ["method", "encoder", "evaluate", "u", "l", "seed", "status", "reason"]
    rows = pd.concat([cells[cells.status != "ok"], _absent(cells)]).reindex(columns=columns)
    rows = rows.assign(u=rows.u.map("{:g}".format).replace("nan", "–"), l=rows.l.map("{:g}".format))
    rows = rows.fillna("unknown")
    return rows.assign(reason=rows.reason.astype(str).map(printable)).to_dict("records")


def planned_table(planned: pd.DataFrame) -> pd.DataFrame:
    """What was planned beside what was measured (see `planned_and_measured`), as the page shows it."""
    minutes = {f"{name}, min": planned[name].map("{:.1f}".format) for name in ("planned", "measured")}
    return pd.DataFrame(
        {
            "stage": planned.stage,
            "jobs": planned.jobs,
            **minutes,
            "measured / planned": planned.ratio.map("{:.2f}".format),
        }
    )


def _absent(cells: pd.DataFrame) -> pd.DataFrame:
    """Runs of the grid (each way of making an encoder, with each l and seed) that have no row."""
    encoders = cells[["method", "encoder", "evaluate", "u"]].drop_duplicates()
    whole = encoders.merge(cells[["l"]].drop_duplicates(), how="cross").merge(
        cells[["seed"]].drop_duplicates(), how="cross"
    )
    found = whole.merge(cells[["method", "encoder", "evaluate", "u", "l", "seed"]], how="left", indicator=True)
    absent = found[found["_merge"] == "left_only"].drop(columns="_merge")
    return absent.assign(status="missing", reason="no record of this run")


def _pretrain_seconds(cells: pd.DataFrame) -> float:
    key = ["encoder", "method", "u", "seed"] + (["l"] if (cells.pool == "rest").any() else [])
    return float(cells.drop_duplicates(key).seconds_pretrain.sum())
