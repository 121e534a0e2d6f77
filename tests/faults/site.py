"""A whole site in real processes, with a proxy between any two of them that speak to each other."""

import asyncio
import os
import shutil
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import chain
from pathlib import Path

import aiohttp

from runtime.engines import nginx, postgres, seaweed, valkey
from runtime.engines.place import open_place
from runtime.engines.start import ANSWERS, COMMANDS, PREPARATIONS
from runtime.settings import Settings, load, variable
from tests.faults.parts import Part
from tests.faults.proxy import Proxy, proxies_in, through

ROOT = Path(__file__).resolve().parents[2]
GATEWAYS = {"gateway-read": 2, "gateway-write": 2}
WORKERS = {
    "accounts": 1,
    "renditions": 2,
    "posts": 2,
    "graph": 1,
    "fanout": 2,
    "archive": 1,
    "collect": 1,
    "verify": 1,
}
GROUPLESS = ("archive-", "collect-", "verify-")
EDGE_PORT = 8_99  # of the hundred that collector and verifier share, who need one each

# All come from one address, as fast as they can. Leases of 5 s: takeovers happen within minutes.
SETTINGS = {
    "partitions": "4",
    "lease_seconds": "5",
    "decoders": "1",
    "limit_sign_ups": "1000000",
    "limit_sign_ins": "1000000",
    "limit_uploads": "1000000",
    "limit_commands": "1000000",
    "limit_reads": "1000000",
}


