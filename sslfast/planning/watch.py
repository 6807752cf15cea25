"""What a person sees while Snakemake runs a study: a screen that is kept up to date, or a line now and then.

`watch` puts a handler in the place of the one with which Snakemake's logger writes to the terminal; Snakemake's own log
file stays whole. A logger plugin would be the official way, but Snakemake finds none that is installed in editable
mode, as `make` does, and a profile that names one stops whoever has not installed it.
"""

import logging
import os
import re
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .progress import Left, Progress, Step
from .screen import Style, ending, line_of, screen_of, stage_line
from .terminal import Terminal

__all__ = ["Watch", "watch"]

REPLACED = "DefaultStreamHandler"  # Snakemake's name of it
TICK = 0.5  # seconds from one look at the time to the next
LINES_EVERY = 60.0  # seconds between two lines where there is no terminal
FEW = 3  # jobs; fewer need no table at the end
DEAR = 50  # an estimate is made anew after so many times the seconds that making it took
BEFORE = ("run_info", "resources_info")  # events before the first job
# Messages of Snakemake that the screen replaces, by their event ...
TOLD = {
    *BEFORE, "job_info", "job_started", "job_finished", "progress", "shellcmd", "group_info",
    "rulegraph",
}  # fmt: skip
# ... or by how they begin. `Exiting` and what follows say no more than the errors did.
NOISE = (
    "Using shell:", "Group jobs: inactive (local execution)", "Select jobs to execute", "Trying to restart job",
    "Removing output files of failed job", "Exiting because a job execution failed",
    "WorkflowError:\nAt least one job did not complete", "Elapsed time:",
)  # fmt: skip
STOPS = "Terminating processes on user request"
NOTHING = "Nothing to be done"


def watch(logger: logging.Logger, study: str, page: str | Path, *, colour: bool = True) -> "Watch | None":
    """The handler that now writes to the terminal for `logger`, Snakemake's; None where a plugin writes there already.

    `page`: of the report, where it will be.
    """
    found = [handler for handler in logger.handlers if handler.name == REPLACED]
    if len(found) != 1 or not isinstance(found[0], logging.StreamHandler):
        return None
    colour = colour and not os.environ.get("NO_COLOR")
    if not colour and hasattr(found[0], "nocolor"):
        found[0].nocolor = True
    new = Watch(found[0], study, page, colour=colour)
    logger.removeHandler(found[0])
    logger.addHandler(new)
    return new


