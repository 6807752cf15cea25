"""Scripts that hand their work over to a fork of a process that has torch imported."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from killed import wait_for
from killing import ended

from sslfast.runtime.job_client import SERVER

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the server is for Linux")

STARTER = """
import os, sys
from sslfast.runtime.job_client import SERVER
from sslfast.runtime.job_server import start
start('torch:is_grad_enabled')
print(os.environ[SERVER], flush=True)
sys.stdin.read()
"""
BEGIN = """
import os, sys
from sslfast.runtime.job_client import hand_over
hand_over()
"""
SLEEP = f"{BEGIN}\nprint(os.getpid(), flush=True)\nimport time\ntime.sleep(60)\n"


@contextmanager
def started() -> Iterator[tuple[str, subprocess.Popen]]:
    """The socket of a server, and the process that started it, as Snakemake does."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {name: value for name, value in os.environ.items() if name != SERVER}
    with subprocess.Popen([sys.executable, "-c", STARTER], env=environment, **streams) as starter:
        yield starter.stdout.readline().strip(), starter
        starter.kill()


@pytest.fixture(scope="module")
def server():
    with started() as (name, _):
        yield name


class Script:
    """Starts scripts as Snakemake does, in a folder."""

    def __init__(self, folder: Path, server: str):
        self.folder, self.environment = folder, {**os.environ, "OMP_NUM_THREADS": "1", SERVER: server}

    def begin(self, text: str, *arguments: str, **environment: str) -> subprocess.Popen:
        path = self.folder / "script.py"
        path.write_text(text)
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        env = {**self.environment, **environment}
        return subprocess.Popen([sys.executable, path, *arguments], cwd=self.folder, env=env, **streams)

    def run(self, text: str, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """Exit code, output, errors."""
        process = self.begin(text, *arguments, **environment)
        output, errors = process.communicate(timeout=120)
        return process.returncode, output, errors

    def begin_to_sleep(self) -> tuple[subprocess.Popen, psutil.Process]:
        """A script, and the fork that sleeps in its place."""
        process = self.begin(SLEEP)
        fork = psutil.Process(int(process.stdout.readline()))
        assert fork.pid != process.pid
        return process, fork


@pytest.fixture
def script(tmp_path, server):
    return Script(tmp_path, server)


def test_a_script_begins_with_torch_imported_and_with_all_that_is_its_own(script):
    about = "'torch' in sys.modules, os.getcwd(), sys.argv[1:], os.fsencode(os.environ['MINE']), __name__"
    found = script.run(f"{BEGIN}\nprint([{about}])\nprint('wrong', file=sys.stderr)", "a b", MINE="é\udcff")
    expected = [True, str(script.folder), ["a b"], "é".encode() + b"\xff", "__main__"]
    assert found == (0, f"{expected}\n", "wrong\n")


@pytest.mark.parametrize("end", ["sys.exit(3)", "os._exit(3)"])
def test_a_script_ends_with_the_code_of_its_fork(script, end):
    assert script.run(f"{BEGIN}\n{end}")[0] == 3


def test_an_error_is_the_script_s_own(script):
    code, _, errors = script.run(f"{BEGIN}\n1 / 0")
    assert code == 1
    assert errors.endswith("ZeroDivisionError: division by zero\n")


def test_it_imports_what_it_is_told_to_and_no_more(script):
    assert script.run(f"{BEGIN}\nprint('sslfast.stages' in sys.modules, 'torch' in sys.modules)")[1] == "False True\n"


def test_forks_look_for_garbage_at_python_s_usual_pace(script):
    alone = subprocess.run(
        [sys.executable, "-c", "import gc; print(gc.get_threshold())"], capture_output=True, text=True
    )
    assert script.run(f"{BEGIN}\nimport gc\nprint(gc.get_threshold())")[1] == alone.stdout


def test_forks_share_nothing(script):
    text = f"{BEGIN}\nimport torch\nprint(torch.get_num_threads())\ntorch.set_num_threads(2)"
    assert [script.run(text)[1] for _ in range(2)] == ["1\n", "1\n"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_reach_the_fork(script, number):
    text = f"""{BEGIN}
import signal, time
def stop(number, frame):
    print("told", number, flush=True)
    sys.exit(7)
signal.signal({number:d}, stop)
print("ready", flush=True)
time.sleep(60)
"""
    process = script.begin(text)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert (process.returncode, output) == (7, f"told {number:d}\n")


def test_a_fork_goes_with_its_script(script):
    process, fork = script.begin_to_sleep()
    process.kill()
    process.wait()
    assert ended(fork.pid)


def test_a_fork_that_is_stopped_with_its_script_goes_on_and_ends_with_it(script):
    process, fork = script.begin_to_sleep()
    process.send_signal(signal.SIGTSTP)  # Ctrl-Z
    wait_for(lambda: fork.status() == psutil.STATUS_STOPPED == psutil.Process(process.pid).status())
    process.send_signal(signal.SIGCONT)
    wait_for(lambda: fork.status() == psutil.STATUS_SLEEPING)
    process.send_signal(signal.SIGTSTP)
    wait_for(lambda: fork.status() == psutil.STATUS_STOPPED)
    process.kill()
    process.wait()
    assert ended(fork.pid)


def test_a_script_whose_fork_is_killed_ends_as_killed(script):
    process, fork = script.begin_to_sleep()
    fork.kill()
    assert process.wait(120) == -signal.SIGKILL


@pytest.mark.parametrize("environment", [{SERVER: "off"}, {SERVER: "/nowhere"}, {"OMP_NUM_THREADS": "2"}, {}])
def test_a_script_does_its_work_itself_where_there_is_no_server_for_it(script, environment):
    output = script.run(f"{BEGIN}\nprint('torch' in sys.modules)", **environment)[1]
    assert output == ("True\n" if not environment else "False\n")


def test_a_server_that_cannot_fork_leaves_the_work_to_the_script(tmp_path):
    with socket.socket(socket.AF_UNIX) as broken:
        broken.bind(str(tmp_path / "socket"))
        broken.listen()
        process = Script(tmp_path, str(tmp_path / "socket")).begin(f"{BEGIN}\nprint('torch' in sys.modules)")
        connection, _ = broken.accept()
        connection.recv(8)
        connection.close()
        assert process.communicate(timeout=60)[0] == "False\n"


def test_a_script_that_waits_for_its_fork_ends_when_it_is_asked_to(tmp_path):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "socket"))
        silent.listen()
        process = Script(tmp_path, str(tmp_path / "socket")).begin(BEGIN)
        connection, _ = silent.accept()
        assert connection.recv(8)
        process.terminate()
        assert process.wait(120) == -signal.SIGTERM
        connection.close()


