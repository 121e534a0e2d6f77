"""Every POST there is counts once for each key, whatever comes between its repeats."""

import asyncio
import itertools
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest

from events.accounts import AccountRegistered, SessionOpened
from events.catalogue import tag_of
from events.envelope import Event
from events.log import stream_key
from events.posts import PostSubmitted
from gateway.app import all_routes
from runtime.connections import open_blocking_log
from runtime.engines import valkey
from runtime.engines.place import open_place
from runtime.engines.start import Engines
from tests.gateway.publishing import JPEG, form
from tests.gateway.serving import PASSWORD, serving
from workers.process import open_site, readers_of

KEY = "k-1"
NEW_PASSWORD = "battery staple horse"


class Members(NamedTuple):
    """A gateway, and what signs people up so that they may sign in again."""

    gateway: object
    known: Callable
    """Sign somebody up and see the row written."""


class Command(NamedTuple):
    """How one path is asked for the same thing, and for another, by somebody."""

    event: type[Event]
    by: Callable
    """Make the somebody of this name."""
    same: Callable
    other: Callable
    """Another command that would be accepted under a key of its own."""


async def a_name(_members, name):
    return name


async def a_member(members, name):
    return await members.known(name)


async def registers(members, name, **fields):
    command = {"username": name, "password": PASSWORD} | fields
    return await post(members, "/v1/accounts", json=command)


async def registers_otherwise(members, name):
    return await registers(members, name, display_name="Somebody else")


async def signs_in(members, person, password=PASSWORD):
    command = {"username": person.username, "password": password}
    return await post(members, "/v1/sessions", json=command)


async def signs_in_otherwise(members, person):
    change = {"old": PASSWORD, "new": NEW_PASSWORD}
    answer = await members.gateway.ask("PUT", "/v1/me/password", person, json=change)
    assert answer.status == 202
    await members.known("somebody_else")  # the row is written by then
    return await signs_in(members, person, NEW_PASSWORD)


async def uploads(members, person, **fields):
    return await post(members, "/v1/posts", person, data=form(JPEG, **fields))


async def uploads_otherwise(members, person):
    return await uploads(members, person, caption="another")


async def post(members, path, person=None, **body):
    return await members.gateway.ask("POST", path, person, headers={"Idempotency-Key": KEY}, **body)


COMMANDS = {
    "/v1/accounts": Command(AccountRegistered, a_name, registers, registers_otherwise),
    "/v1/sessions": Command(SessionOpened, a_member, signs_in, signs_in_otherwise),
    "/v1/posts": Command(PostSubmitted, a_member, uploads, uploads_otherwise),
}


@pytest.fixture(params=COMMANDS)
def command(request):
    return COMMANDS[request.param]


@pytest.fixture
async def members(settings, clean_site):
    async with serving(settings) as gateway, knowing(settings, gateway) as members:
        yield members


@asynccontextmanager
async def knowing(settings, gateway):
    """Members of this gateway; a worker of `accounts` writes their rows."""
    clock = itertools.count(0, 100)
    async with open_site(settings, "accounts") as site, open_blocking_log(settings) as blocking:
        readers = readers_of("accounts", settings, site, blocking, clock=lambda: next(clock))

        async def known(name):
            person = await gateway.sign_up(name)
            while any([await reader.step() for reader in readers]):
                pass
            return person

        yield Members(gateway, known)


@pytest.fixture
def recorded(log_client):
    """How many events of a type stand in the log."""

    async def count(event):
        found = 0
        for partition in range(8):
            entries = await log_client.xrange(stream_key(event.TOPIC, partition))
            found += sum(fields[b"type"].decode() == tag_of(event) for _, fields in entries)
        return found

    return count


def replayed(answer):
    return "Idempotency-Replayed" in answer.headers


def test_every_post_has_its_case():
    """A new POST route does not get by without a key of its own here."""
    assert {route.path for route in all_routes() if route.method == "POST"} == COMMANDS.keys()


async def test_a_repeat_gets_the_first_answer(members, command, recorded):
    """The same status and an equal body, marked as a repeat; nothing more is recorded."""
    ada = await command.by(members, "ada")
    before = await recorded(command.event)
    first = await command.same(members, ada)
    again = await command.same(members, ada)

    assert first.status in {201, 202}
    assert (again.status, again.body) == (first.status, first.body)
    assert (replayed(first), again.headers["Idempotency-Replayed"]) == (False, "true")
    assert await recorded(command.event) == before + 1


async def test_another_command_under_the_same_key_is_refused(members, command, recorded):
    """The key is spent; the refused command leaves no trace."""
    ada = await command.by(members, "ada")
    assert (await command.same(members, ada)).status in {201, 202}
    before = await recorded(command.event)
    answer = await command.other(members, ada)

    assert (answer.status, answer.body["code"]) == (422, "idempotency-key-reused")
    assert await recorded(command.event) == before


async def test_ten_repeats_at_once_are_one_command(members, command, recorded):
    """Whoever is first records it; each of the others waits for its answer, or gets 409."""
    ada = await command.by(members, "ada")
    before = await recorded(command.event)
    answers = await asyncio.gather(*(command.same(members, ada) for _ in range(10)))

    told = [answer for answer in answers if answer.status != 409]
    assert {answer.status for answer in told} <= {201, 202}
    assert [replayed(answer) for answer in told].count(False) == 1
    assert all(answer.body == told[0].body for answer in told)
    assert await recorded(command.event) == before + 1


async def test_a_key_belongs_to_its_account(members, command, recorded):
    """Two people who chose the same key do not see each other's answers."""
    ada, bob = await command.by(members, "ada"), await command.by(members, "bob")
    before = await recorded(command.event)
    hers, his = await command.same(members, ada), await command.same(members, bob)

    assert (hers.status, replayed(his)) == (his.status, False)
    assert hers.body != his.body
    assert await recorded(command.event) == before + 2


@pytest.fixture
def own_log(tmp_path):
    """A log server of this test alone, which it may kill."""
    with Engines(open_place(tmp_path)) as engines:
        valkey.prepare(engines.place, "log")
        engines.start("log")
        yield engines


async def test_a_repeat_after_everything_was_restarted_is_still_one(
    settings, clean_site, own_log, command
):
    """The log server killed and started, then the gateway as well: still the first answer."""
    own = settings.replace(log_url=own_log.log_url)
    async with serving(own) as gateway, knowing(own, gateway) as members:
        ada = await command.by(members, "ada")
        first = await command.same(members, ada)
        own_log.kill("log")
        assert (await command.same(members, ada)).status == 503

        await asyncio.to_thread(own_log.start, "log")
        again = await until_taken(command, members, ada)
        assert (again.status, again.body, replayed(again)) == (first.status, first.body, True)

    async with serving(own) as gateway:
        again = await command.same(Members(gateway, None), ada)
        assert (again.status, again.body, replayed(again)) == (first.status, first.body, True)


async def until_taken(command, members, person):
    """The answer once the gateway has found its log again."""
    async with asyncio.timeout(10):
        # No event to wait for: the gateway says when to come again.
        while (answer := await command.same(members, person)).status == 503:  # noqa: ASYNC110 - as it says
            await asyncio.sleep(float(answer.headers["Retry-After"]) / 10)
    return answer
