"""A site whose database or log was lost is started: nobody is told that nothing was ever there."""

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

from tests.runtime.test_up import ROOT, Command

ADA = {"username": "ada", "password": "correct horse"}


def post(command, path, body):
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{command.site.address}{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
        return answer.status


def ended(up):
    up.send_signal(signal.SIGINT)
    assert up.wait(timeout=60) == 0


def has_in_archive(command, topic):
    words = ["-m", "events", "archive", "list", "--topic", topic, "--json"]
    said = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=command.site.environ,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return any(json.loads(line).get("entries") for line in said.splitlines())


def test_a_site_finds_what_it_lost(tmp_path):
    """Tables are made again before anybody asks; a log is not begun anew over who was there."""
    command = Command(tmp_path)
    var = tmp_path / "var"
    try:
        up = command.start()
        assert post(command, "/v1/accounts", ADA) == 201
        deadline = time.monotonic() + 90
        while not has_in_archive(command, "accounts"):
            assert time.monotonic() < deadline
            time.sleep(1)
        ended(up)

        shutil.rmtree(var / "database")
        up = command.start()
        assert "The database is empty, and the log is not" in command.output.read_text()
        assert post(command, "/v1/sessions", ADA) == 201
        ended(up)

        shutil.rmtree(var / "log")
        failed = command.run("up")
        assert "The log is empty, and the database is not" in failed
        back = subprocess.run(
            [
                *(sys.executable, "-m", "runtime", "engines"),
                *(sys.executable, "-m", "events", "bring-back"),
            ],
            cwd=ROOT,
            env=command.environ,
            check=False,
            capture_output=True,
            text=True,
        )
        assert back.returncode == 0, back.stderr
        up = command.start()
        assert post(command, "/v1/sessions", ADA) == 201
        ended(up)
    finally:
        command.run("stop")
