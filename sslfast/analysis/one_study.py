"""Do all runs of a table belong to one study, and is it the one that the config describes?

Snakemake reruns what a change affects. It cannot know of results that were copied from elsewhere, marked as done
(`--touch`), or kept in spite of a change (`--rerun-triggers mtime`): their records tell.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from ..errors import ResultsError
from ..study.base_nets import learns
from ..study.config import method_settings
from ..study.names import PIXELS, RANDOM, SHUFFLED, SUPERVISED, WITHOUT_ENCODER
from ..study.stages import STAGES, evaluations
from .base_nets import BASE_NET, is_frozen
from .checks import HEAD, OF_ONE_CODE, ONE_OF_EACH
from .code import code_now
from .tables import flat

__all__ = ["check_one_study"]

AMONG_BASELINES_TOO = [name for name in ONE_OF_EACH if name != "pool"]  # a baseline uses no unlabelled images
SHOWN = 3  # files named in a message


def check_one_study(
    cells: pd.DataFrame, images: Mapping, config: Mapping, results: str | Path, shorter: pd.DataFrame | None = None
) -> None:
    """`ResultsError` if `cells`, the runs under `results`, are of several studies, or not of the checked `config`.

    `shorter`: the study's runs of less length (`collect_shorter`), which are to be made as the others. `images`: what
    the study's rule `images` noted (`ImageData.summary`, and the `settings` that it was read with).
    The message names the entry, what was found in which files, and what was expected. Devices and numbers of
    threads may differ (a cluster); the report shows them.
    """
    if absent := [name for name in ("record", "fingerprint", "setting_batch_size") if name not in cells]:
        raise ResultsError(
            f"{Path(results) / 'tables'}: made by another version of sslfast (no column {absent[0]});"
            " delete the folder and run again"
        )
    for key, found in images.get("settings", {}).items():
        if found != config[key]:
            raise ResultsError(
                f"{Path(results) / 'images.json'}: images were read with {key} {_text(found)}, the config says"
                f" {_text(config[key])}; delete {results} and run again, or give this study another name"
            )
    said = list(_from_config(cells, config))
    if shorter is not None and len(shorter):
        said += [entry for entry in _from_config(shorter, config) if not entry[0][0].endswith(f".{config['budget']}")]
    for (key, column), rows, expected in said:
        found = rows.get(column, pd.Series("nothing", rows.index))
        expected = expected if is_numeric_dtype(found) else str(expected)
        wrong = rows[found != expected]
        if len(wrong):
            raise ResultsError(
                f"{_files(wrong, results)}: made with {key} {_text(found[wrong.index[0]])}, the config says"
                f" {_text(expected)}; delete the file(s) and run again, or give this study another name"
            )
    for key, found, expected in _grid(cells, config):
        if found != expected:
            raise ResultsError(
                f"{Path(results) / 'tables'}: made for {key} {_list(found)}, the config says {_list(expected)};"
                " delete the folder and run again"
            )
    for rows, names in _alike(cells):
        for name in names:
            _check_same(rows, name, results)
    if shorter is not None and len(shorter):
        for name in AMONG_BASELINES_TOO:
            _check_same(pd.concat([cells, shorter], ignore_index=True), name, results)
    _check_code(cells if shorter is None else pd.concat([cells, shorter], ignore_index=True), results)
    if len(other := cells[cells.fingerprint != images["fingerprint"]]):
        raise ResultsError(
            f"{_files(other, results)}: of other images than {Path(results) / 'images.json'} speaks of;"
            " delete the file(s) and run again"
        )


def _from_config(cells: pd.DataFrame, config: Mapping) -> Iterator[tuple[tuple[str, str], pd.DataFrame, object]]:
    """(key of the config, column), the runs that it is for, and what it says. `auto` says nothing."""
    learned = ~cells.method.isin(WITHOUT_ENCODER)
    said = [((name, name), cells, config[name]) for name in ("study", "dataset", "valid_fraction", "budget")]
    said += [
        (("pool", "pool"), cells[learned], config["pool"]),
        (("precision", "precision"), cells, config["precision"]),
    ]
    said += [(("batch_size", "setting_batch_size"), cells, config["batch_size"])]
    said += [((f"augment.{k}", f"setting_augment_{k}"), cells, value) for k, value in config["augment"].items()]
    for method in config["methods"]:
        made = method_settings(config, method)
        rows = cells[cells.method == method]
        del made["method"]
        for name, value in flat(made):
            said.append(_setting(method, f"pretrain_{name}", name.removeprefix("options_"), rows, value))
    parts = [(stage, cells[learned & (cells.evaluate == name)]) for name, stage in evaluations().items()]
    for stage, rows in [*parts, (STAGES[SUPERVISED], cells[cells.method == SUPERVISED])]:
        before = "" if stage.trains else "options_"
        own = dict(config.get(stage.section, {}))
        if stage.evaluate == HEAD and is_frozen(rows).any():  # features of an existing net are of one view
            own.pop("views", None)
        said += [_setting(stage.section, f"{before}{k}", k, rows, value) for k, value in own.items()]
    counted = ("setting_updates", "setting_pretrain_updates")  # where they are text, they depend on the images
    said = [entry for entry in said if not (entry[0][1] in counted and isinstance(entry[2], str))]
    return (entry for entry in said if entry[2] not in ("auto", None) and len(entry[1]))


def _setting(section: str, column: str, key: str, rows: pd.DataFrame, value: object) -> tuple:
    return (f"{section}.{key}", f"setting_{column}"), rows, value


def _grid(cells: pd.DataFrame, config: Mapping) -> Iterator[tuple[str, set, set]]:
    """Key of the config, the values that the table has, and those that the config has."""
    methods = {name.removeprefix(SHUFFLED) for name in cells.method} - {RANDOM, *WITHOUT_ENCODER}
    crossed = cells[cells[BASE_NET].isna()] if BASE_NET in cells else cells  # a base net is an encoder of its own
    us = set(map(float, config["unlabelled"]))
    if not any(learns(config, name) for name in config["methods"]):
        us &= {0.0}
    yield "seeds", set(cells.seed), set(config["seeds"])
    yield "encoders", set(crossed.encoder[crossed.method != PIXELS]), set(config["encoders"])
    yield "labelled", set(cells.l), set(map(float, config["labelled"]))
    yield "unlabelled", set(cells.u[~is_frozen(cells)].dropna()), us
    yield "evaluate", set(cells.evaluate[~cells.method.isin(WITHOUT_ENCODER)]), set(config["evaluate"])
    yield "methods", methods, {name for name in config["methods"] if us - {0.0} or not learns(config, name)}


def _alike(cells: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, list[str]]]:
    """Runs, and the columns that have one value among them."""
    yield cells, AMONG_BASELINES_TOO
    yield cells[~cells.method.isin(WITHOUT_ENCODER)], ["pool"]
    # `updates: auto` depends on the number of labels
    settings = [name for name in cells if name.startswith("setting_") and name != "setting_updates"]
    yield cells, [name for name in settings if name.startswith(("setting_batch_size", "setting_augment_"))]
    # `views: auto` depends on the encoder, and was not looked up where that is of no use
    for _, rows in cells[cells.status != "failed"].groupby(["method", "encoder", "evaluate"]):
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
    return f"{value:g}" if isinstance(value, float) else str(value)


def _list(values: set) -> str:
    return ", ".join(_text(value) for value in sorted(values)) or "none"
