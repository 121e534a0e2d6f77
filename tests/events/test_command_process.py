"""`python -m events` as it is typed: what it teaches, and how it ends."""

import argparse
import asyncio
import importlib
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from events.__main__ import parser
from runtime.settings import variable
from runtime.site_record import begin_site

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(settings, clean_site):
    names = ("log_url", "cache_url", "database_url", "database_reader_url", "objects_url")
    environ = {variable(name): getattr(settings, name) for name in names} | {
        "HELIOGRAPH_SECRET": settings.secret.reveal(),
        "PATH": os.environ["PATH"],
    }

    def start(*arguments, **changes):
        return subprocess.Popen(
            [sys.executable, "-m", "events", *arguments],
            env=environ | changes,
            cwd=ROOT,
            bufsize=0,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return start


@pytest.fixture
def call(start):
    async def call(*arguments, **changes):
        with start(*arguments, **changes) as process:
            out, err = await asyncio.to_thread(process.communicate)
        return process.returncode, out.decode(), err.decode()

    return call


async def test_alone_it_teaches(call):
    """What there is, three examples, how it ends; a group of commands alone does the same."""
    status, out, err = await call(HELIOGRAPH_LOG_URL="")
    assert (status, err) == (0, "")
    for word in ("tail", "explain", "dead-letters", "Exit status", "runtime env"):
        assert word in out
    status, out, _ = await call("dead-letters")
    assert (status, "retry" in out, "list --role" in out) == (0, True, True)


def test_every_command_is_helped():
    """Each says what it does, in the list and by itself, and gives examples to be typed."""
    for name, command in commands_of(parser()):
        told = command.format_help()
        assert command.description, name
        assert "python -m events" in told, name
        assert "Exit status" in told, name


def commands_of(above):
    """Every command and group below a parser."""
    for action in above._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield name, command
                yield from commands_of(command)


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_who_follows_may_be_ended(start, log, register, sent, status):
    """By Ctrl-C, and by cron or `timeout`: with the status that shells know, and no traceback."""
    await register("ada")
    with start("tail", "--json") as process:
        told = await asyncio.to_thread(process.stdout.readline)
        process.send_signal(sent)
        _, err = await asyncio.to_thread(process.communicate)

    assert b"account.registered" in told
    assert (process.returncode, err.strip()) == (status, b"")


async def test_settings_of_another_site_are_refused(call, log_client, settings):
    """Before anything is asked: with other partitions every answer would be wrong."""
    await begin_site(log_client, settings)
    status, out, err = await call("lag", HELIOGRAPH_PARTITIONS="4")
    assert (status, out) == (2, "")
    assert "HELIOGRAPH_PARTITIONS=8" in err
    status, _, err = await call("lag", HELIOGRAPH_SECRET="x" * 40)
    assert (status, "HELIOGRAPH_SECRET" in err) == (2, True)
    assert (await call("lag"))[0] == 0


def test_the_console_script_is_this_program():
    """What is installed as `heliograph-events` runs the same."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    module, _, name = told["project"]["scripts"]["heliograph-events"].partition(":")
    assert (
        getattr(importlib.import_module(module), name)
        is importlib.import_module("events.__main__").main
    )