class Watch(logging.Handler):
    """Shows the progress of a study on the stream of `under`, a handler that writes all else there."""

    def __init__(self, under: logging.StreamHandler, study: str, page: str | Path, *, colour: bool = True):
        super().__init__(under.level)
        self.name = under.name
        self.under, self.study, self.page, self.terminal = under, study, Path(page), Terminal(under.stream)
        self.progress: Progress | None = None
        self.jobs_speak = True  # jobs write their errors on this terminal themselves
        self.style = Style(colour, self.terminal.has_unicode)
        self._over = threading.Event()
        self._ticker: threading.Thread | None = None
        self._is_stopping = self._ended = False
        self._waiting: list[logging.LogRecord] | None = []  # messages held back until it is known whether jobs begin
        self._together: dict[object, int] = {}  # jobs of a group, by job
        self._labels: dict[object, str] = {}
        self._dead: dict[int | None, logging.LogRecord] = {}  # how a script ended, by thread, until its job is known
        self._left: tuple[float, float, Left] | None = (
            None  # an estimate: when made, valid for how many seconds, and it
        )
        self._said = 0.0

    def begin(self, steps: Iterable[Step], slots: int, *, keep_going: bool = False, jobs_speak: bool = True) -> None:
        """The jobs begin (see `Progress`). `jobs_speak`: each writes its error here itself, since it runs here."""
        with self._held():
            self.progress = Progress(steps, slots, time.time(), keep_going=keep_going)
            self.jobs_speak, self._waiting = jobs_speak, None
            if not self.terminal.is_live:
                self._say(f"{self.study}: {line_of(self.progress, self._time_left(self.progress), time.time())}")
            self._draw()
            self._ticker = threading.Thread(target=self._tick, daemon=True)
            self._ticker.start()

    def end(self) -> None:
        """No more jobs: the last state stays, and how it ended, with the report's page if there is one."""
        with self._held():
            self._give_up()
            self._over.set()
            progress, self.progress = self.progress, None
            if progress is None:
                return
            self._ended = True
            self.terminal.clear()
            for record in self._dead.values():
                self.under.handle(record)
            now = time.time()
            if self.terminal.is_live and len(progress.steps) - progress.n_before >= FEW:
                columns, lines = self.terminal.size
                self.terminal.write(screen_of(self.study, progress, None, now, columns, lines, self.style)[1:])
            self._say(ending(self.study, progress, now))
            stages = {step.stage for step in progress.steps.values()}
            if "report" in stages and progress.is_over:
                self._point()

    def emit(self, record: logging.LogRecord) -> None:
        event = str(getattr(record, "event", None) or "")
        text = str(record.msg or "")
        try:
            if self._waiting is not None and (event in BEFORE or text.startswith(NOISE)):
                self._waiting.append(record)
            elif self.progress and (event in TOLD or (event != "job_error" and text.startswith(NOISE))):
                self._take(event, record, text)
            elif self._ended and text.startswith(NOISE):
                pass
            elif event == "error" and getattr(record, "exception", "") == "RuleException" and "Command '" in text:
                self._dead[record.thread] = record  # its job's error comes next, and says more
            elif event == "job_error" and (lines := self._failed(record)):
                self._say(*lines)
                self._draw()
            else:
                self.terminal.clear()
                if event in TOLD:  # nobody called `begin`
                    self._give_up()
                self.under.handle(record)
                if text.startswith(NOTHING):
                    self._point()
                self._is_stopping = self._is_stopping or text.startswith(STOPS)
                self._draw()
        except BrokenPipeError:
            raise
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        self.under.flush()

    def close(self) -> None:
        self._over.set()
        with suppress(Exception):  # of a terminal that is gone
            self.end()
        if self._ticker is not None:
            self._ticker.join(2 * TICK)
        self.under.close()
        super().close()

    def _take(self, event: str, record: logging.LogRecord, text: str) -> None:
        """Count what a record tells."""
        told: Any = record
        if self.progress is None:
            return
        if event == "group_info":
            jobs = [job.jobid for job in told.jobs]
            self._together.update(dict.fromkeys(jobs, len(jobs)))
        elif event == "job_info":
            self._labels[told.jobid] = str(told.rule_msg or told.rule_name)
            together = self._together.get(told.jobid, 1)
            self.progress.start(told.jobid, record.created, self._labels[told.jobid], together)
        elif event == "job_finished":
            last = self.progress.finish(told.job_id, record.created)
            if last and not self.progress.is_over and not self.terminal.is_live:
                self._left = None
                stage = self.progress.steps[told.job_id].stage
                self._say(stage_line(stage, self.progress, self._time_left(self.progress)))
        elif again := re.match(r"Trying to restart job (\d+)", text):
            self.progress.again(int(again[1]))

    def _give_up(self) -> None:
        """Pass on what was held back."""
        waiting, self._waiting = self._waiting, None
        for record in waiting or ():
            self.under.handle(record)

    def _failed(self, record: logging.LogRecord) -> list[str]:
        """Lines about a job that failed, if its log or its exit tell more than Snakemake does; none where a person
        stopped it."""
        told: Any = record
        dead = self._dead.pop(record.thread, None)
        log = next(iter(told.log), "")
        line = _last_line(log)
        how = re.search(r"died with <Signals\.(\w+)|exit status (\d+)", str(dead.msg)) if dead else None
        signal, status = how.groups() if how else (None, None)
        wordless = not line.startswith(("error:", "stopped by"))
        if self.progress is not None:
            self.progress.fail(told.jobid)
        self._is_stopping = self._is_stopping or line == "stopped by SIGINT" or signal == "SIGINT"
        if self._is_stopping and (wordless or line.startswith("stopped by")):
            if self.progress is not None:
                self.progress.again(told.jobid)
            return [""]
        if wordless and how is None:
            return []  # Snakemake's own words
        if wordless:
            line = f"error: it ended without a word, by {signal or f'exit status {status}'}"
            line += ": was there too little memory?" if signal == "SIGKILL" or status == "137" else ""
        what = self._labels.get(told.jobid) or told.rule_name
        return ["" if self.jobs_speak and not wordless else line, f"  failed: {what}; its log: {log}"]

    def _tick(self) -> None:
        while not self._over.wait(TICK):
            if not self._held().acquire(blocking=False):  # who holds it may wait for this thread to end
                continue
            try:
                if self.progress is None:
                    return
                if not self.terminal.is_live and time.time() - self._said >= LINES_EVERY:
                    self._say(line_of(self.progress, self._time_left(self.progress), time.time()))
                self._draw()
            except (OSError, ValueError):  # the terminal is gone
                return
            finally:
                self._held().release()

    def _held(self) -> Any:
        """The lock under which logging calls `emit`, too."""
        return self.lock

    def _time_left(self, progress: Progress) -> Left:
        now = time.time()
        if self._left is None or now > self._left[0] + self._left[1]:
            start = time.perf_counter()
            left = progress.left(now)
            self._left = (now, max(TICK, DEAR * (time.perf_counter() - start)), left)
        found, _, left = self._left
        return Left(max(0.0, left.seconds - (now - found)), left.at_least)

    def _draw(self) -> None:
        if self.progress is None or not self.terminal.is_live:
            return
        (columns, lines), now = self.terminal.size, time.time()
        left = self._time_left(self.progress)
        self.terminal.show(screen_of(self.study, self.progress, left, now, columns, lines - 2, self.style))

    def _say(self, *lines: str) -> None:
        """Lines above the screen; without a terminal, with the time."""
        lines = tuple(line for line in lines if line)
        if not lines:
            return
        self._said = time.time()
        clock = (
            "" if self.terminal.is_live or lines[0].startswith(("error:", " ")) else f"{time.strftime('%H:%M:%S')}  "
        )
        self.terminal.write([f"{clock}{line}" for line in lines])

    def _point(self) -> None:
        """Where the report is: a link, on a terminal."""
        if self.page.is_file():
            self.terminal.write(
                [f"The report: {self.page.resolve().as_uri() if self.terminal.is_terminal else self.page}"]
            )


def _last_line(log: str) -> str:
    """What a job says of its end, in the last line of its log."""
    try:
        with open(log, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 8192))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return re.sub(r", after [\d.]+ s$", "", lines[-1]) if lines else ""
