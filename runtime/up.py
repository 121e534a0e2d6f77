"""`python -m runtime up`: bring a site up step by step, and stay until it is told to end."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from runtime.bucket import make_bucket
from runtime.embedded import ROOT
from runtime.engines import nginx, postgres, seaweed
from runtime.engines.place import is_free
from runtime.engines.start import ANSWERS, PREPARATIONS
from runtime.prepare import Lost, begin_log, begin_tables, losses
from runtime.progress import say, step
from runtime.site import PROGRAMS, Site, answers_ok, find_site, is_ready, only_one, take_down

Supervisord = subprocess.Popen[bytes]
Wait = Callable[[str, Callable[[], bool]], None]

START_SECONDS = 60
POLL_SECONDS = 0.1


class StartError(Exception):
    """The site cannot be started; the text says why and what to do."""


class ToldToEnd(BaseException):
    """Ctrl-C, SIGTERM, or the terminal went away."""


def up(environ: Mapping[str, str]) -> int:
    """Returns the exit status, once the site has ended again."""
    # Our order decides what starts when, not supervisord's.
    environ = {**environ, "HELIOGRAPH_AUTOSTART": "false"}
    site = find_site(environ)
    with only_one(site) as alone:
        if not alone or site.supervisor.answers():
            say(f"This site runs already: {site.address} (make stop ends it)")
            return 0
        take_down(site)
        site = at_free_ports(site, environ)
        say(f"Heliograph in {site.place.var}")
        return run(site)


def at_free_ports(site: Site, environ: Mapping[str, str]) -> Site:
    """The site, on other ports of its own if somebody took one; the one address cannot move."""
    if not is_free(site.settings.port):
        raise StartError(
            f"port {site.settings.port} is taken by another program; name a free one, "
            f"for example: make run HELIOGRAPH_PORT={site.settings.port + 1}"
        )
    ports = [port for program in PROGRAMS for port in site.operations_ports(program)]
    if "objects" in site.embedded:
        ports += seaweed.ports(site.place).values()
    site.place.move_if_taken(ports)
    return find_site(environ)


def run(site: Site) -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, told_to_end)
    outcome = 0
    supervisord = None
    try:
        supervisord = launch(site)
        start(site, supervisord)
        say(f"\nOpen {site.address}   (Ctrl-C or make stop ends it)")
        supervisord.wait()
    except ToldToEnd:
        say("\nStopping")
    except Exception as error:  # noqa: BLE001 - whatever went wrong, nothing may be left running
        say(f"\nThe site does not start: {error}")
        outcome = 1
    finally:
        # A second Ctrl-C must not leave half of it behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        take_down(site)
        if supervisord:
            supervisord.wait()
    say("Stopped")
    return outcome


def told_to_end(number: int, _: object) -> None:
    raise ToldToEnd(number)


def launch(site: Site) -> Supervisord:
    """Start supervisord in a session of its own: Ctrl-C reaches us alone, the order is ours."""
    for name in site.embedded:
        PREPARATIONS[name](site.place)
    nginx.prepare(
        site.place,
        port=site.settings.port,
        readers=site.settings.gateways_read,
        writers=site.settings.gateways_write,
    )
    with (site.place.folder("logs") / "supervisord.out").open("wb") as output:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "supervisor.supervisord",
                "-c",
                str(ROOT / "ops" / "supervisord.conf"),
            ],
            env=site.environ,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def start(site: Site, supervisord: Supervisord) -> None:
    """Engines, what must stand in them, then the programs; returns when the address answers."""

    def wait(name: str, is_there: Callable[[], bool]) -> None:
        with step(name):
            wait_until(is_there, name, site, supervisord)

    wait("supervisord", site.supervisor.answers)
    start_engines(site, wait)
    # Programs wait for object storage by themselves, and it is the slowest to come.
    with making_groups(site):
        for name in PROGRAMS:
            site.supervisor.start(name)
        wait_for_objects(site, wait)
    for name in PROGRAMS:
        wait(name, partial(is_ready, site, name))
    site.supervisor.start("nginx")
    wait("nginx", lambda: answers_ok(f"{site.address}/openapi.json"))


def start_engines(site: Site, wait: Wait) -> None:
    """All but object storage answer at the end; tables that were lost are there again."""
    for name in site.embedded:
        site.supervisor.start(name)
    for name in site.embedded:
        if name != "objects":
            wait(name, partial(ANSWERS[name], site.place))
    for sentence in asyncio.run(fill_engines(site)):
        say(f"  {sentence}")
    if asyncio.run(losses(site.settings)) is Lost.TABLES:
        wait_for_objects(site, wait)
        make_tables_again(site)


def wait_for_objects(site: Site, wait: Wait) -> None:
    if "objects" in site.embedded:
        wait("objects", partial(ANSWERS["objects"], site.place))
    say(f"  {asyncio.run(make_bucket(site.settings.objects_url))}")


async def fill_engines(site: Site) -> list[str]:
    """No worker may run on tables or partitions that are not its own."""
    if "database" in site.embedded:
        await postgres.make_roles(site.place)
    return [await begin_tables(site.settings), await begin_log(site.settings)]


def make_tables_again(site: Site) -> None:
    """Of a database that was lost: before anybody asks it, or its tables would seem empty."""
    command = [sys.executable, "-m", "events", "rebuild", "metadata"]
    if subprocess.run(command, env=site.environ, cwd=ROOT, check=False).returncode:
        raise StartError("the tables cannot be made again from the log; see above")


@contextmanager
def making_groups(site: Site) -> Iterator[None]:
    """Make the consumer groups, in a process of its own, while the block runs."""
    command = [sys.executable, "-m", "workers", "groups"]
    with subprocess.Popen(
        command,
        env=site.environ,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as making:
        try:
            yield
            said, _ = making.communicate(timeout=START_SECONDS)
        finally:
            making.kill()
    if making.returncode:
        raise StartError(f"{' '.join(command)}\n{said}")


def wait_until(
    is_there: Callable[[], bool], name: str, site: Site, supervisord: Supervisord
) -> None:
    deadline = time.monotonic() + START_SECONDS
    pids: dict[str, int] = {}
    while not is_there():
        if supervisord.poll() is not None:
            raise StartError(f"supervisord ended:\n{tail(site.place.var / 'logs/supervisord.out')}")
        late = time.monotonic() > deadline
        if late or has_ended(site, name, pids):
            reason = f"is not ready after {START_SECONDS} s" if late else "ended by itself"
            logs = (site.place.var / "logs").glob(f"{name}*.log")
            raise StartError(f"{name} {reason}:\n" + "\n".join(map(tail, sorted(logs))))
        time.sleep(POLL_SECONDS)


def has_ended(site: Site, name: str, pids: dict[str, int]) -> bool:
    """Whether a process of the program exited, even if supervisord has started it again since.

    Programs wait for engines by themselves, so one that exits has something to say.
    """
    if not site.supervisor.answers():
        return False
    for each in site.supervisor.processes():
        if each.program == name:
            if each.state in ("BACKOFF", "EXITED", "FATAL"):
                return True
            if each.pid and pids.setdefault(each.name, each.pid) != each.pid:
                return True
    return False


def tail(path: Path) -> str:
    """The end of a log, for a person who has to find out why."""
    if not path.exists():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-25:]
    return "\n".join([f"{path}:", *(f"    {line}" for line in lines)])
