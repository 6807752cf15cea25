"""Check, before anything is written, that a study's images are those that its results, name and title belong to."""

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import ConfigError, SslfastError, shown
from ..files import user_path
from ..study.datasets import NAMED, image_keys
from .listing import Listing, listing_of
from .sources import unlabelled_files

__all__ = ["check_names", "check_results", "known_by"]

N_KNOWN = 64  # files by which a folder is recognised
HEAD = 2**16  # bytes that are read of each
LEAST_SHARED = 0.5  # of the smaller of two sets of files: with less in common they are different folders

File = tuple[str, int, int]  # path, bytes, time, as in `Listing`


def known_by(config: Mapping) -> dict:
    """What the folders of a checked config are known by later, by key of the config: how many `files` they hold, and
    digests of the content of `some`, by digests of their names. For `images.json`."""
    return {key: _known_by(files) for key, files in _folders(config).items()}


def check_results(config: Mapping, listing: Listing | None = None, results: str | Path = "results") -> None:
    """`ConfigError` if `results` hold a study called as the checked `config` says, but of other images.

    That is: of another data set, image size, number of channels or source of unlabelled images, or of a folder that
    shares less than half of its files with this one (of the smaller of both), whatever their paths. So a folder may
    move, grow and shrink. `listing`: that of the folder, if it is known. Nothing is said of a study without a readable
    `images.json`, which its first job leaves.
    """
    place = Path(results) / config["study"]
    try:
        held = json.loads((place / "images.json").read_text(encoding="utf-8"))
        n_images = sum(held[part] for part in ("n_labelled", "n_unlabelled_only", "n_test"))
        then = {**held, "dataset": held["name"], "unlabelled_from": held["notes"].get("unlabelled_from")}
        known = {key: (int(of["files"]), dict(of["some"])) for key, of in held.get("known_by", {}).items()}
        classes = set(held["classes"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return
    now = _traits(config)
    differ = [key for key in now if now[key] != then.get(key)]
    differ = differ[:1] if "dataset" in differ else differ
    folders = {} if differ else _folders(config, listing)
    others = [key for key, files in folders.items() if key in known and _share(*known[key], files) < LEAST_SHARED]
    if not known and "folder" in folders:  # noted by an older version
        others = [] if classes & {name for name, _ in (listing or _scan(config)).train} else ["folder"]
    if not differ and not others:
        return

    def details(traits: Mapping) -> str:
        return "".join(f", {key} {traits.get(key) or 'none'}" for key in differ if key != "dataset")

    where = "".join(f", {key} {shown(config[key])}" for key in others if key != "folder")
    raise ConfigError(
        f"study: {place} holds a study of {then['dataset']} ({n_images:,} images{details(then)}), this config is of"
        f" {'other images: ' if others else ''}{_named(config)}{where}{details(now)}; give it a name and a title of its"
        f" own (--config study=… title=…), or delete {place}"
    )


def check_names(config: Mapping, sources: Sequence[Mapping]) -> None:
    """`ConfigError` if the study's name or title was written for other images than the checked `config` ends up with.

    `sources`: the configs that it was made of, each of which changes those before it: files, then the command line.
    """
    given: dict = {}
    written_for: dict = {}
    for source in sources:
        given = {**given, **source}
        written_for |= {key: given for key in ("study", "title") if key in source}
    wrong = [
        key for key, at in written_for.items() if str(at[key]).strip() == config[key] and _of_other_images(at, config)
    ]
    if wrong:
        key, own = wrong[0], " and ".join({"study": "a name", "title": "a title"}[key] for key in wrong)
        raise ConfigError(
            f"{key}: found {shown(config[key])}, written for {_named(written_for[key])}, but this study is of"
            f" {_named(config)}; give it {own} of its own (--config {' '.join(f'{key}=…' for key in wrong)})"
        )


def _traits(config: Mapping) -> dict:
    """What decides which images a study is of, beside the files of a folder: as `images.json` has it."""
    sized = [key for key in ("image_size", "channels") if key in image_keys(config["dataset"])]
    source = config["unlabelled_from"]
    elsewhere = source if source is None or source in NAMED else "a folder"
    return {"dataset": config["dataset"], **{key: config[key] for key in sized}, "unlabelled_from": elsewhere}


def _of_other_images(before: Mapping, config: Mapping) -> bool:
    name, folder = before.get("dataset"), before.get("folder")
    if name != "folder" or config["dataset"] != "folder":
        return name not in (None, config["dataset"])
    try:
        then = _known_by(_all(_scan(before))) if folder not in (None, config["folder"]) else None
    except (SslfastError, TypeError):  # no folder of images here: a place to be filled in, or one of another machine
        return False
    return then is not None and _share(then["files"], then["some"], _all(_scan(config))) < LEAST_SHARED


def _named(config: Mapping) -> str:
    return f"{config['dataset']}{' ' + shown(config.get('folder')) if config['dataset'] == 'folder' else ''}"


def _folders(config: Mapping, listing: Listing | None = None) -> dict[str, list[File]]:
    """The image files of the folders that a checked config names, by key."""
    found = {"folder": _all(listing or _scan(config))} if config["dataset"] == "folder" else {}
    source = config["unlabelled_from"]
    if source is not None and source not in NAMED:
        found["unlabelled_from"] = unlabelled_files(user_path(source, "unlabelled_from"), config["follow_links"])
    return found


def _scan(config: Mapping) -> Listing:
    return listing_of(config)


def _all(listing: Listing) -> list[File]:
    return listing.files


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
