"""Do all runs of a table belong to one study, and is it the one that the config describes?

Snakemake reruns what a change affects. It cannot know of results that were copied from elsewhere, marked as done
(`--touch`), or kept in spite of a change (`--rerun-triggers mtime`): their records tell.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from ..errors import RecordError, ResultsError, printable
from ..study.base_nets import learns
from ..study.depends import asked_by, digest_of_asked
from ..study.grid import Box
from ..study.names import PIXELS, RANDOM, SHUFFLED, WITHOUT_ENCODER
from ..study.records import read_record
from ..study.study import Study
from .base_nets import BASE_NET, is_frozen
from .checks import OF_ONE_CODE
from .code import code_now

__all__ = ["check_against_config"]

ALIKE = ("fingerprint", "precision")
BY_LABELS = ("setting_updates", "setting_dropout")  # `auto` goes by a run's labels; seeds may differ by a few
NOTHING = "nothing"
SHOWN = 3  # files named in a message


def check_against_config(
    cells: pd.DataFrame, images: Mapping, study: Study, results: str | Path, shorter: pd.DataFrame | None = None
) -> None:
    """`ResultsError` if `cells`, the runs under `results`, are of several studies, or not of `study`.

    `shorter`: the study's runs of less length (`collect_shorter`), which are to be made as the others. `images`: what
    the study's rule `images` noted (`ImageData.summary`, and the `settings` that it was read with).
    The message names the entry, what was found in which files, and what was expected. Devices and numbers of
    threads may differ (a cluster); the report shows them.
    """
    if absent := [name for name in ("record", "fingerprint", "asked") if name not in cells]:
        raise ResultsError(
            f"{Path(results) / 'tables'}: made by another version of sslfast (no column {absent[0]});"
            " delete the folder and run again"
        )
    settings = images.get("settings", {})
    for key, expected in study.values(settings).items():
        if (found := settings[key]) != expected:
            raise ResultsError(
                f"{Path(results) / 'images.json'}: images were read with {key} {_text(found)}, the config says"
                f" {_text(expected)}; delete {results} and run again, or give this study another name"
            )
    runs = cells if shorter is None or shorter.empty else pd.concat([cells, shorter], ignore_index=True)
    if len(wrong := runs[runs.study != study.name]):
        raise _of_other_config(wrong, results, "study", wrong.study.iloc[0], study.name)
    for key, found, expected in _grid(cells, study):
        if found != expected:
            raise ResultsError(
                f"{Path(results) / 'tables'}: made for {key} {_list(found)}, the config says {_list(expected)};"
                " delete the folder and run again"
            )
    _check_asked(runs, study, results)
    for rows, names in _alike(cells):
        for name in names:
            _check_same(rows, name, results)
    for name in ALIKE:
        _check_same(runs, name, results)
    _check_code(runs, results)
    if len(other := cells[cells.fingerprint != images["fingerprint"]]):
        raise ResultsError(
            f"{_files(other, results)}: of other images than {Path(results) / 'images.json'} speaks of;"
            " delete the file(s) and run again"
        )


def _check_asked(runs: pd.DataFrame, study: Study, results: str | Path) -> None:
    """Each of `runs` was asked for as `study` asks now; the record of one that was not tells which key differs."""
    ask = asked_by(study)
    asked = {name: ask(Box.parse(name)) for name in runs.record.unique()}
    runs = runs.assign(expected=runs.record.map({name: digest_of_asked(now) for name, now in asked.items()}))
    wrong = runs[runs.asked != runs.expected]
    if wrong.empty:
        return
    first = wrong.iloc[0]
    rows, now = wrong[(wrong.asked == first.asked) & (wrong.expected == first.expected)], asked[first.record]
    try:
        then = read_record(Path(results) / f"records/{first.record}.json").asked
    except RecordError:  # the tables are here alone
        raise _of_other_config(rows, results, "settings", "of another config", "others") from None
    differ = [key for key in {**now, **then} if now.get(key, NOTHING) != then.get(key, NOTHING)]
    if digest_of_asked(then) != first.asked or not differ:
        raise ResultsError(f"{Path(results) / 'tables'}: made of older records; delete the folder and run again")
    raise _of_other_config(rows, results, differ[0], then.get(differ[0], NOTHING), now.get(differ[0], NOTHING))


def _of_other_config(
    rows: pd.DataFrame, results: str | Path, key: str, found: object, expected: object
) -> ResultsError:
    return ResultsError(
        f"{_files(rows, results)}: made with {key} {_text(found)}, the config says {_text(expected)}; delete the"
        " file(s) and run again, or give this study another name"
    )


def _grid(cells: pd.DataFrame, study: Study) -> Iterator[tuple[str, set, set]]:
    """Key of the config, the values that the table has, and those that the config has."""
    methods = {name.removeprefix(SHUFFLED) for name in cells.method} - {RANDOM, *WITHOUT_ENCODER}
    crossed = cells[cells[BASE_NET].isna()] if BASE_NET in cells else cells  # a base net is an encoder of its own
    us = set(map(float, study.unlabelled))
    if not any(learns(study, name) for name in study.methods):
        us &= {0.0}
    yield "seeds", set(cells.seed), set(study.seeds)
    yield "encoders", set(crossed.encoder[crossed.method != PIXELS]), set(study.encoders)
    yield "labelled", set(cells.l), set(map(float, study.labelled))
    yield "unlabelled", set(cells.u[~is_frozen(cells)].dropna()), us
    yield "evaluate", set(cells.evaluate[~cells.method.isin(WITHOUT_ENCODER)]), set(study.evaluate)
    yield "methods", methods, {name for name in study.methods if us - {0.0} or not learns(study, name)}


def _alike(cells: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, list[str]]]:
    """Runs, and the columns that have one value among them: what a config may leave to the machine or the images."""
    settings = [name for name in cells if name.startswith("setting_") and name not in BY_LABELS]
    yield cells, [name for name in settings if name.startswith(("setting_batch_size", "setting_augment_"))]
    # `views: auto` depends on the encoder and the labels, and was not looked up where that is of no use
    for _, rows in cells[cells.status != "failed"].groupby(["method", "encoder", "evaluate", "l"]):
        yield rows, settings


def _check_same(rows: pd.DataFrame, name: str, results: str | Path) -> None:
    if name not in rows:
        return
    counts = rows[name].value_counts(dropna=False)
    if len(counts) < 2:
        return
    usual = counts.index[0]
    odd = rows[rows[name] != usual]
    also = "set precision in the config, " if name == "precision" else ""
    raise ResultsError(
        f"{_files(odd, results)}: {_label(name)} {_text(odd[name].iloc[0])}, but {_text(usual)} in the other"
        f" {len(rows) - len(odd)}, which cannot be compared; {also}delete the file(s) and run again"
    )


def _check_code(cells: pd.DataFrame, results: str | Path) -> None:
    """Either all runs are of the code as it is now, or none is, and runs of one kind are of one code."""
    now = code_now(cells)
    old = cells[cells.code_version != now]
    if 0 < len(old) < len(cells):
        raise ResultsError(
            f"{_files(old, results)}: code_version {old.code_version.iloc[0]}, but {now[old.index[0]]} is that of the"
            f" code which made the other {len(cells) - len(old)}; delete the file(s) and run again"
        )
    for _, rows in cells.groupby(OF_ONE_CODE):
        _check_same(rows, "code_version", results)


def _files(rows: pd.DataFrame, results: str | Path) -> str:
    names = [f"{Path(results) / 'records' / name}.json" for name in rows.record]
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _label(name: str) -> str:
    return name.removeprefix("setting_")


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else printable(str(value))


def _list(values: set) -> str:
    return ", ".join(_text(value) for value in sorted(values)) or "none"
