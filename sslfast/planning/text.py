"""A plan as a person reads it."""

from collections.abc import Mapping

from ..analysis.words import duration
from ..study.stage_table import RULES, STAGES

__all__ = ["load_line", "plan_text"]

GB, MB = 1e9, 1e6
BUSY = 0.75  # load a core, before anything was measured, from which a plan mentions it


def plan_text(plan: Mapping) -> str:
    """What a plan (`make_plan`) says, in a table and a few lines."""
    machine, at_once = plan["machine"], plan["side_by_side"]
    head = f"Plan of {plan['study']}: {plan['left']:,} of {plan['jobs']:,} jobs are left"
    if not plan["left"]:
        return f"{head}. The study is finished."
    lines = [f"{head}, measured on this machine just now", "", *_table(plan), ""]
    least = "at least " if plan["not_measured"] else "about "
    device = f"{machine['gpus']} GPU" if machine["gpus"] else f"{machine['cores']} cores"
    lines.append(f"Here, {at_once} at once ({device}): {least}{duration(plan['wall_clock'])}.")
    if plan["elsewhere"]:
        some = ", ".join(f"{row['at_once']} at once {duration(row['seconds'])}" for row in plan["elsewhere"])
        lines.append(f"On a cluster, or more of this machine: {some}.")
        lines.append("  (If each job is as fast there as side by side here, and waits in no queue. More save little.)")
    if machine["device"] == "cpu":
        some = ", ".join(f"{row['at_once']} GPU {duration(row['seconds'])}" for row in plan["starts"])
        lines.append(
            f"With GPUs: not measured, there is none here. However fast they are, starting jobs takes: {some}."
        )
    lines += load_line(machine["load"], machine["cores"])
    lines.append(_memory_line(plan, at_once))
    lines.append(_disk_line(plan))
    lines += [f"Not measured, and not in these sums: {kind} ({why})." for kind, why in plan["not_measured"].items()]
    return "\n".join(lines)


def load_line(load: float | None, cores: int) -> list[str]:
    """A sentence on other work that went on before anything was measured, if there was any that counts."""
    if not load or load <= BUSY * cores:
        return []
    return [f"Other work was going on meanwhile (load {load:.1f}): without it, all this is shorter."]


def _table(plan: Mapping) -> list[str]:
    header = ("stage", "jobs", "done", "images to train on", "to encode", "a job", "all jobs", "memory a job")
    rows = []
    for row in sorted(plan["stages"], key=lambda row: RULES.index(row["rule"])):
        name = STAGES[row["stage"]].evaluate if row["rule"] == "classify" else row["rule"]
        times = ("", "")
        if row["jobs"]:
            known = row["jobs"] - row["unknown"]
            times = (duration(row["seconds"] / known), duration(row["seconds"])) if known else ("?", "?")
        images = (f"{row[key]:,}" if row[key] else "" for key in ("trained", "encoded"))
        memory = f"{row['memory'] / MB:.0f} MB" if row["memory"] else ""
        rows.append((name, f"{row['jobs']:,}", f"{row['done']:,}", *images, *times, memory))
    total = [sum(row[key] for row in plan["stages"]) for key in ("jobs", "done", "trained", "encoded")]
    rows.append(("all", *(f"{n:,}" for n in total), "", duration(plan["seconds"]), ""))
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(row):
        return "  ".join([row[0].ljust(widths[0]), *(t.rjust(w) for t, w in zip(row[1:], widths[1:], strict=True))])

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return [line(header), rule, *(line(row).rstrip() for row in rows[:-1]), rule, line(rows[-1]).rstrip()]


def _memory_line(plan: Mapping, at_once: int) -> str:
    has = plan["machine"]["memory"]
    text = f"Memory: {plan['memory'] / GB:.1f} GB for {at_once} at once, beside {plan['images_in_memory'] / GB:.2f} GB"
    text += " of images that all share"
    if has and plan["memory"] > has:
        return f"{text}. This machine has {has / GB:.1f} GB: run fewer at once (--cores)."
    return f"{text}{f'; this machine has {has / GB:.1f} GB' if has else ''}."


def _disk_line(plan: Mapping) -> str:
    features = plan.get("features", 0)
    free, wanted = plan["machine"]["disk"], plan["files"] + features + plan["scratch"]
    kept = f", {features / MB:.0f} MB of features of existing nets (which may be deleted after)" if features else ""
    text = f"Disk: {plan['files'] / MB:.0f} MB of results{kept}, and up to {plan['scratch'] / MB:.0f} MB while jobs run"
    return f"{text}; {free / GB:.1f} GB are free{'' if wanted < free else ': make room first'}."
