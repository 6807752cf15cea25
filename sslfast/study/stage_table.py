"""The stages that leave a run record, evaluations of encoders among them: what all other code knows of each.

A new evaluation is a file in `sslfast/evaluation/` and an entry here; if it has options, they are a section of its name
in `workflow/schemas/config.schema.yaml`. Its function gets the `Encoded` features of a cell, a `device` and the
options, and gives `Scores`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["RECORDING", "RULES", "STAGES", "Stage", "evaluations", "first_to_judge"]

RECORDING = ("pretrain", "shuffle", "classify", "supervised", "pixels")  # rules of the workflow that leave records
RULES = ("images", "split", *RECORDING, "collect", "examples", "report")  # in the order of a study
_LOSSES = ("train_loss", "valid_loss")
_SCORES = (*_LOSSES, "accuracy", "macro_f1")
_FIT = ("length", "lr", "wd", "schedule")  # length: updates or epochs


@dataclass(frozen=True)
class Stage:
    """A stage. `name`: in records, and of their folder; `rule`: the rule of the workflow that runs it.

    `evaluate`: what the evaluation is called in configs and tables, in sentences (`said`) and under axes (`label`).
    `section`: of the config; `settings`: names of the settings that this stage's record stores. `history`: what a row
    of it holds beside epoch, updates, images and seconds; empty where no network is trained. `frozen`: the encoder
    stays as it is. `scores`: the function of an evaluation without training, `module:name`; `of_pairs`: its time grows
    with pairs of labelled and other images; `chooses`: what it decides on the validation images. `rate`: training
    images a second that the time limit on a cluster counts on: a quarter of what was measured, or less. Measured with
    one thread, CIFAR-10 and `conv`: 2,894 (pre-training; two views of an image cost twice as much), 5,952 (supervised)
    and 35,112 over features (benchmarks/README.md).
    """

    name: str
    rule: str = "classify"
    evaluate: str = ""
    said: str = ""
    label: str = ""
    section: str = ""
    settings: tuple[str, ...] = ("options", "pretrain")
    history: tuple[str, ...] = ()
    frozen: bool = True
    scores: str = ""
    of_pairs: bool = False
    chooses: str = ""
    rate: int = 5_000

    @property
    def over_encoder(self) -> bool:
        """Whether it is one of a config's `evaluate`, something built over each encoder."""
        return self.rule == "classify"

    @property
    def trains(self) -> bool:
        """Whether it trains a network, round by round."""
        return bool(self.history)


STAGES = {
    stage.name: stage
    for stage in (
        Stage(
            "pretrain", "pretrain", section="pretrain", settings=(*_FIT, "method", "options"), history=_LOSSES,
            frozen=False, rate=600,  # a method records more
        ),
        Stage(
            "classify", evaluate="head", said="the head", label="head", section="classify",
            settings=(*_FIT, "dropout", "views", "pretrain"), history=_SCORES,
        ),
        Stage(
            "linear", evaluate="linear", said="a linear probe", label="linear\nprobe", section="linear",
            scores="sslfast.evaluation.linear:linear_probe", chooses="the penalty of a linear probe",
        ),
        Stage(
            "knn", evaluate="knn", said="nearest neighbours", label="nearest\nneighbours", section="knn",
            scores="sslfast.evaluation.neighbours:knn", of_pairs=True, chooses="the number of nearest neighbours",
        ),
        Stage(
            "finetune", evaluate="finetune", said="fine-tuning", label="fine-\ntuning", section="finetune",
            settings=(*_FIT, "dropout", "pretrain"), history=_SCORES, frozen=False, rate=1_500,
        ),
        # the baseline has the study's head, raw pixels a logistic regression
        Stage(
            "supervised", "supervised", evaluate="head", section="supervised", settings=(*_FIT, "dropout"),
            history=_SCORES, frozen=False, rate=1_500,
        ),
        Stage("pixels", "pixels", evaluate="linear", settings=("options",)),
    )
}  # fmt: skip


def evaluations() -> dict[str, Stage]:
    """What can be built over an encoder, by name in the config's `evaluate`, in the order in which they are shown."""
    return {stage.evaluate: stage for stage in STAGES.values() if stage.over_encoder}


def first_to_judge(names: Iterable[str]) -> str | None:
    """The one of the evaluations `names` that conclusions rest on by default: the first that trains a network, as the
    baseline does, or else the first. None if no name is known."""
    names = set(names)
    return next((name for name in sorted(evaluations(), key=_judges) if name in names), None)


def _judges(name: str) -> bool:
    return not evaluations()[name].trains
