"""The run record: the one file that a training job leaves, and all that the analysis may use."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_origin

from ..errors import ConfigError, RecordError, printable, shown
from ..files import CHECKSUM, replacing, verify
from .fractions import canonical
from .grid import Box
from .length import FULL, LENGTHS
from .stage_table import STAGES

__all__ = [
    "FEATURES",
    "SCHEMA_VERSION",
    "RunRecord",
    "Spec",
    "read_record",
    "write_record",
]

SCHEMA_VERSION = 5
FEATURES = "features"  # among the arrays beside an encoder's record: the features of some validation images
STATUSES = ("ok", "diverged", "collapsed", "failed")
PHASES = ("data", "pretrain", "classify", "evaluate")
TEST = {"accuracy", "macro_f1", "f1_by_class", "confusion", "classes", "mistakes"}
MISTAKE = {"image", "true", "predicted", "confidence"}

Require = Callable[[bool, str], None]  # raises `RecordError` with the text, unless the first is true


@dataclass(frozen=True)
class Spec:
    """Which box of the grid a run is. Fractions are canonical text; counts say how many images they were.

    `l` is None for an encoder that serves every labelled fraction; `u` is None for the baseline.
    `fingerprint` is that of the images (`ImageData`); with `valid_fraction` and seed it decides the split.
    `length`: `full`, as long as its study trains, or another of `sslfast.study.length.LENGTHS`.
    """

    study: str
    dataset: str
    fingerprint: str
    valid_fraction: float
    method: str
    encoder: str
    u: str | None
    n_unlabelled: int
    l: str | None  # noqa: E741 - the design's word
    n_labelled: int
    pool: str
    seed: int
    length: str = FULL


@dataclass(frozen=True)
class RunRecord:
    """What one training job did.

    `history`: a dict for each epoch or, counted in updates, each validation (see `Stage.history`); its `updates`,
    `images` and `seconds` are cumulative, validation included. `test`: accuracy, macro_f1, f1_by_class, confusion (rows
    true, columns predicted), classes, and the `mistakes` made with most confidence (row among the test images, true and
    predicted class, highest class score); None for encoders and for runs that are not `ok`. `seconds`: wall-clock by
    phase. `settings`: the values that it trained with, for a classifier also its encoder's (`pretrain`). `asked`: the
    config's settings behind them (`sslfast.study.depends.asked_of`; `updates: auto`, say, where `settings` has a
    number); empty for a run outside a study. `notes`: counts of what was rounded up or skipped, and what an evaluation
    chose. `features`: measures of the encoder's features of the validation images, by name.
    """

    stage: str
    spec: Spec
    status: str
    reason: str | None
    history: list[dict]
    test: dict | None
    seconds: dict[str, float]
    settings: dict
    device: str
    threads: int
    precision: str
    versions: dict[str, str]
    code_version: str
    asked: dict = field(default_factory=dict)
    notes: dict = field(default_factory=dict)
    features: dict[str, float] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @property
    def box(self) -> Box:
        """Which box of the grid it is of, and so what the run is called."""
        return Box.of(self.stage, vars(self.spec))

    def check(self, where: str | Path = "record") -> "RunRecord":
        """This record; `RecordError` naming `where` and the first thing in it that cannot be."""

        def require(good: bool, what: str) -> None:
            if not good:
                raise RecordError(f"{where}: {what}; delete the file and run again")

        for check in (_check_types, _check_words, _check_surroundings, _check_history, _check_outcome):
            check(self, require)
        return self


def write_record(record: RunRecord, path: str | Path) -> None:
    """Check `record` and write it as JSON, whole or not at all. Losses that are not finite become null."""
    record.check(path)
    content = {**_finite(asdict(record)), "checksum": CHECKSUM}
    with replacing(path, checksum=True) as scratch:
        scratch.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_record(path: str | Path) -> RunRecord:
    """The record at `path`; `RecordError` if it is missing, damaged, of another version, or of another run.

    In a folder called after a stage, as a study has them, a file is called after its run (`Box.name`).
    """
    path = Path(path)
    try:
        checked = verify(path)
        content = json.loads(path.read_text(encoding="utf-8"))
        if (version := content["schema_version"]) != SCHEMA_VERSION:  # first: its entries may be others, too
            raise RecordError(f"{path}: schema_version {version}, not {SCHEMA_VERSION}; delete the file and run again")
        if "checksum" in content and not checked:
            raise ValueError("its checksum is malformed")
        content.pop("checksum", None)  # records that are older have none
        unknown = set(content) ^ {f.name for f in fields(RunRecord)}
        if unknown:
            raise ValueError(f"unknown or missing entry {sorted(unknown)[0]}")
        record = RunRecord(**{**content, "spec": Spec(**content["spec"])}).check(path)
        if path.parent.name in STAGES and record.box.name != f"{path.parent.name}/{path.stem}":
            raise RecordError(f"{path}: holds {record.box.name}, so it was copied or renamed; delete it and run again")
        return record
    except RecordError:
        raise
    # what is no record can fail in many ways: the last two are lists a thousand deep and numbers too large for a float
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, ArithmeticError) as error:
        raise RecordError(f"{path}: not a readable run record ({error}); delete the file and run again") from None


def _check_types(record: RunRecord, require: Require) -> None:
    for part in (record, record.spec):
        for entry in fields(part):
            value = getattr(part, entry.name)
            good = _fits(value, entry.type) and (entry.name == "reason" or _is_plain(value))
            require(good, f"{entry.name} is {shown(value)}")


def _check_words(record: RunRecord, require: Require) -> None:
    """Version, stage, status, length and fractions are among those that there are."""
    version, status = record.schema_version, record.status
    require(version == SCHEMA_VERSION, f"schema_version {version}, not {SCHEMA_VERSION}")
    require(record.stage in STAGES, f"stage {record.stage!r} is none of {', '.join(STAGES)}")
    require(status in STATUSES, f"status {status!r} is none of {', '.join(STATUSES)}")
    require((status == "ok") == (record.reason is None), f"status {status} with reason {record.reason!r}")
    require(record.spec.length in LENGTHS, f"length {record.spec.length!r} is none of {', '.join(LENGTHS)}")
    for name in ("u", "l"):
        value = getattr(record.spec, name)
        require(value is None or _is_canonical(value), f"{name} {value!r} is no canonical fraction")


def _check_surroundings(record: RunRecord, require: Require) -> None:
    """Seconds by phase, versions, and counts of what was left out."""
    seconds = record.seconds
    require(isinstance(seconds, dict) and set(seconds) == set(PHASES), f"seconds not for {sorted(PHASES)}")
    require(all(0 <= s < math.inf for s in seconds.values()), "a negative number of seconds")
    versions = [*record.versions, *record.versions.values(), record.settings.get("budget", "")]
    require(all(isinstance(v, str) and _is_plain(v) for v in versions), "versions or budget that are no text")
    require(all(_fits(record.notes.get(note, 0), int) for note in _COUNTS), f"{' or '.join(_COUNTS)} that is no count")


def _check_history(record: RunRecord, require: Require) -> None:
    """Rows are those of the stage, of a pre-trained encoder also those of its method, and go forwards."""
    wanted = {"epoch", "updates", "images", "seconds", *STAGES[record.stage].history}
    more = set(record.history[0]) - wanted if record.history and record.stage == "pretrain" else set()
    before = {"seconds": 0, "updates": 0}
    for number, row in enumerate(record.history, 1):
        require(set(row) == wanted | more, f"history row {number} has {sorted(row)}, not {sorted(wanted | more)}")
        require(all(_is_measure(name, row[name]) for name in more), f"history row {number} holds no numbers")
        require(row["epoch"] == number, f"history row {number} is of epoch {row['epoch']}")
        require(before["seconds"] <= row["seconds"] < math.inf, f"time runs backwards in epoch {number}")
        more_updates = _fits(row["updates"], int) and before["updates"] <= row["updates"]
        require(more_updates, f"updates run backwards in epoch {number}")
        for name in ("accuracy", "macro_f1"):
            require(row.get(name) is None or 0 <= row[name] <= 1, f"{name} {row.get(name)} in epoch {number}")
        before = row


def _check_outcome(record: RunRecord, require: Require) -> None:
    """There are test results where the run was tested, a history where it trained, and features that are numbers."""
    tested = record.status == "ok" and record.stage != "pretrain"
    missing = "test results missing" if tested else "test results in a run that was not tested"
    require((record.test is not None) == tested, missing)
    trained = bool(record.history)
    require(trained == STAGES[record.stage].trains or not tested, "no history, or one in a run that trains nothing")
    require(all(_is_measure(*entry) for entry in record.features.items()), "features that are no numbers")
    if record.test is not None:
        _check_test(record.test, require)


def _check_test(test: dict, require: Require) -> None:
    require(set(test) == TEST, f"test results with {sorted(test)}, not {sorted(TEST)}")
    confusion, n_classes = test["confusion"], len(test["classes"])
    require([len(row) for row in confusion] == [n_classes] * n_classes, "a confusion matrix of another size")
    require(all(isinstance(n, int) and n >= 0 for row in confusion for n in row), "a confusion matrix of no counts")
    require(len(test["f1_by_class"]) == n_classes, "per-class F1 for another number of classes")
    require(all(0 <= score <= 1 for score in (test["macro_f1"], *test["f1_by_class"])), "an F1 outside 0 to 1")
    hits, total = sum(confusion[i][i] for i in range(n_classes)), sum(map(sum, confusion))
    good = total > 0 and math.isclose(hits / total, test["accuracy"], abs_tol=1e-6)
    require(good, "an accuracy that is not its confusion matrix's")
    mistakes = test["mistakes"]
    require(all(set(m) == MISTAKE and m["true"] != m["predicted"] for m in mistakes), "a mistake that is none")
    possible = all(0 <= m[k] < n for m in mistakes for k, n in (("image", total), ("predicted", n_classes)))
    require(possible and len(mistakes) <= total - hits, "mistakes that were not made")


_COUNTS = ("classes_rounded_up", "images_skipped")


def _fits(value: object, kind: Any) -> bool:
    """Whether `value` is of the type `kind`, as a dataclass names it; what a list or dict holds is not looked at."""
    return isinstance(value, get_origin(kind) if get_origin(kind) in (dict, list) else kind) and value is not True


def _is_measure(name: object, value: object) -> bool:
    """Whether `name` and `value` are those of a measure: a Python name, and a number or nothing."""
    return isinstance(name, str) and name.isidentifier() and (value is None or _fits(value, int) or _fits(value, float))


def _is_plain(value: object) -> bool:
    return not isinstance(value, str) or printable(value) == value


def _is_canonical(value: object) -> bool:
    try:
        return canonical(value) == value
    except ConfigError:
        return False


def _finite(value):
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
