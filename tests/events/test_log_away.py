"""A log that is being restarted is waited for; one that stays silent is waited for once."""

import asyncio
import time

import pytest

from events.accounts import AccountRegistered, ProfileEdited
from events.ids import shard_of
from events.log import Log, stream_key
from runtime.connections import open_log
from runtime.errors import Unavailable
from runtime.reach import PATIENCE_SECONDS
from stores.link import Link
from tests.faults.proxy import proxied

PROMISED_SECONDS = 2
BLIP_SECONDS = 0.3
CROWD = 20


@pytest.fixture(params=["pooled", "shared"])
async def lined(request, settings, log_client):
    """A log behind a proxy, and the proxy; over connections of a pool, or over one."""
    secret = settings.secret.reveal().encode()
    async with proxied(settings) as (through, proxies), open_log(through) as client:
        log, link = Log(client, partitions=8, secret=secret), Link(client, PATIENCE_SECONDS)
        if request.param == "shared":
            log.share(link)
        yield log, proxies["log"]
        link.close()


@pytest.fixture
async def ada(lined):
    log, _ = lined
    event = AccountRegistered(username="ada", display_name="Ada", password_hash="hash")
    return (await log.register(event)).id


async def edit(log, actor, number=0):
    return await log.append(ProfileEdited(bio=str(number)), actor=actor)


async def test_a_restart_of_the_log_refuses_nobody(lined, ada, log_client):
    """Neither commands nor questions fail while it is away for a moment; each is recorded once."""
    log, line = lined
    await line.refuse()
    asked = [edit(log, ada, number) for number in range(CROWD)]
    asked += [log.resolve("ada") for _ in range(CROWD)]
    answers = asyncio.gather(*asked)
    await asyncio.sleep(BLIP_SECONDS)
    await line.heal()
    appended = (await answers)[:CROWD]

    stream = stream_key("accounts", appended[0].address.partition)
    recorded = [entry_id for entry_id, _ in await log_client.xrange(stream)]
    assert len(recorded) == 1 + CROWD
    assert {str(each.position).encode() for each in appended} <= set(recorded)


@pytest.mark.parametrize("silent", [False, True])
async def test_a_log_that_stays_away_is_waited_for_once(lined, ada, silent):
    """The first wait no longer than is promised; those that come after are refused at once.

    One of them tries it meanwhile, so that it is used again as soon as it answers.
    """
    log, line = lined
    if silent:
        line.stall()
    else:
        await line.refuse()
    await refused_within(PROMISED_SECONDS, log, ada)
    await refused_within(PROMISED_SECONDS, log, ada)  # one of them tries
    started = time.monotonic()
    trying = asyncio.create_task(refused_within(PROMISED_SECONDS, log, ada, 1))
    await asyncio.sleep(0)
    await refused_within(0.5, log, ada)
    await trying
    assert time.monotonic() - started < PROMISED_SECONDS

    await line.heal()
    async with asyncio.timeout(5):
        while True:
            try:
                assert (await edit(log, ada)).id > ada
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                break


async def test_a_sealing_key_is_asked_for_until_it_is_answered(lined, ada, log_client):
    """An append whose look at its actor's key loses the answer is recorded all the same, once."""
    log, line = lined
    assert log.keyring.remembered(ada) is None
    line.cut_after_request()
    appended = await edit(log, ada)

    stream = stream_key("accounts", appended.address.partition)
    recorded = [entry_id for entry_id, _ in await log_client.xrange(stream)]
    assert recorded[1:] == [str(appended.position).encode()]


async def test_a_sealing_key_that_is_never_answered_is_an_outage_of_the_log(lined, ada, log_client):
    """Every answer is lost: the append says that nothing was recorded, and within its time."""
    log, line = lined

    async def lose_every_answer():
        while True:
            line.cut_after_request()
            await asyncio.sleep(0.01)

    losing = asyncio.create_task(lose_every_answer())
    async with asyncio.timeout(PROMISED_SECONDS):
        with pytest.raises(Unavailable) as refused:
            await edit(log, ada)
    losing.cancel()

    assert refused.value.code == "log-unavailable"
    stream = stream_key("accounts", shard_of(ada) % log.partitions)
    assert await log_client.xlen(stream) == 1, "its registration alone"


async def refused_within(seconds, log, actor, crowd=CROWD):
    """Appends and questions, all of which say that the log is away, or that nobody knows."""
    asked = [edit(log, actor) for _ in range(crowd)] + [log.resolve("ada") for _ in range(crowd)]
    async with asyncio.timeout(seconds):
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(each) for each in answers} == {Unavailable}, answers
    assert {each.code for each in answers} <= {"log-unavailable", "unknown-outcome"}
