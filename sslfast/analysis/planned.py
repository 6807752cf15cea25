"""A plan (`snakemake plan`) beside what its jobs then took. Reading one takes no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import printable
from ..study.depends import asked_of, digest_of_asked
from ..study.grid import Box
from ..study.stage_table import STAGES
from ..study.study import Study

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["planned_and_measured", "read_plan", "time_digest"]


def time_digest(study: Study, box: Box) -> str:
    """A text that changes with what the time of the job of `box` depends on in `study`."""
    return digest_of_asked([asked_of(study, box), [study.device, study.threads, study.jobs_per_gpu]])


def read_plan(path: str | Path, study: Study) -> dict | None:
    """The plan at `path`, with the estimates of jobs whose settings are those of `study`.

    None where there is no file; of one that is no plan, too, which is said: nothing that needs no plan stops for it.
    """
    path = Path(path)
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
        for name, kind in _KINDS.items():
            if not isinstance(plan[name], kind):
                raise ValueError(f"{name} is no {kind.__name__}")
        estimates, plan["estimates"] = plan["estimates"], {}
        for job, entry in estimates.items():
            whole, recorded, memory = entry
            if not all(value is None or (isinstance(value, int | float) and value >= 0) for value in entry):
                raise ValueError(f"the estimate of {job[:80]} is no time")
            if plan["settings"][job] == time_digest(study, Box.parse(job)):
                plan["estimates"][job] = (whole, recorded, memory)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        print(f"{path}: not a readable plan ({printable(str(error))}), so it is left out", flush=True)
        return None
    return plan


def planned_and_measured(cells: pd.DataFrame, plan: Mapping | None) -> pd.DataFrame:
    """Core minutes that `plan` expected and that the records tell, a row a stage, then all: stage, jobs, planned,
    measured, ratio (measured / planned).

    Only of runs that are `ok` and were planned; no rows without any. What records do not time (starting, measures of
    features, files) is in neither.
    """
    import pandas as pd  # here, since every call of Snakemake reads the plan

    rows = []
    if plan:
        times, estimates = _measured(cells), plan["estimates"]
        known = [name for name in times if estimates.get(name, (None, None, None))[1] is not None]
        for stage in dict.fromkeys(name.partition("/")[0] for name in sorted(known, key=_order)):
            names = [name for name in known if name.startswith(f"{stage}/")]
            rows.append((stage, len(names), sum(estimates[n][1] for n in names), sum(times[n] for n in names)))
        if rows:
            rows.append(("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:])))
    table = pd.DataFrame(rows, columns=["stage", "jobs", "planned", "measured"])
    table["ratio"] = table.measured / table.planned
    return table.assign(planned=table.planned / 60, measured=table.measured / 60)


def _measured(cells: pd.DataFrame) -> dict[str, float]:
    """Seconds that records tell by name of the run; of an encoder, those of its fit."""
    cells = cells[cells.status == "ok"]
    own = cells.seconds_data + cells.seconds_classify + cells.seconds_evaluate
    found = dict(zip(cells.record, own, strict=True))
    learned = cells[cells.seconds_pretrain > 0]
    for record, pool, seconds in zip(learned.record, learned.pool, learned.seconds_pretrain, strict=True):
        found[Box.parse(record).made_from(pool).name] = seconds
    return found


def _order(name: str) -> int:
    stage = name.partition("/")[0]
    return list(STAGES).index(stage) if stage in STAGES else len(STAGES)


_KINDS = {"settings": dict, "estimates": dict}
