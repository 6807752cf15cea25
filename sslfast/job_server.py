"""A process that has torch and fastai imported, and forks for each training job of a study.

Importing them takes a job 2 to 4 seconds, often more than it trains, and two cores at once take longer still. So
Snakemake starts one process that imports them once (`start`, on Linux, where jobs run on the same machine); a script
asks it for a fork (`hand_over`), which does the work in the script's place. The script's own process stays, and is what
Snakemake waits for:

* it passes signals on, and ends with the fork's exit code;
* if it is killed, so is the fork, and where the fork is killed, it ends as killed;
* without a server, or where the server cannot do it, it does the work itself.

The server, as the forks' parent, sees to that, and lives as long as Snakemake or the last fork. Its socket has no file
(Linux's abstract namespace), and both sides look whose process the other is.
"""

import ctypes
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
import traceback
from contextlib import suppress

__all__ = ["THREADS", "forks_for", "hand_over", "start", "whoami"]

SERVER = "SSLFAST_JOB_SERVER"  # in the environment of jobs: the name of the server's socket; "off": start none
# What Snakemake sets for its jobs. Libraries count their threads when they are loaded: the server's count one, so it
# serves jobs of one thread.
THREADS = ("OMP_NUM_THREADS", "GOTO_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
PATIENCE = 120.0  # seconds that a script waits for a fork before it does the work itself
IN_A_MOMENT = 5.0  # seconds in which the server has read what a script wants

_is_fork = False
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
    if _is_fork or name == "off" or os.environ.get("OMP_NUM_THREADS") != "1" or not (server := _connect(name)):
        return
    wanted = {"argv": sys.argv, "path": sys.path, "cwd": os.getcwd(), "environment": dict(os.environ)}
    text = json.dumps(wanted).encode()  # what is no UTF-8 stands in it as surrogates
    try:
        server.settimeout(PATIENCE)
        socket.send_fds(server, [struct.pack(">Q", len(text))], [1, 2])
        server.sendall(text)
        begun = server.recv(1)
        server.settimeout(None)
    except OSError:
        begun = b""
    if not begun:
        server.close()
        return

    def forward(number: int, _frame) -> None:
        stop = number == signal.SIGTSTP  # Ctrl-Z: the fork, which has no terminal, would not stop at that
        with suppress(OSError):
            server.send(bytes([signal.SIGSTOP if stop else number]))
        if stop:
            os.kill(os.getpid(), signal.SIGSTOP)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTSTP, signal.SIGCONT):
        signal.signal(number, forward)
    code = server.recv(1)
    os._exit(code[0] if code else 128 + signal.SIGKILL)


def whoami() -> str:
    """What a log says of this process."""
    return f"process {os.getpid()}" + (f", a fork of {os.getppid()}" if _is_fork else "")


def main(descriptor: int) -> None:
    """Serve at a socket that listens already."""
    from . import jobs  # noqa: F401, I001 - first, as in the scripts
    from . import encoder_store, stages  # noqa: F401
    from .data import study  # noqa: F401
    from .version import code_version, reading_version

    for look_up in (code_version, reading_version):  # remembered
        look_up()
    gc.freeze()  # so that forks share these pages
    with socket.socket(fileno=descriptor) as listening:
        _serve(listening)


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
    """Fork for each script that asks, until standard input ends, and look after the forks until they have ended."""
    told, tell = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # writes to the pipe, so that a fork's end is heard of
    asking: list = [listening, sys.stdin]
    scripts: dict[int, socket.socket] = {}  # by fork
    while asking or scripts:
        ready, _, _ = select.select([*asking, *scripts.values(), told], [], [])
        if sys.stdin in ready:  # Snakemake has ended
            asking = []
            listening.close()
        elif listening in ready:
            connection, _ = listening.accept()
            if fork := _begin(connection, listening):
                scripts[fork] = connection
            else:
                connection.close()
        for fork, script in scripts.items():
            if script in ready:
                _pass_on(script, fork)
        with suppress(BlockingIOError):
            os.read(told, 2**12)
        for fork, code in _ended(scripts):
            with scripts.pop(fork) as script, suppress(OSError):  # it may have been killed itself
                script.send(bytes([code]))


def _begin(connection: socket.socket, listening: socket.socket) -> int | None:
    """The fork that does what the script at the other end wants."""
    if _user(connection) != os.geteuid():
        return None
    streams: list[int] = []
    try:
        connection.settimeout(IN_A_MOMENT)
        head, streams, _, _ = socket.recv_fds(connection, 8, 2)
        with connection.makefile("rb") as file:
            wanted = json.loads(file.read(struct.unpack(">Q", head)[0]))
        connection.settimeout(None)
        server = os.getpid()
        if (fork := os.fork()) == 0:
            listening.close()  # or scripts would find it when the server has gone
            _work(wanted, streams, server)
        connection.send(b"1")
        return fork
    except (OSError, ValueError, struct.error):  # the script is gone, or there is no room for another process
        return None
    finally:
        for stream in streams:
            os.close(stream)


def _pass_on(script: socket.socket, fork: int) -> None:
    """Send the fork the signals that its script got, and end it if the script is gone."""
    try:
        numbers = script.recv(64)
    except OSError:
        numbers = b""
    for number in numbers or [signal.SIGKILL]:
        os.kill(fork, number)  # it is there, or waits for `_ended`


def _ended(forks) -> list[tuple[int, int]]:
    """Which have ended, each with its exit code as a shell gives it."""
    found = []
    for fork in forks:
        pid, status = os.waitpid(fork, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            found.append((fork, code if code >= 0 else 128 - code))
    return found


def _work(wanted: dict, streams: list[int], server: int) -> None:
    """In a fork: run the script, as a process of its own would."""
    global _is_fork
    _is_fork, code = True, 1
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nobody would look after it without the server
        if os.getppid() != server:
            os._exit(1)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for given, own in zip([nothing, *streams], (0, 1, 2), strict=True):
            os.dup2(given, own)
        sys.argv[:], sys.path[:] = wanted["argv"], wanted["path"]
        os.environ.clear()
        os.environ.update(wanted["environment"])
        os.chdir(wanted["cwd"])
        tempfile.tempdir = None  # Snakemake sets one for each job
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