def test_a_script_that_is_killed_while_it_waits_leaves_no_fork(script, server):
    """What it asked for can still be read when it is gone."""
    (script.folder / "gone.py").write_text("import time\ntime.sleep(60)")
    wanted = {"argv": ["gone.py"], "path": sys.path, "cwd": str(script.folder), "environment": dict(os.environ)}
    text = json.dumps(wanted).encode()
    with socket.socket(socket.AF_UNIX) as gone:
        gone.connect(server)
        socket.send_fds(gone, [struct.pack(">Q", len(text)) + text], [1, 2])
    status, serving, _ = script.run(f"{BEGIN}\nprint(os.getppid())")
    assert status == 0, "the server goes on"
    wait_for(lambda: not psutil.Process(int(serving)).children(), 30)


@pytest.mark.parametrize("sent", [b"", b"\xff" * 8, struct.pack(">Q", 3) + b"no!"])
def test_what_makes_no_sense_harms_nobody(script, server, sent):
    process, fork = script.begin_to_sleep()
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(server)
        other.send(sent)
    assert script.run(f"{BEGIN}\nprint('torch' in sys.modules)")[1] == "True\n"
    assert fork.is_running()
    process.kill()
    process.communicate()
    assert ended(fork.pid)


def test_a_long_path_to_temporary_files_is_no_reason_to_go_without(tmp_path, monkeypatch):
    long = tmp_path / ("a" * 60) / ("b" * 60)
    long.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(long))
    with started() as (name, _), socket.socket(socket.AF_UNIX) as one:
        one.connect(name)
        assert Path(name).parent.stat().st_mode & 0o077 == 0


def test_nobody_else_may_ask(server):
    about = os.stat(os.path.dirname(server))
    assert (about.st_mode & 0o777, about.st_uid) == (0o700, os.geteuid())


def test_a_fork_ends_cleanly_where_all_processes_are_asked_to_end(tmp_path):
    text = f"""{BEGIN}
import signal, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print(os.getppid(), flush=True)
time.sleep(60)
"""
    with started() as (path, _):
        process = Script(tmp_path, path).begin(text)
        serving = int(process.stdout.readline())
        os.kill(serving, signal.SIGTERM)
        process.terminate()
        assert process.wait(120) == 7


def test_it_ends_with_the_process_that_started_it_and_the_last_fork(tmp_path):
    with started() as (name, starter):
        process, fork = Script(tmp_path, name).begin_to_sleep()
        serving = psutil.Process(fork.ppid())
        starter.kill()
        wait_for(lambda: not Path(name).exists())
        again = Script(tmp_path, name).run(f"{BEGIN}\nprint('torch' in sys.modules)")
        assert again[1] == "False\n"
        assert fork.is_running()  # a job goes on without Snakemake, as ever
        process.terminate()
        assert process.wait(120) == -signal.SIGTERM
        assert ended(fork.pid)
        assert ended(serving.pid)


def test_forks_go_with_the_server_whose_folder_the_next_one_removes(tmp_path):
    with started() as (path, _):
        process, fork = Script(tmp_path, path).begin_to_sleep()
        psutil.Process(fork.ppid()).kill()
        assert ended(fork.pid)
        assert process.wait(120) == -signal.SIGKILL
    assert Path(path).exists()
    with started():
        assert not Path(path).parent.exists()
