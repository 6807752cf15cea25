"""Check, before anything is written, that a study's images are those that its results, name and title belong to."""

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import ConfigError, SslfastError, shown
from ..files import user_path
from ..study.datasets import NAMED, WHICH_FILES, image_keys
from ..study.study import Study
from .listing import Listing, listing_of
from .sources import unlabelled_files

__all__ = ["check_names", "check_results", "known_by"]

N_KNOWN = 64  # files by which a folder is recognised
HEAD = 2**16  # bytes that are read of each
LEAST_SHARED = 0.5  # of the smaller of two sets of files: with less in common they are different folders

_NAMES = ("dataset", "folder")
File = tuple[str, int, int]  # path, bytes, time, as in `Listing`


def known_by(study: Study) -> dict:
    """What the folders of `study` are known by later, by key of the config: how many `files` they hold, and
    digests of the content of `some`, by digests of their names. For `images.json`."""
    return {key: _known_by(files) for key, files in _folders(study).items()}


def check_results(study: Study, listing: Listing | None = None, results: str | Path = "results") -> None:
    """`ConfigError` if `results` hold a study that is called as `study`, but is of other images.

    That is: of another data set, image size, number of channels or source of unlabelled images, or of a folder that
    shares less than half of its files with this one (of the smaller of both), whatever their paths. So a folder may
    move, grow and shrink. `listing`: that of the folder, if it is known. Nothing is said of a study without a readable
    `images.json`, which its first job leaves.
    """
    place = Path(results) / study.name
    try:
        held = json.loads((place / "images.json").read_text(encoding="utf-8"))
        n_images = sum(held[part] for part in ("n_labelled", "n_unlabelled_only", "n_test"))
        then = {**held, "dataset": held["name"], "unlabelled_from": held["notes"].get("unlabelled_from")}
        known = {key: (int(of["files"]), dict(of["some"])) for key, of in held.get("known_by", {}).items()}
        classes = set(held["classes"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return
    now = _traits(study)
    differ = [key for key in now if now[key] != then.get(key)]
    differ = differ[:1] if "dataset" in differ else differ
    folders = {} if differ else _folders(study, listing)
    others = [key for key, files in folders.items() if key in known and _share(*known[key], files) < LEAST_SHARED]
    if not known and "folder" in folders:  # noted by an older version
        others = [] if classes & {name for name, _ in (listing or listing_of(study)).train} else ["folder"]
    if not differ and not others:
        return

    def details(traits: Mapping) -> str:
        return "".join(f", {key} {traits.get(key) or 'none'}" for key in differ if key != "dataset")

    place_of = study.values(others)
    where = "".join(f", {key} {shown(place_of[key])}" for key in others if key != "folder")
    raise ConfigError(
        f"study: {place} holds a study of {then['dataset']} ({n_images:,} images{details(then)}), this config is of"
        f" {'other images: ' if others else ''}{_named(study.values(_NAMES))}{where}{details(now)}; give it a name and"
        f" a title of its own (--config study=… title=…), or delete {place}"
    )


def check_names(study: Study, sources: Sequence[Mapping]) -> None:
    """`ConfigError` if the study's name or title was written for other images than those of `study`.

    `sources`: the configs that it was made of, each of which changes those before it: files, then the command line.
    """
    given: dict = {}
    written_for: dict = {}
    for source in sources:
        given = {**given, **source}
        written_for |= {key: given for key in ("study", "title") if key in source}
    now = {"study": study.name, "title": study.title}
    wrong = [key for key, at in written_for.items() if str(at[key]).strip() == now[key] and _of_other_images(at, study)]
    if wrong:
        key, at = wrong[0], written_for[wrong[0]]
        own = " and ".join({"study": "a name", "title": "a title"}[key] for key in wrong)
        keys = " ".join(f"{key}=…" for key in wrong)
        raise ConfigError(
            f"{key}: found {shown(now[key])}, written for {_named(at)}, but this study is of"
            f" {_named(study.values(_NAMES))}; give it {own} of its own (--config {keys})"
        )


def _traits(study: Study) -> dict:
    """What decides which images a study is of, beside the files of a folder: as `images.json` has it."""
    sized = [key for key in ("image_size", "channels") if key in image_keys(study.dataset)]
    source = study.unlabelled_from
    elsewhere = source if source is None or source in NAMED else "a folder"
    return {"dataset": study.dataset, **study.values(sized), "unlabelled_from": elsewhere}


def _of_other_images(before: Mapping, study: Study) -> bool:
    """Whether the config `before`, as a person wrote it, is for other images than those of `study`."""
    name, folder = before.get("dataset"), before.get("folder")
    if name != "folder" or study.dataset != "folder":
        return name not in (None, study.dataset)
    try:
        there: dict[str, Any] = {key: before.get(key) for key in WHICH_FILES}
        then = _known_by(listing_of(replace(study, **there)).files) if folder not in (None, study.folder) else None
    except (SslfastError, TypeError):  # no folder of images here: a place to be filled in, or one of another machine
        return False
    return then is not None and _share(then["files"], then["some"], listing_of(study).files) < LEAST_SHARED


def _named(config: Mapping) -> str:
    """Of which images a config is, in words."""
    return f"{config['dataset']}{' ' + shown(config.get('folder')) if config['dataset'] == 'folder' else ''}"


def _folders(study: Study, listing: Listing | None = None) -> dict[str, list[File]]:
    """The image files of the folders of `study`, by key of the config."""
    found = {"folder": (listing or listing_of(study)).files} if study.dataset == "folder" else {}
    source = study.unlabelled_from
    if source is not None and source not in NAMED:
        found["unlabelled_from"] = unlabelled_files(user_path(source, "unlabelled_from"), bool(study.follow_links))
    return found


def _known_by(files: Sequence[File]) -> dict:
    step = -(-len(files) // N_KNOWN)
    some = {_name(file): content for file in files[::step] if (content := _content(file)) is not None}
    return {"files": len(files), "some": some}


def _share(n_known: int, some: Mapping[str, str], files: Sequence[File]) -> float:
    """The share of the smaller folder's files that both folders have; names of folders do not matter."""
    by_name = defaultdict(list)
    for file in files:
        by_name[_name(file)].append(file)
    kept = sum(content in map(_content, by_name[name]) for name, content in some.items())
    return kept / max(1, len(some)) * n_known / max(1, min(n_known, len(files)))


def _name(file: File) -> str:
    """A digest of name and size, since names are private, and may not be valid text."""
    return hashlib.blake2b(os.fsencode(f"{os.path.basename(file[0])}\0{file[1]}"), digest_size=8).hexdigest()


def _content(file: File) -> str | None:
    try:
        with open(file[0], "rb") as opened:
            return hashlib.blake2b(opened.read(HEAD), digest_size=8).hexdigest()
    except OSError:
        return None
