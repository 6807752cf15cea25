"""A server process that imports the libraries of a study's jobs once, and forks for each job.

Importing torch and fastai takes a job 2 to 4 seconds, often more than its training, and longer still where several jobs
import at the same time. Therefore Snakemake starts one process that imports them once (`start`; on Linux, for jobs that
run on Snakemake's own machine). A job's script asks that process for a fork (`job_client.hand_over`), which does the
work in place of the script.

The server is the parent of the forks and looks after them. It lives until both Snakemake and the last fork have ended.
Its socket is in a folder that only the user may enter. Which module it imports is an argument: it knows nothing of
studies.
"""

import ctypes
import gc
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

from .imports import imported
from .job_client import SERVER, STOPPING, now_a_fork

__all__ = ["THREADS", "forks_for", "main", "start"]

# Snakemake sets these variables for its jobs. Libraries read them when they are loaded. The server loads its libraries
# with one thread, so it serves only jobs of one thread.
THREADS = ("OMP_NUM_THREADS", "GOTO_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
IN_A_MOMENT = 5.0  # seconds within which a script has to send its request
_PREFIX = "sslfast-jobs-"
_PATH_ENDS = 108  # bytes of a socket's path with the one that ends it: `man 7 unix`
_servers: list[subprocess.Popen] = []  # kept, so that the servers' standard input stays open until Snakemake ends


def forks_for(threads: int) -> bool:
    """Whether jobs of so many `threads`, run on Snakemake's own machine, begin as forks of a server."""
    return sys.platform == "linux" and os.environ.get(SERVER) != "off" and threads == 1


def start(prepare: str, threads: int = 1) -> None:
    """Start a server for the jobs that this process will start, if a server can serve jobs of so many `threads`.

    `prepare`: a function, as `module:function`, that the server imports and calls once, so that every fork has the
    module, all that the module imports, and all that the function has loaded. Sets `$SSLFAST_JOB_SERVER`, by which jobs
    find the server. Where none can be started, jobs run without.
    """
    if not forks_for(threads):
        return
    _tidy()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_temporary()))  # only the user may enter it
    path = folder / "socket"
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            listening.listen(128)
            asked = f"{listening.fileno()}, {str(path)!r}, {prepare!r}"
            code = f"from {__name__} import main; main({asked})"  # with -m, forks would have this module twice
            server = subprocess.Popen(  # noqa: S603 - no part of the command comes from outside
                [sys.executable, "-P", "-c", code],  # -P: nothing is imported from the folder of the study
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                pass_fds=[listening.fileno()],
                start_new_session=True,
            )
            _servers.append(server)
    except OSError:  # no Unix sockets, or no more processes: jobs start without a server
        shutil.rmtree(folder, ignore_errors=True)
        return
    os.environ[SERVER] = str(path)


def main(descriptor: int, path: str, prepare: str) -> None:
    """Be the server: call `prepare` (see `start`), then serve the listening socket `descriptor`, bound to `path`."""
    # The server ignores these signals; forks restore the original handlers, so that a signal to the whole group still
    # reaches them.
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (*STOPPING, signal.SIGHUP)}
    imported(prepare)()
    gc.freeze()  # so that forks share these pages
    with socket.socket(fileno=descriptor) as listening:
        _Server(listening, Path(path).parent, before).serve()


def _temporary() -> str:
    """The folder for temporary files, or `/tmp` where the path of a socket in it would be too long for Linux."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(f"{usual}/{_PREFIX}12345678/socket")) < _PATH_ENDS else "/tmp"  # noqa: S108 - mkdtemp


def _tidy() -> None:
    """Remove the socket folders of servers that were killed."""
    for socket_path in Path(_temporary()).glob(f"{_PREFIX}*/socket"):
        with suppress(OSError), socket.socket(socket.AF_UNIX) as one:
            try:
                one.connect(str(socket_path))
            except ConnectionRefusedError:
                shutil.rmtree(socket_path.parent, ignore_errors=True)


class _Server:
    """Forks for each script that asks, until standard input ends (with Snakemake), and serves until all forks ended."""

    def __init__(self, listening: socket.socket, folder: Path, handlers: dict):
        self.listening, self.folder, self.handlers = listening, folder, handlers
        self.accepting = True
        self.scripts: dict[int, socket.socket] = {}  # the connection to its script, by process id of the fork
        self.selector = selectors.DefaultSelector()
        self.asked, self.heard = os.pipe2(os.O_NONBLOCK)

    def serve(self) -> None:
        signal.set_wakeup_fd(self.heard, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler, so that the end of a fork writes to the pipe
        for source, what in ((self.listening, self.begin), (sys.stdin, self.close), (self.asked, self.reap)):
            self.selector.register(source, selectors.EVENT_READ, what)
        while self.accepting or self.scripts:
            for key, _ in self.selector.select():
                with suppress(Exception):  # an error with one script must not affect the others
                    key.data()

    def close(self) -> None:
        """Accept no more scripts, since Snakemake has ended."""
        self.selector.unregister(sys.stdin)
        self.selector.unregister(self.listening)
        self.listening.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.accepting = False

    def begin(self) -> None:
        """Fork for the script that connects. A script that gets no fork does its work itself."""
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
        script.send(b"1")  # if the script has gone meanwhile, `pass_on` notices

    def pass_on(self, fork: int) -> None:
        """Send the fork the signals that its script received, or kill the fork if its script is gone."""
        script, numbers = self.scripts[fork], b""
        with suppress(OSError):
            numbers = script.recv(64)
        if not numbers:
            self.selector.unregister(script)
        for number in numbers or [signal.SIGKILL]:
            os.kill(fork, number)  # safe: the process id is not reused before `reap`

    def reap(self) -> None:
        """Tell the scripts whose forks have ended how: the exit code and the number of the signal, a byte each."""
        with suppress(BlockingIOError):
            os.read(self.asked, 2**12)
        for fork in list(self.scripts):
            pid, status = os.waitpid(fork, os.WNOHANG)
            if not pid:
                continue
            code = os.waitstatus_to_exitcode(status)
            with self.scripts.pop(fork) as script:
                with suppress(KeyError):  # `pass_on` has already unregistered a script that is gone
                    self.selector.unregister(script)
                with suppress(OSError):
                    script.send(bytes([max(code, 0), max(-code, 0)]))

    def in_fork(self, server: int) -> None:
        """Drop what belongs to the server, and be killed when it is: nobody else would look after a fork."""
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
    """Run the script as a process of its own would, and end."""
    now_a_fork()
    code = 1
    nothing = os.open(os.devnull, os.O_RDONLY)
    for given, own in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(given, own)
        os.close(given)
    sys.argv[:], sys.path[:] = wanted["argv"], wanted["path"]
    os.environ.clear()
    os.environ.update(wanted["environment"])
    os.chdir(wanted["cwd"])
    tempfile.tempdir = None  # forget the server's: Snakemake sets TMPDIR for each job
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
