"""The script's side of the job server: a fork of the server, which has torch imported, does the script's work.

Snakemake waits for the script's own process. That process

* passes signals on to the fork, and ends as the fork ends: with its exit code, or by the same signal;
* takes the fork with it if it is killed;
* does the work itself if there is no server, or if the server cannot do it.

Every job imports this module before it begins, so the module imports little. `job_server` is the other side.
"""

import json
import os
import signal
import socket
import struct
import sys
from contextlib import suppress

__all__ = ["SERVER", "STOPPING", "hand_over", "now_a_fork", "whoami"]

SERVER = "SSLFAST_JOB_SERVER"  # environment variable: the path of the server's socket; "off": start no server
STOPPING = (signal.SIGTERM, signal.SIGINT)
PATIENCE = 120.0  # seconds that a script waits for a fork before it does the work itself

_is_fork = False


def hand_over() -> None:
    """Have a fork of the server run this script from its beginning, and end this process as the fork ends.

    Returns if this process has to do the work: it is a fork itself, there is no server, or the job has several threads.
    """
    path = os.environ.get(SERVER, "off")
    if _is_fork or path == "off" or os.environ.get("OMP_NUM_THREADS") != "1":
        return
    wanted = {"argv": sys.argv, "path": sys.path, "cwd": os.getcwd(), "environment": dict(os.environ)}
    text = json.dumps(wanted).encode()  # JSON escapes the surrogates that stand for bytes that are not UTF-8
    server = socket.socket(socket.AF_UNIX)
    server.settimeout(PATIENCE)
    signals = {*STOPPING, signal.SIGTSTP, signal.SIGCONT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # a signal stays pending until it can be passed on
    try:
        server.connect(path)
        socket.send_fds(server, [struct.pack(">Q", len(text))], [1, 2])
        server.sendall(text)
        begun = _answer(server, signals)
    except OSError:
        begun = b""
    if not begun:
        server.close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        return

    def forward(number: int, _frame) -> None:
        stop = number == signal.SIGTSTP  # Ctrl-Z: SIGTSTP would not stop the fork, which has no terminal
        with suppress(OSError):
            server.send(bytes([signal.SIGSTOP if stop else number]))
        if stop:
            os.kill(os.getpid(), signal.SIGSTOP)

    for number in signals:
        signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    try:
        code, ended_by = server.recv(2)
    except (OSError, ValueError):  # the server is gone, so how the fork ended is unknown
        code, ended_by = 0, signal.SIGKILL
    if ended_by:
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(ended_by, signal.SIG_DFL)
        os.kill(os.getpid(), ended_by)
    os._exit(code)


def whoami() -> str:
    """How a log names this process: by its process id, and for a fork by the server's, too."""
    return f"process {os.getpid()}" + (f", a fork of {os.getppid()}" if _is_fork else "")


def now_a_fork() -> None:
    """Mark this process as a fork, so that it does its work itself."""
    global _is_fork
    _is_fork = True


def _answer(server: socket.socket, signals: set[signal.Signals]) -> bytes:
    """The server's answer, one byte; empty after `PATIENCE` seconds, or as soon as one of `signals` is pending."""
    server.settimeout(1)
    for _ in range(int(PATIENCE)):
        with suppress(TimeoutError):
            answer = server.recv(1)
            server.settimeout(None)
            return answer
        if signal.sigpending() & signals:
            break
    return b""
