"""One of the processes that measure side by side: `main(request.json, answer.json)` (see `measure`).

It starts as a job of a study does, and times that. Then each kind of job has a process of its own: it starts cold, its
memory is its own, and one that fails takes no other with it.
"""

import json
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from ..errors import one_line
from ..runtime.memory import keep_freed_memory
from ..stages import run_settings
from ..stages.entry_points import prepare, prepare_timm
from ..stages.inputs import study_images, study_split
from ..study.base_nets import needs_timm
from ..study.study import Study
from .trials import look_at, measure

__all__ = ["main"]

LONGEST = 120  # seconds after which a kind of job is given up


def main(request_path: str, answer_path: str) -> None:
    """Measure what the request asks for (see `sslfast.planning.measure`), and write what was found."""
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    study, folder = Study.of(request["study"]), Path(answer_path).with_suffix("")
    folder.mkdir()
    (prepare_timm if needs_timm(study) else prepare)()  # as the process from which a study's jobs begin
    imported = time.time()
    data = study_images(request["content"], study)
    split = study_split(request["split"], data, study, study.seeds[0])
    started = time.time()
    keep_freed_memory()

    def about(encoder: str) -> dict:
        run = run_settings(study, study.threads)
        return {**look_at(encoder, data, split, run, study), "device": str(run.device)}

    def speed_of(kind: str, views: str | int, images: int) -> dict:
        run = run_settings(study, study.threads)  # not before: no process may use a GPU and then make others
        # not the stage alone: in a folder of that name, records have to be called after their runs
        own = folder / f"trial {kind.replace('/', ' ')}"
        seconds = request["seconds"]
        options = {"views": views, "images": images, "seconds": seconds, "folder": own}
        return asdict(measure(kind, data, split, run, study, **options))

    encoders = {name: _apart(partial(about, name), folder / f"{name}.json") for name in request["encoders"]}
    kinds = {}
    for kind in request["kinds"]:
        known = encoders.get(kind.rpartition("/")[2], {"views": 0, "images": request["images"]})
        answer = folder / f"{kind.replace('/', ' ')}.json"
        if "problem" in known:
            kinds[kind] = known
        else:
            kinds[kind] = _apart(partial(speed_of, kind, known["views"], known["images"]), answer)
    found = {"imported": imported, "started": started, "encoders": encoders, "kinds": kinds}
    Path(answer_path).write_text(json.dumps(found), encoding="utf-8")


def _apart(work: Callable[[], dict], answer: Path) -> dict:
    """What `work` gives in a process of its own, or the `problem` that it met."""

    def run() -> None:
        try:
            found = work()
        except Exception as error:  # of any sort: the other kinds are measured all the same
            found = {"problem": one_line(error)}
        answer.write_text(json.dumps(found), encoding="utf-8")

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join(LONGEST)
    if process.is_alive():
        process.kill()
        process.join()
        return {"problem": f"it took more than {LONGEST} s"}
    if not answer.exists():
        return {"problem": f"its process ended with code {process.exitcode}"}
    return json.loads(answer.read_text(encoding="utf-8"))
