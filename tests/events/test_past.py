"""Reading on from any event: whatever was trimmed is taken from the archive, each entry once."""

import pytest

from events.ids import END, START, Address, Position, position_before
from events.log import Log, stream_key
from events.past import Past
from tests.archiving import at, moments, run

STREAM = stream_key("posts", 0)


@pytest.fixture
def past(log_client, archive, settings):
    return Past(Log(log_client, partitions=8, secret=b"s" * 32), archive)


@pytest.fixture
async def history(log_client, archive):
    """Ten entries, archived in three segments; all in the stream, of which a test drops some."""
    entries = run(*range(1, 11))
    for entry_id, fields in entries:
        await log_client.xadd(STREAM, fields, id=entry_id)
    for some in (entries[:4], entries[4:7], entries[7:9]):
        await archive.add("posts", 0, some)
    await log_client.hset("head:{0}", "posts", str(at(10)))
    return entries


async def read(past, after):
    return [
        moment
        for page in [p async for p in past.since("posts", 0, after)]
        for moment in moments(page)
    ]


@pytest.mark.parametrize(
    "kept",
    [
        range(1, 11),  # nothing trimmed
        range(6, 11),  # the older half
        [10],  # all that is archived
        [2, 5, 9, 10],  # what letters name was left alone
        [1, 2, 10],
    ],
)
async def test_gaps_are_filled(past, history, log_client, kept):
    """From the beginning, from the middle, from an entry's own position."""
    for moment in set(range(1, 11)).difference(kept):
        await log_client.xdel(STREAM, str(at(moment)))

    assert await read(past, START) == list(range(1, 11))
    assert await read(past, at(3)) == list(range(4, 11))
    assert await read(past, position_before(at(8))) == [8, 9, 10]
    assert await read(past, at(10)) == []


async def test_an_emptied_stream_is_the_archive(past, history, log_client):
    await log_client.xtrim(STREAM, maxlen=0, approximate=False)
    assert await read(past, at(2)) == [3, 4, 5, 6, 7, 8, 9]


async def test_what_nobody_has_is_passed_over(past, history, log_client):
    """An entry that was lost before it was archived ends nothing: those behind it are shown."""
    await log_client.xadd(STREAM, run(12, after=11)[0][1], id=str(at(12)))
    assert await read(past, at(8)) == [9, 10, 12]


async def test_single_events_are_found_where_they_are(past, history, log_client):
    """In the stream, in the archive, in neither; and what the archive has of one in the stream."""
    await log_client.xdel(STREAM, str(at(5)), str(at(10)))
    assert (await past.at(Address("posts", 0, at(2)))).archived is False
    assert (await past.at(Address("posts", 0, at(5)))).archived is True
    assert await past.at(Address("posts", 0, at(10))) is None
    assert await past.at(Address("posts", 0, at(11))) is None
    assert await past.at(Address("moods", 0, at(2))) is None
    assert (await past.segment_of(Address("posts", 0, at(6)))).first == str(at(5))
    assert await past.segment_of(Address("posts", 0, at(10))) is None


def test_the_position_before_one_leaves_nothing_between():
    assert position_before(Position(5, 3)) == Position(5, 2)
    assert position_before(Position(5, 0)) == Position(4, END.sequence)
    assert position_before(START) == START
