"""A process that has torch and fastai imported, and forks for each training job of a study.

Importing them takes a job 2 to 4 seconds, often more than it trains, and two cores at once take longer still. So
Snakemake starts one process that imports them once (`start`, on Linux, where jobs run on the same machine); a script
asks it for a fork (`hand_over`), which does the work in the script's place. The script's own process stays, and is what
Snakemake waits for:

* it passes signals on, and ends with the fork's exit code;
* if it is killed, so is the fork, and where the fork is killed, it ends as killed;
* without a server, or where the server cannot do it, it does the work itself.

The server lives as long as Snakemake does. Its socket has no file (Linux's abstract namespace), and both sides look
whose process the other is.
"""

import gc
import json
import os
import runpy
import secrets
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import suppress

__all__ = ["THREADS", "forks_for", "hand_over", "leave", "start", "whoami"]

SERVER = "SSLFAST_JOB_SERVER"  # in the environment of jobs: the name of the server's socket; "off": start none
# What Snakemake sets for its jobs. Libraries count their threads when they are loaded: the server's count one, so it
# serves jobs of one thread.
THREADS = ("OMP_NUM_THREADS", "GOTO_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
PATIENCE = 120.0  # seconds that a script waits for a fork before it does the work itself
FORWARDED = (signal.SIGTERM, signal.SIGINT)

_asked: socket.socket | None = None  # in a fork: the script that asked for it
_servers: list[subprocess.Popen] = []  # what keeps their standard input open


def forks_for(threads: int) -> bool:
    """Whether jobs of so many threads begin in a fork, where Snakemake runs them on its own machine."""
    return sys.platform == "linux" and os.environ.get(SERVER) != "off" and threads == 1


def start(threads: int = 1) -> None:
    """Start a server for the jobs that this process will start, if it can serve such; it ends with this process."""
    if not forks_for(threads):
        return
    name = f"sslfast-{secrets.token_hex(16)}"
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            listening.bind(f"\0{name}")
            listening.listen(128)
            code = f"from {__name__} import main; main({listening.fileno()})"  # not -m, or forks had it twice
            streams = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            _servers.append(
                subprocess.Popen(  # noqa: S603 - nobody's words but ours
                    [sys.executable, "-c", code],
                    env=environment,
                    pass_fds=[listening.fileno()],
                    start_new_session=True,
                    **streams,
                )
            )
    except OSError:  # no such sockets here, or no more processes: jobs start as they would without
        return
    os.environ[SERVER] = name


def hand_over() -> None:
    """Have a fork of the server run this script from its beginning, and end as it does; return if there is none."""
    name = os.environ.get(SERVER, "off")
    if _asked or name == "off" or os.environ.get("OMP_NUM_THREADS") != "1" or not (server := _connect(name)):
        return
    request = {
        "argv": sys.argv,
        "path": sys.path,
        "cwd": os.getcwd(),
        "environment": dict(os.environ),
    }
    text = json.dumps(request).encode()  # what is no UTF-8 stands in it as surrogates
    before = {number: signal.signal(number, lambda n, _: server.send(bytes([n]))) for number in FORWARDED}
    try:
        server.settimeout(PATIENCE)
        socket.send_fds(server, [struct.pack(">Q", len(text))], [1, 2])
        server.sendall(text)
        begun = server.recv(1)
        server.settimeout(None)
    except OSError:
        begun = b""
    if begun:
        answer = server.recv(1)
        os._exit(answer[0] if answer else 128 + signal.SIGKILL)
    server.close()
    for number, handler in before.items():
        signal.signal(number, handler)


def leave(code: int) -> None:
    """End this process at once, and the script that asked for it with the same code."""
    if _asked:
        with suppress(OSError):  # the script has been killed
            _asked.send(bytes([code]))
    os._exit(code)


def whoami() -> str:
    """What a log says of this process."""
    return f"process {os.getpid()}" + (f", a fork of {os.getppid()}" if _asked else "")


def _connect(name: str) -> socket.socket | None:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.connect(f"\0{name}")
        if _user(server) == os.geteuid():
            return server
    except OSError:
        pass
    server.close()
    return None


def _user(connection: socket.socket) -> int:
    """Whose process is at the other end."""
    about = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", about)[1]


def _serve(listening: socket.socket) -> None:
    """Fork for each script that asks, until standard input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for forks
    while True:
        ready, _, _ = select.select([listening, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        connection, _ = listening.accept()
        with connection:
            if _user(connection) == os.geteuid() and os.fork() == 0:
                listening.close()
                _work(connection)


def _work(connection: socket.socket) -> None:
    """In a fork: run the script that asks, as a process of its own would."""
    global _asked
    _asked, code = connection, 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        request = _request(connection)
        sys.argv[:], sys.path[:] = request["argv"], request["path"]
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["cwd"])
        tempfile.tempdir = None  # Snakemake sets one for each job
        connection.send(b"1")
        threading.Thread(target=_follow, args=(connection,), daemon=True).start()
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        leave(code)


def _request(connection: socket.socket) -> dict:
    """What the script wants; its standard output and error are this process's from here on."""
    head, streams, _, _ = socket.recv_fds(connection, 8, 2)
    for given, own in zip(streams, (1, 2), strict=True):
        os.dup2(given, own)
        os.close(given)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    left, parts = struct.unpack(">Q", head)[0], []
    while left:
        parts.append(connection.recv(min(left, 2**16)))
        left -= len(parts[-1]) or left  # a script that is gone says nothing more
    return json.loads(b"".join(parts))


def _follow(connection: socket.socket) -> None:
    """Send this process the signals that the script gets, and end it when the script is gone."""
    with suppress(OSError):
        while number := connection.recv(1):
            os.kill(os.getpid(), number[0])
    os.kill(os.getpid(), signal.SIGKILL)


def _prepare() -> None:
    """What training jobs import."""
    from . import jobs  # noqa: F401, I001 - first, as in the scripts
    from . import encoder_store, stages  # noqa: F401
    from .data import study  # noqa: F401
    from .version import code_version, reading_version

    for look_up in (code_version, reading_version):  # remembered
        look_up()
    gc.freeze()  # so that forks share these pages


def main(descriptor: int) -> None:
    """Serve at a socket that listens already."""
    _prepare()
    with socket.socket(fileno=descriptor) as listening:
        _serve(listening)
