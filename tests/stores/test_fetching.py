"""A crowd that wants the same cold cards asks for each once, and nobody loses by it."""

import asyncio

import pytest

from stores.fetching import Fetching


class Slow:
    """A place where things are fetched from, a little later than asked."""

    def __init__(self):
        self.asked = []
        self.whole = True
        self.error = None

    async def fetch(self, ids):
        self.asked.append(tuple(ids))
        await asyncio.sleep(0.02)
        if self.error is not None:
            raise self.error
        return {each: f"card {each}" for each in ids if each}, self.whole


@pytest.fixture
def slow():
    return Slow()


async def test_each_is_asked_for_once(slow):
    """Whoever comes later waits for what is under way, and asks for the rest alone."""
    fetching = Fetching(slow.fetch)
    wishes = ([1, 2], [2, 1], [2, 3], [0, 3], [1])
    answers = await asyncio.gather(*(fetching.take(each) for each in wishes))

    assert slow.asked == [(1, 2), (3,), (0,)]
    for ids, (found, complete) in zip(wishes, answers, strict=True):
        assert found == {each: f"card {each}" for each in ids if each}
        assert complete
    await fetching.take([1])
    assert slow.asked[-1] == (1,), "what has ended is no longer waited for"


async def test_who_leaves_takes_nothing_from_the_others(slow):
    """The first to ask is cancelled; the fetch it began ends well."""
    fetching = Fetching(slow.fetch)
    first = asyncio.create_task(fetching.take([7]))
    await asyncio.sleep(0)
    second = asyncio.create_task(fetching.take([7]))
    await asyncio.sleep(0)
    first.cancel()

    assert await second == ({7: "card 7"}, True)
    assert slow.asked == [(7,)]


async def test_a_lack_and_a_failure_are_everybodys(slow):
    """Not all there is, or an error: each of the crowd hears of it; the next one asks anew."""
    fetching = Fetching(slow.fetch)
    slow.whole = False
    assert (
        await asyncio.gather(fetching.take([1]), fetching.take([1])) == [({1: "card 1"}, False)] * 2
    )

    slow.error = OSError("gone")
    failed = await asyncio.gather(fetching.take([1]), fetching.take([1, 2]), return_exceptions=True)
    assert [type(each) for each in failed] == [OSError, OSError]
    slow.error, slow.whole = None, True
    assert await fetching.take([1, 2]) == ({1: "card 1", 2: "card 2"}, True)
