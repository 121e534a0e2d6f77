"""A site whose state is made once for each role, and put back before every death."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from runtime.settings import Secret, Settings, variable
from tests.crashes.beginnings import Beginnings
from tests.crashes.lives import FOLLOWERS_PER_CHUNK, Order
from tests.crashes.stage import staged
from workers import fanout

ROOT = Path(__file__).resolve().parents[2]


class Template:
    """The process that forks lives; one at a time."""

    def __init__(self, process, settings, output):
        self.process, self.output = process, output
        self.environ = environ_of(settings)

    async def live(self, *, changes=None, **order):
        """The exit code of a life, and what it said."""
        line = msgspec.json.encode(Order(environ=self.environ, changes=changes or {}, **order))
        self.process.stdin.write(line + b"\n")
        code = int(await self.process.stdout.readline())
        return code, self.output.read_text(errors="replace")[-3000:]


def environ_of(settings):
    """The variables that make these settings in another process."""
    values = {name: getattr(settings, name) for name in Settings.__struct_fields__}
    return {
        variable(name): value.reveal() if isinstance(value, Secret) else str(value)
        for name, value in values.items()
        if value is not None
    }


@pytest.fixture(scope="session")
def settings(settings):
    """Two partitions tell as much as eight, and settle faster."""
    return settings.replace(partitions=2, decoders=1)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def template(settings, tmp_path_factory):
    output = tmp_path_factory.mktemp("lives") / "said"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.crashes.template", str(output)),
        cwd=ROOT,
        stdin=PIPE,
        stdout=PIPE,
    )
    yield Template(process, settings, output)
    process.stdin.close()
    await process.wait()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage(settings):
    async with staged(settings) as opened:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fanout, "FOLLOWERS_PER_CHUNK", FOLLOWERS_PER_CHUNK)
            yield opened


@pytest.fixture(scope="module")
def beginnings(stage):
    return Beginnings(stage)
