"""A study's progress in words: one screen of a terminal, or a line now and then where there is none."""

from dataclasses import dataclass

from ..analysis.words import duration
from .progress import Left, Progress, Row, Running

__all__ = ["Style", "ending", "line_of", "screen_of", "stage_line"]

AT_WORK = 8  # jobs that are named
BAR = 24  # columns, at most


@dataclass(frozen=True)
class Style:
    """What a terminal can show: `colour`, and other characters than ASCII's."""

    colour: bool = True
    unicode: bool = True

    def paint(self, text: str, code: str) -> str:
        """`text` in a colour (`1` is bold, `2` dim, `31` red, `32` green), if there are any."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text

    def bar(self, row: Row, columns: int) -> str:
        """How much of a stage is done, in so many columns."""
        full = columns * row.done // row.jobs if row.jobs else columns
        on, off = ("━", "─") if self.unicode else ("#", ".")
        return self.paint(on * full, "32") + self.paint(off * (columns - full), "2")


def screen_of(
    study: str, progress: Progress, left: Left | None, now: float, columns: int, lines: int, style: Style
) -> list[str]:
    """What is done of each stage, what runs and how long it still takes, in at most so many lines and columns.

    `left`: None once it is over: no time is left, and nothing is running. Where there is little room, stages that are
    done are dropped first, then what is running.
    """
    rows, running = progress.rows(), progress.running(now) if left else []
    head = style.paint(_cut(f"{study}: {_count(progress)}{_since(progress, now)}{_when(left)}", columns), "1")
    room = max(0, lines - 1)
    named = _running(running, min(room, AT_WORK, max(2, room - len(rows))), columns, style)
    if len(rows) > room - len(named):
        rows = sorted(rows, key=lambda row: row.done == row.jobs)[: max(0, room - len(named))]
        rows = [row for row in progress.rows() if row in rows]
    return [head, *_stages(rows, columns, style), *named][: max(1, lines)]


def line_of(progress: Progress, left: Left, now: float) -> str:
    """The same in one line."""
    work = ", ".join(f"{row.running} {row.stage}" for row in progress.rows() if row.running)
    return f"{_count(progress)}{_since(progress, now)}{_when(left)}{f'; at work: {work}' if work else ''}"


def stage_line(stage: str, progress: Progress, left: Left) -> str:
    """That a stage is done, in one line."""
    return f"{stage} done; {_count(progress)}{_when(left)}"


def ending(study: str, progress: Progress, now: float) -> str:
    """How it ended, in one line."""
    took, now_done = duration(now - progress.began), len(progress.done) - progress.n_before
    if progress.is_over:
        some = f", {now_done:,} of them now" if progress.n_before else ""
        return f"{study}: done after {took}, {_jobs(progress)}{some}."
    what = "ended" if progress.failed else "stopped"
    return f"{study}: {what} after {took}, {_count(progress)}. The same command goes on from here."


def _count(progress: Progress) -> str:
    failed = f", {len(progress.failed):,} failed" if progress.failed else ""
    return f"{len(progress.done):,} of {_jobs(progress)} done{failed}"


def _jobs(progress: Progress) -> str:
    return f"{len(progress.steps):,} job{'s' * (len(progress.steps) != 1)}"


def _since(progress: Progress, now: float) -> str:
    return f" after {duration(now - progress.began)}" if now - progress.began >= 1 else ""


def _when(left: Left | None) -> str:
    if left is None:
        return ""
    if left.at_least and left.seconds < 1:
        return ", time left not known yet"
    return f", {'at least' if left.at_least else 'about'} {duration(left.seconds)} left"


def _stages(rows: list[Row], columns: int, style: Style) -> list[str]:
    name = max((len(row.stage) for row in rows), default=0)
    count = max((len(f"{row.jobs:,}") for row in rows), default=0)
    counts = [f"{row.done:>{count},} of {row.jobs:>{count},}" for row in rows]
    work = [f"  {row.running:,} at work" if row.running else "" for row in rows]
    failed = [f"  {row.failed:,} failed" if row.failed else "" for row in rows]
    tails = ["".join(parts) for parts in zip(counts, work, failed, strict=True)]
    bar = min(BAR, columns - name - max(map(len, tails), default=0) - 6)
    if bar < 4:
        return [_cut(f"  {row.stage.ljust(name)}  {tail}", columns) for row, tail in zip(rows, tails, strict=True)]
    return [
        f"  {row.stage.ljust(name)}  {style.bar(row, bar)}  {done}{running}{style.paint(lost, '31')}"
        for row, done, running, lost in zip(rows, counts, work, failed, strict=True)
    ]


def _running(running: list[Running], room: int, columns: int, style: Style) -> list[str]:
    """A heading and as many jobs as fit into `room` lines; no lines if none fits."""
    names = room - 1 if len(running) < room else room - 2  # the last line says how many more there are
    if not running or names < 1:
        return []
    shown = running[:names]
    times = [_of(one) for one in shown]
    time = max(map(len, times))
    width = max(1, min(columns - 4 - time, max(len(one.label) for one in shown)))
    found = ["at work"]
    found += [f"  {_cut(one.label, width).ljust(width)}  {text}" for one, text in zip(shown, times, strict=True)]
    if len(running) > names:
        found.append(f"  and {len(running) - names:,} more")
    return [style.paint(_cut(line, columns), "2") for line in found]


def _of(one: Running) -> str:
    told = duration(one.seconds)
    return f"{told} of about {duration(one.expected)}" if one.expected and one.expected > one.seconds else told


def _cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else text[: max(0, columns - 1)] + "…"
