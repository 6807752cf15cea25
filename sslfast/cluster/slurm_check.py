"""SLURM: whether it will take a study's jobs, asked before the first one is submitted."""

import getpass
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..errors import SslfastError

__all__ = ["check_slurm"]

PATIENCE = 8  # seconds for all answers, which are awaited side by side
_PROGRAMS = ("sbatch", "squeue", "scancel", "sinfo", "sacctmgr")  # that Snakemake's plugin calls whatever it is told
_OPTIONS = {  # what resources of a job become in its submission
    "slurm_partition": "--partition",
    "clusters": "--clusters",
    "qos": "--qos",
    "constraint": "--constraint",
    "runtime": "--time",
    "mem_mb": "--mem",
    "gpu": "--gpus",
}
_ELSEWHERE = "call snakemake on the cluster's login node (there may be a module to load), or without this profile"
_WHERE = "the profile says account and partition in default-resources and set-resources (docs/running.md)"

# in sbatch's words: of a job that would wait in the queue, and where no cluster is set up or its controller is away
_FULL = re.compile("busy|drained|reserved")
_NO_CLUSTER = re.compile("configuration source|contact slurm controller")

Question = tuple[str, ...]  # a command of SLURM
Answer = subprocess.CompletedProcess[str] | None  # None: it did not come in time
Jobs = list[Mapping[str, Any]]


def check_slurm(settings: Any, limits: Iterable[str], jobs: Iterable[Mapping[str, Any]]) -> None:
    """Raises `SslfastError`, within ten seconds, if SLURM would refuse jobs or Snakemake would wait for ever.

    `settings`: of Snakemake's plugin, `status_command`, `qos`, `reservation`, and `partition_config`; `limits`: names
    of the resources that Snakemake was given limits for; `jobs`: the resources of jobs, one of each rule will do.
    Nothing is submitted: `sbatch --test-only` says whether it could be.
    """
    if "turn" not in limits:
        raise SslfastError(
            "profiles/slurm: found profiles/default beside it, which overrides its resources;"
            " expected: snakemake --workflow-profile profiles/slurm"
        )
    jobs = list(jobs)
    _check_programs(settings, jobs)
    accounts = _accounts(jobs)
    listings = [
        ("sacctmgr", "--noheader", "--withassoc", "list", "user", getpass.getuser(), "format=account%256"),
        ("sshare", "-U", "--format", "Account%256", "--noheader"),
    ]
    questions = [*_submissions(settings, jobs), *(listings if accounts else ())]
    if settings.status_command == "sacct":
        questions.append(("sacct", "--noheader"))
    answers = _ask(questions)
    for question, answer in answers.items():
        _check_answer(question, answer)
    listed = [answer.stdout for listing in listings if (answer := answers.get(listing))]
    known = {name.lower() for text in listed for name in text.split()}
    for account in accounts:
        if known and account.lower() not in known:
            raise SslfastError(
                f"slurm_account: found {account}, expected one of yours, {', '.join(sorted(known))}; {_WHERE}"
            )


def _check_programs(settings: Any, jobs: Jobs) -> None:
    guesses = any(not job.get("slurm_account") for job in jobs)  # the plugin asks sacct then
    needed = [*_PROGRAMS, *(["sacct"] if guesses or settings.status_command == "sacct" else ())]
    if missing := [program for program in needed if not shutil.which(program)]:
        raise SslfastError(
            f"{', '.join(missing)}: not found here, and Snakemake's plugin for SLURM calls {', '.join(needed)};"
            f" {_ELSEWHERE}"
        )


def _accounts(jobs: Jobs) -> list[str]:
    named = [re.split(r"[,\s]+", str(job["slurm_account"])) for job in jobs if job.get("slurm_account")]
    return sorted({account for names in named for account in names if account})


def _submissions(settings: Any, jobs: Jobs) -> Iterator[Question]:
    """Trial submissions, each once. Where the plugin itself chooses a partition, which one is not known."""
    chosen = getattr(settings, "partition_config", None) or os.environ.get("SNAKEMAKE_SLURM_PARTITIONS")
    seen = set()
    for job in jobs:
        options = [f"{option}={job[name]}" for name, option in _OPTIONS.items() if job.get(name)]
        options += [f"--{name}={value}" for name in ("qos", "reservation") if (value := getattr(settings, name, None))]
        options += shlex.split(str(job.get("slurm_extra") or ""))
        if len(names := _accounts([job])) == 1:  # of several the plugin tries one after the other
            options.append(f"--account={names[0]}")
        question = ("sbatch", "--test-only", *options, "--wrap=true")
        if question not in seen and (job.get("slurm_partition") or not chosen):
            seen.add(question)
            yield question


def _ask(questions: list[Question]) -> dict[Question, Answer]:
    """What SLURM answers, to all questions at once."""

    def ask(question: Question) -> Answer:
        try:
            return subprocess.run(question, capture_output=True, text=True, check=False, timeout=PATIENCE)  # noqa: S603
        except subprocess.TimeoutExpired:
            return None
        except OSError as error:
            return subprocess.CompletedProcess(question, 1, "", str(error))

    with ThreadPoolExecutor(max(1, len(questions))) as threads:
        return dict(zip(questions, threads.map(ask, questions), strict=True))


def _check_answer(question: Question, answer: Answer) -> None:
    program, *options = question
    if answer is None:
        raise SslfastError(
            f"{program}: no answer within {PATIENCE} s; SLURM's controller or its database may be away: try again later"
        )
    if answer.returncode == 0:
        return
    said = (answer.stderr.strip() or answer.stdout.strip() or "failed").splitlines()[-1]
    said = said.removeprefix(f"{program}: ").removeprefix("error: ")
    if program == "sbatch" and _NO_CLUSTER.search(said):
        raise SslfastError(f"sbatch: {said}; so no cluster can be reached from here: {_ELSEWHERE}")
    if program == "sbatch" and not _FULL.search(said):
        asked = shlex.join(options[1:-1]) or "nothing asked for"
        raise SslfastError(f"sbatch: SLURM would not take a job with {asked}: {said}; {_WHERE}")
    if program == "sacct":
        raise SslfastError(
            f"sacct: {said}; so nobody can be asked how a job ended: on a cluster without accounting add"
            " --slurm-status-command squeue"
        )
