"""Start a site's engines directly, without supervisor: for tests and one-off tools."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from runtime.engines import postgres, seaweed, valkey
from runtime.engines.place import Place, open_place

# PostgreSQL's SIGTERM waits for clients to leave by themselves; SIGINT ends their sessions.
# SeaweedFS takes 15 s to leave by itself; what it acknowledged stands in its files already.
STOP_SIGNALS = {"database": signal.SIGINT, "objects": signal.SIGKILL}


class Engines:
    """Running engines and where they are; `stop()` ends them, or leave the `with` block."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.log_url = valkey.url(place, "log")
        self.cache_url = valkey.url(place, "cache")
        self.database_url = postgres.url(place)
        self.database_reader_url = postgres.url(place, "heliograph_reader")
        self.objects_url = seaweed.url(place)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *, within_seconds: float = 30) -> None:
        """Start one engine (again), and return once it truly answers."""
        self.launch(name)
        self.wait(name, within_seconds)

    def launch(self, name: str) -> None:
        logs = self.place.folder("logs")
        with (logs / f"{name}.log").open("ab") as output:
            self.processes[name] = subprocess.Popen(
                COMMANDS[name](self.place),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.place.var,
                start_new_session=True,
            )

    def wait(self, name: str, within_seconds: float) -> None:
        deadline = time.monotonic() + within_seconds
        while not ANSWERS[name](self.place):
            if self.processes[name].poll() is not None or time.monotonic() > deadline:
                log = self.place.folder("logs") / f"{name}.log"
                tail = log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{name} does not answer; the end of {log}:\n{tail}")
            time.sleep(0.05)

    def kill(self, name: str) -> None:
        """End one engine as a power cut would."""
        self.processes[name].kill()
        self.processes[name].wait()

    def stop(self) -> None:
        """End every engine still running."""
        for name, process in self.processes.items():
            with suppress(ProcessLookupError):
                process.send_signal(STOP_SIGNALS.get(name, signal.SIGTERM))
        for process in self.processes.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        seaweed.remove_sockets(self.place)
        self.place.clear_sockets()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


COMMANDS: dict[str, Callable[[Place], list[str]]] = {
    "database": postgres.command,
    "objects": seaweed.command,
    "log": lambda place: valkey.command(place, "log"),
    "cache": lambda place: valkey.command(place, "cache"),
}

PREPARATIONS: dict[str, Callable[[Place], None]] = {
    "database": postgres.prepare,
    "objects": seaweed.prepare,
    "log": lambda place: valkey.prepare(place, "log"),
    "cache": lambda place: valkey.prepare(place, "cache"),
}

ANSWERS: dict[str, Callable[[Place], bool]] = {
    "database": lambda place: asyncio.run(postgres.answers(place)),
    "objects": seaweed.answers,
    "log": lambda place: valkey.answers(place, "log"),
    "cache": lambda place: valkey.answers(place, "cache"),
}


def start_engines(directory: Path) -> Engines:
    """Start all four in `directory`; returns when each answers and the database has its roles."""
    place = open_place(directory)
    place.move_if_taken(seaweed.ports(place).values())
    engines = Engines(place)
    try:
        # The slowest to answer goes first.
        for name in ("objects", "database", "log", "cache"):
            PREPARATIONS[name](place)
            engines.launch(name)
        for name in engines.processes:
            engines.wait(name, 30)
        asyncio.run(postgres.make_roles(place))
    except BaseException:
        engines.stop()
        raise
    return engines