class Site:
    """Parts by name, and lines: proxies by who speaks to whom."""

    def __init__(self, place, settings, stack, session):
        self.place, self.settings = place, settings
        self.parts: dict[str, Part] = {}
        self.lines: dict[tuple[str, str], Proxy] = {}
        self._stack, self._session = stack, session

    @property
    def address(self):
        """Where clients connect: a line to the edge."""
        return "http://{}:{}".format(*self.lines["client", "edge"].address)

    @property
    def consumers(self):
        """The workers that read in a group, and publish what is left of it."""
        workers = [part for part in self.parts.values() if part.kind == "worker"]
        return [part for part in workers if not part.name.startswith(GROUPLESS)]

    def operations(self, part):
        return f"http://127.0.0.1:{self.port_of(part.name)}"

    def port_of(self, name):
        program, _, number = name.rpartition("-")
        return self.place.port(program, int(number))

    def environ(self, settings):
        """What a process is told: nothing of the surroundings' settings."""
        outer = {k: v for k, v in os.environ.items() if not k.startswith("HELIOGRAPH_")}
        told = {variable(name): str(getattr(settings, name)) for name in Settings.__struct_fields__}
        return {
            **outer,
            **told,
            "HELIOGRAPH_SECRET": settings.secret.reveal(),
            "PYTHONPATH": str(ROOT),
        }

    def add(self, name, kind, command, environ, answers):
        part = Part(name, kind, command, environ=environ, folder=self.place.var, answers=answers)
        self.parts[name] = part
        return part

    async def stop(self):
        await asyncio.gather(*(part.stop() for part in self.parts.values()))

    async def add_engines(self):
        for name in ("objects", "database", "log", "cache"):
            PREPARATIONS[name](self.place)
            command = COMMANDS[name](self.place)
            answers = partial(asyncio.to_thread, ANSWERS[name], self.place)
            self.add(name, name, command, None, answers)
        await asyncio.gather(*(part.start() for part in self.parts.values()))
        await postgres.make_roles(self.place)

    async def add_program(self, name, kind, arguments):
        """A gateway or worker, each of whose engines stands behind a line of its own."""
        folder = self.place.sockets / name
        folder.mkdir()
        proxies = proxies_in(folder, self.settings)
        for engine, proxy in proxies.items():
            self.lines[name, engine] = await self._stack.enter_async_context(proxy)
        own = self.settings.replace(**through(proxies, self.settings))
        command = [sys.executable, "-m", *arguments, "--operations-port", str(self.port_of(name))]
        answers = partial(self.says_ok, f"http://127.0.0.1:{self.port_of(name)}/readyz")
        return self.add(name, kind, command, self.environ(own), answers)

    async def add_gateway(self, name):
        """The edge finds a line where it looks for a gateway, and nobody there while it is down."""
        role = name.split("-")[1]
        own = self.place.sockets / name / "own.sock"
        gateway = await self.add_program(
            name, "gateway", ["gateway", "--role", role, "--socket", str(own)]
        )
        line = Proxy(own, self.place.sockets / f"{name}.sock")
        self.lines["edge", name] = await self._stack.enter_async_context(line)
        gateway.gone, gateway.back = line.refuse, line.reopen
        gateway.accepts = line.upstream_accepts

    async def add_edge(self):
        port = int(self.place.block) * 1000 + EDGE_PORT
        counts = (GATEWAYS["gateway-read"], GATEWAYS["gateway-write"])
        nginx.prepare(self.place, port=port, readers=counts[0], writers=counts[1])
        command = [str(nginx.binary()), "-p", str(self.place.var)]
        command += ["-e", "logs/nginx.log", "-c", "conf/nginx.conf"]
        answers = partial(self.says_ok, f"http://127.0.0.1:{port}/openapi.json")
        edge = self.add("edge", "edge", command, None, answers)
        line = Proxy(("127.0.0.1", port))
        self.lines["client", "edge"] = await self._stack.enter_async_context(line)
        edge.gone, edge.back = line.refuse, line.reopen
        edge.accepts = line.upstream_accepts

    async def command(self, *arguments):
        """Run one of the project's commands to its end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *arguments,
            env=self.environ(self.settings),
            cwd=self.place.var,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{arguments}: {said.decode()}")
        return said.decode()

    async def lose_database(self):
        """Its disk is gone; another server stands in its place, with nothing in it."""
        part = self.parts["database"]
        await part.stop()
        shutil.rmtree(self.place.var / "database")
        PREPARATIONS["database"](self.place)
        await part.start()
        await postgres.make_roles(self.place)

    async def says_ok(self, url):
        try:
            async with self._session.get(url) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def heal(self):
        """No line is bad and nobody is frozen; who was killed comes back by itself."""
        for part in self.parts.values():
            part.thaw()
        for proxy in self.lines.values():
            await proxy.heal()
        for part in self.parts.values():
            await part.ready()


@asynccontextmanager
async def running_site(workers=WORKERS):
    """The site, once all of it answers; all of it is stopped at the end, whatever happens."""
    async with AsyncExitStack() as stack:
        var = Path(tempfile.mkdtemp(prefix="hg-chaos-"))
        stack.callback(shutil.rmtree, var, ignore_errors=True)
        place = open_place(var)
        stack.callback(place.clear_sockets)
        stack.callback(seaweed.remove_sockets, place)
        place.folder("logs")
        wait = aiohttp.ClientTimeout(total=2)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=wait))
        site = Site(place, settings_of(place), stack, session)
        stack.push_async_callback(site.stop)
        await site.add_engines()
        await site.command("runtime", "prepare")
        await site.command("workers", "groups")
        names = [f"{kind}-{n}" for kind, count in GATEWAYS.items() for n in range(count)]
        for name in names:
            await site.add_gateway(name)
        for role, number in chain.from_iterable(
            ((role, n) for n in range(count)) for role, count in workers.items()
        ):
            own = {"archive": [], "verify": [], "collect": ["--daily"]}.get(
                role, ["--number", str(number)]
            )
            arguments = ["workers", role, *own]
            await site.add_program(f"{role}-{number}", "worker", arguments)
        await site.add_edge()
        edge = site.parts["edge"]
        await asyncio.gather(
            *(part.start() for part in site.parts.values() if part.process is None and part != edge)
        )
        await edge.start()
        yield site


def settings_of(place):
    """The site's own: engines where they truly are."""
    given = {
        "log_url": valkey.url(place, "log"),
        "cache_url": valkey.url(place, "cache"),
        "database_url": postgres.url(place),
        "database_reader_url": postgres.url(place, "heliograph_reader"),
        "objects_url": seaweed.url(place),
        "secret": place.secret("site"),
        "var": str(place.var),
        **SETTINGS,
    }
    return load({variable(name): value for name, value in given.items()})
