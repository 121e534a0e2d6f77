"""A whole site on one machine: where it is, which processes it has, how it is taken down."""

import fcntl
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from runtime.embedded import ENGINES, embedded_engines, from_outside, settings_of
from runtime.engines import seaweed
from runtime.engines.place import HUNDREDS, Place, open_place
from runtime.leftovers import end_leftovers
from runtime.settings import Settings
from runtime.supervisor import Supervisor

PROGRAMS = tuple(name for name in HUNDREDS if name != "objects")
# The order of leaving: no new requests, then no new work, then the engines.
LEAVING = (("nginx",), PROGRAMS, ("objects", "cache", "database", "log"))


class Site(msgspec.Struct, frozen=True):
    """One site, running or not."""

    place: Place
    settings: Settings
    environ: dict[str, str]
    embedded: list[str]
    supervisor: Supervisor

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    def operations_ports(self, program: str) -> list[int]:
        kind, _, role = program.rpartition("-")
        # Of the collector, the archive and the verifier one is enough.
        processes = getattr(self.settings, f"{kind or 'worker'}s_{role}", 1)
        return [self.place.port(program, number) for number in range(processes)]


def find_site(environ: Mapping[str, str]) -> Site:
    """The site that the environment names."""
    place = open_place(Path(environ.get("HELIOGRAPH_VAR") or "var"))
    environ = from_outside(environ, place)
    settings, told = settings_of(environ, place)
    return Site(place, settings, told, embedded_engines(environ), Supervisor(place.sockets))


@contextmanager
def only_one(site: Site) -> Iterator[bool]:
    """Whether nobody else is starting or watching over this site; theirs for as long as we run."""
    with (site.place.var / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def is_ready(site: Site, program: str) -> bool:
    """Whether every process of the program says so itself."""
    ports = site.operations_ports(program)
    return all(answers_ok(f"http://127.0.0.1:{port}/readyz") for port in ports)


def answers_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def take_down(site: Site) -> None:
    """End every process of the site and nothing else; harmless when none is left."""
    if site.supervisor.answers():
        for programs in LEAVING:
            site.supervisor.stop(programs)
        site.supervisor.shut_down()
    # What a killed supervisord left behind.
    end_leftovers(site.place)
    seaweed.remove_sockets(site.place)
    site.place.clear_sockets()


def status(site: Site) -> Iterable[str]:
    """The address, then a line for each process: its state, its pid, where it may be asked."""
    if not site.supervisor.answers():
        yield f"not running ({site.place.var})"
        return
    yield f"{site.address}   {site.place.var}"
    for process in site.supervisor.processes():
        if process.program in ENGINES and process.program not in site.embedded:
            continue
        line = f"  {process.name:<16} {process.state:<9} {process.pid or '-':<7} "
        if process.program in PROGRAMS:
            port = site.place.port(process.program, process.number)
            ready = answers_ok(f"http://127.0.0.1:{port}/readyz")
            line += f"http://127.0.0.1:{port}/readyz?verbose {'ready' if ready else 'not ready'}"
        yield line
