"""One command brings a whole site up, and takes all of it down again."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from runtime.site import find_site

ROOT = Path(__file__).resolve().parents[2]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Command:
    """`python -m runtime` for one site in a folder of its own."""

    def __init__(self, folder):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HELIOGRAPH_")}
        self.environ = {
            **inherited,
            "HELIOGRAPH_VAR": str(folder / "var"),
            "HELIOGRAPH_PORT": str(free_port()),
        }
        self.output = folder / "up.txt"

    def start(self):
        with self.output.open("w") as output:
            up = subprocess.Popen(
                [sys.executable, "-m", "runtime", "up"],
                cwd=ROOT,
                env=self.environ,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + 90
        while "\nOpen http" not in self.output.read_text():
            assert up.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.1)
        return up

    def run(self, word):
        return subprocess.run(
            [sys.executable, "-m", "runtime", word],
            cwd=ROOT,
            env=self.environ,
            check=False,
            capture_output=True,
            text=True,
            timeout=90,
        ).stdout

    @property
    def site(self):
        return find_site(self.environ)

    def get(self, path):
        with urllib.request.urlopen(f"{self.site.address}{path}", timeout=5) as answer:  # noqa: S310 - our own address
            return answer.status


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.fixture
def command(tmp_path):
    command = Command(tmp_path)
    yield command
    command.run("stop")


def test_a_site_comes_up_and_goes_without_a_trace(command):
    """Up, found by a second `up`, ended by Ctrl-C; killed, and ended by `stop` all the same."""
    up = command.start()

    assert command.get("/openapi.json") == 200
    assert "runs already" in command.run("up")
    assert "not ready" not in command.run("status")
    pids = [process.pid for process in command.site.supervisor.processes()]
    assert len(pids) == 15

    up.send_signal(signal.SIGINT)
    assert up.wait(timeout=60) == 0
    assert not [pid for pid in pids if is_alive(pid)]
    assert not list(command.site.place.sockets.glob("*.sock"))

    up = command.start()
    assert "The database is of version" in command.output.read_text()
    supervisor = command.site.supervisor
    pids = [process.pid for process in supervisor.processes()]
    up.kill()
    os.kill(supervisor.pid(), signal.SIGKILL)
    up.wait()

    command.run("stop")

    assert not [pid for pid in pids if is_alive(pid)]
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", command.site.settings.port)) != 0
