"""From a config, as a person writes it, to a `Study`, or to one line that names the key to mend."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import ConfigError, printable, shown
from ..files import user_path
from .arms import with_arms
from .base_nets import base_of, encoders_of, leave_out, only_encoders
from .datasets import FILE_KEYS, FOLDER_KEYS, NAMED, WHICH_FILES, image_keys
from .encoder_names import check_encoder
from .fractions import canonical_list
from .image_size import image_size_of, sides_of
from .methods import methods
from .names import RANDOM, SHUFFLED, names_of_folder
from .own import claim_encoder
from .schema import key_text, read_schema, valid, with_defaults
from .stage_table import STAGES, first_to_judge
from .study import Study

__all__ = ["check_config", "read_schema"]

# More is a slip of the keyboard, and would fill the memory with job names.
MAX_SEEDS = 1000
MAX_CELLS = 200_000
SECTIONS = tuple(stage.section for stage in STAGES.values() if stage.trains)
_OTHER = {"updates": "epochs", "epochs": "updates"}
_PATHS = ("folder", "data_root", "checkpoints", "unlabelled_from", "encoder_store")


def check_config(config: Mapping, schema: Mapping, beside: str | Path = ".") -> Study:
    """The study that `config` describes. Raises `ConfigError`, one line that names the key, for what cannot work.

    `schema`: see `read_schema`. `beside`: the folder that paths of a person's own code are looked up from, that of the
    config's file. Images are not looked at.
    """
    given = valid(config, schema)
    _check_given(given, schema)
    full = _complete(given, schema)
    _check_images(full)
    own: dict = {}
    full["encoders"] = _encoders(full["encoders"], own, beside)
    full, missing = with_arms(full, schema, own, beside)
    full |= {axis: canonical_list(full[axis], axis) for axis in ("unlabelled", "labelled")}
    study = Study.of({**full, "seeds": _seeds(full["seeds"]), "own": own})
    study = leave_out(study, missing)
    _check_encoders(study)
    _check_squares(study)
    _check_grid(study)
    return study


def _check_given(config: Mapping, schema: Mapping) -> None:
    """`ConfigError` for a key that would have no effect, or for text that is no path or no title."""
    if given := [key for key in _of_other_data(config) if config.get(key) is not None]:
        raise ConfigError(f"{given[0]}: given, but dataset is {config['dataset']}; it is for dataset: folder only")
    for key in _PATHS:
        if config.get(key):
            user_path(config[key], key)
    title = config.get("title") or ""
    if title != printable(title) or {"<", ">"} & set(title):  # Snakemake's own report would take a tag for one
        raise ConfigError(f"title: found {shown(title)}, expected one line of text without < and >")
    _check_units(config, schema)


def _of_other_data(config: Mapping) -> list[str]:
    """Keys that mean nothing for the study's data set."""
    if config["dataset"] == "folder":
        return []
    strange = [*WHICH_FILES, *(key for key in FOLDER_KEYS if key not in image_keys(config["dataset"]))]
    if config.get("unlabelled_from"):  # may be a folder
        strange = [key for key in strange if key not in (*FILE_KEYS, "follow_links")]
    return strange


def _check_units(config: Mapping, schema: Mapping) -> None:
    """`ConfigError` for a length in another unit than that of the budget: it would have no effect."""
    budget = config.get("budget") or schema["properties"]["budget"]["default"]
    unit, sections = _OTHER[budget], {name: config.get(name) for name in (*SECTIONS, *methods())}
    sections |= {f"variants.{name}": own for name, own in (config.get("variants") or {}).items()}
    for name, own in sections.items():
        if isinstance(own, Mapping) and own.get(unit) is not None:
            instead = f"give {name}.{budget}, leave it out, or say budget: {unit}"
            raise ConfigError(f"{name}.{unit}: given, but budget is {budget}; {instead}")


def _complete(given: Mapping, schema: Mapping) -> dict:
    """The config with all keys that have a meaning for its data set, and with whole sections."""
    if isinstance(given.get("image_size"), list):
        given = {**given, "image_size": image_size_of(given["image_size"])}
    strange = _of_other_data(given)
    full = {key: value for key, value in with_defaults(given, schema).items() if key not in strange}
    folder = full.get("folder")
    name, called = names_of_folder(folder) if folder else (full["dataset"], None)
    full["title"] = (full.get("title") or "").strip() or (full.get("study") or called or name)
    full["study"] = full.get("study") or name
    for stage in ("supervised", "finetune"):  # these train their encoder, and always see fresh images
        full[stage] = {key: value for key, value in {**full["classify"], **full[stage]}.items() if key != "views"}
    for method in methods():
        full[method] = {"batch_size": full["batch_size"], **full["pretrain"], **full.get(method, {})}
    for section in (*SECTIONS, *methods()):
        full[section].pop(_OTHER[full["budget"]], None)
    return full


