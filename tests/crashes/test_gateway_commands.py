"""A gateway dies before or after it recorded a command; the client repeats it to another one."""

import asyncio
from contextlib import asynccontextmanager
from itertools import count

import pytest
import pytest_asyncio
from aiohttp import ClientError, web

from events.log import stream_key
from gateway.app import all_routes, build_app
from gateway.keys import NOTICES
from tests.crashes import commands
from tests.crashes.commands import COMMANDS, PASSWORD, Client, Member
from tests.crashes.keeping import Kept, names_of_tables, put_back
from tests.crashes.lives import DIED
from tests.crashes.outcome import FACTS
from tests.crashes.points import AFTER_APPEND, BEFORE_APPEND

pytestmark = pytest.mark.asyncio(loop_scope="module")

numbers = count()


async def test_every_command_has_its_deaths():
    """A route that takes commands joins this table, or this fails."""
    assert COMMANDS.keys() == {(r.method, r.path) for r in all_routes() if r.side == "write"}


@pytest.mark.parametrize("point", [BEFORE_APPEND, AFTER_APPEND])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_a_command_repeated_after_a_death_counts_once(
    gateway, stage, template, tmp_path, command, point
):
    """Nobody knows whether the first was recorded; the repeat makes sure, and makes no second."""
    method, (kind, path, sent, shown, repeated) = command[0], COMMANDS[command]
    member = await somebody(gateway, stage)
    path, key = path.format(**member._asdict()), f"key {member.name}" * (method == "POST")
    before = await recorded(stage, kind)

    async with doomed(template, tmp_path / "doomed", point) as client:
        with pytest.raises(ClientError):
            await client.send(method, path, key=key, **sent(member))
    assert await recorded(stage, kind) - before == (point == AFTER_APPEND)

    status, body, replayed = await gateway.send(method, path, key=key, **sent(member))

    first_counted = point == AFTER_APPEND
    assert status in (repeated if first_counted else repeated[:1]), body
    if method == "POST":
        assert replayed == first_counted
        assert await recorded(stage, kind) - before == 1
    await stage.drain()
    await until(shown, gateway, member)


@asynccontextmanager
async def doomed(template, socket, point):
    """A gateway that dies at the first command it is given, and a client of it."""
    living = asyncio.create_task(template.live(role="gateway", point=point, socket=str(socket)))
    client = Client(socket)
    try:
        await until(accepts, socket)
        yield client
    finally:
        await client.session.close()
        code, said = await living
    assert code == DIED, said


async def accepts(socket):
    """Its file is there a moment before anybody listens."""
    try:
        _, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    writer.close()
    return True


async def somebody(client, stage):
    """A member with two sessions, one post and one followee."""
    name = f"m{next(numbers)}"
    tokens = []
    for each in (name, f"{name}_friend", f"{name}_stranger"):
        command = {"username": each, "password": PASSWORD}
        _, body, _ = await client.send("POST", "/v1/accounts", json=command)
        tokens.append(body["token"])
    await stage.drain(["accounts"])
    await client.send("PUT", f"/v1/accounts/{name}_friend/follow", token=tokens[0])
    form = commands.a_form(Member(name, tokens[0], "", "", "", ""))
    _, post, _ = await client.send("POST", "/v1/posts", **form)
    other = await commands.signs_in(client, name, PASSWORD)
    await stage.drain()
    return Member(name, tokens[0], other, post["id"], f"{name}_friend", f"{name}_stranger")


async def recorded(stage, kind):
    """How many events of this type the log has."""
    entries = [
        entry
        for topic in FACTS
        for partition in range(stage.settings.partitions)
        for entry in await stage.log_client.xrange(stream_key(topic, partition))
    ]
    return sum(fields[b"type"].decode() == kind for _, fields in entries)


async def until(shown, *arguments):
    """Gateways hear of what was recorded by themselves, in moments."""
    async with asyncio.timeout(15):
        while not await shown(*arguments):  # noqa: ASYNC110 - nothing tells when it is heard
            await asyncio.sleep(0.01)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def gateway(stage, settings, tmp_path_factory):
    """A gateway that lives, and a client of it, on an empty site."""
    tables = await names_of_tables(stage.database)
    await put_back(stage, Kept([], [], dict.fromkeys(tables, b""), {}, {}))
    socket = tmp_path_factory.mktemp("gateway") / "socket"
    app = build_app(settings, "all")
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    while not app[NOTICES].ready:  # noqa: ASYNC110 - readiness is a flag, as health reads it
        await asyncio.sleep(0.01)
    client = Client(socket)
    yield client
    await client.session.close()
    await runner.cleanup()
