"""One process of a site under test: kept running as supervisor would, and made to suffer."""

import asyncio
import os
import signal
import time
from contextlib import suppress

import psutil

RESTART_SECONDS = 0.5
"""Between two starts of what ended at once, as PostgreSQL does while its old backends leave."""
GENTLY = {"database": signal.SIGINT}


class Part:
    """A process by its name; `kind` says what it is, and is what a table of faults shows.

    Whoever connects to it does so through a line that is `gone` with it, and `back` as soon as it
    `accepts`: not a moment later, when it says that it is ready.
    """

    def __init__(self, name, kind, command, *, environ, folder, answers):
        self.name, self.kind = name, kind
        self.command, self.environ, self.folder = command, environ, folder
        self.answers = self.accepts = answers
        self.process = None
        self.starts = self.stubborn = 0
        self.gone = lambda: None
        self.back = lambda: None
        self._keeper = None
        self._frozen = []

    async def start(self, within_seconds=60):
        """Start it and keep it running; returns once it answers."""
        self._keeper = asyncio.create_task(self._keep(), name=f"keeper of {self.name}")
        await self.ready(within_seconds)

    async def ready(self, within_seconds=60):
        """Return when it answers."""
        deadline = time.monotonic() + within_seconds
        while not await self.answers():
            if self._keeper.done():
                await self._keeper
            if time.monotonic() > deadline:
                log = (self.folder / "logs" / f"{self.name}.log").read_text(errors="replace")
                raise RuntimeError(f"{self.name} does not answer:\n{log[-3000:]}")
            await asyncio.sleep(0.1)

    async def _keep(self):
        while True:
            began = time.monotonic()
            with (self.folder / "logs" / f"{self.name}.log").open("ab") as output:
                self.process = await asyncio.create_subprocess_exec(
                    *self.command,
                    env=self.environ,
                    cwd=self.folder,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            self.starts += 1
            coming = asyncio.create_task(self._say_when_back(), name=f"{self.name} comes back")
            await self.process.wait()
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
            await _result(self.gone())
            if time.monotonic() - began < 1:
                await asyncio.sleep(RESTART_SECONDS)

    async def _say_when_back(self):
        while not await self.accepts():  # noqa: ASYNC110 - another process listens
            await asyncio.sleep(0.02)
        await _result(self.back())

    def kill(self):
        """End it as a power cut would; of nginx, the worker that holds the port as well."""
        with suppress(ProcessLookupError):
            if self.kind == "edge":
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                os.kill(self.process.pid, signal.SIGKILL)

    def ask_to_end(self):
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, GENTLY.get(self.name, signal.SIGTERM))

    def freeze(self):
        """Stop it where it stands, with all that it started."""
        self._frozen = self._tree()
        for process in self._frozen:
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def thaw(self):
        for process in reversed(self._frozen):
            with suppress(psutil.NoSuchProcess):
                process.resume()
        self._frozen = []

    def _tree(self):
        try:
            root = psutil.Process(self.process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    async def stop(self):
        """End it for good, with everything it started: nobody needs this site again."""
        if self._keeper is None or self.process is None:
            return
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)
        for process in self._tree():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        await self.process.wait()


async def _result(outcome):
    if outcome is not None:
        await outcome
