"""A process that has torch and fastai imported, and forks for each training job of a study.

Importing them takes a job 2 to 4 seconds, often more than it trains, and two cores at once take longer still. So
Snakemake starts one process that imports them once (`start`, on Linux, where jobs run on the same machine); a script
asks it for a fork (`hand_over`), which does the work in the script's place. The script's own process stays, and is what
Snakemake waits for:

* it passes signals on, and ends as the fork ends, with its exit code or by its signal;
* if it is killed, so is the fork;
* without a server, or where the server cannot do it, it does the work itself.

The server, as the forks' parent, sees to that, and lives as long as Snakemake or the last fork. Its socket is in a
folder that nobody else may enter.
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path

__all__ = ["THREADS", "forks_for", "hand_over", "start", "whoami"]

_IMPORTED = (
    "sslfast.runtime.jobs",
    "sslfast.stages",
    "sslfast.stages.encoder_store",
    "sslfast.stages.inputs",
)  # in order
SERVER = "SSLFAST_JOB_SERVER"  # in the environment of jobs: the path of the server's socket; "off": start none
# What Snakemake sets for its jobs. Libraries count their threads when they are loaded: the server's count one, so it
# serves jobs of one thread.
THREADS = ("OMP_NUM_THREADS", "GOTO_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
PATIENCE = 120.0  # seconds that a script waits for a fork before it does the work itself
IN_A_MOMENT = 5.0  # seconds in which the server has read what a script wants
_PREFIX = "sslfast-jobs-"
_STOPPING = (signal.SIGTERM, signal.SIGINT)

_is_fork = False
_servers: list[subprocess.Popen] = []  # what keeps their standard input open


def forks_for(threads: int) -> bool:
    """Whether jobs of so many threads begin in a fork, where Snakemake runs them on its own machine."""
    return sys.platform == "linux" and os.environ.get(SERVER) != "off" and threads == 1


def start(threads: int = 1) -> None:
    """Start a server for the jobs that this process will start, if it can serve such."""
    if not forks_for(threads):
        return
    _tidy()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))  # the user's alone
    path = folder / "socket"
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            listening.listen(128)
            code = f"from {__name__} import main; main({listening.fileno()}, {str(path)!r})"  # -m: forks had it twice
            command = [sys.executable, "-P", "-c", code]  # -P: nothing is imported from the folder of the study
            options = {"env": environment, "pass_fds": [listening.fileno()], "start_new_session": True}
            _servers.append(subprocess.Popen(command, **options, **streams))  # noqa: S603 - nobody's words but ours
    except OSError:  # no such sockets here, or no more processes: jobs start as they would without
        shutil.rmtree(folder, ignore_errors=True)
        return
    os.environ[SERVER] = str(path)


def hand_over() -> None:
    """Have a fork of the server run this script from its beginning, and end as it does; return if there is none."""
    path = os.environ.get(SERVER, "off")
    if _is_fork or path == "off" or os.environ.get("OMP_NUM_THREADS") != "1":
        return
    wanted = {"argv": sys.argv, "path": sys.path, "cwd": os.getcwd(), "environment": dict(os.environ)}
    text = json.dumps(wanted).encode()  # what is no UTF-8 stands in it as surrogates
    server = socket.socket(socket.AF_UNIX)
    server.settimeout(PATIENCE)
    signals = {*_STOPPING, signal.SIGTSTP, signal.SIGCONT}
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


def whoami() -> str:
    """What a log says of this process."""
    return f"process {os.getpid()}" + (f", a fork of {os.getppid()}" if _is_fork else "")


def main(descriptor: int, path: str) -> None:
    """Serve at a socket that listens already."""
    # of what stops all processes of a machine or an allocation, forks hear themselves; they find these as they were
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (*_STOPPING, signal.SIGHUP)}
    for name in _IMPORTED:
        importlib.import_module(name)
    from ..study.version import code_version, reading_version

    code_version("classify")  # what both read of the package is remembered
    reading_version()
    gc.freeze()  # so that forks share these pages
    with socket.socket(fileno=descriptor) as listening:
        _Server(listening, Path(path).parent, before).serve()


def _tidy() -> None:
    """Remove the folders of servers that were killed."""
    for socket_path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/socket"):
        with suppress(OSError), socket.socket(socket.AF_UNIX) as one:
            try:
                one.connect(str(socket_path))
            except ConnectionRefusedError:
                shutil.rmtree(socket_path.parent, ignore_errors=True)


class _Server:
    """Forks for each script that asks, until standard input ends, and looks after the forks until they have ended."""

    def __init__(self, listening: socket.socket, folder: Path, handlers: dict):
        self.listening, self.folder, self.handlers = listening, folder, handlers
        self.scripts: dict[int, socket.socket] = {}  # by fork
        self.selector = selectors.DefaultSelector()
        self.asked, self.heard = os.pipe2(os.O_NONBLOCK)

    def serve(self) -> None:
        signal.set_wakeup_fd(self.heard, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # writes to the pipe, so that a fork's end is heard of
        for source, what in ((self.listening, self.begin), (sys.stdin, self.close), (self.asked, self.reap)):
            self.selector.register(source, selectors.EVENT_READ, what)
        while self.folder or self.scripts:
            for key, _ in self.selector.select():
                with suppress(Exception):  # one script's trouble is not the others'
                    key.data()

    def close(self) -> None:
        """Snakemake has ended."""
        self.selector.unregister(sys.stdin)
        self.selector.unregister(self.listening)
        self.listening.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder = None

    def begin(self) -> None:
        """A fork for the script that asks. One that gets none does its work itself."""
        script, _ = self.listening.accept()
        streams: list[int] = []
        try:
            script.settimeout(IN_A_MOMENT)
            head, streams, _, _ = socket.recv_fds(script, 8, 2)
            with script.makefile("rb") as file:
                wanted = json.loads(file.read(struct.unpack(">Q", head)[0]))
            script.settimeout(None)
            out, err = streams
            server = os.getpid()
            if (fork := os.fork()) == 0:
                try:
                    self.in_fork(server)
                    _work(wanted, out, err)
                finally:
                    os._exit(1)
        except BaseException:
            script.close()
            raise
        finally:
            for stream in streams:
                os.close(stream)
        self.scripts[fork] = script
        self.selector.register(script, selectors.EVENT_READ, lambda: self.pass_on(fork))
        script.send(b"1")  # where it has gone meanwhile, `pass_on` hears of that

    def pass_on(self, fork: int) -> None:
        """Send the fork the signals that its script got, and end it if the script is gone."""
        script, numbers = self.scripts[fork], b""
        with suppress(OSError):
            numbers = script.recv(64)
        if not numbers:
            self.selector.unregister(script)
        for number in numbers or [signal.SIGKILL]:
            os.kill(fork, number)  # it is there, or waits for `reap`

    def reap(self) -> None:
        """Tell scripts how their forks ended."""
        with suppress(BlockingIOError):
            os.read(self.asked, 2**12)
        for fork in list(self.scripts):
            pid, status = os.waitpid(fork, os.WNOHANG)
            if not pid:
                continue
            code = os.waitstatus_to_exitcode(status)
            with self.scripts.pop(fork) as script:
                with suppress(KeyError):  # of one that is gone `pass_on` has heard
                    self.selector.unregister(script)
                with suppress(OSError):
                    script.send(bytes([max(code, 0), max(-code, 0)]))

    def in_fork(self, server: int) -> None:
        """A fork is no server; nobody would look after it without one, so it goes with it."""
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != server:
            os._exit(1)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        self.selector.close()
        for mine in (self.listening, *self.scripts.values()):
            mine.close()


def _work(wanted: dict, out: int, err: int) -> None:
    """Run the script, as a process of its own would."""
    global _is_fork
    _is_fork, code = True, 1
    nothing = os.open(os.devnull, os.O_RDONLY)
    for given, own in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(given, own)
        os.close(given)
    sys.argv[:], sys.path[:] = wanted["argv"], wanted["path"]
    os.environ.clear()
    os.environ.update(wanted["environment"])
    os.chdir(wanted["cwd"])
    tempfile.tempdir = None  # Snakemake sets one for each job
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        if isinstance(end.code, int | None):
            code = end.code or 0
        else:
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code & 255)
