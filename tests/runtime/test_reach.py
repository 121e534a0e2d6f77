"""Patience with an engine: bounded for each, and spent once for all."""

import asyncio
import time

import pytest

from runtime.errors import NotFound, Unavailable
from runtime.reach import Reach


async def hang():
    await asyncio.Event().wait()


async def refuse():
    raise ConnectionRefusedError


async def answer():
    return "well"


async def ask(reach, question):
    async with reach.bounded():
        return await question()


async def lose(reach, question=hang):
    with pytest.raises(Unavailable) as refusal:
        await ask(reach, question)
    assert refusal.value.code == "gone"


async def test_a_hang_is_met_once():
    """Whoever comes after it, and whoever waits beside the one that tries, is refused at once."""
    reach = Reach("gone", 0.2)
    await asyncio.gather(*(lose(reach) for _ in range(5)))

    started = time.monotonic()
    await asyncio.gather(*(lose(reach) for _ in range(100)))
    assert time.monotonic() - started < 0.2
    assert reach.is_away()


async def test_one_at_a_time_tries_an_engine_that_hangs():
    """The others go on being refused meanwhile; its answer lets everybody in."""
    reach = Reach("gone", 0.05)
    await lose(reach)
    await until_tried(reach)
    healed, trying = asyncio.Event(), asyncio.Event()

    async def slowly():
        trying.set()
        await healed.wait()

    async with asyncio.timeout(5):
        reach.seconds = 5
        trial = asyncio.create_task(ask(reach, slowly))
        await trying.wait()
        await lose(reach, answer)
        healed.set()
        await trial
    assert await ask(reach, answer) == "well"
    assert not reach.is_away()


async def until_tried(reach):
    """Wait until somebody may try again."""
    async with asyncio.timeout(5):
        while True:
            try:
                reach.refuse_while_away()
            except Unavailable:
                await asyncio.sleep(0.01)
            else:
                return


async def test_an_engine_that_refuses_is_tried_by_the_next():
    """It costs nobody a wait, and a connection that was cut must not look like an outage."""
    reach = Reach("gone", 5)
    await lose(reach, refuse)

    await until_tried(reach)
    assert await ask(reach, answer) == "well"
    assert not reach.is_away()


async def test_a_silent_connection_beside_others_that_answer_is_no_outage():
    """One slow question must not turn everybody away."""
    reach = Reach("gone", 0.2)
    slow = asyncio.create_task(lose(reach))
    while not slow.done():
        assert await ask(reach, answer) == "well"
        await asyncio.sleep(0)


async def test_what_is_no_outage_says_that_the_engine_answers():
    """A missing row, a wrong statement: errors of ours are passed on as they are."""
    reach = Reach("gone", 0.05)

    async def find():
        raise NotFound("none")

    for _ in range(2):
        with pytest.raises(NotFound):
            await ask(reach, find)
    assert not reach.is_away()

    async def other():
        raise Unavailable("another")

    with pytest.raises(Unavailable, match="another"):
        await ask(reach, other)
    assert not reach.is_away()


async def test_listeners_hear_of_every_outage():
    """Whoever answers next may be another server."""
    reach, heard = Reach("gone", 0.05), []
    reach.when_lost(lambda: heard.append("lost"))
    await lose(reach)
    assert heard == ["lost"]