def _check_images(config: Mapping) -> None:
    """`ConfigError` where keys about the images contradict each other."""
    columns = [key for key in ("image_column", "class_column") if config.get(key)]
    if columns and not config.get("labels"):
        raise ConfigError(f"{columns[0]}: given, but no labels; say which table has this column (labels: labels.csv)")
    entry, size = NAMED.get(config["dataset"]), config.get("image_size")
    if entry and size and "image_size" in entry.keys and max(sides_of(size)) > entry.side:
        raise ConfigError(f"image_size: found {shown(size)}, expected {entry.side} or less for {config['dataset']}")
    if not config["unlabelled_from"]:
        return
    if config["unlabelled_from"] == config["dataset"]:
        raise ConfigError(f"unlabelled_from: found {config['dataset']}, the study's own data set; leave the key out")
    if config["pool"] == "rest":
        raise ConfigError("pool: found rest, but with unlabelled_from no labelled image is in the pool; use all")


def _encoders(given: Sequence, own: dict, beside: str | Path) -> list[str]:
    """The names of the encoders; a person's own are noted in `own`."""
    names = [_encoder(name, own, beside) for name in given]
    if len(set(names)) < len(names):
        raise ConfigError(f"encoders: found {shown(names)}, expected each once")
    return names


def _encoder(name: object, own: dict, beside: str | Path) -> str:
    if ":" in str(name):
        return claim_encoder(name, own, beside)
    if check_encoder(name).base == "own":
        raise ConfigError(f"encoders: found {shown(name)}; name one of your own by its file, as my_nets.py:Small")
    return str(name)


def _seeds(given: int | list[int]) -> list[int]:
    if isinstance(given, int):
        if given > MAX_SEEDS:
            raise ConfigError(f"seeds: found {given}, expected {MAX_SEEDS} or less, or a list of seeds")
        return list(range(given))
    if len(set(given)) < len(given):
        raise ConfigError(f"seeds: found {shown(given)}, expected each seed once")
    return given


def _check_encoders(study: Study) -> None:
    """`ConfigError` for a method that can train none of the study's encoders."""
    for name in study.methods:
        only = " or ".join(only_encoders(study, name))
        if only and base_of(study, name) is not None:
            raise ConfigError(f"variants.{name}.start: given, but its method trains {only} alone; leave start out")
        if not encoders_of(study, name):
            found = ", ".join(study.encoders)
            raise ConfigError(f"encoders: found {found}, but {name} trains {only} alone; add that to encoders")


def _check_squares(study: Study) -> None:
    """`ConfigError` for a method that needs square images where the study's are not."""
    size = study.image_size
    if not isinstance(size, tuple):
        return
    for name in study.methods:
        made = study.variants.get(name, {}).get("method", name)
        if made in methods() and methods()[made].square:
            raise ConfigError(
                f"image_size: found {list(size)}, but {name} needs squares; give one number, or leave it out"
            )


def _check_grid(study: Study) -> None:
    """`ConfigError` where values, each allowed by itself, make no grid together."""
    if "0" in study.labelled:
        raise ConfigError("labelled: found 0, expected fractions above 0 (a classifier needs labels)")
    pretrains, all_labelled = study.unlabelled != ("0",), "1" in study.labelled
    if study.pool == "rest" and study.dataset != "folder" and pretrains and all_labelled:
        raise ConfigError("labelled: 1 leaves no unlabelled images with pool: rest; use less, or pool: all")
    if study.judged_by not in (None, *study.evaluate):
        raise ConfigError(f"judged_by: found {study.judged_by}, expected one of evaluate ({', '.join(study.evaluate)})")
    _check_only(study)
    axes = (study.unlabelled, study.labelled, study.seeds, study.encoders, study.methods, study.evaluate)
    n_cells = math.prod(map(len, axes))
    if n_cells > MAX_CELLS:
        raise ConfigError(
            f"unlabelled: found {n_cells:,} cells with all fractions and seeds, expected {MAX_CELLS:,} or less"
        )
    if study.dataset == "folder" and not study.folder:
        raise ConfigError("folder: missing; dataset: folder needs the path of your images here")


def _check_only(study: Study) -> None:
    """`ConfigError` for names in `evaluate_only` that the study does not have, or that leave an encoder unjudged."""
    made = [*study.methods, *study.left_out]
    known = [*([RANDOM] if "0" in study.unlabelled else []), *made]
    known += [f"{SHUFFLED}{name}" for name in made] if "shuffled" in study.controls else []
    judged_by = study.judged_by or first_to_judge(study.evaluate)
    for evaluation, names in study.evaluate_only.items():
        key = f"evaluate_only.{key_text(evaluation)}"
        if evaluation not in study.evaluate:
            raise ConfigError(f"{key}: expected one of evaluate ({', '.join(study.evaluate)})")
        if evaluation == judged_by:
            raise ConfigError(f"{key}: given, but all encoders are judged by it; name another one in judged_by")
        if unknown := [name for name in names if name not in known]:
            raise ConfigError(f"{key}: found {shown(unknown[0])}, expected some of {', '.join(known)}")
