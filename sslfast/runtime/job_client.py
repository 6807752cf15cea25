"""A script's side of the forks: it asks a process that has torch imported (`job_server`) to do its work in its place.

The script's own process stays, and is what Snakemake waits for:

* it passes signals on, and ends as the fork ends, with its exit code or by its signal;
* if it is killed, so is the fork;
* without a server, or where the server cannot do it, it does the work itself.

All of this is imported before each job begins, so it imports little.
"""

import json
import os
import signal
import socket
import struct
import sys
from contextlib import suppress

__all__ = ["SERVER", "STOPPING", "hand_over", "now_a_fork", "whoami"]

SERVER = "SSLFAST_JOB_SERVER"  # in the environment of jobs: the path of the server's socket; "off": start none
STOPPING = (signal.SIGTERM, signal.SIGINT)
PATIENCE = 120.0  # seconds that a script waits for a fork before it does the work itself

_is_fork = False


def hand_over() -> None:
    """Have a fork of the server run this script from its beginning, and end as it does; return if there is none."""
    path = os.environ.get(SERVER, "off")
    if _is_fork or path == "off" or os.environ.get("OMP_NUM_THREADS") != "1":
        return
    wanted = {"argv": sys.argv, "path": sys.path, "cwd": os.getcwd(), "environment": dict(os.environ)}
    text = json.dumps(wanted).encode()  # what is no UTF-8 stands in it as surrogates
    server = socket.socket(socket.AF_UNIX)
    server.settimeout(PATIENCE)
    signals = {*STOPPING, signal.SIGTSTP, signal.SIGCONT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # those that come before they are passed on wait for that
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
        stop = number == signal.SIGTSTP  # Ctrl-Z: the fork, which has no terminal, would not stop at that
        with suppress(OSError):
            server.send(bytes([signal.SIGSTOP if stop else number]))
        if stop:
            os.kill(os.getpid(), signal.SIGSTOP)

    for number in signals:
        signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    try:
        code, number = server.recv(2)
    except (OSError, ValueError):  # nobody knows how it ended
        code, number = 0, signal.SIGKILL
    if number:
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(code)


def whoami() -> str:
    """What a log says of this process."""
    return f"process {os.getpid()}" + (f", a fork of {os.getppid()}" if _is_fork else "")


def now_a_fork() -> None:
    """From now on this process is a fork: it does its work itself."""
    global _is_fork
    _is_fork = True


def _answer(server: socket.socket, signals: set[signal.Signals]) -> bytes:
    """What the server says; nothing if it says nothing for too long, or if a signal is waiting meanwhile."""
    server.settimeout(1)
    for _ in range(int(PATIENCE)):
        with suppress(TimeoutError):
            answer = server.recv(1)
            server.settimeout(None)
            return answer
        if signal.sigpending() & signals:
            break
    return b""
