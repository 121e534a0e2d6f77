"""Talk to a site's supervisord over its socket: what runs, start these, stop those."""

import time
import xmlrpc.client
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import msgspec
from supervisor.xmlrpc import SupervisorTransport

SOCKET = "supervisor.sock"
# supervisord's own fault codes.
ALREADY_STARTED, NOT_RUNNING = 60, 70
RUNNING = 1
ENDED = ("STOPPED", "EXITED", "FATAL")

UNREACHABLE = (OSError, HTTPException, xmlrpc.client.Error)


class Process(msgspec.Struct, frozen=True):
    """One process of the site. `program` is its section in supervisord.conf."""

    program: str
    name: str
    state: str
    pid: int
    description: str
    log: str

    @property
    def full_name(self) -> str:
        return f"{self.program}:{self.name}"

    @property
    def number(self) -> int:
        _, _, number = self.name.rpartition("-")
        return int(number) if number.isdigit() else 0


class Supervisor:
    """A connection to the supervisord that listens in `sockets`."""

    def __init__(self, sockets: Path) -> None:
        self.socket = sockets / SOCKET

    def ask(self, method: str, *arguments: object) -> Any:
        """Call one of supervisord's methods, on a new connection: it may have been restarted."""
        transport = SupervisorTransport(serverurl=f"unix://{self.socket}")
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        finally:
            transport.close()

    def answers(self) -> bool:
        try:
            return bool(self.ask("getState")["statecode"] == RUNNING)
        except UNREACHABLE:
            return False

    def pid(self) -> int:
        return int(self.ask("getPID"))

    def processes(self) -> list[Process]:
        return [
            Process(
                program=found["group"],
                name=found["name"],
                state=found["statename"],
                pid=found["pid"],
                description=found["description"],
                log=found["stdout_logfile"],
            )
            for found in self.ask("getAllProcessInfo")
        ]

    def start(self, program: str) -> None:
        """Start every process of a program; returns at once."""
        for process in self.processes():
            if process.program == program:
                with unless(ALREADY_STARTED):
                    self.ask("startProcess", process.full_name, False)

    def stop(self, programs: Iterable[str]) -> None:
        """Stop every process of the programs side by side; returns when all have ended."""
        wanted = set(programs)
        for process in self.processes():
            if process.program in wanted and process.state not in ENDED:
                with unless(NOT_RUNNING):
                    self.ask("stopProcess", process.full_name, False)
        # supervisord kills what outlives its stopwaitsecs, so this ends.
        while any(each.state not in ENDED for each in self.processes() if each.program in wanted):
            time.sleep(0.05)

    def shut_down(self) -> None:
        with suppress(*UNREACHABLE):
            self.ask("shutdown")


@contextmanager
def unless(code: int) -> Iterator[None]:
    """Go on if supervisord answers with this one fault."""
    try:
        yield
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != code:
            raise
