"""Short trials of each kind of job, in as many processes as a study would have, side by side."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ..data.splits import Split, write_split
from ..errors import printable
from ..runtime.job_server import THREADS, forks_for
from ..study.study import Study
from .speeds import Speed, Speeds, merged

__all__ = ["measure_speeds"]

IN_ALL = 45.0  # seconds that all trials may take, about
AROUND = 2.0  # seconds of a trial outside its fit
MOST, LEAST = 4.0, 1.0  # seconds of a trial's fit
_PROCESS = (
    "import sys; from sslfast.runtime.imports import imported;"
    " imported('sslfast.planning.measuring_process:main')(*sys.argv[1:])"
)
OF_PIXELS = 512  # images to validate on where there is no encoder


def measure_speeds(
    kinds: Iterable[str],
    split: Split,
    study: Study,
    content: Mapping,
    *,
    side_by_side: int,
    split_seconds: float = 0.0,
    before: float = 0.0,
    in_all: float = IN_ALL,
) -> Speeds:
    """The `Speeds` of `kinds` of jobs of `study`, on this machine, within about a minute.

    `split`: that of its first seed; `content`: what the folders of its images hold (see `content_of`);
    `side_by_side`: how many jobs run at once; `before`: seconds that a job takes before Python reads its first line of
    sslfast; `in_all`: seconds that trials may take, about. Imports count only where jobs are no forks of a process that
    is done with them (see `sslfast.runtime.job_server`).
    """
    kinds = list(dict.fromkeys(kinds))
    if not kinds:
        return Speeds(side_by_side, before, split_seconds)
    with tempfile.TemporaryDirectory(prefix="sslfast-plan-") as folder:
        write_split(split, Path(folder) / "split.parquet")
        answers = _ask(kinds, study, content, side_by_side, in_all, Path(folder))
    forks = forks_for(study.threads) and "SLURM_JOB_ID" not in os.environ  # on a node jobs are no forks
    begun = "imported" if forks else "asked"
    return _speeds(kinds, answers, side_by_side, before, split_seconds, begun)


def _ask(kinds: Sequence[str], study: Study, content: Mapping, n: int, in_all: float, folder: Path) -> list[dict]:
    """What each of `n` processes found, or the `problem` that ended it."""
    encoders = [name for name in study.encoders if any(kind.endswith(f"/{name}") for kind in kinds)]
    seconds = min(max(in_all / len(kinds) - AROUND, LEAST), MOST)
    processes = []
    for number in range(n):
        at = number * len(kinds) // n  # different kinds side by side, as in a study
        request = {
            "kinds": [*kinds[at:], *kinds[:at]], "encoders": encoders, "study": study.as_config(),
            "content": dict(content), "split": str(folder / "split.parquet"), "seconds": seconds, "images": OF_PIXELS,
        }  # fmt: skip
        path = folder / f"request-{number}.json"
        path.write_text(json.dumps(request), encoding="utf-8")
        command = [sys.executable, "-c", _PROCESS, str(path), str(folder / f"answer-{number}.json")]
        environment = {**os.environ, **dict.fromkeys(THREADS, str(study.threads))}
        log = (folder / f"log-{number}").open("w+", encoding="utf-8", errors="backslashreplace")
        process = subprocess.Popen(  # noqa: S603 - nobody's words but ours
            command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        processes.append((process, log, time.time()))
    found = []
    try:
        for number, (process, log, asked) in enumerate(processes):
            process.wait()
            log.seek(0)
            text = log.read()
            print(text, end="", flush=True)
            answer = folder / f"answer-{number}.json"
            if answer.exists():
                found.append({**json.loads(answer.read_text(encoding="utf-8")), "asked": asked})
            else:
                last = (text.strip().splitlines() or [f"ended with code {process.returncode}"])[-1]
                found.append({"problem": printable(last)})
    finally:
        for process, log, _ in processes:
            with suppress(ProcessLookupError):  # it ended well; else its trial goes with it
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            log.close()
    return found


def _speeds(kinds, answers: Sequence[Mapping], n: int, before: float, split_seconds: float, begun: str) -> Speeds:
    good = [answer for answer in answers if "problem" not in answer]
    if not good:
        return Speeds(n, before, split_seconds, problems=dict.fromkeys(kinds, answers[0]["problem"]))
    start = before + sum(answer["started"] - answer[begun] for answer in good) / len(good)
    speeds, problems = {}, {}
    for kind in kinds:
        found = [answer["kinds"][kind] for answer in good]
        if bad := [entry["problem"] for entry in found if "problem" in entry]:
            problems[kind] = bad[0]
        else:
            speeds[kind] = merged([Speed(**entry) for entry in found])
    about = {name: entry for name, entry in good[0]["encoders"].items() if "problem" not in entry}
    device = next((entry["device"] for entry in about.values()), "cpu")
    views, values = ({name: entry[key] for name, entry in about.items()} for key in ("views", "values"))
    return Speeds(n, start, split_seconds, device, speeds, problems, views, values)
