"""A terminal for programs, which tests look at."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

__all__ = ["on_terminal", "screen_after"]

LONGEST = 300  # seconds that a command may take


def on_terminal(
    command: Sequence[str | Path],
    folder: Path,
    columns: int = 80,
    lines: int = 24,
    *,
    interrupt: Callable[[list[str]], bool] = lambda _: False,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, list[str]]:
    """A command's exit status and what is on its terminal in the end. Ctrl-C is typed once `interrupt(lines)` holds."""
    size = struct.pack("HHHH", lines, columns, 0, 0)
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):  # ignored by what runs in the background
                signal.signal(number, signal.SIG_DFL)
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            os.chdir(folder)
            os.execve(command[0], list(map(str, command)), {**os.environ, "TERM": "xterm", **(environment or {})})
        finally:
            os._exit(127)
    written, waits, end = b"", True, time.monotonic() + LONGEST
    while time.monotonic() < end:
        if select.select([terminal], [], [], 1)[0]:
            try:
                part = os.read(terminal, 1 << 16)
            except OSError:  # as Linux says that nobody writes there any more
                part = b""
            if not part:
                break
            written += part
        if waits and interrupt(screen_after(written, columns, lines)):
            os.write(terminal, b"\x03")
            waits = False
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), screen_after(written, columns, lines)


def screen_after(written: bytes, columns: int, lines: int) -> list[str]:
    """The lines of a terminal after so much was written to it, those scrolled away first, no empty ones at its end."""
    screen = pyte.HistoryScreen(columns, lines, history=10_000)
    pyte.ByteStream(screen).feed(written)
    scrolled = ["".join(row[x].data for x in range(columns)) for row in screen.history.top]
    return "\n".join(line.rstrip() for line in [*scrolled, *screen.display]).rstrip("\n").split("\n")
